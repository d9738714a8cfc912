//! A connection that is up: what comes in becomes events, what is owed goes out in as few writes as it can.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::stream::{self, Stream};
use super::wire::{self, Ack, Grant, Packet};
use super::{Command, Event, Options, Shared, Version};

/// Room that a read finds.
const CHUNK: usize = 64 * 1024;
/// With less of it left a new piece is begun.
const SMALL: usize = 4096;
/// How often is looked whether a ping is due, or something late. Behind PUBACKs one is due at the next look: until it
/// is answered, the broker's next use of an identifier for an equal message could be taken for a redelivery.
const TICK: Duration = Duration::from_secs(1);
/// A broker that takes no bytes for so long is given up.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// Late in so many looks in a row: after we were held up ourselves, what waits in the socket is read first.
const LOOKS: u8 = 2;

pub(super) struct Up {
    version: Version,
    max_packet: u32,
    keep_alive: Duration,
    epoch: u64,
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    input: BytesMut,
    out: BytesMut,
    /// Written, and perhaps not on its way yet.
    unflushed: bool,
    /// PUBACKs in `out`, told when all of it has left.
    acks: u64,
    /// A PINGREQ is in `out`, behind so many of them.
    pinging: Option<u64>,
    /// PUBACKs were written since the last PINGREQ: whether they arrived is not known.
    unproved: bool,
    ready: VecDeque<Event>,
    /// Publishes at QoS 2 that wait for their end.
    exactly_once: HashSet<u16>,
    /// Of our own packets.
    packet_id: u16,
    /// Each SUBSCRIBE without an answer: its identifier and filters.
    asked: Vec<(u16, Vec<String>)>,
    tick: Interval,
    last_ping: Instant,
    /// Since when a PINGREQ has no answer.
    unanswered: Option<Instant>,
    heard: Instant,
    /// When the broker last took bytes, or had none to take.
    taken: Instant,
    late: u8,
}

impl Up {
    /// Connects; says whether the broker still has our session.
    pub(super) async fn new(options: &Options, epoch: u64) -> Result<(Self, bool), String> {
        let tls = options.transport.tls().map_err(|error| error.to_string())?;
        let stream = stream::open(options, tls).await?;
        let (reader, writer) = tokio::io::split(stream);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let now = Instant::now();
        let mut up = Self {
            version: options.version,
            max_packet: options.max_packet,
            keep_alive: options.keep_alive,
            epoch,
            reader,
            writer,
            input: BytesMut::with_capacity(CHUNK),
            out: BytesMut::new(),
            unflushed: false,
            acks: 0,
            pinging: None,
            unproved: false,
            ready: VecDeque::new(),
            exactly_once: HashSet::new(),
            packet_id: 0,
            asked: Vec::new(),
            tick,
            last_ping: now,
            unanswered: None,
            heard: now,
            taken: now,
            late: 0,
        };
        wire::connect(options, &mut up.out).map_err(|error| error.to_string())?;
        send(&mut up.writer, &mut up.out, &mut up.unflushed, &mut up.taken).await?;
        let session_present = up.accepted().await?;
        Ok((up, session_present))
    }

    async fn accepted(&mut self) -> Result<bool, String> {
        loop {
            match wire::read(self.version, &mut self.input, self.max_packet) {
                Err(error) => return Err(error.to_string()),
                Ok(Some(Packet::ConnAck { session_present, keep_alive })) => {
                    if let Some(seconds) = keep_alive.filter(|seconds| *seconds > 0) {
                        self.keep_alive = Duration::from_secs(seconds.into());
                    }
                    return Ok(session_present);
                }
                Ok(Some(_)) => return Err("the broker answered CONNECT with something else".to_owned()),
                Ok(None) => {}
            }
            let read = self.reader.read_buf(&mut self.input).await;
            heard(read)?;
        }
    }

    /// The next event. It may be given up at any await: what was read and what is to be written stays.
    pub(super) async fn next(
        &mut self,
        shared: &Shared,
        mut commands: Option<&mut mpsc::Receiver<Command>>,
    ) -> Result<Event, String> {
        loop {
            if self.out.is_empty() {
                self.taken = Instant::now();
            }
            self.parse()?;
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            self.take_over(shared)?;
            // A large packet has a piece of its own size: it is not copied as it grows, and holds no more than it is.
            let missing = wire::missing(&self.input, self.max_packet);
            let wanted = if missing > CHUNK { missing } else { SMALL };
            if self.input.capacity().saturating_sub(self.input.len()) < wanted {
                self.input.reserve(missing.max(CHUNK));
            }
            let owes = self.unflushed || !self.out.is_empty();
            tokio::select! {
                biased;
                now = self.tick.tick() => self.look(now)?,
                sent = send(&mut self.writer, &mut self.out, &mut self.unflushed, &mut self.taken), if owes => {
                    sent?;
                    self.sent();
                }
                read = self.reader.read_buf(&mut self.input) => {
                    heard(read)?;
                    (self.heard, self.late) = (Instant::now(), 0);
                }
                () = shared.rung.notified() => {}
                // Behind everything else, and while the broker takes no bytes not at all.
                Some(command) = next_command(&mut commands), if !owes => {
                    wire::publish_command(self.version, &command, &mut self.out).map_err(|error| error.to_string())?;
                }
            }
        }
    }

    /// Publishes and PUBACKs that are there already, so many at most.
    pub(super) fn more(&mut self, events: &mut Vec<Event>, most: usize) {
        let plain = |event: &mut Event| matches!(event, Event::Publish(_) | Event::AcksSent(_));
        while events.len() < most
            && let Some(event) = self.ready.pop_front_if(plain)
        {
            events.push(event);
        }
    }

    /// Every packet that is whole.
    fn parse(&mut self) -> Result<(), String> {
        while let Some(packet) =
            wire::read(self.version, &mut self.input, self.max_packet).map_err(|error| error.to_string())?
        {
            match packet {
                Packet::Publish(mut publish) => {
                    publish.receipt.epoch = self.epoch;
                    if publish.is_exactly_once() {
                        self.exactly_once.insert(publish.packet_id);
                    }
                    self.ready.push_back(Event::Publish(publish));
                }
                Packet::Release(id) => {
                    self.exactly_once.remove(&id);
                    wire::acknowledge(Ack::Complete, id, &mut self.out);
                }
                Packet::SubAck { packet_id, grants } => self.answered(packet_id, &grants),
                Packet::UnsubAck => self.ready.push_back(Event::Unsubscribed),
                Packet::PingResp => {
                    self.unanswered = None;
                    self.ready.push_back(Event::PingAnswered);
                }
                Packet::ConnAck { .. } | Packet::Other => {}
            }
        }
        Ok(())
    }

    /// Tells which filters of that SUBSCRIBE are lacking; one without a word on it is refused.
    fn answered(&mut self, packet_id: u16, grants: &[Grant]) {
        let Some(at) = self.asked.iter().position(|(id, _)| *id == packet_id) else { return };
        let (_, filters) = self.asked.swap_remove(at);
        let (mut refused, mut at_most_once) = (Vec::new(), Vec::new());
        for (place, filter) in filters.into_iter().enumerate() {
            match grants.get(place) {
                Some(Grant::AtLeastOnce) => {}
                Some(Grant::AtMostOnce) => at_most_once.push(filter),
                Some(Grant::Refused) | None => refused.push(filter),
            }
        }
        self.ready.push_back(Event::Subscribed { refused, at_most_once });
    }

    /// What the acknowledger has left goes into the buffer. Subscribing and unsubscribing go together, so that
    /// hardly a message can come twice through an old and a new filter, and none through neither.
    fn take_over(&mut self, shared: &Shared) -> Result<(), String> {
        let mut state = shared.lock();
        for id in state.acks.drain(..) {
            let first = self.exactly_once.contains(&id);
            wire::acknowledge(if first { Ack::Received } else { Ack::AtLeastOnce }, id, &mut self.out);
            self.acks = self.acks.saturating_add(1);
        }
        let (all, again) = (std::mem::take(&mut state.subscribe), std::mem::take(&mut state.again));
        let filters = if all { state.filters.clone() } else { again };
        if filters.is_empty() {
            return Ok(());
        }
        self.packet_id = self.packet_id.checked_add(1).unwrap_or(1);
        wire::subscribe(self.version, self.packet_id, &filters, &mut self.out)
            .map_err(|error| error.to_string())?;
        self.asked.push((self.packet_id, filters));
        if !all {
            return Ok(());
        }
        for filter in &state.stale {
            self.packet_id = self.packet_id.checked_add(1).unwrap_or(1);
            wire::unsubscribe(self.version, self.packet_id, filter, &mut self.out)
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// All that was owed has left. What left behind a ping is not told before it: its answer does not cover it.
    fn sent(&mut self) {
        let acks = std::mem::take(&mut self.acks);
        self.unproved |= acks > self.pinging.unwrap_or(0);
        let mut tell = |count| {
            if count > 0 {
                self.ready.push_back(Event::AcksSent(count));
            }
        };
        let Some(before) = self.pinging.take() else { return tell(acks) };
        tell(before);
        self.ready.push_back(Event::PingSent);
        if acks > before {
            self.ready.push_back(Event::AcksSent(acks - before));
        }
    }

    /// A ping each keep-alive and behind PUBACKs, and an end where the broker is silent or takes nothing.
    fn look(&mut self, now: Instant) -> Result<(), String> {
        let patience = self.keep_alive / 2;
        let silent =
            self.unanswered.is_some_and(|since| now.duration_since(since.max(self.heard)) >= patience);
        let stuck = !self.out.is_empty() && now.duration_since(self.taken) >= WRITE_WITHIN;
        self.late = if silent || stuck { self.late.saturating_add(1) } else { 0 };
        if self.late >= LOOKS {
            let what = if stuck { "takes no bytes" } else { "is silent: no answer to a ping" };
            return Err(format!("the broker {what}"));
        }
        let due = self.unproved || now.duration_since(self.last_ping) >= self.keep_alive;
        if self.unanswered.is_none() && due {
            wire::ping(&mut self.out);
            self.unproved = false;
            (self.last_ping, self.unanswered, self.pinging) = (now, Some(now), Some(self.acks));
        }
        Ok(())
    }
}

async fn next_command(commands: &mut Option<&mut mpsc::Receiver<Command>>) -> Option<Command> {
    match commands {
        Some(commands) => commands.recv().await,
        None => std::future::pending().await,
    }
}

fn heard(read: std::io::Result<usize>) -> Result<(), String> {
    match read {
        Ok(0) => Err("the broker closed the connection".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Writes and flushes all there is.
async fn send(
    writer: &mut WriteHalf<Box<dyn Stream>>,
    out: &mut BytesMut,
    unflushed: &mut bool,
    taken: &mut Instant,
) -> Result<(), String> {
    while !out.is_empty() {
        let written = writer.write_buf(out).await.map_err(|error| error.to_string())?;
        if written == 0 {
            return Err("the broker takes no bytes any more".to_owned());
        }
        (*unflushed, *taken) = (true, Instant::now());
    }
    writer.flush().await.map_err(|error| error.to_string())?;
    *unflushed = false;
    Ok(())
}
