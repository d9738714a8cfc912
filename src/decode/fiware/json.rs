//! Format `fiware_json`: FIWARE's IoT Agent for JSON (iotagent-json, User & Programmers Manual), and entities of NGSI-v2
//! (FIWARE-NGSI v2 Specification) and NGSI-LD (ETSI GS CIM 009), alone, in arrays, batches or notifications.
//!
//! Measures are an object `{"t":"23","h":"45%"}` or an array of them, each a sample; values often are text, with their
//! unit. `…/attrs/<name>` carries one value, or an array of `{"timestamp": …, "value": …}`. A `TimeInstant` among the
//! measures is their time. An object with `id` and `type` is an entity: see `entity.rs`. On topics of the agent
//! (`…/attrs`) the device is the one of the topic, elsewhere it is the entity's `id`.

use std::borrow::Cow;

use super::{Kind, entity, kind, typed};
use crate::decode::told::TimeFormat;
use crate::decode::tree::{self, Node};
use crate::decode::{Decoded, Hints, at};
use crate::outcome::{Reason, Rejection};
use crate::reading::{Reading, ReadingValue, Sample};

pub(in crate::decode) fn decode<'a>(
    topic: &'a str,
    text: &'a str,
    hints: &Hints<'_>,
) -> Result<Decoded<'a>, Rejection> {
    let of_topic = match kind(topic) {
        Kind::Other(what) => return Ok(Decoded::NotData(what.to_owned())),
        Kind::One(name) => return one(name, tree::parse(text, hints)?, hints),
        Kind::Measures => true,
        Kind::Free => false,
    };
    let Some(parts) = parts(tree::parse(text, hints)?) else {
        let detail = "neither an object of measures or an entity, nor an array of them";
        return Err(Rejection::new(Reason::Malformed, detail));
    };
    let (mut samples, mut rest) = (Vec::new(), None);
    for part in parts {
        let read = match (part.get("id"), part.get("type")) {
            (Some(Node::Text(_)), Some(Node::Text(_) | Node::List(_))) => {
                entity::samples(part, of_topic, hints, &mut samples)
            }
            _ => measures(part, hints).map(|sample| samples.push(sample)),
        };
        // Each is processed on its own, says the manual: the others are stored.
        if let Err(rejection) = read {
            rest.get_or_insert(rejection);
        }
    }
    samples.retain(|sample| !sample.readings.is_empty());
    match rest {
        Some(rejection) if samples.is_empty() => Err(rejection),
        rest => Ok(Decoded::Samples { samples, rest }),
    }
}

/// The objects of which the payload consists: itself, its elements, those of a batch or of a notification.
fn parts(node: Node<'_>) -> Option<Vec<Node<'_>>> {
    let all = match node {
        Node::List(parts) => parts,
        Node::Object(members) => {
            let kinds = ["entities", "data"];
            let told = |name: &str| members.iter().any(|(key, _)| key == name);
            let batch = told("actionType") || told("subscriptionId") || told("notifiedAt");
            let inside = |(key, node): &(Cow<'_, str>, Node<'_>)| {
                batch && kinds.contains(&&**key) && matches!(node, Node::List(_))
            };
            match members.iter().position(inside) {
                None => vec![Node::Object(members)],
                Some(at) => match members.into_iter().nth(at) {
                    Some((_, Node::List(parts))) => parts,
                    _ => return None,
                },
            }
        }
        _ => return None,
    };
    all.iter().all(|part| matches!(part, Node::Object(_))).then_some(all)
}

/// One object of measures.
fn measures<'a>(node: Node<'a>, hints: &Hints<'_>) -> Result<Sample<'a>, Rejection> {
    let time = node.once("TimeInstant")?.filter(|told| !entity::is_blank(told));
    let time = time.map(|told| TimeFormat::Iso.read(&told.told(), hints.zone)).transpose();
    let time = time.map_err(at("TimeInstant"))?;
    let mut readings = Vec::new();
    if let Node::Object(members) = node {
        for (name, member) in members.into_iter().filter(|(name, _)| name != "TimeInstant") {
            member.readings(name, &mut readings)?;
        }
    }
    readings.iter_mut().for_each(typed_reading);
    Ok(Sample { time, readings, ..Sample::default() })
}

/// The value of one attribute, or several with their times.
fn one<'a>(name: &'a str, node: Node<'a>, hints: &Hints<'_>) -> Result<Decoded<'a>, Rejection> {
    let mut samples = Vec::new();
    let values = match node {
        Node::List(items) if items.iter().all(|item| item.get("value").is_some()) => items,
        node => vec![node],
    };
    for node in values {
        let [stamp, instant] = ["timestamp", "TimeInstant"].map(|name| Ok((name, node.once(name)?)));
        let told = [stamp?, instant?].into_iter().find_map(|(name, told)| Some((name, told?)));
        let read = |(name, told): (&str, &Node<'_>)| {
            TimeFormat::Auto.read(&told.told(), hints.zone).map_err(at(name))
        };
        let time = told.map(read).transpose()?;
        let timed = time.is_some() || node.get("value").is_some();
        let node = match node {
            Node::Object(members) if timed => {
                members.into_iter().find(|(key, _)| key == "value").map_or(Node::Null, |(_, node)| node)
            }
            node => node,
        };
        let mut readings = Vec::new();
        node.readings(Cow::Borrowed(name), &mut readings)?;
        readings.iter_mut().for_each(typed_reading);
        samples.push(Sample { time, readings, ..Sample::default() });
    }
    Ok(Decoded::Samples { samples, rest: None })
}

/// A number that came as text, with its unit where one was written.
pub(super) fn typed_reading(reading: &mut Reading<'_>) {
    if let ReadingValue::Text(text) = &mut reading.value {
        let (value, unit) = typed(std::mem::take(text));
        reading.value = value;
        reading.unit = reading.unit.take().or(unit);
    }
}
