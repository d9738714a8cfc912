//! `nadikota quarantine list`: one line for each message, or grouped counts.

use std::collections::BTreeMap;

use super::told::{self, Told};
use super::{WantedOptions, each};
use crate::cli::{Failure, say, say_json};
use crate::config::Config;
use crate::quarantine::Held;
use crate::transform::State;

/// So many groups are told apart; topics and devices are outside data.
const MOST_GROUPS: usize = 10_000;
const OTHERS: &str = "(others)";

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    #[command(flatten)]
    wanted: WantedOptions,
    /// Counts by this instead of messages; by reason where nothing else is named.
    #[arg(long, value_enum, value_name = "BY", num_args = 0..=1, require_equals = true, default_missing_value = "reason")]
    count: Option<By>,
    /// JSON: one object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum By {
    Reason,
    Device,
    Topic,
    Destination,
}

pub(super) fn run(options: &Options, config: &Config) -> Result<(), Failure> {
    let wanted = options.wanted.read(config)?;
    let Some(by) = options.count else {
        let one = |held: &Held, _| {
            if options.json { say_json(&Told::new(held, false)) } else { told::line(held) }
        };
        return each(config, &wanted, false, one).map(|_| ());
    };
    let mut counts = BTreeMap::<String, u64>::new();
    each(config, &wanted, by == By::Device, |held, _| {
        let mut group = group(held, by, config);
        if counts.len() >= MOST_GROUPS && !counts.contains_key(&group) {
            OTHERS.clone_into(&mut group);
        }
        *counts.entry(group).or_default() += 1;
        Ok(())
    })?;
    if options.json {
        return say_json(&counts);
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (group, count) in counts {
        say(format!("{count:>8}  {}", group.escape_debug()))?;
    }
    Ok(())
}

fn group(held: &Held, by: By, config: &Config) -> String {
    match by {
        By::Reason => held.rejection.reason.code().to_owned(),
        By::Destination => held.destination.clone(),
        By::Topic => String::from_utf8_lossy(&held.record.message.topic).into_owned(),
        By::Device => {
            let told = config.transform.explain(&held.record, &State::default());
            let captured = told.captures.into_iter().find(|capture| capture.name == "device");
            told.device.or(captured.map(|capture| capture.text)).unwrap_or_else(|| "(not known)".to_owned())
        }
    }
}
