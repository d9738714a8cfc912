//! Format `chirpstack`: JSON events of ChirpStack v4 and v3 (its documentation, Integrations, Events).
//!
//! `up` gives the device's bytes, with the readings that ChirpStack's own codec made of them (`object`, in v3
//! `objectJSON`); `status` gives battery and link margin; everything else is no reading. The time is the gateway's or
//! the server's, never the sensor's; v3 tells one only where a gateway has GPS. proto3 JSON leaves out zero, false and
//! empty values, so any member may be missing. v3 writes the EUI as base64 or hex; both become lower-case hex, as v4
//! writes it. The topic's last level names the event; where it does not, the members do.
//! Format `chirpstack_protobuf`: the same events of v4 as Protocol Buffers (`protobuf.rs` beside this file).

pub(super) mod protobuf;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::bytes::{base64, hex};
use super::few::Few;
use super::flatten::flatten_object;
use super::told::{TimeFormat, Told};
use super::{Decoded, Hints, at, malformed};
use crate::outcome::{Reason, Rejection};
use crate::reading::{Reading, ReadingValue, Sample, Uplink};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(borrow)]
    time: Option<Cow<'a, str>>,
    #[serde(borrow)]
    device_info: Option<DeviceInfo<'a>>,
    /// v3.
    #[serde(borrow, rename = "devEUI")]
    dev_eui: Option<Cow<'a, str>>,
    /// v3.
    #[serde(borrow)]
    device_profile_name: Option<Cow<'a, str>>,
    /// v3.
    #[serde(borrow)]
    tags: Option<Tags<'a>>,
    #[serde(borrow)]
    object: Option<&'a RawValue>,
    /// v3.
    #[serde(borrow, rename = "objectJSON")]
    object_json: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<Cow<'a, str>>,
    margin: Option<f64>,
    battery_level: Option<f64>,
    #[serde(default)]
    external_power_source: bool,
    #[serde(default)]
    battery_level_unavailable: bool,
    f_cnt: Option<f64>,
    #[serde(default)]
    f_port: u16,
    /// `null` where no gateway is told.
    #[serde(borrow)]
    rx_info: Option<Few<RxInfo<'a>>>,
}

/// How one gateway heard it; zeros are left out of proto3 JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RxInfo<'a> {
    #[serde(default)]
    rssi: f64,
    #[serde(default, alias = "loRaSNR")]
    snr: f64,
    /// v3: told where the gateway has GPS.
    #[serde(borrow)]
    time: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeviceInfo<'a> {
    #[serde(borrow)]
    dev_eui: Option<Cow<'a, str>>,
    #[serde(borrow)]
    device_profile_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    tags: Option<Tags<'a>>,
}

/// Tags of the device, or of its device profile, that say what it is.
#[derive(Deserialize)]
struct Tags<'a> {
    #[serde(borrow)]
    profile: Option<Cow<'a, str>>,
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
}

/// Events that hold no reading, by the last level of their topic.
const OTHERS: [&str; 6] = ["join", "ack", "txack", "log", "location", "integration"];

/// What the last level of the topic says of an event without readings.
fn other_event(topic: &str) -> Option<Decoded<'static>> {
    let (rest, event) = topic.rsplit_once('/')?;
    let known = rest.ends_with("/event") && OTHERS.contains(&event);
    known.then(|| Decoded::NotData(format!("an event \"{event}\", which holds no reading")))
}

pub(super) fn decode<'a>(topic: &str, text: &'a str, hints: &Hints<'_>) -> Result<Decoded<'a>, Rejection> {
    let event: Event<'a> = serde_json::from_str(text).map_err(|error| malformed(&error))?;
    if let Some(other) = other_event(topic) {
        return Ok(other);
    }
    let v3 = event.device_info.is_none();
    let (told, model, tags) = match event.device_info {
        Some(info) => (info.dev_eui, info.device_profile_name, info.tags),
        None => {
            let told = event.dev_eui.as_deref().map(eui).transpose()?.map(Cow::Owned);
            (told, event.device_profile_name, event.tags)
        }
    };
    let (profile, kind) = tags.map_or((None, None), |tags| (tags.profile, tags.model));
    let heard = event.rx_info.map(|heard| heard.0).unwrap_or_default();
    let gateway_time = || heard.iter().find_map(|heard| heard.time.clone()).filter(|_| v3);
    let time = event.time.or_else(gateway_time);
    let time = time.map(|time| TimeFormat::Iso.read(&Told::Text(time), hints.zone)).transpose();
    let time = time.map_err(at("time"))?;
    let bytes = event.data.as_deref().map(base64).transpose()?.unwrap_or_default();
    let decoded = match (&event.object, event.object_json) {
        (Some(object), _) => Some(flatten_object(object.get(), hints)?),
        (None, Some(Cow::Borrowed(object))) if !object.is_empty() => Some(flatten_object(object, hints)?),
        (None, Some(Cow::Owned(object))) if !object.is_empty() => {
            let samples = flatten_object(&object, hints)?;
            Some(samples.into_iter().map(Sample::into_owned).collect())
        }
        _ => None,
    };
    if decoded.is_some() || !bytes.is_empty() {
        let radio = link(heard.iter().map(|heard| (heard.rssi, heard.snr)), event.f_cnt);
        let port = event.f_port;
        let (device, warnings) = (told, Vec::new());
        return Ok(Decoded::Uplink(Box::new(Uplink {
            device,
            tagged: profile.into_iter().chain(kind).collect(),
            model,
            time,
            port,
            bytes,
            decoded,
            radio,
            warnings,
        })));
    }
    let of_status = event.margin.is_some()
        || event.battery_level.is_some()
        || event.external_power_source
        || event.battery_level_unavailable
        || topic.ends_with("/event/status");
    if !of_status {
        let what = "an event without readings, such as a join or an acknowledgement";
        return Ok(Decoded::NotData(what.to_owned()));
    }
    // The level of a device on mains power is not its battery's. v4 leaves out a level of 0 like every zero.
    let known = !event.external_power_source && !event.battery_level_unavailable;
    let battery = event.battery_level.or((!v3).then_some(0.0)).filter(|_| known);
    let readings = status(event.margin, battery);
    let model = profile.or(model);
    Ok(Decoded::Samples { samples: vec![Sample { device: told, model, time, readings }], rest: None })
}

/// A margin of 0 is left out like every zero.
fn status(margin: Option<f64>, battery: Option<f64>) -> Vec<Reading<'static>> {
    let told = [("margin", margin.or(Some(0.0))), ("battery_level", battery)];
    told.into_iter().filter_map(|(name, value)| Some(reading(name, value?))).collect()
}

/// How well it was heard, by the gateway that heard it best, and its count, whose gaps are losses. A count of 0 is left
/// out like every zero.
fn link(heard: impl Iterator<Item = (f64, f64)>, count: Option<f64>) -> Vec<Reading<'static>> {
    let best = heard.max_by(|a, b| a.0.total_cmp(&b.0));
    let readings = [
        ("rx.rssi", best.map(|best| best.0)),
        ("rx.snr", best.map(|best| best.1)),
        ("rx.f_cnt", count.or(best.map(|_| 0.0))),
    ];
    readings.into_iter().filter_map(|(name, value)| Some(reading(name, value?))).collect()
}

fn reading(name: &'static str, value: f64) -> Reading<'static> {
    Reading { name: Cow::Borrowed(name), value: ReadingValue::Number(value), unit: None, channel: None }
}

/// The EUI of v3 as v4 writes it.
fn eui(told: &str) -> Result<String, Rejection> {
    let bytes = if told.len() == 16 { hex(told) } else { base64(told) };
    match bytes {
        Ok(bytes) if bytes.len() == 8 => Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        _ => {
            let shown: String = told.chars().take(40).collect();
            let detail =
                format!("devEUI \"{}\" is neither 16 hex digits nor base64 of 8 bytes", shown.escape_debug());
            Err(Rejection::new(Reason::NoDevice, detail))
        }
    }
}
