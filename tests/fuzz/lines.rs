//! The line writer against an independent parser: any point is one line that reads back as the same point.

use std::sync::Arc;

use influxdb_line_protocol::{FieldValue as Read, parse_lines};
use nadikota::line_protocol;
use nadikota::point::{Field, FieldValue, Point};
use nadikota::quality::Flag;

use super::{Target, Try, hash};

pub fn targets() -> Vec<Target> {
    vec![Target { name: "lines", build: |_| writer(), words: WORDS }]
}

const WORDS: &[&str] = &[
    "\u{2}, ",
    "\u{2}\\\\",
    "\u{3}\\\" ",
    "\u{4}time",
    "\u{6}_field",
    "\u{1}#",
    "\u{1}\n",
    "\u{2}\r\n",
    "\u{1}=",
    "\u{5}t=1 1",
    "\u{4}🌊",
    "\u{3}\u{feff}",
    "\u{3}\u{2028}",
];

/// Takes an input apart; where it ends everything is empty or 0.
struct Bytes<'b>(&'b [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// Its length comes first.
    fn text(&mut self) -> String {
        let length = usize::from(self.byte() % 16);
        let (text, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        String::from_utf8_lossy(text).into_owned()
    }
}

fn point(input: &[u8]) -> Point {
    let mut bytes = Bytes(input);
    let (tags, fields) = (bytes.byte() % 5, bytes.byte() % 6);
    let time = bytes.number().cast_signed();
    let measurement: Arc<str> = bytes.text().into();
    let tags = (0..tags).map(|_| (bytes.text().into(), bytes.text().into())).collect();
    let fields = (0..fields).map(|_| {
        let value = match bytes.byte() % 4 {
            0 => FieldValue::Float(f64::from_bits(bytes.number())),
            1 => FieldValue::Integer(bytes.number().cast_signed()),
            2 => FieldValue::Boolean(bytes.byte() % 2 == 0),
            _ => FieldValue::Text(bytes.text()),
        };
        let flag = match bytes.byte() % 4 {
            0 => None,
            1 => Some(Flag::Missing),
            2 => Some(Flag::Suspect),
            _ => Some(Flag::Pass),
        };
        let value = Some(value).filter(|_| flag != Some(Flag::Missing));
        Field { name: bytes.text().into(), value, flag }
    });
    Point { measurement, fields: fields.collect(), tags, time }
}

/// What `src/line_protocol.rs` promises to make of a name, written once more.
fn name(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c == '\\' {
                '/'
            } else if c.is_control() {
                '_'
            } else {
                c
            }
        })
        .collect()
}

fn key(key: &str) -> String {
    match key {
        "time" | "_time" | "_field" | "_measurement" => format!("{key}_"),
        _ => name(key),
    }
}

fn writer() -> Try {
    Box::new(|input| {
        let given = point(input);
        let mut line = Vec::new();
        let written = line_protocol::write(&given, &mut line);
        let text = String::from_utf8(line).expect("text");
        let finite = |value: &FieldValue| !matches!(value, FieldValue::Float(number) if !number.is_finite());
        let mut named = given.clone();
        named.fields.retain(|field| !field.name.is_empty());
        let fields: Vec<_> = named.stored().filter(|(_, value)| finite(value)).collect();
        assert_eq!(written, !fields.is_empty());
        let lines: Vec<_> = parse_lines(&text).collect();
        assert_eq!(lines.len(), usize::from(written), "{text}");
        let behaved = hash(&(
            written,
            given.tags.len(),
            fields.len(),
            text.contains('\\'),
            text.contains('_'),
            text.contains('/'),
            text.is_ascii(),
        ));
        let Some(line) = lines.into_iter().next() else { return behaved };
        let line = line.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(line.timestamp, Some(given.time));
        let measurement = match given.measurement.strip_prefix('#') {
            Some(rest) => format!("_{}", name(rest)),
            None if given.measurement.is_empty() => "sensor".to_owned(),
            None => name(&given.measurement),
        };
        assert_eq!(line.series.measurement.as_str(), measurement);
        let tags: Vec<_> =
            given.tags.iter().filter(|(key, value)| !key.is_empty() && !value.is_empty()).collect();
        let read: Vec<_> = line.series.tag_set.iter().flatten().collect();
        assert_eq!(read.len(), tags.len(), "{text}");
        for ((given_key, given_value), (read_key, read_value)) in tags.into_iter().zip(read) {
            assert_eq!(
                (key(given_key), name(given_value)),
                (read_key.to_string(), read_value.to_string()),
                "{text}"
            );
        }
        assert_eq!(line.field_set.len(), fields.len(), "{text}");
        for ((given_key, given_value), (read_key, read_value)) in fields.into_iter().zip(&line.field_set) {
            assert_eq!(key(given_key), read_key.as_str(), "{text}");
            let same = match (&given_value, read_value) {
                (FieldValue::Float(given), Read::F64(read)) => given.to_bits() == read.to_bits(),
                (FieldValue::Integer(given), Read::I64(read)) => given == read,
                (FieldValue::Boolean(given), Read::Boolean(read)) => given == read,
                (FieldValue::Text(given), Read::String(read)) => {
                    given.replace(char::is_control, " ") == read.as_str()
                }
                _ => false,
            };
            assert!(same, "{given_value:?} read as {read_value:?}: {text}");
        }
        behaved
    })
}
