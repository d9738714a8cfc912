//! The publisher's log: what was sent, what a broker acknowledged, and what must have become of it.

use std::collections::BTreeSet;

use super::{Expectation, Publish};
use crate::outcome::{Outcome, Outcomes};

/// One publish on record.
#[derive(Debug)]
pub(super) struct Entry {
    /// How often it was handed to a broker.
    pub(super) sends: u32,
    pub(super) acknowledged: bool,
    pub(super) expectation: Expectation,
    /// Topic and payload, only where the quarantine may have to show them.
    pub(super) bytes: Option<(Vec<u8>, Vec<u8>)>,
}

impl Entry {
    const fn outcome(&self) -> Outcome {
        match self.expectation {
            Expectation::Points { rest: None, .. } => Outcome::Stored,
            Expectation::Points { rest: Some(reason), .. } => Outcome::PartlyStored(reason),
            Expectation::Quarantined(reason) => Outcome::Quarantined(reason),
            Expectation::Discarded(reason) => Outcome::Discarded(reason),
        }
    }
}

/// Grows with every publish; a ticket is the publish's place in it.
#[derive(Debug, Default)]
pub struct Log {
    pub(super) entries: Vec<Entry>,
}

impl Log {
    /// Notes a publish about to be sent and gives its ticket.
    pub fn sent(&mut self, publish: &Publish) -> u64 {
        let ticket = u64::try_from(self.entries.len()).unwrap_or(u64::MAX);
        let wanted = matches!(
            publish.expectation,
            Expectation::Quarantined(_) | Expectation::Points { rest: Some(_), .. }
        );
        self.entries.push(Entry {
            sends: 1,
            acknowledged: false,
            expectation: publish.expectation.clone(),
            bytes: wanted.then(|| (publish.topic.clone().into_bytes(), publish.payload.clone())),
        });
        ticket
    }

    /// Notes that it is sent once more over another connection: without an own time it may now be stored twice.
    pub fn sent_again(&mut self, ticket: u64) {
        if let Some(entry) = self.entry(ticket) {
            entry.sends = entry.sends.saturating_add(1);
        }
    }

    /// Notes the broker's acknowledgement. From here on, nothing excuses its absence.
    pub fn acknowledged(&mut self, ticket: u64) {
        if let Some(entry) = self.entry(ticket) {
            entry.acknowledged = true;
        }
    }

    /// Takes an acknowledgement back: the broker that gave it has lost the message, and was seen to.
    pub fn lost_by_the_broker(&mut self, ticket: u64) {
        if let Some(entry) = self.entry(ticket) {
            entry.acknowledged = false;
        }
    }

    /// Whether a publish was acknowledged, and how often it was handed to a broker.
    pub fn standing(&self, ticket: u64) -> Option<(bool, u32)> {
        let entry = self.entries.get(usize::try_from(ticket).ok()?)?;
        Some((entry.acknowledged, entry.sends))
    }

    /// The devices whose points may be in the store.
    pub fn devices(&self) -> BTreeSet<&str> {
        let points = self.entries.iter().flat_map(|entry| match &entry.expectation {
            Expectation::Points { points, .. } => points.as_slice(),
            Expectation::Quarantined(_) | Expectation::Discarded(_) => &[],
        });
        points.map(|point| &*point.device).collect()
    }

    /// The topics whose messages may be in quarantine.
    pub fn refused_topics(&self) -> BTreeSet<&[u8]> {
        self.entries.iter().filter_map(|entry| Some(entry.bytes.as_ref()?.0.as_slice())).collect()
    }

    /// Publishes sent and not acknowledged.
    pub fn open(&self) -> usize {
        self.entries.iter().filter(|entry| !entry.acknowledged).count()
    }

    /// How often a publish was sent once more.
    pub fn repeats(&self) -> u64 {
        self.entries.iter().map(|entry| u64::from(entry.sends.saturating_sub(1))).sum()
    }

    /// How the account must count the acknowledged publishes, each sent once.
    pub fn outcomes(&self) -> Outcomes {
        let mut outcomes = Outcomes::default();
        for entry in self.entries.iter().filter(|entry| entry.acknowledged) {
            outcomes.count(entry.outcome());
        }
        outcomes
    }

    /// The most that the account may count: every publish, as often as it was sent.
    pub fn outcomes_at_most(&self) -> Outcomes {
        let mut outcomes = Outcomes::default();
        for entry in &self.entries {
            outcomes.count_times(entry.outcome(), u64::from(entry.sends));
        }
        outcomes
    }

    /// Publishes on record.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn entry(&mut self, ticket: u64) -> Option<&mut Entry> {
        self.entries.get_mut(usize::try_from(ticket).ok()?)
    }
}
