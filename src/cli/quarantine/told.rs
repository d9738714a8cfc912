//! A held message as people and programs read it.

use serde::Serialize;

use crate::cli::{Failure, explain, say};
use crate::outcome::Reason;
use crate::quarantine::Held;
use crate::transform::Explanation;

/// One message as JSON. Topic and payload are text where they are UTF-8, else hex.
#[derive(Debug, Serialize)]
pub(super) struct Told<'a> {
    pub(super) seq: u64,
    received: String,
    reason: Reason,
    detail: &'a str,
    destination: &'a str,
    /// The rest of it is stored.
    partly_stored: bool,
    topic: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic_hex: Option<String>,
    retain: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_hex: Option<String>,
    payload_bytes: usize,
}

/// The same with what each step would make of it.
#[derive(Debug, Serialize)]
pub(super) struct Whole<'a> {
    #[serde(flatten)]
    pub(super) message: Told<'a>,
    /// Nothing for one that has killed the process.
    pub(super) today: Option<&'a Explanation>,
}

/// How to reach messages of reason poison.
pub(super) fn passed_over(messages: u64) -> String {
    format!(
        "{messages} of reason poison passed over: they have killed the process; --reason poison or --seq means them"
    )
}

impl<'a> Told<'a> {
    pub(super) fn new(held: &'a Held, as_hex: bool) -> Self {
        let message = &held.record.message;
        let payload = std::str::from_utf8(&message.payload).ok().filter(|_| !as_hex);
        Self {
            seq: held.record.seq,
            received: explain::time(held.record.received),
            reason: held.rejection.reason,
            detail: &held.rejection.detail,
            destination: &held.destination,
            partly_stored: held.partly,
            topic: String::from_utf8_lossy(&message.topic).into_owned(),
            topic_hex: std::str::from_utf8(&message.topic).is_err().then(|| hex(&message.topic)),
            retain: message.retain,
            payload,
            payload_hex: payload.is_none().then(|| hex(&message.payload)),
            payload_bytes: message.payload.len(),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Escaped: what a device sent must not steer the terminal.
pub(super) fn line(held: &Held) -> Result<(), Failure> {
    say(format!(
        "{:>8}  {}  {:<18} {}  {}",
        held.record.seq,
        explain::time(held.record.received),
        held.rejection.reason,
        held.record.message.topic.escape_ascii(),
        held.rejection.detail.escape_debug()
    ))
}

pub(super) fn tell(told: &Told<'_>) -> Result<(), Failure> {
    say(format!("message      {}", told.seq))?;
    say(format!("received     {}", told.received))?;
    say(format!("topic        {}", told.topic.escape_debug()))?;
    say(format!("destination  {}", told.destination))?;
    say(format!("reason       {}", told.reason))?;
    say(format!("detail       {}", told.detail.escape_debug()))?;
    say(format!("stored       {}", if told.partly_stored { "the rest of it" } else { "nothing of it" }))?;
    say(format!("payload      {} bytes", told.payload_bytes))?;
    match (told.payload, &told.payload_hex) {
        (Some(text), _) => say(plain(text)),
        (None, hex) => say(format!("hex {}", hex.as_deref().unwrap_or_default())),
    }
}

/// Quotes stay as they are, so that JSON can be read.
fn plain(text: &str) -> String {
    let escape = |character| match character {
        '"' | '\'' | '\\' => String::from(character),
        other => other.escape_debug().to_string(),
    };
    text.chars().map(escape).collect()
}
