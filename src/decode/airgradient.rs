//! Format `airgradient`: monitors of AirGradient (ONE, Open Air) on `airgradient/readings/SERIAL`.
//!
//! Source: AirGradient's firmware (`OneOpenAir.ino`, `docs/local-server.md`). The payload is that of the local API.
//!
//! - *Time*: none is told. *Device*: `serialno`, else what the route captures. *Model*: `model`.
//! - *Units* by the documentation: °C, %, ppm, µg/m³, dBm; `tvocIndex` and `noxIndex` are Sensirion's indexes without
//!   a unit, counts are particles in a decilitre. None is told.
//! - *Names mislead*: `pm02` is PM2.5, `pm01` PM1, `rco2` carbon dioxide, `boot` the number of measurement cycles.
//! - *The same reading twice*: where a corrected value is told (`atmpCompensated`), the raw one (`atmp`) is passed
//!   over, and `bootCount` beside `boot`.
//! - *Missing*: a module that is not there, or has failed, has no members.

use super::{Decoded, Hints, pick};
use crate::outcome::Rejection;
use crate::reading::{ReadingValue, Sample};

pub(super) fn decode<'a>(text: &'a str, hints: &Hints<'_>) -> Result<Decoded<'a>, Rejection> {
    let mut readings = pick::object(text, &["serialno", "model"], hints)?;
    let device = match pick::once(&mut readings, "serialno")? {
        Some(ReadingValue::Text(serial)) => Some(serial).filter(|serial| !serial.is_empty()),
        _ => None,
    };
    let model = pick::take_text(&mut readings, "model");
    for about in ["firmware", "ledMode", "bootCount", "monitorDisplayCompensatedValues"] {
        pick::take(&mut readings, about);
    }
    for (raw, corrected) in
        [("atmp", "atmpCompensated"), ("rhum", "rhumCompensated"), ("pm02", "pm02Compensated")]
    {
        if readings.iter().any(|reading| reading.name == corrected) {
            pick::take(&mut readings, raw);
        }
    }
    let sample = Sample { device, model, time: None, readings };
    Ok(Decoded::Samples { samples: vec![sample], rest: None })
}
