//! Repair: what can be read of a harmed segment goes to a new one, and the harmed file is set aside whole.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::damage;
use super::disk::{Disk, make_dir};
use super::segment::{self, HEADER, Kind, Listed, Step};
use super::verify::{What, verify};
use super::{record, recovery};

/// Frames are written in pieces of about so many bytes.
const PIECE: usize = 1024 * 1024;

/// One segment that was made anew.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Repaired {
    /// Where the harmed file is now.
    pub set_aside: PathBuf,
    /// The new one; nothing where no record could be read.
    pub segment: Option<PathBuf>,
    pub records: u64,
}

/// Repairs every segment of ours that `verify` finds harm in. The data directory must be ours alone. A repair that is
/// cut off leaves records twice, which are read once.
pub fn repair(dir: &Path, now: i64, disk: &dyn Disk, mut tell: impl FnMut(Repaired)) -> io::Result<()> {
    let end = recovery::recover(dir, disk)?.recovery.end;
    let mut harmed = BTreeSet::new();
    verify(dir, 1, 1, disk, |finding| {
        let mends = matches!(
            finding.what,
            What::Damaged | What::Header | What::NoHeader | What::Unreadable | What::Misnamed
        );
        harmed.extend(finding.path.filter(|_| mends));
    })?;
    if harmed.is_empty() {
        return Ok(());
    }
    // What is lost at the end may have been acknowledged: an empty segment keeps its numbers from being given again.
    let mut file = disk.create(&free_path(dir, end, disk)?)?;
    file.append(&segment::header(record::MAGIC, end, now).0)?;
    file.sync()?;
    disk.sync_dir(dir)?;
    for listed in segment::ordered(dir, record::MAGIC, disk)? {
        if harmed.contains(&listed.path) {
            tell(one(dir, &listed, now, disk)?);
        }
    }
    // It goes again where the others tell as much.
    recovery::recover(dir, disk).map(|_| ())
}

/// A segment's name that is not taken.
fn free_path(dir: &Path, first: u64, disk: &dyn Disk) -> io::Result<PathBuf> {
    let taken = segment::list(dir, disk)?;
    let rolls = taken.iter().filter(|(begins, ..)| *begins == first).map(|(_, roll, _)| *roll);
    Ok(segment::path(dir, first, rolls.max().map_or(0, |roll| roll.saturating_add(1))))
}

fn one(dir: &Path, listed: &Listed, now: i64, disk: &dyn Disk) -> io::Result<Repaired> {
    let first = listed.key.0;
    let path = free_path(dir, first, disk)?;
    let mut file = disk.create(&path)?;
    let (mut piece, salt) = segment::header(record::MAGIC, first, now);
    let mut records = 0;
    let readable = matches!(&listed.head, Ok(head) if head.kind == Kind::Ours);
    if readable && let Ok((_, mut walk)) = record::open(&listed.path, disk) {
        loop {
            match walk.next() {
                Ok(Step::Record(record)) => {
                    records += 1;
                    record::write(&record, salt, &mut piece);
                    if piece.len() >= PIECE {
                        file.append(&piece)?;
                        piece.clear();
                    }
                }
                Ok(Step::Damage { .. }) => {}
                // What the disk does not give back is lost, not what was read before it.
                Ok(Step::End { .. }) | Err(_) => break,
            }
        }
    }
    file.append(&piece)?;
    file.sync()?;
    disk.sync_dir(dir)?;
    let aside = dir.join(damage::DIR);
    make_dir(&aside, disk)?;
    let set_aside = free_name(&aside, &listed.path, disk)?;
    disk.rename(&listed.path, &set_aside)?;
    disk.sync_dir(&aside)?;
    disk.sync_dir(dir)?;
    // One without a record would only hide where the numbers end.
    let segment = if records == 0 && disk.open(&path)?.size()? <= u64::try_from(HEADER).unwrap_or(0) {
        disk.remove(&path)?;
        disk.sync_dir(dir)?;
        None
    } else {
        Some(path)
    };
    Ok(Repaired { set_aside, segment, records })
}

fn free_name(dir: &Path, path: &Path, disk: &dyn Disk) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let taken = disk.list(dir)?;
    let numbered = (0_u32..).map(|number| match number {
        0 => dir.join(format!("{name}.whole")),
        number => dir.join(format!("{name}.whole-{number}")),
    });
    let mut free = numbered.filter(|path| !taken.contains(path));
    free.next().ok_or_else(|| io::ErrorKind::AlreadyExists.into())
}
