//! A listener beside the running service: hears what a broker publishes, and keeps nothing there.
//!
//! It has a client id and a clean session of its own, so the service's session and its messages stay untouched. Its
//! PUBACKs are the client's own: they tell the broker only that this session has heard, which nobody relies on.

use bytes::Bytes;
use rumqttc::v5::mqttbytes::v5 as five;
use rumqttc::{self as three, v5};

use super::beside::{self, Client};
use super::{Options, transport};

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
        let id = beside::id(options, "capture");
        let client = Client::new(options, &id).map_err(|error| error.to_string())?;
        let (filters, host) = (options.filters.clone(), options.host.clone());
        Ok(Self { client, filters, host, client_id: id })
    }

    /// What comes next; an error says in plain words why the connection ended.
    pub async fn poll(&mut self) -> Result<Heard, String> {
        let heard = self.client.poll(heard_v5, heard_v3).await;
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
