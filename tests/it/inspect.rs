//! The inspecting commands against a real service: what they tell is what is there, and the service never notices.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use influxdb_line_protocol::{FieldValue, parse_lines};
use nadikota::simulate::Log;
use nadikota::simulate::publisher::Plan;
use nadikota::sink::embedded::{self, Value as Stored};
use serde_json::Value;

use super::support::city;
use super::support::nadikota::Nadikota;
use super::support::publish::publish;
use super::support::scale::scaled;
use super::support::told::Told;
use super::support::wait::{free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(60);

/// Time, measurement with tags, and field.
type Key = (i64, String, String);

/// A command beside the service, with its configuration and on its data.
fn ask(nadikota: &Nadikota, arguments: &[&str]) -> Told {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/config/nadikota.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_nadikota"));
    command.args(["--config", shipped]).arg("--config").arg(nadikota.dir().join("nadikota.toml"));
    finish(command.args(arguments).env("NADIKOTA__DATA_DIR", nadikota.data_dir()))
}

fn finish(command: &mut Command) -> Told {
    let output = command.output().expect("nadikota");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Told { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Every value of line protocol by what it is, to the last bit; the independent parser judges the lines.
fn values(text: &str) -> BTreeMap<Key, u64> {
    let mut values = BTreeMap::new();
    for line in parse_lines(text) {
        let line = line.unwrap_or_else(|error| panic!("{error}"));
        let tags = line.series.tag_set.iter().flatten().map(|(key, value)| format!(",{key}={value}"));
        let series = format!("{}{}", line.series.measurement, tags.collect::<String>());
        for (field, value) in &line.field_set {
            let value = match value {
                FieldValue::F64(number) if !field.as_str().ends_with("_qc") => number.to_bits(),
                // Flags are whole numbers, as a live write gives them.
                FieldValue::I64(flag) if field.as_str().ends_with("_qc") => {
                    f64::from(i32::try_from(*flag).expect("a flag")).to_bits()
                }
                other => panic!("{field}: {other:?}"),
            };
            values.insert((line.timestamp.expect("a time"), series.clone(), field.to_string()), value);
        }
    }
    values
}

fn stored(data_dir: &Path) -> BTreeMap<Key, u64> {
    let mut values = BTreeMap::new();
    let store = embedded::Reader::open(data_dir).expect("the store");
    store
        .each(|row| {
            let Stored::Number(number) = row.value else { panic!("text is not expected: {row:?}") };
            let tags = row.tags.iter().map(|(key, value)| format!(",{key}={value}"));
            let series = format!("{}{}", row.measurement, tags.collect::<String>());
            values.insert((row.time, series, row.field), number.to_bits());
        })
        .expect("the store");
    values
}

#[test]
fn beside_a_busy_service_everything_can_be_asked_and_what_is_exported_is_what_is_stored() {
    let [address] = free_addresses();
    let mut nadikota = Nadikota::start(&format!(
        "[mqtt]\nenabled = false\n[broker]\nlisten = \"{address}\"\n[journal]\nsegment_size = \"256 KiB\"\n\
         [[destinations]]\nkind = \"embedded\"\n"
    ));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let count = scaled(8_000, 30_000);
    let publishing = std::thread::spawn(move || {
        let (mut city, mut log) = (city::city(11), Log::default());
        let plan = Plan { rate: None, count: Some(count), window: 100, patience: LIMIT };
        city::publish(&mut city, &mut log, address, plan);
        log
    });
    poll_until(LIMIT, "messages are stored", || {
        city::account(&nadikota).is_some_and(|account| account["stored"].as_u64() > Some(100)).then_some(())
    });
    let mut asked = 0;
    while !publishing.is_finished() {
        asked += 1;
        let stat = ask(&nadikota, &["journal", "stat", "--json"]).json();
        let number = |name: &str| stat["account"][name].as_u64().expect("a number");
        let discarded = stat["account"]["discarded"].as_object().expect("reasons").values();
        let discarded: u64 = discarded.filter_map(Value::as_u64).sum();
        let settled = number("stored") + number("partly_stored") + number("quarantined") + discarded;
        assert_eq!(number("received"), settled + number("pending"), "{stat}");
        assert_eq!(
            stat["last"]["seq"].as_u64().map(|seq| seq.max(number("received"))),
            Some(number("received"))
        );
        for source in ["store", "journal"] {
            let told = ask(&nadikota, &["export", "--source", source]);
            assert_eq!(told.code, Some(0), "{}", told.stderr);
            assert!(!values(&told.stdout).is_empty());
        }
    }
    assert!(asked > 0, "the publisher was done before anything was asked");
    let log = publishing.join().expect("the publisher");
    let account = city::settled(&nadikota, count, LIMIT);
    let verdict = city::judge_store(&log, &nadikota);
    assert!(verdict.agrees(), "{verdict}\n{account}");

    // The keeper writes the cursor a moment after the account has moved.
    let stat = poll_until(LIMIT, "the cursor is written", || {
        let stat = ask(&nadikota, &["journal", "stat", "--json"]).json();
        (stat["account"]["pending"] == 0).then_some(stat)
    });
    assert_eq!(stat["account"], account);
    assert_eq!((stat["first"]["seq"].as_u64(), stat["last"]["seq"].as_u64()), (Some(1), Some(count)));
    assert_eq!(
        (stat["kept"].as_u64(), &stat["destinations"]["default"]["pending"]),
        (Some(count), &0.into())
    );
    assert!(stat["segments"].as_u64().is_some_and(|segments| segments > 3), "{stat}");

    let expected = stored(&nadikota.data_dir());
    for source in ["store", "journal"] {
        let file = nadikota.dir().join(source);
        let told = ask(&nadikota, &["export", "--source", source, "--output", &file.display().to_string()]);
        assert_eq!((told.code, told.stdout.as_str()), (Some(0), ""), "{}", told.stderr);
        let exported = values(&std::fs::read_to_string(file).expect("the export"));
        assert_eq!(exported.len(), expected.len(), "{source}");
        assert!(exported == expected, "the export of the {source} differs from the store");
    }
    each_fate_is_told(&nadikota);
    the_filters_hold(&nadikota, &expected);
    // What a kill leaves, and what a clean stop leaves, is read in the same way.
    nadikota.kill9();
    for _ in 0..2 {
        assert_eq!(ask(&nadikota, &["journal", "stat", "--json"]).json()["account"], account);
        let told = ask(&nadikota, &["export"]);
        assert!(told.code == Some(0) && values(&told.stdout) == expected, "{}", told.stderr);
        nadikota.restart();
        poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
        assert!(nadikota.stop(LIMIT).success(), "{}", nadikota.output());
    }
}

/// Whatever the quarantine holds, `show` says so with its reason; whatever it does not hold is stored or discarded.
fn each_fate_is_told(nadikota: &Nadikota) {
    let listed = ask(nadikota, &["quarantine", "list", "--json"]).stdout;
    let held: BTreeMap<u64, Value> = listed
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .map(|held| (held["seq"].as_u64().expect("a number"), held))
        .collect();
    assert!(held.len() > 10, "{listed}");
    let (mut reasons, mut stored) = (BTreeMap::new(), 0);
    for seq in held.keys().take(12).copied().chain(1..12) {
        let told = ask(nadikota, &["journal", "show", &seq.to_string(), "--json"]).json();
        assert_eq!(told["seq"], seq);
        let fate = &told["fates"]["default"];
        match (held.get(&seq), fate["outcome"].as_str()) {
            (Some(held), Some("quarantined")) => {
                assert_eq!((&fate["reason"], &fate["detail"]), (&held["reason"], &held["detail"]), "{told}");
                for part in ["topic", "received", "payload", "payload_hex", "payload_bytes"] {
                    assert_eq!(told[part], held[part], "{part}: {told}");
                }
                *reasons.entry(held["reason"].to_string()).or_insert(0) += 1;
            }
            (None, Some("stored")) => stored += 1,
            (None, Some("discarded")) => assert_eq!(fate["reason"], told["today"]["decision"]["reason"]),
            other => panic!("{other:?}: {told}"),
        }
    }
    assert!(reasons.len() >= 2 && stored > 5, "{reasons:?} {stored}");
    let text = ask(nadikota, &["journal", "show", "1"]);
    assert!(text.stdout.contains("at default: ") && text.stdout.contains("\npoint "), "{}", text.stdout);
    let none = ask(nadikota, &["journal", "show", "99999999"]);
    assert_eq!(none.code, Some(1));
    assert!(none.stderr.contains("not been given yet"), "{}", none.stderr);
}

fn the_filters_hold(nadikota: &Nadikota, all: &BTreeMap<Key, u64>) {
    let count = |arguments: &[&str]| {
        let told = ask(nadikota, &[&["export"], arguments].concat());
        assert_eq!(told.code, Some(0), "{}", told.stderr);
        values(&told.stdout)
    };
    let ((middle, ..), _) = all.iter().nth(all.len() / 2).expect("values");
    let cut = jiff::Timestamp::from_nanosecond(i128::from(*middle)).expect("a time").to_string();
    for source in ["store", "journal"] {
        let (before, after) =
            (count(&["--source", source, "--to", &cut]), count(&["--source", source, "--from", &cut]));
        assert!(
            before.keys().all(|(time, ..)| time < middle) && after.keys().all(|(time, ..)| time >= middle)
        );
        assert_eq!(before.len() + after.len(), all.len());
        let river = count(&["--source", source, "--device", "wl-welang-01"]);
        assert!(
            !river.is_empty() && river.keys().all(|(_, series, _)| series.contains(",device=wl-welang-01,"))
        );
        let level = count(&["--source", source, "--measurement", "water_level"]);
        assert!(
            level.len() > river.len()
                && level.keys().all(|(_, series, _)| series.starts_with("water_level,"))
        );
        assert_eq!(count(&["--source", source, "--from", "1ns"]).len(), 0);
    }
    let rows = ask(nadikota, &["export", "--format", "csv"]).stdout;
    assert_eq!(rows.lines().count(), all.len() + 1);
    let lines = ask(nadikota, &["export", "--format", "jsonl"]).stdout;
    let fields = lines.lines().map(|line| {
        let point: Value = serde_json::from_str(line).expect("JSON");
        point["fields"].as_object().expect("fields").len()
    });
    assert_eq!(fields.sum::<usize>(), all.len());
    let topic = count(&["--source", "journal", "--topic", "city/+/+/wl-welang-01/#"]);
    assert_eq!(topic, count(&["--device", "wl-welang-01"]));
    for (arguments, told) in [
        (["--topic", "city/#"], "--source journal"),
        (["--from", "yesterday"], "is not a time"),
        (["--to", "1970-01-01"], ""),
    ] {
        let refused = ask(nadikota, &[&["export"], &arguments[..]].concat());
        let code = if told.is_empty() { 0 } else { 2 };
        assert_eq!(refused.code, Some(code), "{arguments:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(told) && refused.stdout.is_empty(), "{}", refused.stderr);
    }
}

#[test]
fn what_waits_for_a_database_is_shown_as_pending_and_can_be_exported_already() {
    let [broker, nobody] = free_addresses();
    let nadikota = Nadikota::start(&format!(
        "[mqtt]\nenabled = false\n[broker]\nlisten = \"{broker}\"\n\
         [[destinations]]\nkind = \"influxdb\"\nversion = \"1\"\nurl = \"http://{nobody}\"\ndatabase = \"city\"\n"
    ));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let topic = "city/pasuruan/gadingrejo/wl-welang-01/level";
    let steering = "{\"level_cm\": \u{1b}[2J".to_owned();
    publish(
        broker,
        "device",
        &[(topic.to_owned(), "{\"level_cm\":123.4}".to_owned()), (topic.to_owned(), steering)],
    );
    poll_until(LIMIT, "both are received", || (city::received(&nadikota) == 2).then_some(()));
    let told = ask(&nadikota, &["journal", "show", "1", "--json"]).json();
    assert_eq!(told["fates"]["default"]["outcome"], "pending", "{told}");
    assert_eq!(told["today"]["decision"]["outcome"], "stored", "{told}");
    assert_eq!((&told["source"], &told["qos"]), (&"embedded broker".into(), &1.into()));
    let text = ask(&nadikota, &["journal", "show", "2"]).stdout;
    assert!(text.contains("at default: pending") && text.contains("malformed"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text:?}");
    let stat = ask(&nadikota, &["journal", "stat"]).stdout;
    assert!(stat.contains("received     2, 2 of them pending"), "{stat}");
    // No destination is the embedded store, so the journal is the source.
    let told = ask(&nadikota, &["export"]);
    let exported = values(&told.stdout);
    let level = exported.iter().find(|((.., field), _)| field == "water_level_m").expect("the level");
    assert_eq!(f64::from_bits(*level.1), 1.234);
    assert!(
        told.stderr.contains("1 point of 2 messages; 1 message without a point today"),
        "{}",
        told.stderr
    );
    let told = ask(&nadikota, &["export", "--source", "store"]);
    assert_eq!(told.code, Some(1));
    assert!(told.stderr.contains("there is no embedded store"), "{}", told.stderr);
}

#[test]
fn each_value_is_told_with_its_origin_and_no_secret_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("own.toml");
    std::fs::write(folder.path().join("word"), "from-a-file-1\n").expect("a file");
    let text = "time_zone = \"Asia/Jakarta\"\n[http]\ntoken_file = \"word\"\n[mqtt]\nuser = \"u\"\n";
    std::fs::write(&file, text).expect("a file");
    let config = |json: &[&str], variable: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nadikota"));
        command.arg("--config").arg(&file).arg("config").args(json).env(variable, "from-a-variable-2");
        finish(&mut command)
    };
    let told = config(&["--json"], "NADIKOTA__MQTT__PASSWORD");
    let text = config(&[], "NADIKOTA__MQTT__PASSWORD");
    for told in [&told, &text] {
        assert_eq!(told.code, Some(0), "{}", told.stderr);
        assert!(!told.stdout.contains("from-a-"), "{}", told.stdout);
    }
    let settings = told.json()["settings"].as_array().expect("a list").clone();
    let check = |key: &str, value: Value, origin: Option<&str>| {
        let found = settings.iter().find(|setting| setting["key"] == key).expect("the key");
        assert_eq!(found["value"], value, "{found}");
        match origin {
            Some(origin) => {
                assert!(found["origin"].as_str().is_some_and(|told| told.ends_with(origin)), "{found}")
            }
            None => assert!(found["origin"].is_null(), "{found}"),
        }
    };
    check("time_zone", "Asia/Jakarta".into(), Some("own.toml"));
    check("http.token", "***".into(), Some("word"));
    check("mqtt.password", "***".into(), Some("NADIKOTA__MQTT__PASSWORD"));
    check("journal.max_size", "16 GiB".into(), None);
    check("batch.max_points", 5000.into(), None);
    check("catalogue", Value::Null, None);
    assert!(text.stdout.contains("journal.max_size = \"16 GiB\""), "{}", text.stdout);
    let wrong = config(&[], "NADIKOTA__BATCH__MAX_POINTS");
    assert_eq!((wrong.code, wrong.stdout.as_str()), (Some(2), ""));
    assert!(wrong.stderr.contains("NADIKOTA__BATCH__MAX_POINTS"), "{}", wrong.stderr);
}
