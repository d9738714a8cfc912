//! `nadikota reprocess`: kept messages through the configuration of today, beside the live flow.

mod compare;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::export::when;
use super::progress::Progress;
use super::{DATA_DIR, Failure, configuration, count, say, say_json};
use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::{History, Stretch, poison};
use crate::journal::cursor;
use crate::journal::disk::RealDisk;
use crate::outcome::Reason;
use crate::quarantine::{Scan, Seqs};
use crate::sink::Sink;
use crate::status::{Board, State};
use crate::topic::Template;
use compare::{Compare, Compared};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Messages received from this time on: RFC 3339, a local time of the configured zone such as
    /// "2026-11-01 06:00", or a span ago such as 2h.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: String,
    /// Messages received before this time, written in the same ways.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: String,
    /// Only these topics, an MQTT filter such as city/+/+/wl-01/#.
    #[arg(long, value_name = "FILTER")]
    topic: Option<String>,
    /// Only this device: named by route or payload, or a level of the topic.
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// Reads what is stored, and only tells how many points would be new, the same, changed, or in other series
    /// than before.
    #[arg(long)]
    dry_run: bool,
    /// Works so many per cent of the time and rests for the others, so that the live flow is not slowed.
    #[arg(long, value_name = "PERCENT", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=100))]
    share: u32,
    /// What was done as one JSON object.
    #[arg(long)]
    json: bool,
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
struct Report {
    dry_run: bool,
    /// Stopped before the end.
    stopped: bool,
    messages: u64,
    /// They give no point today.
    without_points: u64,
    /// Left to `quarantine replay`.
    in_quarantine: u64,
    /// They have killed the process, and are passed over.
    poison: u64,
    unreadable: u64,
    points: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    compared: Option<Compared>,
    stored: u64,
    refused: BTreeMap<Reason, u64>,
    /// The first refusal in the database's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_refused: Option<String>,
}

pub(super) async fn run(options: &Options, files: &[PathBuf]) -> Result<(), Failure> {
    let config = configuration(files)?;
    let dir = &config.data_dir;
    // The cursor first: then it never passes the journal.
    let cursor = cursor::load(dir).context("cannot read the cursor")?;
    let Some(cursor) = cursor else {
        return Err(Failure::Failed(anyhow!("{}: nadikota has not run yet, or {DATA_DIR}", dir.display())));
    };
    let stretch = stretch(options, &config, cursor.lowest()).map_err(|wrong| {
        eprintln!("{wrong}");
        Failure::Usage
    })?;
    let (board, mut sinks) = (Board::new(Clock::System), BTreeMap::new());
    // A dry run opens nothing for writing.
    for destination in config.destinations.iter().filter(|_| !options.dry_run) {
        let part = board.part(format!("destination {}", destination.name));
        part.ok();
        let sink = Sink::open(destination, dir, Clock::System, part)
            .with_context(|| format!("destination \"{}\"", destination.name))?;
        sinks.insert(destination.name.clone(), Arc::new(sink));
    }
    let poison = poison::known(dir, &RealDisk).context("cannot read the quarantine")?;
    let (transform, held) = (Arc::clone(&config.transform), held(&config)?);
    let history = History::new(dir, stretch, transform, &config.destinations, held, poison)
        .context("cannot read the journal")?;
    let stop = CancellationToken::new();
    let work = Work { options, config: &config, sinks, board, stop: stop.clone() };
    let report = {
        let mut working = std::pin::pin!(work.run(history));
        let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
        loop {
            tokio::select! {
                done = &mut working => break done?,
                _ = &mut interrupted, if !stop.is_cancelled() => stop.cancel(),
            }
        }
    };
    tell(&report, options.json)?;
    if report.stopped {
        eprintln!("stopped half-way; run it again: what was written is written onto itself");
        return Err(Failure::No);
    }
    Ok(())
}

fn stretch(options: &Options, config: &Config, before: u64) -> Result<Stretch, String> {
    let now = Clock::System.now();
    let time = |name: &str, text: &str| {
        when::read(text, &config.time_zone, now).map_err(|wrong| format!("{name}: {wrong}"))
    };
    let (from, to) = (time("--from", &options.from)?, time("--to", &options.to)?);
    if to <= from {
        return Err("--from must be before --to".to_owned());
    }
    let topic = options.topic.as_deref().map(Template::parse).transpose();
    let topic = topic.map_err(|wrong| format!("--topic: {wrong}"))?;
    Ok(Stretch { from, to, topic, device: options.device.clone(), before })
}

/// What is in quarantine has a way of its own, which moves the account too.
fn held(config: &Config) -> Result<Seqs, Failure> {
    let failed = || "cannot read the quarantine";
    let mut held = Seqs::default();
    let mut scan = Scan::new(&config.data_dir.join("quarantine"), &RealDisk).with_context(failed)?;
    while let Some((_, message)) = scan.next(&RealDisk).with_context(failed)? {
        held.insert(message.record.seq);
    }
    Ok(held)
}

struct Work<'o> {
    options: &'o Options,
    config: &'o Config,
    sinks: BTreeMap<String, Arc<Sink>>,
    board: Board,
    stop: CancellationToken,
}

impl Work<'_> {
    async fn run(&self, mut history: History) -> Result<Report, Failure> {
        let mut report = Report { dry_run: self.options.dry_run, ..Report::default() };
        let mut compare = self.options.dry_run.then(|| Compare::new(self.config)).transpose()?;
        let mut progress = Progress::new(true);
        loop {
            let began = Instant::now();
            let (back, chunk) = tokio::task::spawn_blocking(move || {
                let chunk = history.next_chunk();
                (history, chunk)
            })
            .await
            .context("reading the journal failed inside nadikota")?;
            history = back;
            let chunk = chunk.context("cannot read the journal")?;
            match &mut compare {
                Some(compare) => compare.add(&chunk.points).await?,
                None => {
                    let delivered = chunk.deliver(&self.sinks, self.config.batch, &self.stop);
                    let Some((stored, refused, first)) = self.patiently(delivered, &progress).await else {
                        report.stopped = true;
                        break;
                    };
                    report.stored += stored;
                    for (reason, count) in refused {
                        *report.refused.entry(reason).or_default() += count;
                    }
                    report.first_refused =
                        report.first_refused.or_else(|| first.map(|first| first.to_string()));
                }
            }
            report.messages += chunk.messages;
            report.without_points += chunk.without;
            report.in_quarantine += chunk.held;
            report.poison += chunk.poison;
            report.unreadable += chunk.unreadable;
            report.points += u64::try_from(chunk.points.len()).unwrap_or(0);
            progress.step(report.points, share(history.progress()));
            if chunk.ended {
                break;
            }
            let rest = began.elapsed() * (100 - self.options.share) / self.options.share;
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = self.stop.cancelled() => {
                    report.stopped = true;
                    break;
                }
            }
        }
        progress.end();
        report.compared = compare.map(Compare::done);
        Ok(report)
    }

    /// Says once what a write waits for.
    async fn patiently<T>(&self, writing: impl Future<Output = T>, progress: &Progress) -> T {
        let mut writing = std::pin::pin!(writing);
        let (mut look, mut said) = (tokio::time::interval(Duration::from_millis(500)), false);
        loop {
            tokio::select! {
                done = &mut writing => return done,
                _ = look.tick(), if !said => {
                    let parts = self.board.parts();
                    if let Some((name, part)) = parts.iter().find(|(_, part)| part.state == State::Degraded) {
                        said = true;
                        progress.end();
                        eprintln!("waiting for {name}: {}; {}", part.reason, part.what_to_do);
                    }
                }
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share of bytes, for people")]
fn share((done, total): (u64, u64)) -> f64 {
    done as f64 / total.max(1) as f64
}

fn tell(report: &Report, json: bool) -> Result<(), Failure> {
    if json {
        return say_json(report);
    }
    let messages = count(usize::try_from(report.messages).unwrap_or(usize::MAX), "message");
    let mut told = format!("{messages}, {} without a point today", report.without_points);
    if report.in_quarantine > 0 {
        told.push_str(&format!(", {} in quarantine, left to `quarantine replay`", report.in_quarantine));
    }
    if report.poison > 0 {
        told.push_str(&format!(", {} of reason poison passed over", report.poison));
    }
    if report.unreadable > 0 {
        told.push_str(&format!(", {} that cannot be read any more", report.unreadable));
    }
    say(told)?;
    match &report.compared {
        Some(compared) => compared.tell(report.points),
        None => {
            let refused: u64 = report.refused.values().sum();
            say(format!("{} points: {} stored, {refused} refused", report.points, report.stored))?;
            for (reason, count) in &report.refused {
                say(format!("  refused    {count} {reason}"))?;
            }
            report
                .first_refused
                .as_ref()
                .map_or(Ok(()), |first| say(format!("  first      {}", first.escape_debug())))
        }
    }
}
