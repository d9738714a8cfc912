//! A point: what is stored. Its identity is measurement, tags and time.
//!
//! Names and tags are shared, with the text that stands for them in a line of line protocol, so that it is made once
//! and not for each point.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::escape::{write_key, write_name};
use crate::quality::Flag;

/// One value of a field. Numbers from devices are always floats; integers are counts of ours.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldValue {
    Float(f64),
    Integer(i64),
    Boolean(bool),
    Text(String),
}

/// One point. Tags and measurement are shared with the registry, so a point costs no copy of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub measurement: Arc<str>,
    pub tags: Tags,
    /// In a stable order; never empty in a point that is written.
    pub fields: Vec<Field>,
    /// Unix time in nanoseconds.
    pub time: i64,
}

/// A field with its quality flag. One that has neither value nor flag is not written.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub name: Name,
    /// Nothing where the device says that it has no value.
    pub value: Option<FieldValue>,
    /// Where flags are stored; it stands under a name of its own.
    pub flag: Option<Flag>,
}

impl Field {
    /// A value without a flag.
    pub fn of(name: impl Into<Name>, value: FieldValue) -> Self {
        Self { name: name.into(), value: Some(value), flag: None }
    }
}

impl Point {
    /// Every value as it is stored, flags under their own names.
    pub fn stored(&self) -> impl Iterator<Item = (&str, FieldValue)> {
        self.fields.iter().flat_map(|Field { name, value, flag }| {
            let value = value.clone().map(|value| (&**name, value));
            let flag = flag.map(|flag| (name.flag(), FieldValue::Integer(flag.number())));
            value.into_iter().chain(flag)
        })
    }
}

/// The name of a field and that of its flag.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Name(Arc<Spelt>);

#[derive(Debug)]
struct Spelt {
    text: Arc<str>,
    flag: Box<str>,
    /// `,name=` and `,name_qc=`, escaped.
    key: Box<[u8]>,
    flag_key: Box<[u8]>,
}

impl Name {
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        let flag = format!("{text}_qc");
        Self::spelt(text, flag)
    }

    /// That of a value that cannot be; its flag stands under the field's.
    #[must_use]
    pub fn failed(&self) -> Self {
        Self::spelt(format!("{self}_failed").into(), self.0.flag.to_string())
    }

    fn spelt(text: Arc<str>, flag: String) -> Self {
        let key = |name: &str| {
            let mut key = vec![b','];
            write_key(name, &mut key);
            key.push(b'=');
            key.into_boxed_slice()
        };
        let (key, flag_key) = (key(&text), key(&flag));
        Self(Arc::new(Spelt { text, flag: flag.into(), key, flag_key }))
    }

    pub fn text(&self) -> &Arc<str> {
        &self.0.text
    }

    /// The name of its flag.
    pub fn flag(&self) -> &str {
        &self.0.flag
    }

    /// What stands before its value in a line, a comma first.
    pub fn key(&self) -> &[u8] {
        &self.0.key
    }

    /// The same of its flag.
    pub fn flag_key(&self) -> &[u8] {
        &self.0.flag_key
    }

    /// Whether they are one and not only equal. Names that are let in once are.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0.text
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.is(other) || **self == **other
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (**self).cmp(&**other)
    }
}

impl std::hash::Hash for Name {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        (*name).to_owned()
    }
}

/// A key and its value.
pub type Tag = (Arc<str>, Arc<str>);

/// The tags of a point, shared.
#[derive(Debug, Clone)]
pub struct Tags(Arc<Told>);

#[derive(Debug)]
struct Told {
    /// Sorted by key, no empty value.
    pairs: Box<[Tag]>,
    /// `,key=value` of each, escaped.
    text: Box<[u8]>,
}

impl Tags {
    /// What stands behind the measurement in a line.
    pub fn text(&self) -> &[u8] {
        &self.0.text
    }

    /// Whether they are one and not only equal.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for Tags {
    type Target = [Tag];

    fn deref(&self) -> &[Tag] {
        &self.0.pairs
    }
}

impl PartialEq for Tags {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl From<Vec<Tag>> for Tags {
    fn from(pairs: Vec<Tag>) -> Self {
        let mut text = Vec::new();
        for (key, value) in pairs.iter().filter(|(key, value)| !key.is_empty() && !value.is_empty()) {
            text.push(b',');
            write_key(key, &mut text);
            text.push(b'=');
            write_name(value, &mut text);
        }
        Self(Arc::new(Told { pairs: pairs.into(), text: text.into() }))
    }
}

impl FromIterator<Tag> for Tags {
    fn from_iter<I: IntoIterator<Item = Tag>>(tags: I) -> Self {
        Self::from(tags.into_iter().collect::<Vec<_>>())
    }
}
