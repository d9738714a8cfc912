//! `nadikota journal`: what the journal holds, and whether it is sound.

mod show;
mod verify;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use serde::Serialize;

use super::explain::time;
use super::{DATA_DIR, Failure, configuration, say, say_json};
use crate::account::Account;
use crate::config::Config;
use crate::journal::cursor::{self, Cursor, Progress};
use crate::journal::disk::RealDisk;
use crate::journal::inspect::{self, Edge, Overview};
use crate::outcome::Outcomes;
use crate::quarantine::{self, MovedBy};
use crate::sink::Destination;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// How much there is, from when to when, and how far each destination is.
    Stat(StatOptions),
    /// One message whole, what became of it, and what would become of it today.
    Show(show::Options),
    /// Reads everything and tells what is damaged or missing, one line each. Changes nothing; ends with code 1 where
    /// there is harm.
    Verify(verify::Options),
    /// Copies what can be read of damaged files to sound ones and sets the damaged aside. The service must be stopped.
    Repair(verify::Options),
}

#[derive(Debug, clap::Args)]
pub(super) struct StatOptions {
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Stat {
    segments: usize,
    bytes: u64,
    first: Option<ToldEdge>,
    last: Option<ToldEdge>,
    /// Messages on disk that every destination has settled: kept for processing history again.
    kept: u64,
    account: Account,
    destinations: BTreeMap<String, ToldProgress>,
    /// Files that are no segments of this version.
    foreign: Vec<PathBuf>,
}

#[derive(Debug, Serialize)]
struct ToldEdge {
    seq: u64,
    received: String,
}

#[derive(Debug, Serialize)]
struct ToldProgress {
    /// The next number to settle.
    position: u64,
    pending: u64,
    outcomes: Outcomes,
}

pub(super) fn run(command: Command, files: &[PathBuf]) -> Result<(), Failure> {
    match command {
        Command::Stat(options) => stat(&options, files),
        Command::Show(options) => show::run(&options, files),
        Command::Verify(options) => verify::verify(&options, files),
        Command::Repair(options) => verify::repair(&options, files),
    }
}

/// The journal's directory, its overview and the cursor. The cursor is read first: then it never passes the journal.
fn look(config: &Config) -> Result<(PathBuf, Overview, Cursor), Failure> {
    let mut cursor = cursor::load(&config.data_dir).context("cannot read the cursor")?.unwrap_or_default();
    if cursor.destinations.is_empty() {
        // Nothing is settled yet, anywhere.
        let begin = |destination: &Destination| (destination.name.clone(), Progress::default());
        cursor.destinations = config.destinations.iter().map(begin).collect();
    }
    let dir = config.data_dir.join("journal");
    let overview = inspect::overview(&dir, &RealDisk)
        .map_err(|error| anyhow!("{error}; nadikota has not run yet, or {DATA_DIR}"))?;
    Ok((dir, overview, cursor))
}

fn stat(options: &StatOptions, files: &[PathBuf]) -> Result<(), Failure> {
    let config = configuration(files)?;
    // Before the cursor: then nothing has moved that is not settled.
    let moved = quarantine::moved(&config.data_dir.join("quarantine"), &RealDisk);
    let moved = moved.context("cannot read the quarantine")?;
    let (_, overview, cursor) = look(&config)?;
    let stat = Stat::new(overview, &cursor, &moved);
    if options.json { say_json(&stat) } else { tell(&stat) }
}

impl Stat {
    fn new(overview: Overview, cursor: &Cursor, moved: &MovedBy) -> Self {
        let end = overview.last.map_or(1, |last| last.seq.saturating_add(1)).max(cursor.highest());
        let first = overview.first.map_or(end, |first| first.seq);
        let outcomes = cursor.destinations.values().map(|progress| &progress.outcomes);
        let destinations = cursor.destinations.iter().map(|(name, progress)| {
            let pending = end.saturating_sub(progress.position);
            let (position, mut outcomes) = (progress.position, progress.outcomes.clone());
            if let Some(moved) = moved.get(name) {
                moved.apply(&mut outcomes);
            }
            (name.clone(), ToldProgress { position, pending, outcomes })
        });
        let told =
            |edge: Option<Edge>| edge.map(|edge| ToldEdge { seq: edge.seq, received: time(edge.received) });
        Self {
            segments: overview.segments,
            bytes: overview.bytes,
            first: told(overview.first),
            last: told(overview.last),
            kept: cursor.lowest().min(end).saturating_sub(first),
            account: Account::new(end, outcomes, cursor.retired.values(), moved.values()),
            destinations: destinations.collect(),
            foreign: overview.foreign,
        }
    }
}

fn tell(stat: &Stat) -> Result<(), Failure> {
    say(format!("segments     {}, {}", stat.segments, bytesize::ByteSize::b(stat.bytes).display().iec()))?;
    for (name, edge) in [("first", &stat.first), ("last", &stat.last)] {
        match edge {
            Some(edge) => say(format!("{name:<12} {} received {}", edge.seq, edge.received))?,
            None => say(format!("{name:<12} none"))?,
        }
    }
    say(format!("kept         {} settled", stat.kept))?;
    say(format!("received     {}, {} of them pending", stat.account.received, stat.account.pending))?;
    for (name, progress) in &stat.destinations {
        let outcomes = &progress.outcomes;
        say(format!("destination  {name}: position {}, {} pending", progress.position, progress.pending))?;
        say(format!("  stored     {}, {} partly", outcomes.stored, outcomes.partly_stored))?;
        for (what, reasons) in [("quarantine", &outcomes.quarantined), ("discarded", &outcomes.discarded)] {
            for (reason, count) in reasons {
                say(format!("  {what:<10} {count} {reason}"))?;
            }
        }
        if outcomes.elsewhere > 0 {
            say(format!("  elsewhere  {}", outcomes.elsewhere))?;
        }
    }
    for path in &stat.foreign {
        say(format!("foreign      {}", path.display()))?;
    }
    Ok(())
}
