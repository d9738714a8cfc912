//! A message that kills the process is found and set apart; kills from outside blame no message.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nadikota::mqtt::publish::Publisher;
use serde_json::Value;

use super::support::city;
use super::support::counting::Counting;
use super::support::http;
use super::support::process::Process;
use super::support::publish::publish;
use super::support::told::Told;
use super::support::wait::{accepts, free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(60);

/// The real program as a supervisor keeps it: started again whenever it has died, within a limit of memory.
struct Supervised {
    http: SocketAddr,
    process: Process,
    dir: tempfile::TempDir,
    /// KiB of address space.
    memory: Option<u64>,
    deaths: u32,
}

impl Supervised {
    fn start(config: &str) -> Self {
        let [http] = free_addresses();
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("nadikota.toml"), config).expect("the configuration");
        let process = launch(http, dir.path(), None);
        Self { http, dir, memory: None, process, deaths: 0 }
    }

    fn health(&self) -> Option<Value> {
        serde_json::from_str(&http::get(self.http, "/health").ok()?.body).ok()
    }

    fn account(&self) -> Value {
        self.health().map_or(Value::Null, |health| health["account"].clone())
    }

    /// Asks a command, which has all the memory it wants.
    fn ask(&self, arguments: &[&str]) -> Told {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nadikota"));
        command.arg("--config").arg(self.dir.path().join("nadikota.toml")).args(arguments);
        let output =
            command.env("NADIKOTA__DATA_DIR", self.dir.path().join("data")).output().expect("nadikota");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Told { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    fn kill(&mut self) {
        self.process.kill9();
        self.process = launch(self.http, self.dir.path(), self.memory);
    }

    /// Starts it again where it has died; says how it ended.
    fn tend(&mut self) {
        if let Some(status) = self.process.exited() {
            self.deaths += 1;
            println!("death {}: {status}", self.deaths);
            self.process = launch(self.http, self.dir.path(), self.memory);
        }
    }

    fn address_space(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))
            .expect("a running process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).expect("its address space");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

fn launch(http: SocketAddr, dir: &Path, memory: Option<u64>) -> Process {
    let limit = memory.map_or_else(|| "unlimited".to_owned(), |kib| kib.to_string());
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -c 0; ulimit -v \"$0\"; exec \"$@\"", &limit, env!("CARGO_BIN_EXE_nadikota")])
        .args(["run", "--config"])
        .arg(dir.join("nadikota.toml"))
        // One arena: the allocator reserves little that it does not use, so the limit is what counts.
        .env("MALLOC_ARENA_MAX", "1")
        .env("NADIKOTA__HTTP__LISTEN", http.to_string())
        .env("NADIKOTA__DATA_DIR", dir.join("data"));
    Process::start("nadikota", &mut command, dir)
}

/// A message that is small on the wire and large in memory: the limits of transform are raised so far that it fits.
fn large() -> String {
    format!("[{}]", vec!["{\"v\":1}"; 200_000].join(","))
}

#[test]
fn a_message_that_kills_the_process_is_quarantined_and_the_rest_is_stored() {
    let [broker] = free_addresses();
    let mut service = Supervised::start(&format!(
        "time_zone = \"Asia/Jakarta\"\ndestinations = []\n[mqtt]\nenabled = false\n[broker]\nlisten = \"{broker}\"\n\
         [transform]\nmax_values = 1000000\nmax_payload = \"4 MiB\"\n\
         [[routes]]\ntopic = \"city/{{device}}\"\nformat = \"json\"\n"
    ));
    let usual = |from: usize, to: usize| -> Vec<(String, String)> {
        (from..to).map(|n| (format!("city/d{n}"), format!("{{\"air_temperature_c\":{}}}", n % 40))).collect()
    };
    poll_until(LIMIT, "it accepts", || accepts(broker).then_some(()));
    publish(broker, "devices", &usual(0, 50));
    poll_until(LIMIT, "the first are stored", || (service.account()["stored"] == 50).then_some(()));
    // From here on it has little more memory than it needs.
    service.memory = Some(service.address_space() + 48 * 1024);
    service.kill();
    poll_until(LIMIT, "it accepts", || accepts(broker).then_some(()));
    let mut messages = usual(50, 90);
    messages.push(("city/poison".to_owned(), large()));
    // A broker that dies under its publisher acknowledges the rest to nobody.
    let publishing = std::thread::spawn(move || publish_until_it_dies(broker, messages));
    poll_until(LIMIT, "it has died", || service.process.exited());
    let acknowledged = publishing.join().expect("the publisher");
    poll_until(LIMIT, "it lives, and has an outcome for every message", || {
        service.tend();
        let account = service.account();
        let received = account["received"].as_u64()?;
        (account["pending"] == 0
            && account["quarantined_by_reason"]["poison"] == 1
            && received >= acknowledged)
            .then_some(())
    });
    let account = service.account();
    assert!(service.deaths <= 4, "{} deaths", service.deaths);
    assert_eq!(account["stored"].as_u64(), account["received"].as_u64().map(|all| all - 1), "{account}");
    assert_eq!(service.health().expect("health")["balances"], true);
    left_alone(&mut service);
    publish(broker, "devices", &usual(90, 140));
    poll_until(LIMIT, "it goes on", || (service.account()["pending"] == 0).then_some(()));
    // It stays known: what the checks remember is made again without it.
    let deaths = service.deaths;
    service.kill();
    poll_until(LIMIT, "it is there again", || service.health());
    service.tend();
    assert_eq!(
        (service.deaths, service.account()["quarantined_by_reason"]["poison"].as_u64()),
        (deaths, Some(1))
    );
    // Who reads the journal knows it when it is out of the quarantine, too.
    let seq = service.ask(&["quarantine", "list", "--json"]).lines()[0]["seq"].to_string();
    service.ask(&["quarantine", "drop", "--reason", "poison", "--yes"]);
    assert_eq!(service.ask(&["journal", "show", &seq, "--json"]).json()["today"], Value::Null);
    let told = service.ask(&["reprocess", "--from", "1h", "--to", "0s", "--dry-run", "--json"]).json();
    assert_eq!(told["poison"], 1, "{told}");
}

/// No command puts it through transform again unless it is meant by name, and each says that it did not.
fn left_alone(service: &mut Supervised) {
    let told = service.ask(&["quarantine", "replay", "--json"]).json();
    assert_eq!((&told["passed_over"], &told["messages"]), (&1.into(), &0.into()), "{told}");
    assert_eq!(service.process.exited(), None);
    let told = service.ask(&["quarantine", "replay"]).stdout;
    assert!(told.contains("1 of reason poison passed over"), "{told}");
    let seq = service.ask(&["quarantine", "list", "--json"]).lines()[0]["seq"].to_string();
    for arguments in [["list", "--count=device"], ["list", "--device=poison"], ["export", "--device=poison"]]
    {
        let told = service.ask(&[["quarantine"].as_slice(), &arguments].concat());
        assert_eq!(told.stdout, "", "{arguments:?}");
        assert!(told.stderr.contains("1 of reason poison passed over"), "{told:?}");
    }
    for room in ["quarantine", "journal"] {
        let told = service.ask(&[room, "show", &seq, "--json"]).json();
        assert_eq!(told["today"], Value::Null, "{room}");
        assert!(service.ask(&[room, "show", &seq]).stdout.contains("is not tried"), "{room}");
        let told = service.ask(&[room, "show", &seq, "--json", "--try"]).json();
        assert_eq!(told["today"]["decision"]["outcome"], "stored", "{room}: without a limit of memory");
    }
    let told = service.ask(&["reprocess", "--from", "1h", "--to", "0s", "--dry-run", "--json"]).json();
    assert_eq!((&told["poison"], &told["in_quarantine"]), (&1.into(), &0.into()), "{told}");
    let told = service.ask(&["export", "--source", "journal"]);
    assert!(told.stderr.contains("1 message of reason poison passed over"), "{}", told.stderr);
}

#[test]
fn fifty_kills_from_outside_with_the_database_away_blame_no_message() {
    let [broker] = free_addresses();
    let database = Counting::start(503);
    let mut service = Supervised::start(&format!(
        "time_zone = \"Asia/Jakarta\"\n[mqtt]\nenabled = false\n[broker]\nlisten = \"{broker}\"\n\
         [[destinations]]\nversion = \"1\"\nurl = \"{}\"\ndatabase = \"city\"\ngzip = false\n\
         [[routes]]\ntopic = \"city/{{device}}\"\nformat = \"json\"\n",
        database.url()
    ));
    let messages: Vec<_> =
        (0..4000).map(|n| (format!("city/d{n}"), format!("{{\"air_temperature_c\":{}}}", n % 40))).collect();
    poll_until(LIMIT, "it accepts", || accepts(broker).then_some(()));
    publish(broker, "devices", &messages);
    let mut random = fastrand::Rng::with_seed(6);
    for _ in 0..50 {
        service.kill();
        // At its start it takes everything in hand again: that is when a kill could point at a message.
        poll_until(LIMIT, "it lives", || service.health().is_some().then_some(()));
        let moment = Instant::now() + Duration::from_millis(random.u64(0..250));
        poll_until(LIMIT, "the moment of the kill", || (Instant::now() >= moment).then_some(()));
    }
    database.answer(204);
    let account = poll_until(LIMIT, "all have an outcome", || {
        let account = service.account();
        (account["pending"] == 0).then_some(account)
    });
    assert_eq!(
        (account["received"].as_u64(), account["stored"].as_u64()),
        (Some(4000), Some(4000)),
        "{account}"
    );
    let hits = service.process.output().matches("died with these messages in hand").count();
    println!("{hits} of 50 kills hit messages in hand");
    assert!(hits > 0, "no kill hit a message in hand");
}

/// Publishes with QoS 1 until the broker goes away; how many were acknowledged.
fn publish_until_it_dies(broker: SocketAddr, messages: Vec<(String, String)>) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut publisher = Publisher::new(&city::client(broker, "poisoner"), 100);
        for (topic, payload) in messages {
            assert!(publisher.try_publish(0, &topic, payload.into_bytes(), false), "room for all");
        }
        let mut acknowledged = 0;
        while let Ok(answer) = publisher.poll().await {
            acknowledged += u64::from(answer.is_some());
        }
        acknowledged
    })
}
