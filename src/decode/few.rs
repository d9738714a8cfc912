//! Few: a JSON list of which there are few, such as the gateways that heard a device; a long one is refused while read.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// How a reason begins that is one of size.
pub(super) const TOO_MANY: &str = "a list of more than ";

#[derive(Debug)]
pub(super) struct Few<T, const MOST: usize = 1000>(pub(super) Vec<T>);

impl<T, const MOST: usize> Default for Few<T, MOST> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for Few<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_seq(All(PhantomData))
    }
}

struct All<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for All<T, MOST> {
    type Value = Few<T, MOST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Few<T, MOST>, A::Error> {
        let mut few = Vec::new();
        while let Some(item) = items.next_element()? {
            if few.len() >= MOST {
                return Err(A::Error::custom(format_args!("{TOO_MANY}{MOST}")));
            }
            few.push(item);
        }
        Ok(Few(few))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::malformed;
    use crate::outcome::Reason;

    #[test]
    fn a_long_list_is_refused_as_such_and_with_its_place() {
        let list = |count: usize| format!("[{}]", vec!["1"; count].join(","));
        assert_eq!(serde_json::from_str::<Few<u8>>(&list(1000)).unwrap().0.len(), 1000);
        let refused = malformed(&serde_json::from_str::<Few<u8>>(&list(1001)).unwrap_err());
        assert_eq!(refused.reason, Reason::TooComplex);
        assert!(refused.detail.starts_with("a list of more than 1000 at line 1 column 20"), "{refused}");
        assert!(serde_json::from_str::<Few<u8>>("7").is_err());
    }
}
