//! Tests of uplinks: what a codec warns of, ports, and names that a profile lacks.

use super::fixture::{build, record};
use super::*;
use crate::codec::Limits;

const ROUTES: &str = "
[[routes]]
topic = \"bin/{device}\"
format = \"binary\"
profile = \"gauge\"

[[routes]]
topic = \"other/{device}\"
format = \"binary\"
profile = \"gauge\"
port = 7
";
/// What becomes of an uplink follows from its first byte.
const CODEC: &str = "function decodeUplink(i) { return [
    { data: {}, warnings: ['only a status'] }, { data: { t: 20 }, warnings: ['low battery'] },
    { data: { t: 'x' }, warnings: ['odd', 'old'] }, { data: {} }, { data: { t: 20, fresh: 1, raw: 2 } }
][i.bytes[0]]; }";

fn transform() -> Transform {
    let mut codecs =
        Codecs::new(Limits { max_time: std::time::Duration::from_secs(60), ..Limits::default() });
    codecs.add("gauge.js", CODEC).unwrap();
    build(ROUTES).with_codecs(Arc::new(codecs))
}

fn heard(transform: &Transform) -> (u64, u64) {
    let heard = transform.heard();
    let (_, gauge) = heard.iter().find(|(name, _)| *name == "gauge").unwrap();
    (gauge.warnings(), gauge.unknown_names())
}

fn outcome(decision: Decision) -> (Option<Reason>, String) {
    match decision {
        Decision::Points { rest } => (rest.as_ref().map(|rest| rest.reason), String::new()),
        Decision::Quarantine(told) | Decision::Discard(told) => (Some(told.reason), told.detail),
    }
}

#[test]
fn what_a_codec_warns_of_is_counted_and_stands_in_the_reason_of_what_is_refused() {
    let transform = transform();
    let apply = |byte: u8| outcome(apply(&transform, &record(b"bin/d1", &[byte])).0);
    assert_eq!((apply(1), heard(&transform)), ((None, String::new()), (1, 0)));
    let (reason, detail) = apply(2);
    assert_eq!(reason, Some(Reason::WrongType));
    assert!(detail.ends_with("; the codec warns: odd; old"), "{detail}");
    assert_eq!(heard(&transform), (3, 0));
    let told = transform.explain(&record(b"bin/d1", &[2]), &State::default());
    assert!(told.notes.iter().any(|note| note == "odd"), "{told:?}");
    assert_eq!(
        (told.decision.detail, heard(&transform)),
        (Some(detail), (3, 0)),
        "to explain counts nothing"
    );
}

#[test]
fn an_uplink_that_a_codec_reads_without_a_value_and_says_so_is_no_reading() {
    let transform = transform();
    let apply = |byte: u8| outcome(apply(&transform, &record(b"bin/d1", &[byte])).0);
    let (reason, detail) = apply(0);
    assert_eq!((reason, &*detail), (Some(Reason::NotData), "gauge.js gives no value: only a status"));
    assert_eq!(apply(3).0, Some(Reason::NoValue), "one that says nothing may be a mistake");
}

#[test]
fn uplinks_on_ports_that_the_profile_does_not_name_are_no_readings() {
    let transform = transform();
    let told = transform.explain(&record(b"other/d1", &[1]), &State::default()).decision;
    assert_eq!((&*told.outcome, told.reason), ("discarded", Some(Reason::NotData)));
    assert_eq!(told.detail.as_deref(), Some("port 7 is none of those of the profile gauge"));
}

#[test]
fn names_that_the_profile_lacks_are_counted_and_the_counts_outlive_a_reload() {
    let before = transform();
    apply(&before, &record(b"bin/d1", &[4]));
    apply(&before, &record(b"bin/d1", &[1]));
    assert_eq!(heard(&before), (1, 2));
    let after = transform();
    after.follow(&before);
    apply(&after, &record(b"bin/d1", &[4]));
    assert_eq!(heard(&after), (1, 4));
    after.follow(&after);
    assert_eq!(heard(&after), (1, 4), "the same profiles are not counted twice");
}

/// What tags say, and the name of the device profile.
type Named<'n> = (&'n [(&'n str, &'n str)], &'n str);
type Payload = fn(Named<'_>) -> Vec<u8>;

fn json(tags: &[(&str, &str)]) -> String {
    let tags: serde_json::Map<_, _> =
        tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    serde_json::Value::from(tags).to_string()
}

fn chirpstack((tags, name): Named<'_>) -> Vec<u8> {
    let tags = json(tags);
    let info = format!(r#"{{"devEui":"0101010101010101","deviceProfileName":"{name}","tags":{tags}}}"#);
    format!(r#"{{"deviceInfo":{info},"fPort":85,"data":"AQ=="}}"#).into_bytes()
}

fn chirpstack_v3((tags, name): Named<'_>) -> Vec<u8> {
    let tags = json(tags);
    format!(r#"{{"devEUI":"0101010101010101","deviceProfileName":"{name}","fPort":85,"data":"AQ==","tags":{tags}}}"#)
        .into_bytes()
}

fn things_stack((tags, name): Named<'_>) -> Vec<u8> {
    let tags = json(tags);
    let up = format!(
        r#""f_port":85,"frm_payload":"AQ==","version_ids":{{"model_id":"{name}"}},"attributes":{tags}"#
    );
    format!(r#"{{"end_device_ids":{{"device_id":"d1"}},"uplink_message":{{{up}}}}}"#).into_bytes()
}

fn protobuf((tags, name): Named<'_>) -> Vec<u8> {
    let field =
        |number: u8, bytes: &[u8]| [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat();
    let tags = tags
        .iter()
        .map(|(key, value)| field(9, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat()));
    let tags = tags.collect::<Vec<_>>().concat();
    let info = [field(6, name.as_bytes()), field(8, b"0101010101010101"), tags].concat();
    [field(3, &info), vec![0x40, 85], field(10, &[1])].concat()
}

#[test]
fn a_device_s_tags_name_its_profile_before_its_model_does() {
    let routes = ["chirpstack", "chirpstack_protobuf", "things_stack"]
        .map(|format| format!("[[routes]]\ntopic = \"{format}/{{v}}/event/up\"\nformat = \"{format}\"\n"))
        .concat();
    let mut codecs =
        Codecs::new(Limits { max_time: std::time::Duration::from_secs(60), ..Limits::default() });
    codecs.add("gauge.js", CODEC).unwrap();
    let transform = build(&routes).with_codecs(Arc::new(codecs));
    let formats: [(&str, Payload); 4] = [
        ("chirpstack/4/event/up", chirpstack),
        ("chirpstack/3/event/up", chirpstack_v3),
        ("chirpstack_protobuf/4/event/up", protobuf),
        ("things_stack/3/event/up", things_stack),
    ];
    for (topic, payload) in formats {
        for (named, gauge) in [
            ((&[][..], "G1"), true),
            ((&[], "gauge"), true),
            ((&[], "unheard of"), false),
            ((&[("place", "gauge")], "unheard of"), false),
            ((&[("profile", "gauge")], "unheard of"), true),
            ((&[("model", "G1")], "unheard of"), true),
            ((&[("profile", "unheard of"), ("model", "G1")], "node"), true),
            ((&[("model", "G1"), ("profile", "node")], "G1"), false),
            ((&[("profile", "unheard of"), ("model", "neither")], "G1"), true),
        ] {
            let told = transform.explain(&record(topic.as_bytes(), &payload(named)), &State::default());
            let stored = told.decision.outcome == "stored" && told.samples[0].profile == "gauge";
            assert_eq!(stored, gauge, "{topic} {named:?}: {told:?}");
        }
    }
    let info = r#"{"devEui":"0101010101010101","deviceProfileName":"p","tags":{"profile":"gauge"}}"#;
    let status = format!(r#"{{"deviceInfo":{info},"margin":7}}"#);
    let told = transform.explain(&record(b"chirpstack/4/event/up", status.as_bytes()), &State::default());
    assert_eq!(told.samples[0].profile, "gauge");
}
