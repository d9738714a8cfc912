//! Air quality over LoRaWAN: ChirpStack v4 `up` events with a decoded `object`, and `join` events.

use super::device::{APPLICATION, Device, hundredths, tenths};
use super::{ExpectedPoint, ExpectedTime};

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
        format!(
            r#"{{"deduplicationId":"{}","time":"{}","deviceInfo":{},"devAddr":"00189440","fCnt":{},"fPort":1,"data":"qg==","object":{{"pm2_5":{pm25},"pm10":{pm10},"co2":{co2},"temperature":{temperature},"humidity":{humidity},"battery":{battery}}},"rxInfo":[{{"gatewayId":"0016c001f153a14c","rssi":-36,"snr":10.5}}]}}"#,
            deduplication_id(device),
            time(told),
            device_info(device),
            frame_count(device),
        )
    }

    /// The point with its temperature under a flag of its own.
    pub(super) fn point(&self, device: &Device, told: i64, flag: u8) -> ExpectedPoint {
        ExpectedPoint::new("air_quality", &device.id, ExpectedTime::Told(told))
            .flagged("air_temperature_c", self.temperature, flag)
            .good("pm25_ugm3", self.pm25)
            .good("pm10_ugm3", self.pm10)
            .good("co2_ppm", self.co2)
            .good("relative_humidity_pct", self.humidity)
            .good("battery_v", self.battery)
            .good("signal_rssi_dbm", -36.0)
            .good("signal_snr_db", 10.5)
            .good("frame_count", frame_count(device))
    }
}

/// How many frames the device has sent, this one included.
fn frame_count(device: &Device) -> f64 {
    u32::try_from(device.made.saturating_add(1)).unwrap_or(u32::MAX).into()
}

/// A reading at `told`, Unix time in nanoseconds of whole milliseconds.
pub(super) fn reading(device: &Device, told: i64, rng: &mut fastrand::Rng) -> (String, ExpectedPoint) {
    let air = Air::random(rng);
    (air.payload(device, told), air.point(device, told, 1))
}

/// Topic and payload of a join: the node came (back) to the network, no reading.
pub(super) fn join(device: &Device, told: i64) -> (String, String) {
    let payload = format!(
        r#"{{"deduplicationId":"{}","time":"{}","deviceInfo":{},"devAddr":"00189440"}}"#,
        deduplication_id(device),
        time(told),
        device_info(device)
    );
    (device.topic.replace("/event/up", "/event/join"), payload)
}

fn device_info(device: &Device) -> String {
    let name = serde_json::Value::from(device.site.as_str());
    format!(
        r#"{{"applicationId":"{APPLICATION}","applicationName":"Kualitas udara","deviceProfileName":"air","deviceName":{name},"devEui":"{}"}}"#,
        device.id
    )
}

fn deduplication_id(device: &Device) -> String {
    format!("3ac7e3c4-4401-4b8d-9386-{:012x}", device.made & 0xffff_ffff_ffff)
}

/// `2026-11-24T03:00:00.000000000+00:00`
fn time(told: i64) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(told)).unwrap_or_default();
    format!("{:.9}+00:00", jiff::tz::Offset::UTC.to_datetime(time))
}
