//! Snapshots: the state of checks and decoders at a position of the journal, one file for each destination.
//!
//! A snapshot is as of just before its `next` message. It is written after a cursor at or beyond that position, so
//! start goes on from it by applying again, without storing, what lies between. Journal segments from there on are
//! kept. The file is a line with format and checksum, and a line of JSON.

use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::journal::cursor;
use crate::journal::disk::Disk;
use crate::transform::State;

const MARK: &str = "nadikota state 1";

/// A state, and the first message that is not in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    pub next: u64,
    pub state: Arc<State>,
}

/// What stands in the file; the state is shared while it is written.
#[derive(Serialize)]
struct Body<'s> {
    next: u64,
    state: &'s State,
}

#[derive(Deserialize)]
struct Read {
    next: u64,
    state: State,
}

fn file(destination: &str) -> String {
    format!("state.{destination}.json")
}

/// Reads the file; nothing without one, or where it is damaged, which is said.
pub fn load(dir: &Path, destination: &str) -> Option<Snapshot> {
    let path = dir.join(file(destination));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "the state of the checks cannot be read");
            return None;
        }
    };
    let read = parse(&text);
    if read.is_none() {
        tracing::error!(
            path = %path.display(),
            "the state of the checks is damaged; it is made anew from the latest messages in the journal"
        );
    }
    read
}

fn parse(text: &str) -> Option<Snapshot> {
    let (head, body) = text.split_once('\n')?;
    let body = body.trim_end_matches('\n');
    let crc = head.strip_prefix(MARK)?.trim();
    if u32::from_str_radix(crc, 16).ok()? != crc32fast::hash(body.as_bytes()) {
        return None;
    }
    let Read { next, state } = serde_json::from_str(body).ok()?;
    Some(Snapshot { next, state: Arc::new(state) })
}

/// Replaces the file. The cursor on disk must have reached the snapshot's position.
pub fn save(dir: &Path, destination: &str, snapshot: &Snapshot, disk: &dyn Disk) -> io::Result<()> {
    let body = serde_json::to_string(&Body { next: snapshot.next, state: &snapshot.state });
    let body = body.map_err(io::Error::other)?;
    let text = format!("{MARK} {:08x}\n{body}\n", crc32fast::hash(body.as_bytes()));
    let name = file(destination);
    cursor::replace(dir, &name, &format!("{name}.new"), None, text.as_bytes(), disk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::disk::RealDisk;

    #[test]
    fn a_snapshot_is_read_back_and_a_damaged_one_is_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load(dir.path(), "main"), None);
        let snapshot = Snapshot { next: 7, state: Arc::default() };
        save(dir.path(), "main", &snapshot, &RealDisk).unwrap();
        assert_eq!(load(dir.path(), "main"), Some(snapshot));
        assert_eq!(load(dir.path(), "other"), None);
        let path = dir.path().join(file("main"));
        let text = std::fs::read_to_string(&path).unwrap();
        for damaged in
            [text.replace("\"next\":7", "\"next\":8"), String::new(), text[..text.len() / 2].to_owned()]
        {
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(load(dir.path(), "main"), None);
        }
    }
}
