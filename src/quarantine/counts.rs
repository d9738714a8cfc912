//! What the quarantine counts of each segment, and what stays counted of those that are gone.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Held;
use crate::journal::cursor;
use crate::journal::disk::{self, Disk};
use crate::outcome::{Moved, Outcome, Outcomes, Reason};

const NAME: &str = "counts";
const PREVIOUS: &str = "counts.prev";
/// How the file begins: the CRC-32 of what follows it, as text.
const SUM: &str = "{\"crc\":\"";
/// It holds some numbers for each destination and pair of reasons.
const MOST: u64 = 1024 * 1024;

/// By the destination that had settled the message first.
pub type MovedBy = BTreeMap<String, Moved>;

pub(super) fn add(all: &mut MovedBy, more: &MovedBy) {
    for (destination, moved) in more {
        all.entry(destination.clone()).or_default().add(moved);
    }
}

/// Of segments that are gone; the file `counts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    /// Messages that the quota removed.
    pub(super) messages: u64,
    /// Segments up to this one are counted here, whether or not their file is gone yet.
    pub(super) through: Option<u64>,
    pub(super) moved: MovedBy,
}

/// What was found of the file.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) counts: Counts,
    /// Files before the one that was read; where they are all, nothing is known any more.
    pub(super) damaged: Vec<&'static str>,
}

impl Counts {
    /// Reads the file, or the one before it where it is damaged. What may be read later is an error.
    pub(super) fn read(dir: &Path, disk: &dyn Disk) -> io::Result<Found> {
        let mut damaged = Vec::new();
        for name in [NAME, PREVIOUS] {
            let path = dir.join(name);
            match disk::read(&path, MOST, disk) {
                Ok(bytes) => match parse(&bytes) {
                    Some(counts) => return Ok(Found { counts, damaged }),
                    None => tracing::error!(path = %path.display(), "the quarantine's counts are damaged"),
                },
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) if error.kind() == io::ErrorKind::InvalidData || disk::is_damage(&error) => {
                    tracing::error!(path = %path.display(), %error, "the quarantine's counts are damaged");
                }
                Err(error) => {
                    let text = format!("{} cannot be read: {error}", path.display());
                    return Err(io::Error::new(error.kind(), text));
                }
            }
            damaged.push(name);
        }
        if !damaged.is_empty() {
            tracing::error!(dir = %dir.display(), "what the quarantine's quota removed is not known any more");
        }
        Ok(Found { counts: Self::default(), damaged })
    }

    pub(super) fn write(&self, dir: &Path, disk: &dyn Disk) -> io::Result<()> {
        let text = serde_json::to_string(self).map_err(io::Error::other)?;
        let body = text.strip_prefix('{').unwrap_or(&text);
        let text = format!("{SUM}{:08x}\",{body}", crc32fast::hash(body.as_bytes()));
        cursor::replace(dir, NAME, "counts.new", Some(PREVIOUS), text.as_bytes(), disk)
    }
}

/// The checksum is a member that a program which does not know it passes over; its own files have none.
fn parse(bytes: &[u8]) -> Option<Counts> {
    if let Some(rest) = bytes.strip_prefix(SUM.as_bytes()) {
        let (sum, rest) = rest.split_at_checked(8)?;
        let body = rest.strip_prefix(b"\",")?;
        let sum = u32::from_str_radix(std::str::from_utf8(sum).ok()?, 16).ok()?;
        (sum == crc32fast::hash(body)).then_some(())?;
    }
    serde_json::from_slice(bytes).ok()
}

/// Of one segment that is there.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) size: u64,
    /// The newest receive time.
    pub(super) newest: Option<i64>,
    /// What is still held, by destination.
    pub(super) live: BTreeMap<String, Outcomes>,
    /// The highest sequence number of each destination.
    pub(super) last: BTreeMap<String, u64>,
    /// What its marks say has moved.
    pub(super) moved: MovedBy,
}

impl Tally {
    pub(super) fn hold(&mut self, held: &Held) {
        self.newest = self.newest.max(Some(held.record.received));
        self.live.entry(held.destination.clone()).or_default().count(held.outcome());
        let last = self.last.entry(held.destination.clone()).or_default();
        *last = held.record.seq.max(*last);
    }

    /// A message is no longer held, or in part only.
    pub(super) fn release(&mut self, destination: &str, from: Outcome, to: Outcome) {
        if let Some(live) = self.live.get_mut(destination) {
            match from {
                Outcome::PartlyStored(_) => live.partly_stored = live.partly_stored.saturating_sub(1),
                from => live.take(from, 1),
            }
            if matches!(to, Outcome::PartlyStored(_)) {
                live.count(to);
            }
        }
        self.live.retain(|_, live| live.settled_here() > 0);
    }

    pub(super) fn held(&self) -> u64 {
        self.live.values().map(Outcomes::settled_here).sum()
    }

    /// What moves when the quota removes it. Of a message stored in part, that part stays stored.
    pub(super) fn expire(&self) -> MovedBy {
        let mut all = MovedBy::new();
        for (destination, live) in &self.live {
            for (reason, count) in &live.quarantined {
                let to = Outcome::Discarded(Reason::Expired);
                let moved = all.entry(destination.clone()).or_default();
                moved.count(Outcome::Quarantined(*reason), to, *count);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::memory_disk::MemoryDisk;

    const DIR: &str = "/data/quarantine";

    fn counts(messages: u64) -> Counts {
        let mut moved = Moved::default();
        moved.count(Outcome::Quarantined(Reason::NoRoute), Outcome::Discarded(Reason::Expired), messages);
        Counts { messages, through: Some(messages), moved: [("main".to_owned(), moved)].into() }
    }

    fn written() -> MemoryDisk {
        let disk = MemoryDisk::default();
        for messages in [7, 9] {
            counts(messages).write(Path::new(DIR), &disk).unwrap();
        }
        disk
    }

    fn read(disk: &MemoryDisk) -> Counts {
        Counts::read(Path::new(DIR), disk).unwrap().counts
    }

    #[test]
    fn counts_are_read_back_and_those_of_a_file_without_a_checksum_too() {
        let disk = written();
        assert_eq!(read(&disk), counts(9));
        disk.put(&Path::new(DIR).join(NAME), serde_json::to_vec(&counts(8)).unwrap());
        assert_eq!(read(&disk), counts(8));
        // A program that knows no checksum reads this file as well.
        let bytes = written().files().remove(&Path::new(DIR).join(NAME)).unwrap();
        assert_eq!(serde_json::from_slice::<Counts>(&bytes).unwrap(), counts(9));
    }

    #[test]
    fn no_cut_and_no_flipped_byte_of_counts_is_taken_for_other_counts() {
        let (disk, path) = (written(), Path::new(DIR).join(NAME));
        let whole = disk.files().remove(&path).unwrap();
        for at in 0..whole.len() {
            disk.put(&path, whole[..at].to_vec());
            assert_eq!(read(&disk), counts(7), "cut at {at}");
            let mut harmed = whole.clone();
            harmed[at] ^= 0x04;
            disk.put(&path, harmed);
            let found = read(&disk);
            assert!(found == counts(7) || found == counts(9), "byte {at}: {found:?}");
        }
    }

    #[test]
    fn counts_that_cannot_be_read_now_are_an_error_and_those_the_disk_lost_are_damage() {
        let (bad_sector, too_many_files) = (5, 24);
        let (disk, path) = (written(), Path::new(DIR).join(NAME));
        disk.break_file(&path, too_many_files);
        let error = Counts::read(Path::new(DIR), &disk).unwrap_err();
        assert!(error.to_string().contains("counts cannot be read"), "{error}");
        disk.break_file(&path, bad_sector);
        let found = Counts::read(Path::new(DIR), &disk).unwrap();
        assert_eq!((found.counts, found.damaged), (counts(7), vec![NAME]));
    }
}
