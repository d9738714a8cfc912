//! Receive times: strictly growing, and honest about a clock that is known to be wrong.

use std::time::Instant;

use crate::clock::Clock;

/// A step back of more than this is taken for a clock that was set; less is smoothed over.
const STEP_BACK: i64 = 1_000_000_000;

/// Gives each record its receive time.
#[derive(Debug)]
pub(super) struct Times {
    clock: Clock,
    last: i64,
    /// While the clock is behind the newest record: that record's time, and when we began to count from it.
    behind: Option<(i64, Instant)>,
}

impl Times {
    /// `newest` is the receive time of the newest record, 0 for none.
    pub(super) fn new(clock: Clock, newest: i64) -> Self {
        let behind = (clock.now() < newest).then(|| (newest, Instant::now()));
        if behind.is_some() {
            tracing::warn!(
                "the clock is behind the newest record; times are counted on from it until it is set"
            );
        }
        Self { clock, last: newest, behind }
    }

    /// The last time given.
    pub(super) const fn last(&self) -> i64 {
        self.last
    }

    /// The next receive time, and whether the clock behind it is suspect.
    pub(super) fn next(&mut self) -> (i64, bool) {
        let mut now = self.clock.now();
        if let Some((newest, since)) = self.behind {
            if now >= newest {
                self.behind = None;
            } else {
                let run = i64::try_from(since.elapsed().as_nanos()).unwrap_or(i64::MAX);
                now = newest.saturating_add(run);
            }
        }
        if now <= self.last {
            if self.last.saturating_sub(now) > STEP_BACK {
                tracing::warn!(from = self.last, to = now, "the clock was set back");
            } else {
                now = self.last.saturating_add(1);
            }
        }
        self.last = now;
        (now, self.behind.is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn an_equal_or_slightly_earlier_reading_becomes_the_last_plus_one() {
        let (clock, now) = Clock::fixed(1000);
        let mut times = Times::new(clock, 0);
        assert_eq!(times.next(), (1000, false));
        assert_eq!(times.next(), (1001, false));
        now.store(900, Ordering::SeqCst);
        assert_eq!(times.next(), (1002, false));
    }

    #[test]
    fn a_step_back_of_more_than_a_second_is_accepted() {
        let (clock, now) = Clock::fixed(10 * STEP_BACK);
        let mut times = Times::new(clock, 0);
        times.next();
        now.store(STEP_BACK, Ordering::SeqCst);
        assert_eq!(times.next(), (STEP_BACK, false));
    }

    #[test]
    fn a_clock_behind_the_newest_record_counts_on_from_it_and_says_so_until_it_is_set() {
        let (clock, now) = Clock::fixed(5);
        let mut times = Times::new(clock, 100 * STEP_BACK);
        let (time, suspect) = times.next();
        assert!(suspect && time >= 100 * STEP_BACK, "{time}");
        now.store(200 * STEP_BACK, Ordering::SeqCst);
        assert_eq!(times.next(), (200 * STEP_BACK, false));
    }
}
