//! Events: what a connection reports, in one set of words for both protocols.

use bytes::Bytes;

use super::Receipt;

/// What happened on the connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    Connected {
        session_present: bool,
    },
    /// Of the filters that were asked for: those the broker refused, and those it grants at QoS 0 only.
    Subscribed {
        refused: Vec<String>,
        at_most_once: Vec<String>,
    },
    /// One of the stale filters is gone.
    Unsubscribed,
    Publish(Publish),
    /// So many PUBACKs were written.
    AcksSent(u64),
    PingSent,
    PingAnswered,
    /// The connection is gone and the epoch has moved on; the next poll connects anew.
    Disconnected(String),
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

/// A publish of ours, at QoS 0 and not kept by the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub topic: String,
    pub payload: Bytes,
}
