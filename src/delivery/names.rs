//! The names and devices admitted so far, one file for each destination, so that a restart admits no others.

use std::io;
use std::path::Path;

use crate::journal::cursor;
use crate::journal::disk::Disk;
use crate::transform::State;

fn file(destination: &str) -> String {
    format!("names.{destination}.json")
}

/// Reads the file; without one, or where it is damaged, nothing has been admitted yet.
pub fn load(dir: &Path, destination: &str) -> State {
    let path = dir.join(file(destination));
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::error!(path = %path.display(), %error, "the admitted names cannot be read");
            }
            return State::default();
        }
    };
    serde_json::from_slice(&text).unwrap_or_else(|error| {
        tracing::error!(path = %path.display(), %error, "the admitted names are damaged; counting them anew");
        State::default()
    })
}

pub(super) fn save(dir: &Path, destination: &str, state: &State, disk: &dyn Disk) -> io::Result<()> {
    let text = serde_json::to_vec(state).map_err(io::Error::other)?;
    let name = file(destination);
    cursor::replace(dir, &name, &format!("{name}.new"), None, &text, disk)
}
