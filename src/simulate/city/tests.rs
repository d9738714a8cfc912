//! The city makes what it promises: every device, every trouble, no time twice.

use super::*;
use crate::simulate::ExpectedTime;

const NOW: i64 = 1_795_489_200_000_000_000;

/// A registry of 60 devices in the form of the shipped one.
pub(crate) fn registry() -> String {
    let mut text = String::from("id,city,district,site,latitude,longitude,profile,valid_from\n");
    let districts = ["Bugul Kidul", "Gadingrejo", "Purworejo", "Panggungrejo"];
    let kinds = [
        "river-level",
        "weather",
        "air-node",
        "noise",
        "waste-bin",
        "parking",
        "street-light",
        "senml",
        "em410_rdl",
        "telegraf",
        "noise-lpp",
        "ultralight",
        "antares",
        "light-csv",
        "tps110",
        "airwits",
        "sensor_community",
    ];
    for number in 0..60 {
        let (kind, district) = (kinds[number % kinds.len()], districts[number % 4]);
        let behind_chirpstack = matches!(kind, "air-node" | "em410_rdl" | "tps110");
        let id = if behind_chirpstack { format!("{number:016x}") } else { format!("{kind}-{number}") };
        text.push_str(&format!("{id},pasuruan,{district},Titik \"{number}\",-7.6,112.9,{kind},2026-01-01\n"));
    }
    text
}

pub(crate) fn city(options: Options) -> City {
    City::new(&registry(), options).unwrap()
}

/// `count` publishes, a hundred a second.
pub(crate) fn publishes(options: Options, count: i64) -> Vec<Publish> {
    let mut city = city(options);
    (0..count).map(|number| city.next(NOW + number * 10_000_000)).collect()
}

#[test]
fn the_same_seed_is_the_same_city() {
    let options = Options::default();
    assert_eq!(publishes(options, 2_000), publishes(options, 2_000));
    assert_ne!(publishes(options, 100), publishes(Options { seed: 7, ..options }, 100));
}

#[test]
fn every_trouble_appears_soon_and_can_be_switched_off() {
    let seen: HashSet<_> =
        publishes(Options::default(), 600).iter().filter_map(|publish| publish.misbehaviour).collect();
    for what in Misbehaviour::ALL {
        assert!(seen.contains(what) || *what == Misbehaviour::Silence, "{what:?}");
    }
    let mut silent = city(Options::default());
    (0..600).for_each(|number| drop(silent.next(NOW + number * 10_000_000)));
    assert!((1..=3).contains(&silent.silences()));
    assert_eq!(silent.silent().count() as u64, silent.silences());
    let calm = Options { trouble: false, ..Options::default() };
    assert!(publishes(calm, 600).iter().all(|publish| publish.misbehaviour.is_none()));
    let routed = Options { unrouted: false, ..Options::default() };
    let what = Some(Misbehaviour::UnroutedTopic);
    assert!(publishes(routed, 600).iter().all(|publish| publish.misbehaviour != what));
}

#[test]
fn no_device_tells_a_time_twice_at_any_pace() {
    for pace in [Pace::Live, Pace::Load] {
        let mut seen = HashSet::new();
        for publish in publishes(Options { pace, ..Options::default() }, 20_000) {
            let Expectation::Points { points, .. } = publish.expectation else { continue };
            for point in points {
                let ExpectedTime::Told(time) = point.time else { continue };
                assert!(seen.insert((point.device.clone(), time)), "{pace:?}: {point:?}");
                assert!(time <= NOW + 201_000_000_000, "never ahead of its clock");
            }
        }
        assert!(seen.len() > 5_000);
    }
}

#[test]
fn all_devices_speak() {
    let (mut topics, mut devices) = (HashSet::new(), HashSet::new());
    for publish in publishes(Options { trouble: false, ..Options::default() }, 1_000) {
        let Expectation::Points { points, rest: None } = publish.expectation else { panic!("{publish:?}") };
        devices.extend(points.into_iter().map(|point| point.device));
        topics.insert(publish.topic);
    }
    assert_eq!(devices.len(), 60);
    assert!(topics.iter().any(|topic| topic.starts_with("city/pasuruan/bugul-kidul/")));
}

#[test]
fn a_registry_that_cannot_be_simulated_is_named() {
    let odd = City::new("id,district,site,profile\nx,y,z,sundial\n", Options::default()).unwrap_err();
    assert!(odd.to_string().contains("sundial"), "{odd}");
    assert!(City::new("id,district,site,profile\n", Options::default()).is_err());
}
