//! The publish hook: journals what a device publishes, and holds the broker's answer until it is on disk.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use mqtt5::QoS;
use mqtt5::broker::{BrokerEventHandler, ClientPublishEvent, PublishAction};
use tokio::sync::{Semaphore, watch};

use crate::journal::Journal;
use crate::message::{EMBEDDED_SOURCE, Message};

/// Publishes that may wait for the disk at once; beyond it new ones wait in their sockets.
const WAITING: usize = 4096;
/// Answers that are kept for devices whose connection broke before they got them.
const KEPT_ANSWERS: usize = 10_000;

/// What the broker calls for every publish.
pub(super) struct Hook {
    journal: Journal,
    unanswered: Arc<Mutex<HashMap<Key, Append>>>,
    places: Semaphore,
}

/// Who publishes under which packet identifier.
type Key = (Arc<str>, u16);

/// An append whose device has not been answered: it may reconnect and send the same again.
#[derive(Clone)]
struct Append {
    topic: Arc<str>,
    payload: Bytes,
    on_disk: watch::Receiver<bool>,
}

impl Hook {
    pub(super) fn new(journal: Journal) -> Self {
        Self { journal, unanswered: Arc::default(), places: Semaphore::new(WAITING) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Append>> {
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The append that this publish repeats, or a new one.
    fn append(&self, event: &ClientPublishEvent) -> Append {
        let mut unanswered = self.lock();
        let key = event.packet_id.map(|id| (Arc::clone(&event.client_id), id));
        if let Some(known) = key.as_ref().and_then(|key| unanswered.get(key))
            && known.topic == event.topic
            && known.payload == event.payload
        {
            return known.clone();
        }
        let (done, on_disk) = watch::channel(false);
        let append = Append { topic: Arc::clone(&event.topic), payload: event.payload.clone(), on_disk };
        if let Some(key) = key {
            if unanswered.len() >= KEPT_ANSWERS {
                // Those on disk only wait for devices that never came back.
                unanswered.retain(|_, append| !*append.on_disk.borrow());
            }
            unanswered.insert(key, append.clone());
        }
        drop(unanswered);
        let (journal, message) = (self.journal.clone(), message(event));
        // A task of its own: the broker drops this hook when the device's connection breaks, and the message is
        // in the journal's hands then.
        tokio::spawn(async move {
            if journal.append(message).await.is_ok() {
                done.send_replace(true);
            } else {
                // Closed: nobody may be told that it is on disk.
                std::future::pending::<()>().await;
            }
        });
        append
    }
}

fn message(event: &ClientPublishEvent) -> Message {
    Message {
        topic: Bytes::copy_from_slice(event.topic.as_bytes()),
        payload: event.payload.clone(),
        qos: match event.qos {
            QoS::AtMostOnce => 0,
            QoS::AtLeastOnce => 1,
            QoS::ExactlyOnce => 2,
        },
        retain: event.retain,
        dup: false,
        source: EMBEDDED_SOURCE,
        session: 0,
        packet_id: event.packet_id.unwrap_or(0),
        redelivery_of: None,
    }
}

impl BrokerEventHandler for Hook {
    fn on_client_publish<'a>(
        &'a self,
        event: ClientPublishEvent,
    ) -> Pin<Box<dyn Future<Output = PublishAction> + Send + 'a>> {
        Box::pin(async move {
            if event.topic.starts_with('$') {
                return PublishAction::Continue;
            }
            let Ok(_place) = self.places.acquire().await else {
                return std::future::pending().await;
            };
            let mut append = self.append(&event);
            if append.on_disk.wait_for(|on_disk| *on_disk).await.is_err() {
                return std::future::pending().await;
            }
            if let Some(id) = event.packet_id {
                self.lock().remove(&(event.client_id, id));
            }
            PublishAction::Continue
        })
    }
}
