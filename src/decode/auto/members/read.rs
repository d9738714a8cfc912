//! Reading: JSON to what is kept of its members. What stands deeper than one level inside them is passed over.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{AIRGRADIENT, Inner, KNOWN, List, Look, Members, Value};
use crate::decode::senml::is_label;
use crate::decode::tree::Key;

/// Elements of an array that are looked at. More may say something else, so an array that has them is not decided.
const MOST_ELEMENTS: usize = 10_000;
/// Any of them beside a reading's `value` makes it an attribute of NGSI.
const OF_ATTRIBUTES: [&str; 5] = ["type", "metadata", "observedAt", "unitCode", "@type"];

impl<'de> Deserialize<'de> for Look<'de> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(LookVisitor)
    }
}

struct LookVisitor;

impl<'de> Visitor<'de> for LookVisitor {
    type Value = Look<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Look<'de>, A::Error> {
        Members::read(map).map(Look::Object)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Look<'de>, A::Error> {
        let mut list = List::default();
        for _ in 0..MOST_ELEMENTS {
            match items.next_element::<Value<'de, Members<'de>>>()? {
                Some(Value::Object(object)) => list.add(&object),
                Some(_) => list.others = true,
                None => return Ok(Look::List(list)),
            }
        }
        while items.next_element::<IgnoredAny>()?.is_some() {
            list.beyond = true;
        }
        Ok(Look::List(list))
    }
}

/// What is kept of an object.
trait Kept<'de>: Sized {
    fn read<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error>;
}

impl<'de> Kept<'de> for Members<'de> {
    fn read<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut members = Members { labels_only: true, empty: true, ..Members::default() };
        while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
            members.empty = false;
            members.labels_only &= is_label(&key);
            members.one_m2m |= matches!(&*key, "m2m:rqp" | "m2m:rsp" | "m2m:sgn" | "m2m:cin");
            members.iot |= key.contains("@iot.");
            let value: Value<'de, Inner> = map.next_value()?;
            if let Value::Object(inner) = &value {
                members.attribute |= inner.value && inner.of_attribute;
            }
            let known = KNOWN.iter().chain(AIRGRADIENT).find(|known| **known == key);
            if let Some(known) = known.filter(|known| !members.has(known)) {
                members.found.push((known, value));
            }
        }
        // An object without members has no label either.
        members.labels_only &= !members.empty;
        Ok(members)
    }
}

impl<'de> Kept<'de> for Inner {
    fn read<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut inner = Inner::default();
        while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
            map.next_value::<IgnoredAny>()?;
            inner.dev_eui |= key == "devEui";
            inner.value |= key == "value";
            inner.of_attribute |= OF_ATTRIBUTES.contains(&&*key);
            inner.id |= key == "id";
            inner.kind |= key == "type";
            inner.recorded_at |= key == "recorded_at";
        }
        Ok(inner)
    }
}

impl<'de, O: Kept<'de>> Deserialize<'de> for Value<'de, O> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(ValueVisitor(PhantomData))
    }
}

struct ValueVisitor<O>(PhantomData<O>);

impl<'de, O: Kept<'de>> Visitor<'de> for ValueVisitor<O> {
    type Value = Value<'de, O>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        O::read(map).map(Value::Object)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let first = items.next_element::<Value<'de, Inner>>()?;
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::List(match first {
            Some(Value::Object(inner)) => inner,
            _ => Inner::default(),
        }))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Value::Other)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Value::Other)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Value::Number)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Value::Number)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Value::Number)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }
}
