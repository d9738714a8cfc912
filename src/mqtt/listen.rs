//! A listener beside the running service: hears what a broker publishes, and keeps nothing there.
//!
//! It has a client id and a clean session of its own, so the service's session and its messages stay untouched. Its
//! PUBACKs are the client's own: they tell the broker only that this session has heard, which nobody relies on.

use bytes::Bytes;
use rumqttc::v5::mqttbytes::v5 as five;
use rumqttc::{self as three, v5};

use super::{Options, Version, transport};

/// What is heard.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// The filters are subscribed; names those the broker refused.
    Subscribed {
        refused: Vec<String>,
    },
    Publish {
        topic: Bytes,
        payload: Bytes,
        qos: u8,
        retain: bool,
    },
    Other,
}

enum Client {
    V5(v5::AsyncClient, Box<v5::EventLoop>),
    V3(three::AsyncClient, Box<three::EventLoop>),
}

/// One connection; after an error, make another.
pub struct Listener {
    client: Client,
    filters: Vec<String>,
    host: String,
    client_id: String,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("filters", &self.filters).finish_non_exhaustive()
    }
}

impl Listener {
    /// Listens for the filters of `options`, under its client id with `-capture-` and the process's number.
    pub fn new(options: &Options) -> Result<Self, String> {
        let transport = options.transport.load().map_err(|error| error.to_string())?;
        let host = options.transport.address(&options.host, options.port);
        let id = format!("{}-capture-{}", options.client_id, std::process::id());
        let client = match options.version {
            Version::V5 => {
                let mut mqtt = v5::MqttOptions::new(&id, host, options.port);
                mqtt.set_transport(transport);
                mqtt.set_keep_alive(options.keep_alive).set_clean_start(true);
                mqtt.set_max_packet_size(Some(options.max_packet));
                if let Some((user, password)) = &options.login {
                    mqtt.set_credentials(user, password.reveal());
                }
                let (client, events) = v5::AsyncClient::new(mqtt, 16);
                Client::V5(client, Box::new(events))
            }
            Version::V3 => {
                let mut mqtt = three::MqttOptions::new(&id, host, options.port);
                mqtt.set_transport(transport);
                mqtt.set_keep_alive(options.keep_alive).set_clean_session(true);
                let max = usize::try_from(options.max_packet).unwrap_or(usize::MAX);
                mqtt.set_max_packet_size(max, max);
                if let Some((user, password)) = &options.login {
                    mqtt.set_credentials(user, password.reveal());
                }
                let (client, events) = three::AsyncClient::new(mqtt, 16);
                Client::V3(client, Box::new(events))
            }
        };
        let (filters, host) = (options.filters.clone(), options.host.clone());
        Ok(Self { client, filters, host, client_id: id })
    }

    /// What comes next; an error says in plain words why the connection ended.
    pub async fn poll(&mut self) -> Result<Heard, String> {
        let heard = match &mut self.client {
            Client::V5(_, events) => events.poll().await.map(heard_v5).map_err(|error| error.to_string()),
            Client::V3(_, events) => events.poll().await.map(heard_v3).map_err(|error| error.to_string()),
        };
        match heard.map_err(|error| transport::explain(&error, &self.host, &self.client_id))? {
            Told::Connected => self.subscribe().map(|()| Heard::Other),
            Told::Granted(granted) => {
                let refused = self.filters.iter().zip(granted).filter(|(_, granted)| !granted);
                Ok(Heard::Subscribed { refused: refused.map(|(filter, _)| filter.clone()).collect() })
            }
            Told::Publish(heard) => Ok(heard),
            Told::Other => Ok(Heard::Other),
        }
    }

    fn subscribe(&self) -> Result<(), String> {
        match &self.client {
            Client::V5(client, _) => {
                let filter = |path: &String| five::Filter::new(path.clone(), v5::mqttbytes::QoS::AtLeastOnce);
                client.try_subscribe_many(self.filters.iter().map(filter)).map_err(|error| error.to_string())
            }
            Client::V3(client, _) => {
                let filter =
                    |path: &String| three::SubscribeFilter::new(path.clone(), three::QoS::AtLeastOnce);
                client.try_subscribe_many(self.filters.iter().map(filter)).map_err(|error| error.to_string())
            }
        }
    }
}

/// What either client says, as far as a listener is concerned.
enum Told {
    Connected,
    Granted(Vec<bool>),
    Publish(Heard),
    Other,
}

fn heard_v5(event: v5::Event) -> Told {
    let v5::Event::Incoming(packet) = event else { return Told::Other };
    match packet {
        five::Packet::ConnAck(_) => Told::Connected,
        five::Packet::SubAck(ack) => {
            let granted =
                |code: &five::SubscribeReasonCode| matches!(code, five::SubscribeReasonCode::Success(_));
            Told::Granted(ack.return_codes.iter().map(granted).collect())
        }
        five::Packet::Publish(publish) => Told::Publish(Heard::Publish {
            topic: publish.topic,
            payload: publish.payload,
            qos: publish.qos as u8,
            retain: publish.retain,
        }),
        _ => Told::Other,
    }
}

fn heard_v3(event: three::Event) -> Told {
    let three::Event::Incoming(packet) = event else { return Told::Other };
    match packet {
        three::Packet::ConnAck(_) => Told::Connected,
        three::Packet::SubAck(ack) => {
            let granted =
                |code: &three::SubscribeReasonCode| matches!(code, three::SubscribeReasonCode::Success(_));
            Told::Granted(ack.return_codes.iter().map(granted).collect())
        }
        three::Packet::Publish(publish) => Told::Publish(Heard::Publish {
            topic: Bytes::from(publish.topic),
            payload: publish.payload,
            qos: publish.qos as u8,
            retain: publish.retain,
        }),
        _ => Told::Other,
    }
}
