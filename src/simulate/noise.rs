//! Noise: a bare number or a Cayenne LPP frame, no time.

use std::sync::Arc;

use super::device::{Device, distinct, hundredths, thousandths};
use super::{ExpectedPoint, ExpectedTime};

/// The `number` of the publish decides the level: without a time, only its value tells one reading from another.
pub(super) fn reading(device: &Arc<str>, number: u64) -> (String, ExpectedPoint) {
    let level = thousandths(45_000 + distinct(number, 40_000));
    let point = ExpectedPoint::new("noise", device, ExpectedTime::Receive).good("laeq_dba", level);
    (level.to_string(), point)
}

/// A frame with the level as analog input on channel 1: hundredths, big endian.
pub(super) fn lpp(device: &Device) -> (Vec<u8>, ExpectedPoint) {
    let level = 4_500 + distinct(device.made, 4_000);
    let point =
        ExpectedPoint::new("noise", &device.id, ExpectedTime::Receive).good("laeq_dba", hundredths(level));
    let [.., high, low] = level.to_be_bytes();
    (vec![1, 2, high, low], point)
}
