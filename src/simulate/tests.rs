//! The city speaks many formats, and the service reads in each message exactly what its sensor meant.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::config::{self, DEMO_DEVICES};
use crate::message::Record;
use crate::point::{FieldValue, Point};
use crate::transform::{Decision, State};

const NOW: i64 = 1_795_489_200_000_000_000;
const FORMATS: &str = include_str!("../../docs/formats.md");

/// Publishes of a city of these devices with their times of receipt, a hundred a second.
fn publishes(registry: &str, pace: Pace, trouble: bool) -> Vec<(Publish, Record)> {
    let mut city = City::new(registry, Options { pace, trouble, ..Options::default() }).unwrap();
    let one = |number: i64| {
        let now = NOW + number * 10_000_000;
        let publish = city.next(now);
        let (topic, payload) = (publish.topic.clone().into_bytes(), publish.payload.clone());
        let record = Record::pasted(topic.into(), payload.into(), now, publish.retain);
        (publish, record)
    };
    (0..3_000).map(one).collect()
}

#[test]
fn it_speaks_at_least_ten_formats_and_three_models_through_codecs() {
    let config = config::shipped([]).unwrap();
    let (mut formats, mut codecs) = (BTreeSet::new(), BTreeSet::new());
    for (publish, record) in publishes(DEMO_DEVICES, Pace::Live, false) {
        let story = config.transform.explain(&record, &State::default());
        assert_eq!(story.decision.outcome, "stored", "{publish:?}: {:?}", story.decision);
        formats.extend(story.format);
        let read_by = story.notes.iter().filter_map(|note| note.rsplit_once(", read by "));
        codecs.extend(read_by.map(|(_, decoder)| decoder.to_owned()));
    }
    assert!(formats.len() >= 10, "{formats:?}");
    assert_eq!(
        codecs.iter().map(String::as_str).collect::<Vec<_>>(),
        ["airwits_pm.js", "bosch_tps110.js", "milesight_em410_rdl.js"]
    );
    let line = FORMATS.lines().find(|line| line.starts_with("The demo's city speaks")).unwrap();
    let told: BTreeSet<_> = line.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert_eq!(told, formats, "docs/formats.md: {line}");
}

/// Measurement, device and time of a point, with its fields; a flag of 2 is as good as 1.
type Comparable = (String, String, i64, BTreeMap<String, String>);

fn field(name: &str, value: f64) -> (String, String) {
    let value = if name.ends_with("_qc") && value == 2.0 { 1.0 } else { value };
    (name.to_owned(), format!("{value:.9}"))
}

fn stored(point: &Point) -> Comparable {
    let device = point.tags.iter().find(|(key, _)| &**key == "device").unwrap();
    let values = point.stored().filter(|(name, _)| *name != "delay_s").map(|(name, value)| {
        let value = match value {
            FieldValue::Float(value) => value,
            FieldValue::Integer(flag) => f64::from(i32::try_from(flag).unwrap()),
            other => panic!("{name}: {other:?}"),
        };
        field(name, value)
    });
    (point.measurement.to_string(), device.1.to_string(), point.time, values.collect())
}

fn meant(point: &ExpectedPoint, received: i64) -> Comparable {
    let time = match point.time {
        ExpectedTime::Told(time) => time,
        ExpectedTime::Receive => received,
    };
    let fields = point.fields.iter().map(|(name, value)| field(name, *value));
    (point.measurement.to_owned(), point.device.to_string(), time, fields.collect())
}

#[test]
fn every_message_is_read_as_its_sensor_meant_it() {
    let config = config::shipped([]).unwrap();
    for pace in [Pace::Live, Pace::Load] {
        let mut state = State::default();
        for (publish, record) in publishes(DEMO_DEVICES, pace, true) {
            let mut points = Vec::new();
            let decision = config.transform.apply(&record, &mut state, &mut points);
            let mut found: Vec<_> = points.iter().map(stored).collect();
            let (mut wanted, fits) = match (&publish.expectation, &decision) {
                (Expectation::Points { points, rest }, Decision::Points { rest: found }) => (
                    points.iter().map(|point| meant(point, record.received)).collect(),
                    *rest == found.as_ref().map(|rejection| rejection.reason),
                ),
                (Expectation::Quarantined(reason), Decision::Quarantine(rejection))
                | (Expectation::Discarded(reason), Decision::Discard(rejection)) => {
                    (Vec::new(), *reason == rejection.reason)
                }
                _ => (Vec::new(), false),
            };
            assert!(fits, "{publish:?}: {decision:?}");
            found.sort();
            wanted.sort();
            assert_eq!(found, wanted, "{publish:?}");
        }
    }
}

#[test]
fn of_a_crowd_that_the_registry_does_not_know_everything_is_stored_too() {
    let config = config::shipped([]).unwrap();
    let [crowd] = crowd::registries(DEMO_DEVICES, 500, 1).unwrap().try_into().unwrap();
    let (mut state, mut points) = (State::default(), Vec::new());
    for (publish, record) in publishes(&crowd, Pace::Live, false) {
        points.clear();
        let decision = config.transform.apply(&record, &mut state, &mut points);
        assert!(matches!(decision, Decision::Points { rest: None }), "{publish:?}: {decision:?}");
        let Expectation::Points { points: wanted, .. } = &publish.expectation else { panic!("{publish:?}") };
        let meant: BTreeSet<_> = wanted.iter().map(|point| meant(point, record.received)).collect();
        assert_eq!(points.iter().map(stored).collect::<BTreeSet<_>>(), meant, "{publish:?}");
    }
    assert!(state.unregistered_devices() > 400, "{}", state.unregistered_devices());
}
