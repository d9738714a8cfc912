//! What a pack may not hold: each with its reason, and with the record that it concerns.

use super::*;

/// Refused whole; the detail holds `part`.
fn whole(pack: &str, reason: Reason, part: &str) {
    let refused = read(pack).expect_err(pack);
    assert_eq!(refused.reason, reason, "{pack}: {refused}");
    assert!(refused.detail.contains(part), "{pack}: {refused}");
    assert!(refused.detail.len() < 400, "{refused}");
}

/// The record between two good ones is refused, and they are stored.
fn alone(record: &str, reason: Reason, part: &str) {
    let pack = format!(r#"[{{"n":"a:first","v":1}},{record},{{"bn":"","n":"a:last","v":3,"bv":0,"bs":0}}]"#);
    match read(&pack) {
        Ok(Decoded::Samples { samples, rest: Some(rest) }) => {
            let names =
                samples.iter().flat_map(|sample| sample.readings.iter().map(|reading| &*reading.name));
            let names: Vec<_> = names.filter(|name| !name.ends_with(".sum")).collect();
            assert_eq!(names, ["first", "last"], "{pack}");
            assert_eq!(rest.reason, reason, "{pack}: {rest}");
            let start = format!("record 2 {part}");
            assert!(rest.detail.starts_with(&start), "{pack}: {rest}");
        }
        other => panic!("{pack}: {other:?}"),
    }
    // By itself it is the whole pack.
    whole(&format!("[{record}]"), reason, &format!("record 1 {part}"));
}

#[test]
fn what_is_no_pack() {
    whole("", Reason::Malformed, "after 0 records: EOF");
    whole("{}", Reason::Malformed, "expected an array of SenML records");
    whole(r#"{"n":"a:x","v":1}"#, Reason::Malformed, "expected an array of SenML records");
    whole(r#""secret""#, Reason::Malformed, "text, and no array");
    whole("23.1", Reason::Malformed, "expected an array of SenML records");
    whole("null", Reason::Malformed, "expected an array of SenML records");
    whole("[1]", Reason::Malformed, "expected a SenML record");
    whole(r#"["secret"]"#, Reason::Malformed, "text, and no SenML record");
    whole("[[]]", Reason::Malformed, "expected a SenML record");
    whole("[null]", Reason::Malformed, "expected a SenML record");
    whole("[]", Reason::NoValue, "the pack is empty");
    whole("<sensml/>", Reason::Malformed, "after 0 records");
    // A stream that was cut off, as 5.1.2 shows it.
    whole(r#"[{"n":"a:x","v":1},"#, Reason::Malformed, "after 1 records: EOF");
    whole(r#"[{"n":"a:x","v":1}"#, Reason::Malformed, "after 1 records: EOF");
    whole(r#"[{"n":"a:x","v":1}]]"#, Reason::Malformed, "after 1 records: trailing");
    whole(r#"[{"n":"a:x","v":1}][{"n":"a:x","v":2}]"#, Reason::Malformed, "after 1 records: trailing");
    whole(r#"[{"n":"a:x","v":1,}]"#, Reason::Malformed, "after 0 records: trailing comma");
    whole(r#"[{"n":"a:x","v":NaN}]"#, Reason::Malformed, "after 0 records");
    whole(r#"[{"n":"a:x","v":Infinity}]"#, Reason::Malformed, "after 0 records");
    whole(r#"[{"n":"a:x","v":01}]"#, Reason::Malformed, "after 0 records");
    whole(
        r#"[{"n":"a:x","v":1},{"n":"a:x","v":1e999}]"#,
        Reason::NotFinite,
        "after 1 records: number out of range",
    );
    whole(r#"[{"n":"a:x","vs":"\ud800"}]"#, Reason::Malformed, "after 0 records");
}

#[test]
fn labels_that_must_be_understood() {
    whole(r#"[{"n":"a:x","v":1,"must_":1}]"#, Reason::Malformed, r#"the label "must_" must be understood"#);
    whole(r#"[{"n":"a:x","v":1},{"b_":null}]"#, Reason::Malformed, r#"after 1 records: the label "b_""#);
    whole(r#"[{"_":1,"n":"a:x","v":1}]"#, Reason::Malformed, r#"the label "_""#);
    whole(r#"[{"number out of range_":1}]"#, Reason::Malformed, "must be understood");
    whole(&format!(r#"[{{"{}_":1}}]"#, "é".repeat(9999)), Reason::Malformed, "éééé");
}

#[test]
fn versions() {
    whole(
        r#"[{"n":"a:x","v":1,"bver":11}]"#,
        Reason::Malformed,
        "record 1 needs version 11 of SenML; versions 1 to 10, and 26",
    );
    whole(r#"[{"n":"a:x","v":1,"bver":58}]"#, Reason::Malformed, "needs version 58");
    for wrong in ["0", "-1", "5.5", "1e300"] {
        whole(
            &format!(r#"[{{"bver":{wrong},"n":"a:x","v":1}}]"#),
            Reason::Malformed,
            "record 1 has a version that is no positive",
        );
    }
    whole(
        r#"[{"bver":"10","n":"a:x","v":1}]"#,
        Reason::Malformed,
        r#"a record has a "bver" that is no number"#,
    );
    whole(
        r#"[{"bver":5,"n":"a:x","v":1},{"bver":10,"n":"a:x","v":1}]"#,
        Reason::Malformed,
        "record 2 has version 10 in a pack of version 5",
    );
    whole(
        r#"[{"n":"a:x","v":1},{"bver":5,"n":"a:x","v":1}]"#,
        Reason::Malformed,
        "record 2 has version 5 in a pack of version 10",
    );
}

#[test]
fn base_fields_of_the_wrong_type_make_all_that_follows_doubtful() {
    for (field, label) in [
        (r#""bn":1"#, "bn"),
        (r#""bn":["a:"]"#, "bn"),
        (r#""bt":"1320000000""#, "bt"),
        (r#""bu":1"#, "bu"),
        (r#""bv":"1""#, "bv"),
        (r#""bs":true"#, "bs"),
        (r#""bver":{}"#, "bver"),
    ] {
        let pack = format!(r#"[{{"n":"a:x","v":1}},{{{field},"n":"a:x","v":1}}]"#);
        whole(&pack, Reason::Malformed, &format!("after 1 records: a record has a \"{label}\" that is no"));
    }
    whole(r#"[{"n":"a:x","v":1,"v":2}]"#, Reason::Malformed, r#"a record tells "v" twice"#);
    whole(r#"[{"bn":"a:","bn":"b:","n":"x","v":1}]"#, Reason::Malformed, r#"a record tells "bn" twice"#);
}

#[test]
fn values() {
    alone(r#"{"n":"a:x"}"#, Reason::NoValue, "has neither a value nor a sum");
    alone(r#"{"n":"a:x","u":"Cel","t":5,"ut":5}"#, Reason::NoValue, "has neither a value nor a sum");
    alone(r#"{"n":"a:x","location":[1,2]}"#, Reason::NoValue, "has neither a value nor a sum");
    alone(r#"{"n":"a:x","v":1,"vs":"y"}"#, Reason::Malformed, "has more than one value");
    alone(r#"{"n":"a:x","vb":true,"vd":"aGk"}"#, Reason::Malformed, "has more than one value");
    alone(r#"{"n":"a:x","v":"1"}"#, Reason::Malformed, r#"has a "v" that is no number"#);
    alone(r#"{"n":"a:x","v":[1]}"#, Reason::Malformed, r#"has a "v" that is no number"#);
    alone(r#"{"n":"a:x","v":true}"#, Reason::Malformed, r#"has a "v" that is no number"#);
    alone(r#"{"n":"a:x","vs":1}"#, Reason::Malformed, r#"has a "vs" that is no text"#);
    alone(r#"{"n":"a:x","vb":0}"#, Reason::Malformed, r#"has a "vb" that is neither true nor false"#);
    alone(r#"{"n":"a:x","vb":"true"}"#, Reason::Malformed, r#"has a "vb" that is neither true nor false"#);
    alone(r#"{"n":"a:x","vd":7}"#, Reason::Malformed, r#"has a "vd" that is no text"#);
    alone(r#"{"n":"a:x","vd":"aGkgCg=="}"#, Reason::Malformed, r#"has a "vd" that is not base64url"#);
    alone(r#"{"n":"a:x","vd":"a/+b"}"#, Reason::Malformed, r#"has a "vd" that is not base64url"#);
    alone(r#"{"n":"a:x","vd":"aGkgC"}"#, Reason::Malformed, r#"has a "vd" that is not base64url"#);
    alone(r#"{"n":"a:x","v":1,"s":"2"}"#, Reason::Malformed, r#"has a "s" that is no number"#);
    alone(r#"{"n":"a:x","v":1,"ut":"soon"}"#, Reason::Malformed, r#"has a "ut" that is no number"#);
    alone(r#"{"n":"a:x","v":1,"u":7}"#, Reason::Malformed, r#"has a "u" that is no text"#);
    alone(r#"{"n":7,"v":1}"#, Reason::Malformed, r#"has a "n" that is no text"#);
}

#[test]
fn names() {
    for name in
        ["x y", "-x", ":x", "/3303/0/5700", "_x", ".x", "x°", "x%", "x\\n", "x\\u0000", "tag:a,b", "é"]
    {
        alone(&format!(r#"{{"n":"{name}","v":1}}"#), Reason::Malformed, "has a name that SenML forbids");
    }
    alone(r#"{"v":1}"#, Reason::Malformed, "has a name that SenML forbids");
    alone(r#"{"bn":"-","n":"a","v":1}"#, Reason::Malformed, "has a name that SenML forbids");
    let long = "x".repeat(257);
    alone(&format!(r#"{{"n":"{long}","v":1}}"#), Reason::TooComplex, "has a name of more than 256 bytes");
    let half = "x".repeat(200);
    alone(
        &format!(r#"{{"bn":"{half}","n":"{half}","v":1}}"#),
        Reason::TooComplex,
        "has a name of more than 256 bytes",
    );
    whole(
        &format!(r#"[{{"bn":"{long}"}}]"#),
        Reason::TooComplex,
        "record 1 has a base name of more than 256 bytes",
    );
    let unit = "m".repeat(65);
    alone(
        &format!(r#"{{"n":"a:x","v":1,"u":"{unit}"}}"#),
        Reason::TooComplex,
        "has a unit of more than 64 bytes",
    );
    whole(
        &format!(r#"[{{"bu":"{unit}"}}]"#),
        Reason::TooComplex,
        "record 1 has a base unit of more than 64 bytes",
    );
}

#[test]
fn times() {
    alone(r#"{"n":"a:x","v":1,"t":1e300}"#, Reason::InvalidTime, "has an impossible time");
    alone(r#"{"n":"a:x","v":1,"t":-1e300}"#, Reason::InvalidTime, "has an impossible time");
    alone(r#"{"n":"a:x","v":1,"t":1320078429000}"#, Reason::InvalidTime, "has an impossible time");
    alone(r#"{"n":"a:x","v":1,"t":"now"}"#, Reason::Malformed, r#"has a "t" that is no number"#);
    alone(
        r#"{"n":"a:x","v":1,"t":"2026-11-24T05:00:00Z"}"#,
        Reason::Malformed,
        r#"has a "t" that is no number"#,
    );
}

#[test]
fn several_bad_records_are_counted() {
    let pack = r#"[{"n":"a:x"},{"n":"a:y","v":1},{"n":"-"},{"n":"a:z","v":"z"}]"#;
    match read(pack) {
        Ok(Decoded::Samples { samples, rest: Some(rest) }) => {
            assert_eq!(lines(&samples), ["a @now: y=1 -"]);
            assert_eq!(rest.detail, "record 1 has neither a value nor a sum; and 2 more records");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_long_pack_ends_at_its_limit_whatever_follows() {
    let limits = Limits { max_values: 3, ..Limits::default() };
    let pack = r#"[{"n":"a:x","v":1},{},{},{"#;
    let cut = read_within(pack, &limits).unwrap_err();
    assert_eq!(cut.reason, Reason::Malformed);
    let refused = read_within(&format!("{pack}}},and so on"), &limits).unwrap_err();
    assert_eq!((refused.reason, &*refused.detail), (Reason::TooComplex, "more than 3 records"));
}
