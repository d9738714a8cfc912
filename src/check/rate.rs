//! Rate of change: a value that moved faster than the quantity can is suspect. QARTOD test 7, "rate of change".
//!
//! The only check that remembers: the last value of each device's quantities, by the time it was measured.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::de::Deserializer;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::quality::Flag;

const MINUTE: f64 = 60e9;
/// The most quantities remembered of one device, so that made up channels cannot fill the memory.
const MAX_ENTRIES: usize = 256;

/// The last values that were no failure.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Last(HashMap<String, Entries>);

/// Those of one device.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Entries(Vec<Entry>);

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    field: Arc<str>,
    channel: Option<Arc<str>>,
    /// Unix time in nanoseconds.
    time: i64,
    value: f64,
}

/// One value to be judged.
#[derive(Debug, Clone, Copy)]
pub struct Value<'v> {
    pub field: &'v Arc<str>,
    pub channel: Option<&'v Arc<str>>,
    /// Unix time in nanoseconds.
    pub time: i64,
    pub value: f64,
}

impl Last {
    /// What is remembered of one device; from now on it is, so there is always something.
    pub fn of(&mut self, device: &str) -> Option<&mut Entries> {
        if !self.0.contains_key(device) {
            self.0.insert(device.to_owned(), Entries::default());
        }
        self.0.get_mut(device)
    }

    /// How many values are remembered.
    pub fn len(&self) -> usize {
        self.0.values().map(|entries| entries.0.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Entries {
    /// Judges a value against the last one before it and remembers it. `limit` is a change per minute; a shorter
    /// step may be as large as that of a minute, since sensors are noisy. Not evaluated: a first value, and one
    /// that is not later than the last.
    pub fn check(&mut self, new: Value<'_>, limit: f64) -> Flag {
        let Self(entries) = self;
        // Nearly always it is the very text of the catalogue.
        let same = |entry: &Entry| Arc::ptr_eq(&entry.field, new.field) || entry.field == *new.field;
        let known = entries.iter_mut().find(|entry| same(entry) && entry.channel.as_ref() == new.channel);
        let Some(last) = known else {
            if entries.len() < MAX_ENTRIES {
                entries.push(Entry {
                    field: Arc::clone(new.field),
                    channel: new.channel.cloned(),
                    time: new.time,
                    value: new.value,
                });
            }
            return Flag::NotEvaluated;
        };
        if new.time <= last.time {
            return Flag::NotEvaluated;
        }
        #[expect(clippy::cast_precision_loss, reason = "a span of time needs no nanosecond here")]
        let minutes = (i128::from(new.time) - i128::from(last.time)) as f64 / MINUTE;
        let change = (new.value - last.value).abs();
        (last.time, last.value) = (new.time, new.value);
        if change > limit * minutes.max(1.0) { Flag::Suspect } else { Flag::Pass }
    }
}

/// Values as their bits: no digit is lost on the way.
impl Serialize for Last {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(device, entries)| {
            let tell = |entry: &Entry| {
                (
                    entry.field.to_string(),
                    entry.channel.as_deref().map(str::to_owned),
                    entry.time,
                    entry.value.to_bits(),
                )
            };
            (device, entries.0.iter().map(tell).collect::<Vec<_>>())
        }))
    }
}

impl<'de> Deserialize<'de> for Last {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        type Told = (String, Option<String>, i64, u64);
        let told = HashMap::<String, Vec<Told>>::deserialize(from)?;
        // A city has a few names and many devices: each name is kept once.
        let mut names = HashSet::<Arc<str>>::new();
        let mut shared = |name: String| match names.get(&*name) {
            Some(known) => Arc::clone(known),
            None => {
                let name: Arc<str> = name.into();
                names.insert(Arc::clone(&name));
                name
            }
        };
        let mut entry = |(field, channel, time, value): Told| Entry {
            field: shared(field),
            channel: channel.map(&mut shared),
            time,
            value: f64::from_bits(value),
        };
        let devices = told.into_iter();
        Ok(Self(
            devices.map(|(id, told)| (id, Entries(told.into_iter().map(&mut entry).collect()))).collect(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn series(values: &[(i64, f64)]) -> (Last, Vec<Flag>) {
        let (mut last, field) = (Last::default(), Arc::from("water_level_m"));
        let check = |(seconds, value): &(i64, f64)| {
            let new = Value { field: &field, channel: None, time: seconds * SECOND, value: *value };
            last.of("WL-1").unwrap().check(new, 0.125)
        };
        let flags = values.iter().map(check).collect();
        (last, flags)
    }

    #[test]
    fn a_change_is_judged_by_its_rate_and_a_short_step_by_that_of_a_minute() {
        use Flag::{NotEvaluated, Pass, Suspect};
        let (_, flags) = series(&[
            (0, 1.0),
            (60, 1.125),  // just the limit
            (120, 1.375), // too fast
            (720, 2.0),   // more, but in ten minutes
            (721, 2.09),  // a second: a minute's change is allowed
            (722, 2.3),
        ]);
        assert_eq!(flags, [NotEvaluated, Pass, Suspect, Pass, Pass, Suspect]);
    }

    #[test]
    fn what_is_not_later_is_not_evaluated_and_not_remembered() {
        use Flag::{NotEvaluated, Pass};
        let (last, flags) = series(&[(60, 1.0), (60, 9.0), (0, 9.0), (120, 1.05)]);
        assert_eq!(flags, [NotEvaluated, NotEvaluated, NotEvaluated, Pass]);
        assert_eq!(last.len(), 1);
        let extremes = series(&[(i64::MIN / SECOND, 0.0), (i64::MAX / SECOND, f64::MAX)]);
        assert_eq!(extremes.1[1], Flag::Suspect);
    }

    #[test]
    fn devices_fields_and_channels_are_apart_bounded_and_survive_a_snapshot() {
        let (mut last, field) = (Last::default(), Arc::<str>::from("x_c"));
        for number in 0..1000 {
            let channel = Arc::from(number.to_string());
            let value = 0.1 + f64::from(number);
            let new = Value { field: &field, channel: Some(&channel), time: 1, value };
            last.of("a").unwrap().check(new, 1.0);
        }
        last.of("b").unwrap().check(Value { field: &field, channel: None, time: 1, value: 0.3 }, 1.0);
        assert_eq!(last.len(), MAX_ENTRIES + 1);
        let saved = serde_json::to_string(&last).unwrap();
        assert_eq!(serde_json::from_str::<Last>(&saved).unwrap(), last);
    }
}
