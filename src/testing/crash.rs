//! What a power cut can leave of a disk: what was synced stays, of the rest any part.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use fastrand::Rng;

use super::memory_disk::{MemoryDisk, Operation};

/// A disk writes in sectors; it may tear a write at a smaller step than that.
const STEP: usize = 64;

/// The moment of a power cut: what is durable, and what is not yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Crash {
    files: Vec<Vec<Piece>>,
    names: BTreeMap<PathBuf, usize>,
    /// Creates, renames, removals and new directories that no sync of their directory has followed.
    moves: Vec<Operation>,
}

/// One write to a file.
#[derive(Debug, Clone)]
struct Piece {
    bytes: Vec<u8>,
    durable: bool,
    /// Its sync failed: no later one makes it durable.
    doomed: bool,
}

/// What becomes of one thing that is not durable.
#[derive(Debug, Clone, Copy)]
enum Doubt {
    /// The place of a piece: torn at any step, or its length without its bytes.
    Piece {
        file: usize,
        piece: usize,
        choices: u64,
    },
    Move(usize),
}

impl Crash {
    /// A disk on which all is durable.
    pub(crate) fn of(disk: &MemoryDisk) -> Self {
        let mut crash = Self::default();
        for (path, bytes) in disk.files() {
            crash.names.insert(path, crash.files.len());
            crash.files.push(vec![Piece { bytes, durable: true, doomed: false }]);
        }
        crash
    }

    /// One more operation was done.
    pub(crate) fn after(&mut self, operation: &Operation) {
        match operation {
            Operation::Create { file, .. } => {
                self.files.resize((*file + 1).max(self.files.len()), Vec::new());
                self.moves.push(operation.clone());
            }
            Operation::Rename { .. } | Operation::Remove { .. } | Operation::MakeDir { .. } => {
                self.moves.push(operation.clone())
            }
            Operation::Write { file, bytes } => {
                self.files[*file].push(Piece { bytes: bytes.clone(), durable: false, doomed: false });
            }
            Operation::Synced { file } => {
                self.files[*file]
                    .iter_mut()
                    .filter(|piece| !piece.doomed)
                    .for_each(|piece| piece.durable = true);
            }
            Operation::SyncFailed { file } => {
                self.files[*file]
                    .iter_mut()
                    .filter(|piece| !piece.durable)
                    .for_each(|piece| piece.doomed = true);
            }
            Operation::DirSynced { dir } => {
                let in_dir = |operation: &Operation| match operation {
                    Operation::Create { path, .. } | Operation::Remove { path, .. } => {
                        path.parent() == Some(dir)
                    }
                    Operation::Rename { to, .. } => to.parent() == Some(dir),
                    Operation::MakeDir { dir: made } => made.parent() == Some(dir),
                    _ => false,
                };
                for done in self.moves.extract_if(.., |operation| in_dir(operation)) {
                    apply(&done, &mut self.names);
                }
            }
        }
    }

    /// Images of what can be left: all there can be, or where they are more than `most` a sample of so many.
    pub(crate) fn images(&self, most: u64, rng: &mut Rng) -> Vec<MemoryDisk> {
        let doubts = self.doubts();
        let all = doubts.iter().fold(1_u64, |all, doubt| all.saturating_mul(doubt.choices()));
        if all <= most {
            return (0..all).map(|number| self.image(&doubts, &digits(number, &doubts))).collect();
        }
        (0..most).map(|_| self.sample(&doubts, rng)).collect()
    }

    /// One image by chance.
    pub(crate) fn any(&self, rng: &mut Rng) -> MemoryDisk {
        self.sample(&self.doubts(), rng)
    }

    fn sample(&self, doubts: &[Doubt], rng: &mut Rng) -> MemoryDisk {
        let chosen: Vec<_> = doubts.iter().map(|doubt| rng.u64(..doubt.choices())).collect();
        self.image(doubts, &chosen)
    }

    fn doubts(&self) -> Vec<Doubt> {
        let named: BTreeSet<usize> = self
            .names
            .values()
            .copied()
            .chain(self.moves.iter().filter_map(|operation| match operation {
                Operation::Create { file, .. } | Operation::Rename { file, .. } => Some(*file),
                _ => None,
            }))
            .collect();
        let mut doubts: Vec<_> = (0..self.moves.len()).map(Doubt::Move).collect();
        for file in named {
            for (piece, held) in self.files[file].iter().enumerate().filter(|(_, held)| !held.durable) {
                let choices = u64::try_from(held.bytes.len().div_ceil(STEP)).unwrap() + 2;
                doubts.push(Doubt::Piece { file, piece, choices });
            }
        }
        doubts
    }

    fn image(&self, doubts: &[Doubt], chosen: &[u64]) -> MemoryDisk {
        let (mut names, mut missing) = (self.names.clone(), Vec::new());
        let mut kept: BTreeMap<(usize, usize), Vec<u8>> = BTreeMap::new();
        for (doubt, choice) in doubts.iter().zip(chosen) {
            match *doubt {
                Doubt::Move(at) if *choice == 1 => apply(&self.moves[at], &mut names),
                Doubt::Move(at) => {
                    if let Operation::MakeDir { dir } = &self.moves[at] {
                        missing.push(dir);
                    }
                }
                Doubt::Piece { file, piece, choices } => {
                    let bytes = &self.files[file][piece].bytes;
                    let left = if *choice + 1 == choices {
                        vec![0; bytes.len()]
                    } else {
                        bytes[..(usize::try_from(*choice).unwrap() * STEP).min(bytes.len())].to_vec()
                    };
                    kept.insert((file, piece), left);
                }
            }
        }
        names.retain(|path, _| !missing.iter().any(|dir| path.starts_with(dir)));
        let content = |file: usize| {
            let (mut content, mut length) = (Vec::new(), 0);
            for (piece, held) in self.files[file].iter().enumerate() {
                let bytes = if held.durable { &held.bytes } else { &kept[&(file, piece)] };
                if !bytes.is_empty() {
                    // What was lost before it reads as zeros.
                    content.resize(length, 0);
                    content.extend_from_slice(bytes);
                }
                length += held.bytes.len();
            }
            content
        };
        MemoryDisk::holding(names.into_iter().map(|(path, file)| (path, content(file))).collect())
    }
}

impl Doubt {
    fn choices(&self) -> u64 {
        match self {
            Self::Piece { choices, .. } => *choices,
            Self::Move(_) => 2,
        }
    }
}

fn digits(mut number: u64, doubts: &[Doubt]) -> Vec<u64> {
    let mut digits = Vec::with_capacity(doubts.len());
    for doubt in doubts {
        digits.push(number % doubt.choices());
        number /= doubt.choices();
    }
    digits
}

fn apply(operation: &Operation, names: &mut BTreeMap<PathBuf, usize>) {
    match operation {
        Operation::Create { path, file } => {
            names.insert(path.clone(), *file);
        }
        Operation::Rename { from, to, file } => {
            if names.get(from) == Some(file) {
                names.remove(from);
            }
            names.insert(to.clone(), *file);
        }
        Operation::Remove { path, file } if names.get(path) == Some(file) => {
            names.remove(path);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::journal::disk::Disk as _;

    fn contents(crash: &Crash) -> BTreeSet<Option<Vec<u8>>> {
        let images = crash.images(1000, &mut Rng::with_seed(1));
        images.iter().map(|image| image.files().remove(Path::new("/d/a"))).collect()
    }

    #[test]
    fn what_is_synced_stays_and_of_the_rest_every_part_can_be_left() {
        let disk = MemoryDisk::default();
        let mut file = disk.create(Path::new("/d/a")).unwrap();
        file.append(b"1").unwrap();
        let after = |disk: &MemoryDisk| {
            let mut crash = Crash::default();
            disk.log().iter().for_each(|operation| crash.after(operation));
            crash
        };
        let some = |bytes: &[u8]| Some(bytes.to_vec());
        assert_eq!(contents(&after(&disk)), [None, some(b""), some(b"\0"), some(b"1")].into());
        file.sync().unwrap();
        assert_eq!(contents(&after(&disk)), [None, some(b"1")].into());
        disk.sync_dir(Path::new("/d")).unwrap();
        assert_eq!(contents(&after(&disk)), [some(b"1")].into());
        disk.fail(1.0, 1);
        assert!(file.sync().is_err());
        disk.fail(0.0, 1);
        file.append(b"2").unwrap();
        assert_eq!(contents(&after(&disk)), [some(b"1"), some(b"1\0"), some(b"12")].into());
        disk.rename(Path::new("/d/a"), Path::new("/d/b")).unwrap();
        assert!(contents(&after(&disk)).contains(&None));
        // A file is there where all the directories above it are.
        disk.make_dir(Path::new("/d/e")).unwrap();
        disk.create(Path::new("/d/e/f")).unwrap();
        disk.sync_dir(Path::new("/d/e")).unwrap();
        let there = |disk: &MemoryDisk| {
            let images = after(disk).images(1000, &mut Rng::with_seed(1));
            images
                .iter()
                .map(|image| image.files().contains_key(Path::new("/d/e/f")))
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(there(&disk), [false, true].into());
        disk.sync_dir(Path::new("/d")).unwrap();
        assert_eq!(there(&disk), [true].into());
        // A sync that works after one that failed says nothing of what was written before.
        let mut other = disk.create(Path::new("/d/c")).unwrap();
        other.append(b"3").unwrap();
        disk.fail(1.0, 1);
        assert!(other.sync().is_err());
        disk.fail(0.0, 1);
        other.sync().unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
        let images = after(&disk).images(1000, &mut Rng::with_seed(1));
        assert!(images.iter().any(|image| image.files()[Path::new("/d/c")].is_empty()));
    }
}
