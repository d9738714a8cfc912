//! A disk in memory that fails by a seed and remembers every operation, so that crashes can be made from them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use fastrand::Rng;

use crate::journal::disk::{Append, Disk, ReadAt, Space};

/// What was done to the disk. A file is a number: it keeps it whatever it is called.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Create {
        path: PathBuf,
        file: usize,
    },
    Write {
        file: usize,
        bytes: Vec<u8>,
    },
    Synced {
        file: usize,
    },
    /// A sync that failed: a later one that works says nothing about what was written before.
    SyncFailed {
        file: usize,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
        file: usize,
    },
    Remove {
        path: PathBuf,
        file: usize,
    },
    /// A directory, of whose files nothing is left where its own name is not.
    MakeDir {
        dir: PathBuf,
    },
    DirSynced {
        dir: PathBuf,
    },
}

#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryDisk(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    files: Vec<Vec<u8>>,
    names: BTreeMap<PathBuf, usize>,
    dirs: BTreeSet<PathBuf>,
    log: Vec<Operation>,
    /// How often something fails, and what decides it.
    faults: Option<(f64, Rng)>,
    refuses: Option<io::ErrorKind>,
    capacity: Option<u64>,
    refuses_renames: bool,
    /// Files that cannot be opened, with the system's error.
    broken: BTreeMap<PathBuf, i32>,
}

impl MemoryDisk {
    /// With these files, each durable.
    pub(crate) fn holding(files: BTreeMap<PathBuf, Vec<u8>>) -> Self {
        let mut inner = Inner::default();
        for (path, bytes) in files {
            inner.dirs.extend(path.parent().map(Path::to_owned));
            inner.names.insert(path, inner.files.len());
            inner.files.push(bytes);
        }
        Self(Arc::new(Mutex::new(inner)))
    }

    /// From here on every changing operation fails with this chance.
    pub(crate) fn fail(&self, chance: f64, seed: u64) {
        self.inner().faults = (chance > 0.0).then(|| (chance, Rng::with_seed(seed)));
    }

    /// From here on every changing operation is refused so, or works again.
    pub(crate) fn refuse(&self, kind: Option<io::ErrorKind>) {
        self.inner().refuses = kind;
    }

    /// From here on no file is renamed, as on a file system without a block for a directory's entry.
    pub(crate) fn refuse_renames(&self, refuse: bool) {
        self.inner().refuses_renames = refuse;
    }

    /// It holds so many bytes in all.
    pub(crate) fn limit(&self, bytes: u64) {
        self.inner().capacity = Some(bytes);
    }

    /// It cannot be opened any more, by whatever name, and this error says why.
    pub(crate) fn break_file(&self, path: &Path, error: i32) {
        self.inner().broken.insert(path.to_owned(), error);
    }

    pub(crate) fn log(&self) -> Vec<Operation> {
        self.inner().log.clone()
    }

    pub(crate) fn logged(&self) -> usize {
        self.inner().log.len()
    }

    /// Every file by its name.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let inner = self.inner();
        inner.names.iter().map(|(path, file)| (path.clone(), inner.files[*file].clone())).collect()
    }

    pub(crate) fn put(&self, path: &Path, bytes: Vec<u8>) {
        let mut inner = self.inner();
        let file = inner.files.len();
        inner.files.push(bytes);
        inner.names.insert(path.to_owned(), file);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }
}

impl Inner {
    fn used(&self) -> u64 {
        self.names.values().map(|file| size(&self.files[*file])).sum()
    }

    fn may_fail(&mut self) -> io::Result<()> {
        if let Some(kind) = self.refuses {
            return Err(kind.into());
        }
        let fails = self.faults.as_mut().is_some_and(|(chance, rng)| rng.f64() < *chance);
        if fails { Err(io::Error::other("a fault by the seed")) } else { Ok(()) }
    }

    fn may_open(&self, path: &Path) -> io::Result<()> {
        self.broken.get(path).map_or(Ok(()), |error| Err(io::Error::from_raw_os_error(*error)))
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn write(&mut self, file: usize, bytes: &[u8]) {
        self.files[file].extend_from_slice(bytes);
        self.log.push(Operation::Write { file, bytes: bytes.to_vec() });
    }

    fn sync(&mut self, file: usize) -> io::Result<()> {
        if let Err(error) = self.may_fail() {
            self.log.push(Operation::SyncFailed { file });
            return Err(error);
        }
        self.log.push(Operation::Synced { file });
        Ok(())
    }
}

impl Disk for MemoryDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Append>> {
        let mut inner = self.inner();
        inner.may_fail()?;
        if inner.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = inner.files.len();
        inner.files.push(Vec::new());
        inner.names.insert(path.to_owned(), file);
        inner.log.push(Operation::Create { path: path.to_owned(), file });
        Ok(Box::new(MemoryFile { disk: self.clone(), file }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadAt>> {
        let inner = self.inner();
        let file = inner.find(path)?;
        inner.may_open(path)?;
        Ok(Box::new(MemoryFile { disk: self.clone(), file }))
    }

    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        if !inner.dirs.contains(dir) {
            inner.may_fail()?;
            inner.dirs.insert(dir.to_owned());
            inner.log.push(Operation::MakeDir { dir: dir.to_owned() });
        }
        Ok(())
    }

    fn size(&self, path: &Path) -> io::Result<u64> {
        let inner = self.inner();
        Ok(size(&inner.files[inner.find(path)?]))
    }

    fn modified(&self, _path: &Path) -> io::Result<SystemTime> {
        Ok(SystemTime::now())
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        let file = inner.find(path)?;
        inner.may_open(path)?;
        inner.sync(file)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(self.inner().names.keys().filter(|path| path.parent() == Some(dir)).cloned().collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.may_fail()?;
        let file = inner.find(from)?;
        if inner.refuses_renames {
            return Err(io::ErrorKind::StorageFull.into());
        }
        inner.names.remove(from);
        // What is wrong with a file goes with it.
        let broken = inner.broken.remove(from);
        inner.broken.remove(to);
        inner.broken.extend(broken.map(|error| (to.to_owned(), error)));
        inner.names.insert(to.to_owned(), file);
        inner.log.push(Operation::Rename { from: from.to_owned(), to: to.to_owned(), file });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        let file = inner.find(path)?;
        inner.may_fail()?;
        inner.names.remove(path);
        inner.log.push(Operation::Remove { path: path.to_owned(), file });
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.may_fail()?;
        inner.log.push(Operation::DirSynced { dir: dir.to_owned() });
        Ok(())
    }

    fn space(&self, _dir: &Path) -> io::Result<Space> {
        let inner = self.inner();
        let total = inner.capacity.unwrap_or(1 << 40);
        Ok(Space { free: total.saturating_sub(inner.used()), total })
    }
}

fn size(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap()
}

#[derive(Debug)]
struct MemoryFile {
    disk: MemoryDisk,
    file: usize,
}

impl Append for MemoryFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.disk.inner();
        let room = inner.capacity.map_or(u64::MAX, |most| most.saturating_sub(inner.used()));
        let room = usize::try_from(room).unwrap();
        if let Err(error) = inner.may_fail() {
            // A failing disk may well have taken a part of it.
            inner.write(self.file, &bytes[..(bytes.len() / 2).min(room)]);
            return Err(error);
        }
        if bytes.len() > room {
            inner.write(self.file, &bytes[..room]);
            return Err(io::ErrorKind::StorageFull.into());
        }
        inner.write(self.file, bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.inner().sync(self.file)
    }
}

impl ReadAt for MemoryFile {
    fn size(&self) -> io::Result<u64> {
        Ok(size(&self.disk.inner().files[self.file]))
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let inner = self.disk.inner();
        let from = usize::try_from(offset).unwrap();
        let found = inner.files[self.file].get(from..from + bytes.len());
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}
