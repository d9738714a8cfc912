//! Decoders alone, and the whole way from a message to lines that an independent parser reads.

use std::path::Path;

use influxdb_line_protocol::parse_lines;
use jiff::tz::TimeZone;
use nadikota::config;
use nadikota::decode::path::Path as Place;
use nadikota::decode::told::TimeFormat;
use nadikota::decode::{Decoded, Format, Hints, Limits, antares, csv, json, line_protocol, value};
use nadikota::line_protocol as lines;
use nadikota::message::Record;
use nadikota::outcome::Rejection;
use nadikota::point::{FieldValue, Point};
use nadikota::reading::ReadingValue;
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
        target("chirpstack", |_| decoder(|_| Format::Chirpstack), CHIRPSTACK),
        target("senml", |_| decoder(|_| Format::Senml), SENML),
        target("csv", |_| decoder(csv_format), CSV),
        target("line_protocol", |_| decoder(line_protocol_format), LINE_PROTOCOL),
        target("ultralight", |_| decoder(|_| Format::Ultralight), ULTRALIGHT),
        target("fiware_json", |_| decoder(|_| Format::FiwareJson), FIWARE_JSON),
        target("antares", |_| decoder(antares_format), ANTARES),
        target("tasmota", |_| decoder(|_| Format::Tasmota), TASMOTA),
        target("sensor_community", |_| decoder(|_| Format::SensorCommunity), SENSOR_COMMUNITY),
        target("transform", transform, TRANSFORM),
    ]
}

const JSON: &[&str] = &[
    "{\"a\":",
    "[",
    "]",
    "}",
    ",\"t\":",
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
    // What the payload ends with decides, so that one file is one case.
    let bits = input.last().copied().unwrap_or_default();
    let separator = if bits & 16 != 0 { "_" } else { "." };
    let some = |bit: u8, text: &str| (bits & bit != 0).then(|| Place::new(text, separator));
    Format::Json(Box::new(json::Settings {
        time: some(1, "t"),
        time_format: if bits & 2 != 0 { TimeFormat::Ms } else { TimeFormat::Auto },
        device: some(4, "/d/id"),
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
    let zone = TimeZone::get("Asia/Jakarta").expect("a zone");
    Box::new(move |input| {
        let format = format(input);
        let small = Limits { max_depth: 4, max_values: 20 };
        let judged = [(false, Limits::default()), (true, Limits::default()), (false, small)];
        hash(&judged.map(|(number_text, limits)| {
            let hints = Hints { number_text, zone: &zone, limits: &limits, now: NOW };
            behaviour(&format.decode("city/a", input, &hints), &limits)
        }))
    })
}

fn behaviour(decoded: &Result<Decoded<'_>, Rejection>, limits: &Limits) -> u64 {
    match decoded {
        Err(rejection) => told(rejection),
        Ok(Decoded::NotData(what)) => hash(&shape(what)),
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
                let fields: Vec<_> = points.iter().flat_map(|point| &point.fields).collect();
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
        let fields = point.fields.iter().filter(|(key, value)| !key.is_empty() && finite(value)).count();
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
