//! The time from receive to stored: a histogram since the start, and the percentiles of the last minute.

use serde::Serialize;

use crate::histogram::Reading;

/// Upper bounds of the histogram in seconds; beyond the last one is everything.
const BOUNDS: [f64; 14] =
    [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0, 3600.0, 86_400.0];
/// The last minute in slots of five seconds, and the slot that is filling.
const SLOTS: usize = 13;
const SLOT: i64 = 5_000_000_000;
/// Classes of the last minute: eight to each doubling from 1 ms on, so a percentile is right within 9 %.
const CLASSES: usize = 256;
const PER_DOUBLING: f64 = 8.0;
const MILLISECOND: f64 = 1e6;

/// All messages of one destination that were stored.
#[derive(Debug, Clone)]
pub struct Delays {
    /// For each bound and beyond, not summed up.
    counts: [u64; BOUNDS.len() + 1],
    sum: f64,
    slots: Vec<Slot>,
}

#[derive(Debug, Clone)]
struct Slot {
    /// Which stretch of five seconds it holds.
    number: i64,
    counts: [u32; CLASSES],
}

/// The last minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Lately {
    pub messages: u64,
    /// Nothing where no message was stored.
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
}

impl Default for Delays {
    fn default() -> Self {
        Self { counts: [0; BOUNDS.len() + 1], sum: 0.0, slots: Vec::new() }
    }
}

impl Delays {
    /// One message; times are in nanoseconds. A clock that was set back counts as no delay.
    pub fn note(&mut self, now: i64, nanos: i64) {
        let nanos = float(nanos.max(0));
        let seconds = nanos / 1e9;
        let at = BOUNDS.partition_point(|bound| *bound < seconds);
        if let Some(count) = self.counts.get_mut(at) {
            *count = count.saturating_add(1);
        }
        self.sum += seconds;
        let slot = self.slot(now.div_euclid(SLOT));
        if let Some(count) = slot.and_then(|slot| slot.counts.get_mut(class(nanos / MILLISECOND))) {
            *count = count.saturating_add(1);
        }
    }

    /// All since the start, in seconds.
    pub fn histogram(&self) -> Reading {
        let bounds = BOUNDS.into_iter().map(Some).chain([None]);
        Reading { sum: self.sum, buckets: bounds.zip(self.counts).collect() }
    }

    /// The last minute before `now`, Unix time in nanoseconds.
    pub fn lately(&self, now: i64) -> Lately {
        let newest = now.div_euclid(SLOT);
        let mut all = [0_u64; CLASSES];
        for slot in self.slots.iter().filter(|slot| newest.abs_diff(slot.number) < 13) {
            for (sum, count) in all.iter_mut().zip(&slot.counts) {
                *sum = sum.saturating_add((*count).into());
            }
        }
        let messages: u64 = all.iter().sum();
        let percentile = |hundredths: u64| {
            let wanted = (messages * hundredths).div_ceil(100);
            let mut seen = 0;
            all.iter().enumerate().find_map(|(class, count)| {
                seen += count;
                (messages > 0 && seen >= wanted).then(|| middle(class))
            })
        };
        Lately { messages, p50_ms: percentile(50), p99_ms: percentile(99) }
    }

    fn slot(&mut self, number: i64) -> Option<&mut Slot> {
        let at = match self.slots.iter().position(|slot| slot.number == number) {
            Some(at) => at,
            None => {
                let new = Slot { number, counts: [0; CLASSES] };
                if self.slots.len() < SLOTS {
                    self.slots.push(new);
                    self.slots.len() - 1
                } else {
                    // The farthest from now goes, so a clock that was set back leaves nothing for ever.
                    let (at, slot) = self
                        .slots
                        .iter_mut()
                        .enumerate()
                        .max_by_key(|(_, slot)| slot.number.abs_diff(number))?;
                    *slot = new;
                    at
                }
            }
        };
        self.slots.get_mut(at)
    }
}

fn class(milliseconds: f64) -> usize {
    let class = (milliseconds.max(1.0).log2() * PER_DOUBLING).round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and limited")]
    let class = class as usize;
    class.min(CLASSES - 1)
}

/// In milliseconds.
fn middle(class: usize) -> f64 {
    let class = u32::try_from(class).unwrap_or(u32::MAX);
    let exact = (f64::from(class) / PER_DOUBLING).exp2();
    (exact * 10.0).round() / 10.0
}

#[expect(clippy::cast_precision_loss, reason = "a delay need not be exact to the nanosecond")]
const fn float(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;
    const NOW: i64 = 1_800_000_000_000_000_000;

    #[test]
    fn percentiles_are_of_the_last_minute_and_right_within_a_class() {
        let mut delays = Delays::default();
        for _ in 0..1000 {
            delays.note(NOW - 120_000 * MS, 60_000 * MS);
        }
        for step in 0..200 {
            let delay = if step < 190 { 100 * MS } else { 2_000 * MS };
            delays.note(NOW - step * 250 * MS, delay);
        }
        let lately = delays.lately(NOW);
        assert_eq!(lately.messages, 200);
        let near = |told: Option<f64>, truth: f64| (told.unwrap() / truth - 1.0).abs() < 0.09;
        assert!(near(lately.p50_ms, 100.0) && near(lately.p99_ms, 2000.0), "{lately:?}");
        let none = delays.lately(NOW + 600_000 * MS);
        assert_eq!(none, Lately { messages: 0, p50_ms: None, p99_ms: None });
    }

    #[test]
    fn the_histogram_counts_every_message_once_whatever_the_clock_says() {
        let mut delays = Delays::default();
        for nanos in [-5, 0, 10 * MS, 10 * MS + 1, i64::MAX] {
            delays.note(NOW, nanos);
        }
        let told = delays.histogram();
        let within = |at: usize| told.buckets[at].1;
        assert_eq!((told.count(), within(0), within(1), within(BOUNDS.len())), (5, 3, 1, 1));
        assert!(told.sum > 9e9);
    }

    #[test]
    fn memory_is_bounded_when_the_clock_jumps_about() {
        let mut delays = Delays::default();
        for step in 0..1000 {
            delays.note(NOW - step * 7 * SLOT, MS);
        }
        assert_eq!(delays.slots.len(), SLOTS);
        delays.note(NOW, MS);
        assert_eq!(delays.lately(NOW).messages, 1);
    }
}
