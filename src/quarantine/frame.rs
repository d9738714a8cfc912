//! A frame of the quarantine: a held message, the mark that makes earlier ones void, or messages that have moved.

use bytes::Bytes;

use super::Held;
use super::counts::MovedBy;
use crate::journal::frame::{self, Salt, array};
use crate::journal::record;
use crate::journal::segment::Magic;
use crate::outcome::{Outcome, Rejection};

/// The first bytes of a quarantine segment.
pub(super) const MAGIC: Magic = *b"NADIQUAR";

const HELD: u8 = 1;
const VOID: u8 = 2;
const MOVED: u8 = 3;
/// Held for what could not be stored of it; the rest is stored.
const HELD_IN_PART: u8 = 4;
/// A destination's name or a detail is cut at this many bytes.
const MAX_TEXT: usize = 4096;

/// What a frame says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    Held(Held),
    /// What is said of this destination's messages at or above `from`, written before it, is void.
    Void {
        destination: String,
        from: u64,
    },
    Moved(Group),
}

/// Messages of one destination whose outcome has changed in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) destination: String,
    pub(super) from: Outcome,
    pub(super) to: Outcome,
    pub(super) seqs: Vec<u64>,
}

impl Group {
    /// Adds it to the sums. What was stored in part and is dropped stays stored in part.
    pub(super) fn count(&self, sums: &mut MovedBy) {
        if let (Outcome::PartlyStored(_), Outcome::Discarded(_)) = (self.from, self.to) {
            return;
        }
        let times = u64::try_from(self.seqs.len()).unwrap_or(u64::MAX);
        sums.entry(self.destination.clone()).or_default().count(self.from, self.to, times);
    }
}

/// Kind, then for a held message: reason, detail, destination (each with its length), the journal's body.
pub(super) fn write_held(held: &Held, salt: Salt, out: &mut Vec<u8>) {
    let start = frame::begin(out);
    out.extend_from_slice(&held.record.seq.to_le_bytes());
    out.push(if held.partly { HELD_IN_PART } else { HELD });
    text(held.rejection.reason.code(), out);
    text(&held.rejection.detail, out);
    text(&held.destination, out);
    record::write_body(&held.record, out);
    frame::seal(out, start, salt);
}

pub(super) fn write_void(destination: &str, from: u64, salt: Salt, out: &mut Vec<u8>) {
    let start = frame::begin(out);
    out.extend_from_slice(&from.to_le_bytes());
    out.push(VOID);
    text(destination, out);
    frame::seal(out, start, salt);
}

/// How many, kind, destination, former and new outcome, and the sequence numbers.
pub(super) fn write_moved(group: &Group, salt: Salt, out: &mut Vec<u8>) {
    let start = frame::begin(out);
    out.extend_from_slice(&u64::try_from(group.seqs.len()).unwrap_or(0).to_le_bytes());
    out.push(MOVED);
    text(&group.destination, out);
    for outcome in [group.from, group.to] {
        let (tag, reason) = match outcome {
            Outcome::Stored => (1, ""),
            Outcome::PartlyStored(reason) => (2, reason.code()),
            Outcome::Quarantined(reason) => (3, reason.code()),
            Outcome::Discarded(reason) => (4, reason.code()),
            Outcome::Elsewhere => (5, ""),
        };
        out.push(tag);
        text(reason, out);
    }
    group.seqs.iter().for_each(|seq| out.extend_from_slice(&seq.to_le_bytes()));
    frame::seal(out, start, salt);
}

fn text(text: &str, out: &mut Vec<u8>) {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text.get(..end).unwrap_or_default();
    out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(0).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Reads a sound body.
pub(super) fn read(body: &Bytes) -> Option<Item> {
    let number = u64::from_le_bytes(array(body, 0)?);
    let mut at = 9;
    match *body.get(8)? {
        kind @ (HELD | HELD_IN_PART) => {
            let reason = take(body, &mut at)?.parse().ok()?;
            let detail = take(body, &mut at)?;
            let destination = take(body, &mut at)?;
            let record = record::read(&body.slice(at..))?;
            let rejection = Rejection { reason, detail };
            Some(Item::Held(Held { record, destination, rejection, partly: kind == HELD_IN_PART }))
        }
        VOID => Some(Item::Void { destination: take(body, &mut at)?, from: number }),
        MOVED => {
            let destination = take(body, &mut at)?;
            let (from, to) = (outcome(body, &mut at)?, outcome(body, &mut at)?);
            let seqs = body.get(at..)?.chunks_exact(8).map(|seq| array(seq, 0).map(u64::from_le_bytes));
            let seqs: Vec<_> = seqs.collect::<Option<_>>()?;
            let whole = u64::try_from(seqs.len()).ok()? == number;
            whole.then_some(Item::Moved(Group { destination, from, to, seqs }))
        }
        _ => None,
    }
}

fn outcome(body: &[u8], at: &mut usize) -> Option<Outcome> {
    let tag = *body.get(*at)?;
    *at = at.checked_add(1)?;
    let reason = take(body, at)?;
    Some(match tag {
        1 => Outcome::Stored,
        2 => Outcome::PartlyStored(reason.parse().ok()?),
        3 => Outcome::Quarantined(reason.parse().ok()?),
        4 => Outcome::Discarded(reason.parse().ok()?),
        5 => Outcome::Elsewhere,
        _ => return None,
    })
}

fn take(body: &[u8], at: &mut usize) -> Option<String> {
    let length = usize::from(u16::from_le_bytes(array(body, *at)?));
    let start = at.checked_add(2)?;
    let end = start.checked_add(length)?;
    let text = std::str::from_utf8(body.get(start..end)?).ok()?.to_owned();
    *at = end;
    Some(text)
}
