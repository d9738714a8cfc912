//! The roster: each source's number in the journal and the filters its broker holds for us, kept in the data directory.
//!
//! A broker's session outlives our configuration: what is no longer wanted must be unsubscribed by name. And a
//! record names its source by number, so a number stays its source's whatever stands beside it in the list.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::journal::cursor;
use crate::journal::disk::{self, Disk};
use crate::message::EMBEDDED_SOURCE;

const FILE: &str = "sources.json";
/// A larger file is no list of sources.
const LARGEST: u64 = 64 * 1024 * 1024;

type Entries = BTreeMap<String, Entry>;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Entry {
    number: u16,
    filters: BTreeSet<String>,
    /// The serial of the last session that the broker began for us.
    session: u32,
}

/// Shared by all sources; cheap to clone.
#[derive(Debug, Clone)]
pub struct Roster {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    entries: Arc<Mutex<Entries>>,
}

/// The line of one source.
#[derive(Debug, Clone)]
pub struct Line {
    roster: Roster,
    name: String,
    pub number: u16,
}

impl Roster {
    /// Reads the file; a damaged one is said and counts as none, since all that it knows can be told anew.
    pub fn open(dir: &Path, disk: Arc<dyn Disk>) -> io::Result<Self> {
        let path = dir.join(FILE);
        let anew = |error: &dyn std::fmt::Display| {
            tracing::error!(path = %path.display(), %error, "the list of sources is damaged; beginning it anew");
            Entries::new()
        };
        let entries = match disk::read(&path, LARGEST, disk.as_ref()) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| anew(&error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Entries::new(),
            Err(error) if error.kind() == io::ErrorKind::InvalidData || disk::is_damage(&error) => {
                anew(&error)
            }
            Err(error) => return Err(error),
        };
        Ok(Self { dir: dir.to_owned(), disk, entries: Arc::new(Mutex::new(entries)) })
    }

    /// The line of the source of this name, with the number it had or the lowest free one.
    pub fn line(&self, name: &str) -> Line {
        let mut entries = self.lock();
        let number = entries.get(name).map(|entry| entry.number).unwrap_or_else(|| {
            let taken: BTreeSet<_> = entries.values().map(|entry| entry.number).collect();
            (0..EMBEDDED_SOURCE).find(|number| !taken.contains(number)).unwrap_or_default()
        });
        entries.entry(name.to_owned()).or_default().number = number;
        Line { roster: self.clone(), name: name.to_owned(), number }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save(&self) -> io::Result<()> {
        let entries = self.lock();
        let text = serde_json::to_vec_pretty(&*entries).map_err(io::Error::other)?;
        cursor::replace(&self.dir, FILE, "sources.json.new", None, &text, self.disk.as_ref())
    }
}

impl Line {
    /// What the broker may hold for us beside `wanted`. From now on both are on record.
    pub(super) fn begin(&self, wanted: &[String]) -> io::Result<Vec<String>> {
        let mut stale = Vec::new();
        if let Some(entry) = self.roster.lock().get_mut(&self.name) {
            stale.extend(entry.filters.iter().filter(|filter| !wanted.contains(*filter)).cloned());
            entry.filters.extend(wanted.iter().cloned());
        }
        self.roster.save()?;
        Ok(stale)
    }

    /// The serial of the last session on record; 0 before the first.
    pub(super) fn session(&self) -> u32 {
        self.roster.lock().get(&self.name).map_or(0, |entry| entry.session)
    }

    /// Puts a new session on record. Writes a file.
    pub(super) fn begin_session(&self, serial: u32) -> io::Result<()> {
        if let Some(entry) = self.roster.lock().get_mut(&self.name) {
            entry.session = serial;
        }
        self.roster.save()
    }

    /// The broker holds exactly these now. Writes a file: not for a task that others wait for.
    pub(super) fn settle(&self, wanted: &[String]) -> io::Result<()> {
        if let Some(entry) = self.roster.lock().get_mut(&self.name) {
            entry.filters = wanted.iter().cloned().collect();
        }
        self.roster.save()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::disk::RealDisk;
    use crate::testing::memory_disk::MemoryDisk;

    fn filters(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_number_stays_and_what_may_be_subscribed_is_never_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Roster::open(dir.path(), Arc::new(RealDisk)).unwrap();
        let roster = open();
        assert_eq!((roster.line("north").number, roster.line("south").number), (0, 1));
        assert!(roster.line("south").begin(&filters(&["a/#"])).unwrap().is_empty());
        // Killed before the broker answered: both sets may be subscribed.
        assert_eq!(open().line("south").begin(&filters(&["b"])).unwrap(), ["a/#"]);
        assert_eq!(open().line("south").begin(&filters(&["c"])).unwrap(), ["a/#", "b"]);
        let roster = open();
        roster.line("south").settle(&filters(&["c"])).unwrap();
        assert!(open().line("south").begin(&filters(&["c"])).unwrap().is_empty());
        assert_eq!(open().line("south").number, 1);
        assert_eq!(open().line("east").number, 2);
        // A list that knows of no sessions.
        std::fs::write(dir.path().join(FILE), r#"{"south": {"number": 1, "filters": ["c"]}}"#).unwrap();
        let south = open().line("south");
        assert_eq!(south.session(), 0);
        south.begin_session(7).unwrap();
        let south = open().line("south");
        assert_eq!((south.session(), open().line("north").session()), (7, 0));
        south.begin(&filters(&["d"])).unwrap();
        assert_eq!(open().line("south").session(), 7);
        std::fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(open().line("south").begin(&filters(&["c"])).unwrap().is_empty());
    }

    #[test]
    fn a_list_that_the_disk_does_not_give_back_is_begun_anew_and_one_that_may_come_back_is_not() {
        let (bad_sector, too_many_files) = (5, 24);
        let (dir, disk) = (Path::new("/data"), MemoryDisk::default());
        let open = || Roster::open(dir, Arc::new(disk.clone()));
        assert!(open().unwrap().line("north").begin(&filters(&["a/#"])).unwrap().is_empty());
        disk.break_file(&dir.join(FILE), too_many_files);
        assert_eq!(open().unwrap_err().raw_os_error(), Some(too_many_files));
        disk.break_file(&dir.join(FILE), bad_sector);
        assert!(open().unwrap().line("north").begin(&filters(&["b"])).unwrap().is_empty());
        assert_eq!(open().unwrap().line("north").begin(&filters(&["c"])).unwrap(), ["b"]);
    }
}
