//! Inspection: reads a journal beside its writer, or without one; takes no lock, and never mends or removes anything.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::Disk;
use super::record;
use super::segment::{self, Head, Kind, Step, Walk};
use super::{Entry, JournalError};
use crate::message::Record;

const DAMAGED: &str = "the records are damaged";
const REMOVED: &str = "removed meanwhile, as the settings of the journal say";

/// Number and receive time of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Edge {
    pub seq: u64,
    /// Unix time in nanoseconds.
    pub received: i64,
}

impl From<&Record> for Edge {
    fn from(record: &Record) -> Self {
        Self { seq: record.seq, received: record.received }
    }
}

/// What the directory holds at a glance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overview {
    pub segments: usize,
    pub bytes: u64,
    pub first: Option<Edge>,
    pub last: Option<Edge>,
    /// Files that are not ours to read.
    pub foreign: Vec<PathBuf>,
}

/// Reads the names of all segments, the first record, and the newest segment to its end.
pub fn overview(dir: &Path, disk: &dyn Disk) -> Result<Overview, JournalError> {
    let failed = |cause| JournalError::Read { dir: dir.to_owned(), cause };
    let mut found = Overview::default();
    let mut ours = Vec::new();
    for segment::Listed { path, head, .. } in segment::ordered(dir, record::MAGIC, disk).map_err(failed)? {
        match head.map_err(failed)? {
            Head { kind: Kind::Foreign | Kind::Newer, .. } => found.foreign.push(path),
            head => {
                found.segments += 1;
                found.bytes += head.size;
                ours.push(path);
            }
        }
    }
    let mut firsts = ours.iter().filter_map(|path| edges(path, disk, true).transpose());
    found.first = firsts.next().transpose().map_err(failed)?;
    let mut lasts = ours.iter().rev().filter_map(|path| edges(path, disk, false).transpose());
    found.last = lasts.next().transpose().map_err(failed)?;
    Ok(found)
}

/// The first or the last record of a segment; nothing where it has none, or is gone.
fn edges(path: &Path, disk: &dyn Disk, first: bool) -> io::Result<Option<Edge>> {
    let Some((_, mut walk)) = open(path, disk)? else { return Ok(None) };
    let mut edge = None;
    loop {
        match walk.next()? {
            Step::Record(record) => {
                edge = Some(Edge::from(&record));
                if first {
                    return Ok(edge);
                }
            }
            Step::Damage { .. } => {}
            Step::End { .. } => return Ok(edge),
        }
    }
}

/// Nothing where retention has just removed it.
fn open(path: &Path, disk: &dyn Disk) -> io::Result<Option<(Kind, Walk<Record>)>> {
    match record::open(path, disk) {
        Ok(opened) => Ok(Some(opened)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The records from a number on, each once, as far as the journal reached when this was made. One record at a time
/// is in memory, and at most a megabyte read ahead.
#[derive(Debug)]
pub struct Scan<'d> {
    dir: PathBuf,
    disk: &'d dyn Disk,
    /// Segments still to come, the next one last.
    left: Vec<PathBuf>,
    walk: Option<Walk<Record>>,
    next: u64,
    /// A record that comes after a gap which must be told first.
    held: Option<Record>,
    /// Why numbers may be missing now.
    missing: &'static str,
    /// Bytes of all segments to be read, and of those done.
    total: u64,
    done: u64,
}

impl<'d> Scan<'d> {
    pub fn new(dir: &Path, from: u64, disk: &'d dyn Disk) -> Result<Self, JournalError> {
        let failed = |cause| JournalError::Read { dir: dir.to_owned(), cause };
        let mut listed = segment::ordered(dir, record::MAGIC, disk).map_err(failed)?;
        let ours = |head: &io::Result<Head>| match head {
            Ok(head) => matches!(head.kind, Kind::Ours | Kind::Damaged),
            Err(_) => true,
        };
        listed.retain(|segment| ours(&segment.head));
        // Several segments can begin with one number: a poisoned one and those that stand in for it.
        let begins = listed.iter().map(|segment| segment.key.0).filter(|first| *first <= from).max();
        let begins = begins.unwrap_or_default();
        // What stood before the first segment was delivered and removed: that is no gap.
        let next = from.max(listed.first().map_or(1, |segment| segment.key.0));
        let (mut left, mut total) = (Vec::new(), 0_u64);
        for segment in listed.into_iter().filter(|segment| segment.key.0 >= begins).rev() {
            total = total.saturating_add(segment.head.map_err(failed)?.size);
            left.push(segment.path);
        }
        let dir = dir.to_owned();
        Ok(Self { dir, disk, left, walk: None, next, held: None, missing: DAMAGED, total, done: 0 })
    }

    /// Bytes read so far, and bytes there were to be read.
    pub fn progress(&self) -> (u64, u64) {
        let here = self.walk.as_ref().map_or(0, Walk::position);
        (self.done.saturating_add(here).min(self.total), self.total)
    }

    /// The next record, or which numbers before it cannot be read; nothing at the end.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, JournalError> {
        self.step().map_err(|cause| JournalError::Read { dir: self.dir.clone(), cause })
    }

    fn step(&mut self) -> io::Result<Option<Entry>> {
        if let Some(record) = self.held.take() {
            self.next = record.seq.saturating_add(1);
            return Ok(Some(Entry::Record(record)));
        }
        loop {
            let Some(walk) = &mut self.walk else {
                let Some(path) = self.left.pop() else { return Ok(None) };
                self.walk = open(&path, self.disk)?.map(|(_, walk)| walk);
                if self.walk.is_none() {
                    self.missing = REMOVED;
                }
                continue;
            };
            match walk.next()? {
                Step::Record(record) if record.seq > self.next => {
                    let (first, last, detail) = (self.next, record.seq - 1, self.missing.to_owned());
                    self.missing = DAMAGED;
                    self.held = Some(record);
                    return Ok(Some(Entry::Damage { first, last, detail }));
                }
                Step::Record(record) if record.seq == self.next => {
                    self.next = record.seq.saturating_add(1);
                    return Ok(Some(Entry::Record(record)));
                }
                Step::Record(_) | Step::Damage { .. } => {}
                Step::End { .. } => {
                    self.done = self.done.saturating_add(walk.size());
                    self.walk = None;
                }
            }
        }
    }
}

/// One record; nothing where the journal does not hold it.
pub fn find(dir: &Path, seq: u64, disk: &dyn Disk) -> Result<Option<Record>, JournalError> {
    let mut scan = Scan::new(dir, seq, disk)?;
    match scan.next_entry()? {
        Some(Entry::Record(record)) if record.seq == seq => Ok(Some(record)),
        _ => Ok(None),
    }
}
