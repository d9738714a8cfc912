//! Onboarding in ten minutes: a capture of devices nobody has described becomes a configuration after few edits.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::support::process::Process;
use super::support::publish::publish;
use super::support::wait::{free_addresses, poll_until};

/// A configuration that knows none of the devices.
const STRANGER: &str = "time_zone = \"Asia/Jakarta\"\n[[destinations]]\nkind = \"embedded\"\n\
                        [[routes]]\ntopic = \"nowhere/{device}\"\nformat = \"json\"\n";

/// What each name measures, as the devices' invented manuals say: topic or device, name, field, a value of it as sent,
/// and the same in the field's unit.
const MANUAL: &[(&str, &str, &str, &str)] = &[
    ("KLI-01", "tma.nilai", "water_level_m", "124.5 -> 1.245"),
    ("KLI-02", "tma.nilai", "water_level_m", "88 -> 0.88"),
    ("KLI-03", "tma.nilai", "water_level_m", "210.3 -> 2.103"),
    ("KLI-01", "suhu_air", "water_temperature_c", "27.4 -> 27.4"),
    ("KLI-02", "suhu_air", "water_temperature_c", "27.5 -> 27.5"),
    ("KLI-03", "suhu_air", "water_temperature_c", "27.4 -> 27.4"),
    ("KLI-01", "aki_mv", "battery_v", "12610 -> 12.61"),
    ("KLI-02", "aki_mv", "battery_v", "12610 -> 12.61"),
    ("KLI-03", "aki_mv", "battery_v", "12610 -> 12.61"),
    ("ST7", "temp_f", "air_temperature_c", "84.2 -> 29"),
    ("ST9", "temp_f", "air_temperature_c", "86 -> 30"),
    ("ST7", "kelembaban", "relative_humidity_pct", "78 -> 78"),
    ("ST9", "kelembaban", "relative_humidity_pct", "78 -> 78"),
    ("ST7", "tekanan", "air_pressure_hpa", "100834 -> 1008.34"),
    ("ST9", "tekanan", "air_pressure_hpa", "100834 -> 1008.34"),
    ("ST7", "angin.kecepatan_kmh", "wind_speed_ms", "12.5 -> 3.4722222222222223"),
    ("ST9", "angin.kecepatan_kmh", "wind_speed_ms", "12.5 -> 3.4722222222222223"),
    ("ST7", "angin.arah", "wind_from_direction_deg", "220 -> 220"),
    ("ST9", "angin.arah", "wind_from_direction_deg", "220 -> 220"),
    ("ST7", "curah_hujan", "rain_mm", "0 -> 0"),
    ("ST9", "curah_hujan", "rain_mm", "0 -> 0"),
    ("ST7", "uv", "uv_index", "6 -> 6"),
    ("ST9", "uv", "uv_index", "6 -> 6"),
    ("N12", "pm2_5", "pm25_ugm3", "31 -> 31"),
    ("N13", "pm2_5", "pm25_ugm3", "27 -> 27"),
    ("N12", "pm10", "pm10_ugm3", "44 -> 44"),
    ("N13", "pm10", "pm10_ugm3", "39 -> 39"),
    ("N12", "noise.leq", "laeq_dba", "58.2 -> 58.2"),
    ("N13", "noise.leq", "laeq_dba", "61 -> 61"),
    ("rp-2", "tegangan", "voltage_v", "221.4 -> 221.4"),
    ("rp-3", "tegangan", "voltage_v", "222.4 -> 222.4"),
    ("rp-2", "arus", "current_a", "12.5 -> 12.5"),
    ("rp-3", "arus", "current_a", "14.5 -> 14.5"),
    ("urn:dev:mac:0024befffe804ff1", "suhu", "air_temperature_c", "28.1 Cel -> 28.1"),
    ("urn:dev:mac:0024befffe804ff1", "kelembaban", "relative_humidity_pct", "71 %RH -> 71"),
    ("urn:dev:mac:0024befffe804ff1", "tekanan", "air_pressure_hpa", "100.9 kPa -> 1009"),
    ("slot-017", "slot_parkir", "occupied_state", "\"terisi\" -> 1"),
    ("slot-018", "slot_parkir", "occupied_state", "\"kosong\" -> 0"),
    ("slot-017", "baterai", "battery_level_pct", "87 -> 87"),
    ("slot-018", "baterai", "battery_level_pct", "86 -> 86"),
    ("slot-017", "rssi", "signal_rssi_dbm", "-97 -> -97"),
    ("slot-018", "rssi", "signal_rssi_dbm", "-97 -> -97"),
    ("B-0031", "fill_level", "fill_level_pct", "0.63 -> 63"),
    ("B-0044", "fill_level", "fill_level_pct", "0.73 -> 73"),
    ("B-0031", "bin_temp", "container_temperature_c", "31.5 -> 31.5"),
    ("B-0044", "bin_temp", "container_temperature_c", "31.5 -> 31.5"),
    ("B-0031", "battery", "battery_v", "3.58 -> 3.58"),
    ("B-0044", "battery", "battery_v", "3.58 -> 3.58"),
];

fn capture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/captures/invented.jsonl")
}

fn run(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nadikota"));
    command.args(arguments).current_dir(dir).output().expect("nadikota")
}

fn good(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    out.into_owned()
}

/// A folder with the stranger's configuration and what was learned under `learned/`.
fn learned() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("nadikota.toml"), STRANGER).expect("a file");
    let file = capture().display().to_string();
    good(&run(dir.path(), &["--config", "nadikota.toml", "learn", &file, "--out", "learned"]));
    dir
}

#[test]
fn a_capture_of_unknown_devices_is_stored_right_after_at_most_three_edits() {
    let dir = learned();
    let config = ["--config", "learned/nadikota.toml"];
    good(&run(dir.path(), &[&config[..], &["check"]].concat()));
    // The edits a person makes who looks at what is told as low, and at unknown names: none is needed here.
    let edits: &[(&str, &str, &str)] = &[];
    assert!(edits.len() <= 3);
    for (file, from, to) in edits {
        let path = dir.path().join("learned").join(file);
        let text = fs::read_to_string(&path).expect("what was learned");
        assert_eq!(text.matches(from).count(), 1, "{from}: {text}");
        fs::write(&path, text.replace(from, to)).expect("the edit");
    }
    let file = capture().display().to_string();
    let asked = [&config[..], &["explain", "--capture", &file, "--summary", "--json"]].concat();
    let told: Value = serde_json::from_str(&good(&run(dir.path(), &asked))).expect("JSON");
    let stored: BTreeMap<(&str, &str), &Value> = told["names"]
        .as_array()
        .expect("names")
        .iter()
        .map(|name| {
            ((name["device"].as_str().expect("a device"), name["name"].as_str().expect("a name")), name)
        })
        .collect();
    let mut wrong = Vec::new();
    let (mut right, mut all) = (0, 0);
    for (device, name, field, example) in MANUAL {
        let found = stored.get(&(*device, *name));
        let count = found.and_then(|found| found["readings"].as_u64()).unwrap_or(6);
        let refused = found.and_then(|found| found["refused"].as_u64()).unwrap_or(0);
        all += count;
        let same = found.is_some_and(|found| {
            found["field"] == *field
                && found["example"]
                    .as_str()
                    .is_some_and(|told| told.replace('"', "") == example.replace('"', ""))
        });
        if same {
            right += count - refused;
        } else {
            wrong.push(format!("{device} {name}: {found:?}"));
        }
    }
    assert!(right * 10 >= all * 9, "{right} of {all} readings are right; wrong: {wrong:#?}");
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn what_was_learned_is_played_through_the_whole_service_and_the_account_balances() {
    let dir = learned();
    let file = capture().display().to_string();
    let arguments =
        ["--config", "learned/nadikota.toml", "run", "--from-capture", &file, "--data", "play", "--json"];
    let told: Value = serde_json::from_str(&good(&run(dir.path(), &arguments))).expect("JSON");
    assert_eq!((&told["received"], &told["stored"]), (&Value::from(91), &Value::from(90)), "{told}");
    assert_eq!(told["quarantined_by_reason"], serde_json::json!({ "no_route": 1 }), "{told}");
    let again = run(dir.path(), &arguments);
    assert_eq!(again.status.code(), Some(2), "a folder with messages is not played into");
    let config = fs::read_to_string(dir.path().join("learned/nadikota.toml")).expect("what was learned");
    fs::write(dir.path().join("learned/nadikota.toml"), format!("data_dir = \"play\"\n{config}"))
        .expect("a file");
    let exported = ["--config", "learned/nadikota.toml", "export", "--device", "rp-2"];
    let points = good(&run(dir.path(), &exported));
    // A bare value tells no time: it has that of the capture, not of the play.
    assert!(points.contains("voltage_v=221.4") && points.contains(" 1795500011500000000"), "{points}");
}

#[test]
fn captures_that_cannot_be_read_are_told_with_their_line() {
    let dir = learned();
    fs::write(dir.path().join("bad.jsonl"), "\n{\"topic\":\"a\"}\n").expect("a file");
    fs::write(dir.path().join("empty.jsonl"), "").expect("a file");
    for command in [&["explain", "--capture", "bad.jsonl"][..], &["learn", "bad.jsonl"]] {
        let output = run(dir.path(), &[&["--config", "nadikota.toml"], command].concat());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && told.contains("bad.jsonl: line 2:"), "{told}");
    }
    let play = ["--config", "nadikota.toml", "run", "--from-capture", "empty.jsonl", "--data", "play"];
    let told = String::from_utf8_lossy(&run(dir.path(), &play).stderr).into_owned();
    assert!(told.contains("holds no message"), "{told}");
}

#[test]
fn a_capture_beside_a_running_service_has_its_messages_and_no_secrets() {
    let [mqtt] = free_addresses();
    let dir = tempfile::tempdir().expect("a folder");
    let config = format!("[mqtt]\nurl = \"mqtt://{mqtt}\"\n{STRANGER}").replacen(
        "[mqtt]",
        "time_zone = \"UTC\"\n[mqtt]",
        1,
    );
    let config = config.replace("\ntime_zone = \"Asia/Jakarta\"", "");
    fs::write(dir.path().join("nadikota.toml"), config).expect("a file");
    let _demo = Process::start(
        "demo",
        Command::new(env!("CARGO_BIN_EXE_nadikota")).args([
            "demo",
            "--for",
            "20s",
            "--json",
            "--rate",
            "50",
            "--mqtt",
            &mqtt.to_string(),
            "--http",
            "127.0.0.1:0",
        ]),
        dir.path(),
    );
    poll_until(Duration::from_secs(20), "the broker answers", || std::net::TcpStream::connect(mqtt).ok());
    let mut capture = Command::new(env!("CARGO_BIN_EXE_nadikota"))
        .args(["--config", "nadikota.toml", "capture", "--filter", "#", "--filter", "city/#", "--for", "30s"])
        .args(["--max-messages", "60", "--out", "seen.jsonl"])
        .current_dir(dir.path())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the capture");
    // When it has subscribed nobody tells, so the message is sent until it has all it wants.
    poll_until(Duration::from_secs(30), "the capture ends", || {
        publish(mqtt, "own", &[("/ul/4jggokgpepnvsb2uv4s40d59ov/mat-1/attrs".to_owned(), "t|15".to_owned())]);
        capture.try_wait().expect("its state")
    });
    let output = capture.wait_with_output().expect("its end");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && told.contains("60 messages into seen.jsonl"), "{told}");
    let seen = fs::read_to_string(dir.path().join("seen.jsonl")).expect("the capture");
    assert_eq!(seen.lines().count(), 60);
    // Which number it has depends on the city's own keys before it.
    let own = |line: &str| line.contains("\"/ul/hidden-") && line.contains("/mat-1/attrs\"");
    assert!(seen.lines().any(own) && !seen.contains("4jggo"), "{seen}");
    let nobody = [
        "--config",
        "nadikota.toml",
        "capture",
        "--filter",
        "nobody/here",
        "--for",
        "1s",
        "--out",
        "none.jsonl",
    ];
    let output = run(dir.path(), &nobody);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && told.contains("nothing came"), "{told}");
    assert!(!dir.path().join("none.jsonl").exists());
}
