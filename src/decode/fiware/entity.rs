//! Entities: NGSI-v2 normalized and keyValues, NGSI-LD normalized and concise, as readings.
//!
//! An attribute's own time (`observedAt`, metadata `TimeInstant`) wins over the entity's (`TimeInstant`, `observedAt`,
//! `dateObserved`, `dateObservedTo`); of an interval the end counts, for that is when the value was known. `unitCode` is
//! the unit. The entity's type is the device's model. What names, places and refers is no reading: `location`,
//! `address`, dates, relationships. Traps: a ratio such as `relativeHumidity` is 0..1, which the profile says; a context
//! broker gives `" "` for a time it does not know.

use std::borrow::Cow;

use super::json::typed_reading;
use crate::decode::told::{TimeFormat, Told};
use crate::decode::tree::Node;
use crate::decode::{Hints, at};
use crate::outcome::{Reason, Rejection};
use crate::reading::{MAX_DEVICE_ID, Reading, Sample};

/// Of the Smart Data Models' common definitions: what says which thing it is, and where, but measures nothing.
const DESCRIBING: &[&str] = &[
    "id",
    "type",
    "@context",
    "name",
    "alternateName",
    "description",
    "source",
    "dataProvider",
    "owner",
    "seeAlso",
    "address",
    "areaServed",
    "location",
    "dateCreated",
    "dateModified",
    "scope",
];

/// The entity's times, the surest first.
const TIMES: &[&str] = &["TimeInstant", "observedAt", "dateObserved", "dateObservedTo"];

/// Appends the entity's samples, one for each time its attributes tell.
pub(super) fn samples<'a>(
    entity: Node<'a>,
    device_of_topic: bool,
    hints: &Hints<'_>,
    out: &mut Vec<Sample<'a>>,
) -> Result<(), Rejection> {
    let device = entity.once("id")?.and_then(Node::text).filter(|_| !device_of_topic).cloned();
    if device.as_ref().is_some_and(|id| id.len() > MAX_DEVICE_ID) {
        return Err(Rejection::new(Reason::NoDevice, "the entity's id has more than 255 bytes"));
    }
    let model = entity.get("type").and_then(model);
    let mut time = None;
    for name in TIMES {
        if let Some(told) = entity.once(name)?.map(value).filter(|told| !is_blank(told) && time.is_none()) {
            time = Some(moment(told, hints).map_err(at(name))?);
        }
    }
    let Node::Object(members) = entity else { return Ok(()) };
    let mut all: Vec<Sample<'a>> = Vec::new();
    for (name, attribute) in members {
        let of_time = TIMES.contains(&&*name) || name == "dateObservedFrom";
        if of_time || DESCRIBING.contains(&&*name) || is_reference(&name, &attribute) {
            continue;
        }
        let mut own = None;
        for told in [attribute.once("observedAt")?, metadata(&attribute, "TimeInstant")].into_iter().flatten()
        {
            let told = value(told);
            if own.is_none() && !is_blank(told) {
                own = Some(moment(told, hints).map_err(at(crate::decode::shown(&name)))?);
            }
        }
        let unit = attribute.get("unitCode").or_else(|| metadata(&attribute, "unitCode")).map(value);
        let unit = unit.and_then(Node::text).cloned();
        let mut readings: Vec<Reading<'a>> = Vec::new();
        into_value(attribute).readings(name, &mut readings)?;
        for reading in &mut readings {
            reading.unit.clone_from(&unit);
            typed_reading(reading);
        }
        let time = own.or(time);
        match all.iter_mut().find(|sample| sample.time == time) {
            Some(sample) => sample.readings.append(&mut readings),
            None => {
                all.push(Sample { device: device.clone(), model: model.clone(), time, readings });
            }
        }
        // Looking a time up costs, so one entity cannot have many.
        if all.len() > 64 {
            return Err(Rejection::new(Reason::TooComplex, "an entity of more than 64 different times"));
        }
    }
    out.append(&mut all);
    Ok(())
}

/// A time that is not there: a context broker writes a blank.
pub(super) fn is_blank(told: &Node<'_>) -> bool {
    match told {
        Node::Text(text) => text.trim().is_empty(),
        other => *other == Node::Null,
    }
}

fn moment(told: &Node<'_>, hints: &Hints<'_>) -> Result<i64, Rejection> {
    let told = match told {
        Node::Text(text) => {
            let end = text.rsplit_once('/').map_or(&**text, |(_, end)| end);
            return TimeFormat::Iso.read(&Told::Text(Cow::Borrowed(end)), hints.zone);
        }
        other => other.told(),
    };
    TimeFormat::Auto.read(&told, hints.zone)
}

/// `Type`, or the last part of its address: a profile lists models by their short names.
fn model<'a>(node: &Node<'a>) -> Option<Cow<'a, str>> {
    let text = match node {
        Node::List(types) => types.first().and_then(Node::text),
        other => other.text(),
    }?;
    let short = text.rsplit(['#', '/', ':']).next().unwrap_or(text);
    Some(if short.len() == text.len() { text.clone() } else { Cow::Owned(short.to_owned()) })
}

fn is_reference(name: &str, attribute: &Node<'_>) -> bool {
    let kind = attribute.get("type").and_then(Node::text).map(|kind| &**kind);
    let points =
        matches!(kind, Some("Relationship" | "GeoProperty" | "geo:json" | "geo:point" | "StructuredValue"));
    points || name.starts_with("ref") && name.chars().nth(3).is_some_and(char::is_uppercase)
}

fn metadata<'n, 'a>(attribute: &'n Node<'a>, name: &str) -> Option<&'n Node<'a>> {
    attribute.get("metadata")?.get(name)
}

/// What an attribute holds: its `value`, or itself where it is written without one.
fn value<'n, 'a>(attribute: &'n Node<'a>) -> &'n Node<'a> {
    let value = attribute.get("value").unwrap_or(attribute);
    value.get("@value").unwrap_or(value)
}

fn into_value(attribute: Node<'_>) -> Node<'_> {
    member(member(attribute, "value"), "@value")
}

fn member<'a>(node: Node<'a>, name: &str) -> Node<'a> {
    match node {
        Node::Object(mut members) => match members.iter().position(|(key, _)| key == name) {
            Some(at) => members.swap_remove(at).1,
            None => Node::Object(members),
        },
        other => other,
    }
}
