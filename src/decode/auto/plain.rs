//! Plain text: one bare value, UltraLight or line protocol, where its whole first part has the form of exactly one.

use super::{Name, undecided};
use crate::decode::line_protocol;
use crate::outcome::Rejection;

/// More digits are no number that a float keeps: rather a frame in hex, or an id.
const MOST_DIGITS: usize = 17;
/// States that devices send bare.
const WORDS: [&str; 9] = ["true", "false", "null", "unavailable", "unknown", "on", "off", "ON", "OFF"];

pub(super) fn name(text: &str) -> Result<Name, Rejection> {
    let trimmed = text.trim();
    if WORDS.contains(&trimmed) || is_number(trimmed) {
        return Ok("value");
    }
    match (is_ultralight(trimmed), line_protocol::begins(text)) {
        (true, false) => Ok("ultralight"),
        (false, true) => Ok("line_protocol"),
        (true, true) => {
            Err(undecided(&["ultralight", "line_protocol"], "the text has the form of more than one format"))
        }
        (false, false) => {
            let why = "the text has the form of no format that says so by itself";
            let considered =
                ["value", "ultralight", "line_protocol", "csv", "binary", "cayenne_lpp", "smart_citizen"];
            Err(undecided(&considered, why))
        }
    }
}

/// As JSON writes numbers: with a zero before it, it may be a frame in hex.
fn is_number(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    digits <= MOST_DIGITS && serde_json::from_str::<serde_json::Number>(text).is_ok()
}

/// Pairs whose names look like names. A table with strokes has numbers or more lines where names belong.
fn is_ultralight(text: &str) -> bool {
    let is_name = |part: &str| {
        let part = part.trim();
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte))
    };
    let is_time = |part: &str| {
        let part = part.trim();
        part.contains('T') && part.starts_with(|c: char| c.is_ascii_digit())
    };
    let is_group = |group: &str| {
        let parts: usize = group.split('|').count();
        let mut parts_of = group.split('|');
        let timed = parts % 2 == 1;
        parts > 1 && (!timed || parts_of.next().is_some_and(is_time)) && parts_of.step_by(2).all(is_name)
    };
    let command = text.split_once('|').is_some_and(|(first, _)| {
        first.split_once('@').is_some_and(|(device, name)| is_name(device) && is_name(name))
    });
    let one_line = !text.contains(['\n', '\r']);
    one_line && (command || text.split('#').all(|group| is_group(group.strip_prefix('|').unwrap_or(group))))
}
