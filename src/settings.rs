//! Settings: how a room reads its own section, so that every mistake is kept and none ends the reading.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use config::{Value, ValueKind};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

/// One mistake in the configuration: where it stands and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// File or environment variable, where known.
    pub origin: Option<String>,
    /// The key with its section, such as `journal.max_size`.
    pub key: String,
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "{origin}: {}: {}", self.key, self.text),
            None => write!(f, "{}: {}", self.key, self.text),
        }
    }
}

/// The mistakes found so far, shared by all sections of one reading.
#[derive(Debug, Clone, Default)]
pub struct Problems(Rc<RefCell<Vec<Problem>>>);

impl Problems {
    pub fn add(&self, origin: Option<String>, key: impl Into<String>, text: impl Into<String>) {
        self.0.borrow_mut().push(Problem { origin, key: key.into(), text: text.into() });
    }

    pub fn into_vec(self) -> Vec<Problem> {
        self.0.borrow().clone()
    }
}

/// One table of the configuration while it is read. What was not asked for is unknown: `finish` says so.
#[derive(Debug)]
pub struct Section {
    path: String,
    values: HashMap<String, Value>,
    asked: BTreeSet<String>,
    problems: Problems,
}

impl Section {
    /// The root of a configuration tree.
    pub fn root(values: HashMap<String, Value>, problems: Problems) -> Self {
        Self { path: String::new(), values, asked: BTreeSet::new(), problems }
    }

    /// The full name of a key in this section.
    pub fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.asked.insert(key.to_owned());
        self.values.remove(key).filter(|value| !matches!(value.kind, ValueKind::Nil))
    }

    /// The value of `key`, or nothing where it is unset or wrong (which is kept as a problem).
    pub fn optional<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        let value = self.take(key)?;
        let origin = value.origin().map(ToOwned::to_owned);
        match T::deserialize(value) {
            Ok(read) => Some(read),
            Err(error) => {
                let error = config_error_text(&error);
                self.problems.add(origin, self.path_of(key), error);
                None
            }
        }
    }

    /// The value of `key`, or `default` where it is unset.
    pub fn get<T: DeserializeOwned>(&mut self, key: &str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// The value of a key that has no default. `None` is already a problem on record.
    pub fn required<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        if !self.values.contains_key(key) {
            self.asked.insert(key.to_owned());
            self.problem(key, "is required");
            return None;
        }
        self.optional(key)
    }

    /// Whether the operator wrote this key at all.
    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// A table inside this one; empty where it is unset.
    pub fn section(&mut self, key: &str) -> Self {
        let path = self.path_of(key);
        let values = match self.take(key) {
            None => HashMap::new(),
            Some(value) => self.table(value, &path),
        };
        Self { path, values, asked: BTreeSet::new(), problems: self.problems.clone() }
    }

    /// A table, or a list of them: each with whether it is one of a list. Nothing where it is unset.
    pub fn one_or_many(&mut self, key: &str) -> Vec<(Self, bool)> {
        match self.values.get(key).map(|value| &value.kind) {
            None | Some(ValueKind::Nil) => {
                self.asked.insert(key.to_owned());
                Vec::new()
            }
            Some(ValueKind::Array(_)) => self.list(key).into_iter().map(|one| (one, true)).collect(),
            Some(_) => vec![(self.section(key), false)],
        }
    }

    /// A list of tables, such as `[[routes]]`.
    pub fn list(&mut self, key: &str) -> Vec<Self> {
        let path = self.path_of(key);
        let Some(value) = self.take(key) else { return Vec::new() };
        let origin = value.origin().map(ToOwned::to_owned);
        let ValueKind::Array(items) = value.kind else {
            self.problems.add(origin, path, "must be a list of tables");
            return Vec::new();
        };
        let mut sections = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let path = format!("{path}[{index}]");
            let values = self.table(item, &path);
            sections.push(Self { path, values, asked: BTreeSet::new(), problems: self.problems.clone() });
        }
        sections
    }

    fn table(&self, value: Value, path: &str) -> HashMap<String, Value> {
        let origin = value.origin().map(ToOwned::to_owned);
        if let ValueKind::Table(table) = value.kind {
            table
        } else {
            self.problems.add(origin, path, "must be a table");
            HashMap::new()
        }
    }

    /// The names of a table whose keys are free, such as `types = { count = "integer" }`.
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<_> = self.values.keys().cloned().collect();
        keys.sort();
        keys
    }

    /// Keeps a mistake about one key of this section.
    pub fn problem(&self, key: &str, text: impl Into<String>) {
        self.problems.add(None, self.path_of(key), text);
    }

    /// Everything was asked for: whatever is left is unknown.
    pub fn finish(self) {
        let mut left: Vec<_> = self.values.iter().collect();
        left.sort_by_key(|(key, _)| key.as_str());
        for (key, value) in left {
            let near = self
                .asked
                .iter()
                .map(|known| (strsim::jaro_winkler(known, key), known))
                .filter(|(likeness, _)| *likeness > 0.75)
                .max_by(|a, b| a.0.total_cmp(&b.0));
            let text = match near {
                Some((_, known)) => format!("unknown key; did you mean \"{known}\"?"),
                None => "unknown key".to_owned(),
            };
            self.problems.add(value.origin().map(ToOwned::to_owned), self.path_of(key), text);
        }
    }
}

/// The text of the innermost error: origin and key stand in the [`Problem`] already.
fn config_error_text(error: &config::ConfigError) -> String {
    match error {
        config::ConfigError::At { error, .. } => config_error_text(error),
        config::ConfigError::Type { unexpected, expected, .. } => {
            format!("expected {expected}, found {unexpected}")
        }
        other => other.to_string(),
    }
}

/// A length of time, written `200ms`, `30s`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map(Self).map_err(|_| {
            serde::de::Error::custom(format!(
                "\"{text}\" is not a length of time; write a number with its unit, such as \"200ms\", \"30s\" or \"7d\""
            ))
        })
    }
}

/// A number of bytes, written `64 KiB`, `1 MiB`, `2 GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse::<bytesize::ByteSize>().map(|size| Self(size.as_u64())).map_err(|_| {
            serde::de::Error::custom(format!(
                "\"{text}\" is not a size; write a number with its unit, such as \"64 KiB\" or \"1 GiB\""
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Section, Problems) {
        let tree = config::Config::builder()
            .add_source(config::File::from_str(text, config::FileFormat::Toml))
            .build()
            .unwrap();
        let table = tree.cache.into_table().unwrap();
        let problems = Problems::default();
        (Section::root(table.into_iter().collect(), problems.clone()), problems)
    }

    #[test]
    fn all_mistakes_are_reported_at_once_with_the_nearest_known_key() {
        let (mut root, problems) = read("[journal]\nmax_sise = \"1 GiB\"\nsync = \"soon\"\nkeep = 3\n");
        let mut journal = root.section("journal");
        assert_eq!(journal.get("max_size", Size(7)), Size(7));
        assert_eq!(journal.get("sync", Span(Duration::ZERO)), Span(Duration::ZERO));
        assert!(journal.get("keep", false));
        assert_eq!(journal.required::<String>("dir"), None);
        journal.finish();
        root.finish();
        let found: Vec<_> = problems.into_vec().iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("journal.sync") && found[0].contains("200ms"), "{found:?}");
        assert!(found[1].contains("journal.dir: is required"), "{found:?}");
        assert!(found[2].contains("did you mean \"max_size\"?"), "{found:?}");
    }

    #[test]
    fn sizes_and_times_are_read_with_their_unit() {
        let (mut root, problems) = read("a = \"64 KiB\"\nb = \"7d\"\n");
        assert_eq!(root.get("a", Size(0)), Size(65536));
        assert_eq!(root.get("b", Span(Duration::ZERO)), Span(Duration::from_secs(7 * 86400)));
        root.finish();
        assert!(problems.into_vec().is_empty());
    }
}
