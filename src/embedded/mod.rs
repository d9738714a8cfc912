//! The embedded MQTT broker: devices publish to nadikota itself, and each PUBACK means "on our disk".
//!
//! It speaks MQTT 3.1.1 and 5 on one port. Its publish hook is awaited before the broker answers, at every QoS, so
//! a device hears nothing until its message is journaled; a full or failing journal holds its connection. The
//! broker then routes the message on to subscribers. Sessions are kept in memory. A device's publishes are
//! journaled one after another, so one device alone is as fast as the disk syncs; many share each sync.

mod config;
mod hook;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mqtt5::broker::auth::PasswordAuthProvider;
use mqtt5::broker::config::{AuthConfig, BrokerConfig, StorageBackend, StorageConfig};
use mqtt5::broker::{BrokerShutdownHandle, MqttBroker};
use tokio_util::sync::CancellationToken;

use crate::journal::Journal;
use crate::status::Part;

pub use config::Config;
use hook::Hook;

/// Why the broker did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    #[error(
        "cannot listen for MQTT on {address}: the port is in use. Stop the program that has it, or choose another \
         with --mqtt or broker.listen"
    )]
    PortInUse { address: SocketAddr },
    #[error("cannot listen for MQTT on {address} (--mqtt or broker.listen): {why}")]
    Start { address: SocketAddr, why: String },
    #[error("the embedded broker failed: {0}")]
    Run(String),
}

/// A broker that listens already.
pub struct Broker {
    broker: MqttBroker,
    address: SocketAddr,
    stop: BrokerShutdownHandle,
    part: Part,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Broker {
    /// Takes the port. Nothing is accepted before [`Broker::run`].
    pub async fn start(config: &Config, journal: Journal, part: Part) -> Result<Self, BrokerError> {
        let address = config.listen;
        let failed = |why: String| BrokerError::Start { address, why };
        // The broker's own error does not tell a port in use from others.
        match tokio::net::TcpListener::bind(address).await {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                return Err(BrokerError::PortInUse { address });
            }
            Err(error) => return Err(failed(error.to_string())),
        }
        let storage = StorageConfig::new().with_backend(StorageBackend::Memory).with_persistence(true);
        let broker = BrokerConfig::new()
            .with_bind_address(address)
            .with_max_packet_size(config.max_packet)
            .with_session_expiry(Duration::from_secs(3600))
            .with_sys_topics_enabled(false)
            .with_storage(storage)
            // Where there is a login, the provider set below takes this one's place before anybody connects.
            .with_auth(AuthConfig::new().with_allow_anonymous(true))
            .with_event_handler(Arc::new(Hook::new(journal)));
        let mut broker = MqttBroker::with_config(broker).await.map_err(|error| failed(error.to_string()))?;
        if let Some((user, password)) = &config.login {
            let users = PasswordAuthProvider::new().with_anonymous(false);
            users.add_user(user, password.reveal()).map_err(|error| failed(error.to_string()))?;
            broker = broker.with_auth_provider(Arc::new(users));
        }
        let address = broker.local_addr().unwrap_or(address);
        let stop = broker.shutdown_handle();
        part.ok();
        tracing::info!(%address, "the embedded broker is listening");
        Ok(Self { broker, address, stop, part })
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), BrokerError> {
        let stopper = self.stop.clone();
        let asked = async {
            stop.cancelled().await;
            stopper.shutdown();
            // Connections whose hook still waits for the disk are not waited for: they have had no answer.
            tokio::time::sleep(Duration::from_secs(2)).await;
        };
        let ended = tokio::select! {
            ended = self.broker.run() => ended.map_err(|error| BrokerError::Run(error.to_string())),
            () = asked => Ok(()),
        };
        if !stop.is_cancelled() {
            self.part.not_ready("the embedded broker has ended", "see the log, then restart nadikota");
        }
        ended
    }
}

#[cfg(test)]
mod tests;
