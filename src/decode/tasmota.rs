//! Format `tasmota`: telemetry of Tasmota devices (its documentation, MQTT and Sensor configuration).
//!
//! `tele/<topic>/SENSOR` and `/STATE` give readings, called by sensor and name: `BME280.Temperature`,
//! `ENERGY.Power`; phases of a meter are counted from 0. `/LWT` (Online, Offline) and all other last levels in capitals
//! (`RESULT`, `INFO1`) are none. Units: `TempUnit` and `PressureUnit` of the message.
//! Traps: `Time` is local without a zone unless the device is told otherwise, or, by its setting, a number; `Epoch`
//! stands beside it then; before NTP it is 1970; channels that are switched off are null.

use super::flatten::flatten_object;
use super::told::TimeFormat;
use super::{Decoded, Hints, pick};
use crate::outcome::{Reason, Rejection};
use crate::reading::{ReadingValue, Sample};

pub(super) fn decode<'a>(topic: &str, text: &'a str, hints: &Hints<'_>) -> Result<Decoded<'a>, Rejection> {
    let last = topic.rsplit('/').next().unwrap_or_default();
    match last {
        "SENSOR" | "STATE" => {}
        "LWT" => return Ok(Decoded::NotData(format!("the device went {}", super::shown(text.trim())))),
        _ if topic.starts_with("stat/") || is_kind(last) => {
            return Ok(Decoded::NotData(format!("a {} message", super::shown(last))));
        }
        _ => {}
    }
    if !text.trim_start().starts_with('{') {
        return Err(Rejection::new(Reason::Malformed, "a Tasmota message is a JSON object"));
    }
    let samples = flatten_object(text, hints)?;
    let mut readings = samples.into_iter().next().map(|sample| sample.readings).unwrap_or_default();
    let (epoch, local) = (pick::once(&mut readings, "Epoch")?, pick::once(&mut readings, "Time")?);
    let epoch = pick::time(epoch, "Epoch", TimeFormat::Auto, hints.zone)?;
    let time = match epoch {
        Some(_) => epoch,
        None => pick::time(local, "Time", TimeFormat::Auto, hints.zone)?,
    };
    let [degrees, pressure, _] =
        ["TempUnit", "PressureUnit", "SpeedUnit"].map(|name| pick::take(&mut readings, name));
    let unit = |told: Option<ReadingValue<'a>>| match told {
        Some(ReadingValue::Text(unit)) => Some(unit),
        _ => None,
    };
    let (degrees, pressure) = (unit(degrees), unit(pressure));
    for reading in &mut readings {
        reading.unit =
            match reading.name.rsplit('.').find(|level| !level.starts_with(|c: char| c.is_ascii_digit())) {
                Some("Temperature" | "DewPoint") => degrees.clone(),
                Some("Pressure" | "SeaPressure") => pressure.clone(),
                _ => None,
            };
    }
    let sample = Sample { time, readings, ..Sample::default() };
    Ok(Decoded::Samples { samples: vec![sample], rest: None })
}

/// A last level that Tasmota uses for other messages.
pub(super) fn is_kind(level: &str) -> bool {
    ["RESULT", "STATUS", "INFO", "POWER", "UPTIME", "MARGINS", "WAKEUP"].iter().any(|kind| {
        level.strip_prefix(kind).is_some_and(|left| left.bytes().all(|byte| byte.is_ascii_digit()))
    })
}
