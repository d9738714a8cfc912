//! The quarantine on the real program: mend the cause and replay, drop, and kill it in the middle.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nadikota::sink::embedded::{Reader, Value as Stored};
use serde_json::Value;

use super::support::city;
use super::support::http;
use super::support::nadikota::Nadikota;
use super::support::publish::publish;
use super::support::scale::scaled;
use super::support::told::Told;
use super::support::wait::{free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(120);
const ROUTE: &str = "[[routes]]\ntopic = \"gauge/{device}/data\"\nformat = \"json\"\n";

fn command(nadikota: &Nadikota, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nadikota"));
    command.arg("--config").arg(nadikota.dir().join("nadikota.toml")).arg("quarantine").args(arguments);
    command.env("NADIKOTA__DATA_DIR", nadikota.data_dir());
    command
}

fn ask(nadikota: &Nadikota, arguments: &[&str]) -> Told {
    let output = command(nadikota, arguments).output().expect("nadikota");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Told { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Another command, which answers in JSON.
fn beside(nadikota: &Nadikota, arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nadikota"));
    command.arg("--config").arg(nadikota.dir().join("nadikota.toml")).args(arguments);
    let output = command.env("NADIKOTA__DATA_DIR", nadikota.data_dir()).output().expect("nadikota");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn start() -> (Nadikota, SocketAddr) {
    let [broker] = free_addresses();
    let nadikota = Nadikota::start_alone(&format!(
        "time_zone = \"Asia/Jakarta\"\nreload_every = \"100ms\"\n[mqtt]\nenabled = false\n\
         [broker]\nlisten = \"{broker}\"\n[[destinations]]\nkind = \"embedded\"\n\
         [[routes]]\ntopic = \"known/{{device}}/data\"\nformat = \"json\"\n"
    ));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    (nadikota, broker)
}

fn add_route(nadikota: &Nadikota) {
    let path = nadikota.dir().join("nadikota.toml");
    let text = std::fs::read_to_string(&path).expect("the configuration") + ROUTE;
    std::fs::write(&path, text).expect("the configuration");
}

/// The values of the field `level`, by series and time.
fn levels(nadikota: &Nadikota) -> BTreeMap<(String, i64), f64> {
    let mut levels = BTreeMap::new();
    let store = Reader::open(&nadikota.data_dir()).expect("the store");
    store
        .each(|row| {
            let Stored::Number(value) = row.value else { panic!("text is not expected: {row:?}") };
            if row.field == "level" {
                let tags: String = row.tags.iter().map(|(key, value)| format!(",{key}={value}")).collect();
                let twice = levels.insert((tags, row.time), value);
                assert_eq!(twice, None, "one identity, two rows");
            }
        })
        .expect("the store");
    levels
}

/// Each held message's level and time of receipt, which is its identity.
fn held_levels(nadikota: &Nadikota) -> BTreeMap<i64, f64> {
    let told = ask(nadikota, &["list", "--json"]);
    let held = told.lines();
    let of = |held: &Value| {
        let received: jiff::Timestamp = held["received"].as_str()?.parse().ok()?;
        let payload: Value = serde_json::from_str(held["payload"].as_str()?).ok()?;
        Some((i64::try_from(received.as_nanosecond()).ok()?, payload["level"].as_f64()?))
    };
    held.iter().filter_map(of).collect()
}

fn number(account: &Value, name: &str) -> u64 {
    account[name].as_u64().unwrap_or_else(|| panic!("{name}: {account}"))
}

fn gauges(count: u64) -> Vec<(String, String)> {
    let one = |number: u64| (format!("gauge/g{}/data", number % 7), format!("{{\"level\":{number}}}"));
    (0..count).map(one).collect()
}

#[test]
fn what_was_mended_is_replayed_with_its_first_time_and_what_is_dropped_is_counted() {
    let (mut nadikota, broker) = start();
    let mut messages = gauges(100);
    messages.extend((0..5).map(|_| ("gauge/bad/data".to_owned(), "not JSON \u{1b}[2J".to_owned())));
    messages.extend((0..3).map(|level| ("known/k1/data".to_owned(), format!("{{\"level\":{level}}}"))));
    publish(broker, "devices", &messages);
    let account = city::settled(&nadikota, 108, LIMIT);
    assert_eq!((number(&account, "stored"), number(&account, "quarantined")), (3, 105), "{account}");
    // What is listed stands behind the cursor, which is written a moment later.
    poll_until(LIMIT, "all are listed", || {
        (ask(&nadikota, &["list"]).stdout.lines().count() == 105).then_some(())
    });

    let counts = |arguments: &[&str]| ask(&nadikota, arguments).json();
    assert_eq!(counts(&["list", "--count", "--json"])["no_route"], 105);
    assert_eq!(counts(&["list", "--count=topic", "--json"])["gauge/bad/data"], 5);
    for (filter, expected) in [
        (["--device", "g3"], 14),
        (["--topic", "gauge/+/data"], 105),
        (["--topic", "gauge/bad/#"], 5),
        (["--from", "1h"], 105),
        (["--to", "1h"], 0),
        (["--reason", "malformed"], 0),
    ] {
        let listed = ask(&nadikota, &[&["list"], filter.as_slice()].concat()).stdout.lines().count();
        assert_eq!(listed, expected, "{filter:?}");
    }
    let expected = held_levels(&nadikota);
    assert_eq!(expected.len(), 100);
    let seq = ask(&nadikota, &["list", "--topic", "gauge/bad/#", "--json"]).lines()[0]["seq"].to_string();
    let shown = ask(&nadikota, &["show", &seq]).stdout;
    assert!(
        shown.contains("not JSON \\u{1b}[2J") && shown.contains("outcome      quarantined: no_route"),
        "{shown}"
    );
    let shown = ask(&nadikota, &["show", &seq, "--hex", "--json"]).json();
    assert_eq!(shown["payload_hex"], "6e6f74204a534f4e201b5b324a");

    // Nothing is changed without the token, on loopback either.
    let order = br#"{"action":"drop"}"#;
    assert_eq!(http::post(nadikota.http(), "/api/quarantine", order).expect("an answer").status, 401);
    let replayed = ask(&nadikota, &["replay", "--json"]);
    assert_eq!((&replayed.json()["stored"], &replayed.json()["stay"]["no_route"]), (&0.into(), &105.into()));

    add_route(&nadikota);
    let would = poll_until(LIMIT, "the new route is in force", || {
        let told = ask(&nadikota, &["replay", "--dry-run", "--json"]).json();
        (told["stored"] == 100).then_some(told)
    });
    assert_eq!((&would["dry_run"], &would["stay"]["malformed"]), (&true.into(), &5.into()));
    assert_eq!(number(&city::account(&nadikota).expect("health"), "quarantined"), 105);

    let told = ask(&nadikota, &["replay", "--json"]).json();
    assert_eq!((&told["stored"], &told["stay"]["malformed"]), (&100.into(), &5.into()), "{told}");
    let account = city::account(&nadikota).expect("health");
    assert_eq!((number(&account, "stored"), number(&account, "quarantined")), (103, 5), "{account}");
    let after = levels(&nadikota);
    let replayed: BTreeMap<_, _> = after
        .iter()
        .filter(|((tags, _), _)| !tags.contains("k1"))
        .map(|((_, time), level)| (*time, *level))
        .collect();
    assert_eq!(replayed, expected, "times are those of first receipt");

    let told = ask(&nadikota, &["replay", "--json"]).json();
    assert_eq!((&told["messages"], &told["stored"]), (&5.into(), &0.into()), "{told}");
    assert_eq!((levels(&nadikota), city::account(&nadikota)), (after.clone(), Some(account.clone())));
    nadikota.restart();
    poll_until(LIMIT, "it is back", || nadikota.ready().then_some(()));
    assert_eq!(city::account(&nadikota), Some(account), "the account stands on disk");

    let asked = ask(&nadikota, &["drop", "--topic", "gauge/bad/#"]);
    assert_eq!(
        (asked.code, ask(&nadikota, &["list"]).stdout.lines().count()),
        (Some(2), 5),
        "{}",
        asked.stderr
    );
    let file = nadikota.dir().join("held.jsonl");
    let exported = ask(&nadikota, &["export", "--output", file.to_str().expect("a path")]);
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    assert_eq!(std::fs::read_to_string(&file).expect("the export").lines().count(), 5);
    let dropped = ask(&nadikota, &["drop", "--topic", "gauge/bad/#", "--yes"]);
    assert_eq!(dropped.code, Some(0), "{}", dropped.stderr);
    let account = city::account(&nadikota).expect("health");
    assert_eq!((number(&account, "quarantined"), &account["discarded"]["dropped"]), (0, &5.into()));
    assert_eq!(ask(&nadikota, &["list"]).stdout, "");
    let shown = beside(&nadikota, &["journal", "show", &seq, "--json"]);
    assert_eq!(shown["fates"]["default"], serde_json::json!({ "outcome": "discarded", "reason": "dropped" }));
    assert_eq!(levels(&nadikota), after);
    // The files tell the same when nobody runs.
    nadikota.stop(LIMIT);
    let stat = beside(&nadikota, &["journal", "stat", "--json"]);
    assert_eq!(stat["account"], account);
}

#[test]
fn a_replay_killed_in_the_middle_and_run_again_doubles_and_loses_nothing() {
    let count = scaled(10_000, 100_000);
    let (mut nadikota, broker) = start();
    publish(broker, "devices", &gauges(count));
    let account = city::settled(&nadikota, count, LIMIT);
    assert_eq!(number(&account, "quarantined"), count);
    poll_until(LIMIT, "all are listed", || {
        (ask(&nadikota, &["list", "--count", "--json"]).json()["no_route"] == count).then_some(())
    });
    let began = Instant::now();
    ask(&nadikota, &["list", "--count"]);
    println!("{count} held messages are listed in {:.2} s", began.elapsed().as_secs_f64());
    let expected = held_levels(&nadikota);
    assert_eq!(expected.len(), usize::try_from(count).expect("a size"));
    add_route(&nadikota);
    poll_until(LIMIT, "the new route is in force", || {
        let first = ask(&nadikota, &["replay", "--dry-run", "--topic", "gauge/g1/data", "--json"]).json();
        (first["stay"].as_object()?.is_empty()).then_some(())
    });

    // First the service is killed, beside which it runs.
    let mut replaying = command(&nadikota, &["replay"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("nadikota");
    poll_until(LIMIT, "some are stored", || (number(&city::account(&nadikota)?, "stored") > 0).then_some(()));
    nadikota.kill9();
    let status = replaying.wait().expect("its end");
    assert_eq!(status.code(), Some(1), "a replay that lost its service fails");
    // Then the command itself, which owns the data directory now.
    let left = ask(&nadikota, &["list", "--count", "--json"]).json()["no_route"].as_u64().unwrap_or_default();
    assert!((1..count).contains(&left), "{left} are left: it was not killed in the middle");
    let mut replaying = command(&nadikota, &["replay"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nadikota");
    let mut now = left;
    while now == left && replaying.try_wait().expect("its state").is_none() {
        now = ask(&nadikota, &["list", "--count", "--json"]).json()["no_route"].as_u64().unwrap_or_default();
    }
    replaying.kill().expect("our own child");
    replaying.wait().expect("its end");

    let told = ask(&nadikota, &["replay", "--json"]);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    assert!(told.json()["stay"].as_object().expect("reasons").is_empty(), "{}", told.stdout);
    let stored: BTreeMap<_, _> =
        levels(&nadikota).into_iter().map(|((_, time), level)| (time, level)).collect();
    assert!(stored == expected, "{} stored, {} expected", stored.len(), expected.len());
    nadikota.restart();
    poll_until(LIMIT, "it is back", || nadikota.ready().then_some(()));
    let account = city::settled(&nadikota, count, LIMIT);
    assert_eq!((number(&account, "stored"), number(&account, "quarantined")), (count, 0), "{account}");
}

#[test]
fn keys_in_topics_are_shown_nowhere() {
    let (nadikota, broker) = start();
    let antares = "{\"m2m:rqp\":{\"fr\":\"ab12:cd34\",\"con\":1}}";
    let messages = [
        ("/ul/t0pk3y/d1/attrs", "t|1"),
        ("/oneM2M/req/ab12:cd34/antares-cse/json", antares),
        ("device/sck/t0pk3y/readings", "{}"),
    ];
    publish(broker, "devices", &messages.map(|(topic, payload)| (topic.to_owned(), payload.to_owned())));
    city::settled(&nadikota, 3, LIMIT);
    poll_until(LIMIT, "all are listed", || {
        (ask(&nadikota, &["list"]).stdout.lines().count() == 3).then_some(())
    });
    let shown = |arguments: &[&str]| ask(&nadikota, arguments).stdout;
    let texts = [
        shown(&["list"]),
        shown(&["list", "--json"]),
        shown(&["list", "--count=topic"]),
        shown(&["export"]),
        shown(&["show", "1"]),
        shown(&["show", "2"]),
        shown(&["show", "2", "--hex"]),
        shown(&["show", "3", "--json"]),
        http::get(nadikota.http(), "/api/refused").expect("an answer").body,
        beside(&nadikota, &["journal", "show", "2", "--json"]).to_string(),
    ];
    for text in texts {
        assert!(text.len() > 20, "{text:?}");
        for key in ["t0pk3y", "ab12:cd34", "616231323a63643334"] {
            assert!(!text.contains(key), "{text}");
        }
    }
}
