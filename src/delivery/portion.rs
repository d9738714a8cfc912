//! Portions: how long messages are judged in one go, and where, so that nothing else waits for codecs.
//!
//! A codec takes as long as its limits let it, and some hundred messages may wait. After a portion the delivery sees
//! to its writes and gives way; while portions take long, they are judged aside: the thread's other tasks (brokers,
//! acknowledgements, pages) move to another thread meanwhile. What becomes of a message does not depend on it.

use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeFlavor};

use super::Delivery;
use crate::journal::Entry;

/// How long a portion may take before it ends with the message that it has come to.
const LONGEST: Duration = Duration::from_millis(20);
/// To ask for the time costs about as much as to write a line, so it is asked after so many quick messages.
const QUICK: u32 = 32;
/// For how long after a portion that took its whole time those to come are judged aside.
const ASIDE_FOR: Duration = Duration::from_secs(10);

/// Of one delivery.
#[derive(Debug, Default)]
pub(super) struct Portions {
    began: Option<Instant>,
    aside_until: Option<Instant>,
    quick: u32,
    calls: u64,
}

impl Portions {
    /// Begins a portion; `calls` counts those of codecs. Whether it is to be judged aside.
    pub(super) fn begin(&mut self, calls: u64) -> bool {
        let now = Instant::now();
        self.aside_until = self.aside_until.filter(|until| now < *until);
        (self.began, self.quick, self.calls) = (Some(now), 0, calls);
        self.aside_until.is_some()
    }

    /// Whether the portion ends here, after one message more.
    pub(super) fn is_over(&mut self, calls: u64) -> bool {
        self.quick = self.quick.saturating_add(1);
        if self.calls == calls && self.quick < QUICK {
            return false;
        }
        (self.quick, self.calls) = (0, calls);
        let now = Instant::now();
        let over = self.began.is_some_and(|began| now.saturating_duration_since(began) >= LONGEST);
        if over {
            self.aside_until = now.checked_add(ASIDE_FOR);
        }
        over
    }
}

impl Delivery {
    /// Whether something that was read may be judged now.
    pub(super) fn may_take(&self) -> bool {
        match self.held.front() {
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
        if self.portions.begin(self.transform.codec_calls()) {
            aside(|| self.take_portion(now));
        } else {
            self.take_portion(now);
        }
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
                        self.take(Entry::Damage { first, last: self.until.saturating_sub(1), detail }, now);
                    }
                    return;
                }
                entry => self.take(entry, now),
            }
            if self.portions.is_over(self.transform.codec_calls()) {
                return;
            }
        }
    }
}

/// Does what may take its time; where the runtime has threads for it, other tasks leave this one meanwhile.
fn aside(work: impl FnOnce()) {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portion_ends_with_the_message_that_took_too_long_and_those_after_it_are_judged_aside() {
        let mut portions = Portions::default();
        assert!(!portions.begin(0), "nothing took long yet");
        // However busy the machine is: it has not begun yet.
        portions.began = Instant::now().checked_add(Duration::from_secs(3600));
        assert!((1..200).all(|calls| !portions.is_over(calls)) && (0..200).all(|_| !portions.is_over(200)));
        portions.began = Instant::now().checked_sub(LONGEST);
        assert!(portions.is_over(201), "a codec ran");
        assert!(portions.begin(201));
        portions.began = Instant::now().checked_sub(LONGEST);
        assert_eq!((0..).find(|_| portions.is_over(201)), Some(QUICK - 1), "no codec ran");
        portions.aside_until = Some(Instant::now());
        assert!(!portions.begin(201), "that is long ago");
    }
}
