//! The tally: what became of each publish, message by message, by the publisher's own log.
//!
//! A point with its device's time has an identity: however often its message was sent, it is there once. One without
//! is told by its values alone, which the city never repeats within one run of ordinary length. Sent again because
//! no PUBACK came, such a message may be there once for each sending, and no oftener; the same holds for the
//! quarantine. Once acknowledged, every message must be there.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::Serialize;

use super::{EXAMPLES, Held, Row, held_of, in_words, rounded, same_flag};
use crate::simulate::log::Entry;
use crate::simulate::{Expectation, ExpectedPoint, ExpectedTime, Log};

/// Counts of messages; only `doubled` counts points and quarantine records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub acknowledged: u64,
    /// Acknowledged, and all points are in the store; where a rest was expected in quarantine, it is there.
    pub stored: u64,
    /// Acknowledged, without a point, and in quarantine.
    pub quarantined: u64,
    /// Acknowledged and rightly nowhere: empty, or no reading. Only the account can tell more of them.
    pub discarded: u64,
    /// Of the stored ones, those with a value that is suspect, failed or missing.
    pub flagged: u64,
    /// Acknowledged, and not where they must be.
    pub lost: u64,
    /// Points and quarantine records that are there oftener than their message was sent.
    pub doubled: u64,
    /// Sent again for want of a PUBACK, and there once more, because nothing but their values identifies them.
    pub repeated: u64,
    /// What is lost or doubled, the first few in words.
    pub examples: Vec<String>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acknowledged, stored, quarantined, flagged, lost, doubled, .. } = self;
        write!(
            f,
            "acknowledged {acknowledged}, stored {stored}, quarantined {quarantined}, flagged {flagged}, \
             lost {lost}, doubled {doubled}"
        )
    }
}

/// Fields with their values, in the order of their names.
type Fields = Vec<(String, u64)>;

/// Measurement, device and time.
type Identity = (String, String, i64);

/// A stored point: its fields, and how often each of them is there.
type Found = BTreeMap<String, (u64, u64)>;

/// What nothing but its content identifies.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Content {
    Point { measurement: &'static str, device: String, fields: Fields },
    Held(Held),
}

/// Everything that was found.
#[derive(Debug, Default)]
struct Stock {
    points: HashMap<Identity, Found>,
    contents: HashMap<Content, Left>,
}

/// How many of one content nobody has claimed yet.
#[derive(Debug, Default)]
struct Left {
    left: u64,
    /// Some publish has it; otherwise it is invented, which the verdict tells.
    known: bool,
}

/// Holds the log against all rows of the store and all records of the quarantine.
pub fn tally(log: &Log, rows: &[Row], held: &[Held]) -> Tally {
    let mut stock = Stock::new(log, rows, held);
    let mut tally = Tally::default();
    // Acknowledged ones first: what must be there takes precedence over what may be there.
    let present: Vec<bool> = log.entries.iter().map(|entry| stock.claim(entry)).collect();
    for (entry, present) in log.entries.iter().zip(present) {
        stock.claim_repeats(entry, &mut tally);
        if !entry.acknowledged {
            continue;
        }
        tally.acknowledged += 1;
        match (&entry.expectation, present) {
            (Expectation::Discarded(_), _) => tally.discarded += 1,
            (_, false) => {
                tally.lost += 1;
                tally.example(format!("lost: {}", told(entry)));
            }
            (Expectation::Quarantined(_), true) => tally.quarantined += 1,
            (Expectation::Points { points, .. }, true) => {
                tally.stored += 1;
                tally.flagged += u64::from(points.iter().any(is_flagged));
            }
        }
    }
    stock.count_surplus(&mut tally);
    tally
}

impl Tally {
    fn example(&mut self, text: String) {
        if self.examples.len() < EXAMPLES {
            self.examples.push(text);
        }
    }
}

impl Stock {
    fn new(log: &Log, rows: &[Row], held: &[Held]) -> Self {
        let mut stock = Self::default();
        for row in rows.iter().filter(|row| row.field != "delay_s") {
            let device = row.tags.get("device").cloned().unwrap_or_default();
            let found = stock.points.entry((row.measurement.clone(), device, row.time)).or_default();
            let value = rounded(same_flag(&row.field, row.value));
            let (known, times) = found.entry(row.field.clone()).or_insert((value, 0));
            *known = value;
            *times += 1;
        }
        for record in held {
            stock.contents.entry(Content::Held(record.clone())).or_default().left += 1;
        }
        stock.separate(log);
        stock
    }

    /// Points at a time that no publish told are known by their content.
    fn separate(&mut self, log: &Log) {
        let mut told = std::collections::HashSet::new();
        let mut names = HashMap::new();
        for point in log.entries.iter().flat_map(points) {
            names.insert(point.measurement.to_owned(), point.measurement);
            if let ExpectedTime::Told(time) = point.time {
                told.insert((point.measurement.to_owned(), point.device.to_string(), time));
            }
        }
        let mut contents = Vec::new();
        self.points.retain(|identity, found| {
            let (measurement, device, _) = identity;
            // A measurement that nobody published is invented: the verdict names it.
            let Some(measurement) = names.get(measurement).filter(|_| !told.contains(identity)) else {
                return true;
            };
            let fields = found.iter().map(|(field, (value, _))| (field.clone(), *value)).collect();
            let times = found.values().map(|(_, times)| *times).max().unwrap_or(0);
            contents.push((Content::Point { measurement, device: device.clone(), fields }, times));
            false
        });
        for (content, times) in contents {
            self.contents.entry(content).or_default().left += times;
        }
    }

    /// Whether all that an acknowledged message must leave is there; takes it out of what nobody has claimed.
    fn claim(&mut self, entry: &Entry) -> bool {
        if !entry.acknowledged {
            return false;
        }
        let told = points(entry).all(|point| match point.time {
            ExpectedTime::Receive => true,
            ExpectedTime::Told(time) => self.holds(point, time),
        });
        // All of them are taken, also where one lacks: the others are no surplus.
        let lacking = contents(entry).into_iter().filter(|content| !self.take(content)).count();
        told && lacking == 0
    }

    fn holds(&self, point: &ExpectedPoint, time: i64) -> bool {
        let identity = (point.measurement.to_owned(), point.device.to_string(), time);
        self.points.get(&identity).is_some_and(|found| {
            let there = |(field, value): &(String, f64)| {
                found.get(field).is_some_and(|(known, _)| *known == rounded(*value))
            };
            point.fields.iter().all(there)
        })
    }

    fn take(&mut self, content: &Content) -> bool {
        let Some(stock) = self.contents.get_mut(content) else { return false };
        stock.known = true;
        let there = stock.left > 0;
        stock.left = stock.left.saturating_sub(1);
        there
    }

    /// What may be there beyond that: once for each sending that may have arrived.
    fn claim_repeats(&mut self, entry: &Entry, tally: &mut Tally) {
        let more = entry.sends.saturating_sub(u32::from(entry.acknowledged));
        for content in if more == 0 { Vec::new() } else { contents(entry) } {
            let taken = (0..more).take_while(|_| self.take(&content)).count();
            if entry.acknowledged {
                tally.repeated += u64::try_from(taken).unwrap_or(u64::MAX);
            }
        }
    }

    /// What nobody sent so often.
    fn count_surplus(&self, tally: &mut Tally) {
        for ((measurement, device, time), found) in &self.points {
            let times = found.values().map(|(_, times)| *times).max().unwrap_or(0);
            if times > 1 {
                tally.doubled += times - 1;
                tally.example(format!("{times} times: {measurement} of {device} at {time}"));
            }
        }
        for (content, Left { left, .. }) in
            self.contents.iter().filter(|(_, stock)| stock.known && stock.left > 0)
        {
            tally.doubled += left;
            tally.example(format!("{left} too many: {}", content.told()));
        }
    }
}

impl Content {
    fn told(&self) -> String {
        match self {
            Self::Held(held) => in_words(held),
            Self::Point { measurement, device, .. } => format!("{measurement} of {device}"),
        }
    }
}

fn points(entry: &Entry) -> impl Iterator<Item = &ExpectedPoint> {
    let points = match &entry.expectation {
        Expectation::Points { points, .. } => points.as_slice(),
        Expectation::Quarantined(_) | Expectation::Discarded(_) => &[],
    };
    points.iter()
}

/// What a message leaves that only its content identifies.
fn contents(entry: &Entry) -> Vec<Content> {
    let untold = points(entry).filter(|point| point.time == ExpectedTime::Receive).map(|point| {
        let mut fields: Fields =
            point.fields.iter().map(|(field, value)| (field.clone(), rounded(*value))).collect();
        fields.sort();
        Content::Point { measurement: point.measurement, device: point.device.to_string(), fields }
    });
    let held = held_of(entry).map(Content::Held);
    untold.chain(held).collect()
}

fn is_flagged(point: &ExpectedPoint) -> bool {
    point.fields.iter().any(|(field, value)| field.ends_with("_qc") && *value > 2.0)
}

fn told(entry: &Entry) -> String {
    let all: Vec<_> = points(entry)
        .map(|point| {
            let time = match point.time {
                ExpectedTime::Told(time) => format!("at {time}"),
                ExpectedTime::Receive => "without an own time".to_owned(),
            };
            format!("{} of {} {time}", point.measurement, point.device)
        })
        .chain(held_of(entry).map(|held| in_words(&held)))
        .collect();
    all.join(" and ")
}
