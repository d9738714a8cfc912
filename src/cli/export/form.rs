//! The forms of an export: line protocol, CSV with one field a row, JSON with one point a line.

use std::collections::BTreeMap;
use std::io;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::cli::explain::time;
use crate::line_protocol;
use crate::point::{FieldValue, Point};

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Form {
    Line,
    Csv,
    Jsonl,
}

/// Tags that have a column of their own; others share one, as a JSON object.
const TAGS: [&str; 5] = ["city", "district", "site", "device", "channel"];

impl Form {
    /// What stands before the first point.
    pub(super) fn head(self) -> io::Result<Vec<u8>> {
        if self != Self::Csv {
            return Ok(Vec::new());
        }
        let columns = ["time", "measurement"].into_iter().chain(TAGS);
        let mut rows = csv::Writer::from_writer(Vec::new());
        rows.write_record(columns.chain(["other_tags", "field", "type", "value"]))
            .map_err(io::Error::other)?;
        rows.into_inner().map_err(|error| error.into_error())
    }

    /// Points as text, whole lines.
    pub(super) fn render(self, points: &[Point]) -> io::Result<Vec<u8>> {
        match self {
            Self::Line => {
                let mut text = Vec::new();
                for point in points {
                    line_protocol::write(point, &mut text);
                }
                Ok(text)
            }
            Self::Jsonl => {
                let mut text = Vec::new();
                for point in points {
                    serde_json::to_writer(&mut text, &Told::from(point))?;
                    text.push(b'\n');
                }
                Ok(text)
            }
            Self::Csv => {
                let mut rows = csv::Writer::from_writer(Vec::new());
                for point in points {
                    write_rows(point, &mut rows)?;
                }
                rows.into_inner().map_err(|error| error.into_error())
            }
        }
    }
}

fn write_rows(point: &Point, rows: &mut csv::Writer<Vec<u8>>) -> io::Result<()> {
    let tags: BTreeMap<&str, &str> = point.tags.iter().map(|(key, value)| (&**key, &**value)).collect();
    let own = TAGS.map(|tag| tags.get(tag).copied().unwrap_or_default());
    let others: BTreeMap<_, _> = tags.iter().filter(|(key, _)| !TAGS.contains(key)).collect();
    let others = if others.is_empty() { String::new() } else { serde_json::to_string(&others)? };
    let time = time(point.time);
    for (field, value) in point.stored() {
        let (kind, value) = match value {
            FieldValue::Float(number) => ("float", zmij::Buffer::new().format(number).to_owned()),
            FieldValue::Integer(number) => ("integer", number.to_string()),
            FieldValue::Boolean(truth) => ("boolean", truth.to_string()),
            FieldValue::Text(text) => ("text", text),
        };
        let cells = [time.as_str(), &point.measurement].into_iter().chain(own);
        rows.write_record(cells.chain([others.as_str(), field, kind, &value])).map_err(io::Error::other)?;
    }
    Ok(())
}

/// One point as JSON.
#[derive(Serialize)]
struct Told<'a> {
    time: String,
    measurement: &'a str,
    tags: BTreeMap<&'a str, &'a str>,
    fields: Fields<'a>,
}

impl<'a> From<&'a Point> for Told<'a> {
    fn from(point: &'a Point) -> Self {
        Self {
            time: time(point.time),
            measurement: &point.measurement,
            tags: point.tags.iter().map(|(key, value)| (&**key, &**value)).collect(),
            fields: Fields(point),
        }
    }
}

struct Fields<'a>(&'a Point);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.0.stored() {
            match value {
                FieldValue::Float(number) => map.serialize_entry(name, &number)?,
                FieldValue::Integer(number) => map.serialize_entry(name, &number)?,
                FieldValue::Boolean(truth) => map.serialize_entry(name, &truth)?,
                FieldValue::Text(text) => map.serialize_entry(name, &text)?,
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::point::Field;

    fn points() -> Vec<Point> {
        let tags = [("city", "Kota, \"Pasuruan\""), ("device", "a\"b"), ("host", "x,y")];
        vec![Point {
            measurement: "air quality".into(),
            tags: tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
            fields: vec![
                Field::of("third", FieldValue::Float(1.0 / 3.0)),
                Field::of("zero", FieldValue::Float(-0.0)),
                Field::of("whole", FieldValue::Integer(9_007_199_254_740_993)),
                Field::of("on", FieldValue::Boolean(true)),
                Field::of("note", FieldValue::Text("=1+1; \"so\",\r\nnext".to_owned())),
            ],
            time: 1_700_000_000_000_000_001,
        }]
    }

    #[test]
    fn csv_is_read_back_to_the_last_bit() {
        let mut text = Form::Csv.head().unwrap();
        text.extend(Form::Csv.render(&points()).unwrap());
        let mut read = csv::Reader::from_reader(text.as_slice());
        let rows: Vec<BTreeMap<String, String>> = read.deserialize().collect::<Result<_, _>>().unwrap();
        assert_eq!(rows.len(), 5);
        for row in &rows {
            assert_eq!(row["time"], "2023-11-14T22:13:20.000000001Z");
            assert_eq!(row["measurement"], "air quality");
            assert_eq!((row["city"].as_str(), row["device"].as_str()), ("Kota, \"Pasuruan\"", "a\"b"));
            assert_eq!(row["other_tags"], "{\"host\":\"x,y\"}");
        }
        let told = |field: &str| {
            let row = rows.iter().find(|row| row["field"] == field).unwrap();
            (row["type"].as_str(), row["value"].as_str())
        };
        let bits = |field: &str| told(field).1.parse::<f64>().unwrap().to_bits();
        assert_eq!((bits("third"), bits("zero")), ((1.0_f64 / 3.0).to_bits(), (-0.0_f64).to_bits()));
        assert_eq!(told("whole"), ("integer", "9007199254740993"));
        assert_eq!(told("on"), ("boolean", "true"));
        assert_eq!(told("note"), ("text", "=1+1; \"so\",\r\nnext"));
    }

    #[test]
    fn json_is_read_back_to_the_last_bit_and_one_point_is_one_line() {
        let text = String::from_utf8(Form::Jsonl.render(&points()).unwrap()).unwrap();
        assert_eq!(text.lines().count(), 1);
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["time"], "2023-11-14T22:13:20.000000001Z");
        assert_eq!(read["tags"]["city"], "Kota, \"Pasuruan\"");
        let fields = &read["fields"];
        let bits = |field: &str| fields[field].as_f64().unwrap().to_bits();
        assert_eq!((bits("third"), bits("zero")), ((1.0_f64 / 3.0).to_bits(), (-0.0_f64).to_bits()));
        assert_eq!(fields["whole"].as_i64(), Some(9_007_199_254_740_993));
        assert_eq!((&fields["on"], &fields["note"]), (&true.into(), &"=1+1; \"so\",\r\nnext".into()));
    }
}
