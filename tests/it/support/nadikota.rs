//! The real program, run with a configuration of the test's own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::http;
use super::process::Process;
use super::wait::{START, free_addresses};

#[derive(Debug)]
pub struct Nadikota {
    http: SocketAddr,
    process: Process,
    dir: TempDir,
    shipped: bool,
    /// The only CA that is trusted, where it is not the system's.
    ca: Option<PathBuf>,
}

/// The shipped configuration, which knows the devices of the simulated city.
pub const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/nadikota.toml");

/// The routes of the shipped configuration, as text for a configuration of one's own.
pub fn shipped_routes() -> String {
    let text = std::fs::read_to_string(SHIPPED).expect("the shipped configuration");
    let at = text.find("[[routes]]").expect("its routes");
    text[at..].to_owned()
}

impl Nadikota {
    /// Runs `nadikota run` and waits until it answers that it is alive.
    ///
    /// The data directory and the health address are the harness's and come by environment,
    /// so `config` names neither. It is read over the shipped configuration, whose routes it keeps.
    pub fn start(config: &str) -> Self {
        Self::start_with(config, true, None, |_| {})
    }

    /// The same; `prepare` sees the directory in which the data directory will be.
    pub fn start_prepared(config: &str, prepare: impl FnOnce(&Path)) -> Self {
        Self::start_with(config, true, None, prepare)
    }

    /// The same with no configuration but this one: what it does not name is absent.
    pub fn start_alone(config: &str) -> Self {
        Self::start_with(config, false, None, |_| {})
    }

    /// The same on a machine that trusts this CA alone.
    pub fn start_trusting(config: &str, ca: &Path) -> Self {
        Self::start_with(config, false, Some(ca.to_owned()), |_| {})
    }

    fn start_with(config: &str, shipped: bool, ca: Option<PathBuf>, prepare: impl FnOnce(&Path)) -> Self {
        let [http] = free_addresses();
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("nadikota.toml"), config).expect("the configuration");
        prepare(dir.path());
        let process = Self::launch(http, dir.path(), shipped, ca.as_deref());
        Self { http, process, dir, shipped, ca }
    }

    pub fn http(&self) -> SocketAddr {
        self.http
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn hangup(&self) {
        self.process.hangup();
    }

    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.process.exited()
    }

    pub fn stop(&mut self, limit: Duration) -> ExitStatus {
        self.process.stop(limit)
    }

    /// Ends what still runs and starts again on the same data directory.
    pub fn restart(&mut self) {
        self.process.kill9();
        self.process = Self::launch(self.http, self.dir.path(), self.shipped, self.ca.as_deref());
    }

    /// `/health`, or nothing while the program does not answer.
    pub fn health(&self) -> Option<Value> {
        serde_json::from_str(&http::get(self.http, "/health").ok()?.body).ok()
    }

    pub fn ready(&self) -> bool {
        http::get(self.http, "/health/ready").is_ok_and(|answer| answer.status == 200)
    }

    /// Memory that is really in use, in KiB.
    pub fn memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("a running process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    pub fn output(&self) -> String {
        self.process.output()
    }

    fn launch(http: SocketAddr, dir: &Path, shipped: bool, ca: Option<&Path>) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nadikota"));
        command.envs(ca.map(|ca| ("SSL_CERT_FILE", ca)));
        command.arg("run");
        if shipped {
            command.args(["--config", SHIPPED]);
        }
        command
            .arg("--config")
            .arg(dir.join("nadikota.toml"))
            .env("NADIKOTA__HTTP__LISTEN", http.to_string())
            .env("NADIKOTA__DATA_DIR", dir.join("data"));
        let mut process = Process::start("nadikota", &mut command, dir);
        process
            .wait_ready(START, || http::get(http, "/health/live").is_ok_and(|answer| answer.status == 200));
        process
    }
}
