//! Template: a text put together from members of a payload, such as `{date}T{clock}`.

use super::path::Path;

/// Texts and members in turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Member(Path),
}

/// Where a setting finds what it looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In one member.
    Member(Path),
    /// In several, put together.
    Template(Template),
}

impl Source {
    /// From the text of a setting: a path, or a template where it holds a brace.
    pub fn read(text: &str, separator: &str) -> Result<Self, String> {
        if !text.contains(['{', '}']) {
            return Ok(Self::Member(Path::new(text, separator)));
        }
        let (mut parts, mut left) = (Vec::new(), text);
        while let Some((before, rest)) = left.split_once('{') {
            let Some((member, rest)) = rest.split_once('}') else {
                return Err("has a brace that does not close".to_owned());
            };
            if member.is_empty() || member.contains('{') {
                return Err("must name a member in each pair of braces".to_owned());
            }
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Member(Path::new(member, separator)));
            left = rest;
        }
        parts.push(Part::Text(left.to_owned()));
        if parts.iter().any(|part| matches!(part, Part::Text(text) if text.contains('}'))) {
            return Err("has a brace that does not open".to_owned());
        }
        Ok(Self::Template(Template { parts }))
    }

    /// The one member, where it is one.
    pub(super) const fn member(&self) -> Option<&Path> {
        match self {
            Self::Member(path) => Some(path),
            Self::Template(_) => None,
        }
    }

    pub(super) const fn template(&self) -> Option<&Template> {
        match self {
            Self::Member(_) => None,
            Self::Template(template) => Some(template),
        }
    }
}

impl Template {
    /// The members that it is put together from.
    pub(super) fn members(&self) -> impl Iterator<Item = &Path> {
        self.parts.iter().filter_map(|part| match part {
            Part::Member(path) => Some(path),
            Part::Text(_) => None,
        })
    }

    /// The whole text of at most `most` bytes, or what is wrong with it.
    pub(super) fn filled<'t>(
        &self,
        most: usize,
        told: impl Fn(&Path) -> Option<&'t str>,
    ) -> Result<String, String> {
        let mut whole = String::new();
        for part in &self.parts {
            let text = match part {
                Part::Text(text) => text,
                Part::Member(path) => told(path).ok_or_else(|| format!("there is no \"{path}\""))?,
            };
            if whole.len().saturating_add(text.len()) > most {
                return Err(format!("more than {most} bytes"));
            }
            whole.push_str(text);
        }
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_braces_is_a_template_and_any_other_a_path() {
        assert_eq!(Source::read("meta.time", "."), Ok(Source::Member(Path::new("meta.time", "."))));
        let Ok(Source::Template(template)) = Source::read("{/a/day}T{clock}Z", ".") else { panic!("a path") };
        let told = |path: &Path| match path.to_string().as_str() {
            "a.day" => Some("2026-11-24"),
            "clock" => Some("07:00:00"),
            _ => None,
        };
        assert_eq!(template.filled(64, told), Ok("2026-11-24T07:00:00Z".to_owned()));
        assert_eq!(template.filled(19, told), Err("more than 19 bytes".to_owned()));
        let nothing = template.filled(64, |path| told(path).filter(|told| told.len() > 8));
        assert_eq!(nothing, Err("there is no \"clock\"".to_owned()));
        for (wrong, said) in [
            ("{a", "does not close"),
            ("a}", "does not open"),
            ("{a}}", "does not open"),
            ("{}", "must name"),
            ("{{a}}", "must name"),
        ] {
            let told = Source::read(wrong, ".").unwrap_err();
            assert!(told.contains(said), "{wrong}: {told}");
        }
    }
}
