//! Counts of one source: for metrics, and for the watch over its progress.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::stall::Sight;

/// Numbers of one source since the process began.
#[derive(Debug, Default)]
pub struct Counts {
    pub connections: AtomicU64,
    /// Connected, and subscribed to everything.
    pub subscribed: AtomicBool,
    /// Connected, and without an answer to the subscription.
    pub asked: AtomicBool,
    pub redelivered: AtomicU64,
    /// QoS 0 messages that found a full journal.
    pub no_room: AtomicU64,
    /// QoS 1 messages that are not on disk yet, at this moment.
    pub waiting: AtomicU64,
    /// PUBACKs given to the connection.
    pub acks_queued: AtomicU64,
    /// Those that were written to it.
    pub acks_written: AtomicU64,
    /// Those that were written, or lost with their connection.
    pub acks_gone: AtomicU64,
    /// Rung by who wants a new connection, because this one has stalled.
    pub connect_anew: Notify,
}

impl Counts {
    /// Whether a message waits for its PUBACK, or we for that of our subscription, and a number that grows with every one.
    pub fn sight(&self) -> Sight {
        let [waiting, queued, gone, served] =
            [&self.waiting, &self.acks_queued, &self.acks_gone, &self.acks_written]
                .map(|count| count.load(Ordering::Relaxed));
        let owes = self.subscribed.load(Ordering::Relaxed) && (waiting > 0 || queued > gone);
        Sight { waits: owes || self.asked.load(Ordering::Relaxed), served }
    }

    /// With it went the PUBACKs on their way.
    pub(super) fn connection_is_gone(&self) {
        self.subscribed.store(false, Ordering::Relaxed);
        self.asked.store(false, Ordering::Relaxed);
        self.acks_gone.store(self.acks_queued.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_an_acknowledgement_is_seen_until_it_is_written_or_its_connection_is_gone() {
        let counts = Counts::default();
        let add = |count: &AtomicU64| count.fetch_add(1, Ordering::Relaxed);
        let seen = || (counts.sight().waits, counts.sight().served);
        counts.asked.store(true, Ordering::Relaxed);
        assert_eq!(seen(), (true, 0), "the subscription has no answer");
        counts.asked.store(false, Ordering::Relaxed);
        counts.subscribed.store(true, Ordering::Relaxed);
        assert_eq!(seen(), (false, 0));
        add(&counts.waiting);
        assert_eq!(seen(), (true, 0), "a message is not on disk");
        counts.waiting.store(0, Ordering::Relaxed);
        add(&counts.acks_queued);
        add(&counts.acks_queued);
        add(&counts.acks_written);
        add(&counts.acks_gone);
        assert_eq!(seen(), (true, 1), "one PUBACK is not written");
        counts.connection_is_gone();
        assert_eq!(seen(), (false, 1), "a lost one is no progress");
    }
}
