//! Rebirths: requests to Sparkplug nodes, from the delivery that misses births to the connection their data came by.
//!
//! Asking never waits: what finds no room is dropped, and the next message that misses the births asks again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::decode::rebirth;
use crate::message::Record;
use crate::mqtt::Command;

/// A node is asked once in this time, in nanoseconds. Data that came longer ago asks for nothing: what answers it may
/// be on disk already.
const AGAIN: u64 = 60_000_000_000;
/// The most nodes that are asked in this time.
const MAX_NODES: usize = 1000;
/// Bytes of the topic of a request; what is remembered stays small whatever stands above the namespace.
const MAX_TOPIC: usize = 1024;
/// Requests that may wait for one connection.
const WAITING: usize = 64;

/// Shared by all deliveries and connections; cheap to clone.
#[derive(Debug, Clone)]
pub struct Rebirths {
    clock: Clock,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By the number of the source, of those that may ask.
    lines: BTreeMap<u16, Line>,
    /// When each node was asked last, by its topic for commands.
    asked: BTreeMap<String, i64>,
}

#[derive(Debug)]
struct Line {
    source: String,
    commands: mpsc::Sender<Command>,
    requests: u64,
}

impl Rebirths {
    pub fn new(clock: Clock) -> Self {
        Self { clock, inner: Arc::default() }
    }

    /// From now on nodes whose data comes by this source are asked, by what is received here.
    pub fn by(&self, number: u16, source: &str) -> mpsc::Receiver<Command> {
        let (commands, receiver) = mpsc::channel(WAITING);
        let line = Line { source: source.to_owned(), commands, requests: 0 };
        self.with(|inner| inner.lines.insert(number, line));
        receiver
    }

    /// Asks the node of this message for its births, if that may be and was not done lately.
    pub fn ask(&self, record: &Record) {
        let now = self.clock.now();
        let number = record.message.source;
        self.with(|inner| {
            let Some(line) = inner.lines.get_mut(&number) else { return };
            let topic = std::str::from_utf8(&record.message.topic).ok().and_then(rebirth::topic);
            let Some(topic) = topic.filter(|topic| topic.len() <= MAX_TOPIC) else { return };
            let lately = |time: &i64| time.abs_diff(now) < AGAIN;
            if !lately(&record.received) || inner.asked.get(&topic).is_some_and(lately) {
                return;
            }
            if inner.asked.len() >= MAX_NODES {
                inner.asked.retain(|_, time| lately(time));
            }
            let milliseconds = u64::try_from(now / 1_000_000).unwrap_or_default();
            let command = Command { topic: topic.clone(), payload: rebirth::payload(milliseconds).into() };
            if inner.asked.len() < MAX_NODES && line.commands.try_send(command).is_ok() {
                // The topic may hold what nobody is shown; the number leads to it.
                tracing::debug!(
                    source = line.source,
                    seq = record.seq,
                    "asked a Sparkplug node for its births"
                );
                line.requests = line.requests.saturating_add(1);
                inner.asked.insert(topic, now);
            }
        });
    }

    /// How many requests went to the connection of each source that may ask.
    pub fn requests(&self) -> Vec<(String, u64)> {
        self.with(|inner| inner.lines.values().map(|line| (line.source.clone(), line.requests)).collect())
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn data(node: usize, received: i64) -> Record {
        let topic = format!("spBv1.0/water/DDATA/pump-{node}/level");
        Record::pasted(topic.into(), bytes::Bytes::new(), received, false)
    }

    #[test]
    fn a_node_is_asked_once_a_minute_by_the_source_of_its_data() {
        let (clock, time) = Clock::fixed(1000 * SECOND);
        let rebirths = Rebirths::new(clock.clone());
        let ask = |node| rebirths.ask(&data(node, clock.now()));
        ask(1);
        assert!(rebirths.requests().is_empty(), "no source may ask");
        let (mut zero, mut one) = (rebirths.by(0, "mqtt north"), rebirths.by(1, "mqtt south"));
        (0..100).for_each(|_| ask(1));
        ask(2);
        let topics: Vec<_> =
            std::iter::from_fn(|| zero.try_recv().ok()).map(|command| command.topic).collect();
        assert_eq!(topics, ["spBv1.0/water/NCMD/pump-1", "spBv1.0/water/NCMD/pump-2"]);
        time.store(1059 * SECOND, Ordering::SeqCst);
        ask(1);
        assert!(zero.try_recv().is_err());
        time.store(1060 * SECOND, Ordering::SeqCst);
        ask(1);
        assert_eq!(zero.try_recv().unwrap().payload, rebirth::payload(1_060_000));
        assert!(one.try_recv().is_err());
        assert_eq!(rebirths.requests(), [("mqtt north".to_owned(), 3), ("mqtt south".to_owned(), 0)]);
        // A clock set back does not silence us.
        time.store(10 * SECOND, Ordering::SeqCst);
        ask(1);
        assert!(zero.try_recv().is_ok());
    }

    #[test]
    fn data_of_before_and_topics_of_garbage_ask_nobody() {
        let rebirths = Rebirths::new(Clock::fixed(1000 * SECOND).0);
        let mut commands = rebirths.by(0, "mqtt");
        rebirths.ask(&data(1, 940 * SECOND));
        assert!(commands.try_recv().is_err());
        let long = format!("{}/spBv1.0/water/NDATA/pump-1", "x".repeat(1024));
        rebirths.ask(&Record::pasted(long.into(), bytes::Bytes::new(), 1000 * SECOND, false));
        assert!(commands.try_recv().is_err());
        rebirths.ask(&data(1, 941 * SECOND));
        assert!(commands.try_recv().is_ok());
    }

    #[test]
    fn what_waits_and_what_is_remembered_is_bounded_and_asked_again_later() {
        let (clock, time) = Clock::fixed(1000 * SECOND);
        let rebirths = Rebirths::new(clock.clone());
        let mut commands = rebirths.by(0, "mqtt");
        let ask = |node| rebirths.ask(&data(node, clock.now()));
        // The connection takes nothing: the 65th has no room, and is asked as soon as there is some.
        (0..65).for_each(ask);
        assert_eq!(rebirths.requests()[0].1, 64);
        commands.try_recv().unwrap();
        ask(64);
        assert_eq!(rebirths.requests()[0].1, 65);
        for node in 0..2000 {
            while commands.try_recv().is_ok() {}
            ask(node);
        }
        assert_eq!(rebirths.requests()[0].1, 1000);
        time.store(1060 * SECOND, Ordering::SeqCst);
        ask(1999);
        assert_eq!(rebirths.requests()[0].1, 1001);
    }
}
