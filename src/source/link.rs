//! The link: the task that polls the broker's connection, with back-off, and holds it while there is no room.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Config;
use crate::backoff::Backoff;
use crate::mqtt::{Acknowledger, Connection, Event};

/// Events beside publishes that may wait: PUBACKs written, pings.
const OTHER_EVENTS: usize = 1024;

/// The receiving end of the polling task.
#[derive(Debug)]
pub(super) struct Link {
    events: mpsc::Receiver<Event>,
    task: JoinHandle<()>,
}

impl Link {
    /// Starts polling. `park` publishes at most wait between the connection and the source.
    pub(super) fn start(config: &Config, stop: CancellationToken) -> (Self, Acknowledger) {
        let (connection, acknowledger) = Connection::new(&config.options);
        let (sender, events) = mpsc::channel(config.park.saturating_add(OTHER_EVENTS));
        // An MQTT 5 broker stops at the receive maximum, so the channel cannot fill and polling goes on; a 3.1.1
        // broker knows no such bound.
        let poller = Poller { connection, events: sender, patience: config.options.keep_alive / 2 };
        let task = tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = poller.run() => {}
            }
        });
        (Self { events, task }, acknowledger)
    }

    pub(super) async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    pub(super) async fn join(self) {
        drop(self.events);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the polling task failed");
        }
    }
}

struct Poller {
    connection: Connection,
    events: mpsc::Sender<Event>,
    patience: Duration,
}

impl Poller {
    async fn run(mut self) {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
        loop {
            let event = self.connection.poll().await;
            let wait = match &event {
                Event::Disconnected(_) => Some(backoff.next_wait()),
                Event::Subscribed { .. } => {
                    backoff.reset();
                    None
                }
                _ => None,
            };
            let Ok(place) = tokio::time::timeout(self.patience, self.events.reserve()).await else {
                self.wait_for_room().await;
                continue;
            };
            let Ok(place) = place else { return };
            place.send(event);
            if let Some(wait) = wait {
                tokio::time::sleep(wait).await;
            }
        }
    }

    /// The channel has been full for half a keep-alive: leave the broker on purpose, it keeps our session.
    async fn wait_for_room(&mut self) {
        tracing::warn!("the journal has no room: disconnecting from the broker until it has");
        self.connection.disconnect();
        let _ = self.events.send(Event::Disconnected("the journal has no room".to_owned())).await;
    }
}
