//! The keeper of the cursor: gathers where every delivery stands and writes it down, often and at the end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::account::Account;
use crate::backoff::Backoff;
use crate::journal::cursor::{self, Cursor, Progress};
use crate::journal::disk::Disk;
use crate::journal::{DamageSummary, Journal, Room};
use crate::outcome::Outcomes;
use crate::quarantine::Quarantine;
use crate::snapshot::{self, Snapshot};
use crate::status::Part;

use super::Standing;

/// How often it is looked whether there is damage to tell.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How many ranges of lost numbers are told one by one.
const RANGES: usize = 5;
/// How often the cursor is written while positions move.
const EVERY: Duration = Duration::from_millis(100);

/// Where all deliveries stand; cheap to clone, read by health at any time.
#[derive(Debug, Clone)]
pub struct Standings {
    journal: Journal,
    deliveries: Arc<BTreeMap<String, watch::Receiver<Standing>>>,
    retired: Arc<BTreeMap<String, Outcomes>>,
    quarantine: Quarantine,
}

impl Standings {
    /// `retired` is what destinations had settled that are no longer there.
    pub fn new(
        journal: Journal,
        deliveries: BTreeMap<String, watch::Receiver<Standing>>,
        retired: BTreeMap<String, Outcomes>,
        quarantine: Quarantine,
    ) -> Self {
        Self { journal, deliveries: Arc::new(deliveries), retired: Arc::new(retired), quarantine }
    }

    /// The account at this instant. Positions are read before the journal's end, so pending is never negative; what
    /// has moved is read before them, so nothing has moved that was not settled.
    pub fn account(&self) -> Account {
        let moved = self.quarantine.moved();
        let progress = self.progress();
        let outcomes = progress.values().map(|progress| &progress.outcomes);
        Account::new(self.journal.end(), outcomes, self.retired.values(), moved.values())
    }

    /// Returns when some destination has moved, or after a moment.
    pub async fn moved(&self) {
        let mut moves = tokio::task::JoinSet::new();
        for standing in self.deliveries.values() {
            let mut standing = standing.clone();
            standing.mark_unchanged();
            moves.spawn(async move { standing.changed().await });
        }
        let _ = tokio::time::timeout(EVERY, moves.join_next()).await;
    }

    /// The furthest message that a delivery had begun when it heard this order; nothing until all have heard it.
    pub fn obeyed(&self, order: u64) -> Option<u64> {
        let heard = self.deliveries.values().map(|standing| standing.borrow().obeyed);
        heard
            .map(|(number, next)| (number >= order).then_some(next))
            .try_fold(0, |most, next| Some(most.max(next?)))
    }

    /// When the oldest message on its way to any destination was received, Unix time in nanoseconds.
    pub fn oldest_received(&self) -> Option<i64> {
        self.deliveries.values().filter_map(|standing| standing.borrow().oldest_received).min()
    }

    /// How far each destination is.
    pub fn progress(&self) -> BTreeMap<String, Progress> {
        let progress = |standing: &watch::Receiver<Standing>| standing.borrow().progress.clone();
        self.deliveries.iter().map(|(name, standing)| (name.clone(), progress(standing))).collect()
    }
}

/// From now on routes name other destinations; answered when that stands in the cursor file.
#[derive(Debug)]
pub struct NewRouting {
    pub routing: Vec<(String, String)>,
    pub done: oneshot::Sender<()>,
}

/// Writes the cursor file.
#[derive(Debug)]
pub struct Keeper {
    pub dir: PathBuf,
    pub disk: Arc<dyn Disk>,
    pub standings: Standings,
    /// Of each source by its number, kept up to date by it: below it every PUBACK is known to have arrived.
    pub known_floors: BTreeMap<u16, Arc<AtomicU64>>,
    /// What the file holds now.
    pub cursor: Cursor,
    pub routings: mpsc::Receiver<NewRouting>,
    /// From which message on each destination's state would be made again after a crash.
    pub replay_from: BTreeMap<String, u64>,
    pub part: Part,
    /// The line on the board about what is lost to damage.
    pub damage: Part,
    /// Grows with every round, so that one that hangs is noticed.
    pub rounds: Arc<AtomicU64>,
}

impl Keeper {
    /// Works until `stop`, and writes the last positions before it returns.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::new(EVERY, Duration::from_secs(5));
        let mut wait = EVERY;
        let mut new_routing: Option<NewRouting> = None;
        let mut former = self.cursor.routing.clone();
        self.tell_damage().await;
        let mut looked = Instant::now();
        loop {
            let last = tokio::select! {
                () = stop.cancelled() => true,
                Some(new) = self.routings.recv(), if new_routing.is_none() => {
                    new_routing = Some(new);
                    false
                }
                () = tokio::time::sleep(wait) => false,
            };
            self.rounds.fetch_add(1, Ordering::Relaxed);
            self.release();
            if looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                self.tell_damage().await;
            }
            // Whoever gave up waiting for it goes on under the former one.
            new_routing = new_routing.filter(|new| !new.done.is_closed());
            let routing = new_routing.as_ref().map_or(&former, |new| &new.routing).clone();
            match self.write(&routing).await {
                Ok(()) => {
                    if let Some(new) = new_routing.take()
                        && new.done.send(()).is_ok()
                    {
                        former = new.routing;
                    }
                    self.release();
                    backoff.reset();
                    wait = EVERY;
                    self.part.ok();
                }
                Err(error) => {
                    tracing::warn!(error, "the cursor could not be written");
                    self.part.degraded(
                        format!("the cursor cannot be written: {error}"),
                        "free disk space or mend the data directory; after a restart some points are written again",
                    );
                    wait = backoff.next_wait();
                }
            }
            if last {
                return;
            }
        }
    }

    /// Lets the journal give up what the cursor on disk has passed and no replay would need. Where the journal has
    /// no room, messages go before flags.
    fn release(&self) {
        let full = *self.standings.journal.room().borrow() != Room::Free;
        let needed =
            self.cursor.destinations.iter().map(|(name, progress)| match self.replay_from.get(name) {
                Some(next) if !full => progress.position.min(*next),
                _ => progress.position,
            });
        if let Some(lowest) = needed.min() {
            self.standings.journal.release(lowest);
        }
    }

    /// Damage stays on the board until a human has moved away what is set aside.
    async fn tell_damage(&self) {
        let (journal, quarantine) = (self.standings.journal.clone(), self.standings.quarantine.clone());
        let found = tokio::task::spawn_blocking(move || {
            let all = [("journal", journal.damage(true)), ("quarantine", quarantine.damage(true))];
            all.into_iter().filter_map(|(room, summary)| Some(reason(room, &summary?))).collect::<Vec<_>>()
        });
        match found.await {
            Ok(told) if told.is_empty() => self.damage.ok(),
            Ok(told) => self.damage.degraded(
                told.join("; "),
                "see what is lost with nadikota journal verify, look after the disk, then move the named files away",
            ),
            Err(error) => tracing::warn!(%error, "damage cannot be told"),
        }
    }

    async fn write(&mut self, routing: &[(String, String)]) -> Result<(), String> {
        let mut next = self.cursor.clone();
        next.routing = routing.to_vec();
        let mut snapshots: Vec<(String, Snapshot)> = Vec::new();
        for (name, watched) in self.standings.deliveries.iter() {
            let standing = watched.borrow();
            next.destinations.insert(name.clone(), standing.progress.clone());
            if let Some(snapshot) = &standing.snapshot
                && self.replay_from.get(name).is_none_or(|next| *next < snapshot.next)
            {
                snapshots.push((name.clone(), snapshot.clone()));
            }
        }
        let floors = self.known_floors.iter();
        next.sources_reached(floors.map(|(source, floor)| (*source, floor.load(Ordering::Acquire))));
        if next == self.cursor && snapshots.is_empty() {
            return Ok(());
        }
        let (dir, disk) = (self.dir.clone(), Arc::clone(&self.disk));
        let quarantine = self.standings.quarantine.clone();
        let (written, snapshots) = tokio::task::spawn_blocking(move || {
            quarantine.mend().map_err(|error| error.to_string())?;
            // The cursor first: a state ahead of it would judge messages by those that come after them.
            cursor::save(&next, &dir, disk.as_ref()).map_err(|error| error.to_string())?;
            let positions = next.destinations.iter();
            quarantine.settle(positions.map(|(name, progress)| (name.clone(), progress.position)).collect());
            for (name, snapshot) in &snapshots {
                snapshot::save(&dir, name, snapshot, disk.as_ref()).map_err(|error| error.to_string())?;
            }
            Ok::<_, String>((next, snapshots))
        })
        .await
        .map_err(|error| error.to_string())??;
        self.replay_from.extend(snapshots.into_iter().map(|(name, snapshot)| (name, snapshot.next)));
        self.cursor = written;
        Ok(())
    }
}

/// What a human should know of damage in the journal or the quarantine.
fn reason(room: &str, summary: &DamageSummary) -> String {
    let mut told = Vec::new();
    let lost: u64 =
        summary.lost.iter().map(|lost| lost.last.saturating_sub(lost.first).saturating_add(1)).sum();
    if lost > 0 {
        let mut ranges: Vec<_> = summary
            .lost
            .iter()
            .take(RANGES)
            .map(|lost| {
                if lost.first == lost.last {
                    lost.first.to_string()
                } else {
                    format!("{} to {}", lost.first, lost.last)
                }
            })
            .collect();
        if summary.lost.len() > RANGES {
            ranges.push("more".to_owned());
        }
        told.push(format!("{lost} messages are lost, by number {}", ranges.join(", ")));
    }
    if lost > 0 || summary.files > 0 {
        told.push(format!(
            "what is known and {} damaged stretches are in {}",
            summary.files,
            summary.dir.display()
        ));
    }
    if let Some(foreign) = summary.foreign.first() {
        let count = summary.foreign.len();
        told.push(format!(
            "{count} files are no segments of this version, the first is {}",
            foreign.display()
        ));
    }
    format!("damage in the {room}: {}", told.join("; "))
}
