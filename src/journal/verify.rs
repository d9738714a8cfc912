//! Verification: reads every segment to its end and tells each harm. Takes no lock, changes nothing.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::Serialize;

use super::disk::Disk;
use super::record;
use super::segment::{self, Kind, Listed, Magic, Numbers, Step, Walk};

/// What kind of thing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// An unfinished write at the end of a segment: it was never acknowledged.
    Torn,
    /// Bytes that are no frame.
    Damaged,
    /// Numbers that were given and cannot be read any more.
    Lost,
    /// One of the two copies of the header is damaged.
    Header,
    /// Both copies are: the frames cannot be told from chance.
    NoHeader,
    /// The disk does not give it back.
    Unreadable,
    /// Of a later version.
    Newer,
    /// Another program's.
    Foreign,
    /// Its header tells another number than its name.
    Misnamed,
    /// The file with the positions.
    Cursor,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub what: What,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Where in the file, and how many bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<(u64, u64)>,
    /// The first and the last of the numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numbers: Option<(u64, u64)>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

impl Finding {
    fn at(what: What, path: &Path) -> Self {
        Self { what, path: Some(path.to_owned()), bytes: None, numbers: None, detail: String::new() }
    }

    const fn lost(first: u64, last: u64) -> Self {
        Self {
            what: What::Lost,
            path: None,
            bytes: None,
            numbers: Some((first, last)),
            detail: String::new(),
        }
    }

    /// Whether something is lost or needs a human; the rest is what kills and other programs leave.
    pub const fn is_harm(&self) -> bool {
        !matches!(self.what, What::Torn | What::Foreign)
    }
}

/// What was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    pub segments: u64,
    pub records: u64,
    pub bytes: u64,
}

/// Reads the journal. Numbers from `from` on must be there, those below `to` must have been given.
pub fn verify(
    dir: &Path,
    from: u64,
    to: u64,
    disk: &dyn Disk,
    mut tell: impl FnMut(Finding),
) -> io::Result<Totals> {
    let mut totals = Totals::default();
    let mut next = None;
    // The end of a segment is torn, or damaged: the following number tells.
    let mut tail: Option<(Finding, u64)> = None;
    let numbers = Numbers::Grow { smallest: record::SMALLEST };
    for listed in segment::ordered(dir, record::MAGIC, disk)? {
        let opened = open(&listed, (record::MAGIC, numbers, record::read), disk, &mut totals, &mut tell);
        let Some(mut walk) = opened else { continue };
        // What was removed before was delivered.
        let mut due = next.unwrap_or_else(|| listed.key.0.min(from.max(1)));
        each(&mut walk, &listed.path, |told| match told {
            Told::Record(record) => {
                totals.records += 1;
                if record.seq >= due {
                    settle(&mut tail, record.seq > due, &mut tell);
                }
                if record.seq > due {
                    tell(Finding::lost(due, record.seq - 1));
                }
                due = due.max(record.seq.saturating_add(1));
            }
            Told::Tail(finding, whole) => {
                settle(&mut tail, false, &mut tell);
                tail = Some((finding, whole));
            }
            Told::Other(finding) => tell(finding),
        });
        next = Some(due);
    }
    let due = next.unwrap_or_else(|| from.max(1));
    let whole = tail.as_ref().map_or(0, |(_, whole)| *whole);
    let end = due.saturating_add(whole).max(to);
    settle(&mut tail, end > due, &mut tell);
    if end > due {
        tell(Finding::lost(due, end - 1));
    }
    Ok(totals)
}

fn settle(tail: &mut Option<(Finding, u64)>, lost: bool, tell: &mut impl FnMut(Finding)) {
    if let Some((mut finding, _)) = tail.take() {
        if lost {
            finding.what = What::Damaged;
        }
        tell(finding);
    }
}

/// Reads segments whose numbers do not follow one another, as the quarantine's.
pub(crate) fn verify_any<T>(
    dir: &Path,
    magic: Magic,
    parse: fn(&Bytes) -> Option<T>,
    disk: &dyn Disk,
    mut tell: impl FnMut(Finding),
) -> io::Result<Totals> {
    let mut totals = Totals::default();
    for listed in segment::ordered(dir, magic, disk)? {
        let Some(mut walk) = open(&listed, (magic, Numbers::Any, parse), disk, &mut totals, &mut tell) else {
            continue;
        };
        each(&mut walk, &listed.path, |told| match told {
            Told::Record(_) => totals.records += 1,
            Told::Tail(mut finding, whole) => {
                if whole > 0 {
                    finding.what = What::Damaged;
                }
                tell(finding);
            }
            Told::Other(finding) => tell(finding),
        });
    }
    Ok(totals)
}

type Format<T> = (Magic, Numbers, fn(&Bytes) -> Option<T>);

/// Tells what is wrong with the file as a whole; gives its frames where there are any to be read.
fn open<T>(
    listed: &Listed,
    (magic, numbers, parse): Format<T>,
    disk: &dyn Disk,
    totals: &mut Totals,
    tell: &mut impl FnMut(Finding),
) -> Option<Walk<T>> {
    let path = &listed.path;
    let head = match &listed.head {
        Ok(head) => head,
        Err(error) => {
            tell(Finding { detail: error.to_string(), ..Finding::at(What::Unreadable, path) });
            return None;
        }
    };
    totals.segments += 1;
    totals.bytes = totals.bytes.saturating_add(head.size);
    match head.kind {
        Kind::Newer => tell(Finding::at(What::Newer, path)),
        Kind::Foreign => tell(Finding::at(What::Foreign, path)),
        Kind::Damaged if head.size > 0 => {
            tell(Finding { bytes: Some((0, head.size)), ..Finding::at(What::NoHeader, path) });
        }
        Kind::Damaged => {}
        Kind::Ours => {
            if head.copies < 2 {
                tell(Finding::at(What::Header, path));
            }
            if segment::named(path).map(|(first, _)| first) != head.first {
                let detail = format!("it begins with number {}", listed.key.0);
                tell(Finding { detail, ..Finding::at(What::Misnamed, path) });
            }
            match Walk::open(path, magic, numbers, parse, disk) {
                Ok((_, walk)) => return Some(walk),
                Err(error) => {
                    tell(Finding { detail: error.to_string(), ..Finding::at(What::Unreadable, path) });
                }
            }
        }
    }
    None
}

enum Told<T> {
    Record(T),
    /// Bytes at the end, and how many frames they have the length of.
    Tail(Finding, u64),
    Other(Finding),
}

fn each<T>(walk: &mut Walk<T>, path: &Path, mut tell: impl FnMut(Told<T>)) {
    loop {
        match walk.next() {
            Ok(Step::Record(record)) => tell(Told::Record(record)),
            Ok(Step::Damage { offset, bytes }) => {
                let finding = Finding { bytes: Some((offset, bytes)), ..Finding::at(What::Damaged, path) };
                tell(Told::Other(finding));
            }
            Ok(Step::End { torn, whole }) => {
                if torn > 0 {
                    let offset = walk.size().saturating_sub(torn);
                    let finding = Finding { bytes: Some((offset, torn)), ..Finding::at(What::Torn, path) };
                    tell(Told::Tail(finding, whole));
                }
                return;
            }
            Err(error) => {
                let offset = walk.position();
                let bytes = Some((offset, walk.size().saturating_sub(offset)));
                let detail = error.to_string();
                tell(Told::Other(Finding { bytes, detail, ..Finding::at(What::Unreadable, path) }));
                return;
            }
        }
    }
}
