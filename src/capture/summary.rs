//! The summary of a capture: what became of its messages and readings, by group, with an example of each.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::transform::{Explanation, ReadingStory, Transform};

/// Groups, and names, that are told apart; what comes after is only counted.
const MOST: usize = 10_000;

/// All that was seen so far.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    pub messages: u64,
    pub readings: Readings,
    pub groups: Vec<Group>,
    pub names: Vec<Name>,
    /// Messages and readings whose group or name had no place any more.
    pub untold: u64,
    #[serde(skip)]
    group_of: BTreeMap<Key, usize>,
    #[serde(skip)]
    name_of: BTreeMap<(String, String, String), usize>,
}

/// Readings by what became of them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Readings {
    pub all: u64,
    /// Stored under a quantity of the catalogue.
    pub under_a_quantity: u64,
    /// Stored under the device's own name.
    pub under_their_own_name: u64,
    /// The device said that it has no value, or the profile that the name measures nothing.
    pub empty: u64,
    pub not_stored: u64,
}

/// Messages of one route, format, profile and device that went the same way.
#[derive(Debug, Serialize)]
pub struct Group {
    #[serde(flatten)]
    pub key: Key,
    pub messages: u64,
    pub example: Example,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Key {
    pub outcome: String,
    pub reason: Option<String>,
    pub route: Option<String>,
    pub format: Option<String>,
    /// What `auto` took.
    pub recognised: Option<String>,
    pub profile: Option<String>,
    pub device: Option<String>,
}

/// One of the messages.
#[derive(Debug, Clone, Serialize)]
pub struct Example {
    /// Its line in the capture.
    pub line: u64,
    pub topic: String,
    pub detail: Option<String>,
}

/// What one device calls a value, and what it became.
#[derive(Debug, Serialize)]
pub struct Name {
    pub profile: String,
    pub device: String,
    pub name: String,
    /// Whether the profile has it.
    pub known: bool,
    /// The field it was stored as last.
    pub field: Option<String>,
    pub readings: u64,
    /// Of them not stored, although something was measured.
    pub refused: u64,
    /// The first value, as told and as stored; the first refusal where none was stored.
    pub example: String,
}

impl Summary {
    /// Adds what became of the message on this line.
    pub fn add(&mut self, line: u64, explanation: &Explanation, transform: &Transform) {
        self.messages = self.messages.saturating_add(1);
        let decision = &explanation.decision;
        let key = Key {
            outcome: decision.outcome.clone(),
            reason: decision.reason.map(|reason| reason.to_string()),
            route: explanation.route.clone(),
            format: explanation.format.clone(),
            recognised: explanation.recognised.clone(),
            profile: explanation.samples.first().map(|sample| sample.profile.clone()),
            device: explanation.device.clone(),
        };
        let next = self.groups.len();
        let at = match self.group_of.get(&key) {
            Some(at) => Some(*at),
            None if next < MOST => {
                let (topic, detail) = (explanation.topic.clone(), decision.detail.clone());
                let example = Example { line, topic, detail };
                self.groups.push(Group { key: key.clone(), messages: 0, example });
                self.group_of.insert(key, next);
                Some(next)
            }
            None => None,
        };
        match at.and_then(|at| self.groups.get_mut(at)) {
            Some(group) => group.messages = group.messages.saturating_add(1),
            None => self.untold = self.untold.saturating_add(1),
        }
        for sample in &explanation.samples {
            let device = sample.device.clone().unwrap_or_default();
            for reading in &sample.readings {
                self.reading(&sample.profile, &device, reading, transform);
            }
        }
    }

    fn reading(&mut self, profile: &str, device: &str, reading: &ReadingStory, transform: &Transform) {
        let Readings { all, under_a_quantity, under_their_own_name, empty, not_stored } = &mut self.readings;
        *all = all.saturating_add(1);
        let nothing = reading.value == "null"
            || (reading.field.is_some() && reading.stored.is_none())
            || (reading.passed_over && reading.known);
        let refused = reading.refused.is_some() && !nothing;
        let counter = match &reading.field {
            _ if nothing => empty,
            Some(field) if transform.is_quantity(field) => under_a_quantity,
            Some(_) => under_their_own_name,
            None => not_stored,
        };
        *counter = counter.saturating_add(1);
        let key = (profile.to_owned(), device.to_owned(), reading.name.clone());
        let next = self.names.len();
        let at = match self.name_of.get(&key) {
            Some(at) => *at,
            None if next < MOST => {
                self.names.push(Name {
                    profile: profile.to_owned(),
                    device: device.to_owned(),
                    name: reading.name.clone(),
                    known: reading.known,
                    field: None,
                    readings: 0,
                    refused: 0,
                    example: String::new(),
                });
                self.name_of.insert(key, next);
                next
            }
            None => {
                self.untold = self.untold.saturating_add(1);
                return;
            }
        };
        let Some(name) = self.names.get_mut(at) else { return };
        name.readings = name.readings.saturating_add(1);
        name.refused = name.refused.saturating_add(u64::from(refused));
        if let (true, Some(field), Some(stored)) = (name.field.is_none(), &reading.field, reading.stored) {
            name.field = Some(field.clone());
            let unit = reading.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default();
            name.example = format!("{}{unit} -> {stored}", reading.value);
        } else if let (true, Some(why)) = (name.example.is_empty(), &reading.refused) {
            name.example = format!("{}: {why}", reading.value);
        }
    }

    /// Names that have no quantity, in the order of profile, device and name.
    pub fn drift(&self) -> Vec<&Name> {
        let mut drift: Vec<_> = self.names.iter().filter(|name| !name.known).collect();
        drift.sort_by(|a, b| (&a.profile, &a.device, &a.name).cmp(&(&b.profile, &b.device, &b.name)));
        drift
    }

    /// Groups by outcome, what is lost last; of one outcome the largest first.
    pub fn sorted(&self) -> Vec<&Group> {
        let rank = |outcome: &str| match outcome {
            "stored" => 0,
            "partly_stored" => 1,
            "discarded" => 2,
            _ => 3,
        };
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by(|a, b| {
            let order = rank(&a.key.outcome).cmp(&rank(&b.key.outcome));
            order.then(b.messages.cmp(&a.messages)).then(a.key.cmp(&b.key))
        });
        groups
    }
}
