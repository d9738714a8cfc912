//! Secrets in topics: which levels are keys, and how a message is shown to people without them.
//!
//! A level is secret where its route calls it `{secret}`, and where a platform's own topics have a key, whether a route
//! says so or not. It is shown as `***`, and so is its text wherever the payload repeats it. The journal and the
//! quarantine keep the message as it came; a capture has a name for each key, so that devices stay apart.

use std::borrow::Cow;

use super::{Level, Template, overlap};
use crate::message::Record;

/// The capture whose text nobody is shown.
pub const SECRET: &str = "secret";
/// What stands for it.
pub const STARS: &str = "***";
/// What the names begin with that a capture gives to secrets of topics.
pub const HIDDEN: &str = "hidden-";
/// A shorter secret is hidden in the topic, but not looked for in the payload, where such a text may be anything.
const SHORTEST: usize = 4;
/// So much of a secret's beginning is hidden like all of it.
const TELLING: usize = 8;
/// A longer one is no key, and looking for it could take long.
const LONGEST: usize = 128;

/// FIWARE's agents, oneM2M as Antares uses it, and Smart Citizen. A route cannot give their keys another name.
const KNOWN: &[&str] = &[
    "/ul/{secret}/#",
    "/json/{secret}/#",
    "/oneM2M/req/{secret}/antares-cse/#",
    "/oneM2M/resp/antares-cse/{secret}/#",
    "oneM2M/req/{secret}/antares-cse/#",
    "oneM2M/resp/antares-cse/{secret}/#",
    "device/sck/{secret}/#",
];

/// FIWARE's agents without their leading slash (`avoidLeadingSlash`), and without their protocol, as older ones are
/// written to. Such a topic may also be anyone's, so a route that gives the level another name is believed.
const LIKELY: &[&str] = &[
    "ul/{secret}/+/attrs/#",
    "ul/{secret}/+/cmd/#",
    "ul/{secret}/+/cmdexe/#",
    "ul/{secret}/+/configuration/#",
    "json/{secret}/+/attrs/#",
    "json/{secret}/+/cmd/#",
    "json/{secret}/+/cmdexe/#",
    "json/{secret}/+/configuration/#",
    "/{secret}/+/attrs/#",
    "/{secret}/+/cmdexe/#",
];

/// The templates of topics that hold a secret.
#[derive(Debug, Clone, Default)]
pub struct Secrets(Vec<Template>);

impl Secrets {
    /// Those of the routes, and those that are known anyway.
    pub fn of<'t>(routes: impl Iterator<Item = &'t Template>) -> Self {
        let routes: Vec<_> = routes.collect();
        let known = KNOWN.iter().filter_map(|text| Template::parse(text).ok());
        let likely = LIKELY.iter().filter_map(|text| Template::parse(text).ok());
        let likely = likely.filter(|template| !routes.iter().any(|route| route.names_otherwise(template)));
        let own = routes.iter().filter(|route| route.has_capture(SECRET)).map(|route| (*route).clone());
        Self(own.chain(known).chain(likely).collect())
    }

    /// The secret levels of a topic.
    fn levels<'a>(&self, topic: &'a [u8]) -> Vec<(usize, &'a [u8])> {
        let mut found = Vec::new();
        for template in self.0.iter().filter(|template| template.matches(topic)) {
            let levels = template.levels.iter().zip(topic.split(|byte| *byte == b'/')).enumerate();
            let secret = levels.filter(|(_, (level, text))| {
                !text.is_empty() && matches!(level, Level::Capture(name) if name == SECRET)
            });
            found.extend(secret.map(|(index, (_, text))| (index, text)));
        }
        found
    }

    /// The topic as people may see it.
    pub fn topic<'a>(&self, topic: &'a str) -> Cow<'a, str> {
        self.named(topic, |_| STARS.to_owned())
    }

    /// The topic with a name for each secret; one without wildcards leaves it a topic of the same routes.
    pub fn named<'a>(&self, topic: &'a str, mut name: impl FnMut(&str) -> String) -> Cow<'a, str> {
        let secret = self.levels(topic.as_bytes());
        if secret.is_empty() {
            return Cow::Borrowed(topic);
        }
        let mut shown = |(index, level)| match secret.iter().any(|(at, _)| *at == index) {
            true => Cow::Owned(name(level)),
            false => Cow::Borrowed(level),
        };
        let levels: Vec<_> = topic.split('/').enumerate().map(&mut shown).collect();
        Cow::Owned(levels.join("/"))
    }

    /// The payload with stars wherever it repeats a secret of its topic; it never grows.
    pub fn payload<'a>(&self, topic: &[u8], payload: &'a [u8]) -> Cow<'a, [u8]> {
        let secret = self.levels(topic);
        secret.iter().fold(Cow::Borrowed(payload), |text, (_, secret)| hide(text, secret))
    }

    /// A text about a message of this topic, such as a reason, which may quote a secret or its beginning.
    pub fn text(&self, topic: &[u8], text: &mut String) {
        for (_, secret) in self.levels(topic) {
            let Ok(secret) = std::str::from_utf8(secret) else { continue };
            if let Cow::Owned(hidden) = hide(Cow::Borrowed(text.as_bytes()), secret.as_bytes()) {
                *text = String::from_utf8_lossy(&hidden).into_owned();
            }
            // What is quoted is cut off somewhere.
            let start = secret.char_indices().nth(TELLING).and_then(|(end, _)| secret.get(..end));
            while let Some((at, start)) = start.and_then(|start| Some((text.find(start)?, start))) {
                let rest = text.get(at..).unwrap_or_default();
                let same = rest.bytes().zip(secret.bytes()).take_while(|(a, b)| a == b).count();
                let mut end = at.saturating_add(same.max(start.len()));
                while !text.is_char_boundary(end) {
                    end = end.saturating_add(1);
                }
                text.replace_range(at..end, STARS);
            }
        }
    }

    /// Whether a topic holds a secret.
    pub fn has(&self, topic: &[u8]) -> bool {
        !self.levels(topic).is_empty()
    }

    /// The message as people may see it: the topic's secrets are hidden there and in the payload.
    pub fn shown<'r>(&self, record: &'r Record) -> Cow<'r, Record> {
        let topic = &record.message.topic;
        if self.levels(topic).is_empty() {
            return Cow::Borrowed(record);
        }
        let mut shown = record.clone();
        // What is no UTF-8 is no topic, and is shown with marks in those places everywhere.
        let text = String::from_utf8_lossy(topic);
        shown.message.topic = self.topic(&text).into_owned().into();
        if let Cow::Owned(hidden) = self.payload(topic, &record.message.payload) {
            shown.message.payload = hidden.into();
        }
        Cow::Owned(shown)
    }
}

impl Template {
    /// A capture that would give a known secret a name, and so show it.
    pub fn tells_secret(&self) -> Option<&str> {
        KNOWN.iter().filter_map(|text| Template::parse(text).ok()).find_map(|known| {
            let at = known.levels.iter().position(|level| matches!(level, Level::Capture(_)))?;
            let before = |template: &Self| template.levels.get(..at).map(<[Level]>::to_vec);
            match self.levels.get(at) {
                Some(Level::Capture(name)) if name != SECRET && before(self) == before(&known) => {
                    Some(&**name)
                }
                _ => None,
            }
        })
    }

    /// Whether it captures what `likely` takes for a secret under another name.
    fn names_otherwise(&self, likely: &Self) -> bool {
        let at = likely.levels.iter().position(|level| matches!(level, Level::Capture(_)));
        let level = at.and_then(|at| self.levels.get(at));
        matches!(level, Some(Level::Capture(name)) if name != SECRET)
            && overlap(&self.filter(), &likely.filter())
    }
}

/// The text with stars wherever the secret stands.
fn hide<'a>(text: Cow<'a, [u8]>, secret: &[u8]) -> Cow<'a, [u8]> {
    if !(SHORTEST..=LONGEST).contains(&secret.len()) {
        return text;
    }
    let (mut out, mut from) = (Vec::new(), 0_usize);
    let finder = |from: usize| {
        let left = text.get(from..)?;
        left.windows(secret.len()).position(|window| window == secret).map(|at| from.saturating_add(at))
    };
    while let Some(at) = finder(from) {
        out.extend_from_slice(text.get(from..at).unwrap_or_default());
        out.extend_from_slice(STARS.as_bytes());
        from = at.saturating_add(secret.len());
    }
    if from == 0 {
        return text;
    }
    out.extend_from_slice(text.get(from..).unwrap_or_default());
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        let routes = ["own/{secret}/{device}", "city/{device}"].map(|text| Template::parse(text).unwrap());
        Secrets::of(routes.iter())
    }

    #[test]
    fn secret_levels_are_hidden_and_others_are_not() {
        for (topic, shown) in [
            ("own/k3y/d1", "own/***/d1"),
            ("/ul/k3y/d1/attrs", "/ul/***/d1/attrs"),
            ("/json/k3y/d1/attrs/t", "/json/***/d1/attrs/t"),
            ("/oneM2M/req/ab:cd/antares-cse/json", "/oneM2M/req/***/antares-cse/json"),
            ("/oneM2M/resp/antares-cse/ab:cd/json", "/oneM2M/resp/antares-cse/***/json"),
            ("device/sck/t0ken/readings", "device/sck/***/readings"),
            ("oneM2M/req/ab:cd/antares-cse/json", "oneM2M/req/***/antares-cse/json"),
            ("json/k3y/d1/cmdexe", "json/***/d1/cmdexe"),
            ("ul/k3y/d1/attrs/t", "ul/***/d1/attrs/t"),
            ("ul/k3y/d1/t", "ul/k3y/d1/t"),
            ("/k3y/d1/attrs", "/***/d1/attrs"),
            ("/ul//d1/attrs", "/ul//d1/attrs"),
            ("city/k3y", "city/k3y"),
            ("own/k3y", "own/k3y"),
            ("own//d1", "own//d1"),
        ] {
            assert_eq!(secrets().topic(topic), shown);
            let record = Record::pasted(topic.to_owned().into(), "x".into(), 0, false);
            assert_eq!(secrets().shown(&record).message.topic, shown.as_bytes());
        }
    }

    #[test]
    fn a_likely_key_is_what_the_route_says_it_is() {
        let secrets = |text: &str| Secrets::of([Template::parse(text).unwrap()].iter());
        assert_eq!(secrets("/{city}/{device}/attrs").topic("/pasuruan/d1/attrs"), "/pasuruan/d1/attrs");
        assert_eq!(secrets("/{city}/{device}/air").topic("/k3y/d1/attrs"), "/***/d1/attrs");
        assert_eq!(secrets("/{secret}/{device}/attrs").topic("/k3y/d1/attrs"), "/***/d1/attrs");
        assert_eq!(secrets("/{city}/{device}/attrs").topic("/ul/k3y/d1/attrs"), "/ul/***/d1/attrs");
    }

    #[test]
    fn a_topic_that_is_no_text_hides_its_secret_too() {
        let record = Record::pasted((&b"own/k3y-1/\xff"[..]).into(), "k3y-1".into(), 0, false);
        let shown = secrets().shown(&record).into_owned().message;
        assert_eq!((&*shown.topic, &*shown.payload), ("own/***/\u{fffd}".as_bytes(), &b"***"[..]));
    }

    #[test]
    fn a_payload_does_not_repeat_what_the_topic_hides() {
        let record = |topic: &str, payload: &str| {
            Record::pasted(topic.to_owned().into(), payload.to_owned().into(), 0, false)
        };
        let told =
            record("/oneM2M/req/ab12:cd34/antares-cse/json", "{\"fr\":\"ab12:cd34\",\"x\":\"ab12:cd34\"}");
        assert_eq!(secrets().shown(&told).message.payload, b"{\"fr\":\"***\",\"x\":\"***\"}"[..]);
        // So short a text may be anything.
        let short = record("own/abc/d", "abcabc");
        assert_eq!(secrets().shown(&short).message.payload, b"abcabc"[..]);
        assert!(matches!(secrets().shown(&record("city/d", "x")), Cow::Borrowed(_)));
    }

    #[test]
    fn a_text_quotes_neither_a_secret_nor_its_beginning() {
        let told = |topic: &str, text: &str| {
            let mut text = text.to_owned();
            secrets().text(topic.as_bytes(), &mut text);
            text
        };
        let topic = "/json/4jggokgpepnvsb2uv4s40d59ov/d1/attrs";
        for (text, shown) in [
            ("\"4jggokgpepnvsb2uv4s40d59ov\" stands where", "\"***\" stands where"),
            ("\"xx4jggokgpepnvsb2\" stands; 4jggokgp", "\"xx***\" stands; ***"),
            ("4jggo and 4jggokgé", "4jggo and 4jggokgé"),
        ] {
            assert_eq!(told(topic, text), shown);
        }
        assert_eq!(told("own/äöüäöüäöüß/d", "x äöüäöüäöx äöüäöüä"), "x ***x äöüäöüä");
        assert_eq!(told("city/4jggokgpepnv", "4jggokgpepnv"), "4jggokgpepnv");
    }

    #[test]
    fn a_capture_that_would_name_a_secret_is_noticed() {
        let told = |text: &str| Template::parse(text).unwrap().tells_secret().map(str::to_owned);
        assert_eq!(told("/ul/{device}/attrs"), Some("device".to_owned()));
        assert_eq!(told("/oneM2M/resp/antares-cse/{key}/json"), Some("key".to_owned()));
        assert_eq!(told("/ul/{secret}/{device}/attrs"), None);
        assert_eq!(told("/ul/+/{device}/attrs"), None);
        assert_eq!(told("ul/{device}/attrs"), None);
    }
}
