//! Settings: how a room reads its own section, so that every mistake is kept and none ends the reading.

mod setting;
mod span;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::rc::Rc;

use config::{Value, ValueKind};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use setting::{SECRETS, Setting};
pub use span::Span;

use setting::Unset;

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
    /// What all sections of one reading were asked for, and gave.
    settings: Rc<RefCell<Vec<Setting>>>,
    /// The keys are free names, which no documentation can list.
    free: Cell<bool>,
}

impl Section {
    /// The root of a configuration tree.
    pub fn root(values: HashMap<String, Value>, problems: Problems) -> Self {
        let (asked, settings, free) = (BTreeSet::new(), Rc::default(), Cell::new(false));
        Self { path: String::new(), values, asked, problems, settings, free }
    }

    /// A section of the same reading.
    fn inner(&self, path: String, values: HashMap<String, Value>) -> Self {
        let (problems, settings) = (self.problems.clone(), Rc::clone(&self.settings));
        Self { path, values, asked: BTreeSet::new(), problems, settings, free: Cell::new(false) }
    }

    /// Every key asked for so far, in this section and all of the same reading.
    pub fn settings(&self) -> Vec<Setting> {
        self.settings.borrow().clone()
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
    pub fn optional<T: DeserializeOwned + Serialize>(&mut self, key: &str) -> Option<T> {
        self.read(key, &Unset::Nothing)
    }

    /// The value of `key`, or `default` where it is unset.
    pub fn get<T: DeserializeOwned + Serialize>(&mut self, key: &str, default: T) -> T {
        self.read(key, &Unset::Default(&default)).unwrap_or(default)
    }

    /// The value of a key that has no default. `None` is already a problem on record.
    pub fn required<T: DeserializeOwned + Serialize>(&mut self, key: &str) -> Option<T> {
        if !self.values.contains_key(key) {
            self.asked.insert(key.to_owned());
            self.problem(key, "is required");
            return None;
        }
        self.read(key, &Unset::Refused)
    }

    /// Every value a room gets comes through here, so the record of settings lacks none.
    fn read<T: DeserializeOwned + Serialize>(&mut self, key: &str, unset: &Unset<'_, T>) -> Option<T> {
        let mut origin = None;
        let read = self.take(key).and_then(|value| {
            origin = value.origin().map(ToOwned::to_owned);
            let read = T::deserialize(value);
            if let Err(error) = &read {
                self.problems.add(origin.clone(), self.path_of(key), config_error_text(error));
            }
            read.ok()
        });
        let pattern = if self.free.get() { "*" } else { key };
        let pattern = without_indexes(&self.path_of(pattern));
        let setting =
            Setting::new(self.path_of(key), pattern, read.as_ref().map(|read| (read, origin)), unset);
        self.settings.borrow_mut().push(setting);
        read
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
        self.inner(path, values)
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
            sections.push(self.inner(path, values));
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
        self.free.set(true);
        let mut keys: Vec<_> = self.values.keys().cloned().collect();
        keys.sort();
        keys
    }

    /// Keeps a mistake about one key of this section.
    pub fn problem(&self, key: &str, text: impl Into<String>) {
        self.problems.add(None, self.path_of(key), text);
    }

    /// Keeps a mistake about a key that does not belong here, where somebody wrote it.
    pub fn refuse(&mut self, key: &str, text: &str) {
        if self.has(key)
            && let Some(value) = self.take(key)
        {
            self.problems.add(value.origin().map(ToOwned::to_owned), self.path_of(key), text);
        }
    }

    /// Everything was asked for: whatever is left is unknown.
    pub fn finish(self) {
        let mut left: Vec<_> = self.values.iter().collect();
        left.sort_by_key(|(key, _)| key.as_str());
        for (key, value) in left {
            let text = format!("unknown key{}", nearest(key, self.asked.iter().map(String::as_str)));
            self.problems.add(value.origin().map(ToOwned::to_owned), self.path_of(key), text);
        }
    }
}

/// Asks for the known word that is most like `written`; nothing where none is.
pub fn nearest<'k>(written: &str, known: impl Iterator<Item = &'k str>) -> String {
    let near = known
        .map(|known| (strsim::jaro_winkler(known, written), known))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    near.map(|(_, known)| format!("; did you mean \"{known}\"?")).unwrap_or_default()
}

/// `destinations[0].url` as `destinations[].url`.
fn without_indexes(path: &str) -> String {
    let mut indexed = false;
    let kept = path.chars().filter(|c| {
        indexed = (indexed && *c != ']') || *c == '[';
        !indexed || *c == '['
    });
    kept.collect()
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

impl Serialize for Size {
    /// As it is written: a whole number of the largest unit that fits.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const UNITS: [(u64, &str); 4] =
            [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        let fits = UNITS.into_iter().find(|(unit, _)| self.0 > 0 && self.0.is_multiple_of(*unit));
        let (unit, name) = fits.unwrap_or((1, "B"));
        serializer.collect_str(&format_args!("{} {name}", self.0 / unit))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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

    #[test]
    fn sizes_and_times_are_shown_as_they_are_written() {
        let shown = |value: serde_json::Value| value.as_str().unwrap().to_owned();
        for text in ["0s", "1ns", "200ms", "1m 30s", "5m", "7d", "1d 12h"] {
            let span: Span = serde_json::from_value(text.into()).unwrap();
            assert_eq!(shown(serde_json::to_value(span).unwrap()), text);
        }
        for text in ["0 B", "1000 B", "64 KiB", "1536 MiB", "16 GiB", "2 TiB"] {
            let size: Size = serde_json::from_value(text.into()).unwrap();
            assert_eq!(shown(serde_json::to_value(size).unwrap()), text);
        }
    }

    #[test]
    fn every_key_asked_for_is_on_record_with_its_value_and_default() {
        let (mut root, _) = read("a = 1\n[[list]]\nb = \"x\"\n[list.names]\none = 2\n");
        assert_eq!((root.get("a", 5), root.get("c", true)), (1, true));
        for mut section in root.list("list") {
            assert_eq!(section.optional::<String>("b").as_deref(), Some("x"));
            let mut names = section.section("names");
            for name in names.keys() {
                assert_eq!(names.optional(&name), Some(2));
            }
        }
        let told = root.settings().into_iter().map(|setting| {
            (setting.key, setting.pattern, setting.value.unwrap().to_string(), setting.default.is_some())
        });
        let expected = [
            ("a", "a", "1", true),
            ("c", "c", "true", true),
            ("list[0].b", "list[].b", "\"x\"", false),
            ("list[0].names.one", "list[].names.*", "2", false),
        ];
        let expected = expected.map(|(key, pattern, value, default)| {
            (key.to_owned(), pattern.to_owned(), value.to_owned(), default)
        });
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }
}
