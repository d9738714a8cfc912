//! History: kept messages of the journal go again through the configuration of today. No account is touched: those
//! messages have their outcome.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::buckets::Buckets;
use super::loads::Loads;
use crate::batch;
use crate::journal::disk::RealDisk;
use crate::journal::inspect::Scan;
use crate::journal::{Entry, JournalError};
use crate::message::Record;
use crate::outcome::{Reason, Rejection};
use crate::point::Point;
use crate::quarantine::Seqs;
use crate::sink::{Destination, Kind, LineVerdict, Sink};
use crate::snapshot;
use crate::topic::Template;
use crate::transform::{Decision, State, Transform};

/// So many messages, or points, are worked on at once.
const CHUNK_MESSAGES: usize = 1000;
const CHUNK_POINTS: usize = 5000;

/// Which messages are meant, by their receipt.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// Unix time in nanoseconds.
    pub from: i64,
    /// The first time that is not meant any more.
    pub to: i64,
    pub topic: Option<Template>,
    pub device: Option<String>,
    /// From this number on, messages may have no outcome yet.
    pub before: u64,
}

/// Reads on and computes; blocks.
#[derive(Debug)]
pub struct History {
    scan: Scan<'static>,
    stretch: Stretch,
    transform: Arc<Transform>,
    /// Messages in quarantine, whose way out is a replay.
    held: Seqs,
    /// Messages that have killed the process: they are not decoded.
    poison: Seqs,
    states: BTreeMap<String, State>,
    buckets: BTreeMap<String, Buckets>,
    points: Vec<Point>,
}

/// A point, and where it goes.
#[derive(Debug)]
pub struct Placed {
    pub destination: String,
    pub bucket: Option<Arc<str>>,
    pub point: Point,
}

/// What a stretch of messages gives.
#[derive(Debug, Default)]
pub struct Chunk {
    pub points: Vec<Placed>,
    pub messages: u64,
    /// They give no point today.
    pub without: u64,
    pub held: u64,
    /// They have killed the process, and are left alone.
    pub poison: u64,
    pub unreadable: u64,
    /// The end of the journal, or of what is meant, is reached.
    pub ended: bool,
}

impl History {
    /// `dir` is the data directory. The journal is read from its beginning: what a message becomes may depend on
    /// those before it.
    pub fn new(
        dir: &Path,
        stretch: Stretch,
        transform: Arc<Transform>,
        destinations: &[Destination],
        held: Seqs,
        poison: Seqs,
    ) -> Result<Self, JournalError> {
        let (mut states, mut buckets) = (BTreeMap::new(), BTreeMap::new());
        for Destination { name, kind, .. } in destinations {
            let saved = snapshot::load(dir, name);
            states.insert(name.clone(), saved.map(|saved| saved.state.names_only()).unwrap_or_default());
            if let Kind::Influx(influx) = kind
                && !influx.place.template().is_fixed()
            {
                buckets.insert(name.clone(), Buckets::new(influx.place.template().clone(), &transform));
            }
        }
        let scan = Scan::new(&dir.join("journal"), 1, &RealDisk)?;
        Ok(Self { scan, stretch, transform, held, poison, states, buckets, points: Vec::new() })
    }

    /// Bytes of the journal read so far, and bytes there are.
    pub fn progress(&self) -> (u64, u64) {
        self.scan.progress()
    }

    pub fn next_chunk(&mut self) -> Result<Chunk, JournalError> {
        let (mut chunk, mut read) = (Chunk::default(), 0);
        while read < CHUNK_MESSAGES && chunk.points.len() < CHUNK_POINTS {
            read += 1;
            match self.scan.next_entry()? {
                None => chunk.ended = true,
                Some(Entry::Damage { first, last, .. }) => {
                    chunk.unreadable += last.saturating_sub(first).saturating_add(1);
                }
                Some(Entry::Record(record))
                    if record.seq >= self.stretch.before || record.received >= self.stretch.to =>
                {
                    chunk.ended = true;
                }
                Some(Entry::Record(record)) => self.take(&record, &mut chunk),
            }
            if chunk.ended {
                break;
            }
        }
        Ok(chunk)
    }

    fn take(&mut self, record: &Record, chunk: &mut Chunk) {
        if self.poison.contains(record.seq) {
            // Whose it is a payload may say, which is not looked into.
            chunk.poison += u64::from(self.is_within(record));
            return;
        }
        let destination = self.transform.destination_of(&record.message.topic);
        let known =
            destination.and_then(|name| self.states.get_key_value(name)).map(|(name, _)| name.clone());
        let mut points = std::mem::take(&mut self.points);
        points.clear();
        if let Some(state) = known.as_ref().and_then(|name| self.states.get_mut(name)) {
            let decision = self.transform.apply(record, state, &mut points);
            if !matches!(decision, Decision::Points { .. }) {
                points.clear();
            }
        }
        if self.is_meant(record) {
            chunk.messages += 1;
            if self.held.contains(record.seq) {
                chunk.held += 1;
            } else {
                chunk.without += u64::from(points.is_empty());
                let destination = known.unwrap_or_default();
                for point in points.drain(..) {
                    let buckets = self.buckets.get_mut(&destination);
                    let bucket = buckets.map(|buckets| buckets.of(&point, &self.transform)).transpose();
                    // Without a bucket it is a point that today's configuration does not store.
                    if let Ok(bucket) = bucket {
                        chunk.points.push(Placed { destination: destination.clone(), bucket, point });
                    }
                }
            }
        }
        self.points = points;
    }

    fn is_meant(&self, record: &Record) -> bool {
        let device = self.stretch.device.as_ref();
        self.is_within(record) && device.is_none_or(|device| self.transform.is_of(record, device))
    }

    fn is_within(&self, record: &Record) -> bool {
        let stretch = &self.stretch;
        record.received >= stretch.from
            && stretch.topic.as_ref().is_none_or(|topic| topic.matches(&record.message.topic))
    }
}

impl Chunk {
    /// Writes the points; how many were stored, and what was refused. Nothing when stopped first.
    pub async fn deliver(
        &self,
        sinks: &BTreeMap<String, Arc<Sink>>,
        batch: batch::Config,
        stop: &CancellationToken,
    ) -> Option<(u64, BTreeMap<Reason, u64>, Option<Rejection>)> {
        let mut loads = Loads::default();
        for Placed { destination, bucket, point } in &self.points {
            loads.line(destination, bucket.clone(), point, 0, batch);
        }
        let (mut stored, mut refused, mut first) = (0, BTreeMap::new(), None);
        let enter = |_, verdict| match verdict {
            LineVerdict::Stored => stored += 1,
            LineVerdict::Refused(rejection) => {
                *refused.entry(rejection.reason).or_default() += 1;
                first.get_or_insert(rejection);
            }
        };
        let all = loads.deliver(sinks, enter, stop).await;
        all.then_some((stored, refused, first))
    }
}
