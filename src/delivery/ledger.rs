//! The ledger of one destination: which messages are on the way, and up to where everything is settled.

use std::collections::VecDeque;

use crate::message::Record;
use crate::outcome::{Outcome, Outcomes, Reason, Rejection};
use crate::quarantine::Held;

/// Messages in the order of their sequence numbers, from the position on.
#[derive(Debug)]
pub(super) struct Ledger {
    destination: String,
    position: u64,
    outcomes: Outcomes,
    entries: VecDeque<Entry>,
    bytes: usize,
}

/// One message, or one stretch of damaged journal, that is not yet behind the position.
#[derive(Debug)]
struct Entry {
    first: u64,
    last: u64,
    received: Option<i64>,
    /// Kept until it is settled: what is refused goes to quarantine with its raw bytes.
    record: Option<Record>,
    open_lines: usize,
    stored_lines: usize,
    refused: Option<Rejection>,
    decided: Option<Outcome>,
}

impl Entry {
    fn outcome(&self) -> Option<Outcome> {
        if self.open_lines > 0 {
            return None;
        }
        Some(match (self.decided, &self.refused) {
            (Some(outcome), _) => outcome,
            (None, None) => Outcome::Stored,
            (None, Some(refused)) if self.stored_lines > 0 => Outcome::PartlyStored(refused.reason),
            (None, Some(refused)) => Outcome::Quarantined(refused.reason),
        })
    }

    fn bytes(&self) -> usize {
        self.record.as_ref().map_or(0, |record| record.message.topic.len() + record.message.payload.len())
    }
}

/// What goes to quarantine before the position may pass it.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub(super) record: Record,
    pub(super) rejection: Rejection,
    /// The rest of it is stored.
    pub(super) partly: bool,
}

impl Refused {
    /// As the quarantine holds it.
    pub(super) fn held(&self, destination: &str) -> Held {
        Held {
            record: self.record.clone(),
            destination: destination.to_owned(),
            rejection: self.rejection.clone(),
            partly: self.partly,
        }
    }
}

/// A settled stretch: hand `refused` to the quarantine, then give this back to [`Ledger::pass`].
#[derive(Debug)]
#[must_use = "the position moves only when the settled stretch is passed"]
pub(super) struct Settled {
    position: u64,
    outcomes: Outcomes,
    pub(super) refused: Vec<Refused>,
    entries: usize,
}

impl Ledger {
    pub(super) fn new(destination: &str, position: u64, outcomes: Outcomes) -> Self {
        Self { destination: destination.to_owned(), position, outcomes, entries: VecDeque::new(), bytes: 0 }
    }

    /// The next sequence number to be settled.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    pub(super) const fn outcomes(&self) -> &Outcomes {
        &self.outcomes
    }

    /// Messages on the way and the bytes they hold in memory.
    pub(super) fn on_the_way(&self) -> (usize, usize) {
        (self.entries.len(), self.bytes)
    }

    /// When the oldest message on the way was received, Unix time in nanoseconds.
    pub(super) fn oldest_received(&self) -> Option<i64> {
        self.entries.front().and_then(|entry| entry.received)
    }

    /// A message whose outcome needs no write.
    pub(super) fn enter_decided(&mut self, record: Record, outcome: Outcome, rejection: Option<Rejection>) {
        let keep = matches!(outcome, Outcome::Quarantined(_) | Outcome::PartlyStored(_));
        let (seq, received) = (record.seq, Some(record.received));
        self.push(Entry {
            first: seq,
            last: seq,
            received,
            record: keep.then_some(record),
            open_lines: 0,
            stored_lines: 0,
            refused: rejection,
            decided: Some(outcome),
        });
    }

    /// A message of which `lines` are on their way to the database; `rest` is what transform refused of it.
    pub(super) fn enter_lines(&mut self, record: Record, lines: usize, rest: Option<Rejection>) {
        let (seq, received) = (record.seq, Some(record.received));
        self.push(Entry {
            first: seq,
            last: seq,
            received,
            record: Some(record),
            open_lines: lines,
            stored_lines: 0,
            refused: rest,
            decided: None,
        });
    }

    /// A message whose codec has not answered yet; it is entered again with its outcome.
    pub(super) fn enter_waiting(&mut self, record: Record) {
        // Open until then, as if a line of it were.
        self.enter_lines(record, 1, None);
    }

    /// A stretch of the journal that cannot be read.
    pub(super) fn enter_damage(&mut self, first: u64, last: u64) {
        self.push(Entry {
            first,
            last,
            received: None,
            record: None,
            open_lines: 0,
            stored_lines: 0,
            refused: None,
            decided: Some(Outcome::Discarded(Reason::JournalDamage)),
        });
    }

    fn push(&mut self, entry: Entry) {
        self.bytes += entry.bytes();
        if self.entries.back().is_none_or(|back| back.last < entry.first) {
            self.entries.push_back(entry);
        } else if let Some(waiting) = self.of(entry.first) {
            let waited = std::mem::replace(waiting, entry);
            self.bytes = self.bytes.saturating_sub(waited.bytes());
        }
    }

    fn of(&mut self, seq: u64) -> Option<&mut Entry> {
        // Without damage in between each entry is one message, and its place follows from its number.
        let first = self.entries.front().map_or(seq, |front| front.first);
        let guess = usize::try_from(seq.saturating_sub(first)).unwrap_or(usize::MAX);
        let index = match self.entries.get(guess) {
            Some(entry) if entry.first == seq => guess,
            _ => self.entries.partition_point(|entry| entry.last < seq),
        };
        self.entries.get_mut(index).filter(|entry| entry.first <= seq)
    }

    /// One line of message `seq` has its verdict. Where it was the last one and something of the message is stored,
    /// the answer is when the message was received.
    pub(super) fn line_settled(&mut self, seq: u64, refused: Option<Rejection>) -> Option<i64> {
        let Some(entry) = self.of(seq) else {
            tracing::error!(
                destination = self.destination,
                seq,
                "a verdict for a message that is not on the way"
            );
            return None;
        };
        entry.open_lines = entry.open_lines.saturating_sub(1);
        match refused {
            None => entry.stored_lines += 1,
            Some(rejection) => {
                entry.refused.get_or_insert(rejection);
            }
        }
        entry.received.filter(|_| entry.open_lines == 0 && entry.stored_lines > 0)
    }

    /// The settled stretch at the front, if there is one.
    pub(super) fn settled(&self) -> Option<Settled> {
        let mut outcomes = self.outcomes.clone();
        let mut position = self.position;
        let mut refused = Vec::new();
        let mut entries = 0;
        for entry in &self.entries {
            let Some(outcome) = entry.outcome() else { break };
            outcomes.count_times(outcome, entry.last - entry.first + 1);
            position = entry.last + 1;
            entries += 1;
            if matches!(outcome, Outcome::Quarantined(_) | Outcome::PartlyStored(_))
                && let (Some(record), Some(rejection)) = (&entry.record, &entry.refused)
            {
                let partly = matches!(outcome, Outcome::PartlyStored(_));
                refused.push(Refused { record: record.clone(), rejection: rejection.clone(), partly });
            }
        }
        (entries > 0).then_some(Settled { position, outcomes, refused, entries })
    }

    /// The quarantine holds what was refused: the position moves.
    pub(super) fn pass(&mut self, settled: Settled) {
        for entry in self.entries.drain(..settled.entries) {
            self.bytes = self.bytes.saturating_sub(entry.bytes());
        }
        self.position = settled.position;
        self.outcomes = settled.outcomes;
        let passed = self.position.saturating_sub(1);
        if self.outcomes.total() != passed {
            tracing::error!(
                destination = self.destination,
                counted = self.outcomes.total(),
                passed,
                "the account does not balance: outcomes differ from the position; please report this"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    fn record(seq: u64) -> Record {
        let message = Message {
            topic: "a/b".into(),
            payload: "1".into(),
            qos: 1,
            retain: false,
            dup: false,
            source: 0,
            session: 1,
            packet_id: 1,
            redelivery_of: None,
        };
        Record { seq, received: 0, clock_suspect: false, message }
    }

    fn refusal() -> Rejection {
        Rejection::new(Reason::RefusedByDatabase, "field type conflict")
    }

    fn pass_all(ledger: &mut Ledger) -> Vec<u64> {
        let mut held = Vec::new();
        while let Some(settled) = ledger.settled() {
            held.extend(settled.refused.iter().map(|refused| refused.record.seq));
            ledger.pass(settled);
        }
        held
    }

    #[test]
    fn the_position_waits_for_the_oldest_open_message() {
        let mut ledger = Ledger::new("main", 1, Outcomes::default());
        ledger.enter_lines(record(1), 2, None);
        ledger.enter_decided(record(2), Outcome::Discarded(Reason::Empty), None);
        ledger.line_settled(1, None);
        assert!(ledger.settled().is_none());
        ledger.line_settled(1, None);
        assert!(pass_all(&mut ledger).is_empty());
        assert_eq!((ledger.position(), ledger.outcomes().total()), (3, 2));
        assert_eq!(ledger.on_the_way(), (0, 0));
    }

    #[test]
    fn one_that_waits_for_its_codec_is_open_until_it_is_entered_with_its_outcome() {
        let mut ledger = Ledger::new("main", 1, Outcomes::default());
        for seq in 1..=4 {
            ledger.enter_waiting(record(seq));
        }
        let held = ledger.on_the_way();
        ledger.enter_decided(record(5), Outcome::Discarded(Reason::Empty), None);
        ledger.enter_decided(record(3), Outcome::Quarantined(Reason::CodecError), Some(refusal()));
        assert!(ledger.settled().is_none());
        ledger.enter_lines(record(1), 1, None);
        assert_eq!(ledger.on_the_way(), (5, held.1), "each is counted once");
        ledger.line_settled(1, None);
        assert!(pass_all(&mut ledger).is_empty());
        assert_eq!(ledger.position(), 2);
        ledger.enter_lines(record(4), 0, None);
        ledger.enter_decided(record(2), Outcome::Discarded(Reason::NotData), None);
        assert_eq!(pass_all(&mut ledger), vec![3]);
        assert_eq!((ledger.position(), ledger.outcomes().total(), ledger.on_the_way()), (6, 5, (0, 0)));
    }

    #[test]
    fn a_message_refused_in_part_is_partly_stored_and_goes_to_quarantine_once() {
        let mut ledger = Ledger::new("main", 1, Outcomes::default());
        ledger.enter_lines(record(1), 2, None);
        ledger.enter_lines(record(2), 1, None);
        ledger.line_settled(1, None);
        ledger.line_settled(1, Some(refusal()));
        ledger.line_settled(2, Some(refusal()));
        assert_eq!(pass_all(&mut ledger), vec![1, 2]);
        assert_eq!(ledger.outcomes().partly_stored, 1);
        assert_eq!(ledger.outcomes().quarantined[&Reason::RefusedByDatabase], 1);
    }

    #[test]
    fn a_damaged_stretch_is_counted_message_by_message() {
        let mut ledger = Ledger::new("main", 1, Outcomes::default());
        ledger.enter_damage(1, 40);
        ledger.enter_decided(record(41), Outcome::Elsewhere, None);
        assert!(pass_all(&mut ledger).is_empty());
        assert_eq!((ledger.position(), ledger.outcomes().total()), (42, 41));
        assert_eq!(ledger.outcomes().discarded[&Reason::JournalDamage], 40);
    }
}
