//! Delivery: for one destination, from the journal's position through transform and batch to the sink and back.
//!
//! Each destination is a worker of its own with its own reader and position, so a stuck one delays no other.
//! Points are laned by device: a lane has one write under way, so an older value never overtakes a newer one.
//! The position passes a message only when every line of it has its verdict and the quarantine holds, synced,
//! whatever was refused.

mod aside;
mod buckets;
mod history;
mod holding;
mod in_hand;
mod judging;
mod keeper;
mod lane;
mod ledger;
mod loads;
mod paced;
pub mod poison;
mod portion;
mod replay;
mod snapshots;
mod standing;
mod worker;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::batch;
use crate::journal::cursor::Progress;
use crate::journal::{Entry, JournalError, Reader};
use crate::live::Reporter;
use crate::point::Point;
use crate::quarantine::Quarantine;
use crate::sink::{LineVerdict, Sink};
use crate::snapshot::Snapshot;
use crate::source::Rebirths;
use crate::status::Part;
use crate::transform::{State, Transform};

pub use history::{Chunk as HistoryChunk, History, Placed, Stretch};
pub use in_hand::InHand;
pub use keeper::{Keeper, NewRouting, Standings};
pub use replay::{Meant, Replay, ReplayError, Selection};

use aside::Aside;
use buckets::Buckets;
use lane::{Lanes, Load};
use ledger::Ledger;
use paced::Paced;
use portion::Portions;
use snapshots::Snapshots;
pub use standing::{Order, Standing};
pub use worker::Worker;

/// How many messages may be between the reader and the position; bounds memory while a database is slow.
const WINDOW_MESSAGES: usize = 50_000;
/// How many bytes of raw messages may be on the way.
const WINDOW_BYTES: usize = 16 * 1024 * 1024;

/// What ends a delivery other than being stopped.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    #[error("destination \"{destination}\": the journal cannot be read: {cause}")]
    Read { destination: String, cause: JournalError },
    #[error("destination \"{destination}\": a write failed inside nadikota: {cause}; please report this")]
    Write { destination: String, cause: tokio::task::JoinError },
}

/// The worker of one destination.
#[derive(Debug)]
pub struct Delivery {
    destination: String,
    /// Messages without a route are this destination's to settle.
    takes_unrouted: bool,
    transform: Arc<Transform>,
    orders: watch::Receiver<Order>,
    until: u64,
    /// Read already; they wait for their turn, or are told to wait.
    held: VecDeque<Entry>,
    portions: Portions,
    aside: Aside,
    in_hand: InHand,
    state: State,
    snapshots: Snapshots,
    reader: Paced,
    sink: Arc<Sink>,
    quarantine: Quarantine,
    /// For writes that may outlive this delivery.
    alive: Arc<()>,
    ledger: Ledger,
    lanes: Lanes,
    /// Nothing where all points go to one bucket.
    buckets: Option<Buckets>,
    standing: watch::Sender<Standing>,
    part: Part,
    live: Reporter,
    overwritten: Arc<AtomicU64>,
    rebirths: Rebirths,
    points: Vec<Point>,
}

/// What a delivery is built from.
#[derive(Debug)]
pub struct Parts {
    pub destination: String,
    pub takes_unrouted: bool,
    pub orders: watch::Receiver<Order>,
    pub in_hand: InHand,
    /// As of the reader's first message, which is not after the position.
    pub state: State,
    pub next: u64,
    pub reader: Reader,
    pub sink: Arc<Sink>,
    pub lanes: usize,
    pub batch: batch::Config,
    pub quarantine: Quarantine,
    /// Where the worker before this one stood.
    pub standing: watch::Sender<Standing>,
    /// The quarantine's line on the board.
    pub part: Part,
    /// Told what people see of this moment.
    pub live: Reporter,
    /// Counts points that another of the same identity in the same batch overwrote with other values.
    pub overwritten: Arc<AtomicU64>,
    /// Asks nodes whose births are missing.
    pub rebirths: Rebirths,
}

impl Delivery {
    pub fn new(parts: Parts) -> Self {
        let Progress { position, outcomes } = parts.standing.borrow().progress.clone();
        let ledger = Ledger::new(&parts.destination, position, outcomes);
        let template = parts.sink.buckets().cloned();
        let Order { transform, until, .. } = parts.orders.borrow().clone();
        Self {
            destination: parts.destination,
            buckets: template.map(|template| Buckets::new(template, &transform)),
            takes_unrouted: parts.takes_unrouted,
            transform,
            orders: parts.orders,
            until: until.max(position),
            held: VecDeque::new(),
            portions: Portions::default(),
            aside: Aside::default(),
            in_hand: parts.in_hand,
            snapshots: Snapshots::new(parts.next, Instant::now()),
            state: parts.state,
            reader: Paced::new(parts.reader, parts.batch.max_age),
            sink: parts.sink,
            quarantine: parts.quarantine,
            alive: Arc::default(),
            ledger,
            lanes: Lanes::new(parts.lanes, parts.batch),
            standing: parts.standing,
            part: parts.part,
            live: parts.live,
            overwritten: parts.overwritten,
            rebirths: parts.rebirths,
            points: Vec::new(),
        }
    }

    /// Works until `stop`; what was under way then is found again from the cursor.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), DeliveryError> {
        let ended = self.work(&stop).await;
        self.in_hand.stops();
        ended?;
        let (messages, _) = self.ledger.on_the_way();
        if messages == 0 && self.aside.is_empty() {
            let snapshot = Snapshot { next: self.snapshots.next, state: Arc::new(self.state) };
            self.standing.send_modify(|standing| standing.snapshot = Some(snapshot));
        }
        Ok(())
    }

    async fn work(&mut self, stop: &CancellationToken) -> Result<(), DeliveryError> {
        let mut writes = JoinSet::<Option<(Load, Vec<LineVerdict>)>>::new();
        loop {
            let due = self.lanes.due();
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Ok(()) = self.orders.changed(), if self.may_obey() => self.obey(),
                Some(done) = writes.join_next(), if !writes.is_empty() => {
                    match done {
                        Ok(Some((load, verdicts))) => self.settle(load, &verdicts),
                        // Stopped: it is written again after the next start.
                        Ok(None) => {}
                        Err(cause) => {
                            let destination = self.destination.clone();
                            return Err(DeliveryError::Write { destination, cause });
                        }
                    }
                }
                answer = self.aside.answered(), if !self.aside.is_empty() => {
                    self.answered(answer);
                }
                // Others had their turn meanwhile.
                () = tokio::task::yield_now(), if self.may_take() => self.take_held(),
                entries = self.reader.next(), if self.has_room() && self.held.is_empty() && self.goes_on() => {
                    let entries = entries.map_err(|cause| DeliveryError::Read {
                        destination: self.destination.clone(),
                        cause,
                    })?;
                    self.held.extend(entries);
                    self.take_held();
                }
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
            for load in self.lanes.ready(Instant::now()) {
                let (sink, stop) = (Arc::clone(&self.sink), stop.clone());
                writes.spawn(async move {
                    let verdicts = sink.deliver(&load.batch, load.bucket.as_deref(), &stop).await.ok()?;
                    Some((load, verdicts))
                });
            }
            self.pass(stop).await;
        }
    }

    /// What was settled before the start is judged by the transform there was then, to the last message.
    fn may_obey(&self) -> bool {
        let position = self.ledger.position();
        let caught_up = self.snapshots.next >= position && !self.aside.holds_before(position);
        caught_up || Arc::ptr_eq(&self.transform, &self.orders.borrow().transform)
    }

    fn has_room(&self) -> bool {
        let (messages, bytes) = self.ledger.on_the_way();
        messages < WINDOW_MESSAGES && bytes < WINDOW_BYTES
    }

    fn obey(&mut self) {
        let order = self.orders.borrow_and_update().clone();
        if !Arc::ptr_eq(&self.transform, &order.transform) {
            // Everything is settled here: a replay must not judge by the new configuration what came before it.
            self.snapshots.forget();
            let (next, state) = (self.ledger.position(), Arc::new(self.state.clone()));
            self.standing.send_modify(|standing| standing.snapshot = Some(Snapshot { next, state }));
            if self.aside.is_empty() {
                self.aside = Aside::default();
            }
        }
        let position = self.ledger.position();
        (self.transform, self.until) = (order.transform, order.until.max(position));
        self.take_held();
        let next = self.snapshots.next.max(position);
        self.standing.send_modify(|standing| standing.obeyed = (order.number, next));
    }

    fn settle(&mut self, load: Load, verdicts: &[LineVerdict]) {
        let Load { lane, seqs, batch, .. } = load;
        let mut stored = Vec::new();
        for (seq, verdict) in seqs.into_iter().zip(verdicts) {
            let refused = match verdict {
                LineVerdict::Stored => None,
                LineVerdict::Refused(rejection) => Some(rejection.clone()),
            };
            stored.extend(self.ledger.line_settled(seq, refused));
        }
        self.live.answered(&batch, verdicts, &stored);
        self.lanes.free(lane);
    }

    /// Moves the position over what is settled, after the quarantine has synced what was refused.
    async fn pass(&mut self, stop: &CancellationToken) {
        let Some(settled) = self.ledger.settled() else {
            // Where nothing moves any more its age is what shows it; nobody needs to be woken for that.
            let oldest = self.ledger.oldest_received();
            self.standing.send_if_modified(|standing| {
                standing.oldest_received = oldest;
                false
            });
            return;
        };
        if !settled.refused.is_empty() && !self.hold(&settled.refused, stop).await {
            return;
        }
        for refused in &settled.refused {
            self.live.refused(&self.transform.secrets().shown(&refused.record), &refused.rejection);
        }
        self.ledger.pass(settled);
        let snapshot = self.snapshots.reached(self.ledger.position());
        self.standing.send_modify(|standing| {
            standing.progress.position = self.ledger.position();
            standing.progress.outcomes = self.ledger.outcomes().clone();
            standing.oldest_received = self.ledger.oldest_received();
            if snapshot.is_some() {
                standing.snapshot = snapshot;
            }
        });
    }
}
