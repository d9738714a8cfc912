//! Format `things_stack`: JSON messages of The Things Stack v3 (its documentation, Data Formats and MQTT Server).
//!
//! `up` gives the device's bytes (`frm_payload`), with what its formatter made of them: `normalized_payload` where it
//! is there, which repeats the readings under one set of names and in one set of units, else `decoded_payload`; never
//! both. Empty members are left out, so `f_port`, `f_cnt`, `rssi` and `snr` may be missing. The time is that of the
//! network's receipt, `received_at`; `rx_metadata.timestamp` is a gateway's counter and no time. A normalized
//! measurement may tell its own time. The device is `device_id`. `simulated` messages come from the console and are no
//! readings; neither are join, down, location and service messages, which carry payloads too.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::bytes::base64;
use super::few::Few;
use super::flatten::{flatten_object, flatten_timed};
use super::told::{TimeFormat, Told};
use super::{Decoded, Hints, at, malformed};
use crate::outcome::Rejection;
use crate::reading::{Reading, ReadingValue, Uplink};

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    end_device_ids: Option<Ids<'a>>,
    #[serde(borrow)]
    received_at: Option<Cow<'a, str>>,
    #[serde(borrow)]
    uplink_message: Option<UplinkMessage<'a>>,
    #[serde(default)]
    simulated: bool,
}

#[derive(Deserialize)]
struct Ids<'a> {
    #[serde(borrow)]
    device_id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct UplinkMessage<'a> {
    #[serde(default)]
    f_port: u16,
    #[serde(default)]
    f_cnt: f64,
    #[serde(borrow)]
    frm_payload: Option<Cow<'a, str>>,
    #[serde(borrow)]
    decoded_payload: Option<&'a RawValue>,
    #[serde(borrow)]
    normalized_payload: Option<&'a RawValue>,
    #[serde(default)]
    decoded_payload_warnings: Few<String>,
    #[serde(default)]
    rx_metadata: Few<Heard>,
    #[serde(borrow)]
    received_at: Option<Cow<'a, str>>,
    #[serde(borrow)]
    version_ids: Option<VersionIds<'a>>,
    #[serde(borrow)]
    attributes: Option<Attributes<'a>>,
}

/// Of the device, as the operator wrote them (from version 3.34 on).
#[derive(Deserialize)]
struct Attributes<'a> {
    #[serde(borrow)]
    profile: Option<Cow<'a, str>>,
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
}

/// How one gateway heard it; one behind Packet Broker tells nothing.
#[derive(Deserialize)]
struct Heard {
    rssi: Option<f64>,
    #[serde(default)]
    snr: f64,
}

#[derive(Deserialize)]
struct VersionIds<'a> {
    #[serde(borrow)]
    model_id: Option<Cow<'a, str>>,
}

/// Warnings that are kept.
const MOST_WARNINGS: usize = 20;

pub(super) fn decode<'a>(text: &'a str, hints: &Hints<'_>) -> Result<Decoded<'a>, Rejection> {
    let message: Message<'a> = serde_json::from_str(text).map_err(|error| malformed(&error))?;
    if message.simulated {
        return Ok(Decoded::NotData("simulated: a test from the console".to_owned()));
    }
    let Some(up) = message.uplink_message else {
        let what = "a message without an uplink, such as a join, a downlink or a location";
        return Ok(Decoded::NotData(what.to_owned()));
    };
    let time = up.received_at.or(message.received_at);
    let time = time.map(|time| TimeFormat::Iso.read(&Told::Text(time), hints.zone)).transpose();
    let time = time.map_err(at("received_at"))?;
    let bytes = up.frm_payload.as_deref().map(base64).transpose()?.unwrap_or_default();
    let normalized = up.normalized_payload.filter(|told| !matches!(told.get().trim(), "null" | "[]" | "{}"));
    let decoded = match (normalized, up.decoded_payload.filter(|told| told.get() != "null")) {
        (Some(normalized), _) => Some(flatten_timed(normalized.get(), hints)?),
        (None, Some(decoded)) => Some(flatten_object(decoded.get(), hints)?),
        (None, None) => None,
    };
    if decoded.is_none() && bytes.is_empty() {
        return Ok(Decoded::NotData("an uplink without a payload".to_owned()));
    }
    let best = up.rx_metadata.0.iter().filter_map(|heard| Some((heard.rssi?, heard.snr)));
    let best = best.max_by(|a, b| a.0.total_cmp(&b.0));
    let radio = [
        ("rx.rssi", best.map(|best| best.0)),
        ("rx.snr", best.map(|best| best.1)),
        ("rx.f_cnt", Some(up.f_cnt)),
    ];
    let radio = radio.into_iter().filter_map(|(name, value)| {
        let value = ReadingValue::Number(value?);
        Some(Reading { name: Cow::Borrowed(name), value, unit: None, channel: None })
    });
    let tagged = up.attributes.into_iter().flat_map(|told| [told.profile, told.model]).flatten();
    let mut warnings = up.decoded_payload_warnings.0;
    warnings.truncate(MOST_WARNINGS);
    Ok(Decoded::Uplink(Box::new(Uplink {
        device: message.end_device_ids.and_then(|ids| ids.device_id),
        tagged: tagged.collect(),
        model: up.version_ids.and_then(|ids| ids.model_id),
        time,
        port: up.f_port,
        bytes,
        decoded,
        radio: radio.collect(),
        warnings,
    })))
}
