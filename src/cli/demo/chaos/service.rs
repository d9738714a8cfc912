//! The service as a child process: `nadikota run` with a configuration of its own, killed and started again at will.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use rustix::process::{Pid, Signal};
use serde::Deserialize;
use tokio::time::Instant;

use super::database;
use crate::account::Account;
use crate::config::DEMO_DEVICES;
use crate::http::ask;

/// Every key and all routes; what is the demo's own comes over it.
const SHIPPED: &str = include_str!("../../../../config/nadikota.toml");
/// A start reads the journal, which is short here; a busy machine may still take a while.
const START: Duration = Duration::from_secs(30);
/// Longer than `stop_within` of the configuration.
const STOP: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);
/// Lines of the log that are told when the service ends by itself.
const LAST_LINES: usize = 12;
/// Below the ports that systems give to outgoing connections: nothing takes one while the service is away.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Ends with its owner, whatever becomes of that: see [`end_with`].
pub(super) struct Service {
    process: Child,
    dir: PathBuf,
    pub(super) mqtt: SocketAddr,
    pub(super) http: SocketAddr,
}

/// What `/health` tells, as far as the demo needs it.
#[derive(Deserialize)]
struct Health {
    account: Account,
}

impl Service {
    /// Starts it for the first time; `dir` is made, and holds all it has.
    pub(super) fn start(
        dir: &Path,
        mqtt: SocketAddr,
        http: SocketAddr,
        database: &str,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        let name = database::NAME;
        let own = format!(
            "data_dir = {data}\n[http]\nlisten = \"{http}\"\n[mqtt]\nenabled = false\n\
             [broker]\nlisten = \"{mqtt}\"\n[journal]\nmin_free = \"64 MiB\"\n\
             [[destinations]]\nkind = \"influxdb\"\nversion = \"1\"\nurl = \"{database}\"\ndatabase = \"{name}\"\n",
            data = toml_text(&dir.join("data"))?,
        );
        for (name, text) in [("nadikota.toml", SHIPPED), ("devices.csv", DEMO_DEVICES), ("chaos.toml", &own)]
        {
            let path = dir.join(name);
            std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        }
        Ok(Self { process: launch(dir)?, dir: dir.to_owned(), mqtt, http })
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(super) fn quarantine(&self) -> PathBuf {
        self.dir.join("data/quarantine")
    }

    /// SIGKILL: no chance to save anything.
    pub(super) fn kill(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts it again on what the kill left.
    pub(super) fn start_again(&mut self) -> anyhow::Result<()> {
        self.kill();
        self.process = launch(&self.dir)?;
        Ok(())
    }

    /// Waits until a message that arrives can be kept.
    pub(super) async fn ready(&mut self) -> anyhow::Result<()> {
        let late = Instant::now() + START;
        loop {
            self.must_run()?;
            if ask(self.http, "/health/ready", None).await.is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            if Instant::now() >= late {
                bail!("the service is not ready after {} s\n{}", START.as_secs(), self.last_lines());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The account now. A machine that is very busy is asked again.
    pub(super) async fn account(&mut self) -> anyhow::Result<Account> {
        let late = Instant::now() + START;
        loop {
            self.must_run()?;
            match ask(self.http, "/health", None).await {
                Ok(answer) => {
                    let health: Health =
                        serde_json::from_str(&answer.body).context("/health of the service")?;
                    return Ok(health.account);
                }
                Err(error) if Instant::now() >= late => {
                    return Err(anyhow::Error::new(error).context("the service does not tell its account"));
                }
                Err(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// SIGTERM, and waits for its end.
    pub(super) async fn stop(&mut self) -> anyhow::Result<()> {
        let late = Instant::now() + STOP;
        rustix::process::kill_process(Pid::from_child(&self.process), Signal::TERM)
            .context("the service cannot be stopped")?;
        loop {
            match self.ended()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("the service ended with {status}\n{}", self.last_lines()),
                None if Instant::now() >= late => {
                    bail!("the service does not stop within {} s\n{}", STOP.as_secs(), self.last_lines())
                }
                None => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// An error where it has ended by itself.
    pub(super) fn must_run(&mut self) -> anyhow::Result<()> {
        match self.ended()? {
            None => Ok(()),
            Some(status) => Err(anyhow!("the service ended by itself: {status}\n{}", self.last_lines())),
        }
    }

    fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.process.try_wait().context("the state of the service")
    }

    fn last_lines(&self) -> String {
        let log = std::fs::read(log(&self.dir)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Asks the kernel to kill this process when the thread that started it ends, which is its parent's main thread.
/// So the service ends even if the demo is killed without a chance to say so.
pub(in crate::cli) fn end_with(parent: u32) -> anyhow::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .context("cannot ask to end with the parent process")?;
    // It may have ended before we asked.
    let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    if now.and_then(|pid| u32::try_from(pid).ok()) != Some(parent) {
        bail!("the parent process {parent} has ended");
    }
    Ok(())
}

fn launch(dir: &Path) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("cannot find our own program")?;
    let path = log(dir);
    let out = File::options().create(true).append(true).open(&path);
    let out = out.with_context(|| path.display().to_string())?;
    let both = out.try_clone().context("the service's log")?;
    Command::new(&program)
        .arg("run")
        .args(["--parent", &std::process::id().to_string()])
        .arg("--config")
        .arg(dir.join("nadikota.toml"))
        .arg("--config")
        .arg(dir.join("chaos.toml"))
        // Our settings and proxies are not the service's: it knows this configuration alone.
        .env_clear()
        // Ctrl-C in the terminal is for the demo, which then stops the service.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(both)
        .spawn()
        .with_context(|| format!("{} does not start", program.display()))
}

fn log(dir: &Path) -> PathBuf {
    dir.join("service.log")
}

fn toml_text(path: &Path) -> anyhow::Result<String> {
    let text =
        path.to_str().with_context(|| format!("{} is not UTF-8; choose another --data", path.display()))?;
    Ok(toml::Value::from(text).to_string())
}

/// Loopback addresses on which nobody listens, all different.
pub(super) fn free_addresses<const N: usize>() -> anyhow::Result<[SocketAddr; N]> {
    let mut held = Vec::new();
    for _ in 0..1_000 {
        if held.len() == N {
            break;
        }
        held.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, fastrand::u16(PORTS))));
    }
    let addresses = held.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
    addresses.try_into().map_err(|_| anyhow!("found no free ports between {} and {}", PORTS.start, PORTS.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_free_and_differ() {
        let addresses: [SocketAddr; 3] = free_addresses().unwrap();
        assert!(addresses[0] != addresses[1] && addresses[1] != addresses[2]);
        assert!(addresses.iter().all(|address| TcpListener::bind(address).is_ok()));
    }

    #[test]
    fn a_path_is_written_as_toml_text() {
        assert_eq!(toml_text(Path::new("/a \"b\"\\c")).unwrap(), r#"'/a "b"\c'"#);
    }
}
