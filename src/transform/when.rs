//! When: which time each sample of one message gets.

use crate::check::time::{self, Verdict};
use crate::message::Record;
use crate::outcome::{Reason, Rejection};

/// The times of one message's samples, in order.
pub(super) struct When<'t> {
    pub(super) config: &'t time::Config,
    pub(super) record: &'t Record,
    /// A replay of old state: only samples that tell their time are wanted.
    pub(super) own_time_only: bool,
    /// Samples so far for which the receive time stood in.
    pub(super) stand_ins: i64,
}

impl When<'_> {
    /// What is thought of a told time, and the time to store, both in Unix nanoseconds.
    pub(super) fn of(&mut self, told: Option<i64>) -> Result<(Verdict, i64), Rejection> {
        let received = self.record.received;
        let verdict = time::check(told, received, self.record.clock_suspect, self.config)?;
        if let Verdict::Told(told) = verdict {
            return Ok((verdict, told));
        }
        if self.own_time_only {
            return Err(Rejection::new(
                Reason::Retained,
                "a retained message without a time of its own is old state, not a new reading",
            ));
        }
        // Several samples without a usable time would overwrite each other at one receive time.
        let time = received.saturating_add(self.stand_ins);
        self.stand_ins = self.stand_ins.saturating_add(1);
        Ok((verdict, time))
    }
}

pub(super) const fn in_words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Told(_) => "its own time",
        Verdict::Untold => "none told: the receive time",
        Verdict::Unset => "before time.earliest, its clock was never set: the receive time, and all suspect",
        Verdict::Ahead => "further ahead than time.max_ahead: the receive time, and all suspect",
    }
}
