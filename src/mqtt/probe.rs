//! A probe: connects once beside the running service and tells what the broker grants, without taking anything.
//!
//! It has a client id and a clean session of its own, so the service's session and its messages stay untouched.

use std::time::Duration;

use rumqttc::v5::mqttbytes::v5 as five;
use rumqttc::{self as three, v5};

use super::beside::{self, Client};
use super::{Options, transport};

/// Mosquitto keeps its version there, as a retained message.
const BROKER_VERSION: &str = "$SYS/broker/version";

/// What the broker said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    pub limits: Limits,
    pub refused: Vec<String>,
    /// Filters granted at QoS 0 only.
    pub at_most_once: Vec<String>,
    /// The text of `$SYS/broker/version`, where the broker has it and lets us read it.
    pub broker: Option<String>,
}

/// The limits of an MQTT 5 broker; what it does not mention is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    pub max_packet: Option<u32>,
    pub receive_maximum: Option<u16>,
    pub session_expiry: Option<u32>,
    pub keep_alive: Option<u16>,
    pub max_qos: Option<u8>,
    pub wildcards_refused: bool,
}

/// What both versions say, as far as the probe is concerned.
enum Heard {
    Connected(Limits),
    /// Of each filter: the granted QoS.
    Granted(Vec<Option<u8>>),
    Unsubscribed,
    Version(String),
    Other,
}

/// Asks the broker; an error says in its own words why there is no connection.
pub async fn probe(options: &Options, within: Duration) -> Result<Told, String> {
    let mut told = Told::default();
    let mut subscribed = false;
    let result = tokio::time::timeout(within, ask(options, &mut told, &mut subscribed)).await;
    match result {
        // The broker's name is a courtesy: without an answer to it the rest still counts.
        Ok(Err(_)) | Err(_) if subscribed => Ok(told),
        Ok(Ok(())) => Ok(told),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(format!("no answer within {} s", within.as_secs())),
    }
}

async fn ask(options: &Options, told: &mut Told, subscribed: &mut bool) -> Result<(), String> {
    let id = beside::id(options, "check");
    let mut client = Client::new(options, &id).map_err(|error| error.to_string())?;
    loop {
        let heard = client
            .poll(heard_v5, heard_v3)
            .await
            .map_err(|error| transport::explain(&error, &options.host, &options.client_id))?;
        match heard {
            Heard::Connected(limits) => {
                told.limits = limits;
                if options.filters.is_empty() {
                    *subscribed = true;
                    client.subscribe(&[BROKER_VERSION.to_owned()], false)?;
                } else {
                    client.subscribe(&options.filters, true)?;
                }
            }
            Heard::Granted(granted) if !*subscribed => {
                for (filter, qos) in options.filters.iter().zip(granted) {
                    match qos {
                        None => told.refused.push(filter.clone()),
                        Some(0) => told.at_most_once.push(filter.clone()),
                        Some(_) => {}
                    }
                }
                *subscribed = true;
                client.subscribe(&[BROKER_VERSION.to_owned()], false)?;
            }
            // A retained message comes before the answer to what is asked after it.
            Heard::Granted(_) => client.unsubscribe(BROKER_VERSION)?,
            Heard::Version(text) => told.broker = Some(text),
            Heard::Unsubscribed => return Ok(()),
            Heard::Other => {}
        }
    }
}

impl Client {
    /// At QoS 1 or 0.
    fn subscribe(&self, filters: &[String], at_least_once: bool) -> Result<(), String> {
        match self {
            Self::V5(client, _) => {
                use v5::mqttbytes::QoS;
                let qos = if at_least_once { QoS::AtLeastOnce } else { QoS::AtMostOnce };
                let filters = filters.iter().map(|path| {
                    let mut filter = five::Filter::new(path.clone(), qos);
                    if at_least_once {
                        filter.retain_forward_rule = five::RetainForwardRule::Never;
                    }
                    filter
                });
                client.try_subscribe_many(filters).map_err(|error| error.to_string())
            }
            Self::V3(client, _) => {
                let qos = if at_least_once { three::QoS::AtLeastOnce } else { three::QoS::AtMostOnce };
                let filters = filters.iter().map(|path| three::SubscribeFilter::new(path.clone(), qos));
                client.try_subscribe_many(filters).map_err(|error| error.to_string())
            }
        }
    }

    fn unsubscribe(&self, filter: &str) -> Result<(), String> {
        match self {
            Self::V5(client, _) => client.try_unsubscribe(filter).map_err(|error| error.to_string()),
            Self::V3(client, _) => client.try_unsubscribe(filter).map_err(|error| error.to_string()),
        }
    }
}

fn heard_v5(event: v5::Event) -> Heard {
    let v5::Event::Incoming(packet) = event else { return Heard::Other };
    match packet {
        five::Packet::ConnAck(ack) => {
            Heard::Connected(ack.properties.map_or_else(Limits::default, |told| Limits {
                max_packet: told.max_packet_size,
                receive_maximum: told.receive_max,
                session_expiry: told.session_expiry_interval,
                keep_alive: told.server_keep_alive,
                max_qos: told.max_qos,
                wildcards_refused: told.wildcard_subscription_available == Some(0),
            }))
        }
        five::Packet::SubAck(ack) => {
            let qos = |code: &five::SubscribeReasonCode| match code {
                five::SubscribeReasonCode::Success(qos) => Some(*qos as u8),
                _ => None,
            };
            Heard::Granted(ack.return_codes.iter().map(qos).collect())
        }
        five::Packet::UnsubAck(_) => Heard::Unsubscribed,
        five::Packet::Publish(publish) if publish.topic.as_ref() == BROKER_VERSION.as_bytes() => {
            Heard::Version(version(&publish.payload))
        }
        _ => Heard::Other,
    }
}

fn heard_v3(event: three::Event) -> Heard {
    let three::Event::Incoming(packet) = event else { return Heard::Other };
    match packet {
        three::Packet::ConnAck(_) => Heard::Connected(Limits::default()),
        three::Packet::SubAck(ack) => {
            let qos = |code: &three::SubscribeReasonCode| match code {
                three::SubscribeReasonCode::Success(qos) => Some(*qos as u8),
                three::SubscribeReasonCode::Failure => None,
            };
            Heard::Granted(ack.return_codes.iter().map(qos).collect())
        }
        three::Packet::UnsubAck(_) => Heard::Unsubscribed,
        three::Packet::Publish(publish) if publish.topic == BROKER_VERSION => {
            Heard::Version(version(&publish.payload))
        }
        _ => Heard::Other,
    }
}

/// Outside text for a terminal: short, and without control characters.
fn version(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).chars().filter(|c| !c.is_control()).take(80).collect()
}
