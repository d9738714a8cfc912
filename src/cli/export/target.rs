//! Where an export goes: stdout, or a file that appears under its name only when it is whole.

use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;

use super::form::Form;
use crate::cli::Failure;
use crate::cli::whole_file::WholeFile;
use crate::point::Point;

#[derive(Debug)]
pub(super) struct Target {
    form: Form,
    out: Out,
    points: u64,
}

#[derive(Debug)]
enum Out {
    Stdout(BufWriter<Stdout>),
    File(WholeFile),
}

impl Target {
    pub(super) fn open(path: Option<PathBuf>, form: Form) -> Result<Self, Failure> {
        let out = match path {
            None => Out::Stdout(BufWriter::new(io::stdout())),
            Some(path) => Out::File(WholeFile::create(path)?),
        };
        let mut target = Self { form, out, points: 0 };
        let head = form.head().context("cannot write the head")?;
        target.put(&head)?;
        Ok(target)
    }

    /// Whether the terminal is free for showing progress.
    pub(super) fn leaves_the_terminal(&self) -> bool {
        match &self.out {
            Out::Stdout(out) => !out.get_ref().is_terminal(),
            Out::File(_) => true,
        }
    }

    pub(super) const fn points(&self) -> u64 {
        self.points
    }

    /// Writes points; false where the reader has seen enough, as `head` does.
    pub(super) fn write(&mut self, points: &[Point]) -> Result<bool, Failure> {
        let text = self.form.render(points).context("cannot render the points")?;
        self.points = self.points.saturating_add(u64::try_from(points.len()).unwrap_or(u64::MAX));
        self.put(&text)
    }

    fn put(&mut self, text: &[u8]) -> Result<bool, Failure> {
        match &mut self.out {
            Out::Stdout(out) => heard(out.write_all(text)),
            Out::File(file) => {
                file.write(text)?;
                Ok(true)
            }
        }
    }

    /// Everything is written: it becomes durable and gets its name. Returns how many points there were.
    pub(super) fn close(self) -> Result<u64, Failure> {
        match self.out {
            Out::Stdout(mut out) => {
                heard(out.flush())?;
            }
            Out::File(file) => file.close()?,
        }
        Ok(self.points)
    }
}

fn heard(written: io::Result<()>) -> Result<bool, Failure> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::Failed(anyhow::Error::new(error).context("cannot write to stdout"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::point::{Field, FieldValue};

    fn points() -> Vec<Point> {
        let fields = vec![Field::of("v", FieldValue::Float(1.5))];
        vec![Point { measurement: "m".into(), tags: Vec::new().into(), fields, time: 7 }]
    }

    #[test]
    fn a_file_appears_whole_or_not_at_all_and_is_the_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.lp");
        let names = || {
            let entries = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
            entries.collect::<Vec<_>>()
        };
        let mut cut_off = Target::open(Some(path.clone()), Form::Line).unwrap();
        assert!(cut_off.write(&points()).unwrap());
        assert_eq!(names(), ["points.lp.part"]);
        drop(cut_off);
        assert!(names().is_empty());
        std::fs::write(&path, "old").unwrap();
        let mut whole = Target::open(Some(path.clone()), Form::Line).unwrap();
        assert!(whole.write(&points()).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(whole.close().unwrap(), 1);
        assert_eq!(names(), ["points.lp"]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "m v=1.5 7\n");
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
}
