//! Tests of the whole transform: unhappy paths first, and that any bytes have one decision.

mod as_sent;
mod fixture;
mod secrets;
mod senml;
mod uplinks;

use proptest::prelude::*;

use self::fixture::{NOW, NOW_SECONDS, ROUTES, build, config, record, transform};
use super::*;

fn lines(points: &[Point]) -> Vec<String> {
    let shown = |point| {
        let mut line = Vec::new();
        crate::line_protocol::write(point, &mut line);
        String::from_utf8(line).unwrap().trim_end().to_owned()
    };
    points.iter().map(shown).collect()
}

fn apply(transform: &Transform, record: &Record) -> (Decision, Vec<String>) {
    let mut points = Vec::new();
    let decision = transform.apply(record, &mut State::default(), &mut points);
    (decision, lines(&points))
}

fn reason(decision: &Decision) -> Option<Reason> {
    match decision {
        Decision::Points { rest } => rest.as_ref().map(|rest| rest.reason),
        Decision::Quarantine(rejection) | Decision::Discard(rejection) => Some(rejection.reason),
    }
}

const AIR: &[u8] = b"city/pasuruan/bugul/AQ-1/air";

/// The lines and the reason of a payload from a device that the registry does not know.
fn air(payload: &str) -> (Vec<String>, Option<Reason>) {
    let (decision, lines) = apply(&transform(), &record(AIR, payload.as_bytes()));
    (lines, reason(&decision))
}

const TAGS: &str = "city=pasuruan,device=AQ-1,district=bugul,site=unregistered";

#[test]
fn a_plain_reading_becomes_a_flagged_point() {
    let (lines, reason) = air(r#"{"t":25.5}"#);
    assert_eq!(reason, None);
    assert_eq!(lines, [format!("air_quality,{TAGS} air_temperature_c=25.5,air_temperature_c_qc=1i {NOW}")]);
}

#[test]
fn a_registered_device_has_its_own_tags_and_profile_and_a_point_for_each_channel() {
    for (topic, payload) in [
        (&b"city/elsewhere/x/NODE-7/k"[..], &br#"{"t1":20,"t2":99}"#[..]),
        (b"raw/x", br#"{"id":"NODE-7","t1":20,"t2":99}"#),
    ] {
        let mut state = State::default();
        let mut points = Vec::new();
        let decision = transform().apply(&record(topic, payload), &mut state, &mut points);
        assert_eq!(decision, Decision::Points { rest: None });
        assert_eq!(state.unregistered_devices(), 0);
        let tags = |channel| format!("weather,channel={channel},city=pasuruan,device=NODE-7,site=welang");
        assert_eq!(
            lines(&points),
            [
                format!("{} air_temperature_c=20.0,air_temperature_c_qc=1i {NOW}", tags("low")),
                format!("{} air_temperature_c_failed=99.0,air_temperature_c_qc=4i {NOW}", tags("high")),
            ]
        );
    }
}

#[test]
fn an_own_time_is_kept_with_its_delay() {
    let (lines, _) = air(&format!(r#"{{"ts":{},"t":25}}"#, NOW_SECONDS - 10));
    assert!(lines[0].contains("air_temperature_c_qc=1i,delay_s=10.123 "), "{lines:?}");
    assert!(lines[0].ends_with(&format!(" {}000000000", NOW_SECONDS - 10)), "{lines:?}");
}

#[test]
fn times_that_cannot_be_make_everything_suspect_or_are_refused() {
    for told in [0, NOW_SECONDS + 3600] {
        let (lines, reason) = air(&format!(r#"{{"ts":{told},"t":25,"odd":1}}"#));
        assert_eq!(reason, None);
        let line = &lines[0];
        assert!(line.contains("air_temperature_c_qc=3i") && line.contains("odd_qc=3i"), "{line}");
        assert!(line.ends_with(&NOW.to_string()) && !line.contains("delay_s"), "{line}");
    }
    let (lines, reason) = air(&format!(r#"{{"ts":{},"t":25}}"#, NOW_SECONDS - 91 * 86_400));
    assert_eq!((lines.len(), reason), (0, Some(Reason::TimeTooOld)));
}

#[test]
fn samples_without_a_time_do_not_overwrite_each_other() {
    let (lines, _) = air(r#"[{"t":1},{"t":2},{"ts":5,"t":3}]"#);
    let times: Vec<_> = lines.iter().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect();
    assert_eq!(times, [NOW, NOW + 1, NOW + 2].map(|time| time.to_string()));
}

#[test]
fn impossible_values_are_kept_apart_and_odd_ones_flagged() {
    let (lines, reason) = air(r#"{"t":999}"#);
    assert_eq!(reason, None);
    assert!(lines[0].contains(" air_temperature_c_failed=999.0,air_temperature_c_qc=4i "), "{lines:?}");
}

#[test]
fn a_running_total_that_begins_anew_is_not_suspect_and_a_jump_is() {
    let (transform, mut state) = (transform(), State::default());
    let mut flag = |minute: i64, total: f64| {
        let payload = format!(r#"{{"rain_total":{total},"ts":{}}}"#, NOW_SECONDS - 3600 + 60 * minute);
        let mut points = Vec::new();
        transform.apply(&record(b"city/p/b/ST-1/k", payload.as_bytes()), &mut state, &mut points);
        let lines = lines(&points);
        let (_, flag) = lines[0].split_once("rain_total_mm_qc=").expect("a flag");
        flag.split('i').next().expect("a number").to_owned()
    };
    // At most 10 mm a minute; 2 is not evaluated, 3 suspect.
    let flags = [flag(0, 655.0), flag(1, 655.3), flag(2, 0.2), flag(3, 0.4), flag(4, 50.0)];
    assert_eq!(flags, ["2", "1", "2", "1", "3"]);
}

#[test]
fn text_where_a_number_belongs_is_refused_and_the_rest_is_stored() {
    let (lines, reason) = air(r#"{"t":"hot","odd":1}"#);
    assert_eq!((lines.len(), reason), (1, Some(Reason::WrongType)));
    let (lines, reason) = air(r#"{"t":"hot"}"#);
    assert_eq!((lines.len(), reason), (0, Some(Reason::WrongType)));
    let (lines, reason) = air(r#"{"t":20,"remark":"fine"}"#);
    assert_eq!((lines.len(), reason), (1, Some(Reason::WrongType)), "a known model sends no unknown text");
}

#[test]
fn unknown_names_are_cleaned_and_never_take_a_name_of_ours() {
    let (lines, reason) = air(r#"{"Outdoor Temp":1,"air_temperature_c":2,"delay_s":3,"x_qc":4,"on":true}"#);
    assert_eq!(reason, None);
    for field in ["outdoor_temp=1.0", "delay_s_raw=3.0", "x_qc_raw=4.0", "on=1.0"] {
        assert!(lines[0].contains(field), "{field}: {lines:?}");
    }
    assert!(!lines[0].contains("air_temperature_c=2"), "{lines:?}");
}

#[test]
fn names_that_clean_to_the_same_are_told_once() {
    let (lines, reason) = air(r#"{"a b":1,"a_b":1}"#);
    assert_eq!((lines.len(), reason), (1, None));
    let (lines, reason) = air(r#"{"a b":1,"a_b":2}"#);
    assert_eq!((lines.len(), reason), (1, Some(Reason::Malformed)));
}

#[test]
fn null_of_a_known_name_is_flagged_missing_and_of_an_unknown_one_passed_over() {
    let (lines, reason) = air(r#"{"t":null}"#);
    assert_eq!((lines.len(), reason), (1, None));
    assert!(
        lines[0].contains(" air_temperature_c_qc=9i ") && !lines[0].contains("air_temperature_c="),
        "{lines:?}"
    );
    assert_eq!(air(r#"{"odd":null}"#), (vec![], Some(Reason::NoValue)));
    assert_eq!(air(r#"{"t":null,"odd":1}"#).1, None);
    assert_eq!(air("{}"), (vec![], Some(Reason::NoValue)));
    assert_eq!(air("{nonsense"), (vec![], Some(Reason::Malformed)));
}

#[test]
fn the_first_questions_come_first() {
    let transform = transform();
    let good = br#"{"t":1}"#;
    let mut again = record(AIR, good);
    again.message.redelivery_of = Some(7);
    assert!(
        matches!(apply(&transform, &again).0, Decision::Discard(why) if why.reason == Reason::Redelivery)
    );
    let empty = record(b"nowhere", b"");
    assert!(matches!(apply(&transform, &empty).0, Decision::Discard(why) if why.reason == Reason::Empty));
    for (topic, payload, wanted) in [
        (&b"nowhere"[..], &good[..], Reason::NoRoute),
        (b"city/a/b/\xff/d", good, Reason::InvalidTopic),
        (b"city/a/b/\0/d", good, Reason::InvalidTopic),
        (b"", good, Reason::InvalidTopic),
        (b"city/a/b//d", good, Reason::NoDevice),
        (b"raw/x", good, Reason::NoDevice),
        (b"$SYS/uptime", good, Reason::NoRoute),
        (AIR, &vec![b' '; 1024 * 1024 + 1], Reason::PayloadTooLarge),
    ] {
        let (decision, lines) = apply(&transform, &record(topic, payload));
        assert!(matches!(&decision, Decision::Quarantine(why) if why.reason == wanted), "{decision:?}");
        assert!(lines.is_empty());
    }
    let long = format!("city/a/b/{}/d", "x".repeat(300));
    assert_eq!(reason(&apply(&transform, &record(long.as_bytes(), good)).0), Some(Reason::NoDevice));
}

#[test]
fn retained_messages_follow_their_route() {
    let transform = transform();
    let retained = |topic: &[u8], payload: &str| {
        let mut record = record(topic, payload.as_bytes());
        record.message.retain = true;
        record
    };
    let timeless = retained(AIR, r#"{"t":1}"#);
    assert!(
        matches!(apply(&transform, &timeless).0, Decision::Discard(why) if why.reason == Reason::Retained)
    );
    let timed = format!(r#"{{"ts":{NOW_SECONDS},"t":20}}"#);
    assert_eq!(apply(&transform, &retained(AIR, &timed)).0, Decision::Points { rest: None });
    assert_eq!(reason(&apply(&transform, &retained(AIR, r#"{"ts":1,"t":20}"#)).0), Some(Reason::Retained));
    let accepted = retained(b"raw/x", r#"{"id":"n","t":20}"#);
    assert_eq!(apply(&transform, &accepted).0, Decision::Points { rest: None });
    let dead = retained(b"dead/x", &timed);
    assert!(matches!(apply(&transform, &dead).0, Decision::Discard(why) if why.reason == Reason::Retained));
    let mut live = timeless;
    live.message.source = EMBEDDED_SOURCE;
    assert!(
        matches!(apply(&transform, &live).0, Decision::Points { .. }),
        "our own broker hands on live ones"
    );
}

#[test]
fn a_box_with_a_wrong_clock_says_so() {
    let mut record = record(AIR, br#"{"t":20}"#);
    record.clock_suspect = true;
    let (_, lines) = apply(&transform(), &record);
    assert!(lines[0].contains("_qc=3i"), "{lines:?}");
}

#[test]
fn routes_say_where_and_what() {
    let transform = transform();
    assert_eq!(transform.destination_of(AIR), Some(DEFAULT_DESTINATION));
    assert_eq!(transform.destination_of(b"raw/x"), Some("second"));
    assert_eq!(transform.destination_of(b"nowhere/x"), None);
    assert_eq!(transform.filters(), ["city/+/+/+/+", "raw/#", "dead/+"]);
    let (decision, lines) = apply(&transform, &record(b"raw/x", br#"{"id":"N 1","level":50,"note":"hi"}"#));
    assert_eq!(decision, Decision::Points { rest: None }, "unknown devices may send text beside numbers");
    assert_eq!(
        lines,
        [format!("noise,city=pasuruan,device=N\\ 1,site=unregistered level=50.0,level_qc=2i {NOW}")]
    );
    let (decision, _) = apply(&transform, &record(b"raw/x", br#"{"id":"N 1","note":"hi"}"#));
    assert_eq!(reason(&decision), Some(Reason::WrongType));
}

#[test]
fn flags_are_written_as_asked() {
    for (setting, plain, failed) in [("all", 1, 1), ("exceptions", 0, 1), ("none", 0, 0)] {
        let text = format!("{ROUTES}\n[transform]\nquality_flags = \"{setting}\"\n");
        let transform = build(&text);
        for (payload, wanted) in [(r#"{"t":20}"#, plain), (r#"{"t":999}"#, failed)] {
            let (_, lines) = apply(&transform, &record(AIR, payload.as_bytes()));
            assert_eq!(lines[0].matches("_qc=").count(), wanted, "{setting} {lines:?}");
            assert_eq!(lines[0].contains("_failed="), payload.contains("999"), "{lines:?}");
        }
    }
}

#[test]
fn strangers_fill_nothing_without_bound() {
    let transform = transform();
    let mut state = State::default();
    let names: Vec<_> = (0..70).map(|number| format!("\"n{number}\":1")).collect();
    let many = record(AIR, format!("{{{}}}", names.join(",")).as_bytes());
    let mut points = Vec::new();
    let decision = transform.apply(&many, &mut state, &mut points);
    assert_eq!(reason(&decision), Some(Reason::TooManyFields));
    assert_eq!(points[0].stored().count(), 128, "64 names and their flags");
    points.clear();
    for number in 1..10_000 {
        let topic = format!("city/a/b/d{number}/k");
        transform.apply(&record(topic.as_bytes(), br#"{"t":1}"#), &mut state, &mut points);
    }
    assert_eq!(points.len(), 9_999);
    let decision = transform.apply(&record(b"city/a/b/new/k", br#"{"t":1}"#), &mut state, &mut points);
    assert_eq!(reason(&decision), Some(Reason::TooManyDevices));
    assert_eq!(points.len(), 9_999);
}

#[test]
fn an_explanation_says_what_production_does_and_changes_nothing() {
    let transform = transform();
    let record = record(AIR, br#"{"t":999,"odd":true,"w":"x","n":null}"#);
    let state = State::default();
    let story = transform.explain(&record, &state);
    assert_eq!(state, State::default());
    let (decision, lines) = apply(&transform, &record);
    assert_eq!(story.points, lines);
    assert_eq!(story.decision.reason, reason(&decision));
    assert_eq!(story.decision.outcome, "partly_stored");
    assert_eq!(story.device.as_deref(), Some("AQ-1"));
    assert_eq!(story.captures.len(), 4);
    let sample = &story.samples[0];
    assert_eq!((sample.registered, &*sample.measurement, sample.readings.len()), (false, "air_quality", 4));
    let hot = sample.readings.iter().find(|reading| reading.name == "t").unwrap();
    assert_eq!((hot.field.as_deref(), hot.flag), (Some("air_temperature_c_failed"), Some(4)));
    assert!(serde_json::to_string(&story).unwrap().contains("wrong_type"));
}

#[test]
fn mistakes_in_routes_are_named() {
    let (config, problems) = config(
        "[[routes]]\ntopic = \"a/#/b\"\nformat = \"json\"\n[[routes]]\ntopic = \"a\"\nformat = \"json\"\nretained = \"maybe\"\nprofil = \"x\"\n[time]\nearliest = \"soon\"\n",
    );
    assert_eq!(config.routes.len(), 1);
    for part in ["routes[0].topic", "routes[1].retained", "did you mean \"profile\"", "time.earliest"] {
        assert!(problems.iter().any(|problem| problem.contains(part)), "{part}: {problems:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]
    #[test]
    fn any_bytes_on_any_topic_have_one_decision(
        topic in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            Just(AIR.to_vec()),
            "city/[^+#]{0,3}/[^/]{0,3}/[^/]{0,8}/x".prop_map(String::into_bytes),
        ],
        payload in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "[\\[{\"t:,0-9e.nul\\\\}\\]]{0,40}".prop_map(String::into_bytes),
            (".{0,8}", any::<f64>(), any::<i64>()).prop_map(|(name, value, time)| {
                serde_json::json!({ "t": value, "ts": time, name: value }).to_string().into_bytes()
            }),
        ],
        retain in any::<bool>(),
    ) {
        let mut record = record(&topic, &payload);
        record.message.retain = retain;
        let (decision, lines) = apply(&transform(), &record);
        prop_assert_eq!(matches!(decision, Decision::Points { .. }), !lines.is_empty());
        let story = transform().explain(&record, &State::default());
        prop_assert_eq!(&story.points, &lines);
        let text = lines.join("\n");
        let read = influxdb_line_protocol::parse_lines(&text).filter_map(Result::ok).count();
        prop_assert_eq!(read, lines.len(), "{}", text);
    }
}
