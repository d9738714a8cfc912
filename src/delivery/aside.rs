//! Aside: messages whose codecs take long wait here for the answers, while those after them go on.
//!
//! All messages that want one codec keep their order, so an uplink never passes another of its device. The position
//! waits for what is set aside, as for a write. The state holds nothing of it yet, so there is no copy of the state
//! meanwhile; when one is due, the messages after it wait until nothing is aside.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::Delivery;
use crate::codec::{Answer, Call, Handed, Threads};
use crate::message::Record;
use crate::point::Point;
use crate::transform::Decision;

/// Of one delivery.
#[derive(Debug, Default)]
pub(super) struct Aside {
    threads: Threads,
    records: BTreeMap<u64, Record>,
    /// A message came that found no room.
    full: bool,
}

impl Aside {
    pub(super) const fn threads(&self) -> &Threads {
        &self.threads
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) const fn is_full(&self) -> bool {
        self.full
    }

    pub(super) async fn answered(&mut self) -> Option<Answer> {
        self.threads.answered().await
    }

    pub(super) fn holds_before(&self, seq: u64) -> bool {
        self.records.first_key_value().is_some_and(|(first, _)| *first < seq)
    }

    /// The first and the last message.
    fn stretch(&self) -> Option<(u64, u64)> {
        Some((*self.records.first_key_value()?.0, *self.records.last_key_value()?.0))
    }
}

impl Delivery {
    /// Whether messages may be judged, or have to wait for codecs.
    pub(super) fn goes_on(&self) -> bool {
        self.aside.is_empty() || !self.aside.full && !self.snapshots.are_due(Instant::now(), &self.state)
    }

    /// Hands the call over; a decision where there is one already. With neither it waits, or there is no room.
    pub(super) fn set_aside(
        &mut self,
        record: &Record,
        call: Box<Call>,
        points: &mut Vec<Point>,
    ) -> Option<Decision> {
        match self.aside.threads.hand_over(record.seq, call) {
            Handed::Over => {
                self.aside.full = false;
                if record.seq >= self.ledger.position() {
                    self.ledger.enter_waiting(record.clone());
                }
                self.aside.records.insert(record.seq, record.clone());
                self.in_hand.stay(self.aside.stretch());
                None
            }
            Handed::Full => {
                self.aside.full = true;
                None
            }
            Handed::Refused(call, fault) => {
                Some(self.transform.apply_answered(record, &mut self.state, points, &call, &Err(fault)))
            }
            Handed::NoThread => Some(self.transform.apply(record, &mut self.state, points)),
        }
    }

    /// A codec has answered: its message is judged.
    pub(super) fn answered(&mut self, answer: Option<Answer>) {
        self.aside.full = false;
        let Some(answer) = answer else { return };
        let Some(record) = self.aside.records.remove(&answer.number) else { return };
        let mut points = std::mem::take(&mut self.points);
        points.clear();
        let Answer { call, result, .. } = &answer;
        let decision = self.transform.apply_answered(&record, &mut self.state, &mut points, call, result);
        let now = Instant::now();
        self.decided(record, decision, &points, now);
        self.points = points;
        self.in_hand.stay(self.aside.stretch());
        if self.aside.is_empty() {
            self.in_hand.left();
            self.snapshots.begin(now, &self.state);
        }
    }
}
