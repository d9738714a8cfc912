//! Tests of what nobody is shown: keys in topics.

use super::fixture::{build, config, record};
use super::*;

const ROUTES: &str = r#"
[[routes]]
topic = "own/{secret}/{device}/data"
format = "json"

[[routes]]
topic = "kept/{secret}/{device}"
format = "json"
names = "as_sent"
measurement = "kept"
tags = { device = "{device}" }
topic_tag = "topic"
"#;

#[test]
fn an_explanation_does_not_tell_the_key_of_a_topic() {
    let transform = build(ROUTES);
    for payload in ["{\"t\":1}", "{"] {
        let record = record(b"own/s3cr3t/d1/data", payload.as_bytes());
        let told = serde_json::to_string(&transform.explain(&record, &State::default())).unwrap();
        assert!(!told.contains("s3cr3t") && told.contains("own/***/d1/data"), "{told}");
    }
}

#[test]
fn a_reason_and_an_explanation_do_not_quote_the_key_of_the_topic() {
    let route = "[[routes]]\ntopic = \"/json/{secret}/{device}/attrs\"\nformat = \"fiware_json\"\nprofile = \"air\"\n";
    let transform = build(route);
    const KEY: &str = "4jggokgpepnvsb2uv4s40d59ov";
    let topic = format!("/json/{KEY}/d1/attrs");
    for (payload, reason) in [
        (format!(r#"{{"t":"{KEY}"}}"#), Some(Reason::WrongType)),
        (format!(r#"{{"t":"{}{KEY}"}}"#, "x".repeat(25)), Some(Reason::WrongType)),
        (format!(r#"{{"t":20,"{KEY}":5}}"#), None),
        (format!(r#"{{"t":20,"id":"{KEY}","x":{{"value":"{KEY}"}}}}"#), Some(Reason::WrongType)),
    ] {
        let record = record(topic.as_bytes(), payload.as_bytes());
        let (decision, _) = apply(&transform, &record);
        assert_eq!(super::reason(&decision), reason, "{payload}");
        assert!(!format!("{decision:?}").contains("4jggokgp"), "{decision:?}");
        let told = serde_json::to_string(&transform.explain(&record, &State::default())).unwrap();
        assert!(told.contains("***") && !told.contains("4jggokgp"), "{told}");
    }
}

#[test]
fn a_tag_that_holds_the_topic_does_not_hold_its_key() {
    let (transform, mut points) = (build(ROUTES), Vec::new());
    let decision =
        transform.apply(&record(b"kept/s3cr3t/d1", b"{\"t\":1}"), &mut State::default(), &mut points);
    assert_eq!(decision, Decision::Points { rest: None });
    let tags: Vec<_> = points[0].tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(tags, ["device=d1", "topic=kept/***/d1"]);
}

#[test]
fn a_route_that_would_name_a_key_is_refused() {
    let (_, problems) = config("[[routes]]\ntopic = \"/ul/{device}/x/attrs\"\nformat = \"ultralight\"\n");
    assert!(problems.iter().any(|text| text.contains("\"{device}\" is a key")), "{problems:?}");
    let (_, problems) = config(&ROUTES.replace("device = \"{device}\"", "device = \"{secret}\""));
    assert!(problems.iter().any(|text| text.contains("never stored")), "{problems:?}");
}

#[test]
fn channels_that_payloads_name_are_few_and_short() {
    let transform = build("[[routes]]\ntopic = \"l\"\nformat = \"line_protocol\"\nchannel_tag = \"c\"\n");
    let mut state = State::default();
    let mut send = |channel: &str| {
        let line = format!("w,device=d,c={channel} x=1");
        transform.apply(&record(b"l", line.as_bytes()), &mut state, &mut Vec::new())
    };
    let stored = (0..100).filter(|number| matches!(send(&format!("c{number}")), Decision::Points { .. }));
    assert_eq!(stored.count(), 64);
    assert!(matches!(send("c0"), Decision::Points { rest: None }), "one that is known");
    let long = send(&"x".repeat(65));
    assert!(matches!(long, Decision::Quarantine(rejection) if rejection.reason == Reason::TooManyFields));
}
