//! Quarantine, the dead-letter queue: what could not be stored, with its raw bytes and the reason.
//!
//! Frames and segments are the journal's (`docs/journal-format.md`). A message is synced here before its
//! destination's position passes it; one at or above the position is void, because it will be judged again.

mod counts;
mod frame;
mod inner;
mod list;
mod order;
mod scan;
mod seqs;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::clock::Clock;
use crate::journal::DamageSummary;
use crate::journal::damage::Damage;
use crate::journal::disk::{self, Append, Disk};
use crate::journal::frame::Salt;
use crate::message::Record;
use crate::outcome::{Outcome, Outcomes, Reason, Rejection};
use crate::settings::{Section, Size, Span};

pub use counts::MovedBy;
pub use list::{Filter, highest, list, moved, moves_of, poison, verify};
pub use order::{Action, Order, Report, Standing, Wanted};
pub use scan::Scan;
pub use seqs::Seqs;

use counts::{Counts as Gone, Tally};

/// A segment is closed at this size, so that the quota can remove old ones.
const SEGMENT_SIZE: u64 = 8 * 1024 * 1024;

/// Where damaged files are set aside, within the quarantine's directory.
const DAMAGED: &str = "damaged";

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
    /// The rest of it is stored.
    pub partly: bool,
}

impl Held {
    /// How the account counts it.
    pub const fn outcome(&self) -> Outcome {
        let reason = self.rejection.reason;
        if self.partly { Outcome::PartlyStored(reason) } else { Outcome::Quarantined(reason) }
    }

    /// Whether it has killed the process; it must not be decoded unless that is asked for.
    pub fn is_poison(&self) -> bool {
        self.rejection.reason == Reason::Poison
    }

    /// Whether its destination has passed it: if not, it will be judged again.
    pub fn is_settled(&self, positions: &BTreeMap<String, u64>) -> bool {
        positions.get(&self.destination).is_none_or(|position| self.record.seq < *position)
    }
}

/// What became of a held message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Where the scan found it.
    pub segment: u64,
    pub seq: u64,
    /// Whose account counts it.
    pub destination: String,
    pub from: Outcome,
    pub to: Outcome,
}

/// Numbers for health and metrics.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    pub bytes: u64,
    /// Messages held now.
    pub held: u64,
    /// Messages that the quota removed.
    pub expired: u64,
}

/// The quarantine of a data directory; clones share it.
#[derive(Debug, Clone)]
pub struct Quarantine {
    /// Held while the disk works.
    inner: Arc<Mutex<Inner>>,
    told: Arc<Mutex<Told>>,
    damage: Arc<Damage>,
    disk: Arc<dyn Disk>,
}

/// What is told to whoever asks; no lock of it waits for the disk.
#[derive(Debug, Clone)]
struct Told {
    counts: Counts,
    moved: MovedBy,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    config: Config,
    clock: Clock,
    disk: Arc<dyn Disk>,
    damage: Arc<Damage>,
    /// Not all that is held could be read, and more may be read another time.
    partial: bool,
    closed: BTreeMap<u64, Tally>,
    open: Option<Open>,
    next: u64,
    gone: Gone,
    /// All that has moved, of segments there and gone.
    moved: MovedBy,
    /// The positions that stand in the cursor file.
    settled: BTreeMap<String, u64>,
    /// A write failed half-way: everything is read anew first, and these numbers on are void.
    broken: Option<BTreeMap<String, u64>>,
    /// The moves of segments that are gone count no more, and the file does not say so yet.
    forgets: bool,
}

#[derive(Debug)]
struct Open {
    number: u64,
    file: Box<dyn Append>,
    salt: Salt,
    tally: Tally,
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
        Self::open_with(dir, config, disk, clock, positions, false)
    }

    /// The same where the cursor is lost: of segments that are gone nobody knows any more which messages they counted
    /// and whether those are judged again, so the account has no moves of theirs.
    pub fn open_anew(
        dir: &Path,
        config: &Config,
        disk: Arc<dyn Disk>,
        clock: Clock,
        positions: &BTreeMap<String, u64>,
    ) -> Result<Self, QuarantineError> {
        Self::open_with(dir, config, disk, clock, positions, true)
    }

    fn open_with(
        dir: &Path,
        config: &Config,
        disk: Arc<dyn Disk>,
        clock: Clock,
        positions: &BTreeMap<String, u64>,
        forgets: bool,
    ) -> Result<Self, QuarantineError> {
        let failed = |cause| QuarantineError { dir: dir.to_owned(), cause };
        disk::make_dir(dir, disk.as_ref()).map_err(failed)?;
        let damage = Arc::new(Damage::open(dir, Vec::new(), disk.as_ref()));
        let mut inner = Inner {
            dir: dir.to_owned(),
            config: config.clone(),
            clock,
            disk: Arc::clone(&disk),
            damage: Arc::clone(&damage),
            partial: false,
            closed: BTreeMap::new(),
            open: None,
            next: 1,
            gone: Gone::default(),
            moved: MovedBy::new(),
            settled: positions.clone(),
            broken: None,
            forgets,
        };
        match inner.recover(positions) {
            // A full disk must not keep us from starting: until there is room no position is saved.
            Err(error) if inner.broken.is_some() => {
                tracing::warn!(%error, dir = %dir.display(), "the quarantine cannot be written yet");
            }
            recovered => recovered.map_err(failed)?,
        }
        let told = Arc::new(Mutex::new(inner.told()));
        Ok(Self { inner: Arc::new(Mutex::new(inner)), told, damage, disk })
    }

    /// Returns when all of them are on disk. Where whoever asked is gone by now nothing is written: who begins anew in
    /// its place judges these messages again. Blocks.
    pub fn put_for(&self, owner: &Weak<()>, held: &[Held]) -> Result<(), QuarantineError> {
        self.work(|inner| if owner.strong_count() == 0 { Ok(()) } else { inner.put(held) })
    }

    #[cfg(test)]
    pub fn put(&self, held: &[Held]) -> Result<(), QuarantineError> {
        let owner = Arc::new(());
        self.put_for(&Arc::downgrade(&owner), held)
    }

    /// Writes down what became of held messages, and returns when that is on disk. What the quota has removed
    /// meanwhile keeps that outcome. Blocks.
    pub fn record(&self, moves: &[Move]) -> Result<(), QuarantineError> {
        self.work(|inner| inner.record(moves))
    }

    fn work(&self, work: impl FnOnce(&mut Inner) -> io::Result<()>) -> Result<(), QuarantineError> {
        let mut inner = self.lock();
        let done = work(&mut inner).map_err(|cause| QuarantineError { dir: inner.dir.clone(), cause });
        if done.is_ok() {
            inner.tidy();
        }
        self.tell(&inner);
        done
    }

    /// A destination begins anew at a position: what it put from there on is judged again. Takes hold before the
    /// next write. Blocks while a write is under way.
    pub fn begin_anew(&self, destination: &str, position: u64) {
        let mut inner = self.lock();
        let from = inner.broken.get_or_insert_default().entry(destination.to_owned()).or_insert(u64::MAX);
        *from = position.min(*from);
    }

    /// Makes up for a write that failed. No position may be saved before: what is void would count as settled. Blocks.
    pub fn mend(&self) -> Result<(), QuarantineError> {
        let mut inner = self.lock();
        let mended = inner.mend().map_err(|cause| QuarantineError { dir: inner.dir.clone(), cause });
        self.tell(&inner);
        mended
    }

    /// The cursor file holds these positions now. Blocks while a write is under way.
    pub fn settle(&self, positions: BTreeMap<String, u64>) {
        self.lock().settled = positions;
    }

    /// Up to where messages are settled for good.
    pub fn settled(&self) -> BTreeMap<String, u64> {
        self.lock().settled.clone()
    }

    /// Keeps the quota where nothing else happens. Blocks.
    pub fn tidy(&self) {
        let mut inner = self.lock();
        inner.tidy();
        self.tell(&inner);
    }

    /// Reads what is held now. Blocks.
    pub fn scan(&self) -> Result<Scan, QuarantineError> {
        let (dir, disk) = self.place();
        Scan::new(&dir, disk.as_ref()).map_err(|cause| QuarantineError { dir, cause })
    }

    /// The next message of a scan. Blocks.
    pub fn next(&self, scan: &mut Scan) -> Result<Option<(u64, Held)>, QuarantineError> {
        let (dir, disk) = self.place();
        scan.next(disk.as_ref()).map_err(|cause| QuarantineError { dir, cause })
    }

    fn place(&self) -> (PathBuf, Arc<dyn Disk>) {
        let inner = self.lock();
        (inner.dir.clone(), Arc::clone(&inner.disk))
    }

    /// Never waits for the disk, nor does [`Self::moved`].
    pub fn counts(&self) -> Counts {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).counts
    }

    /// What has moved since it was first settled, by the destination that did.
    pub fn moved(&self) -> MovedBy {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).moved.clone()
    }

    /// What is on record of damage; nothing where there is none. `again`: what was moved away is seen.
    pub fn damage(&self, again: bool) -> Option<DamageSummary> {
        if again && self.damage.any() {
            self.damage.look(self.disk.as_ref());
        }
        self.damage.any().then(|| self.damage.summary())
    }

    /// What the cursor counts as quarantined and is not held any more was lost to damage: the account says so from here
    /// on. `first` are the outcomes of each destination at the positions that this was opened with. How many. Blocks.
    pub fn settle_lost(&self, first: &BTreeMap<String, Outcomes>) -> u64 {
        let mut inner = self.lock();
        let lost = inner.settle_lost(first).unwrap_or_else(|error| {
            tracing::warn!(%error, dir = %inner.dir.display(), "what is lost in quarantine cannot be counted yet");
            0
        });
        self.tell(&inner);
        lost
    }

    /// What messages were settled as first, by destination, as far as what is held and what has moved tells it.
    pub fn first_outcomes(&self) -> BTreeMap<String, Outcomes> {
        self.lock().first_outcomes()
    }

    fn tell(&self, inner: &Inner) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = inner.told();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
