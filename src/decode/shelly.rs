//! Format `shelly`: Shelly devices from their second generation on, over MQTT.
//!
//! Source: Shelly's API documentation for Gen2+ (Notifications, MQTT, components) and captured messages.
//! Topics below the device's own prefix: `PREFIX/events/rpc` (`NotifyStatus`, with what changed, and
//! `NotifyFullStatus`), `PREFIX/status/COMPONENT` (one component), `PREFIX/online`. The route captures the prefix as
//! `{device}`; where it captures none, the id stands for it, which the device tells as `src`.
//!
//! - *Readings*: `COMPONENT.MEMBER`, such as `temperature:0.tC`, `switch:0.aenergy.total`; the same on both topics.
//! - *Time*: `params.ts`, seconds with a fraction; a status topic tells none. `null` before the clock is set.
//! - *Units*: °C, %, V, A, W, Wh (not kWh), by the component's documentation. None is told.
//! - *Told twice*: `tF` repeats `tC`, and `by_minute` what `total` counts: both are passed over, as are ids.
//! - *Not measured*: what components of the system say of themselves; of `sys` the uptime is kept, of `wifi` the rssi.
//! - *Not data*: `NotifyEvent`, answers on `…/rpc`, commands, announcements. `online` is the reading of this name.
//! - *Model*: the first part of an id such as `shellyplusht-b8d61a8b17cc`.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::told::TimeFormat;
use super::{Decoded, Hints, malformed, pick};
use crate::outcome::{Reason, Rejection};
use crate::reading::{Reading, ReadingValue, Sample};

/// Each reading carries it, so length times count must stay bounded.
const MAX_COMPONENT: usize = 64;
/// Components that measure nothing.
pub(super) const SYSTEM: [&str; 13] = [
    "ble", "bthome", "cloud", "eth", "ht_ui", "knx", "matter", "modbus", "mqtt", "plugs_ui", "script", "ui",
    "ws",
];

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow)]
    src: Option<Cow<'a, str>>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

pub(super) fn decode<'a>(topic: &'a str, text: &'a str, hints: &Hints<'_>) -> Result<Decoded<'a>, Rejection> {
    let not_data = |what: &str| Ok(Decoded::NotData(what.to_owned()));
    let levels: Vec<&str> = topic.rsplitn(4, '/').collect();
    match levels.as_slice() {
        ["rpc", "events", ..] => events(text, hints),
        [component, "status", ..] if component.len() > MAX_COMPONENT => {
            let detail = format!("a component of {} bytes is none of Shelly's", component.len());
            Err(Rejection::new(Reason::Malformed, detail))
        }
        [component, "status", prefix, ..] => {
            let mut readings = pick::object(text, &[], hints)?;
            readings.iter_mut().for_each(|reading| {
                reading.name = Cow::Owned(format!("{component}.{}", reading.name));
            });
            Ok(sample(readings, None, model(prefix), None))
        }
        ["online", prefix, ..] => {
            let online = match text.trim() {
                "true" => true,
                "false" => false,
                _ => return Err(Rejection::new(Reason::Malformed, "at byte 0: neither true nor false")),
            };
            let value = ReadingValue::Boolean(online);
            let reading = Reading { name: Cow::Borrowed("online"), value, unit: None, channel: None };
            Ok(sample(vec![reading], None, model(prefix), None))
        }
        ["rpc", ..] => not_data("an answer, or a request"),
        ["command" | "announce" | "debug", ..] => not_data("a command, an announcement or a log"),
        [_, "command" | "debug", ..] => not_data("a command or a log"),
        _ => {
            let detail = "the topic is none of PREFIX/events/rpc, PREFIX/status/COMPONENT and PREFIX/online";
            Err(Rejection::new(Reason::Malformed, detail))
        }
    }
}

fn events<'a>(text: &'a str, hints: &Hints<'_>) -> Result<Decoded<'a>, Rejection> {
    let frame: Frame<'a> = serde_json::from_str(text).map_err(|error| malformed(&error))?;
    match frame.method.as_deref() {
        Some("NotifyStatus" | "NotifyFullStatus") => {}
        Some("NotifyEvent") => {
            return Ok(Decoded::NotData("an event, such as a button that was pressed".to_owned()));
        }
        _ => return Err(Rejection::new(Reason::Malformed, "the method is none of Shelly's notifications")),
    }
    let Some(params) = frame.params else {
        return Err(Rejection::new(Reason::Malformed, "a notification without params"));
    };
    let mut readings = pick::object(params.get(), &[], hints)?;
    let time = pick::take_time(&mut readings, "ts", TimeFormat::S, hints.zone)?;
    let model = frame.src.as_deref().and_then(model).map(|model| Cow::Owned(model.into_owned()));
    Ok(sample(readings, time, model, frame.src))
}

/// The kind of device in an id that its maker gave.
fn model(id: &str) -> Option<Cow<'_, str>> {
    let (model, _) = id.rsplit_once('-')?;
    model.starts_with("shelly").then_some(Cow::Borrowed(model))
}

fn sample<'a>(
    mut readings: Vec<Reading<'a>>,
    time: Option<i64>,
    model: Option<Cow<'a, str>>,
    device: Option<Cow<'a, str>>,
) -> Decoded<'a> {
    readings.retain(|reading| measured(&reading.name));
    if readings.is_empty() {
        return Decoded::NotData("only what the system says of itself".to_owned());
    }
    Decoded::Samples { samples: vec![Sample { device, model, time, readings }], rest: None }
}

fn measured(name: &str) -> bool {
    let (component, member) = name.split_once('.').unwrap_or((name, ""));
    let kind = component.split_once(':').map_or(component, |(kind, _)| kind);
    let last = member.rsplit_once('.').map_or(member, |(_, last)| last);
    match kind {
        "sys" => member == "uptime",
        "wifi" => member == "rssi",
        _ if SYSTEM.contains(&kind) => false,
        _ => {
            !matches!(last, "id" | "tF" | "minute_ts")
                && !member.contains("by_minute")
                && !member.contains("errors")
        }
    }
}
