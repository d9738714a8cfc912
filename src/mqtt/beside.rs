//! A client beside the running service, over the client crate's own loop.
//!
//! It has a client id and a clean session of its own, so the service's session and its messages stay untouched.

use rumqttc::{self as three, v5};

use super::transport::TlsError;
use super::{Options, Version};

/// Requests that may wait inside the client.
const WAITING: usize = 16;

pub(super) enum Client {
    V5(v5::AsyncClient, Box<v5::EventLoop>),
    V3(three::AsyncClient, Box<three::EventLoop>),
}

/// The client id of `options` with `-WHAT-` and the process's number.
pub(super) fn id(options: &Options, what: &str) -> String {
    format!("{}-{what}-{}", options.client_id, std::process::id())
}

impl Client {
    /// The first poll connects.
    pub(super) fn new(options: &Options, id: &str) -> Result<Self, TlsError> {
        let transport = options.transport.load()?;
        let host = options.transport.address(&options.host, options.port);
        Ok(match options.version {
            Version::V5 => {
                let mut mqtt = v5::MqttOptions::new(id, host, options.port);
                mqtt.set_transport(transport);
                mqtt.set_keep_alive(options.keep_alive).set_clean_start(true);
                mqtt.set_max_packet_size(Some(options.max_packet));
                if let Some((user, password)) = &options.login {
                    mqtt.set_credentials(user, password.reveal());
                }
                let (client, events) = v5::AsyncClient::new(mqtt, WAITING);
                Self::V5(client, Box::new(events))
            }
            Version::V3 => {
                let mut mqtt = three::MqttOptions::new(id, host, options.port);
                mqtt.set_transport(transport);
                mqtt.set_keep_alive(options.keep_alive).set_clean_session(true);
                let max = usize::try_from(options.max_packet).unwrap_or(usize::MAX);
                mqtt.set_max_packet_size(max, max);
                if let Some((user, password)) = &options.login {
                    mqtt.set_credentials(user, password.reveal());
                }
                let (client, events) = three::AsyncClient::new(mqtt, WAITING);
                Self::V3(client, Box::new(events))
            }
        })
    }

    /// The next event, in the caller's words.
    pub(super) async fn poll<T>(
        &mut self,
        five: fn(v5::Event) -> T,
        three: fn(three::Event) -> T,
    ) -> Result<T, String> {
        match self {
            Self::V5(_, events) => events.poll().await.map(five).map_err(|error| error.to_string()),
            Self::V3(_, events) => events.poll().await.map(three).map_err(|error| error.to_string()),
        }
    }
}
