//! Records: one object of a pack as it stands, before base fields are applied.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::reading::ReadingValue;

/// The labels of RFC 8428, 4.3, and what stands for them in CBOR (table 4).
pub(super) const LABELS: [(&str, i64); 15] = [
    ("bn", -2),
    ("bt", -3),
    ("bu", -4),
    ("bv", -5),
    ("bs", -6),
    ("bver", -1),
    ("n", 0),
    ("u", 1),
    ("v", 2),
    ("vs", 3),
    ("vb", 4),
    ("vd", 8),
    ("s", 5),
    ("t", 6),
    ("ut", 7),
];

/// Which labels a record has told so far.
pub(super) type Seen = [bool; LABELS.len()];

/// One record. Base fields of the wrong type end the reading; with regular ones it goes on.
#[derive(Debug, Default)]
pub(super) struct Record<'a> {
    pub(super) base_name: Option<Cow<'a, str>>,
    pub(super) base_time: Option<f64>,
    pub(super) base_unit: Option<Cow<'a, str>>,
    pub(super) base_value: Option<f64>,
    pub(super) base_sum: Option<f64>,
    pub(super) version: Option<f64>,
    pub(super) name: Option<Cow<'a, str>>,
    pub(super) unit: Option<Cow<'a, str>>,
    pub(super) value: Option<ReadingValue<'a>>,
    pub(super) sum: Option<f64>,
    pub(super) time: Option<f64>,
    /// It has a field of its own, so it says something itself.
    pub(super) measures: bool,
    /// What is wrong with its own fields.
    pub(super) fault: Option<String>,
}

/// A member's value as it stood.
pub(super) enum Member<'a> {
    Null,
    Number(f64),
    /// Not a number, or infinite.
    NotFinite,
    Text(Cow<'a, str>),
    Boolean(bool),
    Nested,
}

impl<'a> Member<'a> {
    /// `null` is a field that is not there.
    fn number(self, label: &str) -> Result<Option<f64>, String> {
        match self {
            Self::Number(number) => Ok(Some(number)),
            Self::Null => Ok(None),
            Self::NotFinite => Err(format!("has a \"{label}\" that is not finite")),
            _ => Err(format!("has a \"{label}\" that is no number")),
        }
    }

    fn text(self, label: &str) -> Result<Option<Cow<'a, str>>, String> {
        match self {
            Self::Text(text) => Ok(Some(text)),
            Self::Null => Ok(None),
            _ => Err(format!("has a \"{label}\" that is no text")),
        }
    }

    fn truth(self, label: &str) -> Result<Option<bool>, String> {
        match self {
            Self::Boolean(truth) => Ok(Some(truth)),
            Self::Null => Ok(None),
            _ => Err(format!("has a \"{label}\" that is neither true nor false")),
        }
    }
}

impl<'a> Record<'a> {
    /// Takes the field of that number among the labels in; an error refuses the pack.
    pub(super) fn set(&mut self, seen: &mut Seen, number: usize, member: Member<'a>) -> Result<(), String> {
        let label = LABELS.get(number).map_or("", |(label, _)| *label);
        if seen.get_mut(number).is_some_and(|seen| std::mem::replace(seen, true)) {
            return Err(format!("a record tells \"{label}\" twice"));
        }
        let told = !matches!(member, Member::Null) || label.starts_with('v');
        self.measures |= told && !label.starts_with('b');
        match self.take(label, member) {
            Ok(()) => {}
            Err((true, fault)) => return Err(format!("a record {fault}")),
            Err((false, fault)) => drop(self.fault.get_or_insert(fault)),
        }
        Ok(())
    }

    /// What is said of a label that ends in `_` and is not known.
    pub(super) fn not_understood(label: &str) -> String {
        let shown: String = label.chars().take(40).collect();
        format!("the label \"{}\" must be understood, and is not", shown.escape_debug())
    }

    /// Whether the label was a base field, and what is wrong with it.
    fn take(&mut self, label: &str, member: Member<'a>) -> Result<(), (bool, String)> {
        let base = |fault| (true, fault);
        let own = |fault| (false, fault);
        match label {
            "bn" => self.base_name = member.text(label).map_err(base)?,
            "bt" => self.base_time = member.number(label).map_err(base)?,
            "bu" => self.base_unit = member.text(label).map_err(base)?,
            "bv" => self.base_value = member.number(label).map_err(base)?,
            "bs" => self.base_sum = member.number(label).map_err(base)?,
            "bver" => self.version = member.number(label).map_err(base)?,
            "n" => self.name = member.text(label).map_err(own)?,
            "u" => self.unit = member.text(label).map_err(own)?,
            "s" => self.sum = member.number(label).map_err(own)?,
            "t" => self.time = member.number(label).map_err(own)?,
            "ut" => drop(member.number(label).map_err(own)?),
            "v" => self.value(member.number(label).map_err(own)?.map(ReadingValue::Number)).map_err(own)?,
            "vs" => self.value(member.text(label).map_err(own)?.map(ReadingValue::Text)).map_err(own)?,
            "vb" => self.value(member.truth(label).map_err(own)?.map(ReadingValue::Boolean)).map_err(own)?,
            _ => {
                let data = member.text(label).map_err(own)?;
                if data.as_deref().is_some_and(|data| !is_base64url(data)) {
                    return Err(own("has a \"vd\" that is not base64url without padding".to_owned()));
                }
                self.value(data.map(ReadingValue::Text)).map_err(own)?;
            }
        }
        Ok(())
    }

    fn value(&mut self, told: Option<ReadingValue<'a>>) -> Result<(), String> {
        match (&self.value, told) {
            (None, None) => self.value = Some(ReadingValue::Null),
            (Some(_), None) => {}
            (None | Some(ReadingValue::Null), told) => self.value = told,
            (Some(_), Some(_)) => return Err("has more than one value".to_owned()),
        }
        Ok(())
    }
}

/// RFC 4648, section 5, without padding.
fn is_base64url(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.bytes().all(allowed) && text.len() % 4 != 1
}

impl<'de: 'a, 'a> Deserialize<'de> for Record<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Record<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a SenML record")
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<Record<'de>, E> {
                Err(E::custom("text, and no SenML record"))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record<'de>, A::Error> {
                let mut record = Record::default();
                let mut seen = Seen::default();
                while let Some(Label(label)) = map.next_key::<Label<'de>>()? {
                    let Some(number) = LABELS.iter().position(|(known, _)| *known == label) else {
                        if label.ends_with('_') {
                            return Err(A::Error::custom(Record::not_understood(&label)));
                        }
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    let member = map.next_value()?;
                    record.set(&mut seen, number, member).map_err(A::Error::custom)?;
                }
                Ok(record)
            }
        }
        reader.deserialize_any(Fields)
    }
}

/// A label, borrowed where it needs no unescaping.
#[derive(serde::Deserialize)]
struct Label<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Member<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Member<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_unit<E: Error>(self) -> Result<Member<'de>, E> {
                Ok(Member::Null)
            }

            fn visit_bool<E: Error>(self, truth: bool) -> Result<Member<'de>, E> {
                Ok(Member::Boolean(truth))
            }

            #[expect(clippy::cast_precision_loss, reason = "SenML's numbers are floats")]
            fn visit_i64<E: Error>(self, number: i64) -> Result<Member<'de>, E> {
                Ok(Member::Number(number as f64))
            }

            #[expect(clippy::cast_precision_loss, reason = "SenML's numbers are floats")]
            fn visit_u64<E: Error>(self, number: u64) -> Result<Member<'de>, E> {
                Ok(Member::Number(number as f64))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Member<'de>, E> {
                Ok(Member::Number(number))
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Member<'de>, E> {
                Ok(Member::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Member<'de>, E> {
                Ok(Member::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Member<'de>, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Member::Nested)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Member<'de>, A::Error> {
                while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Member::Nested)
            }
        }
        reader.deserialize_any(Any)
    }
}
