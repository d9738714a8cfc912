//! The source: takes publishes from a broker, hands them to the journal, and acknowledges what is on disk.
//!
//! PUBACKs leave in the order of arrival, each for a proof of durability. While the journal has no room the source
//! holds what it has; MQTT 5 bounds that by the receive maximum and polling goes on, on 3.1.1 it drops the
//! connection and comes back when there is room: the broker's session keeps the rest.

mod config;
mod inspect;
mod link;
pub mod redelivery;
mod roster;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::journal::{Durable, Entry, Journal, JournalError, Pending};
use crate::message::Message;
use crate::mqtt::{Acknowledger, Event, Publish, Receipt};
use crate::status::Part;
use redelivery::{Content, InDoubt, Redelivery};

pub use config::Config;
pub use inspect::inspect;
pub use roster::{Line, Roster};

/// Numbers of one source since the process began.
#[derive(Debug, Default)]
pub struct Counts {
    pub connections: AtomicU64,
    /// Connected, and subscribed to everything.
    pub subscribed: AtomicBool,
    pub redelivered: AtomicU64,
    /// QoS 0 messages that found a full journal.
    pub no_room: AtomicU64,
}

/// The subscription to one broker.
#[derive(Debug)]
pub struct Source {
    config: Config,
    /// Without the group of a shared subscription.
    filters: watch::Receiver<Vec<String>>,
    line: Line,
    number: u16,
    journal: Journal,
    session: u32,
    redelivery: Redelivery,
    /// Above every record of ours that is in the table: what is on disk beyond it is not known to have arrived.
    entered: u64,
    known_floor: Arc<AtomicU64>,
    counts: Arc<Counts>,
    part: Part,
    waiting: VecDeque<Waiting>,
    /// Sequence numbers of PUBACKs queued and not yet written.
    queued: VecDeque<u64>,
    /// Stale filters whose end the broker has not confirmed on this connection.
    to_unsubscribe: usize,
    /// Why there is no connection, as last told.
    trouble: Option<String>,
}

/// A message handed to the journal.
#[derive(Debug)]
struct Waiting {
    pending: Pending,
    receipt: Receipt,
    /// What to enter as in doubt when it is on disk; nothing at QoS 0.
    doubt: Option<InDoubt>,
    repeats: Option<u64>,
}

impl Source {
    /// `filters` must not overlap. Reads the records above `floor` to know what the broker may send again.
    pub async fn new(
        mut config: Config,
        line: Line,
        mut filters: watch::Receiver<Vec<String>>,
        journal: Journal,
        floor: u64,
        part: Part,
    ) -> Result<Self, JournalError> {
        let number = line.number;
        let wanted = config.filters(&filters.borrow_and_update());
        config.options.stale = note(&line, &wanted).await;
        config.options.filters = wanted;
        let (session, doubts) = in_doubt(&journal, number, floor).await?;
        let known_floor = Arc::new(AtomicU64::new(floor));
        let entered = journal.end();
        Ok(Self {
            to_unsubscribe: config.options.stale.len(),
            config,
            filters,
            line,
            number,
            journal,
            session,
            redelivery: Redelivery::new(floor, doubts),
            entered,
            known_floor,
            counts: Arc::default(),
            part,
            waiting: VecDeque::new(),
            queued: VecDeque::new(),
            trouble: None,
        })
    }

    /// Records below have a PUBACK that is known to have arrived.
    pub fn known_floor(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.known_floor)
    }

    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Works until `stop`; what is unacknowledged then is sent again by the broker.
    pub async fn run(mut self, stop: CancellationToken) {
        let (mut link, acknowledger) = link::Link::start(&self.config, stop.clone());
        let mut parked: Option<Publish> = None;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                done = next_durable(&mut self.waiting), if !self.waiting.is_empty() => {
                    self.durable(done, &acknowledger);
                    while let Some(done) = self.waiting.front_mut().and_then(|front| front.pending.try_now()) {
                        self.durable(done, &acknowledger);
                    }
                }
                Ok(()) = self.filters.changed() => self.resubscribe(&acknowledger).await,
                () = self.journal.has_place(), if parked.is_some() => {
                    if let Some(publish) = parked.take() {
                        parked = self.take(publish, &acknowledger);
                    }
                }
                event = link.next(), if parked.is_none() => match event {
                    Some(Event::Publish(publish)) => parked = self.take(publish, &acknowledger),
                    Some(event) => self.notice(event, &acknowledger).await,
                    None => break,
                },
            }
            // With nothing on the way all of ours is in the table, whatever else the journal took.
            let end = if self.waiting.is_empty() { self.journal.end() } else { self.entered };
            let floor = self.redelivery.known_floor(end);
            self.known_floor.store(floor, Ordering::Release);
        }
        link.join().await;
    }

    /// Hands a publish to the journal; gives it back where there is no room.
    fn take(&mut self, publish: Publish, acknowledger: &Acknowledger) -> Option<Publish> {
        if publish.qos > 0 && !acknowledger.is_current(&publish.receipt) {
            // Its connection is gone: the broker sends it again.
            return None;
        }
        let Publish { topic, payload, qos, retain, dup, packet_id, receipt } = publish;
        let repeats = (qos > 0)
            .then(|| self.redelivery.arrived(self.session, packet_id, dup, &topic, &payload))
            .flatten();
        let message = Message {
            topic,
            payload,
            qos,
            retain,
            dup,
            source: self.number,
            session: self.session,
            packet_id,
            redelivery_of: repeats,
        };
        let doubt = (qos > 0 && repeats.is_none()).then(|| InDoubt {
            seq: 0,
            session: self.session,
            packet_id,
            content: Content::of(&message.topic, &message.payload),
        });
        match self.journal.try_append(message) {
            Ok(pending) => {
                if repeats.is_some() {
                    self.counts.redelivered.fetch_add(1, Ordering::Relaxed);
                }
                self.waiting.push_back(Waiting { pending, receipt, doubt, repeats });
                None
            }
            Err(_) if qos == 0 => {
                self.counts.no_room.fetch_add(1, Ordering::Relaxed);
                None
            }
            Err(message) => {
                let Message { topic, payload, .. } = message;
                Some(Publish { topic, payload, qos, retain, dup, packet_id, receipt })
            }
        }
    }

    /// The oldest message handed in is on disk: its receipt is spent.
    fn durable(&mut self, done: Result<Durable, JournalError>, acknowledger: &Acknowledger) {
        let Some(waiting) = self.waiting.pop_front() else { return };
        // A closed journal answers nobody; the broker keeps what has no PUBACK.
        let Ok(proof) = done else { return };
        self.entered = proof.seq().saturating_add(1);
        let seq = waiting.repeats.unwrap_or_else(|| proof.seq());
        if let Some(doubt) = waiting.doubt {
            self.redelivery.journaled(InDoubt { seq, ..doubt });
        }
        if acknowledger.acknowledge(waiting.receipt, proof) {
            self.queued.push_back(seq);
        }
    }

    async fn notice(&mut self, event: Event, acknowledger: &Acknowledger) {
        match event {
            Event::Connected { session_present } => {
                self.counts.connections.fetch_add(1, Ordering::Relaxed);
                // What the old connection brought must be in the table before the broker repeats it.
                while !self.waiting.is_empty() {
                    let done = next_durable(&mut self.waiting).await;
                    self.durable(done, acknowledger);
                }
                self.queued.clear();
                self.trouble = None;
                self.to_unsubscribe = self.config.options.stale.len();
                if !session_present {
                    self.session = self.session.saturating_add(1);
                    self.redelivery.new_session();
                }
                tracing::info!(
                    source = self.number,
                    session = self.session,
                    session_present,
                    "connected to the broker"
                );
                self.part.not_ready("connected, waiting for the subscription", "wait a moment");
            }
            Event::Subscribed { refused } if refused.is_empty() => {
                self.counts.subscribed.store(true, Ordering::Relaxed);
                self.part.ok();
            }
            Event::Unsubscribed => {
                self.to_unsubscribe = self.to_unsubscribe.saturating_sub(1);
                if self.to_unsubscribe == 0 {
                    self.settle_filters().await;
                }
            }
            Event::Subscribed { refused } => {
                let refused = refused.join(", ");
                tracing::error!(source = self.number, refused, "the broker refused filters");
                self.part.not_ready(
                    format!("the broker refused the filters {refused}"),
                    "allow this user to read them in the broker's access list",
                );
            }
            Event::AckSent(_) => {
                if let Some(seq) = self.queued.pop_front() {
                    self.redelivery.acknowledged(seq);
                }
            }
            Event::PingSent => self.redelivery.ping_sent(),
            Event::PingAnswered => self.redelivery.ping_answered(),
            Event::Disconnected(error) => {
                self.counts.subscribed.store(false, Ordering::Relaxed);
                self.queued.clear();
                self.redelivery.disconnected();
                let place = format!("{}:{}", self.config.options.host, self.config.options.port);
                // Each try fails the same way: told once.
                if self.trouble.as_deref() != Some(&error) {
                    tracing::warn!(
                        source = self.number,
                        broker = place,
                        error,
                        "no connection to the broker"
                    );
                    self.trouble = Some(error.clone());
                }
                self.part.not_ready(
                    format!("no connection to the broker at {place}: {error}"),
                    "check that the broker runs and that address, user and password are right; it tries again by itself",
                );
            }
            Event::Publish(_) | Event::Other => {}
        }
    }
}

impl Source {
    /// Routes have changed: the new filters are subscribed, on this connection or the next.
    async fn resubscribe(&mut self, acknowledger: &Acknowledger) {
        let wanted = self.config.filters(&self.filters.borrow_and_update());
        if wanted == self.config.options.filters {
            return;
        }
        let stale = note(&self.line, &wanted).await;
        self.to_unsubscribe = stale.len();
        (self.config.options.filters, self.config.options.stale) = (wanted.clone(), stale.clone());
        if let Err(error) = acknowledger.subscribe(wanted, stale) {
            tracing::warn!(
                source = self.number,
                error,
                "cannot subscribe now; it is done at the next connection"
            );
        }
    }

    /// The broker has dropped what we no longer want.
    async fn settle_filters(&self) {
        let (line, wanted) = (self.line.clone(), self.config.options.filters.clone());
        let noted = tokio::task::spawn_blocking(move || line.settle(&wanted)).await;
        match noted.map_err(std::io::Error::other).and_then(|noted| noted) {
            Ok(()) => {
                let stale = self.config.options.stale.join(", ");
                tracing::info!(source = self.number, stale, "unsubscribed from what no route wants any more");
            }
            Err(error) => {
                tracing::warn!(source = self.number, %error, "the subscribed filters cannot be noted");
            }
        }
    }
}

/// Puts on record what will be subscribed; gives what the broker may hold beside it.
async fn note(line: &Line, wanted: &[String]) -> Vec<String> {
    let (noted, wanted) = (line.clone(), wanted.to_vec());
    let noted = tokio::task::spawn_blocking(move || noted.begin(&wanted)).await;
    noted.map_err(std::io::Error::other).and_then(|noted| noted).unwrap_or_else(|error| {
        tracing::error!(source = line.number, %error, "the subscribed filters cannot be noted");
        Vec::new()
    })
}

async fn next_durable(waiting: &mut VecDeque<Waiting>) -> Result<Durable, JournalError> {
    match waiting.front_mut() {
        Some(front) => (&mut front.pending).await,
        None => std::future::pending().await,
    }
}

/// The last session's serial, and its records whose PUBACK may not have arrived.
async fn in_doubt(journal: &Journal, number: u16, floor: u64) -> Result<(u32, Vec<InDoubt>), JournalError> {
    let end = journal.end();
    // A data directory can be older than what its journal still holds.
    let mut next = floor.max(journal.stats().oldest).max(1);
    let mut reader = journal.reader(next).quiet();
    // The latest of each packet identifier: there cannot be more, however far the floor lies back.
    let (mut session, mut doubts) = (0, BTreeMap::new());
    while next < end {
        for entry in reader.next(1024).await? {
            match entry {
                Entry::Damage { last, .. } => next = last.saturating_add(1),
                Entry::Record(record) => {
                    next = record.seq.saturating_add(1);
                    let message = record.message;
                    if message.source != number {
                        continue;
                    }
                    if message.session != session {
                        doubts.clear();
                        session = message.session;
                    }
                    if message.qos > 0 && message.redelivery_of.is_none() {
                        let content = Content::of(&message.topic, &message.payload);
                        let packet_id = message.packet_id;
                        doubts.insert(packet_id, InDoubt { seq: record.seq, session, packet_id, content });
                    }
                }
            }
        }
    }
    Ok((session, doubts.into_values().collect()))
}
