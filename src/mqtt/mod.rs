//! One small adaptor over MQTT 5 and 3.1.1; the only place that knows the client crate.
//!
//! Polling belongs to one task and acknowledging to another. The client's request channel has room for every
//! packet identifier there is, so a PUBACK always finds its place and no task waits for the other.

mod certificate;
mod event;
mod expiry;
pub mod listen;
pub mod probe;
pub mod publish;
mod transport;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::v5 as five;
use rumqttc::{self as three, v5};

use crate::journal::Durable;
use crate::secret::Secret;

pub use certificate::{Expiry, Seen, Whose};
pub use event::{Event, Publish};
pub use expiry::{Expiries, Watch};
pub use transport::{Tls, TlsError, Transport};

/// Room for requests inside the client: a PUBACK for each packet identifier, and a subscription.
const REQUESTS: usize = 66_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V5,
    V3,
}

/// How to connect. A persistent session needs a client id; `source::Config` refuses one without.
#[derive(Debug, Clone)]
pub struct Options {
    pub version: Version,
    pub host: String,
    pub port: u16,
    pub transport: Transport,
    pub client_id: String,
    pub login: Option<(String, Secret)>,
    /// At least five seconds.
    pub keep_alive: Duration,
    /// How long the broker keeps the session; zero asks for a clean one. MQTT 3.1.1 knows only for ever.
    pub session_expiry: Duration,
    /// QoS 1 messages the broker may send without a PUBACK; MQTT 5 only.
    pub receive_maximum: u16,
    /// Bytes. Without it the client takes 10 KB, and one larger publish breaks the link again and again.
    pub max_packet: u32,
    /// Filters that do not overlap, subscribed at QoS 1 on every connection.
    pub filters: Vec<String>,
    /// Filters that the session may still hold from before, unsubscribed on every connection.
    pub stale: Vec<String>,
}

/// The right to acknowledge one publish on one connection; worthless on any later one.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "without a PUBACK the broker sends it again"]
pub struct Receipt {
    epoch: u64,
    packet_id: u16,
}

enum Client {
    V5(v5::AsyncClient, Box<v5::EventLoop>),
    V3(three::AsyncClient, Box<three::EventLoop>),
}

pub struct Connection {
    client: Client,
    wanted: Wanted,
    client_id: String,
    host: String,
    transport: Transport,
    /// The certificates are to be read again before the next connection.
    renew: bool,
    epoch: Epoch,
}

/// Counts connections. Held while a PUBACK is queued and while a dead connection is cleared away, so that none
/// of an earlier connection can slip into a later one.
#[derive(Debug, Clone, Default)]
struct Epoch(Arc<Mutex<u64>>);

impl Epoch {
    fn lock(&self) -> MutexGuard<'_, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What to subscribe to, and what to end.
#[derive(Debug, Default)]
struct Filters {
    filters: Vec<String>,
    stale: Vec<String>,
}

/// Shared by the connection, which subscribes when it is made, and its acknowledger.
#[derive(Debug, Clone, Default)]
struct Wanted(Arc<Mutex<Filters>>);

impl Wanted {
    fn lock(&self) -> MutexGuard<'_, Filters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

/// Sends PUBACKs while another task polls.
pub struct Acknowledger {
    client: Handle,
    epoch: Epoch,
    wanted: Wanted,
}

enum Handle {
    V5(v5::AsyncClient),
    V3(three::AsyncClient),
}

impl Handle {
    /// Subscribes, and unsubscribes right behind it, so that hardly a message can come twice through an old and a
    /// new filter, and none through neither.
    fn subscribe(&self, Filters { filters, stale }: &Filters) -> Result<(), String> {
        if filters.is_empty() {
            return Ok(());
        }
        match self {
            Self::V5(client) => {
                let filters = filters.iter().map(|path| {
                    let mut filter = five::Filter::new(path.clone(), v5::mqttbytes::QoS::AtLeastOnce);
                    filter.retain_forward_rule = five::RetainForwardRule::OnNewSubscribe;
                    filter
                });
                client.try_subscribe_many(filters).map_err(|error| error.to_string())?;
                stale
                    .iter()
                    .try_for_each(|path| client.try_unsubscribe(path).map_err(|error| error.to_string()))
            }
            Self::V3(client) => {
                let filters = filters
                    .iter()
                    .map(|path| three::SubscribeFilter::new(path.clone(), three::QoS::AtLeastOnce));
                client.try_subscribe_many(filters).map_err(|error| error.to_string())?;
                stale
                    .iter()
                    .try_for_each(|path| client.try_unsubscribe(path).map_err(|error| error.to_string()))
            }
        }
    }
}

impl std::fmt::Debug for Acknowledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acknowledger").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl Acknowledger {
    /// Other filters from now on: on the connection that is up, and on every later one.
    pub fn subscribe(&self, filters: Vec<String>, stale: Vec<String>) -> Result<(), String> {
        let mut wanted = self.wanted.lock();
        *wanted = Filters { filters, stale };
        self.client.subscribe(&wanted)
    }

    /// Whether the receipt is of the connection that is up now.
    pub fn is_current(&self, receipt: &Receipt) -> bool {
        receipt.epoch == *self.epoch.lock()
    }

    /// Queues the PUBACK and says whether it did: one for an earlier connection is void, because the broker
    /// will send that publish again. The proof is what makes an acknowledgement possible at all.
    #[expect(clippy::needless_pass_by_value, reason = "a receipt and its proof are spent")]
    pub fn acknowledge(&self, receipt: Receipt, _proof: Durable) -> bool {
        let epoch = self.epoch.lock();
        if receipt.epoch != *epoch || receipt.packet_id == 0 {
            return false;
        }
        // The client takes identifier and QoS from a publish, and nothing else.
        match &self.client {
            Handle::V5(client) => {
                let (pkid, qos) = (receipt.packet_id, v5::mqttbytes::QoS::AtLeastOnce);
                client.try_ack(&five::Publish { pkid, qos, ..five::Publish::default() }).is_ok()
            }
            Handle::V3(client) => {
                let (pkid, qos, topic) = (receipt.packet_id, three::QoS::AtLeastOnce, String::new());
                let publish =
                    three::Publish { dup: false, qos, retain: false, topic, pkid, payload: Bytes::new() };
                client.try_ack(&publish).is_ok()
            }
        }
    }
}

impl Connection {
    /// The connection, for the task that polls, and its acknowledger, for the task that knows what is on disk.
    pub fn new(options: &Options) -> (Self, Acknowledger) {
        let client = match options.version {
            Version::V5 => open_v5(options),
            Version::V3 => open_v3(options),
        };
        let handle = match &client {
            Client::V5(client, _) => Handle::V5(client.clone()),
            Client::V3(client, _) => Handle::V3(client.clone()),
        };
        let epoch = Epoch::default();
        let wanted = Wanted::default();
        *wanted.lock() = Filters { filters: options.filters.clone(), stale: options.stale.clone() };
        let acknowledger = Acknowledger { client: handle, epoch: epoch.clone(), wanted: wanted.clone() };
        let connection = Self {
            client,
            wanted,
            client_id: options.client_id.clone(),
            host: options.host.clone(),
            transport: options.transport.clone(),
            renew: true,
            epoch,
        };
        (connection, acknowledger)
    }

    /// The next event. Connects where there is no connection; waiting between tries is the caller's.
    pub async fn poll(&mut self) -> Event {
        if self.renew {
            match self.transport.load() {
                Ok(transport) => self.set(transport),
                Err(error) => return self.lost(error.to_string()),
            }
        }
        let polled = match &mut self.client {
            Client::V5(_, events) => {
                events.poll().await.map(event::from_v5).map_err(|error| error.to_string())
            }
            Client::V3(_, events) => {
                events.poll().await.map(event::from_v3).map_err(|error| error.to_string())
            }
        };
        match polled {
            Ok(Event::Connected { session_present }) => match self.subscribe() {
                Ok(()) => Event::Connected { session_present },
                Err(error) => self.lost(error),
            },
            Ok(Event::Publish(mut publish)) => {
                publish.receipt.epoch = *self.epoch.lock();
                Event::Publish(publish)
            }
            Ok(Event::Subscribed { refused }) => Event::Subscribed { refused: self.name(refused) },
            Ok(event) => event,
            Err(error) => {
                let error = transport::explain(&error, &self.host, &self.client_id);
                self.lost(error)
            }
        }
    }

    /// What the last poll brought beside its event, as far as it is publishes and PUBACKs: it costs no wait.
    pub fn more(&mut self, events: &mut Vec<Event>) {
        let epoch = *self.epoch.lock();
        loop {
            let event = match &mut self.client {
                Client::V5(_, client) => match client.state.events.front() {
                    Some(
                        v5::Event::Incoming(five::Packet::Publish(_))
                        | v5::Event::Outgoing(three::Outgoing::PubAck(_)),
                    ) => client.state.events.pop_front().map(event::from_v5),
                    _ => None,
                },
                Client::V3(_, client) => match client.state.events.front() {
                    Some(
                        three::Event::Incoming(three::Packet::Publish(_))
                        | three::Event::Outgoing(three::Outgoing::PubAck(_)),
                    ) => client.state.events.pop_front().map(event::from_v3),
                    _ => None,
                },
            };
            match event {
                Some(Event::Publish(mut publish)) => {
                    publish.receipt.epoch = epoch;
                    events.push(Event::Publish(publish));
                }
                Some(event) => events.push(event),
                None => return,
            }
        }
    }

    fn set(&mut self, transport: three::Transport) {
        match &mut self.client {
            Client::V5(_, events) => {
                events.options.set_transport(transport);
            }
            Client::V3(_, events) => {
                events.mqtt_options.set_transport(transport);
            }
        }
        self.renew = false;
    }

    /// Drops the connection on purpose; the session at the broker stays.
    pub fn disconnect(&mut self) {
        let _ = self.lost(String::new());
    }

    /// Publishes of the dead connection may still wait inside the client, and PUBACKs for it: they come again,
    /// so away with them.
    fn lost(&mut self, error: String) -> Event {
        self.renew = true;
        let mut epoch = self.epoch.lock();
        *epoch = epoch.saturating_add(1);
        match &mut self.client {
            Client::V5(_, events) => {
                events.clean();
                events.pending.clear();
                events.state.events.clear();
            }
            Client::V3(_, events) => {
                events.clean();
                events.pending.clear();
                events.state.events.clear();
            }
        }
        drop(epoch);
        Event::Disconnected(error)
    }

    fn subscribe(&self) -> Result<(), String> {
        let handle = match &self.client {
            Client::V5(client, _) => Handle::V5(client.clone()),
            Client::V3(client, _) => Handle::V3(client.clone()),
        };
        let filters = self.wanted.lock();
        handle.subscribe(&filters)
    }

    /// SubAck codes come in the order of the filters; `from_v5` and `from_v3` leave places, here are names.
    fn name(&self, places: Vec<String>) -> Vec<String> {
        let wanted = self.wanted.lock();
        let named = |place: String| {
            let filter = place.parse().ok().and_then(|at: usize| wanted.filters.get(at));
            filter.cloned().unwrap_or(place)
        };
        places.into_iter().map(named).collect()
    }
}

fn open_v5(options: &Options) -> Client {
    let mut mqtt = v5::MqttOptions::new(
        &options.client_id,
        options.transport.address(&options.host, options.port),
        options.port,
    );
    mqtt.set_keep_alive(options.keep_alive);
    mqtt.set_manual_acks(true);
    mqtt.set_clean_start(options.session_expiry.is_zero());
    let seconds = u32::try_from(options.session_expiry.as_secs()).unwrap_or(u32::MAX);
    mqtt.set_session_expiry_interval(Some(seconds));
    mqtt.set_receive_maximum(Some(options.receive_maximum));
    mqtt.set_max_packet_size(Some(options.max_packet));
    if let Some((user, password)) = &options.login {
        mqtt.set_credentials(user, password.reveal());
    }
    let (client, events) = v5::AsyncClient::new(mqtt, REQUESTS);
    Client::V5(client, Box::new(events))
}

fn open_v3(options: &Options) -> Client {
    let mut mqtt = three::MqttOptions::new(
        &options.client_id,
        options.transport.address(&options.host, options.port),
        options.port,
    );
    mqtt.set_keep_alive(options.keep_alive);
    mqtt.set_manual_acks(true);
    mqtt.set_clean_session(options.session_expiry.is_zero());
    let max = usize::try_from(options.max_packet).unwrap_or(usize::MAX);
    mqtt.set_max_packet_size(max, max);
    if let Some((user, password)) = &options.login {
        mqtt.set_credentials(user, password.reveal());
    }
    let (client, events) = three::AsyncClient::new(mqtt, REQUESTS);
    Client::V3(client, Box::new(events))
}

#[cfg(test)]
mod tests;
