//! SenML through the transform: several devices in one message, units told against the profile's, and `explain`.

use super::fixture::{NOW, NOW_SECONDS, build, record};
use super::{Decision, Reason, State, apply, reason};

const ROUTES: &str = r#"
[[routes]]
topic = "senml/{device}"
format = "senml"

[[routes]]
topic = "collection"
format = "senml"

[[routes]]
topic = "kept/{device}"
format = "senml"
names = "as_sent"
measurement = "kept"
"#;

fn run(topic: &str, pack: &str) -> (Decision, Vec<String>) {
    apply(&build(ROUTES), &record(topic.as_bytes(), pack.as_bytes()))
}

/// The fields of the one line that a reading of a station gives, or why there is none.
fn told(reading: &str) -> Result<String, String> {
    match run("senml/ST-1", &format!("[{{{reading}}}]")) {
        (Decision::Points { rest: None }, lines) => {
            assert_eq!(lines.len(), 1);
            let fields = lines[0].strip_suffix(&format!(" {NOW}")).unwrap().rsplit_once(' ').unwrap().1;
            Ok(fields.split(',').next().unwrap().to_owned())
        }
        (Decision::Quarantine(why), lines) => {
            assert_eq!(lines, Vec::<String>::new());
            assert_eq!(why.reason, Reason::UnitConflict);
            Err(why.detail)
        }
        other => panic!("{reading}: {other:?}"),
    }
}

#[test]
fn a_message_of_several_devices_gives_each_its_own_points() {
    let pack = format!(
        r#"[{{"bn":"ST-1/","bt":{NOW_SECONDS},"n":"temperature","u":"Cel","v":25.2}},
            {{"n":"humidity","u":"%RH","v":80}},
            {{"bn":"ST-2/","n":"temperature","u":"K","v":300.15}},
            {{"bn":"stranger/","n":"temperature","u":"Cel","v":21}},
            {{"bn":"NODE-7/","n":"t1","u":"Cel","v":22}}]"#
    );
    let (decision, lines) = run("collection", &pack);
    assert_eq!(decision, Decision::Points { rest: None });
    let delay = format!("delay_s=0.123 {NOW_SECONDS}000000000");
    let temperature = |value| format!("air_temperature_c={value},air_temperature_c_qc=1i");
    assert_eq!(
        lines,
        [
            format!(
                "weather,channel=low,city=pasuruan,device=NODE-7,site=welang {},{delay}",
                temperature("22.0")
            ),
            format!(
                "weather,city=pasuruan,device=ST-1,district=bugul,site=pasar {},relative_humidity_pct=80.0,\
                 relative_humidity_pct_qc=1i,{delay}",
                temperature("25.2")
            ),
            format!(
                "weather,city=pasuruan,device=ST-2,district=gadingrejo,site=balai {},{delay}",
                temperature("27.0")
            ),
            format!("sensor,device=stranger,site=unregistered temperature=21.0,temperature_qc=2i,{delay}"),
        ]
    );
}

#[test]
fn a_device_that_is_not_told_costs_its_own_samples_only() {
    let pack = r#"[{"n":"temperature","v":1},{"n":"ST-1/temperature","v":2},{"n":"humidity","v":3}]"#;
    let (decision, lines) = run("collection", pack);
    assert_eq!((lines.len(), reason(&decision)), (1, Some(Reason::NoDevice)));
    assert!(lines[0].contains("device=ST-1") && lines[0].contains("air_temperature_c=2.0"), "{lines:?}");
    // The topic stands in where it knows.
    let (decision, lines) = run("senml/ST-1", r#"[{"n":"temperature","v":2}]"#);
    assert_eq!((lines.len(), decision), (1, Decision::Points { rest: None }));
    let (decision, lines) = run("collection", r#"[{"n":"temperature","v":1}]"#);
    assert_eq!((lines.len(), reason(&decision)), (0, Some(Reason::NoDevice)));
}

#[test]
fn a_unit_that_the_message_tells_wins_over_the_profile_where_it_fits() {
    for (reading, expected) in [
        (r#""n":"temperature","u":"K","v":300.35"#, "air_temperature_c=27.2"),
        (r#""n":"temperature","u":"°F","v":98.6"#, "air_temperature_c=37.0"),
        (r#""n":"temperature","u":"C","v":21.5"#, "air_temperature_c=21.5"),
        (r#""n":"temperature","v":21.5"#, "air_temperature_c=21.5"),
        // The profile says Fahrenheit; the message knows better, or says nothing.
        (r#""n":"heat","u":"Cel","v":30"#, "air_temperature_c=30.0"),
        (r#""n":"heat","v":86"#, "air_temperature_c=30.0"),
        (r#""n":"pressure","u":"Pa","v":100830"#, "air_pressure_hpa=1008.3"),
        (r#""n":"pressure","u":"kPa","v":100.83"#, "air_pressure_hpa=1008.3"),
        (r#""n":"humidity","u":"/","v":0.57"#, "relative_humidity_pct=57.0"),
        (r#""n":"humidity","u":"%","v":0.57"#, "relative_humidity_pct=57.0"),
        (r#""n":"humidity","u":"%RH","v":57"#, "relative_humidity_pct=57.0"),
        (r#""n":"humidity","u":"%RH","bv":50,"v":7.1"#, "relative_humidity_pct=57.1"),
        // A percentage that is called "%" all the same is seen to be none, and kept apart.
        (r#""n":"humidity","u":"%","v":57"#, "relative_humidity_pct_failed=5700.0"),
        (r#""n":"power","u":"W","s":8280000"#, "energy_kwh=2.3"),
        (r#""n":"power","u":"kW","s":8280"#, "energy_kwh=2.3"),
        (r#""n":"lamp","u":"/","v":1"#, "lamp_on_state=1.0"),
        (r#""n":"lamp","vb":true"#, "lamp_on_state=1.0"),
        (r#""n":"snr","u":"dB","v":-7.5"#, "signal_snr_db=-7.5"),
        (r#""n":"rain","u":"m","v":0.0002"#, "rain_mm=0.2"),
    ] {
        assert_eq!(told(reading), Ok(expected.to_owned()), "{reading}");
    }
    for (reading, expected) in [
        (
            r#""n":"temperature","u":"%RH","v":30"#,
            r#"the unit "%" does not convert to Cel of air_temperature_c"#,
        ),
        (r#""n":"temperature","u":"furlong","v":30"#, r#"the unit "furlong" does not convert to Cel"#),
        (r#""n":"pressure","u":"m","v":30"#, r#"the unit "m" does not convert to hPa"#),
        (r#""n":"power","u":"Cel","s":30"#, r#"the unit "Cel.s" does not convert to kWh"#),
        (r#""n":"rain","u":"mm/h","v":3"#, r#"the unit "mm/h" does not convert to mm"#),
    ] {
        let why = told(reading).unwrap_err();
        assert!(why.starts_with(expected), "{reading}: {why}");
    }
}

#[test]
fn a_unit_in_conflict_costs_its_reading_only() {
    let (decision, lines) =
        run("senml/ST-1", r#"[{"n":"temperature","u":"V","v":3},{"n":"humidity","u":"%RH","v":80}]"#);
    assert_eq!((lines.len(), reason(&decision)), (1, Some(Reason::UnitConflict)));
    assert!(!lines[0].contains("air_temperature_c") && lines[0].contains("humidity_pct=80.0"), "{lines:?}");
}

#[test]
fn what_one_record_breaks_is_said_and_the_others_are_stored() {
    let pack = r#"[{"n":"temperature","v":25},{"n":"humidity","v":"wet"},{"n":"rain"},{"n":"snr","v":1}]"#;
    let (decision, lines) = run("senml/ST-1", pack);
    assert_eq!(lines.len(), 1);
    let Decision::Points { rest: Some(rest) } = decision else { panic!("{decision:?}") };
    assert_eq!(rest.to_string(), r#"malformed: record 2 has a "v" that is no number; and 1 more records"#);
    let (decision, lines) = run("senml/ST-1", r#"[{"n":"humidity","v":80},{"n":"humidity","v":81}]"#);
    assert_eq!((lines.len(), reason(&decision)), (1, Some(Reason::Malformed)));
    let (decision, lines) = run("senml/ST-1", r#"[{"n":"humidity","v":80},{"n":"humidity","v":80.0}]"#);
    assert_eq!((lines.len(), reason(&decision)), (1, None), "the same again is no contradiction");
    let overflow = r#"[{"bv":1.7e308,"n":"humidity","v":1.7e308},{"bv":0,"n":"rain","v":1}]"#;
    let (decision, lines) = run("senml/ST-1", overflow);
    assert_eq!((lines.len(), reason(&decision)), (1, Some(Reason::NotFinite)));
    assert_eq!(reason(&run("senml/ST-1", r#"[{"bn":"ST-1:"}]"#).0), Some(Reason::NoValue));
    assert_eq!(reason(&run("senml/ST-1", r#"[{"n":"rain","v":null}]"#).0), None, "missing is flagged");
}

#[test]
fn future_and_ancient_times_are_judged_as_everywhere() {
    let (_, lines) = run("senml/ST-1", r#"[{"n":"rain","v":1,"t":86400}]"#);
    assert!(lines[0].contains("rain_mm_qc=3i") && lines[0].ends_with(&NOW.to_string()), "{lines:?}");
    let (decision, _) = run("senml/ST-1", r#"[{"n":"rain","v":1,"t":-8640000}]"#);
    assert_eq!(reason(&decision), Some(Reason::TimeTooOld));
    let (_, lines) = run("senml/ST-1", r#"[{"n":"rain","v":1,"t":-10}]"#);
    assert!(lines[0].ends_with(&(NOW - 10_000_000_000).to_string()), "{lines:?}");
}

#[test]
fn explain_says_whose_each_sample_is() {
    let pack = r#"[{"n":"ST-1/rain","v":1},{"n":"ST-2/rain","u":"m","v":1},{"n":"x/rain","v":1}]"#;
    let story = build(ROUTES).explain(&record(b"collection", pack.as_bytes()), &State::default());
    assert_eq!(story.device.as_deref(), Some("ST-1"));
    let samples: Vec<_> = story
        .samples
        .iter()
        .map(|sample| (sample.device.as_deref().unwrap(), sample.registered, &*sample.profile))
        .collect();
    assert_eq!(samples, [("ST-1", true, "station"), ("ST-2", true, "station"), ("x", false, "generic")]);
    assert_eq!(story.samples[1].readings[0].stored, Some(1000.0));
    assert_eq!(story.decision.outcome, "stored");
}

#[test]
fn names_kept_have_no_tag_for_a_second_device() {
    let (decision, lines) = run("kept/gw", r#"[{"n":"a:x","v":1},{"n":"b:x","v":2},{"n":"a:y","v":3}]"#);
    assert_eq!(lines, [format!("kept x=1.0,y=3.0 {NOW}")]);
    let Decision::Points { rest: Some(rest) } = decision else { panic!("{decision:?}") };
    assert_eq!(rest.reason, Reason::NoDevice);
    assert!(rest.detail.contains(r#"of "b" beside other devices"#), "{rest}");
}
