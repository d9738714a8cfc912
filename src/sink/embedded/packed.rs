//! The fields of one point as one value of the store.
//!
//! One entry for each field, in the order of its number: `number * 4 + kind` as a varint, then the value. Kind 0 is
//! a float (8 bytes, little-endian), 1 a whole number (zigzag, then a varint), 2 a text (its length as a varint,
//! then UTF-8).

use std::ops::Range;

use crate::point::FieldValue;

const FLOAT: u64 = 0;
const INTEGER: u64 = 1;
const TEXT: u64 = 2;

/// Packs fields; of two with one number the later stays.
#[derive(Debug, Default)]
pub(super) struct Packer {
    bytes: Vec<u8>,
    /// The number of each field, and where its entry is.
    entries: Vec<(u64, Range<usize>)>,
    packed: Vec<u8>,
}

impl Packer {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }

    pub(super) fn push(&mut self, field: u64, value: &FieldValue) {
        let start = self.bytes.len();
        let mut number = |number: f64| {
            push_varint(field << 2 | FLOAT, &mut self.bytes);
            self.bytes.extend_from_slice(&number.to_le_bytes());
        };
        match value {
            FieldValue::Float(float) => number(*float),
            FieldValue::Boolean(truth) => number(f64::from(u8::from(*truth))),
            // Kept apart from floats: a database that takes an export knows the two as types.
            FieldValue::Integer(whole) => {
                push_varint(field << 2 | INTEGER, &mut self.bytes);
                push_varint(zigzag(*whole), &mut self.bytes);
            }
            FieldValue::Text(text) => {
                push_varint(field << 2 | TEXT, &mut self.bytes);
                push_varint(u64::try_from(text.len()).unwrap_or(u64::MAX), &mut self.bytes);
                self.bytes.extend_from_slice(text.as_bytes());
            }
        }
        self.entries.push((field, start..self.bytes.len()));
    }

    /// Puts fields that were packed before in front of those pushed; false where they cannot be read to their end.
    pub(super) fn push_former(&mut self, packed: &[u8]) -> bool {
        let pushed = self.entries.len();
        let whole = entries(packed).all(|entry| {
            let Some((field, value)) = entry else { return false };
            self.push(field, &value);
            true
        });
        self.entries.rotate_left(pushed);
        whole
    }

    pub(super) fn pack(&mut self) -> &[u8] {
        // Nearly always they come in order; the sort keeps the order of equals.
        self.entries.sort_by_key(|(field, _)| *field);
        self.packed.clear();
        let mut entries = self.entries.iter().peekable();
        while let Some((field, range)) = entries.next() {
            if entries.peek().is_none_or(|(next, _)| next != field) {
                self.packed.extend_from_slice(self.bytes.get(range.clone()).unwrap_or_default());
            }
        }
        &self.packed
    }
}

/// The fields of one point by their numbers; ends in nothing where the rest cannot be read.
pub(super) fn entries(mut packed: &[u8]) -> impl Iterator<Item = Option<(u64, FieldValue)>> {
    std::iter::from_fn(move || {
        if packed.is_empty() {
            return None;
        }
        let entry = entry(&mut packed);
        if entry.is_none() {
            packed = &[];
        }
        Some(entry)
    })
}

fn entry(packed: &mut &[u8]) -> Option<(u64, FieldValue)> {
    let head = varint(packed)?;
    let value = match head & 3 {
        FLOAT => {
            let (bytes, rest) = packed.split_first_chunk()?;
            *packed = rest;
            FieldValue::Float(f64::from_le_bytes(*bytes))
        }
        INTEGER => FieldValue::Integer(whole(varint(packed)?)),
        TEXT => {
            let length = usize::try_from(varint(packed)?).ok()?;
            let (bytes, rest) = packed.split_at_checked(length)?;
            *packed = rest;
            FieldValue::Text(std::str::from_utf8(bytes).ok()?.to_owned())
        }
        _ => return None,
    };
    Some((head >> 2, value))
}

const fn zigzag(whole: i64) -> u64 {
    (whole.cast_unsigned() << 1) ^ (whole >> 63).cast_unsigned()
}

const fn whole(zigzag: u64) -> i64 {
    (zigzag >> 1).cast_signed() ^ (zigzag & 1).wrapping_neg().cast_signed()
}

fn push_varint(mut number: u64, out: &mut Vec<u8>) {
    while let more @ 1.. = number >> 7 {
        out.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number = more;
    }
    out.push(u8::try_from(number).unwrap_or(0));
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit.
        if part.leading_zeros() < shift {
            return None;
        }
        number |= part << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = FieldValue> {
        prop_oneof![
            any::<f64>().prop_map(FieldValue::Float),
            any::<i64>().prop_map(FieldValue::Integer),
            ".{0,200}".prop_map(FieldValue::Text),
        ]
    }

    fn text(entries: &[(u64, FieldValue)]) -> String {
        format!("{entries:?}")
    }

    proptest! {
        #[test]
        fn what_was_packed_is_read_back_and_the_later_of_two_stays(
            former in prop::collection::vec((0..1_u64 << 62, value()), 0..6),
            later in prop::collection::vec((prop_oneof![0..9_u64, 0..1_u64 << 62], value()), 0..9),
        ) {
            let mut packer = Packer::default();
            for (field, value) in &former {
                packer.push(*field, value);
            }
            let packed = packer.pack().to_vec();
            packer.clear();
            for (field, value) in &later {
                packer.push(*field, value);
            }
            packer.pack();
            prop_assert!(packer.push_former(&packed));
            let read: Vec<_> = entries(packer.pack()).map(Option::unwrap).collect();
            let expected: std::collections::BTreeMap<_, _> = former.into_iter().chain(later).collect();
            prop_assert_eq!(text(&read), text(&expected.into_iter().collect::<Vec<_>>()));
        }

        #[test]
        fn damaged_bytes_never_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let read: Vec<_> = entries(&bytes).collect();
            prop_assert!(read.iter().rev().skip(1).all(Option::is_some));
        }
    }

    #[test]
    fn a_cut_value_is_told_and_takes_no_room() {
        let mut packer = Packer::default();
        packer.push(1, &FieldValue::Float(0.5));
        packer.push(2, &FieldValue::Text("river".into()));
        let packed = packer.pack().to_vec();
        assert_eq!(packed.len(), 9 + 7);
        for end in 1..packed.len() {
            let whole = entries(&packed[..end]).all(|entry| entry.is_some());
            assert_eq!(whole, end == 9, "{end}");
        }
        // A text that says it is longer than memory.
        let mut huge = vec![2 << 2 | 2];
        push_varint(u64::MAX, &mut huge);
        assert_eq!(entries(&huge).collect::<Vec<_>>(), [None]);
    }
}
