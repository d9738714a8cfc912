//! Outage arithmetic: how fast the journal fills, when it is full, and when what waits is stored. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::Serialize;

/// How far back the journal's growth is looked at: steady, and still true when the load changes.
const FILLING: Duration = Duration::from_secs(60);
/// How far back the speeds of messages are looked at.
const SPEED: Duration = Duration::from_secs(10);
/// A longer pause among the outcomes begins a new measurement of how fast the database takes messages.
const STALL: Duration = Duration::from_secs(5);

/// The counters at one instant.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub at: Instant,
    pub received: u64,
    pub pending: u64,
    /// Bytes written to the journal since the start.
    pub written: u64,
    /// Bytes that the journal takes until it is full.
    pub left: u64,
}

/// The samples of the last minute.
#[derive(Debug, Default)]
pub struct Outlook {
    samples: VecDeque<Sample>,
    /// The last measured speed of working through a backlog, messages a second.
    drain: Option<f64>,
    /// The highest speed at which messages were settled since the start, backlog or not.
    fastest: f64,
}

/// What follows from them. Speeds are per second; what cannot be said is nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Forecast {
    pub received_per_s: f64,
    pub settled_per_s: f64,
    pub fill_bytes_per_s: f64,
    pub left_bytes: u64,
    /// When the journal is full if nothing more is stored.
    pub hours_left: Option<f64>,
    /// How fast a backlog was worked through when there last was one.
    pub drain_per_s: Option<f64>,
    /// What the database takes at least: the highest speed at which messages were settled since the start.
    pub drain_at_least_per_s: Option<f64>,
    /// When everything that waits is stored, at that speed and the present load; 0 where nothing waits. Until a
    /// backlog was measured it is reckoned with what the database takes at least, and then the longest it can be.
    pub drained_in_s: Option<f64>,
}

impl Sample {
    const fn settled(&self) -> u64 {
        self.received.saturating_sub(self.pending)
    }
}

impl Outlook {
    /// One more sample; those too old to matter go.
    pub fn note(&mut self, sample: Sample) {
        let old = |first: &Sample| sample.at.saturating_duration_since(first.at) > FILLING;
        while self.samples.front().is_some_and(old) {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
        self.drain = self.draining().or(self.drain);
        // A batch that ends within one second is no speed.
        if let Some(first) =
            self.since(SPEED).filter(|first| sample.at.saturating_duration_since(first.at) >= STALL)
        {
            self.fastest = self.fastest.max(per_second(first, &sample, Sample::settled));
        }
    }

    /// The first sample of the stretch of this length that reaches up to now.
    fn since(&self, window: Duration) -> Option<&Sample> {
        let now = self.samples.back()?;
        self.samples.iter().find(|sample| now.at.saturating_duration_since(sample.at) <= window)
    }

    pub fn forecast(&self) -> Forecast {
        let Some(now) = self.samples.back() else { return Forecast::default() };
        let (minute, lately) = (self.since(FILLING).unwrap_or(now), self.since(SPEED).unwrap_or(now));
        let fill = per_second(minute, now, |sample| sample.written);
        let received = per_second(lately, now, |sample| sample.received);
        let at_least = (self.fastest > 0.0).then_some(self.fastest);
        let drained_in_s = match (now.pending, self.drain.or(at_least)) {
            (0, _) => Some(0.0),
            (_, Some(drain)) if drain > received => Some(float(now.pending) / (drain - received)),
            _ => None,
        };
        Forecast {
            received_per_s: received,
            settled_per_s: per_second(lately, now, Sample::settled),
            fill_bytes_per_s: fill,
            left_bytes: now.left,
            hours_left: (fill > 0.0).then(|| float(now.left) / fill / 3600.0),
            drain_per_s: self.drain,
            drain_at_least_per_s: at_least,
            drained_in_s,
        }
    }

    /// The speed of the stretch that reaches up to now, in which messages were waiting all the time: then it is the
    /// database that sets the pace, not the load. Nothing where there is no such stretch.
    fn draining(&self) -> Option<f64> {
        let now = self.samples.back()?;
        let (mut first, mut moved, mut later) = (None, now, now);
        for earlier in self.samples.iter().rev().skip(1) {
            let settled = later.settled().saturating_sub(earlier.settled());
            // Nothing waited, or all that waited was settled: here the load set the pace.
            if earlier.pending == 0 || settled >= earlier.pending {
                break;
            }
            if settled > 0 {
                // From one move to another, so that neither half a second nor the pause before it is counted.
                first = Some(if first.is_some() { later } else { earlier });
                moved = earlier;
            } else if first.is_none() || moved.at.saturating_duration_since(earlier.at) > STALL {
                break;
            }
            later = earlier;
        }
        first.map(|first| per_second(first, now, Sample::settled))
    }
}

fn per_second(first: &Sample, last: &Sample, count: impl Fn(&Sample) -> u64) -> f64 {
    let span = last.at.saturating_duration_since(first.at).as_secs_f64();
    if span > 0.0 { float(count(last).saturating_sub(count(first))) / span } else { 0.0 }
}

/// Counts stay exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
const fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second by second history: received and settled in each, of 100 bytes a message.
    fn outlook(seconds: impl IntoIterator<Item = (u64, u64)>) -> Outlook {
        let start = Instant::now();
        let (mut outlook, mut received, mut settled) = (Outlook::default(), 0, 0);
        let mut note = |second: u64, received: u64, settled: u64| {
            outlook.note(Sample {
                at: start + Duration::from_secs(second),
                received,
                pending: received - settled,
                written: received * 100,
                left: 1_000_000_u64.saturating_sub(received * 100),
            });
        };
        note(0, 0, 0);
        for (second, (more, done)) in (1..).zip(seconds) {
            received += more;
            settled += done;
            note(second, received, settled);
        }
        outlook
    }

    fn near(told: Option<f64>, truth: f64) {
        assert!(told.is_some_and(|told| (told / truth - 1.0).abs() < 0.02), "{told:?}, not {truth}");
    }

    #[test]
    fn a_journal_that_fills_steadily_is_full_when_told() {
        for rate in [7, 50, 200] {
            let told = outlook(std::iter::repeat_n((rate, 0), 20)).forecast();
            let left = 1_000_000 - 20 * rate * 100;
            assert_eq!((told.left_bytes, told.drained_in_s, told.settled_per_s), (left, None, 0.0));
            near(Some(told.received_per_s), float(rate));
            near(told.hours_left, float(left) / float(rate * 100) / 3600.0);
        }
    }

    #[test]
    fn without_load_there_is_no_end_and_no_division_by_nothing() {
        let told = outlook(std::iter::repeat_n((0, 0), 5)).forecast();
        assert_eq!((told.hours_left, told.drained_in_s, told.drain_per_s), (None, Some(0.0), None));
        assert_eq!(Outlook::default().forecast(), Forecast::default());
    }

    #[test]
    fn the_speed_of_a_live_database_is_not_taken_for_its_limit() {
        // A fifth of each second's messages is on the way, as with batches of 200 ms.
        let told = outlook([(100, 80)].into_iter().chain(std::iter::repeat_n((100, 100), 30))).forecast();
        assert_eq!((told.drain_per_s, told.drained_in_s), (None, None));
    }

    #[test]
    fn a_backlog_is_drained_when_told_and_the_time_away_does_not_count() {
        let away = std::iter::repeat_n((100, 0), 30);
        let told = outlook(away.clone().chain(std::iter::repeat_n((100, 400), 4))).forecast();
        near(told.drain_per_s, 400.0);
        near(told.drained_in_s, (3000.0 - 4.0 * 300.0) / 300.0);
        // Away again: the last measured speed stands.
        let back = std::iter::repeat_n((100, 400), 4);
        let told = outlook(away.clone().chain(back).chain(away)).forecast();
        near(told.drain_per_s, 400.0);
        near(told.drained_in_s, 4800.0 / 300.0);
    }

    #[test]
    fn in_the_first_outage_the_fastest_that_was_seen_bounds_the_time_to_drain() {
        // Busy once, quiet later, then away: nothing was ever worked through.
        let live = std::iter::repeat_n((300, 300), 20).chain(std::iter::repeat_n((100, 100), 20));
        let told = outlook(live.chain(std::iter::repeat_n((100, 0), 30))).forecast();
        assert_eq!(told.drain_per_s, None);
        near(told.drain_at_least_per_s, 300.0);
        near(told.drained_in_s, 3000.0 / 200.0);
        // Never faster than the load is now: that bounds nothing.
        let told = outlook(std::iter::repeat_n((100, 100), 20).chain(std::iter::repeat_n((100, 0), 30)));
        assert_eq!(told.forecast().drained_in_s, None);
    }

    #[test]
    fn slow_writes_that_come_in_lumps_are_measured_by_their_mean() {
        let lumps = (0..40).map(|second| (100, if second % 2 == 0 { 0 } else { 600 }));
        let told = outlook(std::iter::repeat_n((200, 0), 60).chain(lumps)).forecast();
        let drain = told.drain_per_s.unwrap();
        assert!((drain / 300.0 - 1.0).abs() < 0.1, "{drain}");
    }

    #[test]
    fn a_load_above_the_speed_of_the_database_never_drains() {
        let told = outlook(std::iter::repeat_n((500, 100), 20)).forecast();
        assert_eq!(told.drained_in_s, None);
        near(told.drain_per_s, 100.0);
    }
}
