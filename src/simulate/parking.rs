//! Parking: a word for the state, time in milliseconds.

use super::device::Device;
use super::{ExpectedPoint, ExpectedTime};

pub(super) fn reading(device: &Device, told: i64, rng: &mut fastrand::Rng) -> (String, ExpectedPoint) {
    let (word, value) = if rng.bool() { ("occupied", 1.0) } else { ("free", 0.0) };
    let payload = format!(r#"{{"ts":{},"status":"{word}"}}"#, told.div_euclid(1_000_000));
    let point =
        ExpectedPoint::new("parking", &device.id, ExpectedTime::Told(told)).good("occupied_state", value);
    (payload, point)
}
