//! Quarantine, the dead-letter queue: what could not be stored, with its raw bytes and the reason.
//!
//! Frames and segments are the journal's (`docs/journal-format.md`). A message is synced here before its
//! destination's position passes it; one at or above the position is void, because it will be judged again.

mod frame;
mod list;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::journal::cursor;
use crate::journal::disk::{self, Append, Disk};
use crate::journal::frame::Salt;
use crate::journal::segment;
use crate::message::Record;
use crate::outcome::Rejection;
use crate::settings::{Section, Size, Span};

pub use list::{Filter, list, verify};

/// A segment is closed at this size, so that the quota can remove old ones.
const SEGMENT_SIZE: u64 = 8 * 1024 * 1024;
const COUNTS: &str = "counts";
/// That file holds two numbers.
const MOST_COUNTS: u64 = 4096;

/// The settings of `[quarantine]`.
#[derive(Debug, Clone)]
pub struct Config {
    /// Bytes; the oldest go first, and are counted.
    pub max_size: u64,
    pub max_age: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_size: 1024 * 1024 * 1024, max_age: Duration::from_secs(90 * 86_400) }
    }
}

impl Config {
    pub fn read(section: &mut Section) -> Self {
        let default = Self::default();
        Self {
            max_size: section.get("max_size", Size(default.max_size)).0,
            max_age: section.get("max_age", Span(default.max_age)).0,
        }
    }
}

/// Why the quarantine could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("quarantine {}: {cause}", dir.display())]
pub struct QuarantineError {
    dir: PathBuf,
    cause: io::Error,
}

/// One message in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub record: Record,
    pub destination: String,
    pub rejection: Rejection,
}

/// What the quarantine removed by its quota; the account's `quarantined` still counts it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expired {
    pub messages: u64,
    /// Segments up to this one are counted above, whether or not their file is gone yet.
    through: Option<u64>,
}

/// Numbers for health and metrics.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    pub bytes: u64,
    pub expired: u64,
}

/// The quarantine of a data directory; clones share it.
#[derive(Debug, Clone)]
pub struct Quarantine {
    inner: Arc<Mutex<Inner>>,
    told: Arc<Told>,
}

/// The numbers as of the last change, apart from the lock, which is held across syncs.
#[derive(Debug, Default)]
struct Told {
    bytes: AtomicU64,
    expired: AtomicU64,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    config: Config,
    clock: Clock,
    disk: Arc<dyn Disk>,
    /// Number and size of each closed segment.
    closed: BTreeMap<u64, u64>,
    open: Option<Open>,
    next: u64,
    expired: Expired,
    /// For each destination from which message on a write that failed may be there all the same.
    doubtful: BTreeMap<String, u64>,
}

#[derive(Debug)]
struct Open {
    number: u64,
    file: Box<dyn Append>,
    size: u64,
    salt: Salt,
}

impl Quarantine {
    /// Opens it and makes void what lies at or above its destination's position: it will be judged again.
    pub fn open(
        dir: &Path,
        config: &Config,
        disk: Arc<dyn Disk>,
        clock: Clock,
        positions: &BTreeMap<String, u64>,
    ) -> Result<Self, QuarantineError> {
        let failed = |cause| QuarantineError { dir: dir.to_owned(), cause };
        disk.make_dir(dir).map_err(failed)?;
        let mut closed = BTreeMap::new();
        for (number, _, path) in segment::list(dir, disk.as_ref()).map_err(failed)? {
            // What the disk does not give back is told by verify; the rest goes on.
            let size = match disk.open(&path).and_then(|file| file.size()) {
                Err(error) if disk::is_damage(&error) => 0,
                size => size.map_err(failed)?,
            };
            closed.insert(number, size);
        }
        let expired = match disk::read(&dir.join(COUNTS), MOST_COUNTS, disk.as_ref()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Expired::default(),
            read => read
                .and_then(|text| serde_json::from_slice(&text).map_err(io::Error::other))
                .unwrap_or_else(|error| {
                    tracing::error!(path = %dir.join(COUNTS).display(), %error, "what the quota removed is not known any more");
                    Expired::default()
                }),
        };
        let next = closed.keys().next_back().map_or(1, |number| number + 1);
        let (dir, config) = (dir.to_owned(), config.clone());
        let mut inner =
            Inner { dir, config, clock, disk, closed, open: None, next, expired, doubtful: BTreeMap::new() };
        inner.void(positions).map_err(|cause| QuarantineError { dir: inner.dir.clone(), cause })?;
        let told = Arc::<Told>::default();
        told.take(&inner);
        Ok(Self { inner: Arc::new(Mutex::new(inner)), told })
    }

    /// Returns when all of them are on disk. Blocks.
    pub fn put(&self, held: &[Held]) -> Result<(), QuarantineError> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        // Its messages come again: none may stand there twice.
        let doubtful = std::mem::take(&mut inner.doubtful);
        let written = inner.append(|salt, out| {
            doubtful.iter().for_each(|(destination, from)| frame::write_void(destination, *from, salt, out));
            held.iter().for_each(|held| frame::write_held(held, salt, out));
        });
        self.told.take(&inner);
        if let Err(cause) = written {
            inner.doubtful = doubtful;
            for held in held {
                let from = inner.doubtful.entry(held.destination.clone()).or_insert(u64::MAX);
                *from = held.record.seq.min(*from);
            }
            return Err(QuarantineError { dir: inner.dir.clone(), cause });
        }
        if let Err(error) = inner.keep_quota() {
            tracing::warn!(%error, "the quarantine's quota could not be kept");
        }
        self.told.take(&inner);
        Ok(())
    }

    /// Never waits for the disk.
    pub fn counts(&self) -> Counts {
        let Told { bytes, expired } = &*self.told;
        Counts { bytes: bytes.load(Ordering::Relaxed), expired: expired.load(Ordering::Relaxed) }
    }
}

impl Told {
    fn take(&self, inner: &Inner) {
        self.bytes.store(inner.bytes(), Ordering::Relaxed);
        self.expired.store(inner.expired.messages, Ordering::Relaxed);
    }
}

impl Inner {
    fn bytes(&self) -> u64 {
        self.closed.values().sum::<u64>() + self.open.as_ref().map_or(0, |open| open.size)
    }

    fn void(&mut self, positions: &BTreeMap<String, u64>) -> io::Result<()> {
        let mut unsettled = BTreeMap::<String, u64>::new();
        list::whether_void_or_not(&self.dir, self.disk.as_ref(), |held| {
            let from = positions.get(&held.destination).copied().unwrap_or(u64::MAX);
            if held.record.seq >= from {
                unsettled.insert(held.destination, from);
            }
        })?;
        if unsettled.is_empty() {
            return Ok(());
        }
        self.append(|salt, out| {
            for (destination, from) in &unsettled {
                frame::write_void(destination, *from, salt, out);
            }
        })
    }

    /// Appends and syncs; a segment that failed is left as it is and a new one begun.
    fn append(&mut self, encode: impl Fn(Salt, &mut Vec<u8>)) -> io::Result<()> {
        let mut open = match self.open.take() {
            Some(open) if open.size < SEGMENT_SIZE => open,
            Some(full) => {
                self.closed.insert(full.number, full.size);
                self.begin()?
            }
            None => self.begin()?,
        };
        let mut frames = Vec::new();
        encode(open.salt, &mut frames);
        let written = open.file.append(&frames).and_then(|()| open.file.sync());
        open.size += u64::try_from(frames.len()).unwrap_or(u64::MAX);
        if let Err(error) = written {
            self.closed.insert(open.number, open.size);
            return Err(error);
        }
        self.open = Some(open);
        Ok(())
    }

    fn begin(&mut self) -> io::Result<Open> {
        let number = self.next;
        self.next += 1;
        let mut file = self.disk.create(&segment::path(&self.dir, number, 0))?;
        let (header, salt) = segment::header(frame::MAGIC, number, self.clock.now());
        file.append(&header)?;
        file.sync()?;
        self.disk.sync_dir(&self.dir)?;
        Ok(Open { number, file, salt, size: u64::try_from(header.len()).unwrap_or(0) })
    }

    /// Removes the oldest closed segments that are too old or too much. Counts first, so that a crash between
    /// the two neither forgets nor counts twice.
    fn keep_quota(&mut self) -> io::Result<()> {
        while let Some((&number, &size)) = self.closed.first_key_value() {
            let path = segment::path(&self.dir, number, 0);
            let counted = self.expired.through.is_some_and(|through| number <= through);
            let too_old = || {
                let age = i64::try_from(self.config.max_age.as_nanos()).unwrap_or(i64::MAX);
                let newest = list::newest(&path, self.disk.as_ref()).unwrap_or(i64::MAX);
                newest < self.clock.now().saturating_sub(age)
            };
            if !counted && self.bytes() <= self.config.max_size && !too_old() {
                break;
            }
            if !counted {
                let messages = list::count(&path, self.disk.as_ref())?;
                let expired = Expired { messages: self.expired.messages + messages, through: Some(number) };
                let text = serde_json::to_vec(&expired).map_err(io::Error::other)?;
                cursor::replace(&self.dir, COUNTS, "counts.new", None, &text, self.disk.as_ref())?;
                self.expired = expired;
                tracing::warn!(messages, bytes = size, "the quarantine's quota removed its oldest messages");
            }
            self.disk.remove(&path)?;
            self.closed.remove(&number);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
