//! Profiles: the guesses for all names of one kind of device, joined so that no two of them collide.

use std::collections::{BTreeMap, BTreeSet};

use super::guess::{Guess, guess};
use super::recognise::{Settings, decoded, named};
use super::seen::Seen;
use super::words;
use crate::capture::Captured;
use crate::transform::Transform;
use crate::unit::Unit;

/// Names of one kind of device; further ones are no names but data.
const MOST_NAMES: usize = 500;
/// The longest channel.
const MAX_CHANNEL: usize = 40;

/// What was learned of one kind of device.
#[derive(Debug)]
pub(super) struct Learned {
    pub(super) name: String,
    pub(super) measurement: Option<&'static str>,
    pub(super) number_text: bool,
    pub(super) decimal_comma: bool,
    pub(super) names: BTreeMap<String, (Guess, String)>,
    /// What each name's values were like.
    pub(super) seen: BTreeMap<String, Seen>,
}

impl Learned {
    pub(super) fn has_names(&self) -> bool {
        !self.names.is_empty()
    }
}

/// Guesses for every name that the messages hold.
pub(super) fn learned(
    topic: &str,
    format: &str,
    settings: &Settings,
    messages: &[&Captured],
    transform: &Transform,
    taken: &BTreeSet<String>,
) -> Learned {
    let mut all: BTreeMap<String, Seen> = BTreeMap::new();
    if let Some(decoder) = named(format, settings) {
        for message in messages {
            for sample in decoded(&decoder, message, false, transform.zone()).unwrap_or_default() {
                for reading in &sample.readings {
                    let room = all.len() < MOST_NAMES;
                    match all.get_mut(&*reading.name) {
                        Some(seen) => seen.add(reading),
                        None if room => {
                            let mut seen = Seen::default();
                            seen.add(reading);
                            all.insert(reading.name.clone().into_owned(), seen);
                        }
                        None => {}
                    }
                }
            }
        }
    }
    let mut number_texts =
        all.iter().filter(|(name, seen)| seen.is_number_text() && words::quantity(name).is_some());
    let decimal_comma = number_texts.clone().any(|(_, seen)| seen.decimal_commas > 0);
    let number_text = number_texts.next().is_some();
    let (units, unit_names) = units(&all);
    let mut names = BTreeMap::new();
    for (name, seen) in &all {
        let values = shown(seen);
        let guess = if unit_names.contains(name.as_str()) {
            Guess::Ignored { why: "the unit of the value beside it".to_owned() }
        } else {
            guess(name, seen, units.get(name.as_str()).copied(), transform.catalogue())
        };
        names.insert(name.clone(), (guess, values));
    }
    apart(&mut names);
    let quantities: Vec<&str> = names
        .values()
        .filter_map(|(guess, _)| match guess {
            Guess::Quantity { quantity, .. } => Some(quantity.as_str()),
            _ => None,
        })
        .collect();
    let measurement = words::measurement(&quantities);
    Learned {
        name: own_name(topic, format, taken, transform),
        measurement,
        number_text,
        decimal_comma,
        names,
        seen: all,
    }
}

/// Units that stand beside their values under a name of their own: of each value's name, and the names they have.
fn units(all: &BTreeMap<String, Seen>) -> (BTreeMap<&str, &str>, BTreeSet<&str>) {
    const UNIT: &[&str] = &["unit", "satuan", "uom", "units"];
    const VALUE: &[&str] = &["value", "nilai", "val", "v"];
    let (mut of, mut names) = (BTreeMap::new(), BTreeSet::new());
    for (name, seen) in all {
        let Some(unit) = seen.constant_text().filter(|text| Unit::parse(text).is_some()) else { continue };
        let at = name.rfind(['.', '_']).map_or(0, |at| at.saturating_add(1));
        let Some((before, last)) = name.split_at_checked(at) else { continue };
        if !UNIT.contains(&last.to_lowercase().as_str()) {
            continue;
        }
        names.insert(name.as_str());
        let bare = before.trim_end_matches(['.', '_']);
        let valued = VALUE.iter().map(|value| format!("{before}{value}")).chain([bare.to_owned()]);
        for value in valued {
            if let Some((value, _)) = all.get_key_value(&value) {
                of.insert(value.as_str(), unit);
            }
        }
    }
    (of, names)
}

/// Several names of one quantity get a channel each, from what is different in their names.
fn apart(names: &mut BTreeMap<String, (Guess, String)>) {
    let mut of: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, (guess, _)) in names.iter() {
        if let Guess::Quantity { quantity, .. } = guess {
            of.entry(quantity.clone()).or_default().push(name.clone());
        }
    }
    for same in of.into_values().filter(|same| same.len() > 1) {
        let common = same
            .iter()
            .skip(1)
            .fold(same.first().map_or("", String::as_str), |common, name| shared(common, name));
        let length = common.len();
        let mut used = BTreeSet::new();
        for name in &same {
            let rest = name.get(length..).unwrap_or_default();
            let mut text: String = rest
                .trim_matches(|c: char| !c.is_alphanumeric())
                .chars()
                .map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
                .take(MAX_CHANNEL)
                .collect();
            while !used.insert(text.clone()) {
                text.push('_');
            }
            if let Some((Guess::Quantity { channel, .. }, _)) = names.get_mut(name) {
                *channel = Some(text).filter(|text| !text.is_empty());
            }
        }
    }
}

fn shared<'a>(a: &'a str, b: &str) -> &'a str {
    let same = a.char_indices().zip(b.chars()).take_while(|((_, x), y)| x == y);
    let end = same.last().map_or(0, |((at, c), _)| at.saturating_add(c.len_utf8()));
    a.get(..end).unwrap_or_default()
}

/// What a person wants to see of the values.
fn shown(seen: &Seen) -> String {
    let mut parts = Vec::new();
    if let Some((low, high)) = seen.range() {
        parts.push(if low == high { format!("always {low}") } else { format!("{low} to {high}") });
    }
    if seen.booleans > 0 {
        parts.push("true or false".to_owned());
    }
    if seen.is_text() {
        parts.push(format!("{} different texts", seen.texts.len()));
    }
    if seen.nulls > 0 {
        parts.push(format!("{} times null", seen.nulls));
    }
    format!("{} values: {}", seen.count, parts.join(", "))
}

/// A name of its own, from the texts of the topic.
fn own_name(topic: &str, format: &str, taken: &BTreeSet<String>, transform: &Transform) -> String {
    let text = topic.split('/').filter(|level| !level.is_empty() && !level.contains(['{', '+', '#']));
    let plain = |level: &str| {
        let plain = level.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_lowercase());
        plain.take(16).collect::<String>()
    };
    let mut parts: Vec<String> = text.map(plain).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        parts.push(plain(format));
    }
    let base = format!("learned_{}", parts.join("_"));
    let free = |name: &String| !taken.contains(name) && !transform.profile_names().contains(&name.as_str());
    let numbered = (2_u32..).map(|number| format!("{base}_{number}"));
    std::iter::once(base.clone()).chain(numbered).find(free).unwrap_or(base)
}
