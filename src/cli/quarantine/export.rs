//! `nadikota quarantine export`: held messages as JSON lines, to stdout or a file.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::told::Told;
use super::{WantedOptions, each};
use crate::cli::progress::Progress;
use crate::cli::{Failure, count, say_json};
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    #[command(flatten)]
    wanted: WantedOptions,
    /// Writes to this file, which is replaced when all is written; without it to stdout.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(options: &Options, config: &Config) -> Result<(), Failure> {
    let wanted = options.wanted.read(config)?;
    let Some(path) = &options.output else {
        return each(config, &wanted, false, |held, _| say_json(&Told::new(held, false))).map(|_| ());
    };
    let mut fresh = path.clone().into_os_string();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    let failed = || format!("cannot write {}", path.display());
    // Payloads can be personal data: the file is its owner's only.
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh);
    let mut file = BufWriter::new(file.with_context(failed)?);
    let mut progress = Progress::of("messages", true);
    let mut done = 0;
    let written = each(config, &wanted, false, |held, share| {
        serde_json::to_writer(&mut file, &Told::new(held, false)).with_context(failed)?;
        file.write_all(b"\n").with_context(failed)?;
        done += 1;
        progress.step(done, share);
        Ok(())
    });
    progress.end();
    let finished = written.and_then(|messages| {
        finish(file, &fresh, path).with_context(failed).map(|()| messages).map_err(Failure::from)
    });
    if finished.is_err() {
        let _ = std::fs::remove_file(&fresh);
    }
    eprintln!("{}", count(usize::try_from(finished?).unwrap_or(usize::MAX), "message"));
    Ok(())
}

fn finish(file: BufWriter<File>, fresh: &Path, path: &Path) -> std::io::Result<()> {
    file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    std::fs::rename(fresh, path)
}
