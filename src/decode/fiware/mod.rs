//! FIWARE's two agents for devices: what they share is the topic, which says what a payload is.
//!
//! `/ul/<apikey>/<device>/attrs` and `/json/<apikey>/<device>/attrs` carry measures, `…/attrs/<name>` the value of one,
//! and `…/cmdexe`, `…/cmd` and `…/configuration/…` no reading. Any other topic is taken for measures. The API key is a
//! secret: write it as `{secret}` in the route's topic.

mod entity;
pub(super) mod json;
pub(super) mod ultralight;

use std::borrow::Cow;

use crate::reading::ReadingValue;
use crate::unit::{self, Unit};

/// What a payload is, by its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind<'t> {
    /// Measures of the device that the topic names.
    Measures,
    /// The value of one attribute.
    One(&'t str),
    /// Nothing that was measured; says what.
    Other(&'static str),
    /// A topic of nobody's convention.
    Free,
}

fn kind(topic: &str) -> Kind<'_> {
    let mut levels = topic.rsplit('/');
    match (levels.next(), levels.next()) {
        (Some("cmdexe"), _) => Kind::Other("the result of a command"),
        (Some("cmd"), _) => Kind::Other("a command to a device"),
        (_, Some("configuration")) => Kind::Other("a question for the configuration, or its answer"),
        (Some("attrs"), _) => Kind::Measures,
        (Some(name), Some("attrs")) if !name.is_empty() => Kind::One(name),
        _ => Kind::Free,
    }
}

/// What a text means where devices send every value as text: a number, one with a unit that is known, or text.
pub(super) fn typed(text: Cow<'_, str>) -> (ReadingValue<'_>, Option<Cow<'_, str>>) {
    let unit = match unit::amount(&text, false) {
        Some((number, None)) => return (ReadingValue::Number(number), None),
        Some((number, Some(unit))) => Unit::parse(unit).map(|unit| (number, unit.name())),
        None => None,
    };
    match unit {
        Some((number, unit)) => (ReadingValue::Number(number), Some(Cow::Borrowed(unit))),
        None => (ReadingValue::Text(text), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topic_says_what_a_payload_is() {
        for (topic, expected) in [
            ("/ul/KEY/d1/attrs", Kind::Measures),
            ("/json/KEY/d1/attrs/t", Kind::One("t")),
            ("/json/KEY/d1/attrs/", Kind::Free),
            ("KEY/d1/cmdexe", Kind::Other("the result of a command")),
            ("/ul/KEY/d1/cmd", Kind::Other("a command to a device")),
            (
                "/ul/KEY/d1/configuration/commands",
                Kind::Other("a question for the configuration, or its answer"),
            ),
            ("attrs", Kind::Measures),
            ("city/d1", Kind::Free),
        ] {
            assert_eq!(kind(topic), expected, "{topic}");
        }
    }

    #[test]
    fn text_is_a_number_only_with_a_unit_that_is_known() {
        let told = |text: &'static str| typed(text.into());
        assert_eq!(told("45%"), (ReadingValue::Number(45.0), Some("%".into())));
        assert_eq!(told("-3"), (ReadingValue::Number(-3.0), None));
        assert_eq!(told("2025-01-26"), (ReadingValue::Text("2025-01-26".into()), None));
        assert_eq!(told("5abc"), (ReadingValue::Text("5abc".into()), None));
    }
}
