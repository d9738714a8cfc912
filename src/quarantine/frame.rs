//! A frame of the quarantine: a held message, or the mark that makes earlier ones void.

use bytes::Bytes;

use super::Held;
use crate::journal::frame::{self, Salt, array};
use crate::journal::record;
use crate::journal::segment::Magic;
use crate::outcome::Rejection;

/// The first bytes of a quarantine segment.
pub(super) const MAGIC: Magic = *b"NADIQUAR";

const HELD: u8 = 1;
const VOID: u8 = 2;
/// A destination's name or a detail is cut at this many bytes.
const MAX_TEXT: usize = 4096;

/// What a frame says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    Held(Held),
    /// Messages of this destination at or above `from`, written before it, are void.
    Void {
        destination: String,
        from: u64,
    },
}

/// Kind, then for a held message: reason, detail, destination (each with its length), the journal's body.
pub(super) fn write_held(held: &Held, salt: Salt, out: &mut Vec<u8>) {
    let start = frame::begin(out);
    out.extend_from_slice(&held.record.seq.to_le_bytes());
    out.push(HELD);
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
        HELD => {
            let reason = take(body, &mut at)?.parse().ok()?;
            let detail = take(body, &mut at)?;
            let destination = take(body, &mut at)?;
            let record = record::read(&body.slice(at..))?;
            Some(Item::Held(Held { record, destination, rejection: Rejection { reason, detail } }))
        }
        VOID => Some(Item::Void { destination: take(body, &mut at)?, from: number }),
        _ => None,
    }
}

fn take(body: &[u8], at: &mut usize) -> Option<String> {
    let length = usize::from(u16::from_le_bytes(array(body, *at)?));
    let start = at.checked_add(2)?;
    let end = start.checked_add(length)?;
    let text = std::str::from_utf8(body.get(start..end)?).ok()?.to_owned();
    *at = end;
    Some(text)
}
