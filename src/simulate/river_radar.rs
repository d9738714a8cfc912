//! River radars: Milesight EM410-RDL behind ChirpStack, which hands on the raw frame; they tell the distance to the water.

use super::device::{Device, tenths, thousandths};
use super::formats::chirpstack::{self, Uplink};
use super::{ExpectedPoint, ExpectedTime};

/// What a radar measures, in the units of its frame.
struct Radar {
    battery_pct: u8,
    temperature_tenths: i16,
    distance_mm: i16,
}

impl Radar {
    fn random(rng: &mut fastrand::Rng) -> Self {
        Self {
            battery_pct: rng.u8(60..=100),
            temperature_tenths: rng.i16(250..=400),
            distance_mm: rng.i16(2_000..=6_000),
        }
    }

    /// Channels of battery, temperature, distance and position (upright), little endian.
    fn frame(&self) -> Vec<u8> {
        let mut frame = vec![0x01, 0x75, self.battery_pct, 0x03, 0x67];
        frame.extend(self.temperature_tenths.to_le_bytes());
        frame.extend([0x04, 0x82]);
        frame.extend(self.distance_mm.to_le_bytes());
        frame.extend([0x05, 0x00, 0x00]);
        frame
    }
}

/// A reading at `told`, Unix time in nanoseconds of whole milliseconds.
pub(super) fn reading(device: &Device, told: i64, rng: &mut fastrand::Rng) -> (String, ExpectedPoint) {
    let radar = Radar::random(rng);
    let point = ExpectedPoint::new("water_level", &device.id, ExpectedTime::Told(told))
        .good("water_distance_m", thousandths(radar.distance_mm.into()))
        .good("device_temperature_c", tenths(radar.temperature_tenths.into()))
        .good("battery_level_pct", radar.battery_pct.into())
        .good("tilt", 0.0);
    (payload(device, told, &radar.frame()), chirpstack::heard(point, device))
}

/// A frame that ends within the distance.
pub(super) fn cut_off(device: &Device, told: i64, rng: &mut fastrand::Rng) -> String {
    let mut frame = Radar::random(rng).frame();
    frame.truncate(10);
    payload(device, told, &frame)
}

fn payload(device: &Device, told: i64, frame: &[u8]) -> String {
    chirpstack::up(device, told, &Uplink { model: "EM410-RDL", port: 85, bytes: frame, object: None })
}
