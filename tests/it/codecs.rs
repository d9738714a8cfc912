//! Codecs: scripts in the shapes that vendors publish, the command that tries them, and new versions while it runs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use nadikota::codec::vectors::{TOLERANCE, Vectors};
use nadikota::codec::{Codecs, Limits};
use nadikota::config;
use serde_json::Value;

use super::support::http;
use super::support::process::Process;
use super::support::publish::publish;
use super::support::wait::{accepts, free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(60);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/codecs")
}

fn scripts(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "js"));
    paths.sort();
    paths
}

#[test]
fn scripts_of_every_published_shape_give_what_they_should_on_shared_threads() {
    let limits = Limits { max_time: Duration::from_secs(10), ..Limits::default() };
    let (mut codecs, mut all, mut wrong) = (Codecs::new(limits), Vec::new(), Vec::new());
    for path in scripts(&folder()) {
        let name = path.file_name().expect("a name").to_str().expect("text").to_owned();
        let text = std::fs::read_to_string(&path).expect("a script");
        if let Err(why) = codecs.add(&name, &text) {
            wrong.push(why);
            continue;
        }
        let vectors = std::fs::read_to_string(path.with_extension("vectors.json")).expect("vectors");
        all.push((name, Vectors::parse(&vectors).unwrap_or_else(|why| panic!("{}: {why}", path.display()))));
    }
    assert!(all.len() >= 60, "{} scripts", all.len());
    // Twice over, so that each finds the context that it and its neighbours have used; and several callers at once.
    std::thread::scope(|scope| {
        let rounds: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let judged = (0..2).flat_map(|_| &all).flat_map(|(name, vectors)| {
                        let verdicts = vectors.judge(&codecs, name, TOLERANCE).into_iter();
                        verdicts.map(move |verdict| (name, verdict))
                    });
                    let failed = judged.filter(|(_, verdict)| !verdict.differences.is_empty());
                    failed.map(|(name, verdict)| format!("{name}: {verdict:?}")).collect::<Vec<_>>()
                })
            })
            .collect();
        wrong.extend(rounds.into_iter().flat_map(|round| round.join().expect("a round")));
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn codec_test(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nadikota"));
    command.args(["codec", "test"]).args(arguments).output().expect("the program")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_command_tells_each_difference_and_succeeds_only_if_all_pass() {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_str().expect("text").to_owned()
    };
    let script = write(
        "level.js",
        "function decodeUplink(i) { return { data: { level: (i.bytes[0] << 8 | i.bytes[1]) / 1000, ok: true } }; }",
    );
    let right = write(
        "level.vectors.json",
        r#"[{"input": {"bytes": "0bb8", "fPort": 1}, "output": {"data": {"level": 3.0000001, "ok": true}}}]"#,
    );
    let beside = codec_test(&[&script]);
    assert!(beside.status.success() && text(&beside.stdout).contains("1 of 1 case passed"), "{beside:?}");
    let exact = codec_test(&[&script, "--vectors", &right, "--tolerance", "0"]);
    assert_eq!(exact.status.code(), Some(1), "{exact:?}");
    let wrong = write(
        "wrong.json",
        r#"{"tests": [{"name": "deep", "input": {"bytes": [11, 184]}, "expected": {"data": {"level": 3.1, "ok": true, "battery": 3.6}}},
            {"name": "shallow", "input": {"bytes": [0, 1]}, "expected": {"data": {"level": 0.001, "ok": true}}},
            {"type": "downlink-encode", "input": {}}]}"#,
    );
    let told = codec_test(&[&script, "--vectors", &wrong]);
    let lines = text(&told.stdout);
    assert_eq!(told.status.code(), Some(1), "{told:?}");
    for part in [
        "FAILED  case 1 (deep)",
        "data.level: expected 3.1, got 3",
        "data.battery: expected 3.6, but it is not there",
        "1 case of downlinks not tried",
        "1 of 2 cases passed",
    ] {
        assert!(lines.contains(part), "{part}: {lines}");
    }
    assert!(!lines.contains("shallow"), "{lines}");
    let json = codec_test(&[&script, "--vectors", &wrong, "--json"]);
    let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!((&json["passed"], &json["failed"], &json["skipped"]), (&1.into(), &1.into(), &1.into()));
    for (script, vectors, part) in [
        (script.as_str(), write("none.json", "{}"), "no list of cases"),
        (script.as_str(), dir.path().join("missing.json").display().to_string(), "cannot read"),
        (&write("broken.js", "function decodeUplink( {"), right.clone(), "broken.js: "),
        (&write("empty.js", "var x = 1;"), right, "neither decodeUplink, nor Decoder, nor Decode"),
    ] {
        let told = codec_test(&[script, "--vectors", &vectors]);
        assert_eq!(told.status.code(), Some(1), "{told:?}");
        assert!(text(&told.stderr).contains(part), "{part}: {told:?}");
    }
}

#[test]
fn a_folder_s_codec_is_taken_only_if_it_passes_its_vectors() {
    let dir = tempfile::tempdir().expect("a folder");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/nadikota.toml");
    std::fs::create_dir(dir.path().join("codecs")).expect("a folder");
    std::fs::create_dir(dir.path().join("profiles")).expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("a file");
    write("own.toml", "codecs = \"codecs\"\nprofiles = \"profiles\"\nroutes = []\n");
    write(
        "profiles/p.toml",
        "[profiles.generic.names]\n[profiles.gauge]\ncodec = \"gauge.js\"\nnames = {}\n",
    );
    let load = || config::load(&[shipped.clone(), dir.path().join("own.toml")], []);
    let problems = || -> String {
        let told = load().err().unwrap_or_default();
        told.iter().map(|problem| format!("{problem}\n")).collect()
    };
    write("devices.csv", "");
    let own = "codecs = \"codecs\"\nprofiles = \"profiles\"\nroutes = []\ndevices = \"devices.csv\"\n";
    write("own.toml", own);
    write(
        "devices.csv",
        "id,city,district,site,latitude,longitude,profile,valid_from,time_zone,agency,datum_m\n",
    );
    assert!(problems().contains("gauge: there is no codec \"gauge.js\""), "{}", problems());
    write("codecs/gauge.js", "function decodeUplink(i) { return { data: { level: i.bytes[0] } }; }");
    write("codecs/gauge.vectors.json", r#"[{"input": {"bytes": [5]}, "output": {"data": {"level": 5}}}]"#);
    assert_eq!(problems(), "");
    assert!(load().expect("sound").files.contains(&dir.path().join("codecs")), "the folder is watched");
    write("codecs/gauge.js", "function decodeUplink(i) { return { data: { level: i.bytes[0] / 10 } }; }");
    let told = problems();
    assert!(
        told.contains("gauge.js: fails 1 of its 1 vectors") && told.contains("expected 5, got 0.5"),
        "{told}"
    );
    write("codecs/gauge.js", "function decodeUplink(i) {");
    assert!(problems().contains("gauge.js"), "{}", problems());
}

/// The program with one worker thread, its own broker and two codecs; of one the first byte says what becomes of an
/// uplink.
fn with_one_worker(broker: SocketAddr, dir: &Path) -> (Process, SocketAddr) {
    let [http] = free_addresses();
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).expect("a file");
    for folder in ["codecs", "profiles"] {
        std::fs::create_dir(dir.join(folder)).expect("a folder");
    }
    write(
        "codecs/gauge.js",
        "function decodeUplink(i) { if (i.bytes[0] === 1) { for (;;) {} } if (i.bytes[0] === 2) return { data: { level: 1, fresh: 2 }, warnings: ['low battery'] }; return { data: { level: i.bytes[1] } }; }",
    );
    write("codecs/gauge.vectors.json", r#"[{"input": {"bytes": [0, 5]}, "output": {"data": {"level": 5}}}]"#);
    write("codecs/calm.js", "function decodeUplink(i) { return { data: { level: i.bytes[1] } }; }");
    write(
        "profiles/p.toml",
        "[profiles.generic.names]\ntemp = \"air_temperature_c\"\n[profiles.gauge]\ncodec = \"gauge.js\"\nnames = {}\n\
         [profiles.calm]\ncodec = \"calm.js\"\nnames = {}\n",
    );
    write(
        "devices.csv",
        "id,city,district,site,latitude,longitude,profile,valid_from,time_zone,agency,datum_m\n",
    );
    write(
        "nadikota.toml",
        &format!(
            "time_zone = \"Asia/Jakarta\"\ndevices = \"devices.csv\"\nprofiles = \"profiles\"\ncodecs = \"codecs\"\n\
             destinations = []\n[mqtt]\nenabled = false\n[broker]\nlisten = \"{broker}\"\n\
             [codec]\nmax_steps = 1000000000000\nmax_time = \"250ms\"\n\
             [[routes]]\ntopic = \"bin/{{device}}\"\nformat = \"binary\"\nprofile = \"gauge\"\nmeasurement = \"gauge\"\n\
             [[routes]]\ntopic = \"calm/{{device}}\"\nformat = \"binary\"\nprofile = \"calm\"\nmeasurement = \"gauge\"\n\
             [[routes]]\ntopic = \"/json/{{secret}}/{{device}}/attrs\"\nformat = \"fiware_json\"\n"
        ),
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_nadikota"));
    command
        .args(["run", "--config"])
        .arg(dir.join("nadikota.toml"))
        .env("TOKIO_WORKER_THREADS", "1")
        .env("NADIKOTA__HTTP__LISTEN", http.to_string())
        .env("NADIKOTA__DATA_DIR", dir.join("data"));
    let process = Process::start("nadikota", &mut command, dir);
    poll_until(LIMIT, "it accepts", || accepts(broker).then_some(()));
    (process, http)
}

#[test]
fn endless_uplinks_hold_up_neither_acknowledgements_nor_pages_nor_the_uplinks_of_other_codecs() {
    const ENDLESS: u64 = 16;
    let [broker] = free_addresses();
    let dir = tempfile::tempdir().expect("a directory");
    let (_process, http) = with_one_worker(broker, dir.path());
    let account = || -> Value {
        let health = http::get(http, "/health").expect("an answer").body;
        serde_json::from_str::<Value>(&health).expect("JSON")["account"].clone()
    };
    let stopped = |account: &Value| account["quarantined_by_reason"]["codec_error"].as_u64().unwrap_or(0);
    let endless: Vec<_> = (0..ENDLESS).map(|n| (format!("bin/d{n}"), vec![1_u8, 7])).collect();
    let mut slowest = Duration::ZERO;
    let mut timed = |work: &mut dyn FnMut()| {
        let begin = Instant::now();
        work();
        slowest = slowest.max(begin.elapsed());
    };
    timed(&mut || publish(broker, "endless", &endless));
    // A quarter of a second for each of them: they keep their codec busy for four seconds, whatever the machine.
    let mut beside = 0;
    loop {
        let device = format!("beside{beside}");
        timed(&mut || publish(broker, "beside", &[(format!("calm/{device}"), vec![0_u8, 8])]));
        poll_until(LIMIT, "it is stored beside them", || {
            let latest = http::get(http, &format!("/api/latest?device={device}")).ok()?.body;
            latest.contains(&device).then_some(())
        });
        let mut now = Value::Null;
        timed(&mut || now = account());
        if stopped(&now) + 1 >= ENDLESS {
            break;
        }
        beside += 1;
    }
    assert!(slowest < Duration::from_secs(3), "an acknowledgement or a page took {slowest:?}");
    assert!(
        beside > ENDLESS / 4,
        "{beside} of another codec were stored before the last of them was stopped"
    );
    let settled = poll_until(LIMIT, "all have an outcome", || {
        let account = account();
        (account["pending"] == 0).then_some(account)
    });
    assert_eq!(settled["stored"], beside + 1, "{settled}");
    assert_eq!(stopped(&settled), ENDLESS, "{settled}");
}

#[test]
fn a_mended_codec_is_taken_while_the_broken_one_has_more_than_it_can_do() {
    let [broker] = free_addresses();
    let dir = tempfile::tempdir().expect("a directory");
    let (_process, http) = with_one_worker(broker, dir.path());
    let publish_endless = |round: usize| {
        let uplinks: Vec<_> = (0..8).map(|n| (format!("bin/r{round}-{n}"), vec![1_u8, 9])).collect();
        publish(broker, "endless", &uplinks);
    };
    publish_endless(0);
    let mended = "function decodeUplink(i) { return { data: { level: i.bytes[1] } }; }";
    std::fs::write(dir.path().join("codecs/gauge.js"), mended).expect("a file");
    let mut round = 0;
    poll_until(LIMIT, "the mended one gives a value", || {
        round += 1;
        publish_endless(round);
        let latest = http::get(http, "/api/latest").ok()?.body;
        latest.contains("\"value\":9").then_some(())
    });
}

/// What a codec does with an uplink that begins with 1.
const HOSTILE: &[&str] = &[
    "for (;;) {}",
    "var a = []; for (;;) a.push(new Array(1000).fill(1.5));",
    "(function f() { f(); })();",
    "Object.prototype.toJSON = function () { return 'polluted'; }; Array.prototype.map = null; return undefined;",
    "return { data: { x: 'y'.repeat(100000) } };",
    "throw 'a plain text';",
    "return { data: { get x() { throw new Error('from a getter'); } } };",
    "return new Promise(function () {});",
    "/(a+)+b/.test('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa');",
    "return { get data() { for (;;) {} } };",
];

/// What a command prints beside, or after, the service of this folder.
fn ask_in(dir: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nadikota"));
    command.args(["--config", "nadikota.toml"]).args(arguments).current_dir(dir);
    let output = command.env("NADIKOTA__DATA_DIR", dir.join("data")).output().expect("the program");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    text(&output.stdout)
}

/// Codecs of which each does its worst where an uplink begins with 1, and else gives a sum; broker and page.
fn configure_hostile_codecs(dir: &Path) -> (SocketAddr, SocketAddr) {
    let [broker, http] = free_addresses();
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).expect("a file");
    for folder in ["codecs", "profiles"] {
        std::fs::create_dir(dir.join(folder)).expect("a folder");
    }
    let mut profiles = "[profiles.generic.names]\n".to_owned();
    let mut settings = format!(
        "time_zone = \"Asia/Jakarta\"\nprofiles = \"profiles\"\ncodecs = \"codecs\"\ndestinations = []\n\
         [mqtt]\nenabled = false\n[broker]\nlisten = \"{broker}\"\n[http]\nlisten = \"{http}\"\n"
    );
    for (kind, body) in HOSTILE.iter().enumerate() {
        let script = format!(
            "function decodeUplink(i) {{ if (i.bytes[0] === 1) {{ {body} }} return {{ data: {{ sum: i.bytes[0] + i.bytes[1] }} }}; }}"
        );
        write(&format!("codecs/c{kind}.js"), &script);
        profiles.push_str(&format!("[profiles.p{kind}]\ncodec = \"c{kind}.js\"\nnames = {{}}\n"));
        settings.push_str(&format!(
            "[[routes]]\ntopic = \"c{kind}/{{device}}\"\nformat = \"binary\"\nprofile = \"p{kind}\"\nmeasurement = \"gauge\"\n"
        ));
    }
    write("profiles/p.toml", &profiles);
    write("nadikota.toml", &settings);
    (broker, http)
}

fn start_in(dir: &Path, broker: SocketAddr) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nadikota"));
    command.args(["--config", "nadikota.toml", "run"]).current_dir(dir);
    command.env("NADIKOTA__DATA_DIR", dir.join("data"));
    let process = Process::start("nadikota", &mut command, dir);
    poll_until(LIMIT, "it accepts", || accepts(broker).then_some(()));
    process
}

#[test]
fn each_hostile_uplink_costs_itself_only_and_its_codec_gives_right_results_after_it() {
    const ROUNDS: u8 = 3;
    let dir = tempfile::tempdir().expect("a directory");
    let (broker, http) = configure_hostile_codecs(dir.path());
    let mut messages = Vec::new();
    for round in 0..ROUNDS {
        for kind in 0..HOSTILE.len() {
            messages.push((format!("c{kind}/d{kind}-{round}-bad"), vec![1, 0]));
            messages.push((format!("c{kind}/d{kind}-{round}"), vec![20 + round, 22]));
        }
    }
    let _process = start_in(dir.path(), broker);
    publish(broker, "all", &messages);
    let half = u64::from(ROUNDS) * u64::try_from(HOSTILE.len()).expect("a count");
    let account = poll_until(LIMIT, "all have an outcome", || {
        let health: Value = serde_json::from_str(&http::get(http, "/health").ok()?.body).ok()?;
        let account = health["account"].clone();
        (account["received"] == 2 * half && account["pending"] == 0).then_some(account)
    });
    assert_eq!((&account["stored"], &account["quarantined"]), (&half.into(), &half.into()), "{account}");
    assert_eq!(account["quarantined_by_reason"]["codec_error"], half, "{account}");
    for (topic, bytes) in messages.iter().filter(|(_, bytes)| bytes[0] != 1) {
        let device = topic.rsplit('/').next().expect("a device");
        let latest = http::get(http, &format!("/api/latest?device={device}")).expect("an answer").body;
        let latest: Value = serde_json::from_str(&latest).expect("JSON");
        let value = &latest["series"][0]["values"][0];
        let sum = f64::from(bytes[0]) + f64::from(bytes[1]);
        assert_eq!(
            (&value["field"], value["value"].as_f64()),
            (&"sum".into(), Some(sum)),
            "{device}: {latest}"
        );
    }
}

#[test]
fn kills_while_codecs_are_at_work_lose_and_double_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let (broker, http) = configure_hostile_codecs(dir.path());
    let mut process = start_in(dir.path(), broker);
    // Of the first codec every fourth uplink never ends, so its others wait in line; the rest goes on beside it.
    let messages: Vec<_> = (0..120_u8)
        .map(|n| match n % 3 {
            0 => (format!("c0/d{n}"), vec![u8::from(n % 12 == 0), 22]),
            kind => (format!("c{}/d{n}", kind + 4), vec![n.saturating_add(2), 22]),
        })
        .collect();
    let account = || -> Option<Value> {
        let health: Value = serde_json::from_str(&http::get(http, "/health").ok()?.body).ok()?;
        Some(health["account"].clone())
    };
    publish(broker, "all", &messages);
    for settled in [0, 5, 30] {
        poll_until(LIMIT, "it is at work", || {
            let account = account()?;
            let done = account["received"].as_u64()? - account["pending"].as_u64()?;
            (done >= settled).then_some(())
        });
        drop(process);
        process = start_in(dir.path(), broker);
    }
    let account = poll_until(LIMIT, "all have an outcome", || {
        account().filter(|account| account["received"] == 120 && account["pending"] == 0)
    });
    assert_eq!((&account["stored"], &account["quarantined"]), (&110.into(), &10.into()), "{account}");
    assert_eq!(account["quarantined_by_reason"]["codec_error"], 10, "{account}");
    assert!(process.stop(LIMIT).success());
    let ask = |arguments: &[&str]| ask_in(dir.path(), arguments);
    let held = ask(&["quarantine", "list", "--json"]);
    assert_eq!(held.lines().filter(|line| line.contains("codec_error")).count(), 10, "{held}");
    let stored = ask(&["export", "--from", "1h"]);
    assert_eq!(stored.lines().filter(|line| line.contains("sum=")).count(), 110, "{stored}");
}

#[test]
fn warnings_and_unknown_names_are_counted_and_no_listing_quotes_a_key() {
    const KEY: &str = "4jggokgpepnvsb2uv4s40d59ov";
    let [broker] = free_addresses();
    let dir = tempfile::tempdir().expect("a directory");
    let (process, http) = with_one_worker(broker, dir.path());
    let ask = |arguments: &[&str]| ask_in(dir.path(), arguments);
    let topic = format!("/json/{KEY}/d1/attrs");
    let message = format!("{{\"temp\":\"{KEY}\"}}");
    std::fs::write(dir.path().join("message.json"), &message).expect("a file");
    publish(broker, "key", &[(topic.clone(), message.into_bytes())]);
    publish(broker, "gauge", &[("bin/d1".to_owned(), vec![2_u8]), ("bin/d1".to_owned(), vec![2_u8, 1])]);
    let metrics = poll_until(LIMIT, "all are counted", || {
        let told = http::get(http, "/metrics").ok()?.body;
        told.contains("nadikota_codec_warnings_total{profile=\"gauge\"} 2").then_some(told)
    });
    assert!(metrics.contains("nadikota_unknown_names_total{profile=\"gauge\"} 4"), "{metrics}");
    assert!(metrics.contains("nadikota_unknown_names_total{profile=\"generic\"} 0"), "{metrics}");
    poll_until(LIMIT, "the quarantine has it", || {
        ask(&["quarantine", "list"]).contains("wrong_type").then_some(())
    });
    let listed: Value =
        serde_json::from_str(ask(&["quarantine", "list", "--json"]).lines().next().expect("one"))
            .expect("JSON");
    let seq = listed["seq"].to_string();
    let refused = http::get(http, "/api/refused").expect("an answer").body;
    let explained = ask(&["explain", "--topic", &topic, "--json", "--payload-file", "message.json"]);
    let shown = ask(&["quarantine", "show", &seq]);
    let told =
        [ask(&["quarantine", "list"]), listed.to_string(), shown, refused, explained, process.output()];
    for told in &told {
        assert!(!told.contains(KEY), "{told}");
    }
    assert!(told[0].contains("\\\"***\\\" stands") || told[0].contains("\"***\" stands"), "{}", told[0]);
    assert_eq!(process.output().matches("the codec warns").count(), 1, "{}", process.output());
}
