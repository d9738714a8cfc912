//! Recovery: what a start finds in the journal's directory, whatever a crash or a hand left there.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::disk::{self, Disk};
use super::record;
use super::segment::{self, HEADER, Head, Kind, Step};
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
    let (mut segments, mut empty) = (BTreeMap::new(), Vec::new());
    for segment::Listed { key, path, head } in segment::ordered(dir, record::MAGIC, disk)? {
        let named = segment::named(&path).map_or(0, |(first, _)| first);
        let size = match head {
            Ok(Head { kind: Kind::Foreign | Kind::Newer, first, size, .. }) => {
                tracing::warn!(path = %path.display(), "not a segment of this version; left untouched");
                // No number may be given twice: as many as can be in a later version's are taken as given.
                if let Some(first) = first {
                    recovery.end = recovery.end.max(first.saturating_add(size / record::SMALLEST));
                }
                recovery.foreign.push(path);
                continue;
            }
            Ok(head) => head.size,
            Err(error) if !disk::is_damage(&error) => {
                return Err(named_error(&path, "cannot be read", &error));
            }
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "a segment cannot be read; its records are lost");
                recovery.unreadable.push(path.clone());
                disk.size(&path).unwrap_or(0)
            }
        };
        if key.0 != named {
            tracing::warn!(path = %path.display(), first = key.0, "a segment has another one's name; its header counts");
        }
        let header = u64::try_from(HEADER).unwrap_or(0);
        if size <= header && !recovery.unreadable.contains(&path) {
            empty.push((key, path, size));
            continue;
        }
        match disk.sync(&path) {
            // Nothing was read from it, so nothing of it has to last.
            Err(error) if recovery.unreadable.contains(&path) && disk::is_damage(&error) => {}
            synced => synced.map_err(|error| named_error(&path, "cannot be synced", &error))?,
        }
        segments.insert(key, Segment { path, size });
    }
    disk.sync_dir(dir)?;
    // Where a write failed, what it left may stand in the segment before, and in several that begin with one number:
    // the numbers are told by all of these together.
    let mut begins = None;
    for ((first, _), segment) in segments.iter().rev() {
        if recovery.unreadable.contains(&segment.path) {
            // No number may be given twice: as many as can have been in it are taken as given, where no later
            // segment tells.
            if begins.is_none() {
                recovery.end = recovery.end.max(first.saturating_add(segment.size / record::SMALLEST));
            }
            continue;
        }
        let held = walk(*first, segment, disk, &mut recovery)?;
        match begins {
            Some(last) if *first < last => break,
            None if held => begins = Some(*first),
            _ => {}
        }
    }
    for (key, path, size) in empty {
        // Its name still says how far the numbers had been given, and nothing else may.
        if key.0 > recovery.end {
            recovery.end = key.0;
            segments.insert(key, Segment { path, size });
        } else {
            disk.remove(&path)?;
        }
    }
    Ok(Found { recovery, segments })
}

fn named_error(path: &Path, what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{} {what}: {error}", path.display()))
}

/// Walks one segment to its end; says whether it held a record.
fn walk(first: u64, segment: &Segment, disk: &dyn Disk, recovery: &mut Recovery) -> io::Result<bool> {
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
        if !disk::is_damage(&error) {
            return Err(named_error(&segment.path, "cannot be read", &error));
        }
        tracing::error!(path = %segment.path.display(), %error, "a segment cannot be read to its end");
        end = end.max(first.saturating_add(segment.size / record::SMALLEST));
    }
    recovery.end = recovery.end.max(end);
    Ok(found)
}
