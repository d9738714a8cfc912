//! Format `sensorthings`: observations of an OGC SensorThings API (1.0 and 1.1) over MQTT.
//!
//! Source: OGC 18-088, sections 8.2.7 (Observation) and 14 (MQTT); FROST-Server's documentation. Topics:
//! `…/Datastreams(5)/Observations`, also of `MultiDatastreams`, and `…/Observations` where the payload names its
//! datastream. A query after the topic (`?$select=…`) is passed over.
//!
//! - *Device*: the datastream, `Datastreams(5)`. What it measures, and in which unit, stands in the entity of that
//!   name, which is not on the wire: the registry gives each datastream its place and a profile for `result`.
//! - *Reading*: `result`, a number, truth value or text; members of an object are `result.NAME`, those of an array
//!   `result.0` and so on. `null` is no value.
//! - *Time*: `phenomenonTime`, of an interval its end; where it is `null`, `resultTime`. ISO 8601 with a zone.
//! - *Not data*: any other entity. `parameters`, `resultQuality` and links are not read.

use std::borrow::Cow;

use super::told::{TimeFormat, Told};
use super::{Decoded, Hints, at, pick};
use crate::outcome::{Reason, Rejection};
use crate::reading::{Reading, ReadingValue, Sample};

pub(super) fn decode<'a>(topic: &'a str, text: &'a str, hints: &Hints<'_>) -> Result<Decoded<'a>, Rejection> {
    let path = topic.split_once('?').map_or(topic, |(path, _)| path);
    let mut levels = path.rsplit('/');
    if levels.next() != Some("Observations") {
        return Ok(Decoded::NotData("another entity than an observation".to_owned()));
    }
    let in_topic = levels.next().filter(|level| is_stream(level));
    let mut readings = pick::object(text, &["Datastream.@iot.id", "MultiDatastream.@iot.id"], hints)?;
    let [one, several] = ["Datastream", "MultiDatastream"].map(|kind| stream(&mut readings, kind));
    let in_payload = one?.or(several?);
    let Some(device) = in_topic.map(Cow::Borrowed).or(in_payload) else {
        let detail = "neither the topic nor the payload names the datastream";
        return Err(Rejection::new(Reason::NoDevice, detail));
    };
    let mut time = None;
    for name in ["phenomenonTime", "resultTime"] {
        if let Some(text) = end(pick::once(&mut readings, name)?).filter(|_| time.is_none()) {
            time = Some(TimeFormat::Iso.read(&Told::Text(text), hints.zone).map_err(at(name))?);
        }
    }
    readings.retain(|reading| reading.name == "result" || reading.name.starts_with("result."));
    if readings.is_empty() {
        return Err(Rejection::new(Reason::NoValue, "an observation without a result"));
    }
    let sample = Sample { device: Some(device), time, readings, ..Sample::default() };
    Ok(Decoded::Samples { samples: vec![sample], rest: None })
}

fn is_stream(level: &str) -> bool {
    let inner = level.strip_prefix("Datastreams(").or_else(|| level.strip_prefix("MultiDatastreams("));
    inner.is_some_and(|inner| inner.len() > 1 && inner.ends_with(')'))
}

/// The datastream that an observation carries inside.
fn stream<'a>(readings: &mut Vec<Reading<'_>>, kind: &str) -> Result<Option<Cow<'a, str>>, Rejection> {
    Ok(match pick::once(readings, &format!("{kind}.@iot.id"))? {
        Some(ReadingValue::Number(number)) => Some(Cow::Owned(format!("{kind}s({number})"))),
        Some(ReadingValue::Text(text)) => Some(Cow::Owned(format!("{kind}s('{text}')"))),
        _ => None,
    })
}

/// A moment as it is, of an interval its end.
fn end(told: Option<ReadingValue<'_>>) -> Option<Cow<'_, str>> {
    match told {
        Some(ReadingValue::Text(text)) => Some(match text.split_once('/') {
            Some((_, end)) => Cow::Owned(end.to_owned()),
            None => text,
        }),
        Some(ReadingValue::Number(number)) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}
