//! Masking: secrets that platforms put into topics do not leave the broker in a capture.
//!
//! FIWARE's agents: `/ul/KEY/DEVICE/attrs`, `/json/KEY/DEVICE/attrs` and the older `/KEY/DEVICE/attrs`. Smart Citizen:
//! `device/sck/TOKEN/readings`. Antares (oneM2M): `/oneM2M/req/KEY/antares-cse/json` and the answers, which have the
//! two the other way round; there the key stands in the payload as well.

use std::collections::HashMap;

use bytes::Bytes;

use super::Captured;

/// Shorter texts are not looked for in payloads: what was meant as a secret is longer.
const SHORTEST: usize = 6;
/// Secrets that are told apart; further ones share a name.
const MOST: usize = 10_000;
/// A secret that stands oftener in one payload is left out with the payload: a rebuilt one must not grow.
const PLACES: usize = 64;

/// Gives each secret a name of its own, in the order in which they come.
#[derive(Debug, Default)]
pub struct Mask(HashMap<String, usize>);

impl Mask {
    /// The message without the secret of its topic.
    #[must_use]
    pub fn apply(&mut self, message: Captured) -> Captured {
        let Some(at) = secret_level(&message.topic) else { return message };
        let levels: Vec<&str> = message.topic.split('/').collect();
        let Some(secret) = levels.get(at).copied().filter(|level| !level.is_empty()) else { return message };
        let name = self.name(secret);
        let payload = hidden(&message.payload, secret, &name);
        let named = |(place, level): (usize, &str)| if place == at { name.clone() } else { level.to_owned() };
        let topic: Vec<String> = levels.iter().copied().enumerate().map(named).collect();
        Captured { topic: topic.join("/"), payload, ..message }
    }

    fn name(&mut self, secret: &str) -> String {
        let next = self.0.len().saturating_add(1);
        let number = match self.0.get(secret) {
            Some(known) => *known,
            None if next > MOST => 0,
            None => *self.0.entry(secret.to_owned()).or_insert(next),
        };
        format!("hidden-{number}")
    }
}

/// The place of the topic's secret among its levels.
fn secret_level(topic: &str) -> Option<usize> {
    let levels: Vec<&str> = topic.split('/').take(7).collect();
    match *levels.as_slice() {
        ["", "ul" | "json", _, _, "attrs" | "cmd" | "cmdexe" | "configuration", ..] => Some(2),
        ["ul" | "json", _, _, "attrs" | "cmd" | "cmdexe" | "configuration", ..] => Some(1),
        ["", _, _, "attrs" | "cmdexe", ..] => Some(1),
        ["device", "sck", _, ..] => Some(2),
        ["", "oneM2M", "resp", _, _, ..] => Some(4),
        ["oneM2M", "resp", _, _, ..] => Some(3),
        ["", "oneM2M", "req", _, ..] => Some(3),
        ["oneM2M", "req", _, ..] => Some(2),
        _ => None,
    }
}

/// The payload with the name where the secret stood.
fn hidden(payload: &Bytes, secret: &str, name: &str) -> Bytes {
    let Some(text) = std::str::from_utf8(payload).ok().filter(|_| secret.len() >= SHORTEST) else {
        return payload.clone();
    };
    match text.matches(secret).take(PLACES.saturating_add(1)).count() {
        0 => payload.clone(),
        1..=PLACES => text.replace(secret, name).into(),
        _ => Bytes::from_static(b"(left out: the topic's secret stands in it too often)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(mask: &mut Mask, topic: &str, payload: &str) -> (String, String) {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        let message = Captured { time: 0, topic: topic.to_owned(), payload, qos: 1, retain: false };
        let Captured { topic, payload, .. } = mask.apply(message);
        (topic, String::from_utf8(payload.to_vec()).unwrap())
    }

    #[test]
    fn the_secrets_of_known_topics_are_named_and_devices_stay_apart() {
        let mut mask = Mask::default();
        for (topic, expected) in [
            ("/ul/4jggokgpepnvsb2uv4s40d59ov/motion001/attrs", "/ul/hidden-1/motion001/attrs"),
            ("/ul/4jggokgpepnvsb2uv4s40d59ov/motion002/attrs/c", "/ul/hidden-1/motion002/attrs/c"),
            ("/json/another-key/dev/attrs", "/json/hidden-2/dev/attrs"),
            ("json/another-key/dev/cmdexe", "json/hidden-2/dev/cmdexe"),
            ("/4jggokgpepnvsb2uv4s40d59ov/dev/attrs", "/hidden-1/dev/attrs"),
            ("device/sck/ab12cd/readings", "device/sck/hidden-3/readings"),
            ("device/sck/ef34gh/readings/raw", "device/sck/hidden-4/readings/raw"),
            ("/oneM2M/req/aaaa:bbbb/antares-cse/json", "/oneM2M/req/hidden-5/antares-cse/json"),
            ("/oneM2M/resp/antares-cse/aaaa:bbbb/json", "/oneM2M/resp/antares-cse/hidden-5/json"),
            ("city/pasuruan/x/y/level", "city/pasuruan/x/y/level"),
            ("/ul//dev/attrs", "/ul//dev/attrs"),
            ("ul", "ul"),
            ("", ""),
        ] {
            assert_eq!(masked(&mut mask, topic, "1").0, expected, "{topic}");
        }
    }

    #[test]
    fn a_secret_that_the_payload_repeats_is_named_there_too() {
        let mut mask = Mask::default();
        let topic = "/oneM2M/req/f00d:cafe/antares-cse/json";
        let (_, payload) = masked(&mut mask, topic, r#"{"m2m:rqp":{"fr":"f00d:cafe","op":1}}"#);
        assert_eq!(payload, r#"{"m2m:rqp":{"fr":"hidden-1","op":1}}"#);
        let (_, payload) = masked(&mut mask, topic, &"f00d:cafe".repeat(65));
        assert!(!payload.contains("f00d"), "{payload}");
        assert_eq!(masked(&mut mask, "/ul/t/dev/attrs", "t|15").1, "t|15");
    }
}
