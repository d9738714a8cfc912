//! `nadikota run --from-capture`: a capture through the whole service, from the journal to the database.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::capture::Captured;
use crate::cli::explain::open;
use crate::cli::progress::Progress;
use crate::cli::{Failure, on_signal, say, say_json};
use crate::clock::Clock;
use crate::config::Config;
use crate::logging;
use crate::message::Message;
use crate::pipeline::{self, Running};

/// How long the deliveries may take after the last message.
const DRAIN: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
pub(super) struct Play {
    /// Plays a file that `nadikota capture` wrote instead of listening, and ends with the account. Neither broker nor
    /// [mqtt] is used; the page is at a free port.
    #[arg(long, value_name = "FILE")]
    pub(super) from_capture: Option<PathBuf>,
    /// So many times as fast as it was captured; without it as fast as the disk takes it.
    #[arg(long, value_name = "N", requires = "from_capture", value_parser = speed)]
    speed: Option<f64>,
    /// Which times of receipt the messages get: those of the capture, so that what tells no time is stored when it was
    /// measured; or now, as if it came in this moment.
    #[arg(long, value_enum, default_value_t = Times::Captured, requires = "from_capture")]
    times: Times,
    /// Where journal and embedded store of this play go: a folder that is not there yet, or empty. Without it the
    /// configured data_dir, if that is so.
    #[arg(long, value_name = "DIR", requires = "from_capture")]
    data: Option<PathBuf>,
    /// The account as one JSON object.
    #[arg(long, requires = "from_capture")]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Times {
    Captured,
    Now,
}

fn speed(text: &str) -> Result<f64, String> {
    let read = text.parse::<f64>().ok().filter(|speed| speed.is_finite() && *speed > 0.0);
    read.ok_or_else(|| format!("\"{text}\" is not a number above 0; 1 is as fast as it was captured"))
}

pub(super) async fn run(file: &Path, options: &Play, mut config: Config) -> Result<(), Failure> {
    if let Some(data) = &options.data {
        config.data_dir.clone_from(data);
    }
    // Messages of the past among those of the live service would be told apart by nothing.
    let taken = std::fs::read_dir(&config.data_dir).is_ok_and(|mut entries| entries.next().is_some());
    if taken {
        eprintln!(
            "{} holds something already, perhaps the service's own journal: name another folder with --data",
            config.data_dir.display()
        );
        return Err(Failure::Usage);
    }
    let first = match open(file)?.next() {
        Some(first) => first.with_context(|| file.display().to_string())?,
        None => return Err(anyhow!("{} holds no message", file.display()).into()),
    };
    let (clock, set) = match options.times {
        Times::Now => (Clock::System, None),
        Times::Captured => {
            let (clock, handle) = Clock::fixed(first.time);
            (clock, Some(handle))
        }
    };
    config.mqtt = Vec::new();
    config.broker = None;
    config.http.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    // Its own clock stands still between two messages, which is no fault.
    config.watch.stall_after = Duration::ZERO;
    let log = logging::Config { level: "warn".to_owned(), ..config.log.clone() };
    logging::start(&log).context("cannot start logging")?;
    let running = pipeline::start(config, clock).await.context("nadikota did not start")?;
    eprintln!("playing {}; the page is at http://{}/ until the end", file.display(), running.http);
    let stop = CancellationToken::new();
    let signals = tokio::spawn(on_signal(stop.clone()));
    let advance = |message: &Captured| {
        if let Some(handle) = &set {
            handle.store(message.time, Ordering::SeqCst);
        }
    };
    let played = tokio::select! {
        played = play(file, first.time, options.speed, &running, advance) => played,
        () = stop.cancelled() => Ok(()),
        () = running.failed() => Err(anyhow!("a part of nadikota has ended; the log says which")),
    };
    let account = running.drain(DRAIN).await.context("nadikota did not end well")?;
    signals.abort();
    played?;
    if options.json {
        say_json(&account)?
    } else {
        say(&account)?
    }
    if account.balances() && account.pending == 0 { Ok(()) } else { Err(Failure::No) }
}

/// Hands in one message after another, each when the one before is on disk: so each gets its own time of receipt.
async fn play(
    file: &Path,
    first: i64,
    speed: Option<f64>,
    running: &Running,
    advance: impl Fn(&Captured),
) -> anyhow::Result<()> {
    let size = std::fs::metadata(file).map_or(0, |found| found.len()).max(1);
    let (journal, began) = (running.journal.clone(), tokio::time::Instant::now());
    let (mut reader, mut progress, mut count) = (open(file)?, Progress::of("messages", true), 0_u64);
    while let Some(message) = reader.next() {
        let message = message.with_context(|| file.display().to_string())?;
        if let Some(speed) = speed {
            let since = u64::try_from(message.time.saturating_sub(first)).unwrap_or(0);
            let at = Duration::from_nanos(since).as_secs_f64() / speed;
            tokio::time::sleep_until(began + Duration::try_from_secs_f64(at).unwrap_or(Duration::MAX)).await;
        }
        advance(&message);
        let Captured { topic, payload, qos, retain, .. } = message;
        let message = Message {
            topic: Bytes::from(topic),
            payload,
            qos,
            retain,
            dup: false,
            source: 0,
            session: 1,
            packet_id: 0,
            redelivery_of: None,
        };
        let _proof = journal.append(message).await?;
        count = count.saturating_add(1);
        #[expect(clippy::cast_precision_loss, reason = "a share for people")]
        let done = reader.position() as f64 / size as f64;
        progress.step(count, done);
    }
    progress.end();
    Ok(())
}
