//! Tests of the decoders: what they read, and above all what they refuse.

mod cost;
mod shapes;

use std::borrow::Cow;

use proptest::prelude::*;

use super::*;
use crate::reading::{ReadingValue, Sample};
use crate::settings::Problems;

fn format(text: &str) -> Format {
    let tree = ::config::Config::builder()
        .add_source(::config::File::from_str(text, ::config::FileFormat::Toml))
        .build()
        .unwrap();
    let problems = Problems::default();
    let mut root = Section::root(tree.cache.into_table().unwrap().into_iter().collect(), problems.clone());
    let format = Format::read(&mut root);
    root.finish();
    assert_eq!(problems.into_vec(), vec![]);
    format.unwrap()
}

fn decode<'a>(format: &'a Format, payload: &'a [u8], number_text: bool) -> Result<Decoded<'a>, Rejection> {
    let zone = TimeZone::get("Asia/Jakarta").unwrap();
    let limits = Limits { max_depth: 8, max_values: 100 };
    format.decode(
        "city/a",
        payload,
        &Hints { number_text, zone: &zone, limits: &limits, now: 0 },
        &mut Memory::default(),
    )
}

fn samples<'a>(format: &'a Format, payload: &'a str) -> (Option<String>, Vec<Sample<'a>>) {
    match decode(format, payload.as_bytes(), false).unwrap() {
        Decoded::Samples { samples, rest: None } => {
            let device = samples.first().and_then(|sample| sample.device.as_deref()).map(str::to_owned);
            assert!(samples.iter().all(|sample| sample.device.as_deref() == device.as_deref()));
            (device, samples)
        }
        // What the network decoded, with how it was heard.
        Decoded::Uplink(uplink) => {
            let mut samples = uplink.decoded.unwrap();
            for sample in &mut samples {
                sample.time = uplink.time;
                sample.readings.extend(uplink.radio.clone());
            }
            (uplink.device.map(Cow::into_owned), samples)
        }
        other => panic!("{other:?}"),
    }
}

/// Names and values in order, as `name=value`.
fn told(sample: &Sample<'_>) -> String {
    let one = |reading: &crate::reading::Reading<'_>| match &reading.value {
        ReadingValue::Number(number) => format!("{}={number}", reading.name),
        ReadingValue::Boolean(on) => format!("{}={on}", reading.name),
        ReadingValue::Text(text) => format!("{}='{text}'", reading.name),
        ReadingValue::Null => format!("{}=null", reading.name),
    };
    sample.readings.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn refused(format: &Format, payload: &[u8], reason: Reason) {
    let got = decode(format, payload, false);
    assert_eq!(got.as_ref().map_err(|error| error.reason).unwrap_err(), reason, "{got:?}");
}

#[test]
fn nested_names_are_joined_and_the_time_and_device_are_no_readings() {
    let format = format("format = \"json\"\ntime = \"meta.time\"\ndevice = \"meta.id\"\n");
    let payload = r#"{"meta":{"id":"a-1","time":"2026-11-24T12:00:00"},"data":{"temp":30.5,"on":true},"phase":[1,2.5],"x":null,"s":"t"}"#;
    let (device, samples) = samples(&format, payload);
    assert_eq!(device.as_deref(), Some("a-1"));
    assert_eq!(told(&samples[0]), "data.temp=30.5 data.on=true phase.0=1 phase.1=2.5 x=null s='t'");
    assert_eq!(samples[0].time, Some(1_795_496_400_000_000_000));
}

#[test]
fn an_array_is_an_array_of_samples_at_the_top_and_where_the_route_says_so() {
    let top = format("format = \"json\"\ntime = \"t\"\n");
    let (_, found) = samples(&top, r#"[{"t":1795496400,"p":1},{"t":1795496401,"p":2,"q":[3]}]"#);
    assert_eq!(found.iter().map(told).collect::<Vec<_>>(), ["p=1", "p=2 q.0=3"]);
    assert_eq!(found[1].time.unwrap() - found[0].time.unwrap(), 1_000_000_000);

    let inside = format("format = \"json\"\ntime = \"t\"\nsamples = \"log\"\n");
    let (_, found) = samples(&inside, r#"{"t":1795496400,"bat":3.6,"log":[{"p":1},{"t":1795496401,"p":2}]}"#);
    assert_eq!(found.iter().map(told).collect::<Vec<_>>(), ["bat=3.6", "p=1", "p=2"]);
    assert_eq!(found[1].time, found[0].time);
    assert_eq!(found[2].time.unwrap() - found[0].time.unwrap(), 1_000_000_000);
}

#[test]
fn each_sample_of_an_array_may_name_its_own_device() {
    let json = format("format = \"json\"\ndevice = \"id\"\nsamples = \"log\"\n");
    let payload = br#"{"id":"gw","p":0,"log":[{"id":"a","p":1},{"id":7,"p":2},{"p":3}]}"#;
    match decode(&json, payload, false).unwrap() {
        Decoded::Samples { samples, rest: None } => {
            let told: Vec<_> =
                samples.iter().map(|sample| (sample.device.as_deref(), told(sample))).collect();
            let expected = [(Some("gw"), "p=0"), (Some("a"), "p=1"), (Some("7"), "p=2"), (Some("gw"), "p=3")];
            assert_eq!(told, expected.map(|(device, told)| (device, told.to_owned())));
        }
        other => panic!("{other:?}"),
    }
    refused(&json, format!(r#"{{"id":"{}","p":1}}"#, "x".repeat(256)).as_bytes(), Reason::NoDevice);
}

#[test]
fn text_is_a_number_only_where_the_profile_says_so() {
    let format = format("format = \"json\"\n");
    // What is no finite number is a word, and the profile may know it.
    let words = (true, r#"{"a":"NaN","b":"-inf","c":"1e999"}"#, "a='NaN' b='-inf' c='1e999'");
    let plain = r#"{"a":" 73 "}"#;
    for (number_text, payload, expected) in [(false, plain, "a=' 73 '"), (true, plain, "a=73"), words] {
        match decode(&format, payload.as_bytes(), number_text).unwrap() {
            Decoded::Samples { samples, .. } => assert_eq!(told(&samples[0]), expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_template_that_is_none_is_a_problem_of_its_setting() {
    for (text, said) in [
        ("format = \"json\"\ntime = \"{date\"\n", "time: has a brace that does not close"),
        ("format = \"json\"\ndevice = \"a-{}\"\n", "device: must name a member"),
    ] {
        let file = ::config::File::from_str(text, ::config::FileFormat::Toml);
        let tree = ::config::Config::builder().add_source(file).build().unwrap();
        let problems = Problems::default();
        let members = tree.cache.into_table().unwrap().into_iter().collect();
        Format::read(&mut Section::root(members, problems.clone()));
        let told: Vec<_> = problems.into_vec().iter().map(ToString::to_string).collect();
        assert!(told.len() == 1 && told[0].contains(said), "{told:?}");
    }
}

#[test]
fn bad_json_is_refused_with_its_reason() {
    let json = format("format = \"json\"\ntime = \"t\"\n");
    for payload in ["{\"a\":1", "{\"a\":NaN}", "{a:1}", "{\"a\":1}{", "12", "\"x\"", "  ", "{\"a\":1,}"] {
        refused(&json, payload.as_bytes(), Reason::Malformed);
    }
    refused(&json, b"{\"a\":1e999}", Reason::NotFinite);
    refused(&json, b"{\"a\":\"\xff\"}", Reason::Malformed);
    refused(&json, b"{\"t\":\"noon\",\"a\":1}", Reason::InvalidTime);
    refused(&json, b"{\"t\":{\"x\":true},\"a\":[[[[[[[[[1]]]]]]]]]}", Reason::TooComplex);
    refused(&json, format!("[{}1]", "1,".repeat(200)).as_bytes(), Reason::TooComplex);
    let long = "k".repeat(100_000);
    for payload in [
        format!("{{\"{long}\":[1,1]}}"),
        format!("{{\"a\":{{\"{long}\":1}}}}"),
        format!("[{{\"{long}\":1}}]"),
    ] {
        refused(&json, payload.as_bytes(), Reason::TooComplex);
    }
    // A byte order mark is no mistake.
    assert!(decode(&json, b"\xef\xbb\xbf{\"a\":1}", false).is_ok());
}

#[test]
fn one_bad_time_in_an_array_costs_that_sample_only() {
    let json = format("format = \"json\"\ntime = \"t\"\n");
    match decode(&json, br#"[{"t":"x","p":1},{"t":1795496400,"p":2}]"#, false).unwrap() {
        Decoded::Samples { samples, rest: Some(rest), .. } => {
            assert_eq!((told(&samples[0]).as_str(), samples.len()), ("p=2", 1));
            assert_eq!(rest.reason, Reason::InvalidTime);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_bare_value_is_a_number_a_state_or_text() {
    let value = format("format = \"value\"\nname = \"laeq\"\n");
    for (payload, expected) in [
        ("55.5\r\n", "laeq=55.5"),
        ("-3", "laeq=-3"),
        ("true", "laeq=true"),
        ("unavailable", "laeq=null"),
        ("loud", "laeq='loud'"),
        ("nan", "laeq=NaN"),
    ] {
        assert_eq!(told(&samples(&value, payload).1[0]), expected);
    }
    refused(&value, b" \n", Reason::NoValue);
    refused(&value, "x".repeat(2000).as_bytes(), Reason::Malformed);
}

#[test]
fn chirpstack_events_give_readings_status_or_nothing() {
    let chirpstack = format("format = \"chirpstack\"\n");
    let up = r#"{"time":"2026-11-24T05:00:00.5+00:00","deviceInfo":{"devEui":"0101010101010101","tags":{}},"fPort":1,"data":"qg==","object":{"pm2_5":12.5,"gps":{"lat":-7.6}}}"#;
    let (device, found) = samples(&chirpstack, up);
    assert_eq!(device.as_deref(), Some("0101010101010101"));
    assert_eq!(
        (told(&found[0]).as_str(), found[0].time),
        ("pm2_5=12.5 gps.lat=-7.6", Some(1_795_496_400_500_000_000))
    );
    let status = r#"{"deviceInfo":{"devEui":"01"},"margin":10,"batteryLevel":88.3}"#;
    assert_eq!(told(&samples(&chirpstack, status).1[0]), "margin=10 battery_level=88.3");
    let mains =
        r#"{"deviceInfo":{"devEui":"01"},"margin":10,"externalPowerSource":true,"batteryLevel":88.3}"#;
    assert_eq!(told(&samples(&chirpstack, mains).1[0]), "margin=10");
    let mains = r#"{"deviceInfo":{"devEui":"01"},"externalPowerSource":true}"#;
    assert_eq!(told(&samples(&chirpstack, mains).1[0]), "margin=0");
    let heard = r#"{"deviceInfo":{"devEui":"01"},"object":{"a":1},"rxInfo":[{"rssi":-110,"snr":-3},{"rssi":-80}],"fCnt":7}"#;
    assert_eq!(told(&samples(&chirpstack, heard).1[0]), "a=1 rx.rssi=-80 rx.snr=0 rx.f_cnt=7");
    let join = r#"{"deviceInfo":{"devEui":"01"},"devAddr":"00189440"}"#;
    assert!(matches!(decode(&chirpstack, join.as_bytes(), false), Ok(Decoded::NotData(_))));
    let raw = br#"{"deviceInfo":{"devEui":"01"},"data":"qg==","fPort":3}"#;
    match decode(&chirpstack, raw, false).unwrap() {
        Decoded::Uplink(uplink) => {
            assert_eq!((&*uplink.bytes, uplink.port, uplink.decoded), (&[0xaa][..], 3, None))
        }
        other => panic!("{other:?}"),
    }
    refused(&chirpstack, b"[]x", Reason::Malformed);
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for text in ["format = \"json\"\ntime = \"t\"\n", "format = \"value\"\n", "format = \"chirpstack\"\n", "format = \"senml\"\n", "format = \"things_stack\"\n", "format = \"cayenne_lpp\"\n", "format = \"binary\"\nencoding = \"hex\"\n"] {
            let _ = decode(&format(text), &bytes, true);
        }
    }

    #[test]
    fn any_text_that_looks_like_json_is_decoded_or_refused(text in "[\\[\\]{}\":,a-c0-9.e\\-tns ]{0,80}") {
        let _ = decode(&format("format = \"json\"\ntime = \"t\"\nsamples = \"a\"\n"), text.as_bytes(), true);
    }
}
