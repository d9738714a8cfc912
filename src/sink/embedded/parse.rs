//! Reading back a line that our own line protocol writer made.

use crate::point::{Field, FieldValue, Point};

/// A line taken apart. `series` is measurement and tags as they stand: the identity beside the time.
#[derive(Debug, PartialEq)]
pub(super) struct Line<'a> {
    pub(super) series: &'a str,
    pub(super) fields: Vec<(String, FieldValue)>,
    /// Unix time in nanoseconds.
    pub(super) time: i64,
}

/// Nothing where the line is not of the shape our writer gives.
pub(super) fn line(text: &str) -> Option<Line<'_>> {
    let (series, written, time) = parts(text)?;
    let read = |(name, text)| Some((unescape(name), value(text)?));
    Some(Line {
        series,
        fields: fields(written).map(|field| field.and_then(read)).collect::<Option<_>>()?,
        time,
    })
}

/// Series, fields and time of a line, copying nothing.
pub fn parts(text: &str) -> Option<(&str, &str, i64)> {
    let end = find(text, b' ', false)?;
    let (series, rest) = text.split_at_checked(end)?;
    let rest = rest.get(1..)?;
    let end = find(rest, b' ', true)?;
    let (fields, time) = rest.split_at_checked(end)?;
    Some((series, fields, time.get(1..)?.parse().ok()?))
}

/// Name and value of each field as they stand, escaped.
pub fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    fields(text).flatten()
}

/// The same; nothing for what is no field.
pub(super) fn fields(text: &str) -> impl Iterator<Item = Option<(&str, &str)>> {
    split(text, b',', true).map(|field| {
        let at = find(field, b'=', false)?;
        Some((field.get(..at)?, field.get(at + 1..)?))
    })
}

/// Measurement and tags of a series, unescaped.
pub fn series(text: &str) -> Option<(String, Vec<(String, String)>)> {
    let mut parts = split(text, b',', false);
    let measurement = unescape(parts.next()?);
    let tag = |part: &str| {
        let at = find(part, b'=', false)?;
        Some((unescape(part.get(..at)?), unescape(part.get(at + 1..)?)))
    };
    Some((measurement, parts.map(tag).collect::<Option<_>>()?))
}

/// The point of a line, as a database holds it: names and texts are mapped as our writer maps them.
pub fn point(text: &str) -> Option<Point> {
    let line = line(text)?;
    let (measurement, tags) = series(line.series)?;
    Some(Point {
        measurement: measurement.into(),
        tags: tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
        fields: line.fields.into_iter().map(|(name, value)| Field::of(name, value)).collect(),
        time: line.time,
    })
}

/// The value of a field.
pub(super) fn value(text: &str) -> Option<FieldValue> {
    Some(match text.as_bytes() {
        [b'"', .., b'"'] => {
            let inner = text.get(1..text.len() - 1)?;
            FieldValue::Text(inner.replace("\\\"", "\"").replace("\\\\", "\\"))
        }
        b"t" | b"true" => FieldValue::Boolean(true),
        b"f" | b"false" => FieldValue::Boolean(false),
        _ => match text.strip_suffix('i') {
            Some(whole) => FieldValue::Integer(whole.parse().ok()?),
            None => FieldValue::Float(text.parse().ok().filter(|number: &f64| number.is_finite())?),
        },
    })
}

/// Where `wanted` stands unescaped and, where `quotes` count, outside of quotes.
fn find(text: &str, wanted: u8, quotes: bool) -> Option<usize> {
    let (mut escaped, mut quoted, mut previous) = (false, false, 0);
    for (at, byte) in text.bytes().enumerate() {
        let literal = escaped;
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            // Quotes begin a text only where a value begins; in a name they are ordinary.
            b'"' if quotes && (quoted || previous == b'=') => quoted = !quoted,
            _ if byte == wanted && !quoted => return Some(at),
            _ => {}
        }
        previous = if literal { 0 } else { byte };
    }
    None
}

fn split(text: &str, at: u8, quotes: bool) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        match find(text, at, quotes) {
            None => rest.take(),
            Some(end) => {
                rest = text.get(end + 1..);
                text.get(..end)
            }
        }
    })
}

/// Takes the backslash away before what must be escaped; our writer puts none elsewhere in names.
pub fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(next @ (',' | ' ' | '='))) => {
                out.push(*next);
                chars.next();
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::sync::Arc;

    use super::*;
    use crate::line_protocol;
    use crate::point::{Field, FieldValue, Point};

    fn value() -> impl Strategy<Value = FieldValue> {
        prop_oneof![
            any::<f64>().prop_map(FieldValue::Float),
            any::<i32>().prop_map(|number| FieldValue::Integer(number.into())),
            any::<bool>().prop_map(FieldValue::Boolean),
            ".{0,12}".prop_map(FieldValue::Text),
        ]
    }

    proptest! {
        #[test]
        fn every_line_of_our_writer_is_read_back(
            tags in proptest::collection::btree_map("[a-z ,=\"\\\\]{1,6}", "\\PC{0,8}", 0..4),
            fields in proptest::collection::btree_map("[a-z ,=\"\\\\]{1,6}", value(), 1..5),
            time in any::<i64>(),
        ) {
            let point = Point {
                measurement: "a b,c=d".into(),
                tags: tags.iter().map(|(key, value)| (Arc::from(key.as_str()), Arc::from(value.as_str()))).collect(),
                fields: fields.iter().map(|(key, value)| Field::of(key.as_str(), value.clone())).collect(),
                time,
            };
            let mut text = Vec::new();
            if line_protocol::write(&point, &mut text) {
                let text = String::from_utf8(text).unwrap();
                let written = line(text.trim_end_matches('\n')).unwrap();
                prop_assert_eq!(written.time, time);
                prop_assert!(written.fields.len() <= fields.len());
                for (_, value) in &written.fields {
                    let known = fields.values().any(|field| match (field, value) {
                        (FieldValue::Float(a), FieldValue::Float(b)) => a.to_bits() == b.to_bits(),
                        (FieldValue::Text(_), FieldValue::Text(_)) => true,
                        (a, b) => a == b,
                    });
                    prop_assert!(known, "{:?}", value);
                }
                let (measurement, _) = series(written.series).unwrap();
                prop_assert_eq!(measurement, "a b,c=d");
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "[a,= \"\\\\0-9.]{0,30}") {
            let _ = line(&text);
            let _ = series(&text);
        }
    }
}
