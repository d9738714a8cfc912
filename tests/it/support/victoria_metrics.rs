//! A real VictoriaMetrics, which speaks InfluxDB 2's write path and serves as a second opinion.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::http;
use super::process::Process;
use super::wait::{START, free_addresses};

#[derive(Debug)]
pub struct VictoriaMetrics {
    address: SocketAddr,
    process: Process,
    dir: TempDir,
}

impl VictoriaMetrics {
    pub fn start() -> Self {
        let [address] = free_addresses();
        let dir = tempfile::tempdir().expect("a directory");
        let mut command = Command::new("victoria-metrics");
        command
            .arg(format!("-httpListenAddr={address}"))
            .arg(format!("-storageDataPath={}", dir.path().join("data").display()))
            .arg("-retentionPeriod=100y")
            // Without it a point written twice is stored twice.
            .arg("-dedup.minScrapeInterval=1ms");
        let mut process = Process::start("victoria-metrics", &mut command, dir.path());
        process.wait_ready(START, || http::get(address, "/health").is_ok_and(|answer| answer.status == 200));
        Self { address, process, dir }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// Writes line protocol the way InfluxDB 2 takes it.
    pub fn write(&self, lines: &str) -> http::Answer {
        http::post(self.address, "/api/v2/write?precision=ns", lines.as_bytes())
            .expect("an answer to a write")
    }

    /// Every series that matches, each with `metric`, `values` and `timestamps` (milliseconds).
    pub fn export(&self, selector: &str) -> Vec<Value> {
        // What was written becomes visible to reading only after a flush.
        http::get(self.address, "/internal/force_flush").expect("a flush");
        let path = format!("/api/v1/export?{}", http::query_string(&[("match[]", selector)]));
        let answer = http::get(self.address, &path).expect("an answer to an export");
        assert_eq!(answer.status, 200, "{selector}: {}", answer.body);
        answer.body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}
