//! A message: one MQTT publish as received, before anything is known about its meaning.

use bytes::Bytes;

/// One publish as it arrived at a source. Topic and payload are bytes: nothing has judged them yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub topic: Bytes,
    pub payload: Bytes,
    pub qos: u8,
    pub retain: bool,
    pub dup: bool,
    /// Index of the source in the configuration; the embedded broker is [`EMBEDDED_SOURCE`].
    pub source: u16,
    /// Serial of the broker session it came in; a new session has a new serial.
    pub session: u32,
    /// MQTT packet identifier; 0 at QoS 0.
    pub packet_id: u16,
    /// The sequence number of the record this one repeats, where the source recognised a redelivery.
    pub redelivery_of: Option<u64>,
}

/// The source number of the embedded broker's publish hook.
pub const EMBEDDED_SOURCE: u16 = u16::MAX;

/// A message that is on disk: what the journal gives to readers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Given once, never reused; the first is 1.
    pub seq: u64,
    /// When it was received, Unix time in nanoseconds; never the same for two records.
    pub received: i64,
    /// The box's clock was known to be wrong when it was received.
    pub clock_suspect: bool,
    pub message: Message,
}

impl Record {
    /// A message as a person pastes it to see what would become of it.
    pub const fn pasted(topic: Bytes, payload: Bytes, received: i64, retain: bool) -> Self {
        let message = Message {
            topic,
            payload,
            qos: 1,
            retain,
            dup: false,
            source: 0,
            session: 1,
            packet_id: 1,
            redelivery_of: None,
        };
        Self { seq: 1, received, clock_suspect: false, message }
    }

    /// The same message under another number.
    #[must_use]
    pub fn numbered(self, seq: u64) -> Self {
        Self { seq, ..self }
    }
}
