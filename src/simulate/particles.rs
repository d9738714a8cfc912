//! Particulate matter: AirWits PM behind The Things Stack, which hands on the raw frame.

use super::device::{Device, tenths};
use super::formats::things_stack;
use super::{ExpectedPoint, ExpectedTime};

/// A reading at `told`, Unix time in nanoseconds of whole milliseconds.
pub(super) fn reading(device: &Device, told: i64, rng: &mut fastrand::Rng) -> (String, ExpectedPoint) {
    let temperature = rng.u16(280..=309);
    let humidity = rng.u8(60..=69);
    let fine = rng.u16(5..=90);
    let (finest, coarse) = (fine / 2, fine.saturating_add(rng.u16(1..=50)));
    // Flags and firmware, then tenths of a degree above -40, big endian like what follows.
    let mut frame = vec![0x21];
    frame.extend(temperature.saturating_add(400).to_be_bytes());
    frame.push(humidity);
    for particles in [finest, fine, coarse] {
        frame.extend(particles.to_be_bytes());
    }
    let point = ExpectedPoint::new("air_quality", &device.id, ExpectedTime::Told(told))
        .good("air_temperature_c", tenths(temperature.into()))
        .good("relative_humidity_pct", humidity.into())
        .good("pm1_ugm3", finest.into())
        .good("pm25_ugm3", fine.into())
        .good("pm10_ugm3", coarse.into());
    (things_stack::up(device, told, 2, &frame), things_stack::heard(point, device))
}
