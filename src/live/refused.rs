//! The last refused messages, each cut to what a person needs to recognise it.

use std::collections::VecDeque;

use serde::Serialize;

use crate::message::Record;
use crate::outcome::{Reason, Rejection};

/// How many are remembered; the quarantine has all.
const KEPT: usize = 50;
/// Bytes of a topic, a payload or a detail that are shown.
const SHOWN: usize = 240;

/// One refused message. Topic and payload are outside data: text, never markup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    pub seq: u64,
    /// Unix time in milliseconds.
    pub received_ms: i64,
    pub destination: String,
    pub topic: String,
    pub payload: String,
    pub reason: Reason,
    pub detail: String,
}

#[derive(Debug, Default)]
pub struct Refused {
    last: VecDeque<Refusal>,
    total: u64,
}

impl Refused {
    pub fn note(&mut self, destination: &str, record: &Record, rejection: &Rejection) {
        self.total = self.total.saturating_add(1);
        if self.last.len() >= KEPT {
            self.last.pop_front();
        }
        self.last.push_back(Refusal {
            seq: record.seq,
            received_ms: record.received / 1_000_000,
            destination: destination.to_owned(),
            topic: shown(&record.message.topic),
            payload: shown(&record.message.payload),
            reason: rejection.reason,
            detail: shown(rejection.detail.as_bytes()),
        });
    }

    pub fn newest_first(&self) -> Vec<Refusal> {
        self.last.iter().rev().cloned().collect()
    }

    pub const fn total(&self) -> u64 {
        self.total
    }
}

/// The beginning as text, with what is no character, or steers a terminal or the direction of text, replaced.
fn shown(bytes: &[u8]) -> String {
    let start = bytes.get(..bytes.len().min(SHOWN)).unwrap_or_default();
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut text: String =
        String::from_utf8_lossy(start).chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect();
    if start.len() < bytes.len() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seq: u64, payload: &[u8]) -> Record {
        Record::pasted("city/x".into(), payload.to_vec().into(), 5_000_000, false).numbered(seq)
    }

    #[test]
    fn the_newest_are_kept_and_all_are_counted() {
        let mut refused = Refused::default();
        let rejection = Rejection::new(Reason::Malformed, "not JSON");
        for seq in 1..=60 {
            refused.note("default", &record(seq, b"{"), &rejection);
        }
        let kept = refused.newest_first();
        assert_eq!((kept.len(), kept[0].seq, kept[49].seq, refused.total()), (KEPT, 60, 11, 60));
        assert_eq!((kept[0].received_ms, kept[0].topic.as_str()), (5, "city/x"));
    }

    #[test]
    fn what_is_shown_is_short_and_steers_nothing() {
        assert_eq!(shown(b"<b>\x1b[2J\xff\n"), "<b>\u{fffd}[2J\u{fffd}\u{fffd}");
        assert_eq!(shown("a\u{202e}b".as_bytes()), "a\u{fffd}b");
        let long = shown(&[b'x'; 10_000]);
        assert!(long.len() < 260 && long.ends_with('…'));
    }
}
