//! The link: the task that polls the broker's connection, with back-off, and holds it while there is no room.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::{SendError, TrySendError};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Config, Counts};
use crate::backoff::Backoff;
use crate::mqtt::{Acknowledger, Connection, Event};

/// Events beside publishes that may wait: PUBACKs written, pings.
const OTHER_EVENTS: usize = 1024;

/// A connection that ends sooner did not last.
const SHORT: Duration = Duration::from_secs(2);
/// So many short connections in a row are no accident.
const SUSPICIOUS: u32 = 5;

/// So many events are taken over at once at most.
const AT_ONCE: usize = 512;

/// An event, and how many PUBACKs were written on the connection since the one before.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) acks: u64,
    pub(super) event: Event,
}

/// The receiving end of the polling task.
#[derive(Debug)]
pub(super) struct Link {
    events: mpsc::Receiver<Told>,
    task: JoinHandle<()>,
}

impl Link {
    /// Starts polling. `park` publishes at most wait between the connection and the source.
    pub(super) fn start(
        config: &Config,
        counts: Arc<Counts>,
        stop: CancellationToken,
    ) -> (Self, Acknowledger) {
        let (connection, acknowledger) = Connection::new(&config.options);
        let (sender, events) = mpsc::channel(config.park.saturating_add(OTHER_EVENTS));
        // An MQTT 5 broker stops at the receive maximum, so the channel cannot fill and polling goes on; a 3.1.1
        // broker knows no such bound.
        let patience = config.options.keep_alive / 2;
        let poller = Poller { connection, events: sender, patience, acks: 0, counts };
        let task = tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = poller.run() => {}
            }
        });
        (Self { events, task }, acknowledger)
    }

    /// Waits for events and appends all there are; none means that polling has ended.
    pub(super) async fn next(&mut self, events: &mut Vec<Told>) -> usize {
        self.events.recv_many(events, AT_ONCE).await
    }

    pub(super) async fn join(self) {
        drop(self.events);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the polling task failed");
        }
    }
}

/// Whether connections last. Two clients of one id throw each other out: MQTT 5 says so, 3.1.1 just closes.
#[derive(Debug, Default)]
struct Steadiness {
    since: Option<Instant>,
    /// Connections in a row that were closed soon after they were made.
    short: u32,
}

impl Steadiness {
    fn began(&mut self, now: Instant) {
        self.since = Some(now);
    }

    /// Whether the next try may come soon; adds to the error what a row of short connections may mean.
    fn ended(&mut self, now: Instant, error: &mut String) -> bool {
        let Some(since) = self.since.take() else { return false };
        let lasted = now.saturating_duration_since(since) >= SHORT;
        self.short = if lasted { 0 } else { self.short.saturating_add(1) };
        if self.short >= SUSPICIOUS && !error.contains("client id") {
            error.push_str(
                "; the broker has closed every connection right after it was made: it may be that another client \
                 has the same client_id, or that a message is larger than mqtt.max_packet",
            );
        }
        lasted || self.short < SUSPICIOUS
    }
}

struct Poller {
    connection: Connection,
    events: mpsc::Sender<Told>,
    patience: Duration,
    /// PUBACKs written and not told yet.
    acks: u64,
    counts: Arc<Counts>,
}

impl Poller {
    async fn run(mut self) {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
        let mut steadiness = Steadiness::default();
        let mut events = Vec::new();
        loop {
            let mut event = tokio::select! {
                event = self.connection.poll() => event,
                () = self.counts.connect_anew.notified() => {
                    self.connection.disconnect();
                    Event::Disconnected("no message was acknowledged for long; connecting anew".to_owned())
                }
            };
            let wait = match &mut event {
                Event::Disconnected(error) => {
                    if steadiness.ended(Instant::now(), error) {
                        backoff.reset();
                    }
                    Some(backoff.next_wait())
                }
                Event::Subscribed { .. } => {
                    steadiness.began(Instant::now());
                    None
                }
                _ => None,
            };
            events.push(event);
            self.connection.more(&mut events);
            if !self.tell(&mut events).await {
                return;
            }
            if let Some(wait) = wait {
                tokio::time::sleep(wait).await;
            }
        }
    }

    /// Hands the events over in one go; false when nobody wants them any more.
    async fn tell(&mut self, events: &mut Vec<Event>) -> bool {
        let (acks, counts) = (&mut self.acks, &self.counts);
        let told: Vec<_> = events
            .drain(..)
            .filter_map(|event| match event {
                // How many they are is all that anybody asks.
                Event::AcksSent(written) => {
                    *acks = acks.saturating_add(written);
                    counts.acks_written.fetch_add(written, Ordering::Relaxed);
                    counts.acks_gone.fetch_add(written, Ordering::Relaxed);
                    None
                }
                event => Some(Told { acks: std::mem::take(acks), event }),
            })
            .collect();
        let patience = self.patience;
        match reserve(&self.events, told.len(), patience).await {
            Ok(Some(places)) => {
                places.zip(told).for_each(|(place, told)| place.send(told));
                return true;
            }
            Ok(None) => {}
            Err(_) => return false,
        }
        self.wait_for_room().await;
        true
    }

    /// The channel has been full for half a keep-alive: leave the broker on purpose, it keeps our session.
    async fn wait_for_room(&mut self) {
        tracing::warn!("the journal has no room: disconnecting from the broker until it has");
        self.connection.disconnect();
        let event = Event::Disconnected("the journal has no room".to_owned());
        let _ = self.events.send(Told { acks: std::mem::take(&mut self.acks), event }).await;
    }
}

type Places<'s> = mpsc::PermitIterator<'s, Told>;

/// Room for so many events; nothing where there is none in time.
async fn reserve(
    events: &mpsc::Sender<Told>,
    count: usize,
    patience: Duration,
) -> Result<Option<Places<'_>>, SendError<()>> {
    match events.try_reserve_many(count) {
        Ok(places) => Ok(Some(places)),
        Err(TrySendError::Closed(())) => Err(SendError(())),
        Err(TrySendError::Full(())) => {
            tokio::time::timeout(patience, events.reserve_many(count)).await.ok().transpose()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_short_connections_is_told_and_waits_longer() {
        let (mut steadiness, start) = (Steadiness::default(), Instant::now());
        let mut end = |lasted| {
            steadiness.began(start);
            let mut error = "closed".to_owned();
            (steadiness.ended(start + lasted, &mut error), error.contains("client_id"))
        };
        for _ in 1..SUSPICIOUS {
            assert_eq!(end(Duration::from_millis(10)), (true, false));
        }
        assert_eq!(end(Duration::from_millis(10)), (false, true));
        assert_eq!(end(SHORT), (true, false));
        assert_eq!(end(Duration::from_millis(10)), (true, false));
    }

    #[test]
    fn a_connection_that_was_never_made_keeps_the_wait_growing() {
        assert!(!Steadiness::default().ended(Instant::now(), &mut String::new()));
    }
}
