//! The cursor: for each destination up to where all is settled, and what became of it. One file, replaced whole.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::disk::Disk;
use crate::outcome::Outcomes;

const NAME: &str = "cursor";
const PREVIOUS: &str = "cursor.prev";
const FRESH: &str = "cursor.new";
const MARK: &str = "nadikota-cursor 1";

/// What the cursor file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    pub destinations: BTreeMap<String, Progress>,
    /// Records below it have a PUBACK that is known to have arrived.
    pub known_floor: u64,
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

    /// The highest position: the journal had given out all numbers below it.
    pub fn highest(&self) -> u64 {
        self.destinations.values().map(|progress| progress.position).max().unwrap_or(1)
    }
}

/// Why the cursor could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CursorError {
    #[error("cursor {}: {cause}", path.display())]
    Disk { path: PathBuf, cause: io::Error },
    #[error("cursor {}: neither it nor the one before it can be read; move both away to settle everything kept again", path.display())]
    Damaged { path: PathBuf },
}

/// Reads the cursor, or the one before it where it is damaged: then some points are written again. Never forward.
pub fn load(dir: &Path) -> Result<Option<Cursor>, CursorError> {
    let mut there = false;
    for name in [NAME, PREVIOUS] {
        let path = dir.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => match parse(&text) {
                Some(cursor) => return Ok(Some(cursor)),
                None => tracing::error!(path = %path.display(), "the cursor is damaged"),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::error!(path = %path.display(), "the cursor is damaged");
            }
            Err(cause) => return Err(CursorError::Disk { path, cause }),
        }
        there = true;
    }
    if there { Err(CursorError::Damaged { path: dir.join(NAME) }) } else { Ok(None) }
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
    use crate::journal::disk::{RealDisk, TestDisk};

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
}
