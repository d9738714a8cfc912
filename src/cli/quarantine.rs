//! `nadikota quarantine`: what could not be stored, and why; and what to do with it.

mod export;
mod list;
mod told;
mod work;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};

use super::export::when;
use super::{Failure, configuration, explain, runtime, say, say_json};
use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::{Meant, Selection};
use crate::journal::cursor;
use crate::journal::disk::RealDisk;
use crate::outcome::Reason;
use crate::quarantine::{Held, Scan, Wanted};
use crate::snapshot;
use told::{Told, Whole};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// One line for each message, or grouped counts.
    List(list::Options),
    /// One message whole: its raw bytes, why it was refused, and what each step would make of it today.
    Show(ShowOptions),
    /// Again through the routes, profiles and registry of today, with the time of first receipt; what still fails
    /// stays.
    Replay(work::ReplayOptions),
    /// Removes messages for good; the account counts them as discarded.
    Drop(work::DropOptions),
    /// Writes messages as JSON, one a line.
    Export(export::Options),
}

/// Which messages are meant; without any, all.
#[derive(Debug, clap::Args)]
struct WantedOptions {
    /// Only this reason, such as no_route.
    #[arg(long)]
    reason: Option<Reason>,
    /// Only this device: named by route or payload, or a level of the topic.
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// Only these topics, an MQTT filter such as city/+/+/wl-01/#.
    #[arg(long, value_name = "FILTER")]
    topic: Option<String>,
    /// Received from this time on: RFC 3339, a local time of the configured zone such as "2026-11-01 06:00", or a
    /// span ago such as 2h.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,
    /// Received before this time, written in the same ways.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Option<String>,
    /// Only the message with this sequence number.
    #[arg(long)]
    seq: Option<u64>,
}

impl WantedOptions {
    fn read(&self, config: &Config) -> Result<Wanted, Failure> {
        let now = Clock::System.now();
        let time = |name: &str, text: &Option<String>| {
            let read = |text: &String| when::read(text, &config.time_zone, now);
            text.as_ref().map(read).transpose().map_err(|wrong| format!("{name}: {wrong}"))
        };
        let read = || {
            let (from, to) = (time("--from", &self.from)?, time("--to", &self.to)?);
            if from.zip(to).is_some_and(|(from, to)| to <= from) {
                return Err("--from must be before --to".to_owned());
            }
            let (topic, device) = (self.topic.clone(), self.device.clone());
            let wanted = Wanted { seq: self.seq, reason: self.reason, topic, device, from, to };
            wanted.filter().map_err(|wrong| format!("--{wrong}"))?;
            Ok(wanted)
        };
        read().map_err(|wrong| {
            eprintln!("{wrong}");
            Failure::Usage
        })
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct ShowOptions {
    /// The sequence number that `list` shows.
    seq: u64,
    /// The payload as hex, whatever it is.
    #[arg(long)]
    hex: bool,
    /// Also what each step would make of a message of reason poison, which may end this command.
    #[arg(long = "try")]
    try_it: bool,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: Command, files: &[PathBuf]) -> Result<(), Failure> {
    match command {
        Command::List(options) => list::run(&options, &configuration(files)?),
        Command::Show(options) => show(&options, &configuration(files)?),
        Command::Export(options) => export::run(&options, &configuration(files)?),
        Command::Replay(options) => runtime()?.block_on(work::replay(&options, configuration(files)?)),
        Command::Drop(options) => runtime()?.block_on(work::drop(&options, configuration(files)?)),
    }
}

/// Calls `with` for each message that is meant, oldest first, and for the share of the files read so far; ends at
/// its first failure. Reads beside a running service. Keys in topics are hidden. Messages that have killed the process
/// are passed over, and said, where they would have to be decoded and are not asked for by name; `processed` says
/// that `with` does so.
fn each(
    config: &Config,
    wanted: &Wanted,
    processed: bool,
    mut with: impl FnMut(&Held, f64) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let selection = Selection::new(wanted).map_err(|wrong| anyhow!(wrong))?;
    let positions = positions(config)?;
    let failed = || "cannot read the quarantine";
    let mut scan = Scan::new(&config.data_dir.join("quarantine"), &RealDisk).with_context(failed)?;
    let (mut count, mut passed_over) = (0, 0);
    while let Some((_, held)) = scan.next(&RealDisk).with_context(failed)? {
        if !held.is_settled(&positions) {
            continue;
        }
        match selection.means(&held, &config.transform, processed) {
            Meant::Yes => {
                count += 1;
                let record = config.transform.secrets().shown(&held.record).into_owned();
                with(&Held { record, ..held }, share(&scan))?;
            }
            Meant::PassedOver => passed_over += 1,
            Meant::No => {}
        }
    }
    if passed_over > 0 {
        eprintln!("{}", told::passed_over(passed_over));
    }
    Ok(count)
}

/// Up to where each destination has settled, as the cursor says.
fn positions(config: &Config) -> Result<BTreeMap<String, u64>, Failure> {
    let cursor = cursor::load(&config.data_dir).context("cannot read the cursor")?.unwrap_or_default();
    Ok(cursor.destinations.into_iter().map(|(name, progress)| (name, progress.position)).collect())
}

#[expect(clippy::cast_precision_loss, reason = "a share of bytes, for people")]
fn share(scan: &Scan) -> f64 {
    let (done, total) = scan.progress();
    done as f64 / total.max(1) as f64
}

fn show(options: &ShowOptions, config: &Config) -> Result<(), Failure> {
    let wanted = Wanted { seq: Some(options.seq), ..Wanted::default() };
    let found = each(config, &wanted, false, |held, _| {
        let message = Told::new(held, options.hex);
        if held.is_poison() && !options.try_it {
            if options.json {
                return say_json(&Whole { message, today: None });
            }
            told::tell(&message)?;
            return say(format!("\n{}", explain::UNTRIED));
        }
        let transform = &config.transform;
        let destination = transform.destination_of(&held.record.message.topic);
        let saved = destination.and_then(|name| snapshot::load(&config.data_dir, name));
        let state = saved.map(|saved| saved.state.names_only()).unwrap_or_default();
        let today = transform.explain(&held.record, &state);
        if options.json {
            return say_json(&Whole { message, today: Some(&today) });
        }
        told::tell(&message)?;
        say("\nWhat would become of it today:")?;
        explain::tell(&today)
    })?;
    if found == 0 {
        return Err(Failure::Failed(anyhow!("message {} is not in quarantine", options.seq)));
    }
    Ok(())
}
