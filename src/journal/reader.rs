//! A reader: the journal from a position on, from memory while it keeps up, from the files when it is behind.

use std::io;
use std::sync::Arc;

use tokio::sync::watch;

use super::damage::{Lost, Stretch};
use super::disk;
use super::record;
use super::segment::{Step, Walk};
use super::shared::{self, Segment, Shared};
use super::{Entry, JournalError};
use crate::message::Record;

/// Reads on from a position; each destination has its own.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    end: watch::Receiver<u64>,
    next: u64,
    behind: Option<Behind>,
    /// Damage since the last record, and whether it is the end of a segment: that alone may be a write cut off.
    harm: Vec<(Stretch, bool)>,
    /// Puts damage on record.
    tells: bool,
}

/// A portion ends with the record that reaches so many bytes: what is read at once is what is in memory at once.
pub(super) const PORTION: usize = 4 * 1024 * 1024;
/// So many stretches between two records are remembered one by one.
const MOST_HARM: usize = 64;

/// Where in the files a reader is that is behind.
#[derive(Debug)]
struct Behind {
    segment: (u64, u32),
    walk: Walk<Record>,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, from: u64) -> Self {
        let end = shared.end.subscribe();
        Self { shared, end, next: from.max(1), behind: None, harm: Vec::new(), tells: true }
    }

    /// One that leaves damage to the others: what it reads was settled already.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.tells = false;
        self
    }

    /// Whether there is more to be read from the files at once.
    pub fn is_behind(&self) -> bool {
        self.behind.is_some() && self.next < self.shared.end()
    }

    /// The next entries, at least one and at most `max`, in a few megabytes: waits until there is one. Nothing is lost
    /// when the wait is cut off.
    pub async fn next(&mut self, max: usize) -> Result<Vec<Entry>, JournalError> {
        let next = self.next;
        // The writer holds the sending side for as long as anything can still be written.
        if self.end.wait_for(|end| *end > next).await.is_err() {
            std::future::pending::<()>().await;
        }
        if let Some(records) = self.shared.tail_from(self.next, max) {
            self.behind = None;
            self.next = records.last().map_or(self.next, |record| record.seq + 1);
            return Ok(records.into_iter().map(Entry::Record).collect());
        }
        let end = self.shared.end();
        let dir = self.shared.dir.clone();
        self.read_files(max, end).map_err(|cause| JournalError::Read { dir, cause })
    }

    /// Reads from the files; blocks for one read of a megabyte at most per step, which the page cache serves.
    fn read_files(&mut self, max: usize, end: u64) -> io::Result<Vec<Entry>> {
        let (mut entries, mut bytes) = (Vec::new(), 0_usize);
        while entries.len() < max && bytes < PORTION && self.next < end {
            let mut behind = match self.behind.take() {
                Some(behind) => behind,
                None => match self.open(self.next)? {
                    Some(behind) => behind,
                    None => {
                        self.gap(end, "the segments are missing", &mut entries);
                        break;
                    }
                },
            };
            // What the disk does not give back is damage like any other: the rest of the segment is passed over.
            let step = match behind.walk.next() {
                Err(error) if disk::is_damage(&error) => {
                    tracing::error!(segment = ?behind.segment, %error, "a segment cannot be read");
                    Step::End { torn: 0, whole: 0 }
                }
                step => step?,
            };
            match step {
                Step::Record(record) => {
                    bytes = bytes.saturating_add(shared::cost(&record));
                    self.take(record, end, &mut entries);
                    self.behind = Some(behind);
                }
                Step::Damage { offset, bytes } => {
                    self.harmed(&behind, offset, bytes, false);
                    self.behind = Some(behind);
                }
                Step::End { torn, .. } => {
                    if torn > 0 {
                        self.harmed(&behind, behind.walk.size().saturating_sub(torn), torn, true);
                    }
                    self.turn(&behind, end, &mut entries)?;
                }
            }
        }
        Ok(entries)
    }

    /// A record from a file: those before our position were read already, a later one leaves a gap before it.
    fn take(&mut self, record: Record, end: u64, entries: &mut Vec<Entry>) {
        if record.seq < self.next || record.seq >= end {
            return;
        }
        self.gap(record.seq, "the records are damaged", entries);
        self.next = record.seq + 1;
        entries.push(Entry::Record(record));
    }

    fn harmed(&mut self, behind: &Behind, offset: u64, bytes: u64, tail: bool) {
        let path = self.shared.segments().get(&behind.segment).map(|segment| segment.path.clone());
        if !tail {
            tracing::error!(?path, offset, bytes, "damaged bytes in the journal");
        }
        if self.tells
            && self.harm.len() < MOST_HARM
            && let Some(path) = path
        {
            self.harm.push((Stretch { path, offset, bytes }, tail));
        }
    }

    /// What cannot be read before `until`, if there is anything.
    fn gap(&mut self, until: u64, detail: &str, entries: &mut Vec<Entry>) {
        let lost = (until > self.next).then(|| {
            let (first, last, detail) = (self.next, until - 1, detail.to_owned());
            entries.push(Entry::Damage { first, last, detail: detail.clone() });
            self.next = until;
            Lost { first, last, detail }
        });
        let harm = std::mem::take(&mut self.harm).into_iter();
        // A segment's end is damaged only where a number is missing after it.
        let harm: Vec<_> = harm.filter(|(_, tail)| lost.is_some() || !tail).map(|(harm, _)| harm).collect();
        if self.tells && (lost.is_some() || !harm.is_empty()) {
            self.shared.damage.met(&harm, lost, self.shared.disk.as_ref());
        }
    }

    /// The end of a segment: on to the following one; without one, what is missing up to `end` is damage.
    fn turn(&mut self, behind: &Behind, end: u64, entries: &mut Vec<Entry>) -> io::Result<()> {
        let segments = self.shared.segments();
        let following = segments.range(behind.segment..).filter(|(key, _)| **key != behind.segment);
        self.behind = self.first_of(following)?;
        if self.behind.is_none() {
            self.gap(end, "the end of the journal is damaged", entries);
        }
        Ok(())
    }

    /// The segment that holds `seq`, or the first one after it.
    fn open(&self, seq: u64) -> io::Result<Option<Behind>> {
        let segments = self.shared.segments();
        let holding = segments.range(..=(seq, u32::MAX)).next_back();
        // Of several that begin with the same number all but the last are poisoned, but may hold the first part.
        let begins = holding.or_else(|| segments.iter().next()).map(|(key, _)| key.0);
        let Some(first) = begins else { return Ok(None) };
        self.first_of(segments.range((first, 0)..))
    }

    /// The first of these that the disk gives; what stands in others is damaged.
    fn first_of<'s>(
        &self,
        segments: impl Iterator<Item = (&'s (u64, u32), &'s Segment)>,
    ) -> io::Result<Option<Behind>> {
        for (key, segment) in segments {
            match record::open(&segment.path, self.shared.disk.as_ref()) {
                Ok((_, walk)) => return Ok(Some(Behind { segment: *key, walk })),
                Err(error) if disk::is_damage(&error) => {
                    tracing::error!(path = %segment.path.display(), %error, "a segment cannot be read");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}
