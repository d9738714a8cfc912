//! Decoders alone, and the whole way from a message to lines that an independent parser reads.

use std::path::Path;

use influxdb_line_protocol::parse_lines;
use jiff::tz::TimeZone;
use nadikota::config;
use nadikota::decode::Format::SparkplugB;
use nadikota::decode::path::Path as Place;
use nadikota::decode::told::TimeFormat;
use nadikota::decode::{
    Auto, Decoded, Encoding, Format, Hints, Limits, Memory, Source, antares, csv, json, line_protocol,
    smart_citizen, value, zigbee2mqtt,
};
use nadikota::line_protocol as lines;
use nadikota::message::Record;
use nadikota::outcome::Rejection;
use nadikota::point::{FieldValue, Point};
use nadikota::reading::ReadingValue;
use nadikota::secret::Secret;
use nadikota::transform::{Decision, State};

use super::{Target, Try, hash, shape};

/// 2026-11-24.
const NOW: i64 = 1_795_478_400_000_000_000;
/// A reason's text may quote outside data, but not at any length.
const DETAIL: usize = 2048;

pub fn targets() -> Vec<Target> {
    let target = |name, build, words| Target { name, build, words };
    vec![
        target("json", |_| decoder(json_format), JSON),
        target(
            "value",
            |_| decoder(|_| Format::Value(value::Settings { name: "v".to_owned() })),
            &["on", "off", "true", "NaN", "\u{feff}"],
        ),
        target("chirpstack", |_| decoder_on("a/event/up", |_| Format::Chirpstack), CHIRPSTACK),
        target("chirpstack_protobuf", |_| decoder_on("a/event/up", |_| Format::ChirpstackProtobuf), PROTOBUF),
        target("things_stack", |_| decoder(|_| Format::ThingsStack), THINGS_STACK),
        target("cayenne_lpp", |_| decoder(|input| Format::CayenneLpp(encoding(input))), BYTES),
        target("binary", binary, BYTES),
        target("senml", |_| decoder(|_| Format::Senml), SENML),
        target("sparkplug_b", |_| sparkplug(), SPARKPLUG),
        target(
            "zigbee2mqtt",
            |_| with_topic(bridge()),
            &["zigbee2mqtt/a\n{", "\"last_seen\":", "/availability\n"],
        ),
        target(
            "shelly",
            |_| with_topic(Format::Shelly),
            &["d/events/rpc\n{", "d/status/switch:0\n{", "\"params\":{"],
        ),
        target(
            "airgradient",
            |_| with_topic(Format::AirGradient),
            &["\"atmpCompensated\":", "\"serialno\":\"a\""],
        ),
        target(
            "sensorthings",
            |_| with_topic(Format::SensorThings),
            &["v1.1/Datastreams(5)/Observations\n", "\"result\":"],
        ),
        target(
            "smart_citizen",
            |_| with_topic(smart_citizen()),
            &["device/sck/aaaaaa/readings/raw\n{", "t:", ",55:1"],
        ),
        target("csv", |_| decoder(csv_format), CSV),
        target("line_protocol", |_| decoder(line_protocol_format), LINE_PROTOCOL),
        target("ultralight", |_| decoder(|_| Format::Ultralight), ULTRALIGHT),
        target("fiware_json", |_| decoder(|_| Format::FiwareJson), FIWARE_JSON),
        target("antares", |_| decoder(antares_format), ANTARES),
        target("tasmota", |_| decoder(|_| Format::Tasmota), TASMOTA),
        target("sensor_community", |_| decoder(|_| Format::SensorCommunity), SENSOR_COMMUNITY),
        target("auto", |_| with_topic(Format::Auto(Auto::default())), AUTO),
        target("transform", transform, TRANSFORM),
    ]
}

const JSON: &[&str] = &[
    "{\"a\":",
    "[",
    "]",
    "}",
    ",\"t\":",
    ",\"clock\":\"07:00\"",
    "\"time\":",
    "\"d\":{",
    "\"s\":[{",
    "null",
    "true",
    "\\u0000",
    "\\ud800",
    "\\u00e9",
    "2026-11-24T00:00:00Z",
    "2026-11-24 07:00:00",
    "1795478400000",
    "\"device\":\"x\"",
    "\u{feff}",
];
const CHIRPSTACK: &[&str] = &[
    "\"deviceInfo\":{",
    "\"devEui\":\"0101010101010101\"",
    "\"object\":{",
    "\"objectJSON\":\"{}\"",
    "\"time\":",
    "\"fPort\":",
    "\"fCnt\":",
    "\"rxInfo\":[",
    "\"rssi\":-36",
    "\"snr\":10.5",
    "\"data\":\"qg==\"",
    "\"deviceName\":",
    "\"tags\":{",
    "\"batteryLevel\":",
    "\"margin\":",
    "\"externalPowerSource\":true",
    "null",
];
const PROTOBUF: &[&str] = &[
    "\u{12}\u{2}",
    "\u{1a}\u{12}",
    "B\u{10}",
    "@\u{2}",
    "R\u{1}",
    "Z\u{8}",
    "b\u{4}",
    "\n\u{1}a",
    "\u{11}",
    "0101010101010101",
];
const THINGS_STACK: &[&str] = &[
    "\"end_device_ids\":{\"device_id\":\"d\"}",
    "\"uplink_message\":{",
    "\"f_port\":",
    "\"frm_payload\":\"gkHe\"",
    "\"decoded_payload\":{",
    "\"normalized_payload\":[{",
    "\"time\":\"2026-11-24T00:00:00Z\"",
    "\"rx_metadata\":[{\"rssi\":-35}",
    "\"received_at\":",
    "\"simulated\":true",
    "\"decoded_payload_warnings\":[\"",
];
const BYTES: &[&str] = &["\u{1}g", "\u{2}h", "\u{1}u", "\u{5}[", "0175", "AXVk", "==", " ", "0x"];
const SENML: &[&str] = &[
    "\"bn\":",
    "\"bt\":",
    "\"bu\":",
    "\"bv\":",
    "\"bs\":",
    "\"bver\":",
    "\"n\":",
    "\"u\":",
    "\"v\":",
    "\"vs\":",
    "\"vb\":true",
    "\"vd\":\"aGk\"",
    "\"s\":",
    "\"t\":",
    "\"ut\":",
    "},{",
    "urn:dev:mac:0024befffe804ff1:",
    "%RH",
    "\"new_\":1",
    "268435456",
    "-5",
];
const SPARKPLUG: &[&str] = &[
    "spBv1.0/g/NBIRTH/n\n",
    "spBv1.0/g/DBIRTH/n/d\n",
    "spBv1.0/g/NDATA/n\n",
    "spBv1.0/g/DDATA/n/d\n",
    "spBv1.0/g/NDEATH/n\n",
    "bdSeq",
    "Node Control/Rebirth",
    "Quality",
    "SPBV1.0_COMPRESSED",
];
const CSV: &[&str] = &[
    "time,id,temp\n",
    ";",
    ",",
    "\"",
    "\"\"",
    "\r\n",
    "23,5",
    "-3.5",
    "2026-11-24T00:00:00Z",
    "\u{feff}",
    "null",
];
const LINE_PROTOCOL: &[&str] = &[
    "w,device=a ",
    "temperature=1",
    ",",
    "=",
    "12i",
    "3u",
    "true",
    "\"a\\\"b\"",
    "\\ ",
    "\\,",
    "# ",
    "\n",
    "\r\n",
    " 1795478400000000000",
    "NaN",
    "1e999",
];
const ULTRALIGHT: &[&str] = &["t|15", "|", "#", "2026-11-24T00:00:00Z|", "null", "true", "45%", "d1@ping|ok"];
const FIWARE_JSON: &[&str] = &[
    "\"id\":\"e\"",
    "\"type\":\"AirQualityObserved\"",
    "\"value\":",
    "\"metadata\":{",
    "\"TimeInstant\":",
    "\"unitCode\":",
    "\"observedAt\":",
    "\"dateObserved\":",
    "\"@value\":",
    "\"entities\":[",
    "\"actionType\":\"append\"",
    "\"subscriptionId\":",
    "\"data\":[",
    "\"Relationship\"",
    "2026-11-24T00:00:00Z",
    "45%",
    "},{",
];
const ANTARES: &[&str] = &[
    "{\"m2m:rqp\":{",
    "{\"m2m:rsp\":{",
    "{\"m2m:sgn\":{",
    "\"m2m:nev\":{",
    "\"m2m:rep\":{",
    "\"pc\":{",
    "\"m2m:cin\":{",
    "\"con\":\"{\\\"t\\\":1}\"",
    "\"ct\":\"20261124T070000\"",
    "\"pi\":\"/a/b\"",
    "\"to\":\"/a/b\"",
    "\"op\":1",
];
const TASMOTA: &[&str] = &[
    "\"Time\":\"2026-11-24T07:00:00\"",
    "\"Epoch\":",
    "\"TempUnit\":\"C\"",
    "\"PressureUnit\":\"mmHg\"",
    "\"BME280\":{",
    "\"Temperature\":",
    "\"ENERGY\":{",
    "\"Power\":[",
    "null",
    "}",
];
const SENSOR_COMMUNITY: &[&str] = &[
    "\"sensordatavalues\":[",
    "{\"value_type\":\"SDS_P1\",",
    "\"value\":\"4.3\"}",
    "\"esp8266id\":",
    "\"age\":\"55\"",
    "]",
    "},{",
];
const AUTO: &[&str] = &[
    "city/a\n{",
    "spBv1.0/g/NDATA/n\n",
    "application/a/device/b/event/up\n{\"deviceInfo\":{}",
    "v3/a/devices/b/up\n{\"end_device_ids\":{}",
    "tele/a/SENSOR\n{\"Time\":\"2026-11-24T07:00:00\"",
    "zigbee2mqtt/a\n{",
    "a/status/switch:0\n{\"id\":0",
    "a/events/rpc\n{\"method\":\"NotifyStatus\",\"params\":{",
    "/ul/k/d/attrs\nt|15",
    "/json/k/d/attrs\n{",
    "oneM2M/req/a\n{\"m2m:rqp\":{",
    "v1.1/Datastreams(5)/Observations\n{\"result\":1",
    "airgradient/readings/a\n{\"rco2\":",
    "\"sensordatavalues\":[",
    "\"id\":\"urn:ngsi-ld:a\",\"type\":\"A\"",
    "{\"n\":\"a\",\"v\":1}",
    "w,device=a t=1",
    "},{",
    "|",
];
const TRANSFORM: &[&str] = &[
    "f/j/",
    "f/c/x\n",
    "f/s\n",
    "f/v/d\n",
    "f/k/d/air_temperature_c\n",
    "{\"air_temperature_c\":25.5}",
    "{\"pm25_ugm3\":12}",
    "\"battery_v\":3.6",
    "\"water_level_m\":1e300",
    "\"time\":\"2026-11-24T00:00:00Z\"",
    "\"time\":",
    "[{\"n\":\"t\",\"u\":\"Cel\",\"v\":23.1}]",
    "city/pasuruan/purworejo/ns-01/laeq\n",
    "\\n",
    "\\\\",
];

fn json_format(input: &[u8]) -> Format {
    // What the payload begins and ends with decides, so that one file is one case.
    let bits = input.last().copied().unwrap_or_default();
    let separator = if bits & 16 != 0 { "_" } else { "." };
    let some = |bit: u8, text: &str| (bits & bit != 0).then(|| Place::new(text, separator));
    let told = |bit: u8, path: &str, template: &str| {
        let text = if input.starts_with(b" ") { template } else { path };
        (bits & bit != 0).then(|| Source::read(text, separator).expect("a sound setting"))
    };
    Format::Json(Box::new(json::Settings {
        time: told(1, "t", "{t}T{clock}"),
        time_format: if bits & 2 != 0 { TimeFormat::Ms } else { TimeFormat::Auto },
        device: told(4, "/d/id", "{clock}-{/d/id}"),
        parts: ["t", "clock", "/d/id"].map(|path| Place::new(path, separator)).to_vec(),
        samples: some(8, if bits & 2 != 0 { "*.s" } else { "s" }),
        offset: some(32, "ago"),
        model: some(32, "m"),
        entry: (bits & 64 != 0).then(|| json::Entry {
            name: "n".to_owned(),
            value: "v".to_owned(),
            unit: Some("u".to_owned()),
        }),
        separator: separator.to_owned(),
        ..json::Settings::default()
    }))
}

fn csv_format(input: &[u8]) -> Format {
    let bits = input.last().copied().unwrap_or_default();
    let named = bits & 1 != 0;
    Format::Csv(csv::Settings {
        columns: named.then(|| ["time", "a", "", "id"].map(str::to_owned).to_vec()),
        separator: if bits & 2 != 0 { ';' } else { ',' },
        decimal_comma: bits & 2 != 0,
        time: (named || bits & 4 != 0).then(|| "time".to_owned()),
        time_format: TimeFormat::Auto,
        device: (bits & 4 != 0).then(|| "id".to_owned()),
    })
}

/// What the payload ends with decides.
fn encoding(input: &[u8]) -> Encoding {
    match input.last() {
        Some(b'=' | b'A'..=b'Z' | b'g'..=b'z') => Encoding::Base64,
        Some(b'0'..=b'9' | b'a'..=b'f') => Encoding::Hex,
        _ => Encoding::Bytes,
    }
}

/// Frames through a layout and through one of the shipped codecs.
fn binary(dir: &Path) -> Try {
    let file = dir.join("nadikota.toml");
    let route = |name: &str, profile: &str| {
        format!("[[routes]]\ntopic = \"{name}\"\nformat = \"binary\"\nprofile = \"{profile}\"\n")
    };
    let routes =
        ["sensoneo_single_3", "milesight_wts506", "cayenne_lpp"].map(|profile| route(profile, profile));
    let text = format!("destinations = []\n[mqtt]\nenabled = false\n{}", routes.concat());
    std::fs::write(&file, text).expect("a configuration");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/nadikota.toml");
    let config = config::load(&[shipped, file], []).expect("a sound configuration");
    Box::new(move |input| {
        let told = ["sensoneo_single_3", "milesight_wts506", "cayenne_lpp"].map(|topic| {
            let record = Record::pasted(topic.into(), input.to_vec().into(), NOW, false);
            let story = config.transform.explain(&record, &State::default());
            let detail = story.decision.detail.unwrap_or_default();
            assert!(detail.len() <= DETAIL, "{detail}");
            (story.decision.outcome, shape(&detail))
        });
        hash(&told)
    })
}

fn line_protocol_format(input: &[u8]) -> Format {
    let bits = input.last().copied().unwrap_or_default();
    Format::LineProtocol(line_protocol::Settings {
        device: "device".to_owned(),
        channel: (bits & 1 != 0).then(|| "port".to_owned()),
        time_format: if bits & 2 != 0 { TimeFormat::Auto } else { TimeFormat::Ns },
        measurement_names: bits & 4 != 0,
    })
}

fn antares_format(input: &[u8]) -> Format {
    let bits = input.last().copied().unwrap_or_default();
    let time = (bits & 1 != 0).then(|| Place::new("t", "."));
    Format::Antares(antares::Settings { time, time_format: TimeFormat::Auto })
}

fn decoder(format: fn(&[u8]) -> Format) -> Try {
    decoder_on("city/a", format)
}

fn decoder_on(topic: &'static str, format: fn(&[u8]) -> Format) -> Try {
    let zone = TimeZone::get("Asia/Jakarta").expect("a zone");
    Box::new(move |input| {
        let format = format(input);
        let small = Limits { max_depth: 4, max_values: 20 };
        let judged = [(false, Limits::default()), (true, Limits::default()), (false, small)];
        hash(&judged.map(|(number_text, limits)| {
            let hints = Hints { number_text, zone: &zone, limits: &limits, now: NOW };
            behaviour(&format.decode(topic, input, &hints, &mut Memory::default()), &limits)
        }))
    })
}

/// The first line is the topic, the rest the payload, which comes twice: the second time it is known what the first
/// told.
fn sparkplug() -> Try {
    let zone = TimeZone::UTC;
    Box::new(move |input| {
        let at = input.iter().position(|byte| *byte == b'\n').unwrap_or_default();
        let Ok(topic) = std::str::from_utf8(&input[..at]) else { return 0 };
        let payload = input.get(at + 1..).unwrap_or_default();
        let limits = Limits { max_depth: 4, max_values: 50 };
        let hints = Hints { number_text: false, zone: &zone, limits: &limits, now: NOW };
        let mut memory = Memory::default();
        let born = SparkplugB.decode("spBv1.0/g/NBIRTH/n", BIRTH, &hints, &mut memory);
        assert!(born.is_ok(), "{born:?}");
        let judged = [0, 1].map(|_| {
            let decoded = SparkplugB.decode(topic, payload, &hints, &mut memory);
            // One more tells how many messages are missing, or that the device is there.
            let most = Limits { max_values: limits.max_values + 2, ..limits };
            behaviour(&decoded, &most)
        });
        assert!(memory.size() <= 250, "{}", memory.size());
        // Asked after each message; what is asked is not of the snapshot.
        memory.take_births_wanted();
        let text = serde_json::to_string(&memory).expect("a snapshot");
        assert_eq!(serde_json::from_str::<Memory>(&text).expect("the same"), memory);
        hash(&(judged, memory.size().min(6)))
    })
}

fn bridge() -> Format {
    Format::Zigbee2Mqtt(zigbee2mqtt::Settings { base: "zigbee2mqtt".to_owned() })
}

fn smart_citizen() -> Format {
    let kit = smart_citizen::Kit { device: "sck-01".to_owned(), token: Secret::new("aaaaaa") };
    Format::SmartCitizen(smart_citizen::Settings { kits: vec![kit] })
}

/// The first line is the topic, the rest the payload.
fn with_topic(format: Format) -> Try {
    let zone = TimeZone::get("Asia/Jakarta").expect("a zone");
    Box::new(move |input| {
        let at = input.iter().position(|byte| *byte == b'\n').unwrap_or_default();
        let Ok(topic) = std::str::from_utf8(&input[..at]) else { return 0 };
        let payload = input.get(at + 1..).unwrap_or_default();
        let small = Limits { max_depth: 4, max_values: 20 };
        hash(&[Limits::default(), small].map(|limits| {
            let hints = Hints { number_text: false, zone: &zone, limits: &limits, now: NOW };
            behaviour(&format.decode(topic, payload, &hints, &mut Memory::default()), &limits)
        }))
    })
}

/// A float `a` with the alias 1, and a signed `b` with the alias 2.
const BIRTH: &[u8] =
    b"\x08\x01\x12\x0c\x0a\x01a\x10\x01\x20\x09\x65\0\0\xc0\x3f\x12\x09\x0a\x01b\x10\x02\x20\x02\x50\x05\x18\0";

fn behaviour(decoded: &Result<Decoded<'_>, Rejection>, limits: &Limits) -> u64 {
    match decoded {
        Err(rejection) => told(rejection),
        Ok(Decoded::NotData(what)) => hash(&shape(what)),
        Ok(Decoded::Uplink(uplink)) => {
            let readings: usize = uplink.decoded.iter().flatten().map(|sample| sample.readings.len()).sum();
            assert!(readings <= limits.max_values, "{readings} values");
            let warnings = uplink.warnings.len();
            assert!(warnings <= 20, "{warnings} warnings");
            hash(&(
                readings.min(5),
                uplink.bytes.len().min(5),
                uplink.device.is_some(),
                uplink.time.is_some(),
                warnings.min(2),
            ))
        }
        Ok(Decoded::Samples { samples, rest }) => {
            let readings: Vec<_> = samples.iter().flat_map(|sample| &sample.readings).collect();
            assert!(readings.len() <= limits.max_values, "{} values", readings.len());
            assert!(samples.len() <= limits.max_values.saturating_mul(2), "{} samples", samples.len());
            let kinds = readings.iter().fold(0_u8, |kinds, reading| {
                kinds
                    | match &reading.value {
                        ReadingValue::Number(number) if number.is_finite() => 1,
                        ReadingValue::Number(_) => 2,
                        ReadingValue::Boolean(_) => 4,
                        ReadingValue::Text(_) => 8,
                        ReadingValue::Null => 16,
                    }
                    | if reading.unit.is_some() { 32 } else { 0 }
                    | if reading.channel.is_some() { 64 } else { 0 }
            });
            let times = samples.iter().filter(|sample| sample.time.is_some()).count();
            let devices = samples.iter().filter(|sample| sample.device.is_some()).count();
            hash(&(
                [samples.len(), readings.len(), times, devices].map(|count| count.min(5)),
                kinds,
                rest.as_ref().map(told),
            ))
        }
    }
}

fn told(rejection: &Rejection) -> u64 {
    assert!(rejection.detail.len() <= DETAIL, "{} bytes: {}", rejection.detail.len(), rejection.detail);
    hash(&(rejection.reason, shape(&rejection.detail)))
}

/// The first line is the topic, the rest the payload.
fn transform(dir: &Path) -> Try {
    let file = dir.join("nadikota.toml");
    std::fs::write(&file, ROUTES).expect("a configuration");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/nadikota.toml");
    let config = config::load(&[shipped, file], []).expect("a sound configuration");
    Box::new(move |input| {
        let (topic, payload) = match input.iter().position(|byte| *byte == b'\n') {
            Some(at) => (&input[..at], &input[at + 1..]),
            None => (input, &[][..]),
        };
        let retain = payload.last().is_some_and(|byte| byte % 8 == 0);
        let record = Record::pasted(topic.to_vec().into(), payload.to_vec().into(), NOW, retain);
        let (mut state, mut points) = (State::default(), Vec::new());
        let decision = config.transform.apply(&record, &mut state, &mut points);
        let story = config.transform.explain(&record, &State::default());
        assert!(serde_json::to_string(&story).is_ok());
        points.iter().for_each(check_line);
        let behaved = match &decision {
            Decision::Points { rest } => {
                assert!(!points.is_empty(), "points were promised");
                let fields: Vec<_> = points.iter().flat_map(Point::stored).collect();
                let flags = fields.iter().filter_map(|(key, value)| match value {
                    FieldValue::Integer(flag) if key.ends_with("_qc") => Some(*flag),
                    _ => None,
                });
                let flags: std::collections::BTreeSet<_> = flags.collect();
                hash(&(
                    [points.len(), fields.len()].map(|count| count.min(6)),
                    flags,
                    rest.as_ref().map(told),
                ))
            }
            Decision::Quarantine(rejection) | Decision::Discard(rejection) => {
                assert!(points.is_empty(), "points of a refused message");
                told(rejection)
            }
        };
        // A second reading, a second later: the rate of change and what was admitted before.
        let later = Record { received: NOW + 1_000_000_000, ..record.numbered(2) };
        let before = points.len();
        let again = config.transform.apply(&later, &mut state, &mut points);
        points.drain(..before);
        points.iter().for_each(check_line);
        let again = matches!(again, Decision::Points { .. });
        hash(&(behaved, again))
    })
}

/// One point is one line, and holds every field that can be written.
fn check_line(point: &Point) {
    let mut line = Vec::new();
    let written = lines::write(point, &mut line);
    let text = String::from_utf8(line).expect("text");
    let read: Vec<_> = parse_lines(&text).collect();
    assert_eq!(read.len(), usize::from(written), "{text}");
    if let Some(read) = read.into_iter().next() {
        let read = read.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(read.timestamp, Some(point.time));
        let finite = |value: &FieldValue| !matches!(value, FieldValue::Float(number) if !number.is_finite());
        let fields = point.stored().filter(|(key, value)| !key.is_empty() && finite(value)).count();
        assert_eq!(read.field_set.len(), fields, "{text}");
    }
}

const ROUTES: &str = r#"
destinations = []
[mqtt]
enabled = false
[transform]
max_unregistered = 50
[[routes]]
topic = "f/j/{device}"
format = "json"
time = "time"
[[routes]]
topic = "f/c/{x}"
format = "chirpstack"
[[routes]]
topic = "f/s"
format = "senml"
[[routes]]
topic = "f/v/{device}"
format = "value"
name = "air_temperature_c"
[[routes]]
topic = "f/k/{device}/{field}"
format = "json"
names = "as_sent"
measurement = "kept"
tags = { device = "{device}" }
others = "keep"
types = { on = "boolean", n = "integer", s = "text" }
[[routes]]
topic = "city/{city}/{district}/{device}/{kind}"
format = "json"
retained = "accept"
"#;
