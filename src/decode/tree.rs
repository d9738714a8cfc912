//! Tree: a JSON text as values inside each other, for formats whose shape decides what a value means. Bounded while read.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::told::Told;
use super::{Hints, malformed};
use crate::outcome::{Reason, Rejection};
use crate::reading::{Reading, ReadingValue};

/// A longer name is no name: readings carry it, so length times count must stay bounded.
const MAX_NAME: usize = 256;

/// A value; borrows from the text where it needs no unescaping.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node<'a> {
    Null,
    Bool(bool),
    Whole(i64),
    Float(f64),
    Text(Cow<'a, str>),
    List(Vec<Self>),
    /// In the order written; of a key that stands twice the first counts.
    Object(Vec<(Cow<'a, str>, Self)>),
}

/// Reads one JSON text; objects, arrays and everything in them count as values.
pub(super) fn parse<'a>(text: &'a str, hints: &Hints<'_>) -> Result<Node<'a>, Rejection> {
    let mut state = State { hints, depth: 0, values: 0, refused: None };
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Build(&mut state).deserialize(&mut reader).and_then(|node| reader.end().map(|()| node));
    match (state.refused, read) {
        (Some(Rejection { reason, detail }), Err(error)) => {
            let place = format!("line {} column {}", error.line(), error.column());
            Err(Rejection::new(reason, format!("{detail} at {place}")))
        }
        (_, read) => read.map_err(|error| malformed(&error)),
    }
}

impl<'a> Node<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Node::Object(members) => members.iter().find(|(key, _)| key == name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The same for what says when or whose the readings are: told twice, nobody could say which is meant.
    pub(super) fn once(&self, name: &str) -> Result<Option<&Self>, Rejection> {
        let Node::Object(members) = self else { return Ok(None) };
        let mut found = members.iter().filter(|(key, _)| key == name).map(|(_, node)| node);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(told_twice(name)),
            (first, None) => Ok(first),
        }
    }

    pub(super) fn text(&self) -> Option<&Cow<'a, str>> {
        match self {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// As a time is told.
    pub(super) fn told(&self) -> Told<'a> {
        match self {
            Node::Whole(number) => Told::Whole(*number),
            Node::Float(number) => Told::Float(*number),
            Node::Text(text) => Told::Text(text.clone()),
            _ => Told::Other,
        }
    }

    /// Its values, their names joined by a dot behind `name`; arrays are counted from 0.
    pub(super) fn readings(self, name: Cow<'a, str>, out: &mut Vec<Reading<'a>>) -> Result<(), Rejection> {
        if name.len() > MAX_NAME {
            let detail = format!("a name of more than {MAX_NAME} bytes: \"{}…\"", super::shown(&name));
            return Err(Rejection::new(Reason::TooComplex, detail));
        }
        let below = |below: Cow<'a, str>| match &*name {
            "" => below,
            name => Cow::Owned([name, ".", &*below].concat()),
        };
        let value = match self {
            Node::Null => ReadingValue::Null,
            Node::Bool(on) => ReadingValue::Boolean(on),
            #[expect(clippy::cast_precision_loss, reason = "every number is stored as a float")]
            Node::Whole(number) => ReadingValue::Number(number as f64),
            Node::Float(number) => ReadingValue::Number(number),
            Node::Text(text) => ReadingValue::Text(text),
            Node::List(items) => {
                for (index, item) in items.into_iter().enumerate() {
                    item.readings(below(index.to_string().into()), out)?;
                }
                return Ok(());
            }
            Node::Object(members) => {
                for (key, member) in members {
                    member.readings(below(key), out)?;
                }
                return Ok(());
            }
        };
        out.push(Reading { name, value, unit: None, channel: None });
        Ok(())
    }
}

pub(super) fn told_twice(name: &str) -> Rejection {
    Rejection::new(Reason::Malformed, format!("\"{}\" is told twice", super::shown(name)))
}

struct State<'h> {
    hints: &'h Hints<'h>,
    depth: usize,
    values: usize,
    /// Why it ended, where the JSON itself is sound.
    refused: Option<Rejection>,
}

impl State<'_> {
    fn refuse<E: Error>(&mut self, detail: String) -> E {
        self.refused.get_or_insert(Rejection::new(Reason::TooComplex, detail));
        E::custom("refused")
    }

    fn count<E: Error>(&mut self) -> Result<(), E> {
        self.values = self.values.saturating_add(1);
        let most = self.hints.limits.max_values;
        if self.values > most {
            return Err(self.refuse(format!("more than {most} values")));
        }
        Ok(())
    }

    fn enter<E: Error>(&mut self) -> Result<(), E> {
        self.depth = self.depth.saturating_add(1);
        let most = self.hints.limits.max_depth;
        if self.depth > most {
            return Err(self.refuse(format!("nested deeper than {most}")));
        }
        Ok(())
    }
}

struct Build<'s, 'h>(&'s mut State<'h>);

impl<'de> DeserializeSeed<'de> for Build<'_, '_> {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Node<'de>, D::Error> {
        self.0.count()?;
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Build<'_, '_> {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<Node<'de>, E> {
        Ok(Node::Bool(on))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Node<'de>, E> {
        Ok(Node::Whole(number))
    }

    #[expect(clippy::cast_precision_loss, reason = "every number is stored as a float")]
    fn visit_u64<E: Error>(self, number: u64) -> Result<Node<'de>, E> {
        Ok(i64::try_from(number).map_or(Node::Float(number as f64), Node::Whole))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Node<'de>, E> {
        Ok(Node::Float(number))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node<'de>, A::Error> {
        self.0.enter()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Build(&mut *self.0))? {
            list.push(item);
        }
        self.0.depth = self.0.depth.saturating_sub(1);
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node<'de>, A::Error> {
        self.0.enter()?;
        let mut members = Vec::new();
        while let Some(Key(name)) = entries.next_key::<Key<'de>>()? {
            if name.len() > MAX_NAME {
                return Err(self.0.refuse(format!("a name of more than {MAX_NAME} bytes")));
            }
            members.push((name, entries.next_value_seed(Build(&mut *self.0))?));
        }
        self.0.depth = self.0.depth.saturating_sub(1);
        Ok(Node::Object(members))
    }
}

/// An object's key, borrowed where it needs no unescaping.
#[derive(serde::Deserialize)]
pub(super) struct Key<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);
