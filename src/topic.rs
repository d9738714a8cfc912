//! Topics: templates with named captures, the MQTT filters they need, and a cover that does not overlap.

mod secrets;

use thiserror::Error;

pub use self::secrets::{HIDDEN, SECRET, STARS, Secrets};

/// Why a text is not a topic template.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TopicError {
    #[error("is empty")]
    Empty,
    #[error("is longer than 65,535 bytes, the most MQTT can carry")]
    TooLong,
    #[error("holds a NUL character, which MQTT forbids")]
    HoldsNul,
    #[error("\"#\" may only be the last level")]
    HashNotLast,
    #[error(
        "level \"{0}\" mixes text with a wildcard or a capture; a level is either text, \"+\" or \"{{name}}\""
    )]
    MixedLevel(String),
    #[error("capture \"{{{0}}}\" needs a name of small letters, digits and \"_\" that begins with a letter")]
    CaptureName(String),
    #[error("capture \"{{{0}}}\" stands twice")]
    CaptureTwice(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Level {
    Text(String),
    Capture(String),
    /// `+`: exactly one level of any text.
    One,
    /// `#`: this level and all below; it also matches the level above, as in MQTT.
    Rest,
}

/// A topic template such as `city/{city}/{district}/{device}/{kind}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    levels: Vec<Level>,
}

impl Template {
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        if text.is_empty() {
            return Err(TopicError::Empty);
        }
        if text.len() > usize::from(u16::MAX) {
            return Err(TopicError::TooLong);
        }
        if text.contains('\0') {
            return Err(TopicError::HoldsNul);
        }
        let mut levels: Vec<Level> = Vec::new();
        for part in text.split('/') {
            if levels.last() == Some(&Level::Rest) {
                return Err(TopicError::HashNotLast);
            }
            let level = level_of(part)?;
            if let Level::Capture(name) = &level
                && levels.contains(&level)
            {
                return Err(TopicError::CaptureTwice(name.clone()));
            }
            levels.push(level);
        }
        Ok(Self { text: text.to_owned(), levels })
    }

    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `topic` is one of this template's. Works on bytes, since no one has judged them yet.
    pub fn matches(&self, topic: &[u8]) -> bool {
        let system = topic.first() == Some(&b'$');
        let mut given = topic.split(|byte| *byte == b'/');
        for (index, level) in self.levels.iter().enumerate() {
            if matches!(level, Level::Rest) {
                // The levels above matched; wildcards at the top leave the broker's own `$` topics alone.
                return !(system && index == 0);
            }
            let Some(part) = given.next() else { return false };
            let fits = match level {
                Level::Text(text) => text.as_bytes() == part,
                _ => !(system && index == 0),
            };
            if !fits {
                return false;
            }
            // `a/#` matches `a` too: nothing is left and only `#` would follow.
        }
        given.next().is_none()
    }

    /// The captured names with their texts, in the order of the template. The topic must match.
    pub fn captures<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.levels.iter().zip(topic.split('/')).filter_map(|(level, part)| match level {
            Level::Capture(name) => Some((name.as_str(), part)),
            _ => None,
        })
    }

    /// What one capture holds in a topic that matches.
    pub fn capture<'a>(&'a self, topic: &'a str, name: &str) -> Option<&'a str> {
        self.captures(topic).find(|(known, _)| *known == name).map(|(_, text)| text)
    }

    /// Whether the template captures this name.
    pub fn has_capture(&self, name: &str) -> bool {
        self.levels.iter().any(|level| matches!(level, Level::Capture(known) if known == name))
    }

    /// The MQTT filter that brings exactly this template's topics.
    pub fn filter(&self) -> String {
        let levels: Vec<&str> = self
            .levels
            .iter()
            .map(|level| match level {
                Level::Text(text) => text.as_str(),
                Level::Capture(_) | Level::One => "+",
                Level::Rest => "#",
            })
            .collect();
        levels.join("/")
    }
}

fn level_of(part: &str) -> Result<Level, TopicError> {
    match part {
        "+" => return Ok(Level::One),
        "#" => return Ok(Level::Rest),
        _ => {}
    }
    if let Some(name) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let named = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        return if named {
            Ok(Level::Capture(name.to_owned()))
        } else {
            Err(TopicError::CaptureName(name.to_owned()))
        };
    }
    if part.contains(['+', '#', '{', '}']) {
        return Err(TopicError::MixedLevel(part.to_owned()));
    }
    Ok(Level::Text(part.to_owned()))
}

/// What makes a published topic unusable, in words; nothing where it is sound.
pub fn fault(topic: &[u8]) -> Option<&'static str> {
    if topic.is_empty() {
        return Some("the topic is empty");
    }
    if std::str::from_utf8(topic).is_err() {
        return Some("the topic is not valid UTF-8");
    }
    if topic.contains(&0) {
        return Some("the topic holds a NUL character");
    }
    if topic.iter().any(|byte| matches!(byte, b'+' | b'#')) {
        return Some("the topic holds \"+\" or \"#\", which only filters may");
    }
    None
}

/// Filters of which no topic matches two, and which together bring whatever the given ones bring.
///
/// A broker may deliver a message once for each filter it matches, under different packet identifiers. Where two
/// overlap they are replaced by one that is general enough for both, until none overlap. Each step leaves one
/// filter fewer, so this ends; the order of the result follows the order given.
pub fn cover(filters: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut cover: Vec<String> = Vec::new();
    for filter in filters {
        let mut wide = filter;
        // The widened filter may touch one it did not touch before, so look again from the start.
        while let Some(index) = cover.iter().position(|known| overlap(known, &wide)) {
            let known = cover.remove(index);
            wide = join(&known, &wide);
        }
        cover.push(wide);
    }
    cover
}

/// Whether some topic matches both filters.
pub fn overlap(a: &str, b: &str) -> bool {
    let (mut left, mut right) = (a.split('/'), b.split('/'));
    let mut first = true;
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (Some("#"), None) | (None, Some("#")) => return true,
            (None, Some(_)) | (Some(_), None) => return false,
            (Some(x), Some(y)) => {
                let wild = |level: &str| level == "+" || level == "#";
                // A wildcard at the top does not match the broker's own topics, which begin with `$`.
                let hidden = |level: &str| first && level.starts_with('$');
                if (wild(x) && hidden(y)) || (wild(y) && hidden(x)) {
                    return false;
                }
                if x == "#" || y == "#" {
                    return true;
                }
                if x != y && !wild(x) && !wild(y) {
                    return false;
                }
            }
        }
        first = false;
    }
}

/// The narrowest filter that brings what both bring. They must overlap, so a `$` level is the same in both.
fn join(a: &str, b: &str) -> String {
    let (mut left, mut right) = (a.split('/'), b.split('/'));
    let mut levels = Vec::new();
    loop {
        match (left.next(), right.next()) {
            (None, None) => break,
            (Some(x), Some(y)) if x == y => levels.push(x),
            (Some(x), Some(y)) if x != "#" && y != "#" => levels.push("+"),
            _ => {
                levels.push("#");
                break;
            }
        }
        if levels.last() == Some(&"#") {
            break;
        }
    }
    levels.join("/")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn template(text: &str) -> Template {
        Template::parse(text).unwrap()
    }

    #[test]
    fn a_template_matches_its_topics_and_captures_their_levels() {
        let route = template("city/{city}/{district}/{device}/{kind}");
        assert_eq!(route.filter(), "city/+/+/+/+");
        let topic = "city/pasuruan/bugul-kidul/AQ-01/air";
        assert!(route.matches(topic.as_bytes()));
        assert_eq!(route.capture(topic, "device"), Some("AQ-01"));
        assert_eq!(route.capture(topic, "nobody"), None);
        for other in ["city/a/b/c", "city/a/b/c/d/e", "town/a/b/c/d", "", "city"] {
            assert!(!route.matches(other.as_bytes()), "{other}");
        }
        assert!(route.matches(b"city////"), "empty levels are levels");
        assert!(route.matches(b"city/\xff/b/c/d"), "bytes are judged elsewhere");
    }

    #[test]
    fn wildcards_follow_mqtt() {
        for (filter, topic, expected) in [
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("a/#", "ab", false),
            ("#", "a/b", true),
            ("#", "$SYS/uptime", false),
            ("+/uptime", "$SYS/uptime", false),
            ("{top}/uptime", "$SYS/uptime", false),
            ("$SYS/#", "$SYS/uptime", true),
            ("a/+", "a/$b", true),
            ("a/+", "a", false),
            ("a/+", "a/", true),
            ("/+", "/x", true),
        ] {
            assert_eq!(template(filter).matches(topic.as_bytes()), expected, "{filter} {topic}");
        }
    }

    #[test]
    fn a_bad_template_says_what_is_wrong() {
        for (text, error) in [
            ("", TopicError::Empty),
            ("a/#/b", TopicError::HashNotLast),
            ("a/b#", TopicError::MixedLevel("b#".into())),
            ("a/x{b}", TopicError::MixedLevel("x{b}".into())),
            ("a/{B}", TopicError::CaptureName("B".into())),
            ("a/{}", TopicError::CaptureName(String::new())),
            ("{a}/{a}", TopicError::CaptureTwice("a".into())),
            ("a\0", TopicError::HoldsNul),
        ] {
            assert_eq!(Template::parse(text), Err(error), "{text}");
        }
        assert_eq!(Template::parse(&"a".repeat(65_536)), Err(TopicError::TooLong));
    }

    #[test]
    fn published_topics_are_judged() {
        assert_eq!(fault(b"city/a"), None);
        for bad in [&b""[..], b"a/\xff", b"a\0", b"a/+", b"a/#"] {
            assert!(fault(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn covers_do_not_overlap() {
        let covered = |filters: &[&str]| cover(filters.iter().map(|filter| (*filter).to_owned()));
        assert_eq!(covered(&["a/+", "b/+"]), ["a/+", "b/+"]);
        assert_eq!(covered(&["a/+", "a/b"]), ["a/+"]);
        assert_eq!(covered(&["a/+/c", "a/b/+"]), ["a/+/+"]);
        assert_eq!(covered(&["a/#", "a"]), ["a/#"]);
        assert_eq!(covered(&["+/x", "$SYS/x"]), ["+/x", "$SYS/x"]);
        assert_eq!(covered(&["a/b", "c/d", "#", "$SYS/#"]), ["#", "$SYS/#"]);
        assert_eq!(covered(&["a/b/c", "+/b/d", "a/+/c"]), ["+/b/d", "a/+/c"]);
    }

    fn level() -> impl Strategy<Value = String> {
        prop_oneof![Just("a"), Just("b"), Just("$s"), Just(""), Just("+")].prop_map(str::to_owned)
    }

    fn filter() -> impl Strategy<Value = String> {
        (prop::collection::vec(level(), 1..4), any::<bool>()).prop_map(|(mut levels, rest)| {
            if rest {
                levels.push("#".to_owned());
            }
            levels.join("/")
        })
    }

    fn topics() -> Vec<String> {
        let names = ["a", "b", "$s", "", "zz"];
        let mut topics: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut last = topics.clone();
        for _ in 0..3 {
            last = last.iter().flat_map(|head| names.map(|name| format!("{head}/{name}"))).collect();
            topics.extend(last.iter().cloned());
        }
        topics.retain(|topic| !topic.is_empty());
        topics
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]
        #[test]
        fn a_cover_brings_everything_once(filters in prop::collection::vec(filter(), 1..6)) {
            let filters: Vec<String> = filters.into_iter().filter(|filter| !filter.is_empty()).collect();
            let given: Vec<_> = filters.iter().map(|filter| template(filter)).collect();
            let cover: Vec<_> = cover(filters).iter().map(|filter| template(filter)).collect();
            for topic in topics() {
                let wanted = given.iter().any(|filter| filter.matches(topic.as_bytes()));
                let brought = cover.iter().filter(|filter| filter.matches(topic.as_bytes())).count();
                prop_assert!(brought <= 1, "{topic} twice");
                prop_assert!(!wanted || brought == 1, "{topic} is missing");
            }
        }
    }
}
