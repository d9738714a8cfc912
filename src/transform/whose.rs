//! Whose message it is, for those who look for one device's messages, readable or not.

use super::Transform;
use super::decoding::Matched;
use super::explain::Trace;
use crate::codec::Calling;
use crate::decode::Memory;
use crate::message::Record;

impl Transform {
    /// Whether route, payload or topic name this device. What cannot be read has its topic only.
    pub fn is_of(&self, record: &Record, device: &str) -> bool {
        let Ok(topic) = std::str::from_utf8(&record.message.topic) else { return false };
        if topic.split('/').any(|level| level == device) {
            return true;
        }
        let size = u64::try_from(record.message.payload.len()).unwrap_or(u64::MAX);
        let Some((route, profile)) = self.route(&record.message.topic) else { return false };
        let captured = route.topic.capture(topic, "device").filter(|device| !device.is_empty());
        if captured == Some(device) || route.format.device_in(topic).as_deref() == Some(device) {
            return true;
        }
        if size > self.config.max_payload {
            return false;
        }
        let matched = Matched { route, profile, captured };
        self.decode(
            record,
            topic,
            matched,
            &mut Memory::default(),
            (&mut Calling::Here, &mut Trace::default()),
        )
        .is_ok_and(|(samples, _)| samples.iter().any(|sample| sample.device.as_deref() == Some(device)))
    }
}
