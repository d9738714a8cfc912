//! The one door to the disk: everything storage does with files goes through here, so that tests can break it.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// What storage asks of a disk.
pub trait Disk: Debug + Send + Sync {
    /// Makes a new file for appending; fails where it exists.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Append>>;
    /// Opens a file for reading at any offset.
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadAt>> {
        Ok(Box::new(File::open(path)?))
    }
    /// Makes a directory, and those above it, where they are missing.
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)
    }
    /// Its size as the directory knows it, also where the file itself cannot be read.
    fn size(&self, path: &Path) -> io::Result<u64> {
        Ok(std::fs::metadata(path)?.len())
    }
    /// When a file was last written.
    fn modified(&self, path: &Path) -> io::Result<SystemTime> {
        std::fs::metadata(path)?.modified()
    }
    /// Makes durable whatever a file holds, also what an earlier process wrote and never synced.
    fn sync(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
    /// Names of the files in a directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            paths.push(entry?.path());
        }
        paths.sort();
        Ok(paths)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }
    /// Makes creates, renames and removals in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
    /// Bytes that may still be written, and the size of the whole file system.
    fn space(&self, dir: &Path) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(Space {
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
        })
    }
}

/// Makes a directory where it is missing; when it returns, its name is durable: also one that a process which died
/// had made and not synced.
pub(crate) fn make_dir(dir: &Path, disk: &dyn Disk) -> io::Result<()> {
    disk.make_dir(dir)?;
    dir.parent().map_or(Ok(()), |parent| disk.sync_dir(parent))
}

/// Reads a whole small file; a larger one than `most` bytes cannot be ours and is refused unread.
pub(crate) fn read(path: &Path, most: u64, disk: &dyn Disk) -> io::Result<Vec<u8>> {
    let file = disk.open(path)?;
    let size = file.size()?;
    if size > most {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{size} bytes are more than it can have"),
        ));
    }
    let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
    file.read_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Whether it says that the medium has lost something. Anything else, such as too many open files or a right that was
/// taken away, may work again later and must not be taken for a loss.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let medium = [Errno::IO, Errno::BADMSG, Errno::UCLEAN].map(Errno::raw_os_error);
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof)
        || error.raw_os_error().is_some_and(|code| medium.contains(&code))
}

/// A file that is read at any offset.
pub trait ReadAt: Debug + Send + Sync {
    fn size(&self) -> io::Result<u64>;
    /// Fills all of `bytes` from there on.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(bytes, offset)
    }
}

/// A file that only grows.
pub trait Append: Debug + Send {
    /// Writes all of it at the end.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns when everything appended is on the disk itself.
    fn sync(&mut self) -> io::Result<()>;
}

/// A few bytes that are overwritten in place and never synced: the next process reads them, whatever ends this one.
#[derive(Debug)]
pub struct Note(File);

impl Note {
    pub fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new().write(true).open(path).map(Self)
    }

    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, 0)
    }
}

/// The beginning of a file that should be small.
pub fn read_at_most(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The room of a file system in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    pub free: u64,
    pub total: u64,
}

/// The disk of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

#[derive(Debug)]
struct RealFile {
    file: File,
    at: u64,
}

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Append>> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        Ok(Box::new(RealFile { file, at: 0 }))
    }
}

impl Append for RealFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.at)?;
        self.at = self.at.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// A disk for tests that fails, fills up or takes its time on command.
#[derive(Debug, Clone, Default)]
pub struct TestDisk(Arc<Faults>);

#[derive(Debug, Default)]
struct Faults {
    writes_fail: AtomicBool,
    syncs_fail: AtomicBool,
    full: AtomicBool,
    sync_micros: AtomicU64,
    syncs: AtomicU64,
}

impl TestDisk {
    pub fn fail_writes(&self, fail: bool) {
        self.0.writes_fail.store(fail, Ordering::SeqCst);
    }

    pub fn fail_syncs(&self, fail: bool) {
        self.0.syncs_fail.store(fail, Ordering::SeqCst);
    }

    /// A full disk reports no free space; writes fail too.
    pub fn fill(&self, full: bool) {
        self.0.full.store(full, Ordering::SeqCst);
        self.fail_writes(full);
    }

    /// Each sync of a file takes this long, as on an SD card.
    pub fn slow_syncs(&self, each: Duration) {
        self.0.sync_micros.store(u64::try_from(each.as_micros()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// How many syncs of files there were.
    pub fn syncs(&self) -> u64 {
        self.0.syncs.load(Ordering::SeqCst)
    }
}

impl Disk for TestDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Append>> {
        if self.0.full.load(Ordering::SeqCst) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(Box::new(TestFile { file: RealDisk.create(path)?, faults: Arc::clone(&self.0) }))
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        let space = RealDisk.space(dir)?;
        let full = self.0.full.load(Ordering::SeqCst);
        Ok(if full { Space { free: 0, ..space } } else { space })
    }
}

#[derive(Debug)]
struct TestFile {
    file: Box<dyn Append>,
    faults: Arc<Faults>,
}

impl Append for TestFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.faults.writes_fail.load(Ordering::SeqCst) {
            // A failing disk may well have taken a part of it.
            let part = bytes.get(..bytes.len() / 2).unwrap_or_default();
            self.file.append(part)?;
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.file.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.faults.syncs.fetch_add(1, Ordering::SeqCst);
        let micros = self.faults.sync_micros.load(Ordering::SeqCst);
        if micros > 0 {
            std::thread::sleep(Duration::from_micros(micros));
        }
        if self.faults.syncs_fail.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk failed to sync"));
        }
        self.file.sync()
    }
}
