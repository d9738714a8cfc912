//! The cursor: for each destination up to where all is settled, and what became of it. One file, replaced whole.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::disk::{self, Disk, RealDisk};
use super::verify::{Finding, What};
use crate::outcome::Outcomes;

const NAME: &str = "cursor";
const PREVIOUS: &str = "cursor.prev";
const FRESH: &str = "cursor.new";
const MARK: &str = "nadikota-cursor 1";
/// A larger file is no cursor.
const LARGEST: u64 = 64 * 1024 * 1024;

/// What the cursor file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    pub destinations: BTreeMap<String, Progress>,
    /// Records below it have a PUBACK that is known to have arrived, whatever source they came from.
    pub known_floor: u64,
    /// The same for each source by its number, which is often further; also for those that are switched off.
    #[serde(default)]
    pub floors: BTreeMap<u16, u64>,
    /// Which topics went to which destination when this was written, in the order of the routes.
    #[serde(default)]
    pub routing: Vec<(String, String)>,
    /// What destinations had settled that are not configured any more.
    #[serde(default)]
    pub retired: BTreeMap<String, Outcomes>,
}

/// How far one destination is. `outcomes.total()` equals `position - 1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The next sequence number to settle.
    pub position: u64,
    pub outcomes: Outcomes,
}

impl Default for Progress {
    fn default() -> Self {
        Self { position: 1, outcomes: Outcomes::default() }
    }
}

impl Cursor {
    /// The lowest position: nothing below it is needed by a destination.
    pub fn lowest(&self) -> u64 {
        self.destinations.values().map(|progress| progress.position).min().unwrap_or(1)
    }

    /// Below it every record of this source has a PUBACK that is known to have arrived.
    pub fn floor(&self, source: u16) -> u64 {
        self.floors.get(&source).copied().unwrap_or(self.known_floor)
    }

    /// How far each source that runs is. One that is switched off keeps its own: what it acknowledged may come again
    /// when it is back.
    pub fn sources_reached(&mut self, floors: impl IntoIterator<Item = (u16, u64)>) {
        self.floors.extend(floors);
        self.known_floor = self.floors.values().copied().min().unwrap_or(self.known_floor);
    }

    /// The highest position: the journal had given out all numbers below it.
    pub fn highest(&self) -> u64 {
        self.destinations.values().map(|progress| progress.position).max().unwrap_or(1)
    }
}

/// Why the cursor could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CursorError {
    #[error("{}: {cause}", path.display())]
    Disk { path: PathBuf, cause: io::Error },
    #[error("{}: neither it nor the one before it can be read; the next start sets both aside and settles again what is kept", path.display())]
    Damaged { path: PathBuf },
}

/// Reads the cursor, or the one before it where it is damaged: then some points are written again. Never forward.
pub fn load(dir: &Path) -> Result<Option<Cursor>, CursorError> {
    load_from(dir, &RealDisk)
}

/// What a start finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Nothing,
    Cursor(Cursor),
    /// Both files were damaged, and are set aside: all that is kept is settled again.
    Lost,
}

/// Reads it to work on from it: what was read is durable when this returns. A process that was killed while it
/// replaced the cursor may have left the new one in the kernel's memory only, and what is removed because of it
/// must not be missed by the old one after a power cut.
///
/// A damaged file is set aside: the next save would put it in the place of the sound one before it. Where the disk
/// does not let it be moved the start goes on, and what is damaged is found again.
pub fn open(dir: &Path, disk: &dyn Disk) -> Result<Found, CursorError> {
    let failed = |cause| CursorError::Disk { path: dir.join(NAME), cause };
    let read = read(dir, disk)?;
    if let Err(error) = set_aside(&read.damaged, dir, disk) {
        tracing::warn!(dir = %dir.display(), %error, "a damaged cursor cannot be set aside");
    }
    let found = match read.cursor {
        Some((name, cursor)) => {
            disk.sync(&dir.join(name)).map_err(failed)?;
            Found::Cursor(cursor)
        }
        None if read.damaged.is_empty() => Found::Nothing,
        None => {
            tracing::error!(
                "both cursors are damaged; all that the journal keeps is settled again, what became of the rest is \
                 unknown"
            );
            Found::Lost
        }
    };
    disk.sync_dir(dir).map_err(failed)?;
    Ok(found)
}

/// Moves files to where damage is told.
fn set_aside(names: &[&str], dir: &Path, disk: &dyn Disk) -> io::Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let aside = dir.join("journal").join(super::damage::DIR);
    disk::make_dir(&aside, disk)?;
    for name in names.iter().rev() {
        tracing::error!(name, aside = %aside.display(), "the cursor is damaged and set aside");
        disk.rename(&dir.join(name), &aside.join(name))?;
    }
    disk.sync_dir(&aside)
}

/// The same as [`load`] from any disk.
pub(crate) fn load_from(dir: &Path, disk: &dyn Disk) -> Result<Option<Cursor>, CursorError> {
    let read = read(dir, disk)?;
    match read.cursor {
        Some((_, cursor)) => Ok(Some(cursor)),
        None if read.damaged.is_empty() => Ok(None),
        None => Err(CursorError::Damaged { path: dir.join(NAME) }),
    }
}

/// The first of the two files that is sound, and those before it that are damaged.
struct Read {
    cursor: Option<(&'static str, Cursor)>,
    damaged: Vec<&'static str>,
}

fn read(dir: &Path, disk: &dyn Disk) -> Result<Read, CursorError> {
    let mut damaged = Vec::new();
    for name in [NAME, PREVIOUS] {
        let path = dir.join(name);
        match disk::read(&path, LARGEST, disk) {
            Ok(text) => match std::str::from_utf8(&text).ok().and_then(parse) {
                Some(cursor) => return Ok(Read { cursor: Some((name, cursor)), damaged }),
                None => tracing::error!(path = %path.display(), "the cursor is damaged"),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) if error.kind() == io::ErrorKind::InvalidData || disk::is_damage(&error) => {
                tracing::error!(path = %path.display(), %error, "the cursor is damaged");
            }
            Err(cause) => return Err(CursorError::Disk { path, cause }),
        }
        damaged.push(name);
    }
    Ok(Read { cursor: None, damaged })
}

/// What is wrong with the file, if anything is.
pub fn finding(dir: &Path, disk: &dyn Disk) -> Option<Finding> {
    let path = dir.join(NAME);
    let detail = match disk::read(&path, LARGEST, disk) {
        Ok(bytes) if std::str::from_utf8(&bytes).ok().and_then(parse).is_some() => return None,
        Ok(_) => "the one before it is used".to_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => error.to_string(),
    };
    Some(Finding { what: What::Cursor, path: Some(path), bytes: None, numbers: None, detail })
}

fn parse(text: &str) -> Option<Cursor> {
    let (head, body) = text.split_once('\n')?;
    let sum = head.strip_prefix(MARK)?.trim();
    let body = body.strip_suffix('\n')?;
    (u32::from_str_radix(sum, 16).ok()? == crc32fast::hash(body.as_bytes())).then_some(())?;
    serde_json::from_str(body).ok()
}

/// Replaces the cursor; when it returns, the new one is durable and the old one is kept beside it.
pub fn save(cursor: &Cursor, dir: &Path, disk: &dyn Disk) -> Result<(), CursorError> {
    let body = serde_json::to_string(cursor)
        .map_err(|error| CursorError::Disk { path: dir.join(NAME), cause: io::Error::other(error) })?;
    let text = format!("{MARK} {:08x}\n{body}\n", crc32fast::hash(body.as_bytes()));
    replace(dir, NAME, FRESH, Some(PREVIOUS), text.as_bytes(), disk)
        .map_err(|cause| CursorError::Disk { path: dir.join(NAME), cause })
}

/// Replaces the file `name` by `bytes` in one step that a crash cannot halve.
pub fn replace(
    dir: &Path,
    name: &str,
    fresh: &str,
    previous: Option<&str>,
    bytes: &[u8],
    disk: &dyn Disk,
) -> io::Result<()> {
    let (path, fresh) = (dir.join(name), dir.join(fresh));
    match disk.remove(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = disk.create(&fresh)?;
    file.append(bytes)?;
    file.sync()?;
    if let Some(previous) = previous {
        match disk.rename(&path, &dir.join(previous)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    disk.rename(&fresh, &path)?;
    disk.sync_dir(dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::disk::TestDisk;
    use crate::testing::memory_disk::MemoryDisk;

    fn cursor(position: u64) -> Cursor {
        let progress =
            Progress { position, outcomes: Outcomes { stored: position - 1, ..Outcomes::default() } };
        Cursor { destinations: [("main".to_owned(), progress)].into(), known_floor: 3, ..Cursor::default() }
    }

    #[test]
    fn a_cursor_is_read_back_and_the_newest_wins() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load(dir.path()).unwrap(), None);
        for position in 1..5 {
            save(&cursor(position), dir.path(), &RealDisk).unwrap();
            assert_eq!(load(dir.path()).unwrap(), Some(cursor(position)));
        }
    }

    #[test]
    fn a_damaged_cursor_falls_back_to_the_one_before_and_never_forward() {
        let dir = tempfile::tempdir().unwrap();
        save(&cursor(7), dir.path(), &RealDisk).unwrap();
        save(&cursor(9), dir.path(), &RealDisk).unwrap();
        let path = dir.path().join(NAME);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"position\":9", "\"position\":99")).unwrap();
        assert_eq!(load(dir.path()).unwrap(), Some(cursor(7)));
        std::fs::write(dir.path().join(PREVIOUS), "junk").unwrap();
        assert!(matches!(load(dir.path()), Err(CursorError::Damaged { .. })));
    }

    #[test]
    fn a_full_disk_leaves_the_old_cursor() {
        let dir = tempfile::tempdir().unwrap();
        let disk = TestDisk::default();
        save(&cursor(7), dir.path(), &disk).unwrap();
        disk.fill(true);
        assert!(save(&cursor(9), dir.path(), &disk).is_err());
        assert_eq!(load(dir.path()).unwrap(), Some(cursor(7)));
    }
    #[test]
    fn no_cut_and_no_flipped_byte_ever_leads_forward() {
        let dir = tempfile::tempdir().unwrap();
        save(&cursor(7), dir.path(), &RealDisk).unwrap();
        save(&cursor(9), dir.path(), &RealDisk).unwrap();
        let path = dir.path().join(NAME);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            std::fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(load(dir.path()).unwrap(), Some(cursor(7)), "cut at {at}");
            let mut harmed = whole.clone();
            harmed[at] ^= 0x04;
            std::fs::write(&path, harmed).unwrap();
            let found = load(dir.path()).unwrap();
            assert!(found == Some(cursor(7)) || found == Some(cursor(9)), "byte {at}: {found:?}");
        }
    }

    #[test]
    fn two_damaged_cursors_are_set_aside_and_no_start_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(open(dir.path(), &RealDisk).unwrap(), Found::Nothing);
        save(&cursor(7), dir.path(), &RealDisk).unwrap();
        assert_eq!(open(dir.path(), &RealDisk).unwrap(), Found::Cursor(cursor(7)));
        for name in [NAME, PREVIOUS] {
            std::fs::write(dir.path().join(name), [0xff, 0xfe]).unwrap();
        }
        assert_eq!(open(dir.path(), &RealDisk).unwrap(), Found::Lost);
        let aside = dir.path().join("journal/damaged");
        assert_eq!(std::fs::read(aside.join(NAME)).unwrap(), [0xff, 0xfe]);
        assert_eq!(load(dir.path()).unwrap(), None);
    }

    #[test]
    fn a_cursor_that_the_disk_does_not_give_back_is_like_a_damaged_one_and_never_takes_the_place_of_the_sound_one()
     {
        let (bad_sector, too_many_files) = (5, 24);
        let (dir, disk) = (Path::new("/data"), MemoryDisk::default());
        save(&cursor(7), dir, &disk).unwrap();
        save(&cursor(9), dir, &disk).unwrap();
        disk.break_file(&dir.join(NAME), bad_sector);
        assert_eq!(load_from(dir, &disk).unwrap(), Some(cursor(7)));
        assert_eq!(open(dir, &disk).unwrap(), Found::Cursor(cursor(7)));
        let aside = dir.join("journal/damaged").join(NAME);
        assert!(disk.files().contains_key(&aside) && !disk.files().contains_key(&dir.join(NAME)));
        save(&cursor(8), dir, &disk).unwrap();
        assert_eq!(open(dir, &disk).unwrap(), Found::Cursor(cursor(8)));
        let previous = disk.files().remove(&dir.join(PREVIOUS)).unwrap();
        assert_eq!(std::str::from_utf8(&previous).ok().and_then(parse), Some(cursor(7)));
        for name in [NAME, PREVIOUS] {
            disk.break_file(&dir.join(name), bad_sector);
        }
        assert_eq!(open(dir, &disk).unwrap(), Found::Lost);
        // What may work again later is no damage.
        let disk = MemoryDisk::default();
        save(&cursor(7), dir, &disk).unwrap();
        disk.break_file(&dir.join(NAME), too_many_files);
        assert!(matches!(open(dir, &disk), Err(CursorError::Disk { .. })));
    }

    #[test]
    fn a_damaged_cursor_that_cannot_be_set_aside_is_no_reason_not_to_start() {
        let (dir, disk) = (Path::new("/data"), MemoryDisk::default());
        save(&cursor(7), dir, &disk).unwrap();
        save(&cursor(9), dir, &disk).unwrap();
        disk.put(&dir.join(NAME), b"junk".to_vec());
        disk.refuse_renames(true);
        assert_eq!(open(dir, &disk).unwrap(), Found::Cursor(cursor(7)));
    }

    #[test]
    fn a_source_that_is_away_or_switched_off_keeps_its_floor_and_holds_no_other_back() {
        let mut cursor = cursor(9);
        assert_eq!((cursor.floor(0), cursor.floor(1)), (3, 3), "of a cursor without floors");
        cursor.sources_reached([(0, 5), (1, 90)]);
        // Source 0 is switched off, source 1 goes on, source 2 is new.
        cursor.sources_reached([(1, 100), (2, 100)]);
        assert_eq!((cursor.floor(0), cursor.floor(1), cursor.floor(2)), (5, 100, 100));
        assert_eq!(cursor.floor(7), 5, "one that is not known yet misses nothing");
        let dir = tempfile::tempdir().unwrap();
        save(&cursor, dir.path(), &RealDisk).unwrap();
        assert_eq!(load(dir.path()).unwrap(), Some(cursor));
    }
}
