//! The data directory: private, and owned by one process at a time.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Why the data directory could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("{}: another process ({owner}) owns this data directory; stop it first, or name another one", path.display())]
    Owned { path: PathBuf, owner: String },
    #[error("{}: {cause}", path.display())]
    Disk { path: PathBuf, cause: io::Error },
}

/// The directory, ours until this is dropped or the process dies.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the directory where it is missing (0700: payloads can be personal data) and takes it.
    pub fn open(path: &Path) -> Result<Self, LockError> {
        let failed = |cause| LockError::Disk { path: path.to_owned(), cause };
        let missing = path.ancestors().take_while(|above| !above.exists()).count();
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(failed)?;
        keep_name(path, missing);
        let name = path.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&name)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                let _ = file.take(64).read_to_string(&mut owner);
                let owner =
                    if owner.is_empty() { "unknown".to_owned() } else { format!("pid {}", owner.trim()) };
                return Err(LockError::Owned { path: path.to_owned(), owner });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // Only for people: a full disk must not keep us from starting.
        if let Err(error) = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())) {
            tracing::warn!(path = %name.display(), %error, "the owner of the data directory cannot be noted");
        }
        Ok(Self { path: path.to_owned(), _lock: file })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes the directory's own name durable, and those of the directories above it that were `missing`, too. A directory
/// that may not be read was not made by us, and needs no sync.
fn keep_name(path: &Path, missing: usize) {
    let Ok(path) = path.canonicalize() else { return };
    for above in path.ancestors().skip(1).take(missing.max(1)) {
        match File::open(above).and_then(|above| above.sync_all()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return,
            Err(error) => {
                tracing::warn!(dir = %above.display(), %error, "the name of the data directory may not last");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_refused_with_the_pid_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let first = DataDir::open(&data).unwrap();
        assert_eq!(first.path(), data);
        let mode = std::fs::metadata(&data).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let second = DataDir::open(&data).unwrap_err().to_string();
        assert!(second.contains(&format!("pid {}", std::process::id())), "{second}");
        drop(first);
        assert!(DataDir::open(&data).is_ok());
    }
}
