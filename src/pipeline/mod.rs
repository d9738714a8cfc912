//! The pipeline: builds the rooms, joins them, supervises them, and drains.
//!
//! ```text
//!  source ─▶ journal ─▶ delivery (one for each destination) ─▶ database
//!    ▲          │          │               │
//!    └─ PUBACK ◀┘ synced   └─▶ quarantine  └─▶ keeper: cursor
//! ```

mod desk;
mod former;
mod intake;
mod numbers;
mod positions;
mod reload;
mod stage;
mod watching;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::account::Account;
use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::{self, DeliveryError, InHand, Keeper, Order, Standing, Standings, Worker};
use crate::embedded::BrokerError;
use crate::http;
use crate::journal::cursor::{self, Cursor, CursorError, Found};
use crate::journal::disk::{Disk, RealDisk};
use crate::journal::lock::{DataDir, LockError};
use crate::journal::{self, Journal, JournalError};
use crate::live::Live;
use crate::message::Record;
use crate::quarantine::{self, QuarantineError};
use crate::secret::Secret;
use crate::sink::{Sink, SinkError};
use crate::snapshot::Snapshot;
use crate::source::Rebirths;
use crate::status::Board;
use crate::transform::State;
use former::remembered;
use intake::Intake;
use numbers::Numbers;
use reload::Current;
pub use reload::{ReloadError, Reloaded, Reloader};
use stage::Stage;
use watching::{Guard, Watching};

/// Why the pipeline did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    #[error(transparent)]
    DataDir(#[from] LockError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Cursor(#[from] CursorError),
    #[error(transparent)]
    Quarantine(#[from] QuarantineError),
    #[error("destination \"{name}\": {cause}")]
    Sink { name: String, cause: SinkError },
    #[error(transparent)]
    Http(#[from] http::HttpError),
    #[error("the list of sources in the data directory cannot be read: {0}")]
    Sources(std::io::Error),
    #[error("the token for commands cannot be made: {0}")]
    Key(std::io::Error),
    #[error("a thread of nadikota's own cannot be started: {0}")]
    Thread(std::io::Error),
    #[error(
        "routes or destinations were changed while destinations stand at different positions ({positions}); \
         start once with the former configuration and let it drain, so that no message is passed over by both"
    )]
    RoutingChanged { positions: String },
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
}

/// A pipeline at work. Dropping it without [`Running::drain`] is a crash, which is survived like any other.
#[derive(Debug)]
pub struct Running {
    pub standings: Standings,
    pub board: Board,
    pub http: SocketAddr,
    /// Where the embedded broker listens.
    pub mqtt: Option<SocketAddr>,
    /// Changes routes, registry and profiles; whoever wants to takes it.
    pub reloader: Option<Reloader>,
    pub journal: Journal,
    writer: std::thread::JoinHandle<()>,
    intake: Stage<()>,
    deliveries: Stage<Result<(), DeliveryError>>,
    keeper: Stage<()>,
    desk: Stage<()>,
    server: Stage<Result<(), http::HttpError>>,
    guard: Guard,
    _data_dir: DataDir,
}

/// Builds everything and starts it. Start and recovery are the same path.
pub async fn start(config: Config, clock: Clock) -> Result<Running, PipelineError> {
    start_on(Arc::new(RealDisk), config, clock).await
}

/// The same on a disk of the caller's, for all but the embedded store.
pub async fn start_on(disk: Arc<dyn Disk>, config: Config, clock: Clock) -> Result<Running, PipelineError> {
    let listener = http::bind(config.http.listen).await?;
    let data_dir = DataDir::open(&config.data_dir)?;
    let dir = data_dir.path().to_owned();
    let board = Board::new(clock.clone());

    let found = cursor::open(&dir, disk.as_ref())?;
    let (mut cursor, told) = match found {
        Found::Cursor(cursor) => (cursor, None),
        Found::Nothing | Found::Lost => {
            (Cursor::default(), Some(quarantine::highest(&dir.join("quarantine"), disk.as_ref())?))
        }
    };
    // No number is given twice, whatever is lost.
    let past = told.iter().flat_map(BTreeMap::values).map(|seq| seq.saturating_add(1)).max();
    let past = past.unwrap_or(1).max(cursor.highest());
    let (journal, writer) = open_journal(&config, past, &disk, &clock, &board)?;
    positions::take_over(&mut cursor, &config)?;
    if told.is_some() {
        positions::begin_again(&mut cursor, &config, journal.stats().oldest);
    }
    tracing::info!(unsettled = journal.end().saturating_sub(cursor.lowest()), "positions are known");
    let quarantine = positions::open_quarantine(&mut cursor, &config, &disk, &clock, told)?;

    let live = Live::new(clock.clone());
    let order = Order { number: 0, transform: Arc::clone(&config.transform), until: u64::MAX };
    let (orders, ordered) = watch::channel(order);
    let mut deliveries = Stage::new();
    let (mut watched, mut watching) = (BTreeMap::new(), Watching::new(config.watch, &board));
    watching.journal(journal.clone());
    let mut sinks = BTreeMap::new();
    let overwritten = Arc::default();
    let rebirths = Rebirths::new(clock.clone());
    let mut replay_from = BTreeMap::new();
    let quarantine_part = board.part("quarantine");
    quarantine_part.ok();
    for (index, destination) in config.destinations.iter().enumerate() {
        let name = destination.name.clone();
        let part = board.part(format!("destination {name}"));
        let sink = Sink::open(destination, &dir, clock.clone(), part)
            .map_err(|cause| PipelineError::Sink { name: name.clone(), cause })?;
        let sink = Arc::new(sink);
        let progress = cursor.destinations.get(&name).cloned().unwrap_or_default();
        let snapshot = remembered(&dir, &name, progress.position, journal.stats().oldest);
        replay_from.insert(name.clone(), snapshot.next);
        let (standing, stands) = watch::channel(Standing::new(progress));
        let worker = Worker {
            destination: name.clone(),
            journal: journal.clone(),
            quarantine: quarantine.clone(),
            sink: Arc::clone(&sink),
            standing: stands.clone(),
            entered: Arc::default(),
            begin_anew: Arc::default(),
        };
        watching.worker(&name, worker.clone(), destination.slowest());
        let mut first = Some(snapshot);
        let parts = {
            let (name, sink, entered) = (name.clone(), Arc::clone(&sink), Arc::clone(&worker.entered));
            let (ordered, journal, quarantine) = (ordered.clone(), journal.clone(), quarantine.clone());
            let (dir, disk, live) = (dir.clone(), Arc::clone(&disk), live.reporter(&name));
            let (lanes, batch, part) = (destination.lanes, config.batch, quarantine_part.clone());
            let (overwritten, rebirths) = (Arc::clone(&overwritten), rebirths.clone());
            move || {
                let position = standing.borrow().progress.position;
                let again = || remembered(&dir, &name, position, journal.stats().oldest);
                let Snapshot { next, state } = first.take().unwrap_or_else(again);
                let in_hand = InHand::open(&dir, &name, next, disk.as_ref());
                delivery::Parts {
                    destination: name.clone(),
                    takes_unrouted: index == 0,
                    orders: ordered.clone(),
                    in_hand: in_hand.telling(Arc::clone(&entered)),
                    state: state.as_ref().clone(),
                    next,
                    reader: journal.reader(next),
                    sink: Arc::clone(&sink),
                    lanes,
                    batch,
                    quarantine: quarantine.clone(),
                    standing: standing.clone(),
                    part: part.clone(),
                    live: live.clone(),
                    overwritten: Arc::clone(&overwritten),
                    rebirths: rebirths.clone(),
                }
            }
        };
        deliveries.spawn(format!("delivery to {name}"), worker.run(parts, deliveries.stop.clone()));
        watched.insert(name.clone(), stands);
        sinks.insert(name, sink);
    }
    let standings = Standings::new(journal.clone(), watched, cursor.retired.clone(), quarantine.clone());

    let (filters, subscribed) = watch::channel(config.transform.filters());
    let parts = intake::Parts {
        config: &config,
        dir: &dir,
        disk: &disk,
        clock: &clock,
        cursor: &cursor,
        journal: &journal,
        board: &board,
        rebirths: &rebirths,
        filters: subscribed,
    };
    let intake = Intake::begin(parts, &mut watching).await?;

    let mut keeper = Stage::new();
    let (routing, routings) = mpsc::channel(1);
    let (part, damage, standings_kept) = (board.part("cursor"), board.part("damage"), standings.clone());
    let (kept_dir, kept_disk) = (dir.clone(), Arc::clone(&disk));
    let task = Keeper {
        dir: kept_dir,
        disk: kept_disk,
        standings: standings_kept,
        known_floors: intake.known_floors,
        cursor,
        routings,
        replay_from,
        part,
        damage,
        rounds: watching.keeper(),
    };
    keeper.spawn("keeper of the cursor", task.run(keeper.stop.clone()));

    let address = listener.local_addr().unwrap_or(config.http.listen);
    let key = Secret::random().map_err(PipelineError::Key)?;
    // A full disk must not keep us from starting.
    if let Err(error) = (http::Way { address, token: key.clone() }).write(&dir, disk.as_ref()) {
        tracing::error!(
            %error,
            dir = %dir.display(),
            "the token for commands cannot be written: free disk space and restart before using them"
        );
    }
    let (desk_shown, clerk) = http::Desk::new(key, config.http.token.clone());
    let mut desk = Stage::new();
    let work = desk::Work {
        clerk,
        dir,
        board: board.clone(),
        quarantine: quarantine.clone(),
        orders: orders.subscribe(),
        sinks: sinks.clone(),
        batch: config.batch,
    };
    desk.spawn("work on the quarantine", work.run(desk.stop.clone()));

    let numbers = Numbers {
        standings: standings.clone(),
        journal: journal.clone(),
        quarantine,
        sinks,
        overwritten,
        counts: intake.counts,
        rebirths,
        orders: orders.subscribe(),
        certificates: intake.certificates,
        stalls: watching.stalls(),
        started: clock.now(),
        clock,
    };
    let in_use = orders.subscribe();
    let explain = move |record: &Record| {
        let transform = Arc::clone(&in_use.borrow().transform);
        transform.explain(record, &State::default())
    };
    let view = http::View::new(board.clone(), live, move || numbers.snapshot(), explain);
    let mut server = Stage::new();
    let serving = http::Server::new(&config.http, view).with_desk(desk_shown);
    server.spawn("http", serving.run(listener, server.stop.clone()));
    let part = board.part("configuration");
    part.ok();
    let reloader = Reloader {
        orders,
        routing,
        filters,
        standings: standings.clone(),
        journal: journal.clone(),
        destinations: config.destinations.iter().map(|destination| destination.name.clone()).collect(),
        current: Current { transform: config.transform, routing: config.routing },
        started_with: config.settings,
        part,
    };
    Ok(Running {
        reloader: Some(reloader),
        standings,
        board,
        http: address,
        mqtt: intake.broker,
        journal,
        writer,
        intake: intake.stage,
        deliveries,
        keeper,
        desk,
        server,
        guard: watching.begin().map_err(PipelineError::Thread)?,
        _data_dir: data_dir,
    })
}

fn open_journal(
    config: &Config,
    past: u64,
    disk: &Arc<dyn Disk>,
    clock: &Clock,
    board: &Board,
) -> Result<(Journal, std::thread::JoinHandle<()>), PipelineError> {
    let part = board.part("journal");
    let dir = config.data_dir.join("journal");
    let (journal, writer, recovery) =
        journal::open(&dir, &config.journal, Arc::clone(disk), clock.clone(), past, part.clone())?;
    part.ok();
    tracing::info!(
        next = journal.end(),
        torn_bytes = recovery.torn,
        damaged_bytes = recovery.damaged,
        "journal opened"
    );
    let thread = std::thread::Builder::new().name("journal".to_owned());
    let writer = thread.spawn(move || writer.run()).map_err(PipelineError::Thread)?;
    Ok((journal, writer))
}

impl Running {
    /// Returns when a part has ended that should not have: its reason is told by [`Running::drain`].
    pub async fn failed(&self) {
        let ended = || {
            self.deliveries.tasks.iter().any(|(_, task)| task.is_finished())
                || self.intake.tasks.iter().any(|(_, task)| task.is_finished())
                || self.server.tasks.iter().any(|(_, task)| task.is_finished())
                || self.desk.tasks.iter().any(|(_, task)| task.is_finished())
                || self.keeper.tasks.iter().any(|(_, task)| task.is_finished())
                || self.writer.is_finished()
        };
        let mut look = tokio::time::interval(Duration::from_millis(500));
        while !ended() {
            look.tick().await;
        }
    }

    /// Returns when something stands still and nothing helps: whoever supervises the process should start another.
    pub async fn stalled(&self) {
        self.guard.gave_up().await;
    }

    /// Stops taking messages, delivers what is on disk for at most `within`, and ends. Whatever is left is
    /// delivered after the next start.
    pub async fn drain(self, within: Duration) -> Result<Account, PipelineError> {
        let deadline = tokio::time::Instant::now() + within;
        drop(self.guard);
        self.intake.join(within).await;
        self.desk.join(Duration::from_secs(5)).await;
        let settled = async {
            while self.standings.account().pending > 0 {
                self.standings.moved().await;
            }
        };
        if tokio::time::timeout_at(deadline, settled).await.is_err() {
            let pending = self.standings.account().pending;
            tracing::warn!(pending, "stopped before everything was delivered; it goes on at the next start");
        }
        // Each part may be late by itself; none may hold the others.
        let each = Duration::from_secs(5);
        let ended = self.deliveries.join(each).await;
        self.keeper.join(each).await;
        let account = self.standings.account();
        let served = self.server.join(each).await;
        self.journal.close();
        drop((self.standings, self.journal, self.reloader));
        if !matches!(tokio::task::spawn_blocking(move || self.writer.join()).await, Ok(Ok(()))) {
            tracing::error!("the journal's thread failed");
        }
        served.into_iter().collect::<Result<(), _>>()?;
        ended.into_iter().collect::<Result<(), _>>()?;
        Ok(account)
    }
}
