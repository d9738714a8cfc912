//! Sensor.Community's airRohr at people's homes: pairs of name and number text, no time.

use super::device::{Device, distinct, hundredths, tenths};
use super::{ExpectedPoint, ExpectedTime};

pub(super) fn reading(device: &Device, rng: &mut fastrand::Rng) -> (String, ExpectedPoint) {
    // Without a time, only the values tell one reading from another.
    let fine = 400 + distinct(device.made, 8_000);
    let (pm25, pm10) = (hundredths(fine), hundredths(fine + rng.i32(50..=4_000)));
    let (temperature, humidity) = (tenths(rng.i32(280..=309)), tenths(rng.i32(600..=699)));
    let signal = rng.i32(-90..=-50);
    // P1 is PM10 and P2 is PM2.5.
    let payload = format!(
        r#"{{"esp8266id":"{}","software_version":"NRZ-2020-133","sensordatavalues":[{{"value_type":"SDS_P1","value":"{pm10:.2}"}},{{"value_type":"SDS_P2","value":"{pm25:.2}"}},{{"value_type":"temperature","value":"{temperature:.2}"}},{{"value_type":"humidity","value":"{humidity:.2}"}},{{"value_type":"signal","value":"{signal}"}}]}}"#,
        device.id,
    );
    let point = ExpectedPoint::new("air_quality", &device.id, ExpectedTime::Receive)
        .good("pm10_ugm3", pm10)
        .good("pm25_ugm3", pm25)
        .good("air_temperature_c", temperature)
        .good("relative_humidity_pct", humidity)
        .good("signal_rssi_dbm", signal.into());
    (payload, point)
}
