//! When a delivery copies its state, and when the position has reached that copy.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::snapshot::Snapshot;
use crate::transform::State;

/// After so many messages, or more where the state is large: a copy must stay cheap beside them.
const MESSAGES: usize = 50_000;
/// After so many bytes: as much of the journal is kept for a replay.
const BYTES: usize = 32 * 1024 * 1024;
/// After so long, where there was anything.
const EVERY: Duration = Duration::from_secs(600);

/// After so long, where a message told what later ones are read by: a replay reads the copy.
const SOON: Duration = Duration::from_secs(1);

/// The same where messages are aside, which must be waited for.
const AT_LAST: Duration = Duration::from_secs(30);

/// The copy under way.
#[derive(Debug)]
pub(super) struct Snapshots {
    /// The first message that is not in the state.
    pub(super) next: u64,
    messages: usize,
    bytes: usize,
    since: Instant,
    /// What the state had been told when it was copied.
    told: u64,
    waiting: Option<Snapshot>,
}

impl Snapshots {
    pub(super) const fn new(next: u64, now: Instant) -> Self {
        Self { next, messages: 0, bytes: 0, since: now, told: 0, waiting: None }
    }

    /// A message, or all of a stretch, is in the state now.
    pub(super) const fn took(&mut self, last: u64, bytes: usize) {
        self.next = last.saturating_add(1);
        self.messages = self.messages.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Whether so much came since the last copy that the next one is due.
    pub(super) fn are_due(&self, now: Instant, state: &State) -> bool {
        let enough = self.bytes >= BYTES
            || self.messages >= MESSAGES && self.messages >= state.size().saturating_mul(2)
            || now.saturating_duration_since(self.since) >= EVERY
            || self.was_told(now, state, AT_LAST);
        enough && self.waiting.is_none()
    }

    /// Copies the state where it is time to.
    pub(super) fn begin(&mut self, now: Instant, state: &State) {
        if self.waiting.is_some() || !self.was_told(now, state, SOON) && !self.are_due(now, state) {
            return;
        }
        self.waiting = Some(Snapshot { next: self.next, state: Arc::new(state.clone()) });
        (self.messages, self.bytes, self.since, self.told) = (0, 0, now, state.told());
    }

    fn was_told(&self, now: Instant, state: &State, after: Duration) -> bool {
        state.told() != self.told && now.saturating_duration_since(self.since) >= after
    }

    /// A later one takes its place.
    pub(super) fn forget(&mut self) {
        self.waiting = None;
    }

    /// The copy, when everything in it is behind the position.
    pub(super) fn reached(&mut self, position: u64) -> Option<Snapshot> {
        self.waiting.take_if(|snapshot| snapshot.next <= position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_waits_for_the_position_and_the_next_one_for_enough_messages() {
        let (state, now) = (State::default(), Instant::now());
        let mut snapshots = Snapshots::new(1, now);
        for seq in 1..=60_000 {
            snapshots.took(seq, 1);
            snapshots.begin(now, &state);
        }
        assert_eq!(snapshots.reached(50_000), None);
        assert_eq!(snapshots.reached(50_001).map(|snapshot| snapshot.next), Some(50_001));
        assert_eq!(snapshots.reached(60_001), None);
        snapshots.begin(now + EVERY, &state);
        assert_eq!(snapshots.reached(60_001).map(|snapshot| snapshot.next), Some(60_001));
        snapshots.took(60_001, BYTES);
        snapshots.begin(now, &state);
        assert!(snapshots.reached(60_002).is_some());
    }

    #[test]
    fn what_later_messages_are_read_by_is_copied_a_second_after_it_was_told() {
        let now = Instant::now();
        let told: State = serde_json::from_str(r#"{"decoders":{"births":{"changes":1}}}"#).unwrap();
        let mut snapshots = Snapshots::new(1, now);
        snapshots.took(1, 1);
        snapshots.begin(now, &told);
        assert_eq!(snapshots.reached(2), None);
        snapshots.begin(now + SOON, &told);
        assert_eq!(snapshots.reached(2).map(|snapshot| snapshot.next), Some(2));
        snapshots.took(2, 1);
        snapshots.begin(now + SOON * 3, &told);
        assert_eq!(snapshots.reached(3), None, "once is enough");
    }
}
