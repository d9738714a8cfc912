//! The source: takes publishes from a broker, hands them to the journal, and acknowledges what is on disk.
//!
//! PUBACKs leave in the order of arrival, each for a proof of durability. While the journal has no room the source
//! holds what it has; MQTT 5 bounds that by the receive maximum and polling goes on, on 3.1.1 it drops the
//! connection and comes back when there is room: the broker's session keeps the rest.

mod config;
mod counts;
mod filters;
mod inspect;
mod intake;
mod link;
mod rebirths;
mod recall;
pub mod redelivery;
mod roster;
mod sessions;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::journal::{Durable, Journal, JournalError};
use crate::message::Message;
use crate::mqtt::{Acknowledger, Command, Connection, Event, Publish};
use crate::status::Part;
use filters::{Withheld, note};
use intake::{Each, GROUP, Group, Handed};
use redelivery::{Acknowledged, Content, InDoubt, Redelivery};
use sessions::Sessions;

pub use config::Config;
pub use counts::Counts;
pub use inspect::inspect;
pub use rebirths::Rebirths;
pub use roster::{Line, Roster};

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
    /// To be published.
    commands: Option<mpsc::Receiver<Command>>,
    /// Gathered for the journal, or parked while it has no room.
    group: Group,
    waiting: VecDeque<Handed>,
    /// PUBACKs queued and not known to be written.
    queued: VecDeque<Acknowledged>,
    /// Stale filters whose end the broker has not confirmed on this connection.
    to_unsubscribe: usize,
    withheld: Withheld,
    /// Why there is no connection, as last told.
    trouble: Option<String>,
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
        let (mut session, mut doubts) = recall::in_doubt(&journal, number, floor).await?;
        if line.session() > session {
            // Nothing of that one is in the journal.
            (session, doubts) = (line.session(), Vec::new());
        }
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
            commands: None,
            group: Group::default(),
            waiting: VecDeque::new(),
            queued: VecDeque::new(),
            withheld: Withheld::default(),
            trouble: None,
        })
    }

    /// Publishes these on the same connection.
    #[must_use]
    pub fn publishing(self, commands: Option<mpsc::Receiver<Command>>) -> Self {
        Self { commands, ..self }
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
        let (connection, acknowledger) = Connection::new(&self.config.options);
        let connection = connection.publishing(self.commands.take());
        let sessions = Sessions::new(self.line.clone(), self.session);
        let serial = sessions.serial();
        let mut link = link::Link::start(connection, &self.config, self.counts(), sessions, stop.clone());
        let mut inbox = VecDeque::new();
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
                () = self.withheld.due() => self.ask_again(&acknowledger),
                Ok(()) = self.filters.changed() => self.resubscribe(&acknowledger).await,
                () = self.journal.has_place(), if !self.group.is_empty() => {
                    // Of a connection that is gone the broker sends it again.
                    self.group.retain(|message, receipt| message.qos == 0 || acknowledger.is_current(receipt));
                }
                told = link.next(), if self.group.is_empty() && inbox.is_empty() => {
                    let Some(events) = told else { break };
                    inbox = events.into();
                }
            }
            while self.hand_in()
                && let Some(event) = inbox.pop_front()
            {
                match event {
                    Event::AcksSent(count) => self.written(count),
                    Event::Publish(publish) => {
                        self.gather(publish, &acknowledger);
                        self.gather_more(&mut inbox, &acknowledger);
                    }
                    event => self.notice(event, &acknowledger, &serial).await,
                }
            }
            // With nothing on the way all of ours is in the table, whatever else the journal took.
            let end = if self.waiting.is_empty() { self.journal.end() } else { self.entered };
            let floor = self.redelivery.known_floor(end);
            self.known_floor.store(floor, Ordering::Release);
            let waiting = self.waiting.iter().map(|handed| handed.owed).sum::<usize>() + self.group.owed();
            self.counts.waiting.store(u64::try_from(waiting).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        link.join().await;
    }

    /// Takes the publishes at the front, as many as go to the journal together.
    fn gather_more(&mut self, inbox: &mut VecDeque<Event>, acknowledger: &Acknowledger) {
        let plain = |event: &mut Event| matches!(event, Event::Publish(_) | Event::AcksSent(_));
        while self.group.len() < GROUP
            && let Some(event) = inbox.pop_front_if(plain)
        {
            match event {
                Event::Publish(publish) => self.gather(publish, acknowledger),
                Event::AcksSent(count) => self.written(count),
                _ => {}
            }
        }
    }

    fn gather(&mut self, publish: Publish, acknowledger: &Acknowledger) {
        if publish.qos > 0 && !acknowledger.is_current(&publish.receipt) {
            // Its connection is gone: the broker sends it again.
            return;
        }
        let Publish { topic, payload, qos, retain, dup, packet_id, receipt } = publish;
        let repeats = (qos > 0)
            .then(|| self.redelivery.arrived(self.session, packet_id, dup, &topic, &payload))
            .flatten();
        let doubt = (qos > 0 && repeats.is_none()).then(|| InDoubt {
            seq: 0,
            session: self.session,
            packet_id,
            content: Content::of(&topic, &payload),
        });
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
        self.group.push(message, Each { receipt, doubt, repeats, packet_id });
    }

    /// Hands what was gathered to the journal; false where that has no room and it stays.
    fn hand_in(&mut self) -> bool {
        if self.group.is_empty() {
            return true;
        }
        let handed = self.group.hand_to(&self.journal).or_else(|| {
            // At QoS 0 nobody waits.
            let gone = self.group.retain(|message, _| message.qos > 0);
            self.counts.no_room.fetch_add(gone, Ordering::Relaxed);
            None
        });
        if let Some(handed) = handed {
            let repeated = handed.each.iter().filter(|each| each.repeats.is_some()).count();
            let repeated = u64::try_from(repeated).unwrap_or(u64::MAX);
            self.counts.redelivered.fetch_add(repeated, Ordering::Relaxed);
            self.waiting.push_back(handed);
        }
        self.group.is_empty()
    }

    /// So many more PUBACKs were written to the connection.
    fn written(&mut self, acks: u64) {
        for _ in 0..acks {
            if let Some(acknowledged) = self.queued.pop_front() {
                self.redelivery.acknowledged(acknowledged);
            }
        }
    }

    /// The oldest group handed in is on disk: its receipts are spent.
    fn durable(&mut self, done: Result<Vec<Durable>, JournalError>, acknowledger: &Acknowledger) {
        let Some(handed) = self.waiting.pop_front() else { return };
        // A closed journal answers nobody; the broker keeps what has no PUBACK.
        let Ok(proofs) = done else { return };
        for (proof, Each { receipt, doubt, repeats, packet_id }) in proofs.into_iter().zip(handed.each) {
            self.entered = proof.seq().saturating_add(1);
            let seq = repeats.unwrap_or_else(|| proof.seq());
            if let Some(doubt) = doubt {
                self.redelivery.journaled(InDoubt { seq, ..doubt });
            }
            if acknowledger.acknowledge(receipt, proof) {
                self.queued.push_back(Acknowledged { seq, packet_id });
                self.counts.acks_queued.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    async fn notice(&mut self, event: Event, acknowledger: &Acknowledger, serial: &AtomicU32) {
        match event {
            Event::Connected { session_present } => {
                self.counts.connections.fetch_add(1, Ordering::Relaxed);
                // What the old connection brought must be in the table before the broker repeats it.
                while !self.waiting.is_empty() {
                    let done = next_durable(&mut self.waiting).await;
                    self.durable(done, acknowledger);
                }
                self.queued.clear();
                self.counts.asked.store(true, Ordering::Relaxed);
                self.trouble = None;
                self.to_unsubscribe = self.config.options.stale.len();
                self.withheld.all_are_asked();
                // The event of an earlier one may have found no room.
                let serial = serial.load(Ordering::Acquire);
                if serial != self.session {
                    self.session = serial;
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
            Event::Subscribed { refused, at_most_once } => self.subscribed(refused, at_most_once),
            Event::Unsubscribed => {
                self.to_unsubscribe = self.to_unsubscribe.saturating_sub(1);
                if self.to_unsubscribe == 0 {
                    self.settle_filters().await;
                }
            }
            Event::PingSent => self.redelivery.ping_sent(),
            Event::PingAnswered => self.redelivery.ping_answered(),
            Event::Disconnected(error) => {
                self.counts.connection_is_gone();
                self.queued.clear();
                self.redelivery.disconnected();
                self.withheld.all_are_asked();
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
            Event::Publish(_) | Event::AcksSent(_) => {}
        }
    }
}

async fn next_durable(waiting: &mut VecDeque<Handed>) -> Result<Vec<Durable>, JournalError> {
    match waiting.front_mut() {
        Some(front) => (&mut front.pending).await,
        None => std::future::pending().await,
    }
}
