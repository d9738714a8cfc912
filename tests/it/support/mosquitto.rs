//! A real Mosquitto with a long queue.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::process::Process;
use super::wait::{START, accepts, free_addresses};

#[derive(Debug)]
pub struct Mosquitto {
    address: SocketAddr,
    process: Process,
    dir: TempDir,
}

impl Mosquitto {
    /// Starts a broker that queues a million messages; `extra` lines (window, persistence, users) are appended.
    pub fn start(extra: &str) -> Self {
        let [address] = free_addresses();
        let dir = tempfile::tempdir().expect("a directory");
        let text = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 1000000\nmax_queued_bytes 0\n\
             persistence_location {}/\nlog_dest stderr\n{}{extra}\n",
            address.port(),
            dir.path().display(),
            stay_root(),
        );
        std::fs::write(dir.path().join("mosquitto.conf"), text).expect("the configuration");
        let process = Self::launch(address, &dir);
        Self { address, process, dir }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// A file beside the configuration, for a password file or the like.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// Ends what still runs and starts again on the same port and files.
    pub fn restart(&mut self) {
        self.process.kill9();
        self.process = Self::launch(self.address, &self.dir);
    }

    /// `mosquitto_pub` or `mosquitto_sub`, pointed at this broker.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["-h", "127.0.0.1", "-p", &self.address.port().to_string()]);
        command
    }

    pub fn output(&self) -> String {
        self.process.output()
    }

    fn launch(address: SocketAddr, dir: &TempDir) -> Process {
        // A plain user's PATH on Debian often lacks /usr/sbin.
        let mut command = Command::new("/usr/sbin/mosquitto");
        command.arg("-c").arg(dir.path().join("mosquitto.conf"));
        let mut process = Process::start("mosquitto", &mut command, dir.path());
        process.wait_ready(START, || accepts(address));
        process
    }
}

/// Started by root, Mosquitto becomes the user `mosquitto`, who may not enter our private directory.
fn stay_root() -> &'static str {
    if rustix::process::geteuid().is_root() { "user root\n" } else { "" }
}
