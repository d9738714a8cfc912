//! Noise: a bare number, no time.

use std::sync::Arc;

use super::device::{distinct, thousandths};
use super::{ExpectedPoint, ExpectedTime};

/// The `number` of the publish decides the level: without a time, only its value tells one reading from another.
pub(super) fn reading(device: &Arc<str>, number: u64) -> (String, ExpectedPoint) {
    let level = thousandths(45_000 + distinct(number, 40_000));
    let point = ExpectedPoint::new("noise", device, ExpectedTime::Receive).good("laeq_dba", level);
    (level.to_string(), point)
}
