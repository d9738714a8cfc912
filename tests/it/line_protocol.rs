//! Our line protocol against a real InfluxDB: every point is read back as one point with the same values.
//!
//! What InfluxDB cannot hold is mapped as `src/line_protocol.rs` says; that mapping is written down here once more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nadikota::line_protocol;
use nadikota::point::{Field, FieldValue, Point};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::support::http;
use super::support::influxdb::{DATABASE, InfluxDb};
use super::support::scale::scaled;

const PARTS: &[&str] = &[
    "a",
    "Z",
    "9",
    " ",
    "  ",
    ",",
    "=",
    "\"",
    "\"\"",
    "'",
    "\\",
    "\\\\",
    "\\,",
    "\\ ",
    "\\=",
    "\\\"",
    "\n",
    "\r\n",
    "\t",
    "\0",
    "\u{7f}",
    "\u{85}",
    "#",
    "/",
    "//",
    "*",
    "$",
    "é",
    "日本",
    "🌊",
    "\u{a0}",
    "\u{2028}",
    "\u{feff}",
    "\u{301}",
    "\u{202e}",
    "time",
    "_field",
    "t=1 1\nevil x=1",
    "i",
    "u",
    "true",
    "-",
    "1e999",
    "{",
    "}",
    ";",
    "--",
];
const FLOATS: &[f64] = &[
    0.0,
    -0.0,
    f64::MAX,
    f64::MIN,
    f64::MIN_POSITIVE,
    5e-324,
    0.1,
    1e21,
    1e-7,
    123_456_789.123_456_79,
    9_007_199_254_740_993.0,
];
const INTEGERS: &[i64] = &[0, -1, i64::MAX, i64::MIN, 9_007_199_254_740_993];
/// 2026-11-24, and so close that a few shards hold all.
const TIME: i64 = 1_795_478_400_000_000_000;

#[test]
fn hostile_points_are_read_back_from_influxdb_one_by_one() {
    let database = InfluxDb::start();
    let mut random = fastrand::Rng::with_seed(1);
    let names: Vec<Arc<str>> = (0..60).map(|_| text(&mut random).into()).collect();
    let points: Vec<Point> =
        (0..scaled(4_000, 40_000)).map(|number| point(number, &names, &mut random)).collect();
    let mut wanted: BTreeMap<String, Vec<Held>> = BTreeMap::new();
    for some in points.chunks(500) {
        let mut lines = Vec::new();
        for point in some {
            let before = lines.iter().filter(|byte| **byte == b'\n').count();
            assert!(line_protocol::write(point, &mut lines));
            assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), before + 1);
            wanted.entry(measurement_held(&point.measurement)).or_default().push(held(point));
        }
        let lines = String::from_utf8(lines).expect("text");
        let answer = database.write(&lines);
        assert_eq!(answer.status, 204, "{}", answer.body);
    }
    let measurements: BTreeSet<String> = database
        .query("SHOW MEASUREMENTS")
        .iter()
        .map(|row| row["name"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(measurements, wanted.keys().cloned().collect());
    let mut count = 0;
    for (measurement, mut wanted) in wanted {
        let mut found = read(&database, &measurement);
        count += found.len();
        let order = |held: &Held| held.time;
        found.sort_by_key(order);
        wanted.sort_by_key(order);
        assert_eq!(found.len(), wanted.len(), "points of {measurement:?}");
        for (found, wanted) in found.iter().zip(&wanted) {
            assert_eq!(found, wanted, "in {measurement:?}");
        }
    }
    println!("{count} points in {} measurements read back", measurements.len());
}

/// A point as read: columns that hold something, each as what it is.
#[derive(Debug, PartialEq)]
struct Held {
    time: i64,
    columns: BTreeMap<String, Value>,
}

#[derive(Debug, PartialEq)]
enum Value {
    /// Its bits, so that nothing is rounded unnoticed.
    Float(u64),
    Integer(i64),
    Boolean(bool),
    Text(String),
}

/// A point of its own time. Of one name, tags and fields begin differently and each type has its own field: InfluxDB
/// has one type for each field, and mixes tags and fields of one name up when asked.
fn point(number: i64, names: &[Arc<str>], random: &mut fastrand::Rng) -> Point {
    let mut tags: BTreeMap<Arc<str>, Arc<str>> = BTreeMap::new();
    for _ in 0..random.usize(0..4) {
        let key = format!("t{}", names[random.usize(..names.len())]);
        tags.insert(key.into(), text(random).into());
    }
    let mut fields = BTreeMap::new();
    for _ in 0..random.usize(1..5) {
        let (kind, value) = match random.u8(..4) {
            0 => ("f", FieldValue::Float(float(random))),
            1 => ("i", FieldValue::Integer(integer(random))),
            2 => ("b", FieldValue::Boolean(random.bool())),
            _ => ("s", FieldValue::Text(text(random))),
        };
        fields.insert(format!("{kind}{}", names[random.usize(..names.len())]), value);
    }
    // Different names may be mapped to one; keys are the caller's to keep unique.
    let mut seen = BTreeSet::new();
    tags.retain(|key, _| seen.insert(name_held(key)));
    fields.retain(|key, _| seen.insert(name_held(key)));
    Point {
        measurement: Arc::clone(&names[random.usize(..names.len())]),
        tags: tags.into_iter().collect(),
        fields: fields.into_iter().map(|(key, value)| Field::of(key, value)).collect(),
        time: TIME + number,
    }
}

fn text(random: &mut fastrand::Rng) -> String {
    (0..random.usize(0..6)).map(|_| PARTS[random.usize(..PARTS.len())]).collect()
}

fn float(random: &mut fastrand::Rng) -> f64 {
    if random.bool() {
        return FLOATS[random.usize(..FLOATS.len())];
    }
    let any = f64::from_bits(random.u64(..));
    if any.is_finite() { any } else { 1.5 }
}

fn integer(random: &mut fastrand::Rng) -> i64 {
    if random.bool() { INTEGERS[random.usize(..INTEGERS.len())] } else { random.i64(..) }
}

fn name_held(name: &str) -> String {
    name.replace('\\', "/").replace(char::is_control, "_")
}

fn measurement_held(name: &str) -> String {
    match name.strip_prefix('#') {
        Some(rest) => format!("_{}", name_held(rest)),
        None if name.is_empty() => "sensor".to_owned(),
        None => name_held(name),
    }
}

fn held(point: &Point) -> Held {
    let tags = point.tags.iter().filter(|(_, value)| !value.is_empty());
    let tags = tags.map(|(key, value)| (name_held(key), Value::Text(name_held(value))));
    let fields = point.stored().map(|(key, value)| {
        let value = match value {
            FieldValue::Float(number) => Value::Float(number.to_bits()),
            FieldValue::Integer(number) => Value::Integer(number),
            FieldValue::Boolean(truth) => Value::Boolean(truth),
            FieldValue::Text(text) => Value::Text(text.replace(char::is_control, " ")),
        };
        (name_held(key), value)
    });
    Held { time: point.time, columns: tags.chain(fields).collect() }
}

#[derive(Deserialize)]
struct Answer {
    results: Vec<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    #[serde(default)]
    series: Vec<Series>,
}

/// Numbers are left as text here: reading JSON in general may round them.
#[derive(Deserialize)]
struct Series {
    columns: Vec<String>,
    values: Vec<Vec<Box<RawValue>>>,
}

fn read(database: &InfluxDb, measurement: &str) -> Vec<Held> {
    // Names hold no backslash any more, so a quote is all that must be escaped.
    let statement = format!("SELECT * FROM \"{}\"", measurement.replace('"', "\\\""));
    let query = http::query_string(&[("db", DATABASE), ("epoch", "ns"), ("q", &statement)]);
    let answer = http::post(database.address(), &format!("/query?{query}"), b"").expect("an answer");
    let answer: Answer = serde_json::from_str(&answer.body).expect("JSON");
    let mut found = Vec::new();
    for series in answer.results.iter().flat_map(|result| &result.series) {
        for values in &series.values {
            let mut row = Held { time: 0, columns: BTreeMap::new() };
            for (column, value) in series.columns.iter().zip(values) {
                let raw = value.get();
                if column == "time" {
                    row.time = raw.parse().expect("a time");
                } else if raw != "null" {
                    row.columns.insert(column.clone(), value_read(column, raw));
                }
            }
            found.push(row);
        }
    }
    found
}

/// The first letter of a name says what it holds.
fn value_read(column: &str, raw: &str) -> Value {
    match column.as_bytes()[0] {
        b'f' => Value::Float(raw.parse::<f64>().expect("a float").to_bits()),
        b'i' => Value::Integer(raw.parse().expect("an integer")),
        b'b' => Value::Boolean(raw.parse().expect("a boolean")),
        _ => Value::Text(serde_json::from_str(raw).expect("a text")),
    }
}
