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
}

impl Nadikota {
    /// Runs `nadikota run` and waits until it answers that it is alive.
    ///
    /// The data directory and the health address are the harness's and come by environment,
    /// so `config` names neither. It is read over the shipped configuration, whose routes it keeps.
    pub fn start(config: &str) -> Self {
        let [http] = free_addresses();
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("nadikota.toml"), config).expect("the configuration");
        let process = Self::launch(http, dir.path());
        Self { http, process, dir }
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

    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    pub fn stop(&mut self, limit: Duration) -> ExitStatus {
        self.process.stop(limit)
    }

    /// Ends what still runs and starts again on the same data directory.
    pub fn restart(&mut self) {
        self.process.kill9();
        self.process = Self::launch(self.http, self.dir.path());
    }

    /// `/health`, or nothing while the program does not answer.
    pub fn health(&self) -> Option<Value> {
        serde_json::from_str(&http::get(self.http, "/health").ok()?.body).ok()
    }

    pub fn ready(&self) -> bool {
        http::get(self.http, "/health/ready").is_ok_and(|answer| answer.status == 200)
    }

    pub fn output(&self) -> String {
        self.process.output()
    }

    fn launch(http: SocketAddr, dir: &Path) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nadikota"));
        command
            .arg("run")
            .args(["--config", concat!(env!("CARGO_MANIFEST_DIR"), "/config/nadikota.toml")])
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
