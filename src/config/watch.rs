//! Watch: whether the files of a configuration have changed, and are no longer being written.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Name, size and time of change of each file.
type Look = Vec<(PathBuf, u64, Option<SystemTime>)>;

/// What the files were like when they were last taken.
#[derive(Debug)]
pub struct Watch {
    paths: Vec<PathBuf>,
    taken: Look,
    last: Look,
}

impl Watch {
    /// From what is there now. Folders count with the files in them.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        let taken = look(&paths);
        Self { paths, last: taken.clone(), taken }
    }

    /// Whether they differ from what was last taken, and are as they were at the last call: someone who is writing
    /// several of them is given the time between two calls. What is true once is taken.
    pub fn changed(&mut self) -> bool {
        let now = look(&self.paths);
        let still = now == self.last;
        self.last.clone_from(&now);
        let changed = still && now != self.taken;
        if changed {
            self.taken = now;
        }
        changed
    }

    /// Other files from now on, if the configuration names others; they count as taken.
    pub fn follow(&mut self, paths: Vec<PathBuf>) {
        if paths != self.paths {
            *self = Self::new(paths);
        }
    }
}

/// A file that is not there has no line, so its coming and going is seen too.
fn look(paths: &[PathBuf]) -> Look {
    let mut look = Look::new();
    for path in paths {
        let Ok(told) = std::fs::metadata(path) else { continue };
        if told.is_dir() {
            let inside = std::fs::read_dir(path).into_iter().flatten().flatten();
            look.extend(inside.filter_map(|entry| one(&entry.path())));
        } else {
            look.extend(one(path));
        }
    }
    look.sort();
    look
}

fn one(path: &Path) -> Option<(PathBuf, u64, Option<SystemTime>)> {
    let told = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some((path.to_owned(), told.len(), told.modified().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once_when_it_stands_still() {
        let dir = tempfile::tempdir().unwrap();
        let (file, folder) = (dir.path().join("a.toml"), dir.path().join("profiles"));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(&file, "1").unwrap();
        let mut watch = Watch::new(vec![file.clone(), folder.clone()]);
        assert!(!watch.changed());
        std::fs::write(folder.join("p.toml"), "new").unwrap();
        assert!(!watch.changed(), "it may still be written");
        assert!(watch.changed());
        assert!(!watch.changed());
        std::fs::write(&file, "12").unwrap();
        assert!(!watch.changed());
        std::fs::write(&file, "123").unwrap();
        assert!(!watch.changed());
        assert!(watch.changed());
        std::fs::remove_file(&file).unwrap();
        assert!(!watch.changed());
        assert!(watch.changed());
        watch.follow(vec![file]);
        assert!(!watch.changed());
    }
}
