//! The journal: what it takes is on disk before anybody hears so, and it is read again from any position.
//!
//! Promises (`docs/journal-format.md` has the bytes):
//! - [`Durable`] exists only after the record and everything before it were written and synced.
//! - Sequence numbers are given once and never again; receive times never repeat.
//! - A failed sync poisons its segment; the same records go to a new one, and readers see each once.
//! - Damage costs the damaged records only, is counted, and never stops a start.
//! - Without room it takes nothing, loses nothing, says so, and goes on by itself.

pub mod cursor;
pub(crate) mod damage;
pub mod disk;
pub(crate) mod frame;
pub mod inspect;
pub mod lock;
mod reader;
pub(crate) mod record;
mod recovery;
pub mod repair;
mod retention;
pub(crate) mod segment;
mod shared;
mod times;
pub mod verify;
mod writer;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::clock::Clock;
use crate::histogram;
use crate::message::{Message, Record};
use crate::settings::{Section, Size, Span};
use crate::stall::Sight;
use crate::status::Part;
use damage::Damage;
use disk::Disk;
use shared::Shared;
use writer::Arrival;

pub use damage::{Lost, Summary as DamageSummary};
pub use reader::Reader;
pub use recovery::Recovery;
pub use shared::Room;
pub use writer::Writer;

/// Groups of messages that may wait for the writer; beyond it they are given back to the source.
const ARRIVALS: usize = 8192;

/// 2026-11-01 in UTC, in nanoseconds. A clock that says an earlier time was never set: this program is younger.
const WRITTEN: i64 = 1_793_491_200_000_000_000;

/// Why the journal could not do something.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("journal {}: {cause}", dir.display())]
    Open { dir: PathBuf, cause: std::io::Error },
    #[error("journal {}: {cause}", dir.display())]
    Read { dir: PathBuf, cause: std::io::Error },
    #[error("the journal was closed before the message was on disk")]
    Closed,
}

/// The settings of `[journal]`.
#[derive(Debug, Clone)]
pub struct Config {
    pub max_size: u64,
    /// Nothing: the larger of 512 MiB and 5 % of the disk, at most a quarter of it.
    pub min_free: Option<u64>,
    pub keep_for: Duration,
    pub keep_size: u64,
    pub segment_size: u64,
    pub max_delay: Duration,
}

const MIB: u64 = 1024 * 1024;

/// Left free whatever the settings say: a cursor that cannot be written frees no segment, so a journal that took the
/// last byte would hold for ever.
const RESERVE: u64 = 8 * MIB;

impl Default for Config {
    fn default() -> Self {
        Self {
            max_size: 16 * 1024 * MIB,
            min_free: None,
            keep_for: Duration::from_secs(7 * 86_400),
            keep_size: 2 * 1024 * MIB,
            segment_size: 64 * MIB,
            max_delay: Duration::ZERO,
        }
    }
}

impl Config {
    pub fn read(section: &mut Section) -> Self {
        let default = Self::default();
        Self {
            max_size: section.get("max_size", Size(default.max_size)).0,
            min_free: section.optional::<Size>("min_free").map(|size| size.0),
            keep_for: section.get("keep_for", Span(default.keep_for)).0,
            keep_size: section.get("keep_size", Size(default.keep_size)).0,
            segment_size: section.get("segment_size", Size(default.segment_size)).0,
            max_delay: section.get("max_delay", Span(default.max_delay)).0,
        }
    }

    fn min_free_of(&self, total: u64) -> u64 {
        let wanted = self.min_free.unwrap_or_else(|| (512 * MIB).max(total / 20).min(total / 4));
        wanted.max(RESERVE.min(total / 8))
    }
}

/// Proof that a message is on disk. Only the journal makes one.
#[derive(Debug)]
#[must_use = "a receipt can be spent with it"]
pub struct Durable {
    seq: u64,
    received: i64,
}

impl Durable {
    const fn new(seq: u64, received: i64) -> Self {
        Self { seq, received }
    }

    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// Unix time in nanoseconds.
    pub const fn received(&self) -> i64 {
        self.received
    }
}

/// An append under way.
#[derive(Debug)]
pub struct Pending(PendingGroup);

/// Several messages on their way to the disk together.
#[derive(Debug)]
pub struct PendingGroup(oneshot::Receiver<Result<Vec<Durable>, JournalError>>);

impl Pending {
    /// The answer, if it is there, without waiting.
    pub fn try_now(&mut self) -> Option<Result<Durable, JournalError>> {
        self.0.try_now().map(only)
    }
}

impl PendingGroup {
    /// The answer, if it is there, without waiting.
    pub fn try_now(&mut self) -> Option<Result<Vec<Durable>, JournalError>> {
        match self.0.try_recv() {
            Ok(result) => Some(result),
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(oneshot::error::TryRecvError::Closed) => Some(Err(JournalError::Closed)),
        }
    }
}

fn only(proofs: Result<Vec<Durable>, JournalError>) -> Result<Durable, JournalError> {
    proofs?.pop().ok_or(JournalError::Closed)
}

impl Future for Pending {
    type Output = Result<Durable, JournalError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(only)
    }
}

impl Future for PendingGroup {
    type Output = Result<Vec<Durable>, JournalError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or(Err(JournalError::Closed)))
    }
}

/// What a reader finds.
#[derive(Debug)]
pub enum Entry {
    Record(Record),
    /// Sequence numbers that were given and cannot be read any more.
    Damage {
        first: u64,
        last: u64,
        detail: String,
    },
}

impl Entry {
    /// The last sequence number in it.
    pub const fn last(&self) -> u64 {
        match self {
            Self::Record(record) => record.seq,
            Self::Damage { last, .. } => *last,
        }
    }
}

/// Numbers for health and metrics.
#[derive(Debug, Clone, Copy)]
pub struct Stats {
    pub bytes: u64,
    pub segments: usize,
    pub oldest: u64,
    /// Bytes written since the start, whatever was removed.
    pub written: u64,
    /// How many bytes more it takes before it is full; looked after with every message and every second.
    pub space_left: u64,
    /// Bytes of writes that were cut off, found at the start.
    pub torn: u64,
}

/// A handle; the writer ends when the last one is gone.
#[derive(Debug, Clone)]
pub struct Journal {
    shared: Arc<Shared>,
    arrivals: SyncSender<Arrival>,
}

/// Opens the journal in `dir`, whatever state a crash left it in.
pub fn open(
    dir: &Path,
    config: &Config,
    disk: Arc<dyn Disk>,
    clock: Clock,
    past: u64,
    part: Part,
) -> Result<(Journal, Writer, Recovery), JournalError> {
    open_with(dir, config, disk, clock, past, part, ARRIVALS)
}

/// The same with another number of places for messages that wait.
pub(crate) fn open_with(
    dir: &Path,
    config: &Config,
    disk: Arc<dyn Disk>,
    clock: Clock,
    past: u64,
    part: Part,
    places: usize,
) -> Result<(Journal, Writer, Recovery), JournalError> {
    let failed = |cause| JournalError::Open { dir: dir.to_owned(), cause };
    disk::make_dir(dir, disk.as_ref()).map_err(failed)?;
    let found = recovery::recover(dir, disk.as_ref()).map_err(failed)?;
    let end = found.recovery.end.max(past);
    let damage = Damage::open(dir, found.recovery.foreign.clone(), disk.as_ref());
    let shared = Shared::new(dir.to_owned(), disk, config.clone(), end, found.segments, damage);
    shared.torn.store(found.recovery.torn, Ordering::Relaxed);
    let shared = Arc::new(shared);
    // Nothing is released yet, so nothing goes; from here on it is known how much there is room for.
    retention::look_after(&shared, false, 0);
    let (sender, arrivals) = sync_channel(places);
    let writer = Writer {
        shared: Arc::clone(&shared),
        arrivals,
        times: times::Times::new(clock, found.recovery.newest.max(WRITTEN)),
        part,
        open: None,
        wait: writer::LOOK_AGAIN,
        look_every: writer::LOOK_EVERY,
        last_sync: Duration::ZERO,
        looked: std::time::Instant::now(),
        since_look: 0,
        frames: Vec::new(),
    };
    Ok((Journal { shared, arrivals: sender }, writer, found.recovery))
}

impl Journal {
    /// Hands a message in; gives it back where the queue to the writer is full.
    pub fn try_append(&self, message: Message) -> Result<Pending, Message> {
        match self.try_append_group(vec![message]) {
            Ok(pending) => Ok(Pending(pending)),
            Err(mut back) => match back.pop() {
                Some(message) => Err(message),
                // What was handed in comes back, so this is never so; it would be told as closed.
                None => Ok(Pending(PendingGroup(oneshot::channel().1))),
            },
        }
    }

    /// Hands messages in, to be numbered in this order and proven together; gives all back where the queue to the
    /// writer is full.
    pub fn try_append_group(&self, messages: Vec<Message>) -> Result<PendingGroup, Vec<Message>> {
        let (count, bytes) = (messages.len(), messages.iter().map(|message| message.payload.len()).sum());
        if !self.shared.wait(count, bytes) {
            return Err(messages);
        }
        let (waiter, pending) = oneshot::channel();
        match self.arrivals.try_send(Arrival { messages, waiter }) {
            Ok(()) => Ok(PendingGroup(pending)),
            Err(TrySendError::Full(arrival) | TrySendError::Disconnected(arrival)) => {
                self.shared.wait_no_more(count, bytes);
                Err(arrival.messages)
            }
        }
    }

    /// Waits for room and for the sync.
    pub async fn append(&self, mut message: Message) -> Result<Durable, JournalError> {
        loop {
            message = match self.try_append(message) {
                Ok(pending) => return pending.await,
                Err(_) if self.shared.is_closing() => return Err(JournalError::Closed),
                Err(back) => back,
            };
            self.has_place().await;
        }
    }

    /// Returns when the queue to the writer may have a place: after its next commit, or after a moment.
    pub async fn has_place(&self) {
        let mut end = self.shared.end.subscribe();
        let _ = tokio::time::timeout(Duration::from_millis(20), end.changed()).await;
    }

    /// Whether messages wait for the disk, and a number that grows with those that it took.
    pub fn sight(&self) -> Sight {
        Sight { waits: self.shared.is_waited_for(), served: self.end() }
    }

    /// The pipeline ends: the writer gives up what the disk does not take now, unanswered.
    pub fn close(&self) {
        self.shared.closing.store(true, Ordering::SeqCst);
    }

    /// The next sequence number to be given: everything below is on disk.
    pub fn end(&self) -> u64 {
        self.shared.end()
    }

    pub fn room(&self) -> watch::Receiver<Room> {
        self.shared.room.subscribe()
    }

    pub fn reader(&self, from: u64) -> Reader {
        Reader::new(Arc::clone(&self.shared), from)
    }

    /// What is on record of damage; nothing where there is none. `again`: what was moved away is seen.
    pub fn damage(&self, again: bool) -> Option<DamageSummary> {
        let damage = &self.shared.damage;
        if again && damage.any() {
            damage.look(self.shared.disk.as_ref());
        }
        damage.any().then(|| damage.summary())
    }

    /// Everything below `below` is settled everywhere: retention may take it.
    pub fn release(&self, below: u64) {
        self.shared.released.fetch_max(below, Ordering::AcqRel);
    }

    /// How long appending and syncing took, for each group of messages.
    pub fn syncs(&self) -> histogram::Reading {
        self.shared.syncs.read()
    }

    pub fn stats(&self) -> Stats {
        let segments = self.shared.segments();
        Stats {
            bytes: segments.values().map(|segment| segment.size).sum(),
            segments: segments.len(),
            oldest: segments.keys().next().map_or(self.end(), |key| key.0),
            written: self.shared.written.load(Ordering::Relaxed),
            space_left: self.shared.space_left.load(Ordering::Relaxed),
            torn: self.shared.torn.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests;
