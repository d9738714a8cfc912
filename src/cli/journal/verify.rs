//! `nadikota journal verify` and `repair`: whether all can be read, and sound files from harmed ones.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use serde::Serialize;

use crate::cli::{DATA_DIR, Failure, configuration, count, say, say_json};
use crate::clock::Clock;
use crate::config::Config;
use crate::journal::cursor::{self, Cursor};
use crate::journal::disk::RealDisk;
use crate::journal::lock::DataDir;
use crate::journal::repair::{self, Repaired};
use crate::journal::verify::{self, Finding, Totals, What};
use crate::quarantine;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    /// JSON: one object a line, the last one with the totals.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Summary {
    journal: Totals,
    quarantine: Totals,
    /// How many of the findings are harm.
    harm: u64,
}

pub(super) fn verify(options: &Options, files: &[PathBuf]) -> Result<(), Failure> {
    let config = configuration(files)?;
    let (mut harm, mut failed) = (0, Ok(()));
    let mut tell = |finding: Finding| {
        harm += u64::from(finding.is_harm());
        if failed.is_ok() {
            failed = if options.json { say_json(&finding) } else { say(line(&finding)) };
        }
    };
    let totals = look(&config, &mut tell)?;
    failed?;
    let (journal, quarantine) = totals;
    if options.json {
        say_json(&Summary { journal, quarantine, harm })?;
    } else {
        let size = bytesize::ByteSize::b(journal.bytes.saturating_add(quarantine.bytes)).display().iec();
        let segments = usize::try_from(journal.segments.saturating_add(quarantine.segments));
        let segments = count(segments.unwrap_or(usize::MAX), "segment");
        let records = format!("{} messages, {} in quarantine", journal.records, quarantine.records);
        say(format!("{segments}, {size}: {records}; {harm} harms"))?;
    }
    if harm > 0 { Err(Failure::No) } else { Ok(()) }
}

/// The cursor first: then nothing below its positions can be missing because it came later.
fn look(config: &Config, tell: &mut impl FnMut(Finding)) -> Result<(Totals, Totals), Failure> {
    let cursor = cursor::load(&config.data_dir);
    if let Some(finding) = cursor::finding(&config.data_dir, &RealDisk) {
        tell(finding);
    }
    let cursor = cursor.ok().flatten();
    // Below the lowest position segments may have been removed.
    let (from, to) = cursor.as_ref().map_or((1, 1), |cursor: &Cursor| (cursor.lowest(), cursor.highest()));
    let journal = verify::verify(&config.data_dir.join("journal"), from, to, &RealDisk, &mut *tell);
    let journal = journal.map_err(|error| {
        anyhow!("{}: {error}; nadikota has not run yet, or {DATA_DIR}", config.data_dir.display())
    })?;
    let quarantine = quarantine::verify(&config.data_dir.join("quarantine"), &RealDisk, tell)
        .context("cannot read the quarantine")?;
    Ok((journal, quarantine))
}

fn line(finding: &Finding) -> String {
    let what = match finding.what {
        What::Torn => "torn: a write that was cut off and never acknowledged",
        What::Damaged => "damaged: bytes that are no message",
        What::Lost => "lost: cannot be read any more",
        What::Header => "header: one of its two copies is damaged",
        What::NoHeader => "no header: nothing in it can be read",
        What::Unreadable => "unreadable: the disk does not give it back",
        What::Newer => "newer: a later nadikota wrote it",
        What::Foreign => "foreign: not nadikota's",
        What::Misnamed => "misnamed: another one's name",
        What::Cursor => "cursor: damaged",
    };
    let mut told = what.to_owned();
    if let Some((first, last)) = finding.numbers {
        told.push_str(&format!(", messages {first} to {last}"));
    }
    if let Some((offset, bytes)) = finding.bytes {
        told.push_str(&format!(", {bytes} bytes at {offset}"));
    }
    if let Some(path) = &finding.path {
        told.push_str(&format!(", {}", path.display()));
    }
    if !finding.detail.is_empty() {
        told.push_str(&format!(", {}", finding.detail));
    }
    told
}

pub(super) fn repair(options: &Options, files: &[PathBuf]) -> Result<(), Failure> {
    let config = configuration(files)?;
    let dir = config.data_dir.join("journal");
    if !dir.is_dir() {
        return Err(anyhow!("{}: nadikota has not run yet, or {DATA_DIR}", dir.display()).into());
    }
    let _ours = DataDir::open(&config.data_dir).context("the service must be stopped first")?;
    let (mut repaired, mut failed) = (0_usize, Ok(()));
    let now = Clock::System.now();
    let done = repair::repair(&dir, now, &RealDisk, |one: Repaired| {
        repaired += 1;
        let to = match &one.segment {
            Some(segment) => format!("{} messages are in {}", one.records, segment.display()),
            None => "nothing in it could be read".to_owned(),
        };
        if failed.is_ok() {
            failed = if options.json {
                say_json(&one)
            } else {
                say(format!("set aside: {}; {to}", one.set_aside.display()))
            };
        }
    });
    done.with_context(|| format!("cannot repair {}; what was done is kept, run it again", dir.display()))?;
    failed?;
    if !options.json {
        say(format!("{} repaired", count(repaired, "segment")))?;
    }
    Ok(())
}
