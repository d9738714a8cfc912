//! What the journal's handles, its writer and its readers share.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::Config;
use super::damage::Damage;
use super::disk::Disk;
use crate::histogram::{DISK_SECONDS, Histogram};
use crate::message::Record;

/// Newest records kept in memory for readers that keep up, in bytes of topic and payload.
const TAIL_BYTES: usize = 4 * 1024 * 1024;
/// Payload bytes that may wait for the writer.
const WAITING_BYTES: usize = 64 * 1024 * 1024;
/// Messages that may wait for the writer.
const WAITING_MESSAGES: usize = 8192;
/// What a record costs beside its bytes.
const RECORD_COST: usize = 128;

/// Whether the journal takes messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Room {
    Free,
    Full { reason: String },
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) dir: PathBuf,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) config: Config,
    /// Everything below is on disk.
    pub(super) end: watch::Sender<u64>,
    pub(super) room: watch::Sender<Room>,
    /// The pipeline ends: what the disk does not take now stays with the broker.
    pub(super) closing: AtomicBool,
    /// Messages handed in and not on disk yet, and bytes of their payloads.
    waiting: Mutex<(usize, usize)>,
    /// Everything below is settled at every destination.
    pub(super) released: AtomicU64,
    /// Bytes written since the start, whatever was removed.
    pub(super) written: AtomicU64,
    pub(super) syncs: Histogram,
    /// How many bytes more the journal takes before it is full, as last looked after.
    pub(super) space_left: AtomicU64,
    /// How many bytes more the disk takes before what must stay free is touched, as last looked after.
    pub(super) unreserved: AtomicU64,
    pub(super) damage: Damage,
    /// Bytes of writes that were cut off, found at the start.
    pub(super) torn: AtomicU64,
    tail: Mutex<Tail>,
    segments: Mutex<BTreeMap<(u64, u32), Segment>>,
}

#[derive(Debug, Default)]
struct Tail {
    records: VecDeque<Record>,
    bytes: usize,
}

/// One segment file.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) size: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a record takes in memory.
pub(super) fn cost(record: &Record) -> usize {
    record.message.topic.len() + record.message.payload.len() + RECORD_COST
}

impl Shared {
    pub(super) fn new(
        dir: PathBuf,
        disk: Arc<dyn Disk>,
        config: Config,
        end: u64,
        segments: BTreeMap<(u64, u32), Segment>,
        damage: Damage,
    ) -> Self {
        Self {
            dir,
            disk,
            config,
            end: watch::Sender::new(end),
            room: watch::Sender::new(Room::Free),
            closing: AtomicBool::new(false),
            waiting: Mutex::default(),
            released: AtomicU64::new(1),
            written: AtomicU64::new(0),
            syncs: Histogram::new(DISK_SECONDS),
            space_left: AtomicU64::new(0),
            unreserved: AtomicU64::new(0),
            damage,
            torn: AtomicU64::new(0),
            tail: Mutex::default(),
            segments: Mutex::new(segments),
        }
    }

    pub(super) fn end(&self) -> u64 {
        *self.end.borrow()
    }

    /// The records are on disk: readers may see them.
    pub(super) fn publish(&self, records: Vec<Record>) {
        let Some(last) = records.last().map(|record| record.seq) else { return };
        {
            let mut tail = lock(&self.tail);
            for record in records {
                tail.bytes += cost(&record);
                tail.records.push_back(record);
            }
            while tail.bytes > TAIL_BYTES
                && let Some(oldest) = tail.records.pop_front()
            {
                tail.bytes -= cost(&oldest);
            }
        }
        self.end.send_replace(last + 1);
    }

    /// Records from `from` on, if the tail in memory reaches back that far.
    pub(super) fn tail_from(&self, from: u64, max: usize) -> Option<Vec<Record>> {
        let tail = lock(&self.tail);
        let first = tail.records.front()?.seq;
        let skip = usize::try_from(from.checked_sub(first)?).ok()?;
        let records: Vec<_> = tail.records.iter().skip(skip).take(max).cloned().collect();
        (!records.is_empty()).then_some(records)
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Takes a place for messages of so many bytes; if none wait they always may, however large.
    pub(super) fn wait(&self, count: usize, bytes: usize) -> bool {
        let mut waiting = lock(&self.waiting);
        let now = (waiting.0.saturating_add(count), waiting.1.saturating_add(bytes));
        let fits = waiting.0 == 0 || (now.0 <= WAITING_MESSAGES && now.1 <= WAITING_BYTES);
        if fits {
            *waiting = now;
        }
        fits
    }

    pub(super) fn is_waited_for(&self) -> bool {
        lock(&self.waiting).0 > 0
    }

    /// These no longer wait.
    pub(super) fn taken(&self, records: &[Record]) {
        self.wait_no_more(records.len(), records.iter().map(|record| record.message.payload.len()).sum());
    }

    pub(super) fn wait_no_more(&self, count: usize, bytes: usize) {
        let mut waiting = lock(&self.waiting);
        *waiting = (waiting.0.saturating_sub(count), waiting.1.saturating_sub(bytes));
    }

    pub(super) fn began(&self, key: (u64, u32), path: PathBuf) {
        let size = u64::try_from(super::segment::HEADER).unwrap_or(0);
        lock(&self.segments).insert(key, Segment { path, size });
    }

    /// A segment in which nothing was ever acknowledged goes, as well as the disk allows.
    pub(super) fn discard(&self, key: (u64, u32)) {
        if let Some(segment) = lock(&self.segments).remove(&key)
            && let Err(error) = self.disk.remove(&segment.path)
        {
            tracing::warn!(path = %segment.path.display(), %error, "an unused segment cannot be removed");
        }
    }

    /// The open segment, which is the last one, grew.
    pub(super) fn grew(&self, bytes: u64, sync: Duration) {
        if let Some(mut last) = lock(&self.segments).last_entry() {
            last.get_mut().size += bytes;
        }
        self.written.fetch_add(bytes, Ordering::Relaxed);
        self.syncs.observe_time(sync);
    }

    pub(super) fn segments(&self) -> BTreeMap<(u64, u32), Segment> {
        lock(&self.segments).clone()
    }

    pub(super) fn forget(&self, segment: (u64, u32)) {
        lock(&self.segments).remove(&segment);
    }
}
