//! Protocol Buffers: a small, bounded reader of the wire format (protobuf.dev, Encoding); nothing is allocated.
//!
//! Knows no messages: whoever calls it knows field numbers and types. Every fault tells the byte where it stands in the
//! whole payload. Groups are refused; they have been out of use since 2008 and are the only nesting on the wire itself.

use crate::outcome::{Reason, Rejection};

/// The fields of one message, in the order written.
#[derive(Debug, Clone)]
pub(super) struct Fields<'b> {
    bytes: &'b [u8],
    at: usize,
    /// Where the message begins in the payload.
    base: usize,
}

/// One field as it stands on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'b> {
    pub(super) number: u32,
    /// Where it begins in the payload.
    pub(super) offset: usize,
    value: Wire<'b>,
}

#[derive(Debug, Clone, Copy)]
enum Wire<'b> {
    Varint(u64),
    Fixed64(u64),
    Bytes { bytes: &'b [u8], offset: usize },
    Fixed32(u32),
}

impl<'b> Fields<'b> {
    pub(super) const fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0, base: 0 }
    }

    /// The next field; nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<Field<'b>>, Rejection> {
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        let offset = self.base.saturating_add(self.at);
        let tag = self.varint("a field's tag")?;
        let number = u32::try_from(tag >> 3).unwrap_or(u32::MAX);
        if number == 0 || number > 0x1fff_ffff {
            return Err(malformed(offset, format!("field number {number} does not exist")));
        }
        let value = match tag & 7 {
            0 => Wire::Varint(self.varint("a number")?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.array("eight bytes")?)),
            2 => {
                let length = self.varint("a length")?;
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                let offset = self.base.saturating_add(self.at);
                Wire::Bytes { bytes: self.take(length, "a text or message")?, offset }
            }
            5 => Wire::Fixed32(u32::from_le_bytes(self.array("four bytes")?)),
            other => {
                return Err(malformed(offset, format!("wire type {other} of field {number} is not in use")));
            }
        };
        Ok(Some(Field { number, offset, value }))
    }

    fn take(&mut self, length: usize, what: &str) -> Result<&'b [u8], Rejection> {
        let end = self.at.checked_add(length);
        let taken = end.and_then(|end| self.bytes.get(self.at..end)).ok_or_else(|| {
            let left = self.bytes.len().saturating_sub(self.at);
            malformed(
                self.base.saturating_add(self.at),
                format!("{what} of {length} bytes, and {left} are left"),
            )
        })?;
        self.at = self.at.saturating_add(length);
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Rejection> {
        let offset = self.base.saturating_add(self.at);
        self.take(N, what)?.try_into().map_err(|_| malformed(offset, what))
    }

    fn varint(&mut self, what: &str) -> Result<u64, Rejection> {
        let start = self.base.saturating_add(self.at);
        let mut value = 0_u64;
        for index in 0..10_u32 {
            let Some(byte) = self.bytes.get(self.at) else {
                return Err(malformed(start, format!("{what} is cut off")));
            };
            self.at = self.at.saturating_add(1);
            let part = u64::from(byte & 0x7f);
            // Only the last bit fits into the tenth byte.
            if index == 9 && *byte > 1 {
                break;
            }
            value |= part << index.saturating_mul(7).min(63);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(malformed(start, format!("{what} has more than 64 bits")))
    }
}

impl<'b> Field<'b> {
    fn wrong<T>(&self, wanted: &str) -> Result<T, Rejection> {
        let found = match self.value {
            Wire::Varint(_) => "a varint",
            Wire::Fixed64(_) => "eight bytes",
            Wire::Bytes { .. } => "bytes with a length",
            Wire::Fixed32(_) => "four bytes",
        };
        Err(malformed(self.offset, format!("field {} is {found}, not {wanted}", self.number)))
    }

    pub(super) fn varint(&self) -> Result<u64, Rejection> {
        match self.value {
            Wire::Varint(value) => Ok(value),
            _ => self.wrong("a varint"),
        }
    }

    /// An `int32` or `int64`: negative numbers fill all 64 bits.
    pub(super) fn signed(&self) -> Result<i64, Rejection> {
        Ok(i64::from_le_bytes(self.varint()?.to_le_bytes()))
    }

    pub(super) fn bytes(&self) -> Result<&'b [u8], Rejection> {
        match self.value {
            Wire::Bytes { bytes, .. } => Ok(bytes),
            _ => self.wrong("bytes with a length"),
        }
    }

    pub(super) fn text(&self) -> Result<&'b str, Rejection> {
        let Wire::Bytes { bytes, offset } = self.value else { return self.wrong("a text") };
        std::str::from_utf8(bytes).map_err(|error| {
            let offset = offset.saturating_add(error.valid_up_to());
            malformed(offset, format!("field {} is not valid UTF-8", self.number))
        })
    }

    pub(super) fn message(&self) -> Result<Fields<'b>, Rejection> {
        match self.value {
            Wire::Bytes { bytes, offset } => Ok(Fields { bytes, at: 0, base: offset }),
            _ => self.wrong("a message"),
        }
    }

    pub(super) fn double(&self) -> Result<f64, Rejection> {
        match self.value {
            Wire::Fixed64(bits) => Ok(f64::from_bits(bits)),
            _ => self.wrong("a double"),
        }
    }

    /// As short as it was told: 27.2, not 27.200000762939453.
    pub(super) fn float(&self) -> Result<f64, Rejection> {
        match self.value {
            Wire::Fixed32(bits) => Ok(f32::from_bits(bits).to_string().parse().unwrap_or(f64::NAN)),
            _ => self.wrong("a float"),
        }
    }
}

fn malformed(offset: usize, what: impl AsRef<str>) -> Rejection {
    Rejection::new(Reason::Malformed, format!("byte {offset}: {}", what.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(bytes: &[u8]) -> Result<Option<Field<'_>>, String> {
        Fields::new(bytes).next().map_err(|refused| refused.detail)
    }

    #[test]
    fn values_of_the_documentation_are_read() {
        // protobuf.dev, Encoding: `08 96 01` is field 1 = 150, `12 07 …` is field 2 = "testing".
        let field = first(&[0x08, 0x96, 0x01]).unwrap().unwrap();
        assert_eq!((field.number, field.varint()), (1, Ok(150)));
        let field = first(b"\x12\x07testing").unwrap().unwrap();
        assert_eq!((field.number, field.text()), (2, Ok("testing")));
        let minus_two = [0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(first(&minus_two).unwrap().unwrap().signed(), Ok(-2));
        assert_eq!(first(&[0x0d, 0x9a, 0x99, 0xd9, 0x41]).unwrap().unwrap().float(), Ok(27.2));
        assert!(first(&[]).unwrap().is_none());
    }

    #[test]
    fn faults_are_told_with_their_byte() {
        for (bytes, expected) in [
            (&[0x08][..], "byte 1: a number is cut off"),
            (&[0x80], "byte 0: a field's tag is cut off"),
            (&[0x00, 0x01], "byte 0: field number 0"),
            (&[0x0b], "byte 0: wire type 3"),
            (
                &[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f],
                "byte 6: a text or message of 4294967295 bytes, and 0 are left",
            ),
            (&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], "more than 64 bits"),
            (&[0x0d, 1, 2], "byte 1: four bytes of 4 bytes, and 2 are left"),
        ] {
            let wrong = first(bytes).unwrap_err();
            assert!(wrong.contains(expected), "{wrong}");
        }
        let text = first(&[0x0a, 0x02, b'a', 0xff]).unwrap().unwrap();
        assert_eq!(text.text().unwrap_err().detail, "byte 3: field 1 is not valid UTF-8");
        assert!(text.double().unwrap_err().detail.contains("field 1 is bytes with a length, not a double"));
        // 'a' is 0x61: field 12, eight bytes of which one is there.
        let inner = text.message().unwrap().next().unwrap_err().detail;
        assert_eq!(inner, "byte 3: eight bytes of 8 bytes, and 1 are left");
    }
}
