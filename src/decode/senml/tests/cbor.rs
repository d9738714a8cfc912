//! Packs in CBOR: the RFC's own bytes, each way to write a value, what is refused and where, and hostile shapes.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the writer narrows what it has looked at"
)]

use serde_json::Value;

use super::*;
use crate::decode::senml::record::LABELS;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// How the writer below puts a JSON pack into CBOR.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Style {
    /// Integer labels, the shortest floats, definite lengths.
    Short,
    /// Text labels, wide floats, indefinite lengths, self-described.
    Indefinite,
}

pub(super) fn written(pack: &str, style: Style) -> Vec<u8> {
    let value: Value = serde_json::from_str(pack).unwrap();
    let mut out = if style == Style::Indefinite { vec![0xd9, 0xd9, 0xf7] } else { Vec::new() };
    write(&value, "", style, &mut out);
    out
}

fn head(major: u8, count: u64, out: &mut Vec<u8>) {
    match count {
        0..24 => out.push(major << 5 | count as u8),
        24..256 => out.extend([major << 5 | 24, count as u8]),
        256..65536 => {
            out.push(major << 5 | 25);
            out.extend((count as u16).to_be_bytes());
        }
        _ => {
            out.push(major << 5 | 27);
            out.extend(count.to_be_bytes());
        }
    }
}

fn write(value: &Value, label: &str, style: Style, out: &mut Vec<u8>) {
    let indefinite = style == Style::Indefinite;
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(truth) => out.push(0xf4 + u8::from(*truth)),
        Value::Number(number) if label == "bver" => head(0, number.as_f64().unwrap() as u64, out),
        Value::Number(number) => match (number.as_i64(), number.as_f64().unwrap()) {
            (Some(whole), _) if !indefinite => {
                let (major, count) = if whole < 0 { (1, -1 - whole) } else { (0, whole) };
                head(major, count as u64, out);
            }
            (_, float) if !indefinite && f64::from(float as f32) == float => {
                out.push(0xfa);
                out.extend((float as f32).to_be_bytes());
            }
            (_, float) => {
                out.push(0xfb);
                out.extend(float.to_be_bytes());
            }
        },
        Value::String(text) if label == "vd" => {
            let data = URL_SAFE_NO_PAD.decode(text).unwrap();
            head(2, data.len() as u64, out);
            out.extend(data);
        }
        Value::String(text) => {
            head(3, text.len() as u64, out);
            out.extend(text.bytes());
        }
        Value::Array(items) => {
            if indefinite {
                out.push(0x9f)
            } else {
                head(4, items.len() as u64, out)
            }
            items.iter().for_each(|item| write(item, "", style, out));
            out.extend(indefinite.then_some(0xff));
        }
        Value::Object(members) => {
            if indefinite {
                out.push(0xbf)
            } else {
                head(5, members.len() as u64, out)
            }
            for (name, member) in members {
                let known = LABELS.iter().find(|(known, _)| known == name).filter(|_| !indefinite);
                match known {
                    Some((_, number)) if *number < 0 => head(1, (-1 - number) as u64, out),
                    Some((_, number)) => head(0, *number as u64, out),
                    None => write(&Value::String(name.clone()), "", style, out),
                }
                write(member, name, style, out);
            }
            out.extend(indefinite.then_some(0xff));
        }
    }
}

pub(super) fn told(payload: &[u8]) -> Vec<String> {
    match taken(payload) {
        Ok(Decoded::Samples { samples, rest: None }) => lines(&samples),
        other => panic!("{payload:02x?}: {other:?}"),
    }
}

fn taken(payload: &[u8]) -> Result<Decoded<'_>, Rejection> {
    let limits = Limits::default();
    decode(payload, &Hints { number_text: false, zone: &TimeZone::UTC, limits: &limits, now: NOW })
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

fn check(hex: &str, expected: &[&str]) {
    assert_eq!(told(&bytes(hex)), expected, "{hex}");
}

fn refused(hex: &str, reason: Reason, part: &str) {
    let payload = bytes(hex);
    let refused = taken(&payload).expect_err(hex);
    assert_eq!(refused.reason, reason, "{hex}: {refused}");
    assert!(refused.detail.contains(part), "{hex}: {refused}");
    assert!(refused.detail.len() < 400, "{refused}");
}

#[test]
fn section_6_the_rfcs_own_bytes() {
    check(
        "87 a7 21 78 1b 75 72 6e 3a 64 65 76 3a 6f 77 3a 31 30 65 32 30 37 33 61 30 31 30 38 30 30 36 3a
         22 fb 41 d3 03 a1 5b 00 10 62 23 61 41 20 05 00 67 76 6f 6c 74 61 67 65 01 61 56 02 fb 40 5e 06
         66 66 66 66 66 a3 00 67 63 75 72 72 65 6e 74 06 24 02 fb 3f f3 33 33 33 33 33 33 a3 00 67 63 75
         72 72 65 6e 74 06 23 02 fb 3f f4 cc cc cc cc cc cd a3 00 67 63 75 72 72 65 6e 74 06 22 02 fb 3f
         f6 66 66 66 66 66 66 a3 00 67 63 75 72 72 65 6e 74 06 21 02 f9 3e 00 a3 00 67 63 75 72 72 65 6e
         74 06 20 02 fb 3f f9 99 99 99 99 99 9a a3 00 67 63 75 72 72 65 6e 74 06 00 02 fb 3f fb 33 33 33
         33 33 33",
        &[
            "urn:dev:ow:10e2073a0108006 @1276020071.001: current=1.2 A",
            "urn:dev:ow:10e2073a0108006 @1276020072.001: current=1.3 A",
            "urn:dev:ow:10e2073a0108006 @1276020073.001: current=1.4 A",
            "urn:dev:ow:10e2073a0108006 @1276020074.001: current=1.5 A",
            "urn:dev:ow:10e2073a0108006 @1276020075.001: current=1.6 A",
            "urn:dev:ow:10e2073a0108006 @1276020076.001: voltage=120.1 V, current=1.7 A",
        ],
    );
}

#[test]
fn numbers_in_each_width() {
    // `[{n: "a:x", v: …}]`
    let number = |hex: &str, expected: &str| {
        check(&format!("81 a2 00 63 61 3a 78 02 {hex}"), &[&format!("a @now: x={expected} -")]);
    };
    number("f9 3e00", "1.5");
    number("f9 0001", "0.00000005960464477539063");
    number("f9 fbff", "-65504");
    number("fa 42280000", "42");
    number("fb 3fb999999999999a", "0.1");
    number("17", "23");
    number("18 ff", "255");
    number("1b ffffffffffffffff", "18446744073709552000");
    number("20", "-1");
    number("3b ffffffffffffffff", "-18446744073709552000");
    // 2731 hundredths and twelve thousands: decimal fractions are rounded once.
    number("c4 82 21 19 0aab", "27.31");
    number("c4 82 03 0c", "12000");
    number("c4 82 39 ffff 01", "0");
}

#[test]
fn a_number_that_is_not_finite_costs_its_record() {
    for hex in ["f9 7e00", "f9 7c00", "fa ff800000", "fb 7ff0000000000000", "c4 82 19 0190 01"] {
        refused(
            &format!("81 a2 00 63 61 3a 78 02 {hex}"),
            Reason::Malformed,
            "record 1 has a \"v\" that is not finite",
        );
    }
    refused("81 a3 00 63 61 3a 78 02 01 22 f9 7e00", Reason::Malformed, "has a \"bt\" that is not finite");
}

#[test]
fn octets_are_told_as_the_text_that_json_has() {
    check("81 a2 00 63 61 3a 78 08 44 ff fe fd 0a", &["a @now: x='__79Cg' -"]);
    // The base64 text of JSON is text, and octets belong here only as a value.
    check("81 a2 00 63 61 3a 78 08 63 61 47 6b", &["a @now: x='aGk' -"]);
    refused("81 a2 00 63 61 3a 78 02 41 01", Reason::Malformed, "record 1 has a \"v\" that is no number");
}

#[test]
fn labels_are_a_closed_list_of_integers_and_an_open_one_of_texts() {
    check("81 a3 00 63 61 3a 78 02 01 63 6e 65 77 82 01 a1 01 02", &["a @now: x=1 -"]);
    refused("81 a2 02 01 64 6e 65 77 5f 01", Reason::Malformed, "at byte 4: the label \"new_\" must be");
    // No number ends in "_", so one that is not understood is passed over, whatever it holds.
    check("81 a3 00 63 61 3a 78 02 01 09 82 01 a1 01 02", &["a @now: x=1 -"]);
    check("81 a3 00 63 61 3a 78 02 01 26 01", &["a @now: x=1 -"]);
    check("81 a3 00 63 61 3a 78 02 01 3b ffffffffffffffff 01", &["a @now: x=1 -"]);
    refused("81 a2 02 01 f4 01", Reason::Malformed, "at byte 4: bool where a label belongs");
    refused("81 a2 02 01 41 00 01", Reason::Malformed, "where a label belongs");
    refused("81 a2 02 01 02 02", Reason::Malformed, "at byte 4: a record tells \"v\" twice");
    // Once as a number and once as text it is still twice.
    refused("81 a2 02 01 61 76 02", Reason::Malformed, "a record tells \"v\" twice");
}

#[test]
fn the_version_is_an_unsigned_integer_and_nothing_else() {
    check("81 a3 20 0a 00 63 61 3a 78 02 01", &["a @now: x=1 -"]);
    refused("81 a3 20 0b 00 63 61 3a 78 02 01", Reason::Malformed, "needs version 11");
    refused("81 a3 20 f9 4500 00 63 61 3a 78 02 01", Reason::Malformed, "has a \"bver\" that is no number");
    refused("81 a3 20 20 00 63 61 3a 78 02 01", Reason::Malformed, "has a \"bver\" that is no number");
}

#[test]
fn what_is_no_pack_is_refused_with_its_place() {
    refused("80", Reason::NoValue, "the pack is empty");
    refused("9f ff", Reason::NoValue, "the pack is empty");
    refused("81 01", Reason::Malformed, "at byte 1: u8, and no SenML record");
    refused("81 f6", Reason::Malformed, "at byte 1: null, and no SenML record");
    refused("81 80", Reason::Malformed, "no SenML record");
    refused("d9 d9f7 a1 02 01", Reason::Malformed, "at byte 3: map, and no array");
    refused("c1 81 a1 02 01", Reason::Malformed, "at byte 0: a tag before the pack");
    refused("81 a2 00 63 61 3a 78 02 01 00", Reason::Malformed, "after 1 records: at byte 9: bytes after");
    // Cut short at every byte, and never read.
    let whole = written(r#"[{"bn":"a:","bt":1320000000,"n":"x","v":1.25},{"n":"y","vs":"z"}]"#, Style::Short);
    for end in 1..whole.len() {
        let cut = taken(&whole[..end]).expect_err("cut");
        assert_eq!(cut.reason, Reason::Malformed, "{end}: {cut}");
        assert!(cut.detail.contains("at byte"), "{end}: {cut}");
    }
    // Lengths that are never there are not believed.
    refused("9b ffffffffffffffff", Reason::Malformed, "after 0 records: at byte 9");
    refused("81 bb ffffffffffffffff", Reason::Malformed, "at byte 10");
    refused("81 a1 00 7b ffffffffffffffff", Reason::Malformed, "at byte");
    refused("81 a1 08 5b 7fffffffffffffff 00", Reason::Malformed, "at byte");
    // Texts of indefinite length, and bad UTF-8.
    refused("81 a1 00 7f 61 61 ff", Reason::Malformed, "at byte 3: \"n\" of indefinite length");
    refused("81 a1 08 5f 41 61 ff", Reason::Malformed, "\"vd\" of indefinite length");
    refused("81 a1 00 62 ff fe", Reason::Malformed, "at byte");
    // A break, and numbers that CBOR does not have.
    refused("81 a1 02 ff", Reason::Malformed, "at byte 3");
    refused("81 a1 02 1c", Reason::Malformed, "at byte 3");
    refused("81 a1 02 c1 01", Reason::Malformed, "at byte 3: the tag 1 where a value belongs");
    refused("81 a1 02 c4 83 01 02 03", Reason::Malformed, "a decimal fraction is an array of two");
    refused("81 a1 02 c4 82 01 61 61", Reason::Malformed, "at byte");
}

#[test]
fn bombs_are_refused_quickly_and_cost_little() {
    let limits = Limits::default();
    let start = std::time::Instant::now();
    let refused = |payload: Vec<u8>, part: &str| {
        let refused = taken(&payload).expect_err("a bomb");
        assert!(refused.to_string().contains(part), "{refused}");
    };
    // Nested in a label that nobody knows: arrays, maps, tags, and their endless forms.
    for byte in [0x81, 0x9f, 0xa1, 0xbf, 0xc1] {
        let mut payload = vec![0x81, 0xa1, 0x61, 0x61];
        payload.resize(1 << 20, byte);
        refused(payload, "too_complex: nested deeper than 16");
    }
    let mut records = vec![0x9f];
    records.resize(1 << 20, 0xa0);
    refused(records, &format!("more than {} records", limits.max_values));
    // A million items that are passed over.
    let mut items = vec![0x81, 0xa1, 0x61, 0x61, 0x9f];
    items.resize(1 << 20, 0x01);
    refused(items, "malformed: after 0 records: at byte 1048576");
    assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
}
