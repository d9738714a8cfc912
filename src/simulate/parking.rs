//! Parking: a word for the state, time in milliseconds, as JSON or inside a request to Antares.

use super::device::{Device, Kind};
use super::formats::antares;
use super::{ExpectedPoint, ExpectedTime};

pub(super) fn reading(device: &Device, told: i64, rng: &mut fastrand::Rng) -> (String, ExpectedPoint) {
    let (word, value) = if rng.bool() { ("occupied", 1.0) } else { ("free", 0.0) };
    let told_state = format!(r#"{{"ts":{},"status":"{word}"}}"#, told.div_euclid(1_000_000));
    let payload = match device.kind {
        Kind::Antares => antares::request(device, &told_state),
        _ => told_state,
    };
    let point =
        ExpectedPoint::new("parking", &device.id, ExpectedTime::Told(told)).good("occupied_state", value);
    (payload, point)
}
