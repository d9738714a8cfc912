//! The embedded broker: devices publish to us directly, and a PUBACK means the message is on disk.
//!
//! One promise: nothing is acknowledged that is not on disk (`hook.rs` has how). Sessions, retained messages and
//! what waits for subscribers live in memory only: after a restart clients subscribe anew, and a device repeats
//! what had no PUBACK.
//!
//! The broker crate waits for the hook before it reads the next packet of the same connection. So one device has
//! one message per sync; many devices share a sync.

mod config;
mod hook;
mod login;
mod unanswered;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mqtt5::QoS;
use mqtt5::broker::config::{BrokerConfig, StorageBackend, StorageConfig};
use mqtt5::broker::events::BrokerEventHandler;
use mqtt5::broker::router::MessageRouter;
use mqtt5::broker::{BrokerShutdownHandle, MqttBroker};
use mqtt5::packet::publish::PublishPacket;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::journal::Journal;
use crate::mqtt::Command;
use crate::status::Part;

pub use config::Config;

/// Bytes of one packet; a larger one closes its connection.
const MAX_PACKET: usize = 2 * 1_048_576;
/// A client that is away this long is forgotten with what waits for it.
const SESSION_EXPIRY: Duration = Duration::from_secs(7 * 86_400);

/// Why the embedded broker does not start.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    #[error(
        "cannot listen for MQTT on {address}: the port is in use. Stop the program that has it, or choose another \
         with --mqtt or broker.listen"
    )]
    PortInUse { address: SocketAddr },
    #[error("cannot listen for MQTT on {address} (--mqtt or broker.listen): {cause}")]
    Listen { address: SocketAddr, cause: io::Error },
    #[error("the embedded broker on {address} does not start: {text}")]
    Start { address: SocketAddr, text: String },
}

/// The broker with its port taken; it answers when it runs.
pub struct Broker {
    broker: MqttBroker,
    address: SocketAddr,
    hook: Arc<hook::Hook>,
    part: Part,
    /// To be published to devices.
    commands: Option<mpsc::Receiver<Command>>,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Broker {
    /// Takes the port. Clients are answered once it runs.
    pub async fn start(config: &Config, journal: Journal, part: Part) -> Result<Self, BrokerError> {
        let address = config.listen;
        // The crate tells a taken port in prose only, so we ask for it first.
        drop(TcpListener::bind(address).await.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => BrokerError::PortInUse { address },
            _ => BrokerError::Listen { address, cause: source },
        })?);
        let hook = Arc::new(hook::Hook::new(journal));
        // Without persistence the crate keeps no sessions at all. Rate, QoS and retained limits stay off: what
        // they refuse would look acknowledged to a client of MQTT 3.1.1.
        let storage = StorageConfig::new().with_backend(StorageBackend::Memory).with_persistence(true);
        let settings = BrokerConfig::new()
            .with_bind_address(address)
            .with_max_packet_size(MAX_PACKET)
            .with_session_expiry(SESSION_EXPIRY)
            .with_storage(storage)
            .with_event_handler(Arc::clone(&hook) as Arc<dyn BrokerEventHandler>);
        let failed = |text: String| BrokerError::Start { address, text };
        let broker = MqttBroker::with_config(settings).await.map_err(|error| failed(error.to_string()))?;
        let door = login::Door { login: config.login.clone(), allow_anonymous: config.allow_anonymous };
        let broker = broker.with_auth_provider(Arc::new(door));
        let address = broker.local_addr().ok_or_else(|| failed("it has no address".to_owned()))?;
        Ok(Self { broker, address, hook, part, commands: None })
    }

    /// Publishes these to whoever has subscribed; they are not journaled.
    #[must_use]
    pub fn publishing(self, commands: Option<mpsc::Receiver<Command>>) -> Self {
        Self { commands, ..self }
    }

    /// Where it listens; with port 0 in the settings, the port it got.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`; what is unacknowledged then is sent again by the devices.
    pub async fn run(mut self, stop: CancellationToken) {
        let shutdown: BrokerShutdownHandle = self.broker.shutdown_handle();
        let mut ready = self.broker.ready_receiver();
        let (router, commands) = (self.broker.router(), self.commands.take());
        let work = self.broker.run();
        tokio::pin!(work);
        let told = async {
            // Before it is ready it would not hear a shutdown.
            if ready.wait_for(|ready| *ready).await.is_err() {
                std::future::pending::<()>().await;
            }
            tracing::info!(address = %self.address, "the embedded broker is listening");
            self.part.ok();
            stop.cancelled().await;
        };
        let ended = tokio::select! {
            ended = &mut work => ended,
            () = publish(router, commands) => Ok(()),
            () = told => {
                self.hook.stop();
                shutdown.shutdown();
                work.await
            }
        };
        self.hook.stop();
        if stop.is_cancelled() && ended.is_ok() {
            return;
        }
        let reason = ended.map_or_else(|error| error.to_string(), |()| "it ended by itself".to_owned());
        tracing::error!(address = %self.address, reason, "the embedded broker ended");
        self.part.not_ready(format!("the embedded broker ended: {reason}"), "restart the service");
    }
}

/// Until the broker is dropped.
async fn publish(router: Arc<MessageRouter>, commands: Option<mpsc::Receiver<Command>>) {
    if let Some(mut commands) = commands {
        while let Some(Command { topic, payload }) = commands.recv().await {
            let publish = PublishPacket::new(topic, payload, QoS::AtMostOnce);
            router.route_message(&publish, None).await;
        }
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests;
