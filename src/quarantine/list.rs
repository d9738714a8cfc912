//! Listing the quarantine, also beside a running service: nothing here writes.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::counts::{Counts, MovedBy};
use super::frame::{self, Item};
use super::scan::Scan;
use super::{Held, QuarantineError, Seqs};
use crate::journal::disk::Disk;
use crate::journal::verify::{self, Finding, Totals};
use crate::outcome::{Outcome, Reason};
use crate::topic::Template;

const POISON: Outcome = Outcome::Quarantined(Reason::Poison);
const DROPPED: Outcome = Outcome::Discarded(Reason::Dropped);

/// Which messages are meant; an unset part lets all through.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub seq: Option<u64>,
    pub reason: Option<Reason>,
    /// An MQTT filter.
    pub topic: Option<Template>,
    /// Received at or after this time, Unix time in nanoseconds.
    pub from: Option<i64>,
    /// Received before this time.
    pub to: Option<i64>,
}

impl Filter {
    pub fn lets(&self, held: &Held) -> bool {
        let record = &held.record;
        self.seq.is_none_or(|seq| record.seq == seq)
            && self.reason.is_none_or(|reason| held.rejection.reason == reason)
            && self.from.is_none_or(|from| record.received >= from)
            && self.to.is_none_or(|to| record.received < to)
            && self.topic.as_ref().is_none_or(|topic| topic.matches(&record.message.topic))
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
    let failed = |cause| QuarantineError { dir: dir.to_owned(), cause };
    let mut scan = Scan::new(dir, disk).map_err(failed)?;
    while let Some((_, held)) = scan.next(disk).map_err(failed)? {
        if held.is_settled(positions) && filter.lets(&held) {
            with(held);
        }
    }
    Ok(())
}

/// The highest sequence number that it tells of, by destination. What is no directory tells of none, and is refused
/// where it is opened.
pub fn highest(dir: &Path, disk: &dyn Disk) -> Result<BTreeMap<String, u64>, QuarantineError> {
    match Scan::new(dir, disk) {
        Ok(scan) => Ok(scan.highest().clone()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(BTreeMap::new()),
        Err(cause) => Err(QuarantineError { dir: dir.to_owned(), cause }),
    }
}

/// What has moved since it was first settled, as the files tell it.
pub fn moved(dir: &Path, disk: &dyn Disk) -> Result<MovedBy, QuarantineError> {
    let failed = |cause| QuarantineError { dir: dir.to_owned(), cause };
    // The quota may take a segment away meanwhile, which then stands in the other file.
    let mut last = Err(io::ErrorKind::Interrupted.into());
    for _ in 0..10 {
        let gone = Counts::read(dir, disk).map_err(failed)?.counts;
        last = sum(dir, disk, &gone);
        if last.is_ok() && Counts::read(dir, disk).map_err(failed)?.counts.through == gone.through {
            break;
        }
    }
    last.map_err(failed)
}

fn sum(dir: &Path, disk: &dyn Disk, gone: &Counts) -> io::Result<MovedBy> {
    let mut all = gone.moved.clone();
    let mut scan = Scan::new(dir, disk)?;
    while let Some((_, item)) = scan.next_item(disk)? {
        if let Item::Moved(group) = item {
            group.count(&mut all);
        }
    }
    Ok(all)
}

/// What became of one message after it was in quarantine, by destination, as far as the marks are still there.
pub fn moves_of(dir: &Path, disk: &dyn Disk, seq: u64) -> Result<BTreeMap<String, Outcome>, QuarantineError> {
    let failed = |cause| QuarantineError { dir: dir.to_owned(), cause };
    let mut found = BTreeMap::new();
    let mut scan = Scan::new(dir, disk).map_err(failed)?;
    while let Some((_, item)) = scan.next_item(disk).map_err(failed)? {
        if let Item::Moved(group) = item
            && group.seqs.contains(&seq)
        {
            found.insert(group.destination, group.to);
        }
    }
    Ok(found)
}

/// The messages of reason poison, held or dropped; not those that were stored later, nor those the quota removed.
pub fn poison(dir: &Path, disk: &dyn Disk) -> Result<Seqs, QuarantineError> {
    let failed = |cause| QuarantineError { dir: dir.to_owned(), cause };
    let mut found = Seqs::default();
    let mut scan = Scan::new(dir, disk).map_err(failed)?;
    while let Some((_, item)) = scan.next_item(disk).map_err(failed)? {
        match item {
            Item::Held(held) if held.is_poison() => found.insert(held.record.seq),
            Item::Moved(group) if group.from == POISON && group.to == DROPPED => {
                group.seqs.into_iter().for_each(|seq| found.insert(seq));
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Reads it to its end and tells each harm.
pub fn verify(dir: &Path, disk: &dyn Disk, tell: impl FnMut(Finding)) -> Result<Totals, QuarantineError> {
    match verify::verify_any(dir, frame::MAGIC, frame::read, disk, tell) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Totals::default()),
        verified => verified.map_err(|cause| QuarantineError { dir: dir.to_owned(), cause }),
    }
}
