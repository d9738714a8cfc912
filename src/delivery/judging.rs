//! Judging: one message after another through transform, into lanes and ledger.

use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::lane::Pushed;
use super::{Delivery, in_hand};
use crate::journal::Entry;
use crate::message::Record;
use crate::outcome::{Outcome, Reason, Rejection};
use crate::point::Point;
use crate::transform::Decision;

impl Delivery {
    /// Takes it, or gives back what has to wait.
    pub(super) fn take(&mut self, entry: Entry, now: Instant) -> Result<(), Entry> {
        let record = match entry {
            Entry::Record(record) => record,
            Entry::Damage { first, last, detail } => {
                tracing::error!(
                    destination = self.destination,
                    first,
                    last,
                    detail,
                    "messages in the journal cannot be read"
                );
                self.snapshots.took(last, 0);
                let first = first.max(self.ledger.position());
                if first <= last {
                    self.ledger.enter_damage(first, last);
                }
                return Ok(());
            }
        };
        let seq = record.seq;
        let size = record.message.payload.len();
        self.judge(record, now).map_err(Entry::Record)?;
        self.snapshots.took(seq, size);
        // Of what is set aside nothing is in the state yet.
        if self.aside.is_empty() {
            self.snapshots.begin(now, &self.state);
        }
        Ok(())
    }

    fn judge(&mut self, record: Record, now: Instant) -> Result<(), Record> {
        if self.in_hand.is_suspect(record.seq) {
            // A kill from outside hits what takes long, and no message is to be blamed for what a thread does once.
            self.transform.warm();
        }
        self.in_hand.enters(record.seq);
        let mine = match self.transform.destination_of(&record.message.topic) {
            Some(destination) => destination == self.destination,
            None => self.takes_unrouted,
        };
        let settled = record.seq < self.ledger.position();
        if !mine && settled {
            return Ok(());
        }
        if !mine {
            self.ledger.enter_decided(record, Outcome::Elsewhere, None);
            return Ok(());
        }
        if self.in_hand.is_culprit(record.seq) {
            if !settled {
                self.ledger.enter_decided(
                    record,
                    Outcome::Quarantined(Reason::Poison),
                    Some(in_hand::poison()),
                );
            }
            return Ok(());
        }
        let mut points = std::mem::take(&mut self.points);
        points.clear();
        let judged = if self.in_hand.is_wary() {
            Ok(self.transform.apply(&record, &mut self.state, &mut points))
        } else {
            let threads = self.aside.threads();
            self.transform.apply_briefly(&record, &mut self.state, &mut points, threads)
        };
        let decision = match judged {
            Ok(decision) => decision,
            Err(call) => match self.set_aside(&record, call, &mut points) {
                Some(decision) => decision,
                None => {
                    self.points = points;
                    if !self.aside.is_full() {
                        return Ok(());
                    }
                    self.in_hand.comes_again(record.seq);
                    return Err(record);
                }
            },
        };
        if self.state.take_births_wanted() && !settled {
            self.rebirths.ask(&record);
        }
        self.decided(record, decision, &points, now);
        self.points = points;
        Ok(())
    }

    pub(super) fn decided(&mut self, record: Record, decision: Decision, points: &[Point], now: Instant) {
        if record.seq < self.ledger.position() {
            // It was settled before the start; only what it leaves in the state was wanted.
            return;
        }
        match decision {
            Decision::Discard(rejection) => {
                tracing::debug!(seq = record.seq, reason = %rejection.reason, "discarded");
                self.ledger.enter_decided(record, Outcome::Discarded(rejection.reason), None);
            }
            Decision::Quarantine(rejection) => {
                let outcome = Outcome::Quarantined(rejection.reason);
                self.ledger.enter_decided(record, outcome, Some(rejection));
            }
            Decision::Points { rest } => self.enter(record, points, rest, now),
        }
    }

    fn enter(&mut self, record: Record, points: &[Point], mut rest: Option<Rejection>, now: Instant) {
        let seq = record.seq;
        let mut lines = 0;
        for point in points {
            let bucket = self.buckets.as_mut().map(|buckets| buckets.of(point, &self.transform)).transpose();
            let bucket = match bucket {
                Ok(bucket) => bucket,
                Err(rejection) => {
                    rest.get_or_insert(rejection);
                    continue;
                }
            };
            match self.lanes.push(seq, point, bucket.as_ref(), now) {
                Pushed::Nothing => continue,
                Pushed::Line => {}
                Pushed::Overwrites => {
                    self.overwritten.fetch_add(1, Ordering::Relaxed);
                    let device = point.tags.iter().find(|(key, _)| &**key == "device").map(|(_, id)| &**id);
                    tracing::debug!(device, measurement = &*point.measurement, "two values at one time");
                }
            }
            lines += 1;
        }
        self.ledger.enter_lines(record, lines, rest);
    }
}
