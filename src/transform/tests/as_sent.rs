//! Names kept: what Telegraf's documentation shows for its own settings, and the unhappy ways.

use super::fixture::{NOW, build, config, record};
use super::{Reason, State, apply, lines, reason};

/// The example of Telegraf's `mqtt_consumer` with `topic_parsing`, its settings said in ours.
const TOPIC_PARSING: &str = r#"
[[routes]]
topic = "{tag}/{host}/{measurement}/{test}"
format = "value"
names = "as_sent"
measurement = "{measurement}"
topic_tag = "topic"
tags = { host = "pop-os", tag = "{tag}" }
fields = { test = "{test}" }
types = { test = "integer" }
"#;

/// Telegraf's `json`: numbers are floats, names are joined by `_`, text only where it is named.
const JSON: &str = r#"
[[routes]]
topic = "app/{device}"
format = "json"
separator = "_"
time = "at"
names = "as_sent"
measurement = "my_json"
tag_keys = ["my_tag_1"]
types = { b_my_field = "text", count = "integer", on = "boolean" }
"#;

fn json(payload: &str) -> (Vec<String>, Option<Reason>) {
    let (decision, lines) = apply(&build(JSON), &record(b"app/x", payload.as_bytes()));
    (lines, reason(&decision))
}

#[test]
fn the_documented_example_of_topic_parsing() {
    let record = record(b"telegraf/one/cpu/23", b"45");
    let (decision, lines) = apply(&build(TOPIC_PARSING), &record);
    assert_eq!(reason(&decision), None);
    let expected = "cpu,host=pop-os,tag=telegraf,topic=telegraf/one/cpu/23 value=45.0,test=23i";
    assert_eq!(lines, [format!("{expected} {NOW}")]);
}

#[test]
fn the_documented_examples_of_json() {
    let (lines, reason) =
        json(r#"{"a":5,"b":{"c":6,"my_field":"description"},"my_tag_1":"foo","name":"my_json"}"#);
    assert_eq!(reason, None);
    assert_eq!(lines, [format!("my_json,my_tag_1=foo a=5.0,b_c=6.0,b_my_field=\"description\" {NOW}")]);
    let (lines, _) = json(r#"[{"a":5,"b":[6,true,null]},{"a":7,"at":1759999999,"ignored":"text"}]"#);
    assert_eq!(
        lines,
        [format!("my_json a=5.0,b_0=6.0 {NOW}"), "my_json a=7.0 1759999999000000000".to_owned()]
    );
}

#[test]
fn types_are_kept_and_a_value_is_never_changed_to_fit() {
    let (lines, why) = json(r#"{"count":3,"on":true,"t":21}"#);
    assert_eq!((lines, why), (vec![format!("my_json count=3i,on=true,t=21.0 {NOW}")], None));
    assert_eq!(json(r#"{"count":"12"}"#).0, [format!("my_json count=12i {NOW}")]);
    assert_eq!(json(r#"{"count":3.0}"#).0, [format!("my_json count=3i {NOW}")]);
    for payload in [
        r#"{"count":3.5}"#,
        r#"{"count":9007199254740994}"#,
        r#"{"count":"many"}"#,
        r#"{"on":1}"#,
        r#"{"on":"perhaps"}"#,
    ] {
        assert_eq!(json(payload), (Vec::new(), Some(Reason::WrongType)), "{payload}");
    }
    let (lines, why) = json(r#"{"count":3.5,"t":21}"#);
    assert_eq!((lines.len(), why), (1, Some(Reason::WrongType)), "the rest is stored");
}

#[test]
fn what_holds_no_value_or_contradicts_itself_is_told() {
    assert_eq!(json(r#"{"text":"only"}"#), (Vec::new(), Some(Reason::NoValue)));
    assert_eq!(json(r#"{"my_tag_1":"only"}"#), (Vec::new(), Some(Reason::NoValue)));
    assert_eq!(json(r#"{"a":1,"a":2}"#).1, Some(Reason::Malformed));
    assert_eq!(json(r#"{"a":1,"a":1}"#), (vec![format!("my_json a=1.0 {NOW}")], None));
    assert_eq!(json(r#"{"a":1e999}"#).1, Some(Reason::NotFinite));
    let (lines, why) = json(r#"{"at":0,"a":1}"#);
    assert_eq!((lines, why), (vec![format!("my_json a=1.0 {NOW}")], None), "a clock never set");
}

#[test]
fn topics_and_names_are_bounded() {
    let transform = build(&JSON.replace("[[routes]]", "transform.max_unregistered = 2\n[[routes]]"));
    let (mut state, mut points) = (State::default(), Vec::new());
    let mut send = |topic: &str, payload: &str| {
        let decision =
            transform.apply(&record(topic.as_bytes(), payload.as_bytes()), &mut state, &mut points);
        reason(&decision)
    };
    assert_eq!(send("app/1", r#"{"a":1}"#), None);
    assert_eq!(send("app/2", r#"{"a":1}"#), None);
    assert_eq!(send("app/3", r#"{"a":1}"#), Some(Reason::TooManyDevices));
    for name in 1..1024 {
        assert_eq!(send("app/1", &format!(r#"{{"n{name}":1}}"#)), None, "{name}");
    }
    assert_eq!(send("app/1", r#"{"one_more":1}"#), Some(Reason::TooManyFields));
    assert_eq!(send("app/1", r#"{"n7":1}"#), None);
    assert_eq!(lines(&points).len(), 2 + 1023 + 1);
}

#[test]
fn mistakes_are_told_with_their_key() {
    let route = |keys: &str| {
        let text =
            format!("[[routes]]\ntopic = \"a/{{x}}\"\nformat = \"json\"\nnames = \"as_sent\"\n{keys}\n");
        config(&text).1
    };
    assert_eq!(route("measurement = \"m\""), Vec::<String>::new());
    for (keys, part) in [
        ("", "routes[0].measurement: is required"),
        ("measurement = \"{y}\"", "no capture"),
        ("measurement = \"m\"\ntags = { host = \"{y}\" }", "routes[0].tags.host"),
        ("measurement = \"m\"\ntypes = { count = \"int\" }", "routes[0].types.count"),
        ("measurement = \"m\"\nprofile = \"air\"", "routes[0].profile: unknown key"),
        ("measurement = \"m\"\nothers = \"all\"", "routes[0].others"),
    ] {
        let problems = route(keys);
        assert!(problems.len() == 1 && problems[0].contains(part), "{keys}: {problems:?}");
    }
}
