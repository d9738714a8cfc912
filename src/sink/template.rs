//! Templates: the name of a bucket or database, fixed or following from a point's tags.

use std::collections::BTreeSet;
use std::fmt;

use crate::registry::Place;

/// The tags that a name may follow from.
const TAGS: [&str; 2] = ["city", "district"];
/// The most bytes of a name; InfluxDB has lower limits of its own in some versions, and says so.
const LONGEST: usize = 200;

/// A name such as `telemetry_{city}`; without braces it is the same for every point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Tag(&'static str),
}

/// Why a point has no such name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoName {
    #[error("\"{template}\" needs the tag {tag}, which the point lacks")]
    NoTag { template: String, tag: &'static str },
    #[error("\"{template}\" would be longer than {LONGEST} bytes, or hold control characters")]
    Unusable { template: String },
}

impl Template {
    /// A name that is taken as it is, braces and all.
    pub fn fixed(name: impl Into<String>) -> Self {
        let text = name.into();
        Self { pieces: vec![Piece::Text(text.clone())], text }
    }

    /// Reads `{city}` and `{district}`; other braces are a mistake.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let known = after.split_once('}');
            let tag = known.and_then(|(name, _)| TAGS.into_iter().find(|tag| *tag == name));
            let (Some((_, after)), Some(tag)) = (known, tag) else {
                return Err("may hold {city} and {district}, and no other braces".to_owned());
            };
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::Tag(tag));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        if text.is_empty() || text.contains(char::is_control) || text.len() > LONGEST {
            return Err(format!("must be 1 to {LONGEST} bytes without control characters"));
        }
        if pieces.iter().any(|piece| matches!(piece, Piece::Text(text) if text.contains('}'))) {
            return Err("may hold {city} and {district}, and no other braces".to_owned());
        }
        Ok(Self { text: text.to_owned(), pieces })
    }

    /// As the operator wrote it; of a fixed one this is the name.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn is_fixed(&self) -> bool {
        !self.pieces.iter().any(|piece| matches!(piece, Piece::Tag(_)))
    }

    /// The name for one point; `tag` looks a tag up.
    pub fn name<'t>(&self, tag: impl Fn(&str) -> Option<&'t str>) -> Result<String, NoName> {
        let mut name = String::with_capacity(self.text.len());
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => name.push_str(text),
                Piece::Tag(key) => match tag(key).filter(|value| !value.is_empty()) {
                    Some(value) => name.push_str(value),
                    None => return Err(NoName::NoTag { template: self.text.clone(), tag: key }),
                },
            }
        }
        if name.len() > LONGEST || name.contains(char::is_control) {
            return Err(NoName::Unusable { template: self.text.clone() });
        }
        Ok(name)
    }

    /// Every name that some place gives; of a fixed one the name itself.
    pub fn names<'p>(&self, places: impl IntoIterator<Item = &'p Place>) -> BTreeSet<String> {
        if self.is_fixed() {
            return BTreeSet::from([self.text.clone()]);
        }
        let of = |place: &'p Place| {
            let tag = |key: &str| Some(if key == "city" { &*place.city } else { &*place.district });
            self.name(tag).ok()
        };
        places.into_iter().filter_map(of).collect()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(city: &str, district: &str) -> Place {
        Place { city: city.into(), district: district.into() }
    }

    #[test]
    fn a_name_follows_from_the_tags_that_a_point_has() {
        let template = Template::parse("t_{city}.{district}").unwrap();
        let name = |city: &'static str, district: Option<&'static str>| {
            template.name(|key| if key == "city" { Some(city) } else { district })
        };
        assert_eq!(name("pasuruan", Some("bugul kidul")), Ok("t_pasuruan.bugul kidul".to_owned()));
        for district in [None, Some("")] {
            assert!(matches!(name("a", district), Err(NoName::NoTag { tag: "district", .. })));
        }
        for bad in ["a\nb", "a\0"] {
            assert!(matches!(name(bad, Some("x")), Err(NoName::Unusable { .. })));
        }
        let template = Template::parse("{city}").unwrap();
        let long = "x".repeat(LONGEST + 1);
        assert!(template.name(|_| Some(&long)).is_err());
        assert!(template.name(|_| long.get(1..)).is_ok());
        // What a value holds is never read as a template.
        assert_eq!(template.name(|_| Some("{district}")), Ok("{district}".to_owned()));
    }

    #[test]
    fn other_braces_are_a_mistake() {
        for text in ["", "{", "}", "a{b}", "{device}", "{city", "{city}}", "{{city}", "a\n", "{}"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
        assert!(Template::parse("plain name").unwrap().is_fixed());
        assert!(!Template::parse("{city}").unwrap().is_fixed());
    }

    #[test]
    fn the_names_are_those_of_the_known_places() {
        let places = [place("a", "x"), place("a", "y"), place("b", ""), place("", "z")];
        let names = |text: &str| Vec::from_iter(Template::parse(text).unwrap().names(&places));
        assert_eq!(names("t_{city}"), ["t_a", "t_b"]);
        assert_eq!(names("{city}-{district}"), ["a-x", "a-y"]);
        assert_eq!(names("t"), ["t"]);
    }
}
