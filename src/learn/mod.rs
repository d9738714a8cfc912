//! Learning: what a capture tells of devices that nobody has described, as routes, profiles and rows to paste.
//!
//! Nothing here is certain: each guess says how sure it is and why. The same capture and configuration give the same
//! proposal. What the configuration has already is left as it is.

mod existing;
mod guess;
mod profile;
mod recognise;
mod seen;
mod shape;
mod topics;
mod words;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;

use crate::capture::Captured;
use crate::topic::{self, Template};
use crate::transform::{State, Transform};
use existing::Existing;
use guess::Confidence;
use profile::Learned;
use recognise::{Recognised, Settings, decoded, named, recognise};
use topics::{Kind, Topic};

/// Messages of one topic that are looked at for its names.
const LOOKED_AT: usize = 50;

/// What is proposed.
#[derive(Debug, Default)]
pub struct Proposal {
    routes: Vec<Route>,
    profiles: Vec<Learned>,
    /// Id, city, district and profile.
    devices: Vec<Device>,
    /// Topics that the configuration stores already, by route.
    covered: BTreeMap<String, u64>,
    /// Topics that no decoder reads, with why.
    unread: Vec<(String, String)>,
    messages: usize,
}

/// A route to paste.
#[derive(Debug)]
struct Route {
    topic: String,
    format: &'static str,
    settings: Settings,
    profile: Option<String>,
    /// Each guess in words.
    notes: Vec<String>,
}

/// A row of the registry.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Device {
    id: String,
    city: String,
    district: String,
    profile: Option<String>,
}

/// Learns from messages, beside what `transform` knows.
pub fn learn(messages: &[Captured], transform: &Transform) -> Proposal {
    let mut proposal = Proposal { messages: messages.len(), ..Proposal::default() };
    let zone = transform.zone();
    let mut by_topic: BTreeMap<&str, Vec<&Captured>> = BTreeMap::new();
    for message in messages.iter().filter(|message| !message.payload.is_empty()) {
        by_topic.entry(&message.topic).or_default().push(message);
    }
    by_topic.retain(|topic, _| {
        let fault = topic::fault(topic.as_bytes());
        proposal.unread.extend(fault.map(|fault| ((*topic).to_owned(), fault.to_owned())));
        fault.is_none()
    });
    let (mut unknown, mut devices) = (Vec::new(), BTreeMap::new());
    for (topic, messages) in &by_topic {
        if let Some(route) = covered(messages, transform, &mut devices) {
            let count = proposal.covered.entry(route).or_default();
            *count = count.saturating_add(u64::try_from(messages.len()).unwrap_or(u64::MAX));
            continue;
        }
        match recognise(topic, messages, zone) {
            Some(recognised) => unknown.push(Topic {
                text: (*topic).to_owned(),
                names: names(&recognised, messages, zone),
                recognised,
            }),
            None => proposal.unread.push(((*topic).to_owned(), why_unread(messages))),
        }
    }
    for kind in topics::kinds(unknown) {
        let messages: Vec<&Captured> =
            kind.topics.iter().filter_map(|topic| by_topic.get(topic.as_str())).flatten().copied().collect();
        proposal.add(&kind, &messages, transform, &mut devices);
    }
    proposal.devices = devices.into_values().collect();
    // The more a template leaves open, the later it must stand.
    proposal.routes.sort_by_key(|route| (route.topic.matches(['{', '+', '#']).count(), route.topic.clone()));
    proposal
}

/// The route, where the configuration stores most of a topic's messages without a name that is unknown.
fn covered(
    messages: &[&Captured],
    transform: &Transform,
    devices: &mut BTreeMap<String, Device>,
) -> Option<String> {
    let (mut good, mut route, mut state) = (0_usize, None, State::default());
    let looked_at = messages.len().min(LOOKED_AT);
    let mut strangers = BTreeSet::new();
    for message in messages.iter().take(LOOKED_AT) {
        let story = transform.explain_next(&message.record(1), &mut state);
        let measured = || story.samples.iter().flat_map(|sample| &sample.readings);
        let measured = || measured().filter(|reading| reading.value != "null");
        let known =
            measured().filter(|reading| reading.known).count().saturating_mul(2) >= measured().count();
        let fine = matches!(story.decision.outcome.as_str(), "stored" | "discarded");
        good = good.saturating_add(usize::from(known && fine));
        strangers.extend(
            story.samples.iter().filter(|sample| !sample.registered).filter_map(|s| s.device.clone()),
        );
        route = story.route.or(route);
    }
    if good.saturating_mul(5) < looked_at.saturating_mul(4) {
        return None;
    }
    let route = route?;
    let template = Template::parse(&route).ok();
    for id in strangers {
        let topic = messages.first().map(|message| message.topic.as_str()).unwrap_or_default();
        let row = Device::new(id, template.as_ref(), topic, None);
        devices.entry(row.id.clone()).or_insert(row);
    }
    Some(route)
}

/// Names of a topic's values; numbers in them count as one, since arrays differ in length.
fn names(recognised: &Recognised, messages: &[&Captured], zone: &TimeZone) -> BTreeSet<String> {
    let Some(decoder) = named(recognised.format, &Settings::new()) else { return BTreeSet::new() };
    let samples = messages
        .iter()
        .take(LOOKED_AT)
        .filter_map(|message| decoded(&decoder, message, false, zone))
        .flatten();
    let plain = |name: &str| {
        let part = |part: &str| {
            if part.bytes().all(|byte| byte.is_ascii_digit()) { "0".to_owned() } else { part.to_owned() }
        };
        name.split('.').map(part).collect::<Vec<_>>().join(".")
    };
    samples.flat_map(|sample| sample.readings).map(|reading| plain(&reading.name)).collect()
}

fn why_unread(messages: &[&Captured]) -> String {
    let Some(message) = messages.first() else { return String::new() };
    let start: String = String::from_utf8_lossy(&message.payload).chars().take(40).collect();
    let text = std::str::from_utf8(&message.payload).is_ok();
    let what = if text { "text" } else { "bytes" };
    format!("{what} that no format reads without being told how, such as {start:?}")
}

impl Device {
    fn new(id: String, template: Option<&Template>, topic: &str, profile: Option<String>) -> Self {
        let capture =
            |name| template.and_then(|template| template.capture(topic, name)).unwrap_or_default().to_owned();
        Self { id, city: capture("city"), district: capture("district"), profile }
    }
}

impl Proposal {
    fn add(
        &mut self,
        kind: &Kind,
        messages: &[&Captured],
        transform: &Transform,
        devices: &mut BTreeMap<String, Device>,
    ) {
        let format = kind.recognised.format;
        let mut route = Route {
            topic: String::new(),
            format,
            settings: Settings::new(),
            profile: None,
            notes: Vec::new(),
        };
        let (mut names_device, mut outside) = (false, false);
        if format == "json" {
            let shape = shape::shape(messages, transform.zone());
            (names_device, outside) = (shape.names_device, shape.has_outside);
            route.notes.extend(shape.notes);
            route.settings = shape.settings;
        }
        if let Some(at) = kind.told_by {
            let name = kind.topics.first().and_then(|topic| topic.split('/').nth(at)).unwrap_or("value");
            let note = "name: the level of the topic that says what is measured (confidence medium)";
            route.notes.push(note.to_owned());
            route.settings.push(("name", name.to_owned()));
        }
        let by_payload =
            names_device || messages_name_devices(format, &route.settings, messages, transform.zone());
        let template = topics::template(kind, by_payload && !outside);
        let otherwise = if by_payload { Confidence::High } else { Confidence::Low };
        let sure = template.device.unwrap_or(otherwise).word();
        route.notes.insert(0, format!("device: {} (confidence {sure})", template.why));
        let (sure, doubt) = recognise::confidence(&kind.recognised, messages);
        route.notes.insert(
            0,
            format!(
                "{} of {}, recognised as {format} (confidence {})",
                plural(messages.len(), "message"),
                plural(kind.topics.len(), "topic"),
                sure.word()
            ),
        );
        route.notes.extend(doubt.map(|doubt| format!("format: in doubt: {doubt}")));
        route.topic = template.text;
        let taken: BTreeSet<String> = self.profiles.iter().map(|profile| profile.name.clone()).collect();
        let learned = profile::learned(&route.topic, format, &route.settings, messages, transform, &taken);
        let known = existing::existing(format, &learned, transform);
        let name = match known {
            Some(existing) => {
                let Existing { name, confidence, why } = existing;
                route.notes.push(format!("profile: {name} has {why} (confidence {})", confidence.word()));
                name
            }
            None => {
                let name = learned.name.clone();
                if learned.has_names() {
                    self.profiles.push(learned);
                    name
                } else {
                    route.notes.push("profile: no value was seen, so there is none".to_owned());
                    String::new()
                }
            }
        };
        let name = Some(name).filter(|name| !name.is_empty());
        route.profile.clone_from(&name);
        let other = self.routes.iter().position(|other| other.topic == route.topic);
        // The route gives the profile, unless it has another one for other devices.
        let of_row = name.clone().filter(|_| other.is_some());
        rows(&route, of_row.as_deref(), messages, transform, devices);
        match other.and_then(|at| self.routes.get_mut(at)) {
            None => self.routes.push(route),
            Some(other) if other.format == route.format && other.settings == route.settings => {
                other.notes.push(format!(
                    "other devices on the same topics have the profile {} in the registry",
                    name.as_deref().unwrap_or("generic")
                ));
            }
            Some(other) => {
                let text = format!(
                    "its messages come on the same topics as others, but are read otherwise ({} beside {}): give it \
                     topics of its own",
                    route.format, other.format
                );
                self.unread.push((kind.topics.first().cloned().unwrap_or_default(), text));
            }
        }
    }
}

/// A row for each device that the registry lacks.
fn rows(
    route: &Route,
    profile: Option<&str>,
    messages: &[&Captured],
    transform: &Transform,
    devices: &mut BTreeMap<String, Device>,
) {
    let template = Template::parse(&route.topic).ok();
    let Some(decoder) = named(route.format, &route.settings) else { return };
    for message in messages {
        let captured = template.as_ref().and_then(|template| template.capture(&message.topic, "device"));
        let samples = decoded(&decoder, message, false, transform.zone()).unwrap_or_default();
        let told = samples.into_iter().filter_map(|sample| sample.device.map(std::borrow::Cow::into_owned));
        let mut ids: BTreeSet<String> = told.collect();
        if ids.is_empty() {
            ids.extend(captured.map(str::to_owned));
        }
        for id in ids.into_iter().filter(|id| !id.is_empty() && !transform.is_registered(id, message.time)) {
            let row = Device::new(id, template.as_ref(), &message.topic, profile.map(str::to_owned));
            devices.entry(row.id.clone()).or_insert(row);
        }
    }
}

/// Whether most messages say whose they are, by what their format is.
fn messages_name_devices(format: &str, settings: &Settings, messages: &[&Captured], zone: &TimeZone) -> bool {
    let Some(decoder) = named(format, settings) else { return false };
    let looked_at: Vec<_> = messages.iter().take(LOOKED_AT).collect();
    let named = looked_at.iter().filter(|message| {
        let samples = decoded(&decoder, message, false, zone).unwrap_or_default();
        !samples.is_empty() && samples.iter().all(|sample| sample.device.is_some())
    });
    named.count().saturating_mul(5) >= looked_at.len().saturating_mul(4)
}

fn plural(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
