//! Format `smart_citizen`: kits of Smart Citizen on `device/sck/TOKEN/readings` and `…/readings/raw`.
//!
//! Source: smartcitizen-api (`docs/mqtt.md`, `app/grammars/raw_message.tt`). The token in the topic is the kit's
//! password, so it is no device's id: the route's `kits` say whose it is, and it is never shown.
//!
//! - *Readings*: `sensor_ID` after the platform's list of sensors (55 is the air's temperature); units by that list.
//! - *Batch*: JSON, several moments in any order, up to weeks late. Each has its time, in UTC whether it says so or
//!   not. They are independent: one that cannot be read costs itself.
//! - *Raw*: `{ t:2017-03-24T13:35:14Z, 1:48.45, 13:66 }`, no JSON. White space and stray bytes that are no ASCII are
//!   passed over, as the platform does; `t` may stand anywhere, a comma may be the last. `null` is no value.
//! - *Not data*: `…/info`, `…/hello`, `device/inventory`.

use std::borrow::Cow;

use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::few::Few;
use super::told::{TimeFormat, Told};
use super::{Decoded, Hints, at, malformed, text};
use crate::outcome::{Reason, Rejection};
use crate::reading::{Reading, ReadingValue, Sample};
use crate::secret::Secret;
use crate::settings::Section;
use crate::topic::HIDDEN;

/// Longer is neither a key nor a value of the raw form.
const MAX_TOKEN: usize = 40;

#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub kits: Vec<Kit>,
}

/// Whose token it is.
#[derive(Debug, Clone)]
pub struct Kit {
    pub device: String,
    pub token: Secret,
}

impl Settings {
    pub(super) fn read(section: &mut Section) -> Self {
        let mut kits = Vec::new();
        for mut kit in section.list("kits") {
            let (device, token) = (kit.required::<String>("device"), kit.required::<String>("token"));
            kit.finish();
            kits.extend(device.zip(token).map(|(device, token)| Kit { device, token: Secret::new(token) }));
        }
        Self { kits }
    }
}

#[derive(Deserialize)]
struct Batch<'a> {
    /// Read one by one.
    #[serde(borrow)]
    data: Few<&'a RawValue, 10_000>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    recorded_at: Option<Cow<'a, str>>,
    sensors: Few<Sensor, 10_000>,
}

#[derive(Deserialize)]
struct Sensor {
    id: u32,
    value: Option<f64>,
}

pub(super) fn decode<'a>(
    settings: &Settings,
    topic: &str,
    payload: &'a [u8],
    hints: &Hints<'_>,
) -> Result<Decoded<'a>, Rejection> {
    let levels: Vec<&str> = topic.rsplitn(4, '/').collect();
    let (token, raw) = match levels.as_slice() {
        ["raw", "readings", token, ..] => (*token, true),
        ["readings", token, ..] => (*token, false),
        ["info" | "hello" | "inventory" | "ping", ..] => {
            return Ok(Decoded::NotData("what a kit says of itself".to_owned()));
        }
        _ => {
            let detail = "the topic is neither device/sck/TOKEN/readings nor …/readings/raw";
            return Err(Rejection::new(Reason::NoDevice, detail));
        }
    };
    let kit = settings.kits.iter().find(|kit| kit.token.reveal() == token).ok_or_else(|| {
        let detail = if token.starts_with(HIDDEN) {
            "the topic's token is hidden, as a capture does it, and no kit is found by that: to try the capture, \
             put a kit with the hidden token into a configuration of its own"
        } else {
            "the topic's token is of none of the route's kits: add it with the device it is of"
        };
        Rejection::new(Reason::NoDevice, detail)
    })?;
    let (mut samples, rest) =
        if raw { (vec![parse(payload, hints)?], None) } else { batch(text(payload)?, hints)? };
    samples.iter_mut().for_each(|sample| sample.device = Some(Cow::Owned(kit.device.clone())));
    Ok(Decoded::Samples { samples, rest })
}

type Samples<'a> = (Vec<Sample<'a>>, Option<Rejection>);

fn batch<'a>(text: &'a str, hints: &Hints<'_>) -> Result<Samples<'a>, Rejection> {
    let batch: Batch<'a> = serde_json::from_str(text).map_err(|error| malformed(&error))?;
    let most = hints.limits.max_values;
    let (mut samples, mut rest, mut count) = (Vec::new(), None, 0_usize);
    for (index, entry) in batch.data.0.into_iter().enumerate() {
        let read = moment(entry.get());
        // An entry costs even where it holds nothing or cannot be read.
        let values = read.as_ref().map_or(1, |sample| sample.readings.len().max(1));
        count = count.saturating_add(values);
        if count > most {
            return Err(Rejection::new(Reason::TooComplex, format!("more than {most} values")));
        }
        match read {
            Ok(sample) => samples.push(sample),
            Err(Rejection { reason, detail }) => {
                rest.get_or_insert_with(|| Rejection::new(reason, format!("data[{index}]: {detail}")));
            }
        }
    }
    match rest {
        Some(wrong) if samples.is_empty() => Err(wrong),
        rest => Ok((samples, rest)),
    }
}

/// One entry of a batch.
fn moment<'a>(entry: &str) -> Result<Sample<'a>, Rejection> {
    let entry: Entry<'_> = serde_json::from_str(entry).map_err(|error| malformed(&error))?;
    let time = entry.recorded_at.map(utc).transpose().map_err(at("recorded_at"))?;
    let readings = entry.sensors.0.into_iter().map(|sensor| reading(sensor.id, sensor.value)).collect();
    Ok(Sample { time, readings, ..Sample::default() })
}

/// The raw form: pairs of key and value between braces.
fn parse<'a>(payload: &[u8], hints: &Hints<'_>) -> Result<Sample<'a>, Rejection> {
    let wrong = |at: usize, what: &str| Rejection::new(Reason::Malformed, format!("at byte {at}: {what}"));
    let mut sound = payload.iter().enumerate().filter(|(_, byte)| byte.is_ascii_graphic());
    match sound.next() {
        Some((_, b'{')) => {}
        first => return Err(wrong(first.map_or(0, |(at, _)| at), "no brace where a raw message begins")),
    }
    // Both are used again and again.
    let (mut sample, mut token, mut key, mut known) =
        (Sample::default(), String::new(), String::new(), false);
    let mut start = 0;
    loop {
        let Some((at, byte)) = sound.next() else {
            return Err(wrong(payload.len(), "cut short: no brace at the end"));
        };
        if token.is_empty() {
            start = at;
        }
        match (byte, known) {
            (b':', false) => {
                std::mem::swap(&mut key, &mut token);
                token.clear();
                known = true;
            }
            (b',' | b'}', true) => {
                pair(&mut sample, &key, &token).map_err(|what| wrong(start, what))?;
                if sample.readings.len() > hints.limits.max_values {
                    let detail = format!("more than {} values", hints.limits.max_values);
                    return Err(Rejection::new(Reason::TooComplex, detail));
                }
                token.clear();
                known = false;
            }
            (b',' | b'}', false) if !token.is_empty() => return Err(wrong(start, "a key without a value")),
            (b',' | b'}', false) => {}
            _ if token.len() >= MAX_TOKEN => return Err(wrong(start, "longer than any key or value")),
            _ => token.push(char::from(*byte)),
        }
        if *byte == b'}' {
            break;
        }
    }
    match sound.next() {
        Some((at, _)) => Err(wrong(at, "something after the end")),
        None => Ok(sample),
    }
}

fn pair(sample: &mut Sample<'_>, key: &str, value: &str) -> Result<(), &'static str> {
    if key == "t" {
        if sample.time.is_some() {
            return Err("a second time");
        }
        sample.time = Some(utc(Cow::Borrowed(value)).map_err(|_| "what is no time")?);
        return Ok(());
    }
    let id = key.parse().map_err(|_| "what is no sensor's number")?;
    let number = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'.'));
    let value = match value {
        "null" => None,
        text if number(text) => Some(text.parse().map_err(|_| "what is no number")?),
        _ => return Err("what is no number"),
    };
    sample.readings.push(reading(id, value));
    Ok(())
}

fn utc(told: Cow<'_, str>) -> Result<i64, Rejection> {
    TimeFormat::Iso.read(&Told::Text(told), &TimeZone::UTC)
}

fn reading<'a>(id: u32, value: Option<f64>) -> Reading<'a> {
    let value = value.map_or(ReadingValue::Null, ReadingValue::Number);
    Reading { name: Cow::Owned(format!("sensor_{id}")), value, unit: None, channel: None }
}
