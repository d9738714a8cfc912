//! Air quality over LoRaWAN: nodes whose frames ChirpStack decodes itself.

use super::device::{Device, hundredths, tenths};
use super::formats::chirpstack::{self, Uplink};
use super::{ExpectedPoint, ExpectedTime};

/// ChirpStack's device profile.
const MODEL: &str = "air";

/// What a node measures, in the units of its payload.
pub(super) struct Air {
    pub(super) temperature: f64,
    pub(super) pm25: f64,
    pub(super) pm10: f64,
    pub(super) co2: f64,
    pub(super) humidity: f64,
    pub(super) battery: f64,
}

impl Air {
    pub(super) fn random(rng: &mut fastrand::Rng) -> Self {
        let fine = rng.i32(50..=900);
        Self {
            temperature: tenths(rng.i32(280..=309)),
            pm25: tenths(fine),
            pm10: tenths(fine + rng.i32(10..=500)),
            co2: f64::from(rng.i32(400..=900)),
            humidity: tenths(rng.i32(600..=699)),
            battery: hundredths(rng.i32(340..=390)),
        }
    }

    pub(super) fn payload(&self, device: &Device, told: i64) -> String {
        let Self { temperature, pm25, pm10, co2, humidity, battery } = self;
        let object = format!(
            r#"{{"pm2_5":{pm25},"pm10":{pm10},"co2":{co2},"temperature":{temperature},"humidity":{humidity},"battery":{battery}}}"#
        );
        let uplink = Uplink { model: MODEL, port: 1, bytes: &[0xaa], object: Some(&object) };
        chirpstack::up(device, told, &uplink)
    }

    /// The point with its temperature under a flag of its own.
    pub(super) fn point(&self, device: &Device, told: i64, flag: u8) -> ExpectedPoint {
        let point = ExpectedPoint::new("air_quality", &device.id, ExpectedTime::Told(told))
            .flagged("air_temperature_c", self.temperature, flag)
            .good("pm25_ugm3", self.pm25)
            .good("pm10_ugm3", self.pm10)
            .good("co2_ppm", self.co2)
            .good("relative_humidity_pct", self.humidity)
            .good("battery_v", self.battery);
        chirpstack::heard(point, device)
    }
}

/// A reading at `told`, Unix time in nanoseconds of whole milliseconds.
pub(super) fn reading(device: &Device, told: i64, rng: &mut fastrand::Rng) -> (String, ExpectedPoint) {
    let air = Air::random(rng);
    (air.payload(device, told), air.point(device, told, 1))
}

/// Topic and payload of a join.
pub(super) fn join(device: &Device, told: i64) -> (String, String) {
    chirpstack::join(device, told, MODEL)
}
