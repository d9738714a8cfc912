//! Path: where something stands in a JSON text, by names joined by the separator or by a JSON pointer (RFC 6901).
//!
//! A level that is `*` stands for any one name or index: `channels.*.log`, `/channels/*/log`.

use std::fmt;

/// A place in a JSON text, as the flattening names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    text: String,
    /// The levels and what joins them, where one of them is `*`.
    wild: Option<(Vec<String>, String)>,
}

impl Path {
    /// From the text of a setting; a pointer begins with a slash.
    pub fn new(text: &str, separator: &str) -> Self {
        let levels: Vec<String> = match text.strip_prefix('/') {
            Some(pointer) => {
                pointer.split('/').map(|level| level.replace("~1", "/").replace("~0", "~")).collect()
            }
            None if separator.is_empty() => vec![text.to_owned()],
            None => text.split(separator).map(str::to_owned).collect(),
        };
        let wild = !separator.is_empty() && levels.iter().any(|level| level == "*");
        let text = levels.join(separator);
        Self { text, wild: wild.then(|| (levels, separator.to_owned())) }
    }

    /// Whether it can be only one place of a text.
    pub(super) const fn is_one(&self) -> bool {
        self.wild.is_none()
    }

    /// Whether this is the place with that name.
    pub(super) fn is(&self, path: &str) -> bool {
        let Some((levels, separator)) = &self.wild else { return self.text == path };
        let mut given = path.split(&**separator);
        levels.iter().all(|level| given.next().is_some_and(|given| level == "*" || level == given))
            && given.next().is_none()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_pointers_and_stars_find_their_places() {
        for (text, path, found) in [
            ("a.b", "a.b", true),
            ("a.b", "a.b.c", false),
            ("/a/b", "a.b", true),
            ("/a~1b/m~0n", "a/b.m~n", true),
            ("/~01", "~1", true),
            ("data.*.log", "data.0.log", true),
            ("/data/*/log", "data.x.log", true),
            ("data.*.log", "data.0.1.log", false),
            ("data.*.log", "data.log", false),
            ("*", "a", true),
            ("a*", "ab", false),
        ] {
            assert_eq!(Path::new(text, ".").is(path), found, "{text} {path}");
        }
        assert!(Path::new("/a/b", "_").is("a_b"));
    }
}
