//! Waste bins: numbers as text in JSON or UltraLight 2.0, no time.

use super::device::{Device, Kind, distinct, tenths, thousandths};
use super::{ExpectedPoint, ExpectedTime};

/// A key of the simulated FIWARE agent.
const API_KEY: &str = "k2pasuruan7waste4demo1key9";

/// Where a bin publishes that speaks UltraLight.
pub(super) fn ultralight_topic(device: &str) -> String {
    format!("/ul/{API_KEY}/{device}/attrs")
}

pub(super) fn reading(device: &Device, rng: &mut fastrand::Rng) -> (String, ExpectedPoint) {
    let fill = f64::from(rng.i32(0..=100));
    // Without a time, only the values tell one reading from another.
    let temperature = tenths(260 + distinct(device.made / 350, 161));
    let battery = thousandths(3_300 + distinct(device.made, 350));
    let payload = match device.kind {
        Kind::Ultralight => format!("fill|{fill}|temp|{temperature}|bat|{battery}"),
        _ => format!(r#"{{"fill":"{fill}","temp":"{temperature}","bat":"{battery}"}}"#),
    };
    let point = ExpectedPoint::new("waste", &device.id, ExpectedTime::Receive)
        .good("fill_level_pct", fill)
        .good("container_temperature_c", temperature)
        .good("battery_v", battery);
    (payload, point)
}
