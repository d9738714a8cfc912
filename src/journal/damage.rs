//! Damage that was met in segments: its bytes are set aside, its numbers put on record, for a human to see.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::cursor::replace;
use super::disk::{self, Disk};

/// Where it is told, within the directory of the segments.
pub(crate) const DIR: &str = "damaged";
/// Of one stretch at most so many bytes are set aside; the segment has the rest for as long as it is kept.
const MOST_BYTES: u64 = 1024 * 1024;
/// So many files at most: a disk that falls apart must not be filled with what is left of it.
const MOST_FILES: usize = 200;
/// Below this nothing is set aside: the room belongs to cursor and quarantine.
const MIN_FREE: u64 = 64 * 1024 * 1024;
/// A record of lost numbers is shorter.
const MOST_RECORD: u64 = 4096;
const FRESH: &str = "fresh";

/// Bytes of a segment that are no frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) path: PathBuf,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
}

/// Numbers that were given and cannot be read any more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Lost {
    pub first: u64,
    pub last: u64,
    pub detail: String,
}

/// What is on record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    pub dir: PathBuf,
    /// In the order of their numbers.
    pub lost: Vec<Lost>,
    /// Files with damaged bytes.
    pub files: usize,
    /// Segments that this version cannot read.
    pub foreign: Vec<PathBuf>,
}

#[derive(Debug, Default)]
pub(crate) struct Damage(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    dir: PathBuf,
    names: BTreeSet<String>,
    lost: BTreeSet<Lost>,
    foreign: Vec<PathBuf>,
}

impl Damage {
    /// Reads what is on record of earlier lives.
    pub(crate) fn open(segments: &Path, foreign: Vec<PathBuf>, disk: &dyn Disk) -> Self {
        let inner = Inner { dir: segments.join(DIR), foreign, ..Inner::default() };
        let damage = Self(Mutex::new(inner));
        damage.look(disk);
        damage
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the record again: what a human has moved away is seen.
    pub(crate) fn look(&self, disk: &dyn Disk) {
        let mut inner = self.inner();
        inner.foreign.retain(|path| disk.open(path).is_ok());
        inner.names.clear();
        inner.lost.clear();
        for path in disk.list(&inner.dir).unwrap_or_default().into_iter().take(2 * MOST_FILES) {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if name == FRESH {
                continue;
            }
            inner.names.insert(name.to_owned());
            let record = disk::read(&path, MOST_RECORD, disk).ok();
            let json = path.extension().is_some_and(|ending| ending == "json");
            let lost = record.filter(|_| json).and_then(|bytes| serde_json::from_slice(&bytes).ok());
            inner.lost.extend(lost);
        }
    }

    /// Is there anything to see?
    pub(crate) fn any(&self) -> bool {
        let inner = self.inner();
        !inner.names.is_empty() || !inner.lost.is_empty() || !inner.foreign.is_empty()
    }

    pub(crate) fn summary(&self) -> Summary {
        let inner = self.inner();
        let json = |name: &&String| name.ends_with(".json");
        Summary {
            dir: inner.dir.clone(),
            lost: inner.lost.iter().cloned().collect(),
            files: inner.names.iter().filter(|name| !json(name)).count(),
            foreign: inner.foreign.clone(),
        }
    }

    /// Damaged bytes, and the numbers that went with them, if any did.
    pub(crate) fn met(&self, stretches: &[Stretch], lost: Option<Lost>, disk: &dyn Disk) {
        let mut inner = self.inner();
        for stretch in stretches {
            let Some(segment) = stretch.path.file_name() else { continue };
            let name = format!("{}.{}", segment.to_string_lossy(), stretch.offset);
            inner.write(&name, disk, || {
                let file = disk.open(&stretch.path)?;
                let size = usize::try_from(stretch.bytes.min(MOST_BYTES)).unwrap_or(0);
                let mut bytes = vec![0; size];
                file.read_at(&mut bytes, stretch.offset)?;
                Ok(bytes)
            });
        }
        let Some(lost) = lost else { return };
        let within = |known: &Lost| known.first <= lost.first && lost.last <= known.last;
        if inner.lost.len() < MOST_FILES && !inner.lost.iter().any(within) {
            let name = format!("{:020}-{:020}.json", lost.first, lost.last);
            inner.write(&name, disk, || serde_json::to_vec(&lost).map_err(std::io::Error::other));
            inner.lost.insert(lost);
        }
    }
}

impl Inner {
    /// Once for each name, and only while there is room for it.
    fn write(&mut self, name: &str, disk: &dyn Disk, bytes: impl Fn() -> std::io::Result<Vec<u8>>) {
        if self.names.contains(name) || self.names.len() >= 2 * MOST_FILES {
            return;
        }
        let written = (|| {
            disk::make_dir(&self.dir, disk)?;
            if disk.space(&self.dir)?.free < MIN_FREE {
                return Err(std::io::ErrorKind::StorageFull.into());
            }
            replace(&self.dir, name, FRESH, None, &bytes()?, disk)
        })();
        match written {
            Ok(()) => drop(self.names.insert(name.to_owned())),
            Err(error) => {
                tracing::warn!(name, dir = %self.dir.display(), %error, "damage cannot be set aside");
            }
        }
    }
}
