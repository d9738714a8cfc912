//! Sensors in the ground of parking lots: Bosch TPS110 behind ChirpStack, which hands on the raw frame.

use super::device::Device;
use super::formats::chirpstack::{self, Uplink};
use super::{ExpectedPoint, ExpectedTime};

/// The port of a change; a heartbeat has another.
const CHANGE: u8 = 1;

/// A reading at `told`, Unix time in nanoseconds of whole milliseconds.
pub(super) fn reading(device: &Device, told: i64, rng: &mut fastrand::Rng) -> (String, ExpectedPoint) {
    let (occupied, temperature) = (u8::from(rng.bool()), rng.i8(24..=58));
    let [temperature_byte] = temperature.to_be_bytes();
    let bytes = [occupied, temperature_byte];
    let uplink = Uplink { model: "TPS110", port: CHANGE, bytes: &bytes, object: None };
    let point = ExpectedPoint::new("parking", &device.id, ExpectedTime::Told(told))
        .good("occupied_state", occupied.into())
        .good("device_temperature_c", temperature.into());
    (chirpstack::up(device, told, &uplink), chirpstack::heard(point, device))
}
