//! Recovery: what a start finds in the journal's directory, whatever a crash or a hand left there.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::disk::Disk;
use super::record;
use super::segment::{self, HEADER, Kind, Step};
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
    /// Segments that the disk does not give back; their records count as damaged.
    pub unreadable: Vec<PathBuf>,
}

pub(super) struct Found {
    pub(super) recovery: Recovery,
    pub(super) segments: BTreeMap<(u64, u32), Segment>,
}

/// Lists the segments, makes them durable, and walks the newest ones until one tells the last record.
///
/// What a process that died had written and not synced is read from the kernel's memory here: without the sync a
/// power cut could still take it, after we had told the broker that we know it. Nothing is appended to an old
/// segment, so nothing needs to be cut; one without a frame goes, or it would hide how far the one before it goes.
pub(super) fn recover(dir: &Path, disk: &dyn Disk) -> io::Result<Found> {
    let mut recovery = Recovery { end: 1, ..Recovery::default() };
    let mut segments = BTreeMap::new();
    for (first, roll, path) in segment::list(dir, disk)? {
        let size = match record::open(&path, disk) {
            Ok((Kind::Foreign, _)) => {
                tracing::warn!(path = %path.display(), "not a segment of this version; left untouched");
                recovery.foreign.push(path);
                continue;
            }
            Ok((_, walk)) => walk.size(),
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "a segment cannot be read; its records are lost");
                recovery.unreadable.push(path.clone());
                std::fs::metadata(&path).map_or(0, |meta| meta.len())
            }
        };
        let header = u64::try_from(HEADER).unwrap_or(0);
        if size <= header && !recovery.unreadable.contains(&path) {
            disk.remove(&path)?;
            // Its name still says how far the numbers had been given.
            recovery.end = recovery.end.max(first);
            continue;
        }
        if let Err(error) = disk.sync(&path) {
            return Err(io::Error::new(
                error.kind(),
                format!("{} cannot be synced: {error}", path.display()),
            ));
        }
        segments.insert((first, roll), Segment { path, size });
    }
    disk.sync_dir(dir)?;
    for ((first, _), segment) in segments.iter().rev() {
        if recovery.unreadable.contains(&segment.path) {
            // No number may be given twice: as many as can have been in it are taken as given.
            recovery.end = recovery.end.max(first.saturating_add(segment.size / record::SMALLEST));
            continue;
        }
        if walk(*first, segment, disk, &mut recovery) {
            break;
        }
    }
    Ok(Found { recovery, segments })
}

/// Walks one segment to its end; says whether it held a record.
fn walk(first: u64, segment: &Segment, disk: &dyn Disk, recovery: &mut Recovery) -> bool {
    let (mut found, mut end) = (false, first);
    let mut step = || {
        let (_, mut walk) = record::open(&segment.path, disk)?;
        loop {
            match walk.next()? {
                Step::Record(record) => {
                    end = end.max(record.seq.saturating_add(1));
                    recovery.newest = recovery.newest.max(record.received);
                    found = true;
                }
                Step::Damage { bytes, .. } => recovery.damaged += bytes,
                Step::End { torn, whole } => {
                    recovery.torn += torn;
                    // A frame that is whole and wrong may have been acknowledged: its number is not given again.
                    end = end.saturating_add(whole);
                    return Ok::<_, io::Error>(());
                }
            }
        }
    };
    if let Err(error) = step() {
        tracing::error!(path = %segment.path.display(), %error, "a segment cannot be read to its end");
        end = end.max(first.saturating_add(segment.size / record::SMALLEST));
    }
    recovery.end = recovery.end.max(end);
    found
}
