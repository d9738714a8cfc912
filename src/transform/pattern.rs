//! Patterns: a text with captures of the topic in it, such as `{line}-{device}`.

use crate::topic::{SECRET, Template};

/// A text whose `{name}` parts are filled from a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Capture(String),
}

impl Pattern {
    /// Every capture must be one of the topic's.
    pub(super) fn parse(text: &str, topic: &Template) -> Result<Self, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(|| format!("\"{text}\" lacks a \"}}\""))?;
            if !topic.has_capture(name) {
                return Err(format!("\"{text}\": the topic has no capture \"{{{name}}}\""));
            }
            if name == SECRET {
                return Err(format!("\"{text}\": what the topic calls {{{SECRET}}} is never stored"));
            }
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Capture(name.to_owned()));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        if parts.is_empty() {
            return Err("is empty".to_owned());
        }
        Ok(Self(parts))
    }

    /// The text, where no topic changes it.
    pub(super) fn constant(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Fills it from a topic that matches the template.
    pub(super) fn fill(&self, template: &Template, topic: &str) -> String {
        let mut filled = String::new();
        for part in &self.0 {
            filled.push_str(match part {
                Part::Text(text) => text,
                Part::Capture(name) => template.capture(topic, name).unwrap_or_default(),
            });
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_are_filled_and_unknown_ones_are_mistakes() {
        let topic = Template::parse("a/{line}/{device}").unwrap();
        let filled = |text| Pattern::parse(text, &topic).map(|pattern| pattern.fill(&topic, "a/7/x"));
        assert_eq!(filled("{device}"), Ok("x".to_owned()));
        assert_eq!(filled("l{line}-{device}!"), Ok("l7-x!".to_owned()));
        assert_eq!(filled("plain"), Ok("plain".to_owned()));
        for wrong in ["", "{host}", "{line", "{}"] {
            assert!(filled(wrong).is_err(), "{wrong}");
        }
        let secret = Template::parse("a/{secret}/{device}").unwrap();
        assert!(Pattern::parse("x-{secret}", &secret).unwrap_err().contains("never stored"));
        assert_eq!(Pattern::parse("plain", &topic).unwrap().constant(), Some("plain"));
        assert_eq!(Pattern::parse("{line}", &topic).unwrap().constant(), None);
    }
}
