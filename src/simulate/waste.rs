//! Waste bins: numbers as text, no time.

use super::device::{Device, hundredths, tenths};
use super::{ExpectedPoint, ExpectedTime};

pub(super) fn reading(device: &Device, rng: &mut fastrand::Rng) -> (String, ExpectedPoint) {
    let fill = f64::from(rng.i32(0..=100));
    let temperature = tenths(rng.i32(260..=420));
    let battery = hundredths(rng.i32(330..=365));
    let payload = format!(r#"{{"fill":"{fill}","temp":"{temperature}","bat":"{battery}"}}"#);
    let point = ExpectedPoint::new("waste", &device.id, ExpectedTime::Receive)
        .good("fill_level_pct", fill)
        .good("container_temperature_c", temperature)
        .good("battery_v", battery);
    (payload, point)
}
