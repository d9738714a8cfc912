//! A real InfluxDB 1.x with one database.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Map, Value};
use tempfile::TempDir;

use super::http;
use super::process::Process;
use super::wait::{START, free_addresses};

/// The database that `start` creates.
pub const DATABASE: &str = "city";

/// One row of an answer: column or tag by name. `time` is in nanoseconds.
pub type Row = Map<String, Value>;

#[derive(Debug)]
pub struct InfluxDb {
    address: SocketAddr,
    process: Process,
    dir: TempDir,
}

impl InfluxDb {
    pub fn start() -> Self {
        let [address, backup] = free_addresses();
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("influxdb.toml"), configuration(address, backup, &dir))
            .expect("the configuration");
        let process = Self::launch(address, &dir);
        let server = Self { address, process, dir };
        server.query(&format!("CREATE DATABASE {DATABASE}"));
        server
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

    /// Ends what still runs and starts again on the same port and files.
    pub fn restart(&mut self) {
        self.process.kill9();
        self.process = Self::launch(self.address, &self.dir);
    }

    /// Writes line protocol; the answer is the server's own.
    pub fn write(&self, lines: &str) -> http::Answer {
        let path = format!("/write?{}", http::query_string(&[("db", DATABASE)]));
        http::post(self.address, &path, lines.as_bytes()).expect("an answer to a write")
    }

    /// The rows of all series of the first statement; panics where the server refuses it.
    pub fn query(&self, statement: &str) -> Vec<Row> {
        let pairs = [("db", DATABASE), ("epoch", "ns"), ("q", statement)];
        // POST because 1.x refuses to change anything over GET.
        let path = format!("/query?{}", http::query_string(&pairs));
        let answer = http::post(self.address, &path, b"").expect("an answer to a query");
        assert_eq!(answer.status, 200, "{statement}: {}", answer.body);
        let body: Value = serde_json::from_str(&answer.body).expect("JSON");
        let result = &body["results"][0];
        assert!(result["error"].is_null(), "{statement}: {}", result["error"]);
        // Cut short answers would make a comparison of all points lie.
        assert!(result["partial"].is_null(), "{statement}: the answer is cut short");
        list(&result["series"]).iter().flat_map(rows).collect()
    }

    fn launch(address: SocketAddr, dir: &TempDir) -> Process {
        let mut command = Command::new("influxd");
        command.arg("run").arg("-config").arg(dir.path().join("influxdb.toml"));
        let mut process = Process::start("influxd", &mut command, dir.path());
        process.wait_ready(START, || http::get(address, "/ping").is_ok_and(|answer| answer.status == 204));
        process
    }
}

/// Nothing but HTTP on loopback. Debian renamed the reporting key, so both names stand there.
fn configuration(address: SocketAddr, backup: SocketAddr, dir: &TempDir) -> String {
    let dir = dir.path().display();
    format!(
        "reporting-enabled = false\nreporting-disabled = true\n\
         bind-address = \"{backup}\"\n\
         [meta]\ndir = \"{dir}/meta\"\n\
         [data]\ndir = \"{dir}/data\"\nwal-dir = \"{dir}/wal\"\nquery-log-enabled = false\n\
         [monitor]\nstore-enabled = false\n\
         [subscriber]\nenabled = false\n\
         [continuous_queries]\nenabled = false\n\
         [ifql]\nenabled = false\n\
         [http]\nbind-address = \"{address}\"\nlog-enabled = false\n"
    )
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn rows(series: &Value) -> Vec<Row> {
    let tags = series["tags"].as_object().cloned().unwrap_or_default();
    let columns: Vec<&str> = list(&series["columns"]).iter().filter_map(Value::as_str).collect();
    list(&series["values"])
        .iter()
        .map(|values| {
            let mut row = tags.clone();
            row.extend(columns.iter().map(|name| (*name).to_owned()).zip(list(values).iter().cloned()));
            row
        })
        .collect()
}
