//! The oracle: holds the publisher's log against what store and quarantine hold. Pure; it trusts neither.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

mod tally;

use super::log::Entry as Logged;
use super::{Expectation, ExpectedPoint, ExpectedTime, Log};
use crate::outcome::Reason;

pub use tally::{Tally, tally};

/// Examples kept of each kind of difference.
const EXAMPLES: usize = 10;

/// One stored field.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub measurement: String,
    pub tags: BTreeMap<String, String>,
    /// Unix time in nanoseconds.
    pub time: i64,
    pub field: String,
    pub value: f64,
}

/// One record of the quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Held {
    pub topic: Vec<u8>,
    pub payload: Vec<u8>,
    pub reason: Reason,
}

/// Differences of one kind: how many, and the first few in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    pub count: u64,
    pub examples: Vec<String>,
}

impl Differences {
    fn add(&mut self, count: u64, example: impl fmt::Display) {
        self.count = self.count.saturating_add(count);
        if count > 0 && self.examples.len() < EXAMPLES {
            self.examples.push(example.to_string());
        }
    }
}

/// What the oracle says. Counts are fields and quarantine records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What acknowledged publishes must have left behind.
    pub expected: u64,
    /// What was found, `delay_s` aside.
    pub found: u64,
    pub missing: Differences,
    pub unexpected: Differences,
    pub wrong_value: Differences,
    pub doubled: Differences,
}

impl Verdict {
    /// Nothing is missing, invented, changed or doubled.
    pub fn agrees(&self) -> bool {
        [&self.missing, &self.unexpected, &self.wrong_value, &self.doubled].iter().all(|kind| kind.count == 0)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} expected, {} found", self.expected, self.found)?;
        for (name, kind) in [
            ("missing", &self.missing),
            ("unexpected", &self.unexpected),
            ("with another value", &self.wrong_value),
            ("doubled", &self.doubled),
        ] {
            if kind.count > 0 {
                write!(f, "; {} {name}, such as {}", kind.count, kind.examples.join(", "))?;
            }
        }
        Ok(())
    }
}

/// How often something may be there. Without an acknowledgement a publish may have arrived or not.
#[derive(Debug, Default, Clone, Copy)]
struct Allowed {
    least: u64,
    most: u64,
    found: u64,
}

impl Allowed {
    fn add(&mut self, acknowledged: bool, sends: u32) {
        self.least = self.least.saturating_add(u64::from(acknowledged));
        self.most = self.most.saturating_add(u64::from(sends));
    }

    const fn missing(&self) -> u64 {
        self.least.saturating_sub(self.found)
    }
}

/// Measurement and device.
type Series = (String, String);

/// What may be in the store for one measurement of one device.
#[derive(Debug, Default)]
struct Wanted {
    /// By field and told time: the value, and whether it must be there.
    told: HashMap<(String, i64), Told>,
    /// By field and value, because the time is the receiver's.
    received: HashMap<(String, u64), Allowed>,
}

#[derive(Debug)]
struct Told {
    value: f64,
    /// How often its publish was sent.
    sends: u32,
    required: bool,
    found: u64,
    /// Values of other publishes of this identity that may stand in its place: the last one's arrival is not known,
    /// or theirs came again after it.
    may: Vec<f64>,
}

impl Told {
    /// The later publish of one identity overwrites the earlier.
    fn overwritten(&mut self, value: f64, acknowledged: bool, sends: u32) {
        let certain = acknowledged && sends == 1;
        if !certain || self.sends > 1 {
            self.may.push(self.value);
        }
        (self.value, self.sends) = (value, sends);
        self.required |= acknowledged;
    }

    fn takes(&self, value: f64) -> bool {
        let same = |own: f64| rounded(own) == rounded(value);
        same(self.value) || self.may.iter().copied().any(same)
    }
}

/// Compares the log with all rows of the store and all records of the quarantine.
pub fn judge(
    log: &Log,
    rows: impl IntoIterator<Item = Row>,
    held: impl IntoIterator<Item = Held>,
) -> Verdict {
    let mut wanted: HashMap<Series, Wanted> = HashMap::new();
    let mut quarantine: HashMap<Held, Allowed> = HashMap::new();
    for entry in &log.entries {
        if let Expectation::Points { points, .. } = &entry.expectation {
            for point in points {
                want(&mut wanted, point, entry.acknowledged, entry.sends);
            }
        }
        if let Some(held) = held_of(entry) {
            quarantine.entry(held).or_default().add(entry.acknowledged, entry.sends);
        }
    }
    let mut verdict = Verdict::default();
    for row in rows {
        if row.field != "delay_s" {
            verdict.found = verdict.found.saturating_add(1);
            judge_row(&mut wanted, &row, &mut verdict);
        }
    }
    for record in held {
        verdict.found = verdict.found.saturating_add(1);
        match quarantine.get_mut(&record) {
            Some(allowed) => {
                allowed.found = allowed.found.saturating_add(1);
                if allowed.found > allowed.most {
                    verdict.doubled.add(1, in_words(&record));
                }
            }
            None => verdict.unexpected.add(1, in_words(&record)),
        }
    }
    count_missing(&wanted, &quarantine, &mut verdict);
    verdict
}

fn want(wanted: &mut HashMap<Series, Wanted>, point: &ExpectedPoint, acknowledged: bool, sends: u32) {
    let series = wanted.entry((point.measurement.to_owned(), point.device.to_string())).or_default();
    for (field, value) in &point.fields {
        match point.time {
            ExpectedTime::Told(time) => match series.told.entry((field.clone(), time)) {
                Entry::Occupied(mut told) => told.get_mut().overwritten(*value, acknowledged, sends),
                Entry::Vacant(free) => {
                    free.insert(Told {
                        value: *value,
                        sends,
                        required: acknowledged,
                        found: 0,
                        may: Vec::new(),
                    });
                }
            },
            ExpectedTime::Receive => {
                let key = (field.clone(), rounded(*value));
                series.received.entry(key).or_default().add(acknowledged, sends);
            }
        }
    }
}

fn judge_row(wanted: &mut HashMap<Series, Wanted>, row: &Row, verdict: &mut Verdict) {
    let device = row.tags.get("device").cloned().unwrap_or_default();
    let text = |row: &Row| {
        let device = row.tags.get("device").map_or("", String::as_str);
        format!("{} of {} {} = {} at {}", row.field, row.measurement, device, row.value, row.time)
    };
    let Some(series) = wanted.get_mut(&(row.measurement.clone(), device)) else {
        return verdict.unexpected.add(1, text(row));
    };
    let value = same_flag(&row.field, row.value);
    if let Some(told) = series.told.get_mut(&(row.field.clone(), row.time)) {
        told.found = told.found.saturating_add(1);
        if told.found > 1 {
            verdict.doubled.add(1, text(row));
        } else if !told.takes(value) {
            verdict.wrong_value.add(1, format!("{}, should be {}", text(row), told.value));
        }
        return;
    }
    match series.received.get_mut(&(row.field.clone(), rounded(value))) {
        Some(allowed) => {
            allowed.found = allowed.found.saturating_add(1);
            if allowed.found > allowed.most {
                verdict.doubled.add(1, text(row));
            }
        }
        None => verdict.unexpected.add(1, text(row)),
    }
}

fn count_missing(
    wanted: &HashMap<Series, Wanted>,
    quarantine: &HashMap<Held, Allowed>,
    verdict: &mut Verdict,
) {
    for ((measurement, device), series) in wanted {
        for ((field, time), told) in &series.told {
            if told.required {
                verdict.expected = verdict.expected.saturating_add(1);
                let missing = u64::from(told.found == 0);
                verdict.missing.add(
                    missing,
                    format_args!("{field} of {measurement} {device} = {} at {time}", told.value),
                );
            }
        }
        for ((field, value), allowed) in &series.received {
            verdict.expected = verdict.expected.saturating_add(allowed.least);
            let value = f64::from_bits(*value) / PRECISION;
            verdict
                .missing
                .add(allowed.missing(), format_args!("{field} of {measurement} {device} = {value}"));
        }
    }
    for (record, allowed) in quarantine {
        verdict.expected = verdict.expected.saturating_add(allowed.least);
        verdict.missing.add(allowed.missing(), in_words(record));
    }
}

/// The record that a message must leave in quarantine.
fn held_of(entry: &Logged) -> Option<Held> {
    let reason = match &entry.expectation {
        Expectation::Discarded(_) => None,
        Expectation::Quarantined(reason) => Some(*reason),
        Expectation::Points { rest, .. } => *rest,
    }?;
    let (topic, payload) = entry.bytes.as_ref()?;
    Some(Held { topic: topic.clone(), payload: payload.clone(), reason })
}

/// "Not evaluated" is as good as "pass": which of them depends on the ranges in the catalogue.
fn same_flag(field: &str, value: f64) -> f64 {
    if field.ends_with("_qc") && value == 2.0 { 1.0 } else { value }
}

fn in_words(held: &Held) -> String {
    let topic = String::from_utf8_lossy(&held.topic);
    format!("{} in quarantine as {}", topic.escape_debug(), held.reason)
}

/// Values that differ by less than a millionth are equal: a unit was converted on the way.
const PRECISION: f64 = 1e6;

fn rounded(value: f64) -> u64 {
    // Adding zero makes -0 the same as 0.
    ((value * PRECISION).round() + 0.0).to_bits()
}

#[cfg(test)]
mod tests;
