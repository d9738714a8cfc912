//! `nadikota demo`: a simulated city publishes to the real service, and at the end the books are checked.

mod books;
mod chaos;
mod options;

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio_util::sync::CancellationToken;

use super::demo_view::{self, Remark, Snapshot};
use super::{Failure, on_signal, say, say_json};
use crate::clock::Clock;
use crate::config::DEMO_DEVICES;
use crate::mqtt;
use crate::pipeline::{self, Running};
use crate::simulate::publisher::{self, Plan};
use crate::simulate::{self, City, Expectation, Log, Publish};

pub(super) use chaos::end_with;
pub(super) use options::Options;

/// How long the deliveries may take after the last publish.
const DRAIN: Duration = Duration::from_secs(60);
const FRAME: Duration = Duration::from_millis(250);
/// Remarks kept for the view.
const REMARKS: usize = 30;
/// The device of whoever joins in; the books leave it out.
const GUEST: &str = "anda-01";

/// What the publisher tells the view.
#[derive(Debug, Default)]
struct Seen {
    remarks: Vec<Remark>,
    level: Option<f64>,
}

pub(super) async fn run(options: Options) -> Result<(), Failure> {
    if options.chaos {
        return chaos::run(&options).await;
    }
    let live = std::io::stdout().is_terminal() && !options.json;
    let data = options.data_dir()?;
    let config = options.config(data.path())?;
    crate::logging::start(&options.logging(live)).context("cannot start logging")?;
    let compares = options.influx.is_none();
    let running = pipeline::start(config, Clock::System).await.map_err(anyhow::Error::new)?;
    let fresh = running.standings.account().received == 0;

    let stop = CancellationToken::new();
    let signals = tokio::spawn(on_signal(stop.clone()));
    if let Some(length) = options.length {
        let stop = stop.clone();
        tokio::spawn(async move {
            tokio::time::sleep(length).await;
            stop.cancel();
        });
    }
    let seen = Arc::new(Mutex::new(Seen::default()));
    let broker = options.broker_address(&running)?;
    let city = simulate::Options {
        seed: options.seed,
        // Over another broker no subscription brings what no route matches.
        unrouted: options.broker.is_none(),
        ..simulate::Options::default()
    };
    let city = City::new(DEMO_DEVICES, city).map_err(anyhow::Error::new)?;
    let river = city.flooding_river().map(|(id, _)| id.to_owned()).unwrap_or_default();
    let snapshot = Snapshot {
        river: None,
        broker: (broker.host.clone(), broker.port),
        topic: format!("city/pasuruan/purworejo/{GUEST}/level"),
        http: Some(format!("http://{}/", running.http)),
        ..Snapshot::default()
    };
    let publishing = tokio::spawn(publish(city, broker, options.rate, Arc::clone(&seen), stop.clone()));
    if live {
        show(snapshot, river, &running, &seen, &stop).await?;
    } else {
        tokio::select! {
            () = stop.cancelled() => {}
            () = running.failed() => stop.cancel(),
        }
    }
    stop.cancel();
    let (log, published) = publishing.await.context("the publisher failed")?;
    published.context("the publisher lost its broker")?;
    let account = running.drain(DRAIN).await.map_err(anyhow::Error::new)?;
    signals.abort();

    let places = (compares && fresh).then(|| books::Places::of(data.path()));
    let books = books::close(&log, account, places.as_ref())?;
    if options.json {
        say_json(&books.told())?
    } else {
        say(books.to_string())?
    }
    if books.balance() { Ok(()) } else { Err(Failure::No) }
}

/// Publishes until stopped; the log says which publishes were acknowledged.
async fn publish(
    mut city: City,
    broker: mqtt::Options,
    rate: u32,
    seen: Arc<Mutex<Seen>>,
    stop: CancellationToken,
) -> (Log, anyhow::Result<()>) {
    let river = city.flooding_river().map(|(_, topic)| topic.to_owned());
    let mut log = Log::default();
    let plan = Plan { rate: Some(rate), ..Plan::default() };
    let noted = |publish: &Publish| note(publish, river.as_deref(), &seen);
    let published = publisher::run(&mut city, &mut log, &broker, plan, &Clock::System, &stop, noted).await;
    (log, published.map_err(anyhow::Error::new))
}

fn note(publish: &Publish, river: Option<&str>, seen: &Mutex<Seen>) {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    if river == Some(publish.topic.as_str())
        && let Expectation::Points { points, .. } = &publish.expectation
    {
        let level = points.iter().flat_map(|point| &point.fields).find(|(name, _)| name == "water_level_m");
        seen.level = level.map(|(_, level)| level * 100.0).or(seen.level);
    }
    let Some(misbehaviour) = publish.misbehaviour else { return };
    let verdict = match &publish.expectation {
        Expectation::Quarantined(reason) => format!("quarantined: {reason}"),
        Expectation::Discarded(reason) => format!("discarded: {reason}"),
        Expectation::Points { rest: Some(reason), .. } => format!("partly stored: {reason}"),
        Expectation::Points { .. } => "stored".to_owned(),
    };
    seen.remarks.push(Remark {
        device: publish.topic.clone(),
        verdict,
        detail: misbehaviour.told().to_owned(),
    });
    let surplus = seen.remarks.len().saturating_sub(REMARKS);
    seen.remarks.drain(..surplus);
}

/// Draws the view until stopped.
async fn show(
    mut snapshot: Snapshot,
    river: String,
    running: &Running,
    seen: &Mutex<Seen>,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let mut frames = tokio::time::interval(FRAME);
    let mut counts = std::collections::VecDeque::new();
    // The alternate screen leaves the terminal as it was.
    print!("\x1b[?1049h\x1b[?25l");
    let shown = loop {
        tokio::select! {
            () = stop.cancelled() => break Ok(()),
            () = running.failed() => break Err(anyhow!("a part of nadikota has ended; see the log")),
            _ = frames.tick() => {}
        }
        snapshot.account = running.standings.account();
        counts.push_back(snapshot.account.received);
        if counts.len() > 5 {
            counts.pop_front();
        }
        let before = counts.front().copied().unwrap_or(0);
        snapshot.per_second = snapshot.account.received.saturating_sub(before);
        {
            let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            snapshot.remarks.clone_from(&seen.remarks);
            snapshot.river = seen.level.map(|level| (river.clone(), level));
        }
        let (width, height) = terminal_size();
        let frame = demo_view::frame(&demo_view::lines(&snapshot, width, height));
        let mut out = std::io::stdout().lock();
        if out.write_all(frame.as_bytes()).and_then(|()| out.flush()).is_err() {
            break Ok(());
        }
    };
    print!("\x1b[?25h\x1b[?1049l");
    let _ = std::io::stdout().flush();
    Ok(shown?)
}

fn terminal_size() -> (usize, usize) {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    size.map_or((80, 24), |size| (usize::from(size.ws_col).max(20), usize::from(size.ws_row).max(10)))
}
