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
        Self::start_with(None)
    }

    /// Scrapes one target every second, by a scrape configuration that names another and a longer interval.
    pub fn scraping(config: &str, target: SocketAddr) -> Self {
        let quick = config.replace("15s", "1s").replace("nadikota:8080", &target.to_string());
        assert!(quick.contains("interval: 1s") && quick.contains(&target.to_string()), "{quick}");
        Self::start_with(Some(&quick))
    }

    fn start_with(scrape: Option<&str>) -> Self {
        let [address] = free_addresses();
        let dir = tempfile::tempdir().expect("a directory");
        let mut command = Command::new("victoria-metrics");
        command
            .arg(format!("-httpListenAddr={address}"))
            .arg(format!("-storageDataPath={}", dir.path().join("data").display()))
            .arg("-retentionPeriod=100y")
            // Without it a point written twice is stored twice.
            .arg("-dedup.minScrapeInterval=1ms");
        if let Some(scrape) = scrape {
            let file = dir.path().join("scrape.yml");
            std::fs::write(&file, scrape).expect("the scrape configuration");
            command.arg(format!("-promscrape.config={}", file.display()));
        }
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

    /// How many series a PromQL expression gives now; panics where the server refuses it.
    pub fn query(&self, expression: &str) -> usize {
        http::get(self.address, "/internal/force_flush").expect("a flush");
        let pairs = [("query", expression), ("latency_offset", "1s"), ("nocache", "1")];
        let path = format!("/api/v1/query?{}", http::query_string(&pairs));
        let answer = http::get(self.address, &path).expect("an answer to a query");
        assert_eq!(answer.status, 200, "{expression}: {}", answer.body);
        let body: Value = serde_json::from_str(&answer.body).expect("JSON");
        body["data"]["result"].as_array().expect("a result").len()
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
