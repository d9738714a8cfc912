//! Reading the quarantine, also beside a running service: nothing here writes.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::frame::{self, Item};
use super::{Held, QuarantineError};
use crate::journal::disk::Disk;
use crate::journal::segment::{self, Kind, Numbers, Step, Walk};
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

/// The messages in quarantine that the filter lets through, oldest first. `positions` tells which are settled.
pub fn list(
    dir: &Path,
    disk: &dyn Disk,
    positions: &BTreeMap<String, u64>,
    filter: &Filter,
) -> Result<Vec<Held>, QuarantineError> {
    let mut found = Vec::new();
    let settled =
        |held: &Held| positions.get(&held.destination).is_none_or(|position| held.record.seq < *position);
    each(dir, disk, |held| {
        if settled(&held) && filter.lets(&held) {
            found.push(held);
        }
    })
    .map_err(|source| QuarantineError { dir: dir.to_owned(), source })?;
    Ok(found)
}

/// Calls `with` for each message that no later mark makes void.
pub(super) fn each(dir: &Path, disk: &dyn Disk, mut with: impl FnMut(Held)) -> io::Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    // A mark voids only what was written before it: each message keeps the count of marks it had seen.
    let (mut held, mut marks) = (Vec::new(), Vec::new());
    for (.., path) in segment::list(dir, disk)? {
        walk(&path, disk, |item| match item {
            Item::Held(message) => held.push((marks.len(), message)),
            Item::Void { destination, from } => marks.push((destination, from)),
        })?;
    }
    for (seen, message) in held {
        let later = marks.iter().skip(seen);
        let void = |(destination, from): &(String, u64)| {
            *destination == message.destination && message.record.seq >= *from
        };
        if !later.into_iter().any(void) {
            with(message);
        }
    }
    Ok(())
}

fn walk(path: &Path, disk: &dyn Disk, mut with: impl FnMut(Item)) -> io::Result<()> {
    let (kind, mut walk) = Walk::open(path, frame::MAGIC, Numbers::Any, frame::read, disk)?;
    if kind == Kind::Foreign {
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
