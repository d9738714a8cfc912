//! Noise: a bare number, no time.

use std::sync::Arc;

use super::device::tenths;
use super::{ExpectedPoint, ExpectedTime};

pub(super) fn reading(device: &Arc<str>, rng: &mut fastrand::Rng) -> (String, ExpectedPoint) {
    let level = tenths(rng.i32(450..=850));
    let point = ExpectedPoint::new("noise", device, ExpectedTime::Receive).good("laeq_dba", level);
    (level.to_string(), point)
}
