//! Rate of change: a value that moved faster than the quantity can is suspect. QARTOD test 7, "rate of change".
//!
//! The only check that remembers: the last value of each device's quantities, by the time it was measured.

use std::collections::HashMap;
use std::sync::Arc;

use serde::de::Deserializer;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::hashing::Seeded;
use crate::point::Name;
use crate::quality::Flag;

const MINUTE: f64 = 60e9;
/// The most quantities remembered of one device, so that made up channels cannot fill the memory.
const MAX_ENTRIES: usize = 256;

/// The last values that were no failure. A copy shares what neither side changes, so that a snapshot costs little.
#[derive(Debug, Clone, Default)]
pub struct Last {
    /// Of each device its place in `entries`.
    devices: HashMap<Box<str>, usize, Seeded>,
    entries: Vec<Arc<Vec<Entry>>>,
    keys: Keys,
}

/// Which values of a device there are. A city has a few and many devices, so each is kept once.
#[derive(Debug, Clone, Default)]
struct Keys {
    list: Vec<Key>,
    places: HashMap<Key, u32, Seeded>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    field: Name,
    channel: Option<Arc<str>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    /// The place of its key.
    key: u32,
    /// Unix time in nanoseconds.
    time: i64,
    value: f64,
}

/// Those of one device.
#[derive(Debug)]
pub struct Entries<'l> {
    entries: &'l mut Vec<Entry>,
    keys: &'l mut Keys,
}

/// One value to be judged.
#[derive(Debug, Clone, Copy)]
pub struct Value<'v> {
    pub field: &'v Name,
    pub channel: Option<&'v Arc<str>>,
    /// Unix time in nanoseconds.
    pub time: i64,
    pub value: f64,
    /// A running total, which may begin anew.
    pub counter: bool,
}

impl Last {
    /// What is remembered of one device; from now on it is, so there is always something.
    pub fn of(&mut self, device: &str) -> Option<Entries<'_>> {
        let place = match self.devices.get(device) {
            Some(place) => *place,
            None => {
                self.devices.insert(device.into(), self.entries.len());
                self.entries.push(Arc::default());
                self.entries.len() - 1
            }
        };
        let entries = Arc::make_mut(self.entries.get_mut(place)?);
        Some(Entries { entries, keys: &mut self.keys })
    }

    /// How many devices have values.
    pub fn devices(&self) -> usize {
        self.devices.len()
    }

    /// How many values are remembered.
    pub fn len(&self) -> usize {
        self.entries.iter().map(|entries| entries.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    fn entries(&self) -> impl Iterator<Item = (&str, &[Entry])> {
        let of = |place: &usize| self.entries.get(*place).map_or(&[][..], |entries| &***entries);
        self.devices.iter().map(move |(device, place)| (&**device, of(place)))
    }

    fn told<'l>(&'l self, entries: &'l [Entry]) -> impl Iterator<Item = Told<&'l str>> {
        entries.iter().filter_map(|Entry { key, time, value }| {
            let Key { field, channel } = self.keys.get(*key)?;
            Some((&**field, channel.as_deref(), *time, value.to_bits()))
        })
    }
}

impl Keys {
    fn get(&self, place: u32) -> Option<&Key> {
        self.list.get(usize::try_from(place).ok()?)
    }

    fn place(&mut self, key: Key) -> Option<u32> {
        if let Some(place) = self.places.get(&key) {
            return Some(*place);
        }
        let place = u32::try_from(self.list.len()).ok()?;
        self.list.push(key.clone());
        self.places.insert(key, place);
        Some(place)
    }
}

impl Entries<'_> {
    /// Judges a value against the last one before it and remembers it. `limit` is a change per minute; a shorter
    /// step may be as large as that of a minute, since sensors are noisy. Not evaluated: a first value, one
    /// that is not later than the last, and the first of a running total that has begun anew.
    pub fn check(&mut self, new: Value<'_>, limit: f64) -> Flag {
        let Self { entries, keys } = self;
        // Nearly always it is the very text of the catalogue.
        let same = |key: &Key| key.field == *new.field && key.channel.as_ref() == new.channel;
        let Some(last) = entries.iter_mut().find(|entry| keys.get(entry.key).is_some_and(same)) else {
            let key = Key { field: new.field.clone(), channel: new.channel.cloned() };
            if entries.len() < MAX_ENTRIES
                && let Some(key) = keys.place(key)
            {
                entries.push(Entry { key, time: new.time, value: new.value });
            }
            return Flag::NotEvaluated;
        };
        if new.time <= last.time {
            return Flag::NotEvaluated;
        }
        #[expect(clippy::cast_precision_loss, reason = "a span of time needs no nanosecond here")]
        let minutes = new.time.saturating_sub(last.time) as f64 / MINUTE;
        let change = new.value - last.value;
        (last.time, last.value) = (new.time, new.value);
        if new.counter && change < 0.0 {
            return Flag::NotEvaluated;
        }
        if change.abs() > limit * minutes.max(1.0) { Flag::Suspect } else { Flag::Pass }
    }
}

/// One value as it is saved: field, channel, time, and its bits, so that no digit is lost on the way.
type Told<T> = (T, Option<T>, i64, u64);

impl PartialEq for Last {
    fn eq(&self, other: &Self) -> bool {
        let others: HashMap<_, _> = other.entries().collect();
        self.devices.len() == others.len()
            && self.entries().all(|(device, entries)| {
                let others = others.get(device);
                others.is_some_and(|others| self.told(entries).eq(other.told(others)))
            })
    }
}

impl Serialize for Last {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let told = |entries| self.told(entries).collect::<Vec<_>>();
        to.collect_map(self.entries().map(|(device, entries)| (device, told(entries))))
    }
}

impl<'de> Deserialize<'de> for Last {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut last = Self::default();
        for (device, told) in HashMap::<Box<str>, Vec<Told<String>>>::deserialize(from)? {
            let mut entries = Vec::with_capacity(told.len());
            for (field, channel, time, bits) in told {
                let key = last.keys.place(Key { field: Name::new(field), channel: channel.map(Arc::from) });
                entries.extend(key.map(|key| Entry { key, time, value: f64::from_bits(bits) }));
            }
            last.devices.insert(device, last.entries.len());
            last.entries.push(Arc::new(entries));
        }
        Ok(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn series(values: &[(i64, f64)]) -> (Last, Vec<Flag>) {
        judged(values, false)
    }

    fn judged(values: &[(i64, f64)], counter: bool) -> (Last, Vec<Flag>) {
        let (mut last, field) = (Last::default(), Name::from("water_level_m"));
        let check = |(seconds, value): &(i64, f64)| {
            let new = Value { field: &field, channel: None, time: seconds * SECOND, value: *value, counter };
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
    fn a_running_total_that_begins_anew_is_not_judged_by_the_step_back() {
        use Flag::{NotEvaluated, Pass, Suspect};
        // Reset to 0, later wrapped; from there on it is judged again.
        let total = [(0, 600.0), (60, 600.1), (120, 0.0), (180, 0.1), (240, 9.0), (300, 1.0), (360, 1.1)];
        let (_, flags) = judged(&total, true);
        assert_eq!(flags, [NotEvaluated, Pass, NotEvaluated, Pass, Suspect, NotEvaluated, Pass]);
        assert_eq!(judged(&total, false).1[2], Suspect);
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
        let (mut last, field) = (Last::default(), Name::from("x_c"));
        for number in 0..1000 {
            let channel = Arc::from(number.to_string());
            let value = 0.1 + f64::from(number);
            let new = Value { field: &field, channel: Some(&channel), time: 1, value, counter: false };
            last.of("a").unwrap().check(new, 1.0);
        }
        last.of("b")
            .unwrap()
            .check(Value { field: &field, channel: None, time: 1, value: 0.3, counter: false }, 1.0);
        assert_eq!(last.len(), MAX_ENTRIES + 1);
        let saved = serde_json::to_string(&last).unwrap();
        assert_eq!(serde_json::from_str::<Last>(&saved).unwrap(), last);
    }
}
