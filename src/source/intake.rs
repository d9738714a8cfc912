//! Intake: publishes gathered into groups for the journal, with what is to be done when they are on disk.

use crate::journal::{Journal, PendingGroup};
use crate::message::Message;
use crate::mqtt::Receipt;

use super::redelivery::InDoubt;

/// So many messages go to the journal together at most.
pub(super) const GROUP: usize = 256;

/// Messages of one source in the order they came.
#[derive(Debug, Default)]
pub(super) struct Group {
    messages: Vec<Message>,
    each: Vec<Each>,
}

/// What is to be done when one message is on disk.
#[derive(Debug)]
pub(super) struct Each {
    pub(super) receipt: Receipt,
    /// What to enter as in doubt; nothing at QoS 0.
    pub(super) doubt: Option<InDoubt>,
    pub(super) repeats: Option<u64>,
    pub(super) packet_id: u16,
}

/// A group handed to the journal.
#[derive(Debug)]
pub(super) struct Handed {
    pub(super) pending: PendingGroup,
    pub(super) each: Vec<Each>,
    /// How many of them want a PUBACK.
    pub(super) owed: usize,
}

impl Group {
    pub(super) fn push(&mut self, message: Message, each: Each) {
        self.messages.push(message);
        self.each.push(each);
    }

    pub(super) const fn len(&self) -> usize {
        self.messages.len()
    }

    /// How many of them want a PUBACK.
    pub(super) fn owed(&self) -> usize {
        self.each.iter().filter(|each| each.packet_id != 0).count()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Hands all to the journal; nothing happens where it has no room.
    pub(super) fn hand_to(&mut self, journal: &Journal) -> Option<Handed> {
        match journal.try_append_group(std::mem::take(&mut self.messages)) {
            Ok(pending) => {
                let owed = self.owed();
                Some(Handed { pending, each: std::mem::take(&mut self.each), owed })
            }
            Err(back) => {
                self.messages = back;
                None
            }
        }
    }

    /// Keeps what `wanted` wants; says how many went.
    pub(super) fn retain(&mut self, wanted: impl Fn(&Message, &Receipt) -> bool) -> u64 {
        let before = self.len();
        let all = std::mem::take(&mut self.messages).into_iter().zip(std::mem::take(&mut self.each));
        (self.messages, self.each) = all.filter(|(message, each)| wanted(message, &each.receipt)).unzip();
        u64::try_from(before.saturating_sub(self.len())).unwrap_or(u64::MAX)
    }
}
