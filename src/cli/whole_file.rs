//! A file that appears under its name only when it is whole, readable by its owner alone.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use anyhow::Context as _;

#[derive(Debug)]
pub(super) struct WholeFile {
    path: PathBuf,
    part: Part,
    file: BufWriter<File>,
}

/// The file while it is written. What is left of it goes, however the writing ends.
#[derive(Debug)]
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // Once it has its name there is nothing left to remove.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl WholeFile {
    pub(super) fn create(path: PathBuf) -> anyhow::Result<Self> {
        let mut part = path.clone().into_os_string();
        part.push(".part");
        let part = Part(PathBuf::from(part));
        // What devices sent can be personal data, as in the data directory.
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part.0);
        let file = file.with_context(|| format!("cannot write {}", part.0.display()))?;
        Ok(Self { path, part, file: BufWriter::new(file) })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.file.write_all(bytes).with_context(|| format!("cannot write {}", self.part.0.display()))
    }

    /// Everything is written: it becomes durable and gets its name.
    pub(super) fn close(self) -> anyhow::Result<()> {
        let Self { path, part, file } = self;
        let failed = || format!("cannot write {}", part.0.display());
        let file = file.into_inner().map_err(io::IntoInnerError::into_error).with_context(failed)?;
        file.sync_all().with_context(failed)?;
        std::fs::rename(&part.0, &path).with_context(|| format!("cannot replace {}", path.display()))
    }
}
