//! A segment file: its name, its header, and reading the frames in it past whatever is damaged.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::disk::Disk;
use super::frame::{self, FRAME_HEAD, Frame, array};

pub(crate) const HEADER: usize = 32;
/// The first bytes of a file tell whose it is.
pub(crate) type Magic = [u8; 8];
const VERSION: u16 = 1;
const ENDING: &str = "seg";
/// How much is read from a file at once; a larger frame is read whole.
const CHUNK: usize = 1024 * 1024;

/// The file that begins with sequence number `first`; `roll` tells apart several that begin with the same.
pub(crate) fn path(dir: &Path, first: u64, roll: u32) -> PathBuf {
    dir.join(format!("{first:020}-{roll:04}.{ENDING}"))
}

/// The first sequence number and roll that a segment's name tells; nothing for another file.
pub(crate) fn named(path: &Path) -> Option<(u64, u32)> {
    if path.extension()? != ENDING {
        return None;
    }
    let (first, roll) = path.file_stem()?.to_str()?.split_once('-')?;
    Some((first.parse().ok()?, roll.parse().ok()?))
}

/// Segments of a directory in the order they were begun.
pub(crate) fn list(dir: &Path, disk: &dyn Disk) -> io::Result<Vec<(u64, u32, PathBuf)>> {
    let mut found: Vec<_> = disk
        .list(dir)?
        .into_iter()
        .filter_map(|path| named(&path).map(|(first, roll)| (first, roll, path)))
        .collect();
    found.sort();
    Ok(found)
}

/// The header of a new segment.
pub(crate) fn header(magic: Magic, first: u64, created: i64) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER);
    out.extend_from_slice(&magic);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&first.to_le_bytes());
    out.extend_from_slice(&created.to_le_bytes());
    let crc = crc32fast::hash(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

/// Whether a file is a segment this version can read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    /// Shorter than a header, or with a damaged one: a crash while it was made, or damage.
    Damaged,
    /// Another program's file, or a later version's.
    Foreign,
}

fn kind(head: &[u8], magic: Magic) -> Kind {
    if head.len() < HEADER {
        return Kind::Damaged;
    }
    if head.get(..8) != Some(magic.as_slice()) {
        // A header of zeroes is what a crash leaves on some file systems.
        return if head.iter().all(|byte| *byte == 0) { Kind::Damaged } else { Kind::Foreign };
    }
    let version = array::<2>(head, 8).map(u16::from_le_bytes);
    let sound = head.get(..28).map(crc32fast::hash) == array::<4>(head, 28).map(u32::from_le_bytes);
    match version {
        Some(VERSION) if sound => Kind::Ours,
        Some(VERSION) => Kind::Damaged,
        _ if sound => Kind::Foreign,
        _ => Kind::Damaged,
    }
}

/// What the next step through a segment found.
#[derive(Debug)]
pub(crate) enum Step<T> {
    Record(T),
    /// Bytes that are no frame; what follows was found again.
    Damage {
        offset: u64,
        bytes: u64,
    },
    /// The end, with the bytes of an unfinished frame there.
    End {
        torn: u64,
    },
}

/// Walks one segment from its start.
#[derive(Debug)]
pub(crate) struct Walk<T> {
    file: File,
    /// What a sound body must be read as; one that cannot is damage.
    parse: fn(&Bytes) -> Option<T>,
    /// Offset in the file of the first byte of `buffer`.
    offset: u64,
    buffer: Bytes,
    end: u64,
}

impl<T> Walk<T> {
    /// Opens a file and tells whether it is one of ours.
    pub(crate) fn open(
        path: &Path,
        magic: Magic,
        parse: fn(&Bytes) -> Option<T>,
        disk: &dyn Disk,
    ) -> io::Result<(Kind, Self)> {
        let file = disk.open(path)?;
        let end = file.metadata()?.len();
        let mut walk = Self { file, parse, offset: 0, buffer: Bytes::new(), end };
        walk.fill(HEADER)?;
        let kind = kind(walk.buffer.get(..HEADER).unwrap_or(&walk.buffer), magic);
        let past = HEADER.min(walk.buffer.len());
        walk.skip(past);
        Ok((kind, walk))
    }

    pub(crate) fn next(&mut self) -> io::Result<Step<T>> {
        self.fill(FRAME_HEAD)?;
        if self.buffer.is_empty() {
            return Ok(Step::End { torn: 0 });
        }
        if let Some(length) = array::<4>(&self.buffer, 0) {
            let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
            if length <= frame::MAX_BODY {
                self.fill(FRAME_HEAD + length)?;
            }
        }
        if let Some(record) = self.sound_record() {
            return Ok(Step::Record(record));
        }
        self.resynchronise()
    }

    /// The record at the front, if it is sound; moves past it.
    fn sound_record(&mut self) -> Option<T> {
        let Frame::Sound(body) = frame::look(&self.buffer) else { return None };
        let record = (self.parse)(&body)?;
        self.skip(FRAME_HEAD + body.len());
        Some(record)
    }

    /// Seeks, byte by byte, the next place where a sound frame stands; without one, the rest is a torn tail.
    fn resynchronise(&mut self) -> io::Result<Step<T>> {
        let start = self.offset;
        let rest = self.end.saturating_sub(start);
        loop {
            self.skip(1);
            self.fill(FRAME_HEAD)?;
            let Some(length) = array::<4>(&self.buffer, 0) else {
                self.offset = self.end;
                self.buffer = Bytes::new();
                return Ok(Step::End { torn: rest });
            };
            let length = u64::from(u32::from_le_bytes(length));
            if length == 0 || self.offset.saturating_add(length) > self.end {
                continue;
            }
            self.fill(FRAME_HEAD.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)))?;
            if let Frame::Sound(body) = frame::look(&self.buffer)
                && (self.parse)(&body).is_some()
            {
                return Ok(Step::Damage { offset: start, bytes: self.offset - start });
            }
        }
    }

    fn skip(&mut self, bytes: usize) {
        let bytes = bytes.min(self.buffer.len());
        self.buffer = self.buffer.slice(bytes..);
        self.offset = self.offset.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Makes sure that the buffer holds `want` bytes, where the file has them.
    fn fill(&mut self, want: usize) -> io::Result<()> {
        if self.buffer.len() >= want {
            return Ok(());
        }
        let have = u64::try_from(self.buffer.len()).unwrap_or(u64::MAX);
        let wanted = self.offset.saturating_add(u64::try_from(want).unwrap_or(u64::MAX));
        if wanted > self.end {
            // The open segment grows while it is read.
            self.end = self.file.metadata()?.len();
        }
        let left = self.end.saturating_sub(self.offset).saturating_sub(have);
        let more = want.max(CHUNK) - self.buffer.len();
        let more = more.min(usize::try_from(left).unwrap_or(usize::MAX));
        if more == 0 {
            return Ok(());
        }
        let mut grown = Vec::with_capacity(self.buffer.len() + more);
        grown.extend_from_slice(&self.buffer);
        grown.resize(self.buffer.len() + more, 0);
        let fresh = grown.get_mut(self.buffer.len()..).unwrap_or_default();
        self.file.read_exact_at(fresh, self.offset.saturating_add(have))?;
        self.buffer = Bytes::from(grown);
        Ok(())
    }
}
