//! A database that cannot be reached as it is configured, or refuses for good: told, waited for, and mended.

use std::process::Command;
use std::time::{Duration, Instant};

use nadikota::journal::cursor;
use serde_json::Value;

use super::support::certificates::Ca;
use super::support::city;
use super::support::counting::Counting;
use super::support::nadikota::Nadikota;
use super::support::publish::publish;
use super::support::wait::{accepts, free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(60);
/// Within so long the trouble is named, whatever the resolver or the handshake does.
const TOLD: Duration = Duration::from_secs(20);

fn destination(name: &str, url: &str, more: &str) -> String {
    format!(
        "[[destinations]]\nname = \"{name}\"\nkind = \"influxdb\"\nversion = \"1\"\nurl = \"{url}\"\n\
         database = \"city\"\ngzip = false\ntimeout = \"2s\"\n{more}"
    )
}

/// Takes `good/+` and, where there are two destinations, `stuck/+` by the embedded broker.
fn configuration(destinations: &[String], routes: &[&str]) -> (std::net::SocketAddr, String) {
    let [broker] = free_addresses();
    let routes = routes.iter().map(|name| {
        format!(
            "[[routes]]\ntopic = \"{name}/{{device}}\"\nformat = \"value\"\nname = \"v\"\ndestination = \"{name}\"\n"
        )
    });
    let config = format!(
        "time_zone = \"Asia/Jakarta\"\n[mqtt]\nenabled = false\n[broker]\nlisten = \"{broker}\"\n\
         [journal]\nmin_free = \"1 MiB\"\nsegment_size = \"64 KiB\"\nmax_size = \"512 KiB\"\n{}{}",
        destinations.concat(),
        routes.collect::<String>(),
    );
    (broker, config)
}

fn messages(name: &str, count: usize) -> Vec<(String, String)> {
    (0..count).map(|number| (format!("{name}/d{}", number % 5), format!("{number}"))).collect()
}

fn part(nadikota: &Nadikota, name: &str) -> Value {
    nadikota.health().map(|health| health["parts"][format!("destination {name}")].clone()).unwrap_or_default()
}

/// Publishes, and waits until the destination says why it stores nothing: by then all must be taken, and ready stay.
fn degraded(nadikota: &Nadikota, broker: std::net::SocketAddr, marks: &[&str]) {
    poll_until(LIMIT, "it accepts", || (accepts(broker) && nadikota.ready()).then_some(()));
    publish(broker, "devices", &messages("good", 100));
    let begin = Instant::now();
    let reason = poll_until(TOLD, "the trouble is named", || {
        let part = part(nadikota, "good");
        let reason = part["reason"].as_str()?.to_ascii_lowercase();
        (part["state"] == "degraded").then_some(reason)
    });
    println!("told after {:?}: {reason}", begin.elapsed());
    assert!(marks.iter().any(|mark| reason.contains(mark)), "{reason}");
    assert!(nadikota.ready(), "what comes is still taken");
    let account = nadikota.health().expect("health")["account"].clone();
    assert_eq!((&account["received"], &account["pending"]), (&100.into(), &100.into()), "{account}");
}

#[test]
fn a_database_whose_name_cannot_be_resolved_is_told_and_loses_nothing() {
    let (broker, config) =
        configuration(&[destination("good", "http://nowhere.invalid:8086", "")], &["good"]);
    let mut nadikota = Nadikota::start_alone(&format!("stop_within = \"1s\"\n{config}"));
    degraded(&nadikota, broker, &["lookup", "resolve", "name", "dns", "no answer in time"]);
    let database = Counting::start(204);
    let config = config.replace("http://nowhere.invalid:8086", &database.url());
    std::fs::write(nadikota.dir().join("nadikota.toml"), config).expect("the configuration");
    assert!(nadikota.stop(LIMIT).success(), "{}", nadikota.output());
    nadikota.restart();
    city::settled(&nadikota, 100, LIMIT);
    assert_eq!(database.stored_lines(), 100);
}

#[test]
fn a_database_whose_certificate_has_expired_is_told_and_loses_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let ca = Ca::new(dir.path(), "ca");
    let database = Counting::start_secure(204, &ca.sign(dir.path(), "localhost", true));
    let (broker, config) = configuration(&[destination("good", &database.url(), "")], &["good"]);
    let nadikota = Nadikota::start_trusting(&config, &ca.file);
    degraded(&nadikota, broker, &["expired"]);
    database.show(&ca.sign(dir.path(), "localhost", false));
    city::settled(&nadikota, 100, LIMIT);
    assert_eq!(database.stored_lines(), 100);
    assert_eq!(part(&nadikota, "good")["state"], "ok");
}

#[test]
fn one_destination_that_refuses_for_longer_than_hold_for_holds_up_neither_journal_nor_the_other() {
    let (good, stuck) = (Counting::start(204), Counting::start(404));
    let destinations =
        [destination("good", &good.url(), ""), destination("stuck", &stuck.url(), "hold_for = \"2s\"\n")];
    let (broker, config) = configuration(&destinations, &["good", "stuck"]);
    let nadikota = Nadikota::start_alone(&config);
    poll_until(LIMIT, "it accepts", || (accepts(broker) && nadikota.ready()).then_some(()));
    publish(broker, "devices", &messages("stuck", 2000));
    publish(broker, "devices", &messages("good", 2000));
    poll_until(LIMIT, "the good one has all of its own", || (good.stored_lines() == 2000).then_some(()));
    let account = city::settled(&nadikota, 4000, LIMIT);
    assert_eq!(account["quarantined_by_reason"]["destination_refused"], 2000, "{account}");
    assert_eq!((&account["stored"], good.stored_lines()), (&2000.into(), 2000), "{account}");
    assert!(nadikota.ready());
    poll_until(LIMIT, "its position moves", || {
        let cursor = cursor::load(&nadikota.data_dir()).ok()??;
        (cursor.destinations["stuck"].position == 4001).then_some(())
    });
    // More than the journal holds: what is settled makes room.
    publish(broker, "devices", &messages("good", 12_000));
    city::settled(&nadikota, 16_000, LIMIT);
    let journal = std::fs::read_dir(nadikota.data_dir().join("journal")).expect("the journal");
    let firsts = journal.filter(|entry| entry.as_ref().expect("an entry").file_name() != "damage").count();
    assert!(firsts <= 9, "{firsts} segments of 64 KiB in 512 KiB");

    stuck.answer(204);
    let mut replay = Command::new(env!("CARGO_BIN_EXE_nadikota"));
    replay.arg("--config").arg(nadikota.dir().join("nadikota.toml")).args(["quarantine", "replay", "--json"]);
    let told = replay.env("NADIKOTA__DATA_DIR", nadikota.data_dir()).output().expect("nadikota");
    let told: Value = serde_json::from_slice(&told.stdout).expect("JSON");
    assert_eq!(told["stored"], 2000, "{told}");
    assert_eq!(stuck.stored_lines(), 2000);
    let account = city::settled(&nadikota, 16_000, LIMIT);
    assert_eq!((&account["stored"], &account["quarantined"]), (&16_000.into(), &0.into()), "{account}");
}
