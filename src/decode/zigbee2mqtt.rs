//! Format `zigbee2mqtt`: what Zigbee2MQTT publishes of its devices, below its base topic.
//!
//! Source: its documentation, "MQTT Topics and Messages" and the settings `advanced.last_seen` and
//! `mqtt.include_device_information`. Setting: `base`, its base topic (default `zigbee2mqtt`).
//!
//! - *Device*: all levels below the base topic; a friendly name may hold slashes. A group is a device here.
//! - *Time*: `last_seen` (ISO 8601, or milliseconds), where it is turned on; else none is told. The whole state is
//!   published whenever any part changed, so values look newer than they are: `last_seen` says when the device spoke.
//! - *Not data*: `bridge/…`, `…/availability`, `…/set`, `…/get`; of a state `update`, `update_available` and `device`,
//!   of which the model is kept.
//! - *Units* are those of its "exposes": °C, %, hPa, lx, W, V, A, kWh; the voltage of a battery is in mV. None is told.
//! - `null` is told of what has not been reported yet. Numbers may come as text from old converters.
//! - Single attributes as topics of their own (`output: attribute`) are not read: use `value` for those.

use std::borrow::Cow;

use super::told::TimeFormat;
use super::{Decoded, Hints, pick};
use crate::outcome::{Reason, Rejection};
use crate::reading::Sample;
use crate::settings::Section;

#[derive(Debug, Clone)]
pub struct Settings {
    pub base: String,
}

impl Settings {
    pub(super) fn read(section: &mut Section) -> Self {
        Self { base: section.get("base", "zigbee2mqtt".to_owned()) }
    }
}

pub(super) fn decode<'a>(
    settings: &Settings,
    topic: &'a str,
    text: &'a str,
    hints: &Hints<'_>,
) -> Result<Decoded<'a>, Rejection> {
    let below = topic.strip_prefix(&*settings.base).and_then(|below| below.strip_prefix('/'));
    let Some(device) = below.filter(|device| !device.is_empty()) else {
        let detail = format!("the topic does not lie below \"{}\"; set base in the route", settings.base);
        return Err(Rejection::new(Reason::NoDevice, detail));
    };
    let kind = match device.rsplit_once('/') {
        _ if device == "bridge" || device.starts_with("bridge/") => Some("of the bridge, not of a device"),
        Some((_, "availability")) => Some("a device's availability"),
        Some((_, "set" | "get")) => Some("a command"),
        _ if device.contains("/set/") || device.contains("/get/") => Some("a command"),
        _ => None,
    };
    if let Some(kind) = kind {
        return Ok(Decoded::NotData(kind.to_owned()));
    }
    let mut readings = pick::object(text, &["device.model"], hints)?;
    let time = pick::take_time(&mut readings, "last_seen", TimeFormat::Auto, hints.zone)?;
    let model = pick::take_text(&mut readings, "device.model");
    readings.retain(|reading| {
        let about = reading.name.split_once('.').map_or(&*reading.name, |(outer, _)| outer);
        !matches!(about, "device" | "update" | "update_available")
    });
    let device = Some(Cow::Borrowed(device));
    Ok(Decoded::Samples { samples: vec![Sample { device, model, time, readings }], rest: None })
}
