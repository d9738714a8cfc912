//! Format `antares`: oneM2M primitives as JSON, as Telkom's platform Antares exchanges them (its documentation, API,
//! MQTT; short names after oneM2M TS-0004).
//!
//! A request that creates a content instance (`m2m:rqp`, `op` 1), a response that holds one (`m2m:rsp`) and a
//! notification of one (`m2m:sgn`), or a bare `m2m:cin`, give readings; everything else is none. The content `con` is JSON inside text, or one
//! bare value, then called `con`. The device is the last part of `to`, else of the instance's parent `pi`. The time is
//! the instance's `ct`, which has no zone (the profile or the registry may tell one), or what `time` names inside the
//! content. Settings: `time`, `time_format`. The access key stands in topic (write `{secret}`) and `fr`.
//! Trap: a broker that carries requests and their responses brings each content twice: route one of them.

use std::borrow::Cow;

use super::flatten::number;
use super::path::Path;
use super::told::{TimeFormat, Told};
use super::tree::{self, Node};
use super::{Decoded, Hints, at};
use crate::outcome::{Reason, Rejection};
use crate::reading::{MAX_DEVICE_ID, Reading, ReadingValue, Sample};
use crate::settings::Section;

/// The first and the last of oneM2M's operations; between them stand retrieve, update and delete.
const CREATE: i64 = 1;
const NOTIFY: i64 = 5;

#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Inside the content.
    pub time: Option<Path>,
    pub time_format: TimeFormat,
}

impl Settings {
    pub(super) fn read(section: &mut Section) -> Self {
        let time = section.optional::<String>("time").map(|text| Path::new(&text, "."));
        Self { time, time_format: section.get("time_format", TimeFormat::default()) }
    }
}

pub(super) fn decode<'a>(
    settings: &Settings,
    text: &'a str,
    hints: &Hints<'_>,
) -> Result<Decoded<'a>, Rejection> {
    let message = tree::parse(text, hints)?;
    let wrapped = ["rqp", "rsp", "sgn"].iter().find_map(|name| either(&message, name));
    let primitive = wrapped.unwrap_or(&message);
    let content = either(primitive, "pc").unwrap_or(primitive);
    let content = either(content, "sgn").unwrap_or(content);
    let event = either(content, "nev").and_then(|event| either(event, "rep"));
    let Some(instance) = either(event.unwrap_or(content), "cin") else {
        if wrapped.is_none() && either(&message, "rqi").is_none() {
            let detail = "no oneM2M primitive: neither m2m:rqp, m2m:rsp, m2m:sgn nor m2m:cin";
            return Err(Rejection::new(Reason::Malformed, detail));
        }
        return Ok(Decoded::NotData("a primitive without a content instance".to_owned()));
    };
    let operation = either(primitive, "op").map(operation).transpose()?;
    if operation.is_some_and(|operation| !matches!(operation, CREATE | NOTIFY)) {
        return Ok(Decoded::NotData("a request that creates nothing".to_owned()));
    }
    let Some(told) = instance.get("con") else {
        return Err(Rejection::new(Reason::NoValue, "a content instance without content (con)"));
    };
    let device = match (once(primitive, "to")?, instance.once("pi")?) {
        (Some(Node::Text(to)), _) if operation == Some(CREATE) => last(to),
        (_, Some(Node::Text(parent))) => last(parent),
        _ => None,
    };
    if device.as_ref().is_some_and(|device| device.len() > MAX_DEVICE_ID) {
        return Err(Rejection::new(Reason::NoDevice, "the device's id has more than 255 bytes"));
    }
    let mut readings = Vec::new();
    read(told, hints, &mut readings)?;
    let mut time = None;
    if let Some(wanted) = &settings.time {
        let mut found = readings.iter().enumerate().filter(|(_, reading)| wanted.is(&reading.name));
        let (first, second) = (found.next().map(|(index, _)| index), found.next());
        if second.is_some() && wanted.is_one() {
            return Err(tree::told_twice(&wanted.to_string()));
        }
        if let Some(index) = first {
            let read = settings.time_format.read(&told_of(readings.remove(index).value), hints.zone);
            time = Some(read.map_err(at(wanted))?);
        }
    }
    if time.is_none() {
        let told = instance.once("ct")?.map(Node::told);
        time = told.map(|told| TimeFormat::Iso.read(&told, hints.zone)).transpose().map_err(at("ct"))?;
    }
    let sample = Sample { device, time, readings, ..Sample::default() };
    Ok(Decoded::Samples { samples: vec![sample], rest: None })
}

/// What a request asks for; some write the number as text.
fn operation(told: &Node<'_>) -> Result<i64, Rejection> {
    let number = match told {
        Node::Whole(number) => Some(*number),
        Node::Text(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| (CREATE..=NOTIFY).contains(number)).ok_or_else(|| {
        let shown = match told {
            Node::Text(text) => super::shown(text),
            Node::Whole(number) => number.to_string(),
            _ => "what is told".to_owned(),
        };
        Rejection::new(Reason::Malformed, format!("op: \"{shown}\" is no operation of oneM2M"))
    })
}

/// A member by its short name, which some write with its prefix.
fn either<'n, 'a>(node: &'n Node<'a>, name: &str) -> Option<&'n Node<'a>> {
    let Node::Object(members) = node else { return None };
    let same = |key: &str| key.strip_prefix("m2m:").unwrap_or(key) == name;
    members.iter().find(|(key, _)| same(key)).map(|(_, member)| member)
}

/// The same for what says whose the readings are.
fn once<'n, 'a>(node: &'n Node<'a>, name: &str) -> Result<Option<&'n Node<'a>>, Rejection> {
    let Node::Object(members) = node else { return Ok(None) };
    let same = |(key, _): &&(Cow<'_, str>, Node<'_>)| key.strip_prefix("m2m:").unwrap_or(key) == name;
    match members.iter().filter(same).nth(1) {
        Some(_) => Err(tree::told_twice(name)),
        None => Ok(either(node, name)),
    }
}

fn told_of(value: ReadingValue<'_>) -> Told<'_> {
    match value {
        ReadingValue::Number(number) => Told::Float(number),
        ReadingValue::Text(text) => Told::Text(text),
        _ => Told::Other,
    }
}

/// The last part of a oneM2M address.
fn last<'a>(address: &Cow<'a, str>) -> Option<Cow<'a, str>> {
    let part = |text: &str| text.trim_end_matches('/').rsplit('/').next().map(str::len).unwrap_or_default();
    let end = address.trim_end_matches('/').len();
    let start = end.saturating_sub(part(address));
    let last = match address {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(start..end)?),
        Cow::Owned(text) => Cow::Owned(text.get(start..end)?.to_owned()),
    };
    (!last.is_empty()).then_some(last)
}

/// What the content holds; text that looks like JSON must be sound.
fn read<'a>(con: &Node<'a>, hints: &Hints<'_>, out: &mut Vec<Reading<'a>>) -> Result<(), Rejection> {
    let text = match con {
        Node::Text(text) => text.trim_start(),
        Node::Object(_) => return con.clone().readings(Cow::Borrowed(""), out),
        other => return other.clone().readings(Cow::Borrowed("con"), out),
    };
    if !text.starts_with(['{', '[']) {
        let value = super::fiware::typed(Cow::Owned(text.trim_end().to_owned()));
        out.push(Reading { name: Cow::Borrowed("con"), value: value.0, unit: value.1, channel: None });
        return Ok(());
    }
    let inside = tree::parse(text, hints)
        .map_err(|Rejection { reason, detail }| Rejection::new(reason, format!("in con: {detail}")))?;
    let mut readings = Vec::new();
    inside.readings(Cow::Borrowed(""), &mut readings)?;
    out.extend(readings.into_iter().map(|reading| owned(reading, hints)));
    Ok(())
}

/// The content's text was unescaped, so nothing of it can be borrowed from the payload.
fn owned<'a>(reading: Reading<'_>, hints: &Hints<'_>) -> Reading<'a> {
    let value = match reading.value {
        ReadingValue::Text(text) => match number(&text).filter(|_| hints.number_text) {
            Some(number) => ReadingValue::Number(number),
            None => ReadingValue::Text(Cow::Owned(text.into_owned())),
        },
        ReadingValue::Number(number) => ReadingValue::Number(number),
        ReadingValue::Boolean(on) => ReadingValue::Boolean(on),
        ReadingValue::Null => ReadingValue::Null,
    };
    Reading { name: Cow::Owned(reading.name.into_owned()), value, unit: None, channel: None }
}
