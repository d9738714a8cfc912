//! One small adaptor over MQTT 5 and 3.1.1; the only place that knows the client crate.
//!
//! Polling belongs to one task and acknowledging to another, and none waits for the other: the acknowledger leaves
//! packet identifiers, the poller writes all that are there at once. The client crate's own loop would write and
//! flush each PUBACK alone, which cost more than all the rest of a message's way (decision 020).

mod beside;
mod certificate;
mod event;
mod expiry;
pub mod listen;
pub mod probe;
pub mod publish;
mod stream;
mod transport;
mod up;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use self::up::Up;
use crate::journal::Durable;
use crate::secret::Secret;

pub use certificate::{Expiry, Seen, Whose};
pub use event::{Command, Event, Publish};
pub use expiry::{Expiries, Watch};
pub use transport::{Tls, TlsError, Transport};

/// Name, connection, TLS and CONNACK together take no longer.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

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

/// What polling and acknowledging share.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Rung when there is something to send.
    rung: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Counts connections, so that no PUBACK of an earlier one can slip into a later one.
    epoch: u64,
    /// Packet identifiers to acknowledge, in the order of the journal.
    acks: Vec<u16>,
    filters: Vec<String>,
    stale: Vec<String>,
    /// Those are to be asked for.
    subscribe: bool,
    /// Only these are, once more.
    again: Vec<String>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The subscription's connection, made anew whenever it is gone.
pub struct Connection {
    options: Options,
    up: Option<Up>,
    shared: Arc<Shared>,
    commands: Option<mpsc::Receiver<Command>>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("epoch", &self.shared.lock().epoch).finish_non_exhaustive()
    }
}

/// Sends PUBACKs while another task polls.
#[derive(Debug)]
pub struct Acknowledger {
    shared: Arc<Shared>,
}

impl Acknowledger {
    /// Other filters from now on: on the connection that is up, and on every later one.
    pub fn subscribe(&self, filters: Vec<String>, stale: Vec<String>) {
        let mut state = self.shared.lock();
        (state.filters, state.stale, state.subscribe) = (filters, stale, true);
        drop(state);
        self.shared.rung.notify_one();
    }

    /// Asks once more for some of the filters, on the connection that is up.
    pub fn ask_again(&self, filters: Vec<String>) {
        self.shared.lock().again = filters;
        self.shared.rung.notify_one();
    }

    /// Whether the receipt is of the connection that is up now.
    pub fn is_current(&self, receipt: &Receipt) -> bool {
        receipt.epoch == self.shared.lock().epoch
    }

    /// Queues the PUBACK and says whether it did: one for an earlier connection is void, because the broker
    /// will send that publish again. The proof is what makes an acknowledgement possible at all.
    #[expect(clippy::needless_pass_by_value, reason = "a receipt and its proof are spent")]
    pub fn acknowledge(&self, receipt: Receipt, _proof: Durable) -> bool {
        let mut state = self.shared.lock();
        if receipt.epoch != state.epoch || receipt.packet_id == 0 {
            return false;
        }
        state.acks.push(receipt.packet_id);
        let first = state.acks.len() == 1;
        drop(state);
        if first {
            self.shared.rung.notify_one();
        }
        true
    }
}

impl Connection {
    /// The connection, for the task that polls, and its acknowledger, for the task that knows what is on disk.
    pub fn new(options: &Options) -> (Self, Acknowledger) {
        let (filters, stale) = (options.filters.clone(), options.stale.clone());
        let state = State { filters, stale, ..State::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state), rung: Notify::new() });
        let acknowledger = Acknowledger { shared: Arc::clone(&shared) };
        (Self { options: options.clone(), up: None, shared, commands: None }, acknowledger)
    }

    /// Publishes these beside; what waits when the connection is lost goes with it.
    #[must_use]
    pub fn publishing(self, commands: Option<mpsc::Receiver<Command>>) -> Self {
        Self { commands, ..self }
    }

    /// The next event. Connects where there is no connection; waiting between tries is the caller's.
    pub async fn poll(&mut self) -> Event {
        let told = match &mut self.up {
            Some(up) => up.next(&self.shared, self.commands.as_mut()).await,
            None => self.connect().await,
        };
        told.unwrap_or_else(|error| {
            self.lost(transport::explain(&error, &self.options.host, &self.options.client_id))
        })
    }

    /// What the last poll brought beside its event, as far as it is publishes and PUBACKs, until there are so many:
    /// it costs no wait.
    pub fn more(&mut self, events: &mut Vec<Event>, most: usize) {
        if let Some(up) = &mut self.up {
            up.more(events, most);
        }
    }

    /// Drops the connection on purpose; the session at the broker stays.
    pub fn disconnect(&mut self) {
        let _ = self.lost(String::new());
    }

    async fn connect(&mut self) -> Result<Event, String> {
        let epoch = self.shared.lock().epoch;
        let up = tokio::time::timeout(CONNECT_WITHIN, Up::new(&self.options, epoch)).await;
        let late = |_| format!("no connection within {} s", CONNECT_WITHIN.as_secs());
        let (up, session_present) = up.map_err(late)??;
        self.up = Some(up);
        self.shared.lock().subscribe = true;
        Ok(Event::Connected { session_present })
    }

    /// With the connection go its publishes that nobody has seen yet, and the PUBACKs for it: they come again.
    fn lost(&mut self, error: String) -> Event {
        self.up = None;
        while let Some(commands) = &mut self.commands
            && commands.try_recv().is_ok()
        {}
        let mut state = self.shared.lock();
        state.epoch = state.epoch.saturating_add(1);
        state.acks.clear();
        state.again.clear();
        Event::Disconnected(error)
    }
}

#[cfg(test)]
mod tests;
