//! `nadikota export`: points out of the embedded store or the kept journal, to stdout or a file.

mod form;
mod journal;
mod target;
pub(super) mod when;

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};

use super::progress::Progress;
use super::{DATA_DIR, Failure, configuration, count};
use crate::clock::Clock;
use crate::config::Config;
use crate::point::Point;
use crate::sink::Kind;
use crate::sink::embedded::{FILE, Pages, Reader};
use crate::topic::Template;

pub(super) use journal::as_stored;

use form::Form;
use target::Target;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Points from this time on: RFC 3339, a local time of the configured zone such as "2026-11-01 06:00", or a
    /// span ago such as 2h.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,
    /// Points before this time, written in the same ways.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Option<String>,
    /// Only this device.
    #[arg(long)]
    device: Option<String>,
    /// Only messages of these topics, an MQTT filter such as city/+/+/wl-01/#; with --source journal.
    #[arg(long, value_name = "FILTER")]
    topic: Option<String>,
    /// Only this measurement.
    #[arg(long)]
    measurement: Option<String>,
    /// line: InfluxDB line protocol; csv: one field a row; jsonl: one point a line.
    #[arg(long, value_enum, default_value_t = Form::Line)]
    format: Form,
    /// store: the embedded store; journal: the messages kept there, as the configuration of today reads them.
    /// Without it: the store where a destination is one, else the journal.
    #[arg(long, value_enum)]
    source: Option<Source>,
    /// Writes to this file, which is replaced when all is written; without it to stdout.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Source {
    Store,
    Journal,
}

/// Which points are wanted.
#[derive(Debug)]
struct Wanted {
    from: i64,
    /// The last time that is included.
    last: i64,
    device: Option<String>,
    measurement: Option<String>,
    topic: Option<Template>,
}

pub(super) fn run(options: Options, files: &[PathBuf]) -> Result<(), Failure> {
    let config = configuration(files)?;
    let source = options.source.unwrap_or_else(|| usual(&config));
    let wanted = Wanted::read(&options, source, &config).map_err(|wrong| {
        eprintln!("{wrong}");
        Failure::Usage
    })?;
    let mut target = Target::open(options.output, options.format)?;
    let mut progress = Progress::new(target.leaves_the_terminal());
    let notes = match source {
        Source::Store => from_store(&config, wanted, &mut target, &mut progress)?,
        Source::Journal => journal::export(&config, &wanted, &mut target, &mut progress)?,
    };
    let points = target.close()?;
    progress.end();
    eprintln!("{}{notes}", count(usize::try_from(points).unwrap_or(usize::MAX), "point"));
    Ok(())
}

fn usual(config: &Config) -> Source {
    let embedded = |kind: &Kind| matches!(kind, Kind::Embedded { .. });
    let any = config.destinations.iter().any(|destination| embedded(&destination.kind));
    if any { Source::Store } else { Source::Journal }
}

impl Wanted {
    fn read(options: &Options, source: Source, config: &Config) -> Result<Self, String> {
        let now = Clock::System.now();
        let time = |name: &str, text: &Option<String>| {
            let read = |text: &String| when::read(text, &config.time_zone, now);
            text.as_ref().map(read).transpose().map_err(|wrong| format!("{name}: {wrong}"))
        };
        let from = time("--from", &options.from)?.unwrap_or(i64::MIN);
        let to = time("--to", &options.to)?;
        if to.is_some_and(|to| to <= from) {
            return Err("--from must be before --to".to_owned());
        }
        let topic = match &options.topic {
            Some(_) if source == Source::Store => {
                return Err("--topic: the store knows no topics; add --source journal".to_owned());
            }
            Some(filter) => Some(Template::parse(filter).map_err(|wrong| format!("--topic: {wrong}"))?),
            None => None,
        };
        let (device, measurement) = (options.device.clone(), options.measurement.clone());
        Ok(Self { from, last: to.map_or(i64::MAX, |to| to - 1), device, measurement, topic })
    }

    fn lets(&self, point: &Point) -> bool {
        let device = || point.tags.iter().find(|(key, _)| &**key == "device").map(|(_, device)| &**device);
        (self.from..=self.last).contains(&point.time)
            && self.measurement.as_ref().is_none_or(|wanted| **wanted == *point.measurement)
            && self.device.as_ref().is_none_or(|wanted| Some(wanted.as_str()) == device())
    }
}

fn from_store(
    config: &Config,
    wanted: Wanted,
    target: &mut Target,
    progress: &mut Progress,
) -> Result<String, Failure> {
    let path = config.data_dir.join(FILE);
    if !path.is_file() {
        return Err(Failure::Failed(anyhow!(
            "{}: there is no embedded store; points go to another destination, or {DATA_DIR}",
            path.display()
        )));
    }
    let reader = Reader::open(&config.data_dir).context("cannot open the store")?;
    let failed = || format!("cannot read {}", path.display());
    let mut pages = Pages::new(&reader, wanted.from, wanted.last, wanted.measurement, wanted.device)
        .with_context(failed)?;
    let mut points = Vec::new();
    while pages.next_page(&mut points).with_context(failed)? {
        if !target.write(&points)? {
            break;
        }
        points.clear();
        progress.step(target.points(), pages.progress());
    }
    let unreadable = pages.unreadable;
    Ok(if unreadable == 0 { String::new() } else { format!("; {unreadable} values could not be read") })
}
