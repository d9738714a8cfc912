//! The publish hook: lets an acknowledgement out only for what the journal has on disk.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use mqtt5::QoS;
use mqtt5::broker::events::{BrokerEventHandler, ClientConnectEvent, ClientPublishEvent, PublishAction};
use mqtt5::packet::publish::PublishPacket;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::unanswered::{Unanswered, Visit};
use crate::journal::Journal;
use crate::message::{EMBEDDED_SOURCE, Message};

/// Publishes that may wait for the disk at once; later ones wait in their sockets.
const WAITING: usize = 1024;

/// Where a publish goes that must not be answered: the broker takes what we give it, and QoS 0 has no answer.
const NOWHERE: &str = "$nadikota/unanswered";

/// Journals every publish before the broker goes on with it.
///
/// - The broker calls it for QoS 0, 1 and 2, retained or not, and also for the empty retained publish that clears
///   a topic. It waits for it before the PUBACK (QoS 1), the PUBREC (QoS 2), and before any subscriber or the
///   retained store sees the message. QoS 0 waits as well: a full disk stops the socket, nothing is dropped.
/// - It is not called for wills: the broker sends those to subscribers only, and they are not journaled.
/// - Topics that begin with `$` are between broker and clients: they are not journaled, and alone are acknowledged
///   without being on disk.
/// - A closed journal answers nobody: the hook waits until the broker stops. Then what is still waiting goes on as
///   an empty QoS 0 message to a topic of nobody, because the crate has no way to refuse: no PUBACK leaves, the
///   connection closes, and the device sends it again later.
/// - A device that connects again while its publish waits: the old connection is let go in the same way (it would
///   hold a socket for as long as the disk fails), the append goes on, and the repeated publish waits on it,
///   unless the device starts a clean session: then it is a new message and a second record.
/// - The broker does not tell the hook about DUP. A QoS 2 publish sent again before its PUBREC is a second record.
#[derive(Debug)]
pub(super) struct Hook {
    journal: Journal,
    places: Semaphore,
    unanswered: Unanswered,
    stopping: CancellationToken,
}

impl Hook {
    pub(super) fn new(journal: Journal) -> Self {
        Self {
            journal,
            places: Semaphore::new(WAITING),
            unanswered: Unanswered::default(),
            stopping: CancellationToken::new(),
        }
    }

    /// Waiting hooks and remembered appends.
    #[cfg(test)]
    pub(super) fn numbers(&self) -> (usize, usize) {
        self.unanswered.numbers()
    }

    /// From now on nothing is answered.
    pub(super) fn stop(&self) {
        self.stopping.cancel();
    }

    /// Returns when the publish is on disk, and otherwise never.
    async fn keep(&self, visit: &Visit<'_>, event: ClientPublishEvent) {
        // The semaphore is never closed; without a place the publish goes on all the same.
        let _place = self.places.acquire().await.ok();
        let message = Message {
            topic: Bytes::copy_from_slice(event.topic.as_bytes()),
            payload: event.payload,
            qos: match event.qos {
                QoS::AtMostOnce => 0,
                QoS::AtLeastOnce => 1,
                QoS::ExactlyOnce => 2,
            },
            retain: event.retain,
            dup: false,
            source: EMBEDDED_SOURCE,
            session: 0,
            packet_id: event.packet_id.unwrap_or_default(),
            redelivery_of: None,
        };
        let kept = if message.qos == 0 {
            self.journal.append(message).await.is_ok()
        } else {
            visit.keep(&self.journal, message).await
        };
        if !kept {
            std::future::pending::<()>().await;
        }
    }
}

impl BrokerEventHandler for Hook {
    fn on_client_connect<'a>(
        &'a self,
        event: ClientConnectEvent,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        self.unanswered.connected(&event.client_id, event.clean_start);
        Box::pin(std::future::ready(()))
    }

    fn on_client_publish<'a>(
        &'a self,
        event: ClientPublishEvent,
    ) -> Pin<Box<dyn Future<Output = PublishAction> + Send + 'a>> {
        Box::pin(async move {
            if event.topic.starts_with('$') {
                return PublishAction::Continue;
            }
            let visit = self.unanswered.visit(Arc::clone(&event.client_id));
            tokio::select! {
                biased;
                () = self.stopping.cancelled() => unanswered(),
                () = visit.displaced.cancelled() => unanswered(),
                () = self.keep(&visit, event) => PublishAction::Continue,
            }
        })
    }
}

fn unanswered() -> PublishAction {
    PublishAction::Transform(PublishPacket::new(NOWHERE, Bytes::new(), QoS::AtMostOnce))
}
