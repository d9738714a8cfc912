//! A child process whose output goes to a file, which ends with its owner, also where that is killed, and tells its
//! output on failure.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use super::wait::poll_until;

#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    output: PathBuf,
}

impl Process {
    /// Starts `command` with stdout and stderr in `dir`/`name`.log (appended: a restart keeps what was said).
    pub fn start(name: &'static str, command: &mut Command, dir: &Path) -> Self {
        let output = dir.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&output).expect("a log file");
        let mut tied = tied(command);
        let child = tied
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a second handle"))
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}; ./tests/run installs it"));
        Self { name, child, output }
    }

    /// Waits until `ready` says yes; panics with the output if the process ends before that.
    pub fn wait_ready(&mut self, limit: Duration, mut ready: impl FnMut() -> bool) {
        let what = format!("{} is ready", self.name);
        poll_until(limit, &what, || {
            if let Some(status) = self.exited() {
                panic!("{} ended at its start with {status}", self.name);
            }
            ready().then_some(())
        });
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the state of our own child")
    }

    /// SIGKILL, and waits until the process is gone.
    pub fn kill9(&mut self) {
        // An error here means that it has ended already, which is what is asked for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM; panics if the process is still there after `limit`.
    pub fn stop(&mut self, limit: Duration) -> ExitStatus {
        if let Some(status) = self.exited() {
            return status;
        }
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("SIGTERM to our own child");
        let what = format!("{} has ended after SIGTERM", self.name);
        poll_until(limit, &what, || self.exited())
    }

    /// Sends SIGHUP.
    pub fn hangup(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).expect("SIGHUP to our own child");
    }

    pub fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.output).unwrap_or_default()).into_owned()
    }
}

/// The same command, killed by the kernel when the thread that starts it ends: no signal to us leaves servers behind.
/// As it is where setpriv (util-linux) is not there.
fn tied(command: &Command) -> Command {
    static THERE: OnceLock<bool> = OnceLock::new();
    let there = *THERE.get_or_init(|| {
        let tried = Command::new("setpriv").args(["--pdeathsig", "KILL", "true"]).output();
        let there = tried.is_ok_and(|tried| tried.status.success());
        if !there {
            eprintln!("no setpriv --pdeathsig here: servers outlive a test run that is killed");
        }
        there
    });
    let mut tied = Command::new("setpriv");
    if there {
        tied.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program());
    } else {
        tied = Command::new(command.get_program());
    }
    tied.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => tied.env(name, value),
            None => tied.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        tied.current_dir(dir);
    }
    tied
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            eprintln!("--- output of {} ---\n{}", self.name, self.output());
        }
    }
}
