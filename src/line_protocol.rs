//! Line protocol: writes a point as exactly one line. Total: any point, whatever it holds, is safe to write.
//!
//! A few texts cannot be held by InfluxDB, or are read differently by its versions. They are mapped, always the
//! same way, so that a point keeps its identity:
//! - In names (measurement, keys, tag values) a control character becomes `_` and a backslash becomes `/`. A level
//!   of a topic cannot hold `/`, so two devices named by topics never become one by this.
//! - In text values a control character (a newline, a NUL) becomes a space: one line is always one `\n`.
//! - `#` at the start of a measurement, where it would make a comment, becomes `_`; an empty one `sensor`.
//! - Keys that databases keep for themselves (`time`, `_time`, `_field`, `_measurement`) get a `_` at their end.
//! - Names are cut at 1,024 bytes and texts at 65,535, at a character's boundary.
//!
//! NaN, infinite numbers, and empty keys and tag values are left out. Keys are the caller's to keep unique.

use crate::escape::{NAME_LIMIT, cut, push, push_mapped};
use crate::point::{Field, FieldValue, Point};

/// The most bytes of a text value: 64 KiB is InfluxDB's limit.
const TEXT_LIMIT: usize = 65_535;

/// Appends exactly one line with its `\n`. Returns false, and appends nothing, where no field can be written.
pub fn write(point: &Point, out: &mut Vec<u8>) -> bool {
    write_line(point, out).is_some()
}

/// The same; gives how many bytes of the line are its series: measurement and tags.
pub fn write_line(point: &Point, out: &mut Vec<u8>) -> Option<usize> {
    let start = out.len();
    write_measurement(&point.measurement, out);
    out.extend_from_slice(point.tags.text());
    let first = out.len();
    for Field { name, value, flag } in &point.fields {
        if name.is_empty() {
            continue;
        }
        match value {
            None => {}
            Some(FieldValue::Float(number)) if !number.is_finite() => {}
            Some(value) => {
                out.extend_from_slice(name.key());
                write_value(value, out);
            }
        }
        if let Some(flag) = flag {
            out.extend_from_slice(name.flag_key());
            write_integer(flag.number(), out);
            out.push(b'i');
        }
    }
    // Each field begins with a comma; before the first a space belongs.
    let Some(separator) = out.get_mut(first) else {
        out.truncate(start);
        return None;
    };
    *separator = b' ';
    out.push(b' ');
    write_integer(point.time, out);
    out.push(b'\n');
    Some(first - start)
}

fn write_measurement(name: &str, out: &mut Vec<u8>) {
    let name = match name.strip_prefix('#') {
        Some(rest) => {
            out.push(b'_');
            rest
        }
        None if name.is_empty() => "sensor",
        None => name,
    };
    for character in cut(name, NAME_LIMIT - 1).chars() {
        match character {
            ',' | ' ' => out.extend_from_slice(&[b'\\', u8::try_from(character).unwrap_or(b'_')]),
            _ => push_mapped(character, out),
        }
    }
}

/// The shortest text that is read as this very number, with a digit behind its point.
///
/// Most that sensors tell has three places at most. Of decimals with up to 15 digits no two are one float, so where
/// thousandths give the number back exactly they are its shortest text; a division by 1,000 is rounded rightly.
fn write_float(number: f64, out: &mut Vec<u8>) {
    let size = number.abs();
    if !(0.001..1e9).contains(&size) {
        out.extend_from_slice(zmij::Buffer::new().format(number).as_bytes());
        return;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not below 0, and below 2^53"
    )]
    let thousandths = (size * 1000.0 + 0.5) as u64;
    #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
    let same = thousandths as f64 / 1000.0 == size;
    if !same {
        out.extend_from_slice(zmij::Buffer::new().format(number).as_bytes());
        return;
    }
    if number < 0.0 {
        out.push(b'-');
    }
    write_digits(thousandths / 1000, out);
    let digit = |part: u64| b'0' + u8::try_from(part % 10).unwrap_or(0);
    let places = [b'.', digit(thousandths / 100), digit(thousandths / 10), digit(thousandths)];
    let length = match places {
        [.., b'0', b'0'] => 2,
        [.., b'0'] => 3,
        _ => 4,
    };
    out.extend_from_slice(places.get(..length).unwrap_or_default());
}

fn write_integer(number: i64, out: &mut Vec<u8>) {
    if number < 0 {
        out.push(b'-');
    }
    write_digits(number.unsigned_abs(), out);
}

fn write_digits(number: u64, out: &mut Vec<u8>) {
    // The largest has twenty digits.
    let (mut digits, mut first, mut rest) = ([0; 20], 20_usize, number);
    for place in digits.iter_mut().rev() {
        *place = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        first -= 1;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(first..).unwrap_or_default());
}

fn write_value(value: &FieldValue, out: &mut Vec<u8>) {
    match value {
        FieldValue::Float(number) => write_float(*number, out),
        FieldValue::Integer(number) => {
            write_integer(*number, out);
            out.push(b'i');
        }
        FieldValue::Boolean(truth) => out.extend_from_slice(if *truth { b"true" } else { b"false" }),
        FieldValue::Text(text) => {
            out.push(b'"');
            for character in cut(text, TEXT_LIMIT).chars() {
                match character {
                    '"' => out.extend_from_slice(b"\\\""),
                    '\\' => out.extend_from_slice(b"\\\\"),
                    _ if character.is_control() => out.push(b' '),
                    _ => push(character, out),
                }
            }
            out.push(b'"');
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use influxdb_line_protocol::{FieldValue as Read, parse_lines};
    use proptest::prelude::*;

    use super::*;
    use crate::point::Name;
    use crate::quality::Flag;

    fn point(measurement: &str, tags: &[(&str, &str)], fields: &[(&str, FieldValue)], time: i64) -> Point {
        Point {
            measurement: measurement.into(),
            tags: tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
            fields: fields.iter().map(|(key, value)| Field::of(*key, value.clone())).collect(),
            time,
        }
    }

    fn line(point: &Point) -> String {
        let mut out = Vec::new();
        write(point, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_common_point_is_one_plain_line() {
        let point = point(
            "air_quality",
            &[("city", "pasuruan"), ("device", "AQ-01")],
            &[
                ("pm25_ugm3", FieldValue::Float(12.5)),
                ("pm25_ugm3_qc", FieldValue::Integer(1)),
                ("on", FieldValue::Boolean(true)),
            ],
            1_700_000_000_000_000_001,
        );
        assert_eq!(
            line(&point),
            "air_quality,city=pasuruan,device=AQ-01 pm25_ugm3=12.5,pm25_ugm3_qc=1i,on=true 1700000000000000001\n"
        );
    }

    #[test]
    fn hostile_texts_never_make_a_second_point() {
        let value = FieldValue::Text("say \"hi\"\\\nevil x=1 1\0".into());
        let hostile = point("#a b,c\nd", &[("k=\\", "v\\"), ("e", ""), ("", "x")], &[("f 1", value)], -5);
        assert_eq!(line(&hostile), "_a\\ b\\,c_d,k\\=/=v/ f\\ 1=\"say \\\"hi\\\"\\\\ evil x=1 1 \" -5\n");
        assert_eq!(
            line(&point("", &[("time", "x")], &[("time", FieldValue::Float(1.0))], 0)),
            "sensor,time_=x time_=1.0 0\n"
        );
    }

    #[test]
    fn floats_are_written_as_short_as_can_be_and_never_as_another() {
        let text = |number: f64| {
            let mut out = Vec::new();
            write_float(number, &mut out);
            String::from_utf8(out).unwrap()
        };
        for (number, told) in [
            (12.5, "12.5"),
            (30.0, "30.0"),
            (-0.125, "-0.125"),
            (0.001, "0.001"),
            (86_400.123, "86400.123"),
            (999_999_999.999, "999999999.999"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.1 + 2.2, "3.3000000000000003"),
            (1.0005, "1.0005"),
        ] {
            assert_eq!(text(number), told);
        }
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..200_000 {
            let decimal = random.i64(-2_000_000_000_000..2_000_000_000_000) as f64;
            for number in
                [decimal / 1000.0, decimal / 100_000.0, decimal / 7.0, f64::from_bits(random.u64(..))]
            {
                if number.is_finite() {
                    assert_eq!(text(number), zmij::Buffer::new().format(number));
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_written_is_left_out() {
        let mut out = b"before\n".to_vec();
        let fields = [("a", FieldValue::Float(f64::NAN)), ("b", FieldValue::Float(f64::NEG_INFINITY))];
        assert!(!write(&point("m", &[], &fields, 0), &mut out));
        assert!(!write(&point("m", &[], &[("", FieldValue::Float(1.0))], 0), &mut out));
        assert!(!write(&point("m", &[], &[], 0), &mut out));
        assert_eq!(out, b"before\n");
        let long = FieldValue::Text("é".repeat(40_000));
        assert_eq!(line(&point("m", &[], &[("t", long)], 0)).len(), "m t=\"\" 0\n".len() + 65_534);
    }

    /// The mapping once more, written differently, so that the property tests more than itself.
    fn name_read(name: &str) -> String {
        name.replace('\\', "/").replace(char::is_control, "_")
    }

    fn key_read(key: &str) -> String {
        let reserved = ["time", "_time", "_field", "_measurement"].contains(&key);
        name_read(key) + if reserved { "_" } else { "" }
    }

    fn agrees(given: &FieldValue, read: &Read<'_>) -> bool {
        match (given, read) {
            (FieldValue::Float(a), Read::F64(b)) => a.to_bits() == b.to_bits(),
            (FieldValue::Integer(a), Read::I64(b)) => a == b,
            (FieldValue::Boolean(a), Read::Boolean(b)) => a == b,
            (FieldValue::Text(a), Read::String(b)) => a.replace(char::is_control, " ") == b.as_str(),
            _ => false,
        }
    }

    fn name() -> impl Strategy<Value = Arc<str>> {
        prop_oneof![
            any::<String>(),
            "[a-z_]{0,6}",
            "[ ,=\\\\\"#\n\r\t\0a1']{0,8}",
            Just("time".to_owned()),
            Just("_field".to_owned()),
        ]
        .prop_map(Arc::from)
    }

    fn value() -> impl Strategy<Value = FieldValue> {
        prop_oneof![
            any::<f64>().prop_map(FieldValue::Float),
            prop::num::f64::ANY.prop_map(FieldValue::Float),
            any::<i64>().prop_map(FieldValue::Integer),
            any::<bool>().prop_map(FieldValue::Boolean),
            any::<String>().prop_map(FieldValue::Text),
            "[ ,=\\\\\"#\n\r\t\0a1']{0,12}".prop_map(FieldValue::Text),
        ]
    }

    fn flag() -> impl Strategy<Value = Flag> {
        prop::sample::select(vec![Flag::Pass, Flag::NotEvaluated, Flag::Suspect, Flag::Fail, Flag::Missing])
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2048) })]
        #[test]
        fn any_point_is_read_back_as_one_point_with_its_values(
            measurement in name(),
            tags in prop::collection::vec((name(), name()), 0..5),
            fields in prop::collection::vec((name(), prop::option::of(value()), prop::option::of(flag())), 0..6),
            time in any::<i64>(),
        ) {
            let field = |(name, value, flag): (Arc<str>, _, _)| Field { name: Name::new(name), value, flag };
            let fields = fields.into_iter().map(field).collect();
            let given = Point { measurement, tags: tags.into(), fields, time };
            let mut out = Vec::new();
            let written = write(&given, &mut out);
            let text = String::from_utf8(out).unwrap();
            let mut wanted = Vec::new();
            for Field { name, value, flag } in given.fields.iter().filter(|field| !field.name.is_empty()) {
                let finite = |value: &FieldValue| {
                    !matches!(value, FieldValue::Float(number) if !number.is_finite())
                };
                wanted.extend(value.clone().filter(finite).map(|value| (name.to_string(), value)));
                let flag = flag.map(|flag| FieldValue::Integer(flag as i64));
                wanted.extend(flag.map(|flag| (format!("{name}_qc"), flag)));
            }
            prop_assert_eq!(written, !wanted.is_empty());
            prop_assert_eq!(text.matches('\n').count(), usize::from(written));
            let lines: Vec<_> = parse_lines(&text).collect();
            prop_assert_eq!(lines.len(), usize::from(written), "{}", text);
            let Some(line) = lines.into_iter().next() else { return Ok(()) };
            let line = line.map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
            prop_assert_eq!(line.timestamp, Some(time));
            let name = match &*given.measurement {
                "" => "sensor".to_owned(),
                name if name.starts_with('#') => name_read(&name.replacen('#', "_", 1)),
                name => name_read(name),
            };
            prop_assert_eq!(line.series.measurement.as_str(), name);
            let tags: Vec<_> = given
                .tags
                .iter()
                .filter(|(key, value)| !key.is_empty() && !value.is_empty())
                .map(|(key, value)| (key_read(key), name_read(value)))
                .collect();
            let read: Vec<_> = line
                .series
                .tag_set
                .iter()
                .flatten()
                .map(|(key, value)| (key.to_string(), value.to_string()))
                .collect();
            prop_assert_eq!(read, tags);
            prop_assert_eq!(line.field_set.len(), wanted.len());
            for ((key, value), (read_key, read_value)) in wanted.iter().zip(&line.field_set) {
                prop_assert_eq!(read_key.as_str(), key_read(key));
                prop_assert!(agrees(value, read_value), "{:?} read as {:?}", value, read_value);
            }
        }
    }
}
