//! Masking: each secret that stands in topics has a name of its own in a capture, so that devices stay apart.
//!
//! What is secret is the rule of all that people see: what routes call `{secret}`, and the keys of known platforms. The
//! name stands in the topic, which is of the same routes as before; in the payload stars stand.

use std::borrow::Cow;
use std::collections::HashMap;

use super::Captured;
use crate::topic::{HIDDEN, Secrets};

/// Secrets that are told apart; further ones share a name.
const MOST: usize = 10_000;

/// Names secrets in the order in which they come.
#[derive(Debug)]
pub struct Mask<'s> {
    secrets: &'s Secrets,
    names: HashMap<String, usize>,
}

impl<'s> Mask<'s> {
    pub fn new(secrets: &'s Secrets) -> Self {
        Self { secrets, names: HashMap::new() }
    }

    /// The message without the secrets of its topic.
    #[must_use]
    pub fn apply(&mut self, message: Captured) -> Captured {
        let names = &mut self.names;
        let topic = match self.secrets.named(&message.topic, |secret| name(names, secret)) {
            Cow::Borrowed(_) => return message,
            Cow::Owned(topic) => topic,
        };
        let payload = match self.secrets.payload(message.topic.as_bytes(), &message.payload) {
            Cow::Borrowed(_) => message.payload,
            Cow::Owned(hidden) => hidden.into(),
        };
        Captured { topic, payload, ..message }
    }
}

fn name(names: &mut HashMap<String, usize>, secret: &str) -> String {
    let next = names.len().saturating_add(1);
    let number = match names.get(secret) {
        Some(known) => *known,
        None if next > MOST => 0,
        None => *names.entry(secret.to_owned()).or_insert(next),
    };
    format!("{HIDDEN}{number}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::Template;
    use bytes::Bytes;

    fn masked(mask: &mut Mask<'_>, topic: &str, payload: &str) -> (String, String) {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        let message = Captured { time: 0, topic: topic.to_owned(), payload, qos: 1, retain: false };
        let Captured { topic, payload, .. } = mask.apply(message);
        (topic, String::from_utf8(payload.to_vec()).unwrap())
    }

    #[test]
    fn secrets_are_named_devices_stay_apart_and_topics_keep_their_routes() {
        let routes = [
            "/ul/{secret}/{device}/attrs/#",
            "/json/{secret}/{device}/attrs",
            "json/{secret}/{device}/#",
            "/{secret}/{device}/attrs",
            "device/sck/+/#",
            "/oneM2M/req/{secret}/antares-cse/json",
            "/oneM2M/resp/antares-cse/{secret}/json",
            "own/{secret}/{device}",
            "city/#",
        ];
        let routes = routes.map(|text| Template::parse(text).unwrap());
        let secrets = Secrets::of(routes.iter());
        let mut mask = Mask::new(&secrets);
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
            ("own/4jggokgpepnvsb2uv4s40d59ov/d1", "own/hidden-1/d1"),
            ("city/pasuruan/x/y/level", "city/pasuruan/x/y/level"),
            ("/ul//dev/attrs", "/ul//dev/attrs"),
        ] {
            assert_eq!(masked(&mut mask, topic, "1").0, expected, "{topic}");
            let of = |topic: &str| routes.iter().position(|route| route.matches(topic.as_bytes()));
            assert!(of(topic).is_some() && of(topic) == of(expected), "{topic}");
        }
        assert_eq!(masked(&mut mask, "", "1").0, "");
    }

    #[test]
    fn a_secret_that_the_payload_repeats_is_hidden_there_too() {
        let secrets = Secrets::of(std::iter::empty());
        let mut mask = Mask::new(&secrets);
        let topic = "/oneM2M/req/f00d:cafe/antares-cse/json";
        let (_, payload) = masked(&mut mask, topic, r#"{"m2m:rqp":{"fr":"f00d:cafe","op":1}}"#);
        assert_eq!(payload, r#"{"m2m:rqp":{"fr":"***","op":1}}"#);
        assert_eq!(masked(&mut mask, topic, &"f00d:cafe".repeat(65)).1, "***".repeat(65));
        assert_eq!(masked(&mut mask, "/ul/t/dev/attrs", "t|15").1, "t|15");
    }
}
