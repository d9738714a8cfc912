//! The link: the task that polls the broker's connection, with back-off, and holds it while there is no room.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::sessions::Sessions;
use super::{Config, Counts};
use crate::backoff::Backoff;
use crate::mqtt::{Connection, Event};

/// Events beside publishes that may wait: PUBACKs written, pings.
const OTHER_EVENTS: usize = 1024;

/// Bytes of topics and payloads that may wait, however many messages that are.
const WAITING_BYTES: usize = 32 * 1024 * 1024;

/// So many events are handed over at once at most, fewer than may wait.
const AT_ONCE: usize = 512;

/// A connection that ends sooner did not last.
const SHORT: Duration = Duration::from_secs(2);
/// So many short connections in a row are no accident.
const SUSPICIOUS: u32 = 5;

/// The receiving end of the polling task.
#[derive(Debug)]
pub(super) struct Link {
    events: mpsc::Receiver<Vec<Event>>,
    room: Room,
    task: JoinHandle<()>,
}

/// What may wait between the connection and the source: so many events, and so many bytes of them.
#[derive(Debug, Clone)]
struct Room {
    events: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

impl Room {
    fn new(events: usize) -> Self {
        let bytes = Arc::new(Semaphore::new(WAITING_BYTES));
        Self { events: Arc::new(Semaphore::new(events)), bytes }
    }

    /// Takes room for these; false where nobody gives it back any more. What is larger than all room has it all.
    async fn take(&self, (count, bytes): (u32, u32)) -> bool {
        let Ok(taken) = self.events.acquire_many(count).await else { return false };
        let Ok(weighed) = self.bytes.acquire_many(bytes).await else { return false };
        taken.forget();
        weighed.forget();
        true
    }

    fn give_back(&self, (count, bytes): (u32, u32)) {
        let permits = |number: u32| usize::try_from(number).unwrap_or(0);
        self.events.add_permits(permits(count));
        self.bytes.add_permits(permits(bytes));
    }

    /// Waits until there is room for an event, and for a message of so many bytes; false as above.
    async fn wait_for(&self, bytes: u32) -> bool {
        let bytes = bytes.min(u32::try_from(WAITING_BYTES).unwrap_or(u32::MAX));
        self.events.acquire().await.is_ok() && self.bytes.acquire_many(bytes).await.is_ok()
    }

    fn close(&self) {
        self.events.close();
        self.bytes.close();
    }
}

/// How many events these are, and their bytes, as far as they can count.
fn measure(events: &[Event]) -> (u32, u32) {
    let weigh = |event: &Event| match event {
        Event::Publish(publish) => publish.topic.len().saturating_add(publish.payload.len()),
        _ => 0,
    };
    let bytes = events.iter().map(weigh).fold(0_usize, usize::saturating_add).min(WAITING_BYTES);
    (u32::try_from(events.len()).unwrap_or(u32::MAX), u32::try_from(bytes).unwrap_or(u32::MAX))
}

impl Link {
    /// Starts polling. `park` publishes at most wait between the connection and the source.
    pub(super) fn start(
        connection: Connection,
        config: &Config,
        counts: Arc<Counts>,
        sessions: Sessions,
        stop: CancellationToken,
    ) -> Self {
        let most = config.park.saturating_add(OTHER_EVENTS);
        let (sender, events) = mpsc::channel(most);
        let room = Room::new(most);
        // An MQTT 5 broker stops at the receive maximum, so where messages are small there is always room and polling
        // goes on; a 3.1.1 broker knows no such bound.
        let patience = config.options.keep_alive / 2;
        let largest = config.options.max_packet;
        let poller =
            Poller { connection, events: sender, room: room.clone(), patience, largest, counts, sessions };
        let task = tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = poller.run() => {}
            }
        });
        Self { events, room, task }
    }

    /// Waits for events and takes those that came together, in their order; nothing when polling has ended.
    pub(super) async fn next(&mut self) -> Option<Vec<Event>> {
        let events = self.events.recv().await?;
        self.room.give_back(measure(&events));
        Some(events)
    }

    pub(super) async fn join(self) {
        self.room.close();
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
    events: mpsc::Sender<Vec<Event>>,
    room: Room,
    patience: Duration,
    /// Bytes of the largest message.
    largest: u32,
    counts: Arc<Counts>,
    sessions: Sessions,
}

impl Poller {
    async fn run(mut self) {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
        let mut steadiness = Steadiness::default();
        loop {
            let mut event = tokio::select! {
                event = self.connection.poll() => event,
                () = self.counts.connect_anew.notified() => {
                    self.connection.disconnect();
                    Event::Disconnected("no message was acknowledged for long; connecting anew".to_owned())
                }
            };
            self.sessions.note(&event).await;
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
            let mut events = vec![event];
            self.connection.more(&mut events, AT_ONCE);
            if !self.tell(events).await {
                return;
            }
            if let Some(wait) = wait {
                tokio::time::sleep(wait).await;
            }
        }
    }

    /// Hands the events over in one go; false when nobody wants them any more.
    async fn tell(&mut self, events: Vec<Event>) -> bool {
        for event in &events {
            if let Event::AcksSent(written) = event {
                self.counts.acks_written.fetch_add(*written, Ordering::Relaxed);
                self.counts.acks_gone.fetch_add(*written, Ordering::Relaxed);
            }
        }
        match tokio::time::timeout(self.patience, self.room.take(measure(&events))).await {
            // Whoever takes them makes room again.
            Ok(true) => {}
            Ok(false) => return false,
            Err(_) => {
                drop(events);
                return self.wait_for_room().await;
            }
        }
        self.events.send(events).await.is_ok()
    }

    /// There has been no room for half a keep-alive: leave the broker on purpose, it keeps our session.
    async fn wait_for_room(&mut self) -> bool {
        tracing::warn!("the journal has no room: disconnecting from the broker until it has");
        self.connection.disconnect();
        let events = vec![Event::Disconnected("the journal has no room".to_owned())];
        let room = self.room.wait_for(self.largest).await && self.room.take(measure(&events)).await;
        room && self.events.send(events).await.is_ok()
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

    #[tokio::test(start_paused = true)]
    async fn what_waits_is_counted_and_weighed_and_one_always_passes() {
        let room = Room::new(3);
        let all = u32::try_from(WAITING_BYTES).unwrap();
        let has_room =
            async |taken| tokio::time::timeout(Duration::from_secs(1), room.take(taken)).await == Ok(true);
        assert!(has_room((1, all)).await, "one passes, however large");
        assert!(has_room((1, 0)).await && !has_room((1, 1)).await, "another one of so many bytes waits");
        assert!(has_room((1, 0)).await && !has_room((1, 0)).await, "there are three");
        let small = tokio::time::timeout(Duration::from_secs(1), room.wait_for(1)).await;
        assert!(small.is_err(), "whoever waits for room waits for both");
        room.give_back((3, all));
        assert!(room.wait_for(u32::MAX).await && has_room((3, all)).await);
        room.close();
        assert!(!room.take((1, 1)).await);
    }

    #[test]
    fn a_connection_that_was_never_made_keeps_the_wait_growing() {
        assert!(!Steadiness::default().ended(Instant::now(), &mut String::new()));
    }
}
