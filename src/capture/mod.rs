//! Captures: messages as devices sent them, one JSON object on each line, to be looked at and played again.
//!
//! ```text
//! {"time":"2026-11-24T06:00:00.25Z","topic":"kota/a-7/data","qos":1,"retain":false,"payload":"{\"suhu\":27.5}"}
//! {"time":"2026-11-24T06:00:01Z","topic":"kota/a-8/frame","qos":1,"retain":false,"base64":"AQIDBA=="}
//! ```
//!
//! `time` is when it was received. A payload that is not text is told in `base64`. `qos` and `retain` may be left out
//! (1 and false), so that a line can be written by hand. Secrets that stand in topics are written as `hidden-1`,
//! `hidden-2`: the same one under the same name, so that devices stay apart; a payload that repeats one has `***`.

mod mask;
mod read;
pub mod summary;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::message::Record;

pub use mask::Mask;
pub use read::{Fault, Reader};

/// The largest payload; MQTT's own limit is higher, but no device's message comes near.
pub const MAX_PAYLOAD: usize = 2 * 1024 * 1024;

/// One message of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// When it was received, Unix time in nanoseconds.
    pub time: i64,
    pub topic: String,
    pub payload: Bytes,
    pub qos: u8,
    pub retain: bool,
}

/// A line as it stands in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    time: Timestamp,
    topic: String,
    #[serde(default = "once")]
    qos: u8,
    #[serde(default)]
    retain: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

const fn once() -> u8 {
    1
}

impl Captured {
    /// As one line of JSON, without its end.
    pub fn line(&self) -> String {
        let (payload, base64) = match std::str::from_utf8(&self.payload) {
            Ok(text) => (Some(text.to_owned()), None),
            Err(_) => (None, Some(STANDARD.encode(&self.payload))),
        };
        let time = Timestamp::from_nanosecond(i128::from(self.time)).unwrap_or(Timestamp::UNIX_EPOCH);
        let (topic, qos, retain) = (self.topic.clone(), self.qos, self.retain);
        // Texts, numbers and a time: there is nothing here that JSON cannot hold.
        serde_json::to_string(&Line { time, topic, qos, retain, payload, base64 }).unwrap_or_default()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let line: Line = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let payload = match (line.payload, line.base64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(text)) => {
                STANDARD.decode(text.as_bytes()).map_err(|error| format!("base64: {error}"))?
            }
            _ => return Err("must have either \"payload\" (text) or \"base64\"".to_owned()),
        };
        if payload.len() > MAX_PAYLOAD {
            return Err(format!("a payload of {} bytes; {MAX_PAYLOAD} are allowed", payload.len()));
        }
        if line.qos > 2 {
            return Err(format!("qos {}; MQTT has 0, 1 and 2", line.qos));
        }
        let time = i64::try_from(line.time.as_nanosecond())
            .map_err(|_| "\"time\" is outside of the years 1677 to 2262".to_owned())?;
        Ok(Self { time, topic: line.topic, payload: payload.into(), qos: line.qos, retain: line.retain })
    }

    /// As the journal would give it; `number` is its place in the capture.
    pub fn record(&self, number: u64) -> Record {
        let topic = Bytes::copy_from_slice(self.topic.as_bytes());
        Record::pasted(topic, self.payload.clone(), self.time, self.retain).numbered(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(payload: &'static [u8]) -> Captured {
        let time = 1_795_500_000_250_000_000;
        let payload = Bytes::from_static(payload);
        Captured { time, topic: "kota/a-7/data".to_owned(), payload, qos: 1, retain: false }
    }

    #[test]
    fn every_payload_comes_back_as_it_was() {
        for payload in [&b"{\"suhu\":27.5}"[..], b"", b"\xff\x00\x7f", b"a\r\n\"b\"\\", "°C".as_bytes()] {
            let message = captured(payload);
            let line = message.line();
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(Captured::parse(&line), Ok(message), "{line}");
        }
        let expected = r#"{"time":"2026-11-24T06:00:00.25Z","topic":"kota/a-7/data","qos":1,"retain":false,"payload":"1"}"#;
        assert_eq!(captured(b"1").line(), expected);
    }

    #[test]
    fn a_line_by_hand_needs_time_topic_and_payload_and_what_is_wrong_is_told() {
        let short = r#"{"time":"2026-11-24T06:00:00Z","topic":"a","payload":"1"}"#;
        let message = Captured::parse(short).unwrap();
        assert_eq!((message.qos, message.retain, &*message.payload), (1, false, &b"1"[..]));
        for (text, why) in [
            ("{", "EOF"),
            (r#"{"topic":"a","payload":"1"}"#, "time"),
            (r#"{"time":"06:00","topic":"a","payload":"1"}"#, "year"),
            (r#"{"time":"2026-11-24T06:00:00Z","topic":"a"}"#, "either"),
            (r#"{"time":"2026-11-24T06:00:00Z","topic":"a","payload":"1","base64":"AA=="}"#, "either"),
            (r#"{"time":"2026-11-24T06:00:00Z","topic":"a","base64":"?"}"#, "base64"),
            (r#"{"time":"2026-11-24T06:00:00Z","topic":"a","payload":"1","qos":3}"#, "qos 3"),
            (r#"{"time":"2026-11-24T06:00:00Z","topic":"a","payload":1}"#, "string"),
            (r#"{"time":"9000-11-24T06:00:00Z","topic":"a","payload":"1"}"#, "2262"),
            (r#"{"time":"2026-11-24T06:00:00Z","topic":"a","payload":"1","quality":1}"#, "quality"),
        ] {
            let wrong = Captured::parse(text).unwrap_err();
            assert!(wrong.contains(why), "{text}: {wrong}");
        }
    }
}
