//! Topics: which belong together, which of their levels vary, and which level names the device.

use std::collections::{BTreeMap, BTreeSet};

use super::guess::Confidence;
use super::recognise::Recognised;
use super::words;

/// Topics of one kind of device: the same levels, the same format, and names of values that are alike.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) recognised: Recognised,
    pub(super) topics: Vec<String>,
    /// Of all its messages.
    pub(super) names: BTreeSet<String>,
    /// The level that says what a bare value is, where the format is `value`.
    pub(super) told_by: Option<usize>,
}

/// A topic with what its messages hold.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) text: String,
    pub(super) recognised: Recognised,
    pub(super) names: BTreeSet<String>,
}

/// A template for topics of one kind, and how sure it is which level is the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) text: String,
    pub(super) device: Option<Confidence>,
    pub(super) why: String,
}

/// Levels that say what a topic is for, and never which device it is of.
const GENERAL: &[&str] = &[
    "data",
    "telemetry",
    "sensor",
    "sensors",
    "status",
    "state",
    "up",
    "uplink",
    "event",
    "events",
    "json",
    "message",
    "measurement",
    "measurements",
    "attrs",
    "reading",
    "readings",
    "raw",
    "value",
    "city",
    "kota",
    "iot",
    "device",
    "devices",
    "perangkat",
    "alat",
    "node",
    "nodes",
    "v1",
    "v2",
    "mqtt",
    "pub",
    "tele",
    "stat",
];
/// Levels after which the device comes.
const BEFORE_DEVICE: &[&str] = &[
    "device",
    "devices",
    "dev",
    "sensor",
    "sensors",
    "node",
    "nodes",
    "perangkat",
    "alat",
    "station",
    "stasiun",
];

/// Sorts topics into kinds, in the order of their texts.
pub(super) fn kinds(topics: Vec<Topic>) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = Vec::new();
    for topic in topics {
        let told_by = (topic.recognised.format == "value").then(|| told_by(&topic.text)).flatten();
        let fits = |kind: &&mut Kind| {
            if kind.recognised != topic.recognised {
                return false;
            }
            if topic.recognised.layout.is_some() {
                return true;
            }
            let Some(first) = kind.topics.first() else { return false };
            let same_depth = levels(first).len() == levels(&topic.text).len();
            if let Some(at) = told_by {
                let level = |text: &str| levels(text).get(at).map(|level| (*level).to_owned());
                return same_depth && kind.told_by == Some(at) && level(first) == level(&topic.text);
            }
            same_depth && alike(&kind.names, &topic.names)
        };
        match kinds.iter_mut().find(fits) {
            Some(kind) => {
                kind.topics.push(topic.text);
                kind.names.extend(topic.names);
            }
            None => {
                let Topic { text, recognised, names } = topic;
                kinds.push(Kind { recognised, topics: vec![text], names, told_by });
            }
        }
    }
    kinds
}

fn levels(topic: &str) -> Vec<&str> {
    topic.split('/').collect()
}

/// At least half of all names are in both.
fn alike(a: &BTreeSet<String>, b: &BTreeSet<String>) -> bool {
    let both = a.intersection(b).count();
    let all = a.union(b).count();
    both.saturating_mul(2) >= all
}

/// The level of a bare value's topic that says what it is.
fn told_by(topic: &str) -> Option<usize> {
    let levels = levels(topic);
    let known = levels.iter().rposition(|level| words::quantity(level).is_some());
    known.or_else(|| levels.len().checked_sub(1))
}

/// The template of a kind; `in_payload` says that the messages name their device themselves.
pub(super) fn template(kind: &Kind, in_payload: bool) -> Template {
    if let Some(layout) = kind.recognised.layout {
        let why = format!("the topic that {} prescribes", kind.recognised.format);
        return Template { text: layout.to_owned(), device: Some(Confidence::High), why };
    }
    let split: Vec<Vec<&str>> = kind.topics.iter().map(|topic| levels(topic)).collect();
    let depth = split.first().map_or(0, Vec::len);
    let different: Vec<BTreeSet<&str>> =
        (0..depth).map(|at| split.iter().filter_map(|levels| levels.get(at).copied()).collect()).collect();
    let scores: BTreeMap<usize, i64> = different
        .iter()
        .enumerate()
        .filter(|(at, values)| kind.told_by != Some(*at) && !values.contains(""))
        .map(|(at, values)| {
            (
                at,
                score(
                    at,
                    values,
                    at.checked_sub(1).and_then(|before| different.get(before)),
                    kind.topics.len(),
                ),
            )
        })
        .collect();
    let best = scores.iter().max_by_key(|(at, score)| (**score, **at)).map(|(at, score)| (*at, *score));
    let varies = |at: usize| different.get(at).is_some_and(|values| values.len() > 1);
    // A payload that names its device needs no level of the topic for it, unless that one is as sure.
    let best = best.filter(|(at, score)| if in_payload { varies(*at) && *score > 5 } else { *score > -3 });
    let before = |at: usize| at.checked_sub(1).and_then(|before| different.get(before));
    let mut text = Vec::new();
    for (at, values) in different.iter().enumerate() {
        let named = part_of_city(before(at)).filter(|name| !text.iter().any(|level: &String| level == name));
        let level = match (values.first(), named) {
            _ if best.is_some_and(|(device, _)| device == at) => "{device}".to_owned(),
            (_, Some(name)) => name.to_owned(),
            (Some(only), None) if values.len() == 1 => escaped(only),
            _ => format!("{{level_{}}}", at.saturating_add(1)),
        };
        text.push(level);
    }
    let (device, why) = match best {
        Some((at, score)) if varies(at) && score > 5 => {
            (Some(Confidence::High), "its level is another in each topic".to_owned())
        }
        Some((at, _)) if varies(at) => (Some(Confidence::Medium), "its level varies".to_owned()),
        Some((_, score)) if score > 2 => (
            Some(Confidence::Medium),
            "one topic only, and its level looks like a name of a device".to_owned(),
        ),
        Some(_) => (Some(Confidence::Low), "one topic only: which level is the device?".to_owned()),
        None if in_payload => (None, "the payload names the device".to_owned()),
        None => (None, "no level looks like a device".to_owned()),
    };
    Template { text: text.join("/"), device, why }
}

/// A level as it stands in a template; what a template cannot hold as text stays open.
fn escaped(level: &str) -> String {
    if level.contains(['+', '#', '{', '}']) { "+".to_owned() } else { level.to_owned() }
}

/// A level that names a city or a district, by the level before.
fn part_of_city(before: Option<&BTreeSet<&str>>) -> Option<&'static str> {
    let before = before.and_then(|values| values.first().filter(|_| values.len() == 1));
    match *before? {
        "city" | "kota" | "kabupaten" | "kab" => Some("{city}"),
        "district" | "kecamatan" | "kec" => Some("{district}"),
        _ => None,
    }
}

fn score(at: usize, values: &BTreeSet<&str>, before: Option<&BTreeSet<&str>>, topics: usize) -> i64 {
    let all = |holds: fn(&str) -> bool| values.iter().all(|value| holds(value));
    let mut score = 0;
    if all(|value| value.bytes().any(|byte| byte.is_ascii_digit())) {
        score += 3;
    }
    if all(|value| value.contains(['-', '_', ':'])) {
        score += 1;
    }
    if all(|value| words::quantity(value).is_some() || GENERAL.contains(&value.to_lowercase().as_str())) {
        score -= 4;
    }
    let announced = before.is_some_and(|values| {
        values.len() == 1 && values.iter().all(|value| BEFORE_DEVICE.contains(&value.to_lowercase().as_str()))
    });
    if announced {
        score += 3;
    }
    if at == 0 {
        score -= 2;
    }
    match values.len() {
        1 => score,
        some if some == topics => score + 4,
        _ => score + 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(format: &'static str, topics: &[&str]) -> Kind {
        let all = topics.iter().map(|text| Topic {
            text: (*text).to_owned(),
            recognised: Recognised { format, layout: None },
            names: BTreeSet::from(["a".to_owned(), "b".to_owned()]),
        });
        let mut kinds = kinds(all.collect());
        assert_eq!(kinds.len(), 1, "{kinds:?}");
        kinds.remove(0)
    }

    #[test]
    fn levels_that_vary_are_captured_and_one_is_the_device() {
        for (topics, expected) in [
            (&["sungai/rg-01/data", "sungai/rg-02/data"][..], "sungai/{device}/data"),
            (&["kota/pasuruan/x1/level", "kota/malang/x2/level"], "kota/{city}/{device}/level"),
            (&["iot/sensor/a7/suhu"], "iot/sensor/{device}/suhu"),
            (&["kota/malang/x1/a", "kota/malang/x2/a"], "kota/{city}/{device}/a"),
            (&["kota/a/city/b/x1", "kota/a/city/b/x2"], "kota/{city}/city/b/{device}"),
            (&["taman/tengah", "taman/barat"], "taman/{device}"),
            (
                &["pemkot/dlh/AQ1/east", "pemkot/dlh/AQ2/west", "pemkot/dlh/AQ3/west"],
                "pemkot/dlh/{device}/{level_4}",
            ),
        ] {
            assert_eq!(template(&kind("json", topics), false).text, expected, "{topics:?}");
        }
    }

    #[test]
    fn a_bare_value_is_told_by_a_level_of_its_own() {
        let bare = kind("value", &["rumah/kebun-2/suhu", "rumah/kebun-3/suhu"]);
        assert_eq!(bare.told_by, Some(2));
        assert_eq!(template(&bare, false).text, "rumah/{device}/suhu");
        let one = kind("value", &["suhu/kebun-2"]);
        assert_eq!((one.told_by, &*template(&one, false).text), (Some(0), "suhu/{device}"));
    }

    #[test]
    fn a_payload_that_names_its_device_needs_no_level() {
        let one = kind("json", &["gateway/lora/data"]);
        let found = template(&one, true);
        assert_eq!((&*found.text, found.device), ("gateway/lora/data", None));
    }
}
