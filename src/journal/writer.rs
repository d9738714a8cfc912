//! The writer: one thread that appends, syncs in groups, and only then gives out proof of durability.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::disk::Append;
use super::frame::Salt;
use super::shared::{Room, Shared};
use super::times::Times;
use super::{Durable, JournalError, record, retention, segment};
use crate::backoff::Backoff;
use crate::message::{Message, Record};
use crate::status::Part;

/// At most this many messages share one sync.
const GROUP_MESSAGES: usize = 4096;
/// At most about this many bytes share one sync.
const GROUP_BYTES: usize = 4 * 1024 * 1024;
/// The size of a segment without frames.
const HEADER: u64 = segment::HEADER as u64;
/// How long the writer sleeps between looks at a full or failing disk.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How often the room is looked after while there is some; `min_free` covers what comes in between.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(50);
/// It is looked after sooner than that when so many bytes were written.
const UNSEEN: u64 = 1024 * 1024;
/// The longest wait between tries on a failing disk.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Messages on their way into the journal, and who waits for them.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) messages: Vec<Message>,
    pub(super) waiter: oneshot::Sender<Result<Vec<Durable>, JournalError>>,
}

impl Arrival {
    fn bytes(&self) -> usize {
        self.messages.iter().map(|message| message.payload.len()).sum()
    }
}

/// Owns the open segment. Run it on a thread of its own.
#[derive(Debug)]
pub struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) arrivals: Receiver<Arrival>,
    pub(super) times: Times,
    pub(super) part: Part,
    pub(super) open: Option<Open>,
    /// How long it sleeps between looks at a full or failing disk.
    pub(crate) wait: Duration,
    /// How often the room is looked after while there is some.
    pub(crate) look_every: Duration,
    pub(super) last_sync: Duration,
    /// When the room was last looked after.
    pub(super) looked: Instant,
    /// Bytes written since.
    pub(super) since_look: u64,
    /// The group as it goes to the disk.
    pub(super) frames: Vec<u8>,
}

/// The segment that is written to.
#[derive(Debug)]
pub(super) struct Open {
    file: Box<dyn Append>,
    size: u64,
    key: (u64, u32),
    salt: Salt,
}

impl Writer {
    /// Works until every handle of the journal is gone, or it is closed and nothing comes any more; all that came
    /// in is on disk then.
    pub fn run(mut self) {
        while self.turn() {}
    }

    /// One group, from its first message to the answers; false at the end.
    pub(crate) fn turn(&mut self) -> bool {
        let mut group = Vec::new();
        // What cannot be written at the end is not answered: the broker still has it.
        self.gather(&mut group) && self.wait_for_room(size(&group)) && self.commit(group)
    }

    /// Waits for a first message and gathers while more keep arriving, for at most a third of the last sync's
    /// time: committing the very first alone would halve the rate behind a broker's small window.
    fn gather(&mut self, group: &mut Vec<Arrival>) -> bool {
        let first = loop {
            match self.arrivals.recv_timeout(Duration::from_secs(1)) {
                Ok(first) => break first,
                // A handle that someone forgot must not keep a stop waiting.
                Err(RecvTimeoutError::Timeout) if self.shared.is_closing() => return false,
                Err(RecvTimeoutError::Timeout) => drop(self.look_after_room(0)),
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        };
        let (mut count, mut bytes) = (first.messages.len(), first.bytes());
        group.push(first);
        let until = Instant::now() + self.shared.config.max_delay.max(self.last_sync / 3);
        // A pause in the stream ends the gathering: who sent all that its window allows waits for us.
        let pause = self.shared.config.max_delay.max(self.last_sync / 25);
        while count < GROUP_MESSAGES && bytes < GROUP_BYTES {
            let next = match self.arrivals.try_recv() {
                Ok(next) => next,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    let left = until.saturating_duration_since(Instant::now());
                    match self.arrivals.recv_timeout(left.min(pause)) {
                        Ok(next) => next,
                        Err(_) => break,
                    }
                }
            };
            count = count.saturating_add(next.messages.len());
            bytes = bytes.saturating_add(next.bytes());
            group.push(next);
        }
        true
    }

    /// Holds while the journal has no room: nobody is answered, so nothing is acknowledged. False when closed first.
    fn wait_for_room(&mut self, more: u64) -> bool {
        let unseen = UNSEEN.min(self.shared.unreserved.load(Ordering::Relaxed));
        let looked = self.looked.elapsed() < self.look_every && self.since_look.saturating_add(more) < unseen;
        if looked && *self.shared.room.borrow() == Room::Free {
            return true;
        }
        while let Room::Full { reason } = self.look_after_room(more) {
            self.part.not_ready(reason, "free disk space, or raise journal.max_size; it goes on by itself");
            if self.shared.is_closing() {
                return false;
            }
            // An open segment cannot go; where everything in it is delivered it need not stay open.
            if self.shared.released.load(Ordering::Acquire) >= self.shared.end() && self.open.take().is_some()
            {
                continue;
            }
            std::thread::sleep(self.wait);
        }
        true
    }

    fn look_after_room(&mut self, more: u64) -> Room {
        (self.looked, self.since_look) = (Instant::now(), 0);
        let room = retention::look_after(&self.shared, self.open.is_some(), more);
        if room == Room::Free && self.shared.room.borrow().clone() != Room::Free {
            self.part.ok();
        }
        self.shared.room.send_if_modified(|now| {
            let changed = *now != room;
            now.clone_from(&room);
            changed
        });
        room
    }

    /// Writes and syncs the group, trying on new segments until one takes it, then answers everybody. False when
    /// the journal was closed before the disk took it: nobody is answered then.
    fn commit(&mut self, group: Vec<Arrival>) -> bool {
        let more = size(&group);
        let mut records = Vec::with_capacity(group.iter().map(|arrival| arrival.messages.len()).sum());
        let mut waiters = Vec::with_capacity(group.len());
        let first = self.shared.end();
        let mut seqs = first..;
        for Arrival { messages, waiter } in group {
            waiters.push((waiter, messages.len()));
            for (message, seq) in messages.into_iter().zip(&mut seqs) {
                let (received, clock_suspect) = self.times.next();
                records.push(Record { seq, received, clock_suspect, message });
            }
        }
        let mut backoff = Backoff::new(self.wait, LONGEST_WAIT);
        while let Err(error) = self.write(first, &records) {
            tracing::error!(%error, first, "the journal could not be written; trying a new segment");
            self.part.not_ready(
                format!("the journal cannot be written: {error}"),
                "mend the disk of the data directory; it goes on by itself",
            );
            if self.shared.is_closing() {
                return false;
            }
            std::thread::sleep(backoff.next_wait());
            if !self.wait_for_room(more) {
                return false;
            }
        }
        if backoff.failures() > 0 {
            tracing::info!(first, "the journal is written again");
            self.part.ok();
        }
        self.shared.taken(&records);
        let mut proofs = records.iter().map(|record| Durable::new(record.seq, record.received));
        let answers: Vec<_> = waiters
            .into_iter()
            .map(|(waiter, count)| (waiter, proofs.by_ref().take(count).collect()))
            .collect();
        self.shared.publish(records);
        for (waiter, proofs) in answers {
            // Somebody who stopped waiting has lost the connection he would have answered on.
            let _ = waiter.send(Ok(proofs));
        }
        true
    }

    /// A failed write or sync poisons the segment: what the kernel kept of it is unknown. The same records, under
    /// the same numbers and times, go to a new one; recovery that finds both keeps one.
    fn write(&mut self, first: u64, records: &[Record]) -> std::io::Result<()> {
        if self.open.as_ref().is_some_and(|open| open.size >= self.shared.config.segment_size) {
            self.open = None;
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin(first)?,
        };
        self.frames.clear();
        for record in records {
            record::write(record, open.salt, &mut self.frames);
        }
        let started = Instant::now();
        let written = open.file.append(&self.frames).and_then(|()| open.file.sync());
        if written.is_err() && open.size <= HEADER {
            // Nothing in it was ever acknowledged; a disk that fails for long must not fill with empty files.
            self.shared.discard(open.key);
        }
        written?;
        self.last_sync = started.elapsed();
        let grown = u64::try_from(self.frames.len()).unwrap_or(u64::MAX);
        open.size = open.size.saturating_add(grown);
        self.since_look = self.since_look.saturating_add(grown);
        self.shared.grew(grown, self.last_sync);
        self.open = Some(open);
        Ok(())
    }

    /// Makes a new segment whose file and name are both durable.
    fn begin(&self, first: u64) -> std::io::Result<Open> {
        let (dir, disk) = (&self.shared.dir, &self.shared.disk);
        let taken = segment::list(dir, disk.as_ref())?;
        let named = taken.iter().map(|(begins, roll, _)| (*begins, *roll));
        let keys = self.shared.segments().into_keys();
        let rolls = named.chain(keys).filter(|(begins, _)| *begins == first).map(|(_, roll)| roll);
        let roll = rolls.max().map_or(0, |roll| roll.saturating_add(1));
        let path = segment::path(dir, first, roll);
        let mut file = disk.create(&path)?;
        let key = (first, roll);
        self.shared.began(key, path);
        let (header, salt) = segment::header(record::MAGIC, first, self.times.last());
        let begun = file.append(&header).and_then(|()| file.sync()).and_then(|()| disk.sync_dir(dir));
        if begun.is_err() {
            self.shared.discard(key);
        }
        begun.map(|()| Open { file, size: HEADER, key, salt })
    }
}

/// What a group takes on disk, or a little more.
fn size(group: &[Arrival]) -> u64 {
    let messages = group.iter().flat_map(|arrival| &arrival.messages);
    let bytes = messages.map(|message| message.payload.len() + message.topic.len() + 64);
    u64::try_from(bytes.sum::<usize>()).unwrap_or(u64::MAX)
}

/// A writer that ends, for whatever reason, takes nothing any more.
impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
    }
}
