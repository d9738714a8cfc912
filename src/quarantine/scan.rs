//! A scan of the quarantine, also beside its writer: what is held and not void, and which messages have moved.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::Held;
use super::counts::Counts;
use super::frame::{self, Group, Item};
use super::seqs::Seqs;
use crate::journal::damage::Stretch;
use crate::journal::disk::{self, Disk};
use crate::journal::segment::{self, Kind, Numbers, Step, Walk};
use crate::outcome::Outcome;

/// A place in the log: segment by segment, frame by frame.
type Place = (usize, u64);

/// Two passes over the segments: the marks first, because they speak of what stands before them. One message at a
/// time is in memory, and a bit for each that has moved.
#[derive(Debug)]
pub struct Scan {
    segments: Vec<Segment>,
    voids: Vec<Void>,
    /// The highest sequence number of each destination, whether void or not.
    highest: BTreeMap<String, u64>,
    left: BTreeMap<String, Seqs>,
    in_part: BTreeMap<String, Seqs>,
    at: Place,
    walk: Option<Walk<Item>>,
    done: u64,
    total: u64,
    /// Bytes that are no frame, as far as they are told one by one.
    harm: Vec<Stretch>,
    /// There are segments that may hold more than was read, and may be read another time.
    partial: bool,
}

/// So many damaged stretches are told one by one.
const MOST_HARM: usize = 64;

#[derive(Debug)]
struct Segment {
    number: u64,
    path: PathBuf,
    size: u64,
    /// Frames there were in the first pass; what came later is not looked at.
    frames: u64,
}

#[derive(Debug)]
struct Void {
    place: Place,
    destination: String,
    from: u64,
}

impl Scan {
    /// Reads the marks.
    pub fn new(dir: &Path, disk: &dyn Disk) -> io::Result<Self> {
        let mut scan = Self {
            segments: Vec::new(),
            voids: Vec::new(),
            highest: BTreeMap::new(),
            left: BTreeMap::new(),
            in_part: BTreeMap::new(),
            at: (0, 0),
            walk: None,
            done: 0,
            total: 0,
            harm: Vec::new(),
            partial: false,
        };
        let listed = match segment::list(dir, disk) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(scan),
            listed => listed?,
        };
        let counted = Counts::read(dir, disk)?.counts.through;
        for (number, _, path) in listed {
            if counted.is_none_or(|through| number > through) {
                scan.read_marks(number, path, disk)?;
            }
        }
        Ok(scan)
    }

    fn read_marks(&mut self, number: u64, path: PathBuf, disk: &dyn Disk) -> io::Result<()> {
        let Some((kind, mut walk)) = open(&path, disk)? else {
            self.partial = true;
            return Ok(());
        };
        if matches!(kind, Kind::Foreign | Kind::Newer) {
            self.partial |= kind == Kind::Newer;
            tracing::warn!(path = %path.display(), "not a quarantine of this version; left untouched");
            return Ok(());
        }
        let (index, mut frames) = (self.segments.len(), 0);
        loop {
            let step = walk.next();
            self.partial |= step.is_err();
            match readable(step, &path)? {
                Step::Record(item) => {
                    frames += 1;
                    self.mark((index, frames), item);
                }
                Step::Damage { offset, bytes } => {
                    tracing::error!(path = %path.display(), offset, bytes, "damaged bytes in the quarantine");
                    self.harmed(&path, offset, bytes);
                }
                // What was cut off was never synced; what has its whole length may have been.
                Step::End { torn, whole } => {
                    if whole > 0 {
                        self.harmed(&path, walk.size().saturating_sub(torn), torn);
                    }
                    break;
                }
            }
        }
        let size = walk.size();
        self.total = self.total.saturating_add(size);
        self.segments.push(Segment { number, path, size, frames });
        Ok(())
    }

    fn harmed(&mut self, path: &Path, offset: u64, bytes: u64) {
        if self.harm.len() < MOST_HARM {
            self.harm.push(Stretch { path: path.to_owned(), offset, bytes });
        }
    }

    pub(super) fn harm(&self) -> &[Stretch] {
        &self.harm
    }

    pub(super) const fn is_partial(&self) -> bool {
        self.partial
    }

    fn mark(&mut self, place: Place, item: Item) {
        match item {
            Item::Held(held) => {
                let highest = self.highest.entry(held.destination).or_default();
                *highest = held.record.seq.max(*highest);
            }
            Item::Void { destination, from } => {
                for sets in [&mut self.left, &mut self.in_part] {
                    if let Some(seqs) = sets.get_mut(&destination) {
                        seqs.cut(from);
                    }
                }
                self.voids.push(Void { place, destination, from });
            }
            Item::Moved(Group { destination, to, seqs, .. }) => {
                if let Some(most) = seqs.iter().max() {
                    let highest = self.highest.entry(destination.clone()).or_default();
                    *highest = (*most).max(*highest);
                }
                let stays = matches!(to, Outcome::PartlyStored(_));
                let sets = if stays { &mut self.in_part } else { &mut self.left };
                let set = sets.entry(destination).or_default();
                seqs.into_iter().for_each(|seq| set.insert(seq));
            }
        }
    }

    /// The next message in quarantine, oldest first, and the segment it stands in.
    pub fn next(&mut self, disk: &dyn Disk) -> io::Result<Option<(u64, Held)>> {
        loop {
            match self.next_item(disk)? {
                None => return Ok(None),
                Some((number, Item::Held(held))) => return Ok(Some((number, held))),
                Some(_) => {}
            }
        }
    }

    /// Bytes read so far, and bytes there are to be read.
    pub fn progress(&self) -> (u64, u64) {
        let here = self.walk.as_ref().map_or(0, Walk::position);
        (self.done.saturating_add(here).min(self.total), self.total)
    }

    pub(super) const fn highest(&self) -> &BTreeMap<String, u64> {
        &self.highest
    }

    /// Numbers and sizes of the segments.
    pub(super) fn segments(&self) -> impl Iterator<Item = (u64, u64)> {
        self.segments.iter().map(|segment| (segment.number, segment.size))
    }

    /// The next item that is not void: a message that is still held, or a group that has moved.
    pub(super) fn next_item(&mut self, disk: &dyn Disk) -> io::Result<Option<(u64, Item)>> {
        loop {
            let (index, frame) = self.at;
            let Some(segment) = self.segments.get(index) else { return Ok(None) };
            if self.walk.is_none() && frame == 0 {
                self.walk = open(&segment.path, disk)?.map(|(_, walk)| walk);
            }
            let step = match &mut self.walk {
                Some(walk) if frame < segment.frames => readable(walk.next(), &segment.path)?,
                // Done, or removed by the quota meanwhile.
                _ => Step::End { torn: 0, whole: 0 },
            };
            let number = segment.number;
            match step {
                Step::Record(item) => {
                    self.at = (index, frame + 1);
                    if let Some(item) = self.sift(item) {
                        return Ok(Some((number, item)));
                    }
                }
                Step::Damage { .. } => {}
                Step::End { .. } => {
                    self.done = self.done.saturating_add(segment.size);
                    (self.at, self.walk) = ((index + 1, 0), None);
                }
            }
        }
    }

    /// Takes away what is void or has left.
    fn sift(&self, item: Item) -> Option<Item> {
        let has = |sets: &BTreeMap<String, Seqs>, destination: &str, seq| {
            sets.get(destination).is_some_and(|seqs| seqs.contains(seq))
        };
        match item {
            Item::Held(mut held) => {
                let (destination, seq) = (&held.destination, held.record.seq);
                if has(&self.left, destination, seq) || self.is_void(destination, seq) {
                    return None;
                }
                held.partly |= has(&self.in_part, destination, seq);
                Some(Item::Held(held))
            }
            Item::Moved(mut group) => {
                let seqs = std::mem::take(&mut group.seqs);
                group.seqs = seqs.into_iter().filter(|seq| !self.is_void(&group.destination, *seq)).collect();
                Some(Item::Moved(group))
            }
            Item::Void { .. } => None,
        }
    }

    fn is_void(&self, destination: &str, seq: u64) -> bool {
        self.voids
            .iter()
            .any(|void| void.place > self.at && void.from <= seq && void.destination == destination)
    }
}

/// Whether a file is another program's, or a later version's.
pub(super) fn is_foreign(path: &Path, disk: &dyn Disk) -> io::Result<bool> {
    Ok(open(path, disk)?.is_some_and(|(kind, _)| matches!(kind, Kind::Foreign | Kind::Newer)))
}

/// What the disk does not give back ends its segment; `verify` tells it, too.
fn readable(step: io::Result<Step<Item>>, path: &Path) -> io::Result<Step<Item>> {
    match step {
        Err(error) if disk::is_damage(&error) => {
            tracing::error!(path = %path.display(), %error, "a part of the quarantine cannot be read");
            Ok(Step::End { torn: 0, whole: 0 })
        }
        step => step,
    }
}

/// Nothing where the quota has just removed it, or the disk does not give it back.
fn open(path: &Path, disk: &dyn Disk) -> io::Result<Option<(Kind, Walk<Item>)>> {
    match Walk::open(path, frame::MAGIC, Numbers::Any, frame::read, disk) {
        Ok(opened) => Ok(Some(opened)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if disk::is_damage(&error) => {
            tracing::error!(path = %path.display(), %error, "a part of the quarantine cannot be read");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
