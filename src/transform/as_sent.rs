//! Names kept: a route with `names = "as_sent"` writes what a city's dashboards query already, and nothing beside it.
//!
//! Measurement, field names and types are as told; tags are constant, taken from the topic or from the payload.
//! No catalogue, no registry, no flags and no `delay_s`. Times are judged as everywhere.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::State;
use super::assemble::Rest;
use super::explain::{SampleStory, Trace};
use super::pattern::Pattern;
use super::when::{When, in_words};
use crate::check::finite;
use crate::outcome::{Reason, Rejection};
use crate::point::{Field, FieldValue, Name, Point, Tags};
use crate::reading::{Reading, ReadingValue, Sample};
use crate::settings::Section;
use crate::topic::Template;

/// Topics are remembered, so each must be short.
const MAX_TOPIC: usize = 1024;
/// Beyond this a float no longer tells neighbouring whole numbers apart.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// What a field is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    Float,
    Integer,
    Boolean,
    Text,
}

/// What becomes of text and truth values that `types` does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Others {
    /// Passed over, as Telegraf's `json` does.
    #[default]
    Skip,
    /// Stored as they are.
    Keep,
}

/// The keys of such a route.
#[derive(Debug, Clone)]
pub struct AsSent {
    measurement: Pattern,
    tags: BTreeMap<Arc<str>, Pattern>,
    fields: BTreeMap<Name, Pattern>,
    topic_tag: Option<Arc<str>>,
    tag_keys: Vec<String>,
    types: HashMap<String, Type>,
    others: Others,
}

impl AsSent {
    /// Reads the keys; mistakes are problems on record.
    pub(super) fn read(section: &mut Section, topic: &Template) -> Option<Self> {
        let pattern = |section: &Section, key: &str, text: &str| match Pattern::parse(text, topic) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                section.problem(key, error);
                None
            }
        };
        let measurement = section.required::<String>("measurement");
        let measurement = measurement.and_then(|text| pattern(section, "measurement", &text));
        let mut table = |key: &str| {
            let mut inner = section.section(key);
            let mut patterns = BTreeMap::new();
            for name in inner.keys() {
                let text = inner.optional::<String>(&name);
                if let Some(pattern) = text.and_then(|text| pattern(&inner, &name, &text)) {
                    patterns.insert(name, pattern);
                }
            }
            patterns
        };
        let (tags, fields): (BTreeMap<String, _>, BTreeMap<String, _>) = (table("tags"), table("fields"));
        let tags = tags.into_iter().map(|(name, pattern)| (Arc::from(name), pattern)).collect();
        let fields = fields.into_iter().map(|(name, pattern)| (Name::from(name), pattern)).collect();
        let mut inner = section.section("types");
        let types = inner.keys().into_iter().filter_map(|name| Some((name.clone(), inner.optional(&name)?)));
        let types = types.collect();
        Some(Self {
            measurement: measurement?,
            tags,
            fields,
            topic_tag: section.optional::<String>("topic_tag").filter(|tag| !tag.is_empty()).map(Arc::from),
            tag_keys: section.get("tag_keys", Vec::new()),
            types,
            others: section.get("others", Others::default()),
        })
    }

    /// The fields whose types are told here, and under no name the type of all others. No measurement where topics
    /// tell it: that is any.
    pub(super) fn expected(&self) -> impl Iterator<Item = ((String, String), &'static str)> {
        let measurement = self.measurement.constant().unwrap_or_default().to_owned();
        let others = (!measurement.is_empty()).then(|| ((measurement.clone(), String::new()), "float"));
        let named = self.types.iter().map(move |(name, kind)| {
            let kind = match kind {
                Type::Float => "float",
                Type::Integer => "integer",
                Type::Boolean => "boolean",
                Type::Text => "string",
            };
            ((measurement.clone(), name.clone()), kind)
        });
        named.chain(others)
    }

    /// A tag that is the same for all topics.
    pub(super) fn constant_tag(&self, key: &str) -> Option<Arc<str>> {
        self.tags.get(key)?.constant().map(Arc::from)
    }

    fn typed(&self, reading: &Reading<'_>) -> Result<Option<FieldValue>, Rejection> {
        let kind = self.types.get(&*reading.name);
        Ok(match (&reading.value, kind) {
            (ReadingValue::Null, _) => None,
            (ReadingValue::Number(number), None) => {
                Some(FieldValue::Float(finite::check(&reading.name, *number)?))
            }
            (ReadingValue::Boolean(truth), None) => {
                (self.others == Others::Keep).then_some(FieldValue::Boolean(*truth))
            }
            (ReadingValue::Text(text), None) => {
                (self.others == Others::Keep).then(|| FieldValue::Text(text.clone().into_owned()))
            }
            (value, Some(kind)) => Some(convert(&reading.name, value, *kind)?),
        })
    }
}

/// A value as the type that its field has in the database; never a changed value.
fn convert(name: &str, value: &ReadingValue<'_>, kind: Type) -> Result<FieldValue, Rejection> {
    let wrong = |what: &str| {
        let detail = format!("\"{}\" is {what}, and types says {kind:?}", name.escape_debug());
        Rejection::new(Reason::WrongType, detail.to_lowercase())
    };
    match (kind, value) {
        (Type::Float, ReadingValue::Number(number)) => Ok(FieldValue::Float(finite::check(name, *number)?)),
        (Type::Float, ReadingValue::Boolean(truth)) => Ok(FieldValue::Float(f64::from(u8::from(*truth)))),
        (Type::Float, ReadingValue::Text(text)) => {
            let number = text.trim().parse().map_err(|_| wrong("text that is no number"))?;
            Ok(FieldValue::Float(finite::check(name, number)?))
        }
        (Type::Integer, ReadingValue::Number(number)) => {
            if number.fract() != 0.0 || !(-EXACT..=EXACT).contains(number) {
                return Err(wrong("not a whole number that can be told exactly"));
            }
            #[expect(clippy::cast_possible_truncation, reason = "whole, and within 2^53")]
            Ok(FieldValue::Integer(*number as i64))
        }
        (Type::Integer, ReadingValue::Boolean(truth)) => Ok(FieldValue::Integer(i64::from(*truth))),
        (Type::Integer, ReadingValue::Text(text)) => {
            text.trim().parse().map(FieldValue::Integer).map_err(|_| wrong("text that is no whole number"))
        }
        (Type::Boolean, ReadingValue::Boolean(truth)) => Ok(FieldValue::Boolean(*truth)),
        (Type::Boolean, ReadingValue::Text(text)) => match text.trim() {
            "true" | "True" | "TRUE" | "t" | "T" => Ok(FieldValue::Boolean(true)),
            "false" | "False" | "FALSE" | "f" | "F" => Ok(FieldValue::Boolean(false)),
            _ => Err(wrong("text that is neither true nor false")),
        },
        (Type::Boolean, ReadingValue::Number(_)) => Err(wrong("a number")),
        (Type::Text, ReadingValue::Text(text)) => Ok(FieldValue::Text(text.clone().into_owned())),
        (Type::Text, ReadingValue::Number(number)) => Ok(FieldValue::Text(number.to_string())),
        (Type::Text, ReadingValue::Boolean(truth)) => Ok(FieldValue::Text(truth.to_string())),
        (_, ReadingValue::Null) => Err(wrong("null")),
    }
}

/// One message of such a route while its samples become points.
pub(super) struct Kept<'w> {
    pub(super) names: &'w AsSent,
    pub(super) template: &'w Template,
    pub(super) topic: &'w str,
    pub(super) when: When<'w>,
    pub(super) rest: Rest,
    pub(super) max_topics: usize,
    pub(super) state: &'w mut State,
    pub(super) out: &'w mut Vec<Point>,
    pub(super) trace: &'w mut Trace,
}

impl Kept<'_> {
    pub(super) fn samples(&mut self, samples: &[Sample<'_>]) {
        // No tag tells them apart, so a second device would overwrite the first.
        let first = samples.first().and_then(|sample| sample.device.as_deref());
        for sample in samples {
            let device = sample.device.as_deref();
            let done = if device == first {
                self.point(sample)
            } else {
                let detail = format!(
                    "it is of \"{}\" beside other devices, and names = \"as_sent\" has no tag for the device",
                    device.unwrap_or_default().escape_debug()
                );
                Err(Rejection::new(Reason::NoDevice, detail))
            };
            if let Err(rejection) = done {
                self.rest.add(rejection);
            }
        }
    }

    fn point(&mut self, sample: &Sample<'_>) -> Result<(), Rejection> {
        let (verdict, time) = self.when.of(sample.time)?;
        if self.topic.len() > MAX_TOPIC {
            let detail =
                format!("the topic has {} bytes; one of more than {MAX_TOPIC} is no name", self.topic.len());
            return Err(Rejection::new(Reason::InvalidTopic, detail));
        }
        self.state.names.admit_device(self.topic, self.max_topics)?;
        let measurement: Arc<str> = self.names.measurement.fill(self.template, self.topic).into();
        self.trace.note(|story| {
            story.samples.push(SampleStory {
                device: sample.device.as_deref().map(str::to_owned),
                registered: false,
                profile: "as_sent".to_owned(),
                measurement: measurement.to_string(),
                told_time: sample.time,
                time,
                time_check: in_words(verdict).to_owned(),
                readings: Vec::new(),
            });
        });
        let mut fields = Vec::with_capacity(sample.readings.len());
        for reading in &sample.readings {
            if self.names.tag_keys.iter().any(|key| *key == reading.name) {
                continue;
            }
            match self
                .names
                .typed(reading)
                .and_then(|value| self.admit(&measurement, reading, value, &fields))
            {
                Ok(None) => {}
                Ok(Some((name, value))) => {
                    self.trace.kept(reading, &name, &value);
                    fields.push(Field::of(name, value));
                }
                Err(rejection) => {
                    self.trace.refused(reading, &rejection);
                    self.rest.add(rejection);
                }
            }
        }
        if fields.is_empty() {
            return Ok(());
        }
        for (name, pattern) in &self.names.fields {
            let text = pattern.fill(self.template, self.topic);
            let kind = self.names.types.get(&**name).copied().unwrap_or(Type::Text);
            match convert(name, &ReadingValue::Text(text.into()), kind) {
                Ok(_) if fields.iter().any(|known| known.name == *name) => {}
                Ok(value) => fields.push(Field::of(name.clone(), value)),
                Err(rejection) => self.rest.add(rejection),
            }
        }
        self.out.push(Point { measurement, tags: self.tags(sample), fields, time });
        Ok(())
    }

    /// Nothing where there is no value, or the same one again.
    fn admit(
        &mut self,
        measurement: &str,
        reading: &Reading<'_>,
        value: Option<FieldValue>,
        fields: &[Field],
    ) -> Result<Option<(Name, FieldValue)>, Rejection> {
        let Some(value) = value else { return Ok(None) };
        if let Some(known) = fields.iter().find(|field| *field.name == *reading.name) {
            if known.value.as_ref() == Some(&value) {
                return Ok(None);
            }
            let detail = format!("\"{}\" is told twice with different values", known.name.escape_debug());
            return Err(Rejection::new(Reason::Malformed, detail));
        }
        Ok(Some((self.state.names.admit_sent_name(measurement, &reading.name)?, value)))
    }

    /// Sorted by key; what the payload tells wins over the topic, as it does in Telegraf.
    fn tags(&self, sample: &Sample<'_>) -> Tags {
        let mut tags = BTreeMap::<Arc<str>, Arc<str>>::new();
        if let Some(key) = &self.names.topic_tag {
            tags.insert(Arc::clone(key), self.topic.into());
        }
        for (key, pattern) in &self.names.tags {
            tags.insert(Arc::clone(key), pattern.fill(self.template, self.topic).into());
        }
        for key in &self.names.tag_keys {
            let told = sample.readings.iter().find(|reading| *reading.name == **key);
            let text = match told.map(|reading| &reading.value) {
                Some(ReadingValue::Text(text)) => text.to_string(),
                Some(ReadingValue::Number(number)) => number.to_string(),
                Some(ReadingValue::Boolean(truth)) => truth.to_string(),
                Some(ReadingValue::Null) | None => continue,
            };
            tags.insert(key.as_str().into(), text.into());
        }
        tags.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }
}
