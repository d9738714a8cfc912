//! What the tests of the transform stand on: routes, profiles, one registered device, a record.

use std::sync::Arc;

use bytes::Bytes;

use crate::catalogue::{Catalogue, Profiles};
use crate::message::{Message, Record};
use crate::registry::Registry;
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

const CATALOGUE: &str = "[quantities]
air_temperature_c = { impossible = [-50, 60] }
air_pressure_hpa = { impossible = [300, 1100] }
relative_humidity_pct = { impossible = [0, 100] }
energy_kwh = {}
lamp_on_state = { impossible = [0, 1] }
signal_snr_db = {}
rain_mm = {}
rain_total_mm = { counter = true }
";
const PROFILES: &str = r#"
[profiles.generic.names]
[profiles.air]
measurement = "air_quality"
names = { t = "air_temperature_c" }
[profiles.gauge]
models = ["G1"]
codec = "gauge.js"
port = [1, 85]
names = { t = "air_temperature_c" }
[profiles.node]
measurement = "weather"
[profiles.node.names]
t1 = { quantity = "air_temperature_c", channel = "low" }
t2 = { quantity = "air_temperature_c", channel = "high" }
[profiles.station]
measurement = "weather"
[profiles.station.names]
temperature = "air_temperature_c"
heat = { quantity = "air_temperature_c", unit = "°F", channel = "roof" }
pressure = "air_pressure_hpa"
humidity = "relative_humidity_pct"
"power.sum" = "energy_kwh"
lamp = "lamp_on_state"
snr = "signal_snr_db"
rain = "rain_mm"
rain_total = { quantity = "rain_total_mm", counter = true, rate_per_minute = 10 }
"#;
const DEVICES: &str = "\
id,city,district,site,latitude,longitude,profile,valid_from,time_zone,agency,datum_m
NODE-7,pasuruan,,welang,,,node,,,,
ST-1,pasuruan,bugul,pasar,,,station,,,,
ST-2,pasuruan,gadingrejo,balai,,,station,,,,
";

/// A small catalogue, four profiles, and the registered devices `NODE-7`, `ST-1` and `ST-2`.
pub(super) fn build(text: &str) -> Transform {
    let (config, problems) = config(text);
    assert_eq!(problems, Vec::<String>::new());
    let catalogue = Catalogue::load(CATALOGUE, "catalogue.toml").unwrap();
    let profiles = Profiles::load(&[("profiles.toml".to_owned(), PROFILES.to_owned())], &catalogue).unwrap();
    let zone = jiff::tz::TimeZone::UTC;
    let registry = Arc::new(Registry::load(DEVICES, "devices.csv", &zone, Some(&profiles)).unwrap());
    let catalogue = Arc::new(catalogue);
    Transform::new(config, catalogue, &profiles, registry, zone).unwrap()
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
