//! A segment file: its name, its header, and reading the frames in it past whatever is damaged.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::disk::{Disk, ReadAt};
use super::frame::{self, FRAME_HEAD, Frame, Salt, array};

/// One copy of what the header says; there are two, so that one flipped byte costs no segment.
const BLOCK: usize = 40;
pub(crate) const HEADER: usize = 2 * BLOCK;
/// The first bytes of a file tell whose it is.
pub(crate) type Magic = [u8; 8];
const VERSION: u16 = 1;
const ENDING: &str = "seg";
/// No journal comes so far; a file that says so is damaged, or no file of ours, and counting on from it would overflow.
pub(crate) const LAST: u64 = u64::MAX - (1 << 32);
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
    let (first, roll) = (first.parse().ok()?, roll.parse().ok()?);
    (first <= LAST && roll <= u32::MAX >> 1).then_some((first, roll))
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

/// The header of a new segment, and the salt of its frames.
pub(crate) fn header(magic: Magic, first: u64, created: i64) -> (Vec<u8>, Salt) {
    // The keys of the standard library's maps come from the system's random numbers.
    let salt = RandomState::new().build_hasher().finish().to_le_bytes();
    let mut block = Vec::with_capacity(HEADER);
    block.extend_from_slice(&magic);
    block.extend_from_slice(&VERSION.to_le_bytes());
    block.extend_from_slice(&[0; 2]);
    block.extend_from_slice(&first.to_le_bytes());
    block.extend_from_slice(&created.to_le_bytes());
    block.extend_from_slice(&salt);
    let crc = crc32fast::hash(&block);
    block.extend_from_slice(&crc.to_le_bytes());
    block.extend_from_within(..);
    (block, salt)
}

/// Whether a file is a segment this version can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    /// Shorter than a header, or with both copies damaged: a crash while it was made, or damage.
    Damaged,
    /// A later version's.
    Newer,
    /// Another program's file.
    Foreign,
}

/// What a file tells before its frames.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    /// Of ours, and of a later version's: the number that it says it begins with.
    pub(crate) first: Option<u64>,
    /// How many of the two copies are sound.
    pub(crate) copies: usize,
    pub(crate) size: u64,
}

/// Reads the header alone.
pub(crate) fn peek(path: &Path, magic: Magic, disk: &dyn Disk) -> io::Result<Head> {
    let file = disk.open(path)?;
    let size = file.size()?;
    let mut bytes = vec![0; HEADER.min(usize::try_from(size).unwrap_or(HEADER))];
    file.read_at(&mut bytes, 0)?;
    let (kind, first, _) = head(&bytes, magic);
    let copies = bytes.chunks(BLOCK).filter(|copy| block(copy, magic).0 == kind).count();
    let first = matches!(kind, Kind::Ours | Kind::Newer).then_some(first);
    Ok(Head { kind, first, copies, size })
}

/// A segment of a directory.
#[derive(Debug)]
pub(crate) struct Listed {
    /// The number it begins with, by its header where that is sound, else by its name; and a second one that tells
    /// apart several.
    pub(crate) key: (u64, u32),
    pub(crate) path: PathBuf,
    pub(crate) head: io::Result<Head>,
}

/// Segments in the order of their numbers, whatever a hand has made of their names.
pub(crate) fn ordered(dir: &Path, magic: Magic, disk: &dyn Disk) -> io::Result<Vec<Listed>> {
    let mut found = BTreeMap::new();
    for (first, roll, path) in list(dir, disk)? {
        let head = peek(&path, magic, disk);
        if head.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            continue;
        }
        let ours = head.as_ref().ok().filter(|head| head.kind == Kind::Ours);
        let mut key = (ours.and_then(|head| head.first).unwrap_or(first), roll);
        while found.contains_key(&key) {
            key.1 = key.1.wrapping_add(1);
        }
        found.insert(key, (path, head));
    }
    Ok(found.into_iter().map(|(key, (path, head))| Listed { key, path, head }).collect())
}

/// What the header tells: the kind, and of ours the number and the salt.
fn head(bytes: &[u8], magic: Magic) -> (Kind, u64, Salt) {
    let (first, second) = bytes.split_at(BLOCK.min(bytes.len()));
    let (one, two) = (block(first, magic), block(second, magic));
    match (one.0, two.0) {
        (Kind::Ours, _) => one,
        (_, Kind::Ours) => two,
        (Kind::Newer, _) => one,
        (_, Kind::Newer) => two,
        (Kind::Foreign, _) | (_, Kind::Foreign) => (Kind::Foreign, 0, [0; 8]),
        _ => one,
    }
}

fn block(block: &[u8], magic: Magic) -> (Kind, u64, Salt) {
    let nothing = |kind| (kind, 0, [0; 8]);
    let (Some(version), Some(number), Some(salt), Some(crc)) =
        (array::<2>(block, 8), array::<8>(block, 12), array::<8>(block, 28), array::<4>(block, 36))
    else {
        // A crash while it was made leaves the beginning of a header, or zeros.
        let begun = magic.starts_with(block.get(..8).unwrap_or(block)) || block.iter().all(|byte| *byte == 0);
        return nothing(if begun { Kind::Damaged } else { Kind::Foreign });
    };
    if block.get(..36).map(crc32fast::hash) != Some(u32::from_le_bytes(crc)) {
        // What crashes and bad disks leave; a file with another beginning is another program's.
        let ours = block.get(..8) == Some(magic.as_slice()) || block.iter().all(|byte| *byte == 0);
        return nothing(if ours { Kind::Damaged } else { Kind::Foreign });
    }
    let number = u64::from_le_bytes(number);
    let kind = match u16::from_le_bytes(version) {
        _ if block.get(..8) != Some(magic.as_slice()) => Kind::Foreign,
        VERSION if number > LAST => return nothing(Kind::Damaged),
        VERSION => Kind::Ours,
        later if later > VERSION && number <= LAST => Kind::Newer,
        _ => Kind::Foreign,
    };
    (kind, number, salt)
}

/// How the numbers at the beginning of the bodies run; tells chance from frames after damage.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Numbers {
    /// Each is one more than the last; no frame has fewer bytes than `smallest`.
    Grow { smallest: u64 },
    /// In any order.
    Any,
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
    /// The end, with the bytes of unfinished or damaged frames there, and how many of them look whole: those may
    /// once have been sound.
    End {
        torn: u64,
        whole: u64,
    },
}

/// Walks one segment from its start.
#[derive(Debug)]
pub(crate) struct Walk<T> {
    file: Box<dyn ReadAt>,
    /// What a sound body must be read as; one that cannot is damage.
    parse: fn(&Bytes) -> Option<T>,
    salt: Salt,
    numbers: Numbers,
    /// The last number read, or the one that the segment begins with.
    last: u64,
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
        numbers: Numbers,
        parse: fn(&Bytes) -> Option<T>,
        disk: &dyn Disk,
    ) -> io::Result<(Kind, Self)> {
        let file = disk.open(path)?;
        let end = file.size()?;
        let (salt, last) = ([0; 8], named(path).map_or(0, |(first, _)| first));
        let mut walk = Self { file, parse, salt, numbers, last, offset: 0, buffer: Bytes::new(), end };
        walk.fill(HEADER)?;
        let (kind, first, salt) = head(walk.buffer.get(..HEADER).unwrap_or(&walk.buffer), magic);
        walk.salt = salt;
        if kind == Kind::Ours {
            walk.last = first;
        }
        let past = HEADER.min(walk.buffer.len());
        walk.skip(past);
        Ok((kind, walk))
    }

    /// Bytes of the file when it was opened or last read.
    pub(crate) const fn size(&self) -> u64 {
        self.end
    }

    /// How far it has come in the file.
    pub(crate) const fn position(&self) -> u64 {
        self.offset
    }

    pub(crate) fn next(&mut self) -> io::Result<Step<T>> {
        self.fill(FRAME_HEAD)?;
        if self.buffer.is_empty() {
            return Ok(Step::End { torn: 0, whole: 0 });
        }
        if let Some(size) = array::<4>(&self.buffer, 0).and_then(frame::body_size) {
            self.fill(FRAME_HEAD + size)?;
        }
        if let Some(record) = self.sound_record() {
            return Ok(Step::Record(record));
        }
        self.resynchronise()
    }

    /// The record at the front, if it is sound; moves past it.
    fn sound_record(&mut self) -> Option<T> {
        let Frame::Sound(body) = frame::look(&self.buffer, self.salt) else { return None };
        let record = (self.parse)(&body)?;
        self.last = array(&body, 0).map_or(self.last, u64::from_le_bytes);
        self.skip(FRAME_HEAD + body.len());
        Some(record)
    }

    /// Seeks, byte by byte, the next place where a sound frame stands; without one, the rest is the tail.
    fn resynchronise(&mut self) -> io::Result<Step<T>> {
        let (start, buffer) = (self.offset, self.buffer.clone());
        let rest = self.end.saturating_sub(start);
        loop {
            self.skip(1);
            self.fill(FRAME_HEAD + 8)?;
            let (Some(length), Some(number)) = (array::<4>(&self.buffer, 0), array(&self.buffer, FRAME_HEAD))
            else {
                (self.offset, self.buffer) = (start, buffer);
                let whole = self.whole_frames()?;
                self.offset = self.end;
                self.buffer = Bytes::new();
                return Ok(Step::End { torn: rest, whole });
            };
            let Some(size) = frame::body_size(length) else { continue };
            let beyond = self.offset.saturating_add(u64::try_from(size).unwrap_or(u64::MAX)) > self.end;
            let passed = self.offset.saturating_sub(start);
            if beyond || !self.plausible(u64::from_le_bytes(number), passed) {
                continue;
            }
            self.fill(FRAME_HEAD + size)?;
            if let Frame::Sound(body) = frame::look(&self.buffer, self.salt)
                && (self.parse)(&body).is_some()
            {
                return Ok(Step::Damage { offset: start, bytes: passed });
            }
        }
    }

    /// Whether a frame of this number can stand so many bytes behind the last one. Cheap, and true for hardly
    /// anything that is not a frame: the checksum is taken of few places then.
    fn plausible(&self, number: u64, passed: u64) -> bool {
        match self.numbers {
            Numbers::Any => true,
            Numbers::Grow { smallest } => {
                let most = self.last.saturating_add(1).saturating_add(passed / smallest);
                (self.last..=most).contains(&number)
            }
        }
    }

    /// How many frames stand to the end by their lengths alone.
    fn whole_frames(&mut self) -> io::Result<u64> {
        let mut whole = 0;
        loop {
            self.fill(FRAME_HEAD)?;
            let Some(size) = array::<4>(&self.buffer, 0).and_then(frame::body_size) else { return Ok(whole) };
            let next = self.offset.saturating_add(u64::try_from(FRAME_HEAD + size).unwrap_or(u64::MAX));
            if next > self.end {
                return Ok(whole);
            }
            whole += 1;
            self.fill(FRAME_HEAD + size)?;
            self.skip(FRAME_HEAD + size);
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
            self.end = self.file.size()?;
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
        self.file.read_at(fresh, self.offset.saturating_add(have))?;
        self.buffer = Bytes::from(grown);
        Ok(())
    }
}
