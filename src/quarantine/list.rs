//! Reading the quarantine, also beside a running service: nothing here writes.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::frame::{self, Item};
use super::{Held, QuarantineError};
use crate::journal::disk::{self, Disk};
use crate::journal::segment::{self, Kind, Numbers, Step, Walk};
use crate::journal::verify::{self, Finding, Totals};
use crate::outcome::Reason;

/// Which messages to list; an unset part lets all through.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub seq: Option<u64>,
    pub reason: Option<Reason>,
    /// The topic begins with it.
    pub topic: Option<String>,
}

impl Filter {
    fn lets(&self, held: &Held) -> bool {
        self.seq.is_none_or(|seq| held.record.seq == seq)
            && self.reason.is_none_or(|reason| held.rejection.reason == reason)
            && self.topic.as_ref().is_none_or(|topic| held.record.message.topic.starts_with(topic.as_bytes()))
    }
}

/// Calls `with` for the messages in quarantine that the filter lets through, oldest first.
/// `positions` tells which are settled. One message at a time is in memory.
pub fn list(
    dir: &Path,
    disk: &dyn Disk,
    positions: &BTreeMap<String, u64>,
    filter: &Filter,
    mut with: impl FnMut(Held),
) -> Result<(), QuarantineError> {
    let settled =
        |held: &Held| positions.get(&held.destination).is_none_or(|position| held.record.seq < *position);
    each(dir, disk, |held| {
        if settled(&held) && filter.lets(&held) {
            with(held);
        }
    })
    .map_err(|cause| QuarantineError { dir: dir.to_owned(), cause })
}

/// Calls `with` for each message, also where a mark makes it void: a mark that is read here need not be durable.
pub(super) fn whether_void_or_not(dir: &Path, disk: &dyn Disk, mut with: impl FnMut(Held)) -> io::Result<()> {
    for (.., path) in segment::list(dir, disk)? {
        let read = walk(&path, disk, |item| {
            if let Item::Held(held) = item {
                with(held);
            }
        });
        match read {
            Err(error) if disk::is_damage(&error) => {
                tracing::error!(path = %path.display(), %error, "a part of the quarantine cannot be read");
            }
            read => read?,
        }
    }
    Ok(())
}

/// Calls `with` for each message that no later mark makes void.
fn each(dir: &Path, disk: &dyn Disk, mut with: impl FnMut(Held)) -> io::Result<()> {
    let segments = match segment::list(dir, disk) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        listed => listed?,
    };
    // A mark voids only what was written before it: the marks first, each with how many items stand before it.
    let (mut items, mut marks) = (0_u64, Vec::new());
    for (.., path) in &segments {
        walk(path, disk, |item| {
            items += 1;
            if let Item::Void { destination, from } = item {
                marks.push((items, destination, from));
            }
        })?;
    }
    let mut at = 0;
    for (.., path) in &segments {
        walk(path, disk, |item| {
            at += 1;
            let Item::Held(message) = item else { return };
            let void = marks.iter().any(|(place, destination, from)| {
                *place > at && *destination == message.destination && message.record.seq >= *from
            });
            // What came while we read is not looked at: a mark for it may follow.
            if !void && at <= items {
                with(message);
            }
        })?;
    }
    Ok(())
}

fn walk(path: &Path, disk: &dyn Disk, mut with: impl FnMut(Item)) -> io::Result<()> {
    let (kind, mut walk) = Walk::open(path, frame::MAGIC, Numbers::Any, frame::read, disk)?;
    if matches!(kind, Kind::Foreign | Kind::Newer) {
        tracing::warn!(path = %path.display(), "not a quarantine of this version; left untouched");
        return Ok(());
    }
    loop {
        match walk.next()? {
            Step::Record(item) => with(item),
            Step::Damage { offset, bytes } => {
                tracing::error!(path = %path.display(), offset, bytes, "damaged bytes in the quarantine");
            }
            Step::End { .. } => return Ok(()),
        }
    }
}

/// Reads it to its end and tells each harm.
pub fn verify(dir: &Path, disk: &dyn Disk, tell: impl FnMut(Finding)) -> Result<Totals, QuarantineError> {
    match verify::verify_any(dir, frame::MAGIC, frame::read, disk, tell) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Totals::default()),
        verified => verified.map_err(|cause| QuarantineError { dir: dir.to_owned(), cause }),
    }
}

/// How many messages a segment holds.
pub(super) fn count(path: &Path, disk: &dyn Disk) -> io::Result<u64> {
    let mut count = 0;
    walk(path, disk, |item| count += u64::from(matches!(item, Item::Held(_))))?;
    Ok(count)
}

/// The newest receive time in a segment.
pub(super) fn newest(path: &Path, disk: &dyn Disk) -> io::Result<i64> {
    let mut newest = i64::MIN;
    walk(path, disk, |item| {
        if let Item::Held(held) = item {
            newest = newest.max(held.record.received);
        }
    })?;
    Ok(newest)
}
