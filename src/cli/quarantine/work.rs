//! `nadikota quarantine replay` and `drop`: asks the running service, or works on the data directory itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio_util::sync::CancellationToken;

use super::told::passed_over;
use super::{WantedOptions, positions};
use crate::cli::progress::Progress;
use crate::cli::{DATA_DIR, Failure, count, say, say_json};
use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::Replay;
use crate::http::{self, Way};
use crate::journal::disk::RealDisk;
use crate::journal::lock::{DataDir, LockError};
use crate::quarantine::{Action, Order, Quarantine, Report, Standing};
use crate::secret::Secret;
use crate::sink::Sink;
use crate::status::{Board, State};

/// How often the running service is asked how far it is.
const LOOK: Duration = Duration::from_millis(200);
const PATH: &str = "/api/quarantine";

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ReplayOptions {
    #[command(flatten)]
    wanted: WantedOptions,
    /// Only tells what would become of them; a database may still refuse points.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct DropOptions {
    #[command(flatten)]
    wanted: WantedOptions,
    /// Does it; without, it is only told how many there are.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, clap::Args)]
struct How {
    /// Asks the service that listens there, with http.token; without it, the one that owns the data directory, or
    /// none where none runs.
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// What was done as one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) async fn replay(options: &ReplayOptions, config: Config) -> Result<(), Failure> {
    let wanted = options.wanted.read(&config)?;
    let order = Order { action: Action::Replay, dry_run: options.dry_run, wanted };
    let report = run(&order, &options.how, &config).await?;
    finish(&report, &options.how)
}

pub(super) async fn drop(options: &DropOptions, config: Config) -> Result<(), Failure> {
    let wanted = options.wanted.read(&config)?;
    let order = Order { action: Action::Drop, dry_run: !options.yes, wanted };
    let report = run(&order, &options.how, &config).await?;
    finish(&report, &options.how)?;
    if !options.yes {
        eprintln!("nothing was dropped; add --yes to drop them for good");
        return Err(Failure::Usage);
    }
    Ok(())
}

async fn run(order: &Order, how: &How, config: &Config) -> Result<Report, Failure> {
    if let Some(address) = how.http {
        let Some(token) = config.http.token.clone() else {
            eprintln!("--http needs http.token or http.token_file in the configuration");
            return Err(Failure::Usage);
        };
        return by_service(order, &Way { address, token }).await;
    }
    // Opening it would make it.
    if !config.data_dir.is_dir() {
        return Err(Failure::Failed(anyhow!(
            "{}: there is no data directory; nadikota has not run yet, or {DATA_DIR}",
            config.data_dir.display()
        )));
    }
    match DataDir::open(&config.data_dir) {
        Ok(data_dir) => by_ourselves(order, &data_dir, config).await,
        Err(owned @ LockError::Owned { .. }) => {
            let way = Way::read(&config.data_dir).with_context(|| {
                format!("{owned}, and it has left no word how to reach it; is it nadikota run?")
            })?;
            by_service(order, &way).await
        }
        Err(error) => Err(Failure::Failed(anyhow::Error::new(error))),
    }
}

/// The running service does it, and we look on. Ctrl-C stops the work, not only the looking.
async fn by_service(order: &Order, way: &Way) -> Result<Report, Failure> {
    let ask = async |method: &str, body: &str| {
        let token = Some(Secret::reveal(&way.token));
        let answer = http::send(way.address, method, PATH, token, body).await.map_err(anyhow::Error::new)?;
        match answer.status {
            200..300 => Ok(answer.body),
            status => Err(anyhow!("{} answered {status}: {}", way.address, answer.body.trim_end())),
        }
    };
    let body = serde_json::to_string(order).context("cannot write JSON")?;
    let begun: BTreeMap<String, u64> =
        serde_json::from_str(&ask("POST", &body).await?).context("the answer is not of this version")?;
    let number = begun.get("number").copied().unwrap_or_default();
    let (mut progress, mut said) = (Progress::of("messages", true), None);
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let mut asked_to_stop = false;
    loop {
        let answer = ask("GET", "").await.with_context(
            || "the service does not answer any more; what it had done is done, run this again for the rest",
        )?;
        let report: Report = serde_json::from_str(&answer).context("the answer is not of this version")?;
        if report.number > number {
            return Err(Failure::Failed(anyhow!("it is done, and other work has begun since")));
        }
        if report.number == number {
            tell_trouble(&mut said, report.trouble.as_ref(), &progress);
            progress.step(report.messages, report.share);
            if report.standing != Standing::Running {
                progress.end();
                return Ok(report);
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = &mut interrupted, if !asked_to_stop => {
                asked_to_stop = true;
                ask("DELETE", "").await?;
            }
        }
    }
}

/// Nobody else owns the data directory: we open what the service would, and write to the same databases.
async fn by_ourselves(order: &Order, data_dir: &DataDir, config: &Config) -> Result<Report, Failure> {
    let (dir, board) = (data_dir.path(), Board::new(Clock::System));
    let quarantine = Quarantine::open(
        &dir.join("quarantine"),
        &config.quarantine,
        Arc::new(RealDisk),
        Clock::System,
        &positions(config)?,
    )
    .context("cannot open the quarantine")?;
    let mut sinks = BTreeMap::new();
    for destination in &config.destinations {
        let part = board.part(format!("destination {}", destination.name));
        part.ok();
        let sink = Sink::open(destination, dir, Clock::System, part)
            .with_context(|| format!("destination \"{}\"", destination.name))?;
        sinks.insert(destination.name.clone(), Arc::new(sink));
    }
    let replay = Replay { quarantine, transform: Arc::clone(&config.transform), sinks, batch: config.batch };
    let (mut progress, stop) = (Progress::of("messages", true), CancellationToken::new());
    let mut last = Report::default();
    let done = {
        let tell = |report: &Report| {
            progress.step(report.messages, report.share);
            last.clone_from(report);
        };
        let mut working = std::pin::pin!(replay.run(order, dir, tell, &stop));
        let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
        let (mut look, mut said) = (tokio::time::interval(LOOK), None);
        loop {
            tokio::select! {
                done = &mut working => break done,
                _ = &mut interrupted, if !stop.is_cancelled() => stop.cancel(),
                _ = look.tick() => tell_trouble(&mut said, trouble(&board).as_ref(), &Progress::of("", true)),
            }
        }
    };
    progress.end();
    Ok(done.with_context(|| format!("after {}", in_words(&last)))?)
}

fn trouble(board: &Board) -> Option<String> {
    let parts = board.parts();
    let (name, part) = parts.iter().find(|(_, part)| part.state == State::Degraded)?;
    Some(format!("{name}: {}; {}", part.reason, part.what_to_do))
}

/// Each trouble once.
fn tell_trouble(said: &mut Option<String>, trouble: Option<&String>, progress: &Progress) {
    if let Some(text) = trouble
        && said.as_ref() != trouble
    {
        progress.end();
        eprintln!("waiting for {text}");
        *said = Some(text.clone());
    }
}

fn finish(report: &Report, how: &How) -> Result<(), Failure> {
    if how.json {
        say_json(report)?;
    } else {
        let would = if report.dry_run { "would be, " } else { "" };
        say(format!("{would}{}", in_words(report)))?;
        for (what, reasons) in [("discarded", &report.discarded), ("stay", &report.stay)] {
            for (reason, count) in reasons {
                say(format!("  {what:<10} {count} {reason}"))?;
            }
        }
        if report.passed_over > 0 {
            say(passed_over(report.passed_over))?;
        }
    }
    match report.standing {
        Standing::Failed => Err(Failure::Failed(anyhow!(
            "it ended early: {}; run it again for the rest",
            report.trouble.as_deref().unwrap_or("the log says why")
        ))),
        Standing::Stopped => {
            eprintln!("stopped half-way; what was done is done, run it again for the rest");
            Err(Failure::No)
        }
        _ => Ok(()),
    }
}

fn in_words(report: &Report) -> String {
    let sum = |reasons: &BTreeMap<_, u64>| reasons.values().sum::<u64>();
    let messages = count(usize::try_from(report.messages).unwrap_or(usize::MAX), "message");
    let (discarded, stay) = (sum(&report.discarded), sum(&report.stay));
    let (stored, partly) = (report.stored, report.partly_stored);
    format!("{messages}: {stored} stored, {partly} stored in part, {discarded} discarded, {stay} stay")
}
