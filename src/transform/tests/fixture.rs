//! What the tests of the transform stand on: routes, profiles, one registered device, a record.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::catalogue::{Catalogue, Mapping, Profile, Profiles};
use crate::message::{Message, Record};
use crate::quantity::Quantity;
use crate::registry::{Device, Registry};
use crate::settings::{Problems, Section};
use crate::transform::{Config, Transform};

pub(super) const NOW: i64 = 1_760_000_000_123_456_789;
pub(super) const NOW_SECONDS: i64 = 1_760_000_000;

pub(super) const ROUTES: &str = r#"
[[routes]]
topic = "city/{city}/{district}/{device}/{kind}"
format = "json"
device = "id"
time = "ts"
profile = "air"

[[routes]]
topic = "raw/#"
format = "json"
device = "id"
time = "ts"
destination = "second"
measurement = "noise"
city = "pasuruan"
retained = "accept"

[[routes]]
topic = "dead/{device}"
format = "json"
retained = "discard"
"#;

/// A catalogue of one quantity, three profiles and one registered device, `NODE-7`.
pub(super) fn build(text: &str) -> Transform {
    let (config, problems) = config(text);
    assert_eq!(problems, Vec::<String>::new());
    let quantity = Arc::new(Quantity {
        name: "air_temperature_c".into(),
        qc_name: "air_temperature_c_qc".into(),
        failed_name: "air_temperature_c_failed".into(),
        impossible: Some((-50.0, 60.0)),
        suspect: None,
    });
    let mapping = |name: &str, channel: Option<&str>| {
        (name.to_owned(), Mapping { quantity: Arc::clone(&quantity), channel: channel.map(Arc::from) })
    };
    let profile = |name: &str, measurement: Option<&str>, names: Vec<(String, Mapping)>| {
        let names = names.into_iter().collect();
        let measurement = measurement.map(Arc::from);
        Arc::new(Profile { name: name.into(), measurement, number_text: false, names })
    };
    let node =
        profile("node", Some("weather"), vec![mapping("t1", Some("low")), mapping("t2", Some("high"))]);
    let profiles = Profiles(HashMap::from([
        ("generic".to_owned(), profile("generic", None, vec![])),
        ("air".to_owned(), profile("air", Some("air_quality"), vec![mapping("t", None)])),
    ]));
    let tags = [("city", "pasuruan"), ("device", "NODE-7"), ("site", "welang")];
    let tags = tags.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value))).collect();
    let device = Arc::new(Device { tags, profile: Some(node), zone: None });
    let registry = Arc::new(Registry(HashMap::from([("NODE-7".to_owned(), device)])));
    let catalogue = Arc::new(Catalogue(HashMap::from([("air_temperature_c".to_owned(), quantity)])));
    Transform::new(config, catalogue, &profiles, registry, jiff::tz::TimeZone::UTC).unwrap()
}

pub(super) fn transform() -> Transform {
    build(ROUTES)
}

pub(super) fn config(text: &str) -> (Config, Vec<String>) {
    let tree = ::config::Config::builder()
        .add_source(::config::File::from_str(text, ::config::FileFormat::Toml))
        .build()
        .unwrap();
    let problems = Problems::default();
    let table = tree.cache.into_table().unwrap();
    let mut root = Section::root(table.into_iter().collect(), problems.clone());
    let config = Config::read(&mut root);
    root.finish();
    (config, problems.into_vec().iter().map(ToString::to_string).collect())
}

pub(super) fn record(topic: &[u8], payload: &[u8]) -> Record {
    let message = Message {
        topic: Bytes::copy_from_slice(topic),
        payload: Bytes::copy_from_slice(payload),
        qos: 1,
        retain: false,
        dup: false,
        source: 0,
        session: 1,
        packet_id: 1,
        redelivery_of: None,
    };
    Record { seq: 1, received: NOW, clock_suspect: false, message }
}
