//! Recovery: what a start finds in the journal's directory, whatever a crash or a hand left there.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::disk::Disk;
use super::record;
use super::segment::{self, Kind, Step};
use super::shared::Segment;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The next sequence number.
    pub end: u64,
    /// The newest receive time, Unix time in nanoseconds; 0 for an empty journal.
    pub newest: i64,
    /// Bytes of an unfinished frame at the very end: a write that was cut off, never acknowledged.
    pub torn: u64,
    /// Damaged bytes in the newest segment.
    pub damaged: u64,
    /// Files that are not ours to read; left as they are.
    pub foreign: Vec<PathBuf>,
}

pub(super) struct Found {
    pub(super) recovery: Recovery,
    pub(super) segments: BTreeMap<(u64, u32), Segment>,
}

/// Lists the segments and walks the newest ones until one tells the last record.
/// Nothing is appended to an old segment, so nothing needs to be cut.
pub(super) fn recover(dir: &Path, disk: &dyn Disk) -> io::Result<Found> {
    let mut recovery = Recovery { end: 1, ..Recovery::default() };
    let mut segments = BTreeMap::new();
    for (first, roll, path) in segment::list(dir, disk)? {
        let (kind, _) = record::open(&path, disk)?;
        if kind == Kind::Foreign {
            tracing::warn!(path = %path.display(), "not a segment of this version; left untouched");
            recovery.foreign.push(path);
            continue;
        }
        let size = disk.open(&path)?.metadata()?.len();
        segments.insert((first, roll), Segment { path, size });
    }
    for ((first, _), segment) in segments.iter().rev() {
        let (_, mut walk) = record::open(&segment.path, disk)?;
        let mut found = false;
        loop {
            match walk.next()? {
                Step::Record(record) => {
                    recovery.end = recovery.end.max(record.seq.saturating_add(1));
                    recovery.newest = recovery.newest.max(record.received);
                    found = true;
                }
                Step::Damage { bytes, .. } => recovery.damaged += bytes,
                Step::End { torn } => {
                    recovery.torn += torn;
                    break;
                }
            }
        }
        if found {
            break;
        }
        // An empty segment: its name still says how far the numbers had been given.
        recovery.end = recovery.end.max(*first);
    }
    Ok(Found { recovery, segments })
}
