//! A publishing client that says exactly which publishes the broker acknowledged.

use std::collections::HashMap;

use rumqttc::{self as three, Event as Happened, Outgoing, Packet};

use super::{Options, Transport, transport};

/// Why a connection ended. What has no acknowledgement by then may or may not have arrived.
#[derive(Debug, thiserror::Error)]
#[error("the connection to the broker ended: {0}")]
pub struct PublishError(String);

/// One connection over MQTT 3.1.1 with a clean session; to connect again, make another.
pub struct Publisher {
    client: three::AsyncClient,
    events: three::EventLoop,
    /// Tickets handed in and not yet written, in order.
    queued: std::collections::VecDeque<u64>,
    waiting: HashMap<u16, u64>,
    host: String,
    /// To be read and set before the first poll connects.
    transport: Option<Transport>,
    /// Why the connection ended.
    ended: Option<String>,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

impl Publisher {
    /// `window` publishes at most are without an acknowledgement.
    pub fn new(options: &Options, window: u16) -> Self {
        let mut mqtt = three::MqttOptions::new(
            &options.client_id,
            options.transport.address(&options.host, options.port),
            options.port,
        );
        mqtt.set_keep_alive(options.keep_alive);
        mqtt.set_inflight(window.max(1));
        let max = usize::try_from(options.max_packet).unwrap_or(usize::MAX);
        mqtt.set_max_packet_size(max, max);
        if let Some((user, password)) = &options.login {
            mqtt.set_credentials(user, password.reveal());
        }
        let (client, events) = three::AsyncClient::new(mqtt, usize::from(window.max(1)));
        Self {
            client,
            events,
            queued: std::collections::VecDeque::new(),
            waiting: HashMap::new(),
            host: options.host.clone(),
            transport: Some(options.transport.clone()),
            ended: None,
        }
    }

    /// Hands in a QoS 1 publish under the caller's ticket; false where there is no room: poll first.
    pub fn try_publish(&mut self, ticket: u64, topic: &str, payload: Vec<u8>, retain: bool) -> bool {
        let taken = self.client.try_publish(topic, three::QoS::AtLeastOnce, retain, payload).is_ok();
        if taken {
            self.queued.push_back(ticket);
        }
        taken
    }

    /// Publishes handed in and not acknowledged.
    pub fn outstanding(&self) -> usize {
        self.queued.len().saturating_add(self.waiting.len())
    }

    /// Tickets handed in that never left: no broker can have seen them.
    pub fn unwritten(&self) -> impl Iterator<Item = u64> {
        self.queued.iter().copied()
    }

    /// Moves the connection on; gives the ticket of a publish whose PUBACK came. The first call connects and must
    /// not be cut off: it would connect again.
    pub async fn poll(&mut self) -> Result<Option<u64>, PublishError> {
        if let Some(transport) = self.transport.take() {
            let loaded = transport.load().map_err(|error| PublishError(error.to_string()))?;
            self.events.mqtt_options.set_transport(loaded);
        }
        let happened = match &self.ended {
            None => self.events.poll().await.map_err(|error| error.to_string()),
            Some(error) => Err(error.clone()),
        };
        match happened {
            Ok(happened) => Ok(self.note(&happened)),
            Err(error) => {
                // PUBACKs that came with the end of the connection still wait inside the client.
                self.ended = Some(error.clone());
                while let Some(happened) = self.events.state.events.pop_front() {
                    if let Some(ticket) = self.note(&happened) {
                        return Ok(Some(ticket));
                    }
                }
                Err(PublishError(transport::explain(&error, &self.host, "")))
            }
        }
    }

    fn note(&mut self, happened: &Happened) -> Option<u64> {
        match happened {
            Happened::Outgoing(Outgoing::Publish(id)) => {
                if let Some(ticket) = self.queued.pop_front() {
                    self.waiting.insert(*id, ticket);
                }
                None
            }
            Happened::Incoming(Packet::PubAck(ack)) => self.waiting.remove(&ack.pkid),
            _ => None,
        }
    }
}
