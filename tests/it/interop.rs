//! Interoperability: messages made by independent libraries are read as what was put into them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use nadikota::config;
use nadikota::message::Record;
use nadikota::transform::State;

const ROUTES: &str = r#"
destinations = []
[mqtt]
enabled = false
[[routes]]
topic = "senml"
format = "senml"
[[routes]]
topic = "spBv1.0/#"
format = "sparkplug_b"
[[routes]]
topic = "application/a/device/+/event/+"
format = "chirpstack_protobuf"
[[routes]]
topic = "application/stations/device/+/event/+"
format = "chirpstack_protobuf"
profile = "milesight_wts506"
[[routes]]
topic = "lines"
format = "line_protocol"
[[routes]]
topic = "lines/seconds"
format = "line_protocol"
precision = "s"
"#;

/// 2026-11-24T00:01:00Z.
const NOW: i64 = 1_795_478_460_000_000_000;

/// Name, topic and payload of each message, in the order they are told.
fn messages() -> Vec<(String, String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/interop/venv/bin/python");
    let told = Command::new(&python).arg(root.join("tests/it/interop/messages.py")).output();
    let told = told.unwrap_or_else(|error| panic!("{}: {error}; ./tests/run brings it", python.display()));
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let one = |line: &str| {
        let parts: Vec<_> = line.split('\t').collect();
        let [name, topic, hex] = parts.as_slice() else { panic!("{line}") };
        let bytes =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"));
        ((*name).to_owned(), (*topic).to_owned(), bytes.collect())
    };
    String::from_utf8(told.stdout).expect("text").lines().map(one).collect()
}

/// What became of each message: its readings, or the outcome with its reason.
fn read() -> BTreeMap<String, String> {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("nadikota.toml");
    std::fs::write(&file, ROUTES).expect("a configuration");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/nadikota.toml");
    let config = config::load(&[shipped, file], []).expect("a sound configuration");
    let mut state = State::default();
    let mut all = BTreeMap::new();
    for (name, topic, payload) in messages() {
        let record = Record::pasted(topic.into_bytes().into(), payload.into(), NOW, false);
        let story = config.transform.explain(&record, &state);
        let _ = config.transform.apply(&record, &mut state, &mut Vec::new());
        let mut told = String::new();
        for sample in &story.samples {
            let second = sample.told_time.map(|time| (time - NOW) as f64 / 1e9 + 60.0);
            let second = second.map_or("-".to_owned(), |second| second.to_string());
            let _ = writeln!(told, "{} {second}", sample.device.as_deref().unwrap_or("-"));
            for reading in &sample.readings {
                let unit = reading.unit.as_ref().map(|unit| format!(" {unit}")).unwrap_or_default();
                let _ = writeln!(told, "  {}={}{unit}", reading.name, reading.value);
            }
        }
        if story.decision.outcome != "stored" {
            let _ = writeln!(told, "{}: {:?}", story.decision.outcome, story.decision.detail);
        }
        assert!(all.insert(name.clone(), told).is_none(), "{name}");
    }
    all
}

fn check(read: &BTreeMap<String, String>, name: &str, expected: &str) {
    assert_eq!(read[name], expected.trim_start_matches('\n'), "{name}");
}

#[test]
fn messages_of_independent_encoders_are_read_as_what_was_put_into_them() {
    let read = read();
    let pack = r#"
urn:dev:ow:10e2073a01080063 -60
  temperature=27.1 Cel
urn:dev:ow:10e2073a01080063 0
  temperature=27.5 Cel
  pressure=1009 hPa
  below=-40 Cel
  exact=27.31 Cel
  energy.sum=1.5 W.s
  label="Pasar" Cel
  open=false Cel
  raw="__4A" Cel
"#;
    for name in ["senml plain", "senml shortest", "senml self-described"] {
        check(&read, name, pack);
    }
    assert!(read["senml dated"].contains("tag 0 where a value belongs"), "{}", read["senml dated"]);
    assert!(read["senml infinite"].contains("is not finite"), "{}", read["senml infinite"]);
    check(
        &read,
        "sparkplug node birth",
        "
water/pump-1 0
  online=true
  voltage=12.1
  since=1795478400000 ms
",
    );
    check(
        &read,
        "sparkplug device birth",
        r#"
water/pump-1/level 0
  online=true
  i8=-128
  i16=-32768
  i32=-2147483648
  i64=-5
  u8=255
  u16=65535
  u32=4294967295
  u64=9007199254740992
  double=-0.1
  on=true
  text="Welang"
  array.0=-1
  array.1=300
  floats.0=0.5
  floats.1=-2.25
"#,
    );
    check(
        &read,
        "sparkplug data",
        "
water/pump-1/level 4
  i64=-9007199254740992
water/pump-1/level 5
  i8=-1
  i32=-7
  double=null
",
    );
    check(
        &read,
        "sparkplug gap",
        "
water/pump-1 10
  voltage=11.9
water/pump-1 10
  lost=2
",
    );
    check(&read, "sparkplug command", "discarded: Some(\"a command\")\n");
    check(&read, "sparkplug device death", "water/pump-1/level 11\n  online=false\n");
    check(&read, "sparkplug node death", "water/pump-1 -\n  online=false\n");
    check(
        &read,
        "chirpstack object",
        r#"
0101010101010101 0.25
  gps.bars.0=3
  gps.bars.1=null
  gps.fix=true
  half=-0.5
  level=1.25
  none=null
  text="Pasar"
  zero=0
  rx.rssi=-48
  rx.snr=9.5
  rx.f_cnt=70000
"#,
    );
    check(
        &read,
        "chirpstack raw",
        "
0101010101010101 0.25
  battery=100
  temperature=25.5
  humidity=60.5
  rx.rssi=-113
  rx.snr=-7.25
  rx.f_cnt=70000
",
    );
    check(&read, "chirpstack status", "0101010101010101 0.25\n  margin=-7\n  battery_level=88.3\n");
    check(&read, "chirpstack mains", "0101010101010101 0.25\n  margin=10\n");
    assert!(read["chirpstack join"].starts_with("discarded: "), "{}", read["chirpstack join"]);
    let torn = &read["chirpstack torn"];
    assert!(torn.starts_with("quarantined: ") && torn.contains("byte "), "{torn}");
    check(
        &read,
        "lines",
        r#"
aws 1,a=b 5
  count=12
  field one=-1
  large=2500000000000000000000
  on=true
  temperature=27.5
  text="say \"hi\" \\ , = x"
  tiny=0.0000001
b -
  pressure=1009.25
"#,
    );
    check(&read, "lines in seconds", "c 7\n  u=1\n");
    assert_eq!(read.len(), 20, "each message has its expectation");
}
