//! Events: what either protocol's client reports, in one set of words.

use bytes::Bytes;
use rumqttc::v5::mqttbytes::v5 as five;
use rumqttc::{self as three, v5};

use super::Receipt;

/// What happened on the connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    Connected {
        session_present: bool,
    },
    /// The filters the broker refused; none means subscribed to all.
    Subscribed {
        refused: Vec<String>,
    },
    /// One of the stale filters is gone.
    Unsubscribed,
    Publish(Publish),
    /// The PUBACK with this packet identifier was written.
    AckSent(u16),
    PingSent,
    PingAnswered,
    /// The connection is gone and the epoch has moved on; the next poll connects anew.
    Disconnected(String),
    Other,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Publish {
    pub topic: Bytes,
    pub payload: Bytes,
    pub qos: u8,
    pub retain: bool,
    pub dup: bool,
    pub packet_id: u16,
    pub receipt: Receipt,
}

pub(super) fn from_v5(event: v5::Event) -> Event {
    match event {
        v5::Event::Incoming(five::Packet::ConnAck(ack)) => {
            Event::Connected { session_present: ack.session_present }
        }
        v5::Event::Incoming(five::Packet::SubAck(ack)) => Event::Subscribed {
            refused: places(
                ack.return_codes.iter().map(|code| matches!(code, five::SubscribeReasonCode::Success(_))),
            ),
        },
        v5::Event::Incoming(five::Packet::Publish(publish)) => Event::Publish(Publish {
            topic: publish.topic,
            payload: publish.payload,
            qos: publish.qos as u8,
            retain: publish.retain,
            dup: publish.dup,
            packet_id: publish.pkid,
            receipt: Receipt { epoch: 0, packet_id: publish.pkid },
        }),
        v5::Event::Incoming(five::Packet::UnsubAck(_)) => Event::Unsubscribed,
        v5::Event::Incoming(five::Packet::PingResp(_)) => Event::PingAnswered,
        v5::Event::Outgoing(three::Outgoing::PingReq) => Event::PingSent,
        v5::Event::Outgoing(three::Outgoing::PubAck(id)) => Event::AckSent(id),
        _ => Event::Other,
    }
}

pub(super) fn from_v3(event: three::Event) -> Event {
    match event {
        three::Event::Incoming(three::Packet::ConnAck(ack)) => {
            Event::Connected { session_present: ack.session_present }
        }
        three::Event::Incoming(three::Packet::SubAck(ack)) => Event::Subscribed {
            refused: places(
                ack.return_codes.iter().map(|code| matches!(code, three::SubscribeReasonCode::Success(_))),
            ),
        },
        three::Event::Incoming(three::Packet::Publish(publish)) => Event::Publish(Publish {
            topic: Bytes::from(publish.topic),
            payload: publish.payload,
            qos: publish.qos as u8,
            retain: publish.retain,
            dup: publish.dup,
            packet_id: publish.pkid,
            receipt: Receipt { epoch: 0, packet_id: publish.pkid },
        }),
        three::Event::Incoming(three::Packet::UnsubAck(_)) => Event::Unsubscribed,
        three::Event::Incoming(three::Packet::PingResp) => Event::PingAnswered,
        three::Event::Outgoing(three::Outgoing::PingReq) => Event::PingSent,
        three::Event::Outgoing(three::Outgoing::PubAck(id)) => Event::AckSent(id),
        _ => Event::Other,
    }
}

fn places(granted: impl Iterator<Item = bool>) -> Vec<String> {
    granted.enumerate().filter(|(_, granted)| !granted).map(|(place, _)| place.to_string()).collect()
}
