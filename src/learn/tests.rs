//! Learning as a whole: from messages to text that the program's own readers accept.

use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::catalogue::{Catalogue, Profiles};
use crate::registry::Registry;
use crate::settings::{Problems, Section};
use crate::transform::Config;

fn catalogue() -> Catalogue {
    Catalogue::load(include_str!("../../config/catalogue.toml"), "catalogue.toml").unwrap()
}

fn own_profiles() -> (String, String) {
    ("own".to_owned(), include_str!("../../config/profiles/pasuruan.toml").to_owned())
}

/// A transform with these routes, profiles beside the shipped ones, and rows.
fn transform(routes: &str, profiles: &str, rows: &str) -> Transform {
    let source = ::config::File::from_str(routes, ::config::FileFormat::Toml);
    let tree = ::config::Config::builder().add_source(source).build().unwrap();
    let problems = Problems::default();
    let mut root = Section::root(tree.cache.into_table().unwrap().into_iter().collect(), problems.clone());
    let config = Config::read(&mut root);
    assert_eq!(problems.into_vec(), []);
    let (catalogue, zone) = (catalogue(), TimeZone::get("Asia/Jakarta").unwrap());
    let files = [own_profiles(), ("learned".to_owned(), format!("[profiles]\n{profiles}"))];
    let profiles = Profiles::load(&files, &catalogue).unwrap();
    let rows = format!("{}{rows}", Proposal::devices_head());
    let registry = Registry::load(&rows, "devices.csv", &zone, Some(&profiles)).unwrap();
    Transform::new(config, Arc::new(catalogue), &profiles, Arc::new(registry), zone).unwrap()
}

/// A message received so many seconds after 2026-11-24T06:00:00Z.
fn message(second: i64, topic: &str, payload: &str) -> Captured {
    let time = (1_795_500_000 + second) * 1_000_000_000;
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    Captured { time, topic: topic.to_owned(), payload, qos: 1, retain: false }
}

/// What is learned is accepted, and then everything is covered.
fn learned(messages: &[Captured]) -> (Proposal, Transform) {
    let proposal = learn(messages, &transform("", "", ""));
    let (routes, profiles, rows) = (proposal.routes(), proposal.profiles(), proposal.devices());
    let after = transform(&routes, &profiles, &rows);
    (proposal, after)
}

fn points(messages: &[Captured], transform: &Transform) -> Vec<String> {
    let mut state = State::default();
    let stories = messages.iter().map(|message| transform.explain_next(&message.record(1), &mut state));
    stories.flat_map(|story| story.points).collect()
}

#[test]
fn what_is_proposed_is_accepted_and_stores_the_messages() {
    let messages = [
        message(0, "sungai/rg-1/data", r#"{"waktu":1795499999,"tma_cm":124,"aki":3610,"fw":"1.2"}"#),
        message(1, "sungai/rg-2/data", r#"{"waktu":1795500000,"tma_cm":88,"aki":3598,"fw":"1.2"}"#),
        message(60, "sungai/rg-1/data", r#"{"waktu":1795500059,"tma_cm":125,"aki":3609,"fw":"1.2"}"#),
        message(61, "sungai/rg-2/data", r#"{"waktu":1795500060,"tma_cm":-9999,"aki":3597,"fw":"1.2"}"#),
    ];
    let (proposal, after) = learned(&messages);
    assert!(proposal.routes().contains("topic = \"sungai/{device}/data\""), "{}", proposal.routes());
    assert!(proposal.routes().contains("time = \"waktu\""), "{}", proposal.routes());
    let points = points(&messages, &after);
    assert_eq!(points.len(), 4, "{points:#?}");
    assert!(points[0].starts_with("water_level,device=rg-1 "), "{points:#?}");
    assert!(points[0].contains("water_level_m=1.24") && points[0].contains("battery_v=3.61"), "{points:#?}");
    assert!(!points[3].contains("water_level_m="), "a sentinel is no level: {points:#?}");
    let again = learn(&messages, &after);
    assert!(
        again.is_empty() && again.covered.len() == 1,
        "{}{}{}",
        again.told(),
        again.routes(),
        again.profiles()
    );
}

#[test]
fn the_same_messages_give_the_same_text() {
    let messages: Vec<_> = (0..40)
        .map(|n| message(n, &format!("a/{}/b", n % 7), &format!(r#"{{"suhu":{n},"x{}":1}}"#, n % 3)))
        .collect();
    let text =
        |proposal: &Proposal| format!("{}{}{}", proposal.routes(), proposal.profiles(), proposal.devices());
    let nothing = transform("", "", "");
    assert_eq!(text(&learn(&messages, &nothing)), text(&learn(&messages, &nothing)));
}

#[test]
fn a_gateways_array_is_a_sample_for_each_device() {
    let payload = r#"{"gateway":"g1","data":[{"id":"n1","t":1795500000000,"suhu":27.5},{"id":"n2","t":1795500000000,"suhu":28}]}"#;
    let messages = [message(1, "gw/g1/batch", payload), message(61, "gw/g1/batch", payload)];
    let (proposal, after) = learned(&messages);
    let routes = proposal.routes();
    for line in ["samples = \"data\"", "time = \"t\"", "device = \"id\""] {
        assert!(routes.contains(line), "{routes}");
    }
    let points = points(&messages[..1], &after);
    assert_eq!(points.len(), 2, "{points:#?}");
    assert!(points[1].contains("device=n2") && points[1].contains("air_temperature_c=28"), "{points:#?}");
}

#[test]
fn two_models_on_the_same_topics_are_told_apart_by_the_registry() {
    let messages = [
        message(0, "iot/dev-1", r#"{"suhu":27.5,"kelembaban":80}"#),
        message(1, "iot/dev-2", r#"{"laeq":57.1,"baterai":3.6,"rssi":-90}"#),
    ];
    let (proposal, after) = learned(&messages);
    assert_eq!(proposal.routes.len(), 1, "{}", proposal.routes());
    let points = points(&messages, &after);
    assert!(points[0].starts_with("weather,device=dev-1 "), "{points:#?}");
    assert!(points[1].starts_with("noise,device=dev-2 "), "{points:#?}");
}

#[test]
fn hostile_names_stay_in_their_strings_and_comments() {
    let name = "x\"] = 1\n[profiles.generic]\n# \u{7f}\r";
    let payload = serde_json::json!({ name: 5, "suhu\n": 27.5, "t\"": "a\nb" }).to_string();
    let messages =
        [message(0, "iot/dev\"\n-1/d", &payload), message(1, "iot/{x}/+", "{}"), message(2, "", "1")];
    let (proposal, _) = learned(&messages);
    assert!(!proposal.profiles().contains("\n[profiles.generic]"), "{}", proposal.profiles());
}

#[test]
fn what_nobody_reads_is_named() {
    let messages = [message(0, "log/1", "two words"), message(1, "log/2", "\u{1}\u{2}, ;")];
    let proposal = learn(&messages, &transform("", "", ""));
    assert!(proposal.told().contains("Not proposed: log/1"), "{}", proposal.told());
    assert!(proposal.routes.is_empty(), "{}", proposal.routes());
}

#[test]
fn several_values_of_one_quantity_get_a_channel_each() {
    let payload = r#"{"suhu_dalam":30.1,"suhu_luar":27.4,"suhu":28}"#;
    let messages = [message(0, "rumah/kaca-1/suhu", payload)];
    let (_, after) = learned(&messages);
    let points = points(&messages, &after);
    assert_eq!(points.len(), 3, "{points:#?}");
    for channel in ["channel=dalam", "channel=luar"] {
        assert!(points.iter().any(|point| point.contains(channel)), "{points:#?}");
    }
}

/// The profile of the only route, and its notes.
fn profile_of(messages: &[Captured], profiles: &str) -> (String, String) {
    let proposal = learn(messages, &transform("", profiles, ""));
    assert_eq!(proposal.routes.len(), 1, "{}", proposal.routes());
    let name = proposal.routes[0].profile.clone();
    (name.unwrap_or_default(), proposal.routes())
}

#[test]
fn a_profile_there_is_must_mean_the_same_by_the_names_and_be_about_little_else() {
    let air = |pressure: &str| {
        let payload = |n: i64| format!(r#"{{"temperature":27.{n},"humidity":80,"pressure":{pressure}}}"#);
        (0..4).map(|n| message(n, &format!("iot/w-{n}/d"), &payload(n))).collect::<Vec<_>>()
    };
    let names = "temperature = \"air_temperature_c\"\nhumidity = \"relative_humidity_pct\"\n";
    let of = |name: &str, settings: &str, more: &str| {
        format!("[profiles.{name}]\n{settings}\n[profiles.{name}.names]\n{names}{more}\n")
    };
    let hecto = of("b_hecto", "", "pressure = \"air_pressure_hpa\"");
    let pascal = of("c_pascal", "", "pressure = { quantity = \"air_pressure_hpa\", unit = \"Pa\" }");
    let wide = of("a_wide", "", "pressure = \"air_pressure_hpa\"\nco2 = \"co2_ppm\"");
    let codec = of("a_codec", "decoder = \"cayenne_lpp\"", "pressure = \"air_pressure_hpa\"");
    let other = of("a_other", "", "pressure = \"water_level_m\"");
    let much = of(
        "a_much",
        "",
        "pressure = \"air_pressure_hpa\"\na = \"co2_ppm\"\nb = \"pm1_ugm3\"\nc = \"pm10_ugm3\"\nd = \"pm25_ugm3\"",
    );
    let all = format!("{hecto}{pascal}{wide}{codec}{other}");
    // In pascal the value says so, and a profile of hectopascal would make every value impossible.
    let (name, notes) = profile_of(&air("100834"), &all);
    assert_eq!(name, "c_pascal", "{notes}");
    let (name, notes) = profile_of(&air("1008.34"), &all);
    assert_eq!(name, "b_hecto", "{notes}");
    assert!(
        notes.contains("b_hecto has 3 of 3 names") && notes.contains("0 more (confidence high)"),
        "{notes}"
    );
    let (name, notes) = profile_of(&air("1008.34"), &wide);
    assert!(name == "a_wide" && notes.contains("1 more (confidence medium)"), "{name}: {notes}");
    for unfit in [&codec, &other, &much] {
        let (name, notes) = profile_of(&air("1008.34"), unfit);
        assert!(!unfit.contains(&format!("[profiles.{name}]")), "{name}: {notes}");
    }
    // What the network server decoded may as well be what the codec gives.
    let payload = r#"{"deviceInfo":{"devEui":"24e124785d120001"},"fPort":85,"object":{"temperature":27.2,"humidity":80,"pressure":1008}}"#;
    let (name, notes) =
        profile_of(&[message(0, "application/a/device/24e124785d120001/event/up", payload)], &codec);
    assert_eq!(name, "a_codec", "{notes}");
}

#[test]
fn platforms_are_recognised_by_what_they_send_on_topics_of_anyone() {
    for (payload, format, sure) in [
        (
            r#"{"id":"urn:ngsi-ld:AirQuality:1","type":"AirQuality","pm25":{"value":31,"type":"Number"}}"#,
            "fiware_json",
            "high",
        ),
        (r#"{"serialno":"ecda3b1d09d8","rco2":447,"pm02":7,"atmp":25.9,"rhum":65}"#, "airgradient", "high"),
        (
            r#"{"Time":"2026-11-24T07:00:00","AM2301":{"Temperature":28.1,"Humidity":80},"TempUnit":"C"}"#,
            "tasmota",
            "high",
        ),
        // A link's quality alone is no proof: it says what it could be.
        (r#"{"temperature":27.3,"humidity":80,"linkquality":120}"#, "json", "low"),
        (r#"{"temperature":27.3}"#, "json", "high"),
    ] {
        let messages = [message(0, "taman/x-1/d", payload), message(60, "taman/x-2/d", payload)];
        let proposal = learn(&messages, &transform("", "", ""));
        let routes = proposal.routes();
        assert!(routes.contains(&format!("format = \"{format}\"")), "{payload}: {routes}");
        assert!(
            routes.contains(&format!("recognised as {format} (confidence {sure})")),
            "{payload}: {routes}"
        );
        assert_eq!(routes.contains("in doubt: members of zigbee2mqtt"), sure == "low", "{routes}");
    }
}

#[test]
fn each_guess_says_how_sure_it_is() {
    let payload = r#"{"waktu":1795499999,"tma_cm":"124,5","aki":"3610","fw":"1.2","satuan":"x","xyz":3}"#;
    let proposal = learn(&[message(0, "sungai/rg-1/data", payload)], &transform("", "", ""));
    let text = format!("{}{}", proposal.routes(), proposal.profiles());
    let comments: Vec<&str> = text.lines().filter(|line| line.starts_with("# ")).collect();
    assert!(comments.len() >= 7, "{text}");
    for comment in comments {
        assert!(comment.contains("(confidence ") || comment.contains("(no guess)"), "{comment}: {text}");
    }
}
