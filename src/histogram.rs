//! A histogram: how many observed values stayed at or below each of some fixed bounds, counted without a lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Bounds in seconds for work on a disk: from a fast drive to a card that hangs.
pub const DISK_SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// Bounds in seconds for a question to a database and its answer.
pub const ANSWER_SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Bounds for how many points travel together.
pub const POINTS: &[f64] = &[1.0, 10.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0];

/// Counts values; shared by who observes and who tells.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One for each bound, and one for what lies above all of them.
    counts: Vec<AtomicU64>,
    /// The bits of a float.
    sum: AtomicU64,
}

/// What was counted up to one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    pub sum: f64,
    /// Upper bound, and how many values lie at or below it but above the bound before; the last has no bound.
    pub buckets: Vec<(Option<f64>, u64)>,
}

impl Histogram {
    /// `bounds` ascend.
    pub fn new(bounds: &'static [f64]) -> Self {
        let counts =
            std::iter::repeat_with(AtomicU64::default).take(bounds.len().saturating_add(1)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0.0_f64.to_bits()) }
    }

    pub fn observe(&self, value: f64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Relaxed);
        }
        let added = |bits| Some((f64::from_bits(bits) + value).to_bits());
        // An update that always has a value cannot fail.
        let _ = self.sum.fetch_update(Relaxed, Relaxed, added);
    }

    pub fn observe_time(&self, time: Duration) {
        self.observe(time.as_secs_f64());
    }

    pub fn read(&self) -> Reading {
        let bounds = self.bounds.iter().copied().map(Some).chain([None]);
        let buckets = bounds.zip(&self.counts).map(|(bound, count)| (bound, count.load(Relaxed))).collect();
        Reading { sum: f64::from_bits(self.sum.load(Relaxed)), buckets }
    }
}

impl Reading {
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_is_within_it_and_none_is_left_out() {
        let histogram = Histogram::new(&[1.0, 10.0]);
        for value in [0.0, 1.0, 1.5, 10.0, 11.0, 1e9] {
            histogram.observe(value);
        }
        let reading = histogram.read();
        assert_eq!(reading.buckets, [(Some(1.0), 2), (Some(10.0), 2), (None, 2)]);
        assert_eq!((reading.count(), reading.sum), (6, 1_000_000_023.5));
    }

    #[test]
    fn all_bounds_ascend() {
        for bounds in [DISK_SECONDS, ANSWER_SECONDS, POINTS] {
            assert!(bounds.is_sorted_by(|one, next| one < next), "{bounds:?}");
        }
    }
}
