//! Weather: nested JSON with an ISO time in local time, or InfluxDB's line protocol.

use super::device::{Device, Kind, tenths};
use super::{ExpectedPoint, ExpectedTime};

/// What a station measures, in the units of its payload.
pub(super) struct Weather {
    /// As JSON text, so that a broken sensor can say what it likes.
    pub(super) temperature: String,
    pub(super) humidity: f64,
    pub(super) pressure: f64,
    pub(super) wind: f64,
    pub(super) direction: f64,
    pub(super) rain: f64,
}

impl Weather {
    /// Calm weather: no two readings differ by more than a minute may bring, in whatever order they are told.
    pub(super) fn random(rng: &mut fastrand::Rng) -> (Self, f64) {
        let temperature = tenths(rng.i32(270..=299));
        let weather = Self {
            temperature: temperature.to_string(),
            humidity: tenths(rng.i32(750..=849)),
            pressure: tenths(rng.i32(10_090..=10_095)),
            wind: tenths(rng.i32(0..=80)),
            direction: f64::from(rng.i32(0..360)),
            rain: tenths(rng.i32(0..=20)),
        };
        (weather, temperature)
    }

    pub(super) fn payload(&self, told: i64) -> String {
        let Self { temperature, humidity, pressure, wind, direction, rain } = self;
        let time = local_time(told);
        format!(
            r#"{{"time":"{time}","data":{{"temp":{temperature},"hum":{humidity},"press":{pressure},"wind_speed":{wind},"wind_dir":{direction},"rain":{rain}}}}}"#
        )
    }

    /// As Telegraf hands it on; `told` is Unix time in nanoseconds.
    fn line(&self, device: &Device, told: i64) -> String {
        let Self { temperature, humidity, pressure, wind, direction, rain } = self;
        format!(
            "weather,device={},host=gateway-2 temperature={temperature},humidity={humidity},pressure={pressure},wind_speed={wind},wind_dir={direction},rain={rain} {told}\n",
            device.id
        )
    }

    /// The point without its temperature.
    pub(super) fn point(&self, device: &Device, told: i64) -> ExpectedPoint {
        ExpectedPoint::new("weather", &device.id, ExpectedTime::Told(told))
            .good("relative_humidity_pct", self.humidity)
            .good("air_pressure_hpa", self.pressure)
            .good("wind_speed_ms", self.wind)
            .good("wind_from_direction_deg", self.direction)
            .good("rain_mm", self.rain)
    }
}

/// A reading at `told`, Unix time in nanoseconds of whole milliseconds.
pub(super) fn reading(device: &Device, told: i64, rng: &mut fastrand::Rng) -> (String, ExpectedPoint) {
    let (weather, temperature) = Weather::random(rng);
    let point = weather.point(device, told).good("air_temperature_c", temperature);
    let payload = match device.kind {
        Kind::Telegraf => weather.line(device, told),
        _ => weather.payload(told),
    };
    (payload, point)
}

/// `2026-11-24T10:00:00.000+07:00`: western Indonesia's time, seven hours ahead of UTC.
fn local_time(told: i64) -> String {
    let ahead = jiff::tz::Offset::constant(7);
    let time = jiff::Timestamp::from_nanosecond(i128::from(told)).unwrap_or_default();
    format!("{:.3}+07:00", ahead.to_datetime(time))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_time_is_local() {
        assert_eq!(super::local_time(1_700_000_000_250_000_000), "2023-11-15T05:13:20.250+07:00");
    }
}
