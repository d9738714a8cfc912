//! `nadikota quarantine`: what could not be stored, and why. Reads beside a running service.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;

use super::{Failure, configuration, say, say_json};
use crate::journal::cursor;
use crate::journal::disk::RealDisk;
use crate::outcome::Reason;
use crate::quarantine::{Filter, Held, list};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// One line for each message, or a count for each reason.
    List(ListOptions),
    /// One message whole: its raw bytes, when it came, and why it was refused.
    Show(ShowOptions),
}

#[derive(Debug, clap::Args)]
pub(super) struct ListOptions {
    /// Only this reason, such as no_route.
    #[arg(long)]
    reason: Option<Reason>,
    /// Only topics that begin with this.
    #[arg(long)]
    topic: Option<String>,
    /// Counts by reason instead of messages.
    #[arg(long)]
    count: bool,
    /// JSON: one object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct ShowOptions {
    /// The sequence number that `list` shows.
    seq: u64,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// One message as JSON. The payload is text where it is UTF-8, else hex.
#[derive(Debug, Serialize)]
struct Told<'a> {
    seq: u64,
    received: String,
    reason: Reason,
    detail: &'a str,
    destination: &'a str,
    topic: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_hex: Option<String>,
    payload_bytes: usize,
}

pub(super) fn run(command: Command, files: &[PathBuf]) -> Result<(), Failure> {
    match command {
        Command::List(options) => {
            let filter = Filter { seq: None, reason: options.reason, topic: options.topic };
            if options.count {
                let mut counts = BTreeMap::new();
                read(files, &filter, |held| *counts.entry(held.rejection.reason).or_default() += 1_u64)?;
                return count(&counts, options.json);
            }
            tell(files, &filter, |held| line(held, options.json)).map(|_| ())
        }
        Command::Show(options) => {
            let filter = Filter { seq: Some(options.seq), ..Filter::default() };
            if tell(files, &filter, |held| show(held, options.json))? == 0 {
                return Err(Failure::Failed(anyhow::anyhow!("message {} is not in quarantine", options.seq)));
            }
            Ok(())
        }
    }
}

/// Tells each message as it is read, and how many there were; ends telling at the first failure.
fn tell(
    files: &[PathBuf],
    filter: &Filter,
    one: impl Fn(&Held) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let (mut told, mut failed) = (0, Ok(()));
    read(files, filter, |held| {
        if failed.is_ok() {
            failed = one(&held);
            told += 1;
        }
    })?;
    failed.map(|()| told)
}

fn line(held: &Held, json: bool) -> Result<(), Failure> {
    let told = Told::new(held);
    if json {
        return say_json(&told);
    }
    say(format!(
        "{:>8}  {}  {:<18} {}  {}",
        told.seq,
        told.received,
        told.reason,
        held.record.message.topic.escape_ascii(),
        told.detail.escape_debug()
    ))
}

fn read(files: &[PathBuf], filter: &Filter, with: impl FnMut(Held)) -> Result<(), Failure> {
    let config = configuration(files)?;
    let cursor = cursor::load(&config.data_dir).context("cannot read the cursor")?.unwrap_or_default();
    let positions: BTreeMap<_, _> =
        cursor.destinations.iter().map(|(name, progress)| (name.clone(), progress.position)).collect();
    let dir = config.data_dir.join("quarantine");
    Ok(list(&dir, &RealDisk, &positions, filter, with).context("cannot read the quarantine")?)
}

fn count(counts: &BTreeMap<Reason, u64>, json: bool) -> Result<(), Failure> {
    if json {
        return say_json(counts);
    }
    for (reason, count) in counts {
        say(format!("{count:>8}  {reason}"))?;
    }
    Ok(())
}

fn show(held: &Held, json: bool) -> Result<(), Failure> {
    let told = Told::new(held);
    if json {
        return say_json(&told);
    }
    let message = &held.record.message;
    say(format!("message      {}", told.seq))?;
    say(format!("received     {}", told.received))?;
    say(format!("topic        {}", message.topic.escape_ascii()))?;
    say(format!("destination  {}", told.destination))?;
    say(format!("reason       {}", told.reason))?;
    say(format!("detail       {}", told.detail.escape_debug()))?;
    say(format!("payload      {} bytes", told.payload_bytes))?;
    // Escaped: what a device sent must not steer the terminal.
    say(message.payload.escape_ascii().to_string())
}

impl<'a> Told<'a> {
    fn new(held: &'a Held) -> Self {
        let message = &held.record.message;
        let payload = std::str::from_utf8(&message.payload).ok();
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            seq: held.record.seq,
            received: jiff::Timestamp::from_nanosecond(i128::from(held.record.received))
                .map_or_else(|_| held.record.received.to_string(), |time| time.to_string()),
            reason: held.rejection.reason,
            detail: &held.rejection.detail,
            destination: &held.destination,
            topic: String::from_utf8_lossy(&message.topic).into_owned(),
            payload,
            payload_hex: payload.is_none().then(|| hex(&message.payload)),
            payload_bytes: message.payload.len(),
        }
    }
}
