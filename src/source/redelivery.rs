//! Tells a broker's redelivery from an honest repeat: the records whose PUBACK is not known to have arrived.

use std::collections::VecDeque;
use std::hash::Hasher as _;

use crate::hashing::Folded;

/// So many places of known records are kept before they are cleared away.
const SLACK: usize = 1024;

/// A journaled QoS 1 message that the broker may send again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InDoubt {
    pub seq: u64,
    pub session: u32,
    pub packet_id: u16,
    pub content: Content,
}

/// What a message says, in few bytes: the table can hold one for each packet identifier, whatever its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    hash: u64,
    topic: usize,
    payload: usize,
}

impl Content {
    pub fn of(topic: &[u8], payload: &[u8]) -> Self {
        let mut hasher = Folded::default();
        hasher.write(topic);
        hasher.write(payload);
        Self { hash: hasher.finish(), topic: topic.len(), payload: payload.len() }
    }
}

/// Records in doubt, by packet identifier, and the position below which all are known.
#[derive(Debug)]
pub struct Redelivery {
    /// In the place of each packet identifier, as far as they were seen.
    by_id: Vec<Option<InDoubt>>,
    in_doubt: usize,
    /// Sequence numbers with their packet identifiers, rising; some are no longer in doubt.
    order: VecDeque<(u64, u16)>,
    /// Records whose PUBACK was written since the last PINGREQ.
    written: Vec<Acknowledged>,
    /// One list per PINGREQ that waits for its PINGRESP, in order.
    pinged: VecDeque<Vec<Acknowledged>>,
    floor: u64,
}

/// A record whose PUBACK was queued or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    pub seq: u64,
    pub packet_id: u16,
}

impl Redelivery {
    /// Starts from the saved floor with the journal's records at or above it.
    pub fn new(floor: u64, in_doubt: impl IntoIterator<Item = InDoubt>) -> Self {
        let mut table = Self {
            by_id: Vec::new(),
            in_doubt: 0,
            order: VecDeque::new(),
            written: Vec::new(),
            pinged: VecDeque::new(),
            floor,
        };
        let mut in_doubt: Vec<_> = in_doubt.into_iter().collect();
        in_doubt.sort_by_key(|record| record.seq);
        for record in in_doubt {
            table.journaled(record);
        }
        table
    }

    /// The record that an arriving QoS 1 publish repeats, if it is one. An identifier that comes back
    /// without DUP means the broker has our PUBACK for its former use.
    pub fn arrived(&mut self, session: u32, id: u16, dup: bool, topic: &[u8], payload: &[u8]) -> Option<u64> {
        let place = self.by_id.get_mut(usize::from(id))?;
        if !dup {
            self.in_doubt -= usize::from(place.take().is_some());
            return None;
        }
        let held = place.as_ref()?;
        let same = held.session == session && held.content == Content::of(topic, payload);
        same.then_some(held.seq)
    }

    /// A message is on disk and its PUBACK may now be sent. A redelivery is not entered again: the record
    /// it repeats stays in doubt under its own number.
    pub fn journaled(&mut self, record: InDoubt) {
        let place = usize::from(record.packet_id);
        if place >= self.by_id.len() {
            self.by_id.resize(place.saturating_add(1), None);
        }
        self.order.push_back((record.seq, record.packet_id));
        if let Some(held) = self.by_id.get_mut(place) {
            self.in_doubt += usize::from(held.is_none());
            *held = Some(record);
        }
        // One that stays in doubt at the front must not let the known ones behind it pile up.
        if self.order.len() > self.in_doubt.saturating_mul(2).saturating_add(SLACK) {
            let by_id = &self.by_id;
            self.order.retain(|place| is_held(by_id, *place));
        }
    }

    /// The PUBACK for this record was written to the connection.
    pub fn acknowledged(&mut self, record: Acknowledged) {
        self.written.push(record);
    }

    /// A PINGREQ was written: its answer proves that every PUBACK before it arrived.
    pub fn ping_sent(&mut self) {
        self.pinged.push_back(std::mem::take(&mut self.written));
    }

    /// The oldest PINGREQ was answered.
    pub fn ping_answered(&mut self) {
        for Acknowledged { seq, packet_id } in self.pinged.pop_front().unwrap_or_default() {
            let place = self.by_id.get_mut(usize::from(packet_id));
            if let Some(place) = place.filter(|held| held.as_ref().is_some_and(|held| held.seq == seq)) {
                *place = None;
                self.in_doubt -= 1;
            }
        }
    }

    /// The connection is gone: PUBACKs written on it may never have arrived.
    pub fn disconnected(&mut self) {
        self.written.clear();
        self.pinged.clear();
    }

    /// The broker began a new session: it forgot the old one and sends nothing of it again.
    pub fn new_session(&mut self) {
        self.disconnected();
        self.by_id.clear();
        self.order.clear();
        self.in_doubt = 0;
    }

    /// All records below this sequence number are known; `end` is the next number the journal will give.
    pub fn known_floor(&mut self, end: u64) -> u64 {
        while self.order.front().is_some_and(|place| !is_held(&self.by_id, *place)) {
            self.order.pop_front();
        }
        let lowest = self.order.front().map_or(end, |(seq, _)| *seq);
        self.floor = self.floor.max(lowest);
        self.floor
    }
}

fn is_held(by_id: &[Option<InDoubt>], (seq, id): (u64, u16)) -> bool {
    by_id.get(usize::from(id)).and_then(Option::as_ref).is_some_and(|held| held.seq == seq)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seq: u64, packet_id: u16) -> InDoubt {
        InDoubt { seq, session: 1, packet_id, content: Content::of(b"t", b"0") }
    }

    #[test]
    fn a_true_redelivery_is_recognised_and_only_when_everything_agrees() {
        let mut table = Redelivery::new(1, [record(1, 7)]);
        assert_eq!(table.arrived(1, 7, true, b"t", b"0"), Some(1));
        assert_eq!(table.arrived(2, 7, true, b"t", b"0"), None, "another session");
        assert_eq!(table.arrived(1, 8, true, b"t", b"0"), None, "another identifier");
        assert_eq!(table.arrived(1, 7, true, b"u", b"0"), None, "another topic");
        assert_eq!(table.arrived(1, 7, true, b"t", b"1"), None, "another payload");
        assert_eq!(table.arrived(1, 7, true, b"t", b"0"), Some(1), "still in doubt");
    }

    #[test]
    fn an_identifier_reused_without_dup_proves_the_former_puback() {
        let mut table = Redelivery::new(1, []);
        for seq in 1..=1_000 {
            assert_eq!(table.arrived(1, 1, false, b"t", b"0"), None, "equal bytes are kept");
            table.journaled(record(seq, 1));
        }
        assert_eq!(table.known_floor(1_001), 1_000);
    }

    #[test]
    fn only_a_ping_sent_after_the_puback_and_answered_proves_it() {
        let mut table = Redelivery::new(1, [record(1, 1), record(2, 2)]);
        table.ping_sent();
        table.acknowledged(Acknowledged { seq: 1, packet_id: 1 });
        table.ping_answered();
        assert_eq!(table.known_floor(3), 1);
        table.ping_sent();
        table.acknowledged(Acknowledged { seq: 2, packet_id: 2 });
        table.ping_answered();
        assert_eq!(table.known_floor(3), 2);
        table.ping_sent();
        table.disconnected();
        table.ping_answered();
        assert_eq!(table.known_floor(3), 2, "an answer cannot come from a dead connection");
        assert_eq!(table.arrived(1, 2, true, b"t", b"0"), Some(2));
    }

    #[test]
    fn a_new_session_leaves_nothing_in_doubt() {
        let mut table = Redelivery::new(1, [record(1, 1)]);
        table.new_session();
        assert_eq!(table.arrived(2, 1, true, b"t", b"0"), None);
        assert_eq!(table.known_floor(2), 2);
    }

    #[test]
    fn one_that_stays_in_doubt_holds_the_floor_and_no_memory() {
        let mut table = Redelivery::new(1, [record(1, 9)]);
        for seq in 2..100_000 {
            let id = u16::try_from(seq % 8).unwrap();
            assert_eq!(table.arrived(1, id, false, b"t", b"0"), None);
            table.journaled(record(seq, id));
        }
        assert_eq!(table.known_floor(100_000), 1);
        assert!(table.order.len() <= 2 * 9 + SLACK + 1, "{}", table.order.len());
        table.acknowledged(Acknowledged { seq: 1, packet_id: 9 });
        table.ping_sent();
        table.ping_answered();
        assert_eq!(table.known_floor(100_000), 99_992);
    }

    #[test]
    fn the_floor_never_falls() {
        let mut table = Redelivery::new(9, [record(4, 1)]);
        assert_eq!(table.known_floor(20), 9);
    }
}
