//! Recall: what the journal holds of a source's last session that the broker may send again.

use std::collections::BTreeMap;

use super::redelivery::{Content, InDoubt};
use crate::journal::{Entry, Journal, JournalError};

/// The last session's serial, and its records whose PUBACK may not have arrived.
pub(super) async fn in_doubt(
    journal: &Journal,
    number: u16,
    floor: u64,
) -> Result<(u32, Vec<InDoubt>), JournalError> {
    let end = journal.end();
    // A data directory can be older than what its journal still holds.
    let mut next = floor.max(journal.stats().oldest).max(1);
    let mut reader = journal.reader(next).quiet();
    // The latest of each packet identifier: there cannot be more, however far the floor lies back.
    let (mut session, mut doubts) = (0, BTreeMap::new());
    while next < end {
        for entry in reader.next(1024).await? {
            match entry {
                Entry::Damage { last, .. } => next = last.saturating_add(1),
                Entry::Record(record) => {
                    next = record.seq.saturating_add(1);
                    let message = record.message;
                    if message.source != number {
                        continue;
                    }
                    if message.session != session {
                        doubts.clear();
                        session = message.session;
                    }
                    if message.qos > 0 && message.redelivery_of.is_none() {
                        let content = Content::of(&message.topic, &message.payload);
                        let packet_id = message.packet_id;
                        doubts.insert(packet_id, InDoubt { seq: record.seq, session, packet_id, content });
                    }
                }
            }
        }
    }
    Ok((session, doubts.into_values().collect()))
}
