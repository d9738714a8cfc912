//! Weather stations that speak SenML (RFC 8428): one pack with base values, units and two moments a second apart.

use super::device::{Device, SECOND, tenths};
use super::{ExpectedPoint, ExpectedTime};

/// Calm weather, as with the other stations: see there.
pub(super) fn reading(device: &Device, told: i64, rng: &mut fastrand::Rng) -> (String, Vec<ExpectedPoint>) {
    let (earlier, now) = (tenths(rng.i32(270..=299)), tenths(rng.i32(270..=299)));
    let humidity = tenths(rng.i32(750..=849));
    let pressure = rng.i32(10_090..=10_095);
    let wind = rng.i32(0..=80);
    let direction = f64::from(rng.i32(0..360));
    let rain = tenths(rng.i32(0..=20));
    // Pascal and km/h on the wire, hPa and m/s in the store: these units have to be converted.
    let (pascal, kmh) = (pressure * 10, f64::from(wind * 36) / 100.0);
    let payload = format!(
        r#"[{{"bn":"{}:","bt":{},"bu":"Cel","n":"temperature","t":-1,"v":{earlier}}},{{"n":"temperature","v":{now}}},{{"n":"humidity","u":"%RH","v":{humidity}}},{{"n":"pressure","u":"Pa","v":{pascal}}},{{"n":"wind_speed","u":"km/h","v":{kmh}}},{{"n":"wind_dir","u":"deg","v":{direction}}},{{"n":"rain","u":"mm","v":{rain}}}]"#,
        device.id,
        told.div_euclid(SECOND),
    );
    let point = |time| ExpectedPoint::new("weather", &device.id, ExpectedTime::Told(time));
    let points = vec![
        point(told.saturating_sub(SECOND)).good("air_temperature_c", earlier),
        point(told)
            .good("air_temperature_c", now)
            .good("relative_humidity_pct", humidity)
            .good("air_pressure_hpa", tenths(pressure))
            .good("wind_speed_ms", tenths(wind))
            .good("wind_from_direction_deg", direction)
            .good("rain_mm", rain),
    ];
    (payload, points)
}

/// A pack with a label that a receiver must understand, and that nobody does.
pub(super) fn not_understood(device: &Device, told: i64) -> String {
    let seconds = told.div_euclid(SECOND);
    format!(
        r#"[{{"bn":"{}:","bt":{seconds},"n":"temperature","u":"Cel","v":27.5,"calibration_":3}}]"#,
        device.id
    )
}
