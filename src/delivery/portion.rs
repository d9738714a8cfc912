//! Portions: how long messages are judged in one go, so that nothing else waits for it.
//!
//! Some hundred messages may be read at once. After a portion the delivery sees to its writes and gives way to the
//! thread's other tasks: brokers, acknowledgements, pages. What becomes of a message does not depend on it.

use std::time::{Duration, Instant};

use super::Delivery;
use crate::journal::Entry;

/// How long a portion may take before it ends with the message that it has come to.
const LONGEST: Duration = Duration::from_millis(20);
/// To ask for the time costs about as much as to write a line, so it is asked after so many quick messages.
const QUICK: u32 = 32;

/// Of one delivery.
#[derive(Debug, Default)]
pub(super) struct Portions {
    began: Option<Instant>,
    quick: u32,
    calls: u64,
}

impl Portions {
    /// Begins a portion; `calls` counts those of codecs.
    pub(super) fn begin(&mut self, calls: u64) {
        (self.began, self.quick, self.calls) = (Some(Instant::now()), 0, calls);
    }

    /// Whether the portion ends here, after one message more.
    pub(super) fn is_over(&mut self, calls: u64) -> bool {
        self.quick = self.quick.saturating_add(1);
        if self.calls == calls && self.quick < QUICK {
            return false;
        }
        (self.quick, self.calls) = (0, calls);
        self.began.is_some_and(|began| began.elapsed() >= LONGEST)
    }
}

impl Delivery {
    /// Whether something that was read may be judged now.
    pub(super) fn may_take(&self) -> bool {
        self.goes_on()
            && match self.held.front() {
                Some(Entry::Record(record)) => record.seq < self.until,
                Some(Entry::Damage { first, .. }) => *first < self.until,
                None => false,
            }
    }

    /// Takes a portion of what was read, up to the first message that has to wait.
    pub(super) fn take_held(&mut self) {
        self.in_hand.takes(self.held.back().map_or(0, Entry::last));
        // Once for all of them: asking for the time of each would cost as much as writing its line.
        let now = tokio::time::Instant::now();
        self.portions.begin(self.transform.codec_calls());
        self.take_portion(now);
        self.in_hand.left();
    }

    fn take_portion(&mut self, now: tokio::time::Instant) {
        while let Some(entry) = self.held.pop_front() {
            match entry {
                Entry::Record(record) if record.seq >= self.until => {
                    return self.held.push_front(Entry::Record(record));
                }
                Entry::Damage { first, last, detail } if last >= self.until => {
                    let rest = Entry::Damage { first: first.max(self.until), last, detail: detail.clone() };
                    self.held.push_front(rest);
                    if first < self.until {
                        let damage = Entry::Damage { first, last: self.until.saturating_sub(1), detail };
                        self.take_or_hold(damage, now);
                    }
                    return;
                }
                entry => self.take_or_hold(entry, now),
            }
            if !self.goes_on() || self.portions.is_over(self.transform.codec_calls()) {
                return;
            }
        }
    }

    fn take_or_hold(&mut self, entry: Entry, now: tokio::time::Instant) {
        if let Err(waits) = self.take(entry, now) {
            self.held.push_front(waits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portion_ends_with_the_message_that_took_too_long() {
        let mut portions = Portions::default();
        portions.begin(0);
        // However busy the machine is: it has not begun yet.
        portions.began = Instant::now().checked_add(Duration::from_secs(3600));
        assert!((1..200).all(|calls| !portions.is_over(calls)) && (0..200).all(|_| !portions.is_over(200)));
        portions.began = Instant::now().checked_sub(LONGEST);
        assert!(portions.is_over(201), "a codec ran");
        portions.begin(201);
        portions.began = Instant::now().checked_sub(LONGEST);
        assert_eq!((0..).find(|_| portions.is_over(201)), Some(QUICK - 1), "no codec ran");
    }
}
