//! What clients wait for: their appends without an answer, and the connections that wait on them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::journal::{Journal, Pending};
use crate::message::Message;

/// Clients that are away are looked through when there are this many of all.
const MANY: usize = 2048;

/// A device that comes back and repeats its publish waits on the append it began before.
#[derive(Debug, Default)]
pub(super) struct Unanswered(Mutex<HashMap<Arc<str>, Client>>);

/// A client that waits, or was cut off while it did.
#[derive(Debug, Default)]
struct Client {
    hooks: usize,
    displaced: CancellationToken,
    appends: Vec<Append>,
}

#[derive(Debug, Clone)]
struct Append {
    packet_id: u16,
    topic: Bytes,
    payload: Bytes,
    stage: Arc<tokio::sync::Mutex<Stage>>,
}

/// How far an append is. It outlives the connection that began it.
#[derive(Debug)]
enum Stage {
    New(Option<Message>),
    Pending(Pending),
    Kept,
    Closed,
}

/// One hook that waits for a client.
#[derive(Debug)]
pub(super) struct Visit<'a> {
    table: &'a Unanswered,
    client: Arc<str>,
    pub(super) displaced: CancellationToken,
}

impl Unanswered {
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Client>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A hook begins to wait.
    pub(super) fn visit(&self, name: Arc<str>) -> Visit<'_> {
        let mut clients = self.lock();
        if clients.len() >= MANY {
            clients.retain(|_, client| client.hooks > 0 || client.appends.iter().any(Append::is_pending));
        }
        let client = clients.entry(Arc::clone(&name)).or_default();
        client.hooks = client.hooks.saturating_add(1);
        let displaced = client.displaced.clone();
        drop(clients);
        Visit { table: self, client: name, displaced }
    }

    /// The client has a new connection: what waits for an earlier one has nobody to answer. A client that starts
    /// clean repeats nothing: what looks the same is new.
    pub(super) fn connected(&self, name: &str, clean: bool) {
        if let Some(client) = self.lock().get_mut(name) {
            std::mem::take(&mut client.displaced).cancel();
            if clean {
                client.appends.clear();
            }
        }
    }

    /// How many hooks wait, and how many appends are remembered.
    #[cfg(test)]
    pub(super) fn numbers(&self) -> (usize, usize) {
        self.lock()
            .values()
            .fold((0, 0), |(hooks, appends), client| (hooks + client.hooks, appends + client.appends.len()))
    }

    fn enter(&self, name: &str, message: Message) -> Append {
        let mut clients = self.lock();
        let mut nobody = Client::default();
        let client = clients.get_mut(name).unwrap_or(&mut nobody);
        if let Some(known) = client.appends.iter().find(|append| append.is_of(&message)) {
            return known.clone();
        }
        // Devices repeat before they go on: an append that nobody came back for will not be asked for again.
        client.appends.retain(|append| Arc::strong_count(&append.stage) > 1);
        let (topic, payload) = (message.topic.clone(), message.payload.clone());
        let packet_id = message.packet_id;
        let stage = Arc::new(tokio::sync::Mutex::new(Stage::New(Some(message))));
        let append = Append { packet_id, topic, payload, stage };
        client.appends.push(append.clone());
        append
    }
}

impl Visit<'_> {
    /// Whether the message is on disk; false where the journal is closed. Begun once, however often it is sent.
    pub(super) async fn keep(&self, journal: &Journal, message: Message) -> bool {
        let append = self.table.enter(&self.client, message);
        let kept = append.stage.lock().await.finish(journal).await;
        if let Some(client) = self.table.lock().get_mut(&self.client) {
            client.appends.retain(|known| !Arc::ptr_eq(&known.stage, &append.stage));
        }
        kept
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let mut clients = self.table.lock();
        if let Some(client) = clients.get_mut(&self.client) {
            client.hooks = client.hooks.saturating_sub(1);
            if client.hooks == 0 && client.appends.is_empty() {
                clients.remove(&self.client);
            }
        }
    }
}

impl Append {
    fn is_of(&self, message: &Message) -> bool {
        self.packet_id == message.packet_id && self.topic == message.topic && self.payload == message.payload
    }

    /// The journal has it and has not answered yet.
    fn is_pending(&self) -> bool {
        let Ok(mut stage) = self.stage.try_lock() else { return true };
        let Stage::Pending(pending) = &mut *stage else { return false };
        let Some(answer) = pending.try_now() else { return true };
        *stage = if answer.is_ok() { Stage::Kept } else { Stage::Closed };
        false
    }
}

impl Stage {
    /// Goes on from where an earlier connection left it.
    async fn finish(&mut self, journal: &Journal) -> bool {
        loop {
            match self {
                Self::New(message) => match message.take().map(|message| journal.try_append(message)) {
                    Some(Ok(pending)) => *self = Self::Pending(pending),
                    Some(Err(back)) => {
                        *message = Some(back);
                        journal.has_place().await;
                    }
                    None => *self = Self::Closed,
                },
                Self::Pending(pending) => {
                    *self = if pending.await.is_ok() { Self::Kept } else { Self::Closed };
                }
                Self::Kept => return true,
                Self::Closed => return false,
            }
        }
    }
}
