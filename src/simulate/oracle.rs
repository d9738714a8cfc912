//! The oracle: holds the publisher's log against what store and quarantine hold. Pure; it trusts neither.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::{Expectation, ExpectedPoint, ExpectedTime, Log};
use crate::outcome::Reason;

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
    required: bool,
    found: u64,
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
        let reason = match &entry.expectation {
            Expectation::Discarded(_) => continue,
            Expectation::Quarantined(reason) => Some(*reason),
            Expectation::Points { points, rest } => {
                for point in points {
                    want(&mut wanted, point, entry.acknowledged, entry.sends);
                }
                *rest
            }
        };
        if let (Some(reason), Some((topic, payload))) = (reason, &entry.bytes) {
            let held = Held { topic: topic.clone(), payload: payload.clone(), reason };
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
            ExpectedTime::Told(time) => {
                let told = series.told.entry((field.clone(), time)).or_insert(Told {
                    value: *value,
                    required: false,
                    found: 0,
                });
                // The later publish of one identity overwrites the earlier.
                told.value = *value;
                told.required |= acknowledged;
            }
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
    // "Not evaluated" is as good as "pass": which of them depends on the ranges in the catalogue.
    let value = if row.field.ends_with("_qc") && row.value == 2.0 { 1.0 } else { row.value };
    if let Some(told) = series.told.get_mut(&(row.field.clone(), row.time)) {
        told.found = told.found.saturating_add(1);
        if told.found > 1 {
            verdict.doubled.add(1, text(row));
        } else if rounded(told.value) != rounded(value) {
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
mod tests {
    use super::super::city::tests::publishes;
    use super::super::{Misbehaviour, Options, Publish};
    use super::*;

    /// A log of which everything was acknowledged, and a store and quarantine that did everything right.
    fn world() -> (Log, Vec<Row>, Vec<Held>) {
        let (mut log, mut rows, mut held) = (Log::default(), Vec::new(), Vec::new());
        for (number, publish) in publishes(Options::default(), 1_500).into_iter().enumerate() {
            let ticket = log.sent(&publish);
            log.acknowledged(ticket);
            keep(&publish, i64::try_from(number).unwrap(), &mut rows, &mut held);
        }
        (log, rows, held)
    }

    fn keep(publish: &Publish, receive: i64, rows: &mut Vec<Row>, held: &mut Vec<Held>) {
        let mut quarantine = |reason| {
            held.push(Held {
                topic: publish.topic.clone().into_bytes(),
                payload: publish.payload.clone(),
                reason,
            });
        };
        match &publish.expectation {
            Expectation::Discarded(_) => {}
            Expectation::Quarantined(reason) => quarantine(*reason),
            Expectation::Points { points, rest } => {
                rest.map(&mut quarantine);
                for point in points {
                    let ExpectedPoint { measurement, device, time, fields } = point;
                    let time = match time {
                        ExpectedTime::Told(time) => *time,
                        ExpectedTime::Receive => receive,
                    };
                    let delay = [("delay_s".to_owned(), 0.2)];
                    rows.extend(fields.iter().chain(&delay).map(|(field, value)| Row {
                        measurement: (*measurement).to_owned(),
                        tags: BTreeMap::from([("device".to_owned(), device.to_string())]),
                        time,
                        field: field.clone(),
                        value: *value,
                    }));
                }
            }
        }
    }

    /// The place of a row with a told or a receive time.
    fn place(rows: &[Row], measurement: &str) -> usize {
        rows.iter().position(|row| row.measurement == measurement && !row.field.ends_with("_qc")).unwrap()
    }

    const TOLD_AND_RECEIVED: [&str; 2] = ["weather", "noise"];

    #[test]
    fn it_agrees_with_a_store_that_is_right() {
        let (log, mut rows, held) = world();
        // Not evaluated is as good as pass.
        rows.iter_mut().filter(|row| row.field == "occupied_qc").for_each(|row| row.value = 2.0);
        let verdict = judge(&log, rows, held);
        assert!(verdict.agrees(), "{verdict}");
        assert_eq!(verdict.expected, verdict.found);
        assert!(verdict.expected > 5_000 && log.open() == 0);
        let outcomes = log.outcomes();
        assert_eq!(outcomes.total(), 1_500);
        for reason in [Reason::Malformed, Reason::NotFinite, Reason::NoRoute] {
            assert!(outcomes.quarantined.contains_key(&reason), "{reason}");
        }
        assert!(outcomes.partly_stored > 0 && outcomes.discarded.contains_key(&Reason::Empty));
    }

    #[test]
    fn it_notices_a_missing_point() {
        for measurement in TOLD_AND_RECEIVED {
            let (log, mut rows, held) = world();
            rows.remove(place(&rows, measurement));
            let verdict = judge(&log, rows, held);
            assert_eq!((verdict.missing.count, verdict.agrees()), (1, false), "{verdict}");
        }
        let (log, rows, mut held) = world();
        held.pop();
        assert_eq!(judge(&log, rows, held).missing.count, 1);
    }

    #[test]
    fn it_notices_a_doubled_point() {
        for measurement in TOLD_AND_RECEIVED {
            let (log, mut rows, held) = world();
            rows.push(rows[place(&rows, measurement)].clone());
            let verdict = judge(&log, rows, held);
            assert_eq!((verdict.doubled.count, verdict.agrees()), (1, false), "{verdict}");
        }
        let (log, rows, mut held) = world();
        held.push(held[0].clone());
        assert_eq!(judge(&log, rows, held).doubled.count, 1);
    }

    #[test]
    fn it_notices_an_invented_point() {
        for (field, device) in [("air_temperature_c", "nobody"), ("pm25_ugm3", "weather-1")] {
            let (log, mut rows, held) = world();
            let mut row = rows[place(&rows, "weather")].clone();
            row.tags.insert("device".to_owned(), device.to_owned());
            row.field = field.to_owned();
            rows.push(row);
            let verdict = judge(&log, rows, held);
            assert_eq!((verdict.unexpected.count, verdict.agrees()), (1, false), "{verdict}");
        }
        let (log, rows, mut held) = world();
        held[0].reason = Reason::TooComplex;
        let verdict = judge(&log, rows, held);
        assert_eq!((verdict.unexpected.count, verdict.missing.count), (1, 1));
    }

    #[test]
    fn it_notices_a_changed_point() {
        let (log, mut rows, held) = world();
        let place_of_told = place(&rows, "weather");
        rows[place_of_told].value += 0.1;
        let verdict = judge(&log, rows, held);
        assert_eq!((verdict.wrong_value.count, verdict.agrees()), (1, false), "{verdict}");
        // Without a told time, a changed value is one that lacks and one that nobody sent.
        let (log, mut rows, held) = world();
        let place_of_received = place(&rows, "noise");
        rows[place_of_received].value += 0.05;
        let verdict = judge(&log, rows, held);
        assert_eq!((verdict.missing.count, verdict.unexpected.count), (1, 1), "{verdict}");
    }

    #[test]
    fn without_an_acknowledgement_both_are_right() {
        let all = publishes(Options::default(), 600);
        let noise = all.iter().find(|publish| publish.misbehaviour == Some(Misbehaviour::Burst)).unwrap();
        let (mut log, mut rows, mut held) = (Log::default(), Vec::new(), Vec::new());
        let ticket = log.sent(noise);
        assert!(judge(&log, [], []).agrees());
        keep(noise, 1, &mut rows, &mut held);
        assert!(judge(&log, rows.clone(), []).agrees());
        log.sent_again(ticket);
        log.acknowledged(ticket);
        assert!(!judge(&log, [], []).agrees());
        keep(noise, 2, &mut rows, &mut held);
        assert!(judge(&log, rows.clone(), []).agrees(), "sent twice, stored twice");
        keep(noise, 3, &mut rows, &mut held);
        assert!(!judge(&log, rows, []).agrees());
    }
}
