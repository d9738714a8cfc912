//! Protobuf on the wire: the fields of a message one after the other, bounded, each fault with its byte.
//!
//! After the encoding page of protobuf.dev. No schema: a decoder asks each field for the type it should have, and a
//! wrong one is refused. Unknown fields are passed over by whoever reads. Groups were withdrawn and are refused.

use crate::outcome::{Reason, Rejection};

/// A message, or what is left of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    rest: &'a [u8],
    /// Where the rest begins in the payload.
    at: usize,
}

/// One field with its value as it stands on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) number: u64,
    /// Where it begins in the payload.
    pub(super) at: usize,
    wire: Wire<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Wire<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Fixed32([u8; 4]),
    Bytes(Message<'a>),
}

fn malformed(at: usize, what: &str) -> Rejection {
    Rejection::new(Reason::Malformed, format!("at byte {at}: {what}"))
}

impl<'a> Message<'a> {
    pub(super) const fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload, at: 0 }
    }

    /// The next field; nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<Field<'a>>, Rejection> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let at = self.at;
        let key = self.varint()?;
        let number = key >> 3;
        if number == 0 || number > (1 << 29) - 1 {
            return Err(malformed(at, "no field number of protobuf"));
        }
        let wire = match key & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(self.fixed()?),
            2 => {
                let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                let start = self.at;
                Wire::Bytes(Message { rest: self.take(length)?, at: start })
            }
            5 => Wire::Fixed32(self.fixed()?),
            other => return Err(malformed(at, &format!("field {number} has the wire type {other}"))),
        };
        Ok(Some(Field { number, at, wire }))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Rejection> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            let left = self.rest.len();
            return Err(malformed(self.at, &format!("{length} bytes should follow, and {left} are there")));
        };
        self.rest = rest;
        self.at = self.at.saturating_add(length);
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Rejection> {
        let at = self.at;
        <[u8; N]>::try_from(self.take(N)?).map_err(|_| malformed(at, "cut short"))
    }

    fn varint(&mut self) -> Result<u64, Rejection> {
        // Nearly all keys and lengths are one byte.
        if let [byte @ ..0x80, rest @ ..] = self.rest {
            (self.rest, self.at) = (rest, self.at.saturating_add(1));
            return Ok((*byte).into());
        }
        let at = self.at;
        let mut number = 0_u64;
        for (index, byte) in self.rest.iter().take(10).enumerate() {
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if index == 9 && bits > 1 {
                return Err(malformed(at, "a number of more than 64 bits"));
            }
            number |= bits << (7 * index);
            if byte & 0x80 == 0 {
                let length = index.saturating_add(1);
                self.take(length)?;
                return Ok(number);
            }
        }
        let what = if self.rest.len() < 10 { "a number that is cut short" } else { "a number without end" };
        Err(malformed(at, what))
    }
}

impl<'a> Field<'a> {
    fn wrong(&self, wanted: &str) -> Rejection {
        let is = match self.wire {
            Wire::Varint(_) => "a varint",
            Wire::Fixed64(_) => "64 bits",
            Wire::Fixed32(_) => "32 bits",
            Wire::Bytes(_) => "bytes",
        };
        malformed(self.at, &format!("field {} is {is}, and should be {wanted}", self.number))
    }

    pub(super) fn varint(&self) -> Result<u64, Rejection> {
        match self.wire {
            Wire::Varint(number) => Ok(number),
            _ => Err(self.wrong("a varint")),
        }
    }

    /// Of 32 bits: what is beyond them is cut off, as everywhere in protobuf.
    #[expect(clippy::cast_possible_truncation, reason = "that is what protobuf says")]
    pub(super) fn varint32(&self) -> Result<u32, Rejection> {
        self.varint().map(|number| number as u32)
    }

    /// An `int32` or `int64`: negative numbers fill all 64 bits.
    pub(super) fn signed(&self) -> Result<i64, Rejection> {
        Ok(self.varint()?.cast_signed())
    }

    pub(super) fn truth(&self) -> Result<bool, Rejection> {
        self.varint().map(|number| number != 0)
    }

    pub(super) fn float(&self) -> Result<f32, Rejection> {
        match self.wire {
            Wire::Fixed32(bytes) => Ok(f32::from_le_bytes(bytes)),
            _ => Err(self.wrong("a float of 32 bits")),
        }
    }

    /// As short as it was told: 27.2, not 27.200000762939453.
    pub(super) fn short_float(&self) -> Result<f64, Rejection> {
        Ok(self.float()?.to_string().parse().unwrap_or(f64::NAN))
    }

    pub(super) fn double(&self) -> Result<f64, Rejection> {
        match self.wire {
            Wire::Fixed64(bytes) => Ok(f64::from_le_bytes(bytes)),
            _ => Err(self.wrong("a double of 64 bits")),
        }
    }

    pub(super) fn message(&self) -> Result<Message<'a>, Rejection> {
        match self.wire {
            Wire::Bytes(message) => Ok(message),
            _ => Err(self.wrong("a message")),
        }
    }

    pub(super) fn bytes(&self) -> Result<&'a [u8], Rejection> {
        match self.wire {
            Wire::Bytes(message) => Ok(message.rest),
            _ => Err(self.wrong("bytes")),
        }
    }

    pub(super) fn text(&self) -> Result<&'a str, Rejection> {
        let Wire::Bytes(message) = self.wire else { return Err(self.wrong("text")) };
        std::str::from_utf8(message.rest).map_err(|error| {
            let at = message.at.saturating_add(error.valid_up_to());
            malformed(at, &format!("field {} is not valid UTF-8", self.number))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(payload: &[u8]) -> Result<Vec<Field<'_>>, String> {
        let (mut message, mut fields) = (Message::new(payload), Vec::new());
        while let Some(field) = message.next().map_err(|refused| refused.detail)? {
            fields.push(field);
        }
        Ok(fields)
    }

    #[test]
    fn each_wire_type_is_read_and_a_wrong_one_refused() {
        // The encoding page's own example, 150, then "testing", a float and a double of 1.5.
        let payload = [
            &[0x08, 0x96, 0x01, 0x12, 0x07][..],
            b"testing",
            &[0x1d, 0, 0, 0xc0, 0x3f, 0x21, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f],
        ]
        .concat();
        let fields = fields(&payload).unwrap();
        let [number, text, float, double] = fields.as_slice() else { panic!("{fields:?}") };
        assert_eq!((number.number, number.varint(), number.varint32()), (1, Ok(150), Ok(150)));
        assert_eq!((text.at, text.text(), text.bytes()), (3, Ok("testing"), Ok(&b"testing"[..])));
        assert_eq!((float.float(), double.double()), (Ok(1.5), Ok(1.5)));
        let wrong = |refused: Result<u64, Rejection>| refused.unwrap_err().detail;
        assert_eq!(wrong(text.varint()), "at byte 3: field 2 is bytes, and should be a varint");
        assert_eq!(wrong(float.varint()), "at byte 12: field 3 is 32 bits, and should be a varint");
        for refused in [number.float().is_err(), float.double().is_err(), double.float().is_err()] {
            assert!(refused);
        }
        assert!(number.text().is_err() && number.message().is_err() && double.bytes().is_err());
    }

    #[test]
    fn ten_bytes_are_the_longest_number() {
        let largest = [&[0x08][..], &[0xff; 9], &[0x01]].concat();
        assert_eq!(fields(&largest).unwrap()[0].varint(), Ok(u64::MAX));
        assert_eq!(fields(&largest).unwrap()[0].varint32(), Ok(u32::MAX));
        let wide = [&[0x08][..], &[0xff; 9], &[0x02]].concat();
        assert_eq!(fields(&wide).unwrap_err(), "at byte 1: a number of more than 64 bits");
        assert_eq!(fields(&[0xff; 40]).unwrap_err(), "at byte 0: a number of more than 64 bits");
        assert_eq!(fields(&[0x80; 40]).unwrap_err(), "at byte 0: a number without end");
        assert_eq!(fields(&[0x08, 0x80]).unwrap_err(), "at byte 1: a number that is cut short");
    }

    #[test]
    fn what_is_no_message_is_refused_with_its_place() {
        assert!(fields(b"").unwrap().is_empty());
        for (payload, part) in [
            (&[0x00, 0x01][..], "at byte 0: no field number"),
            (&[0x08, 0x01, 0x12, 0x05, 0x61], "at byte 4: 5 bytes should follow, and 1 are there"),
            (&[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0], "should follow"),
            (&[0x0d, 0, 0], "at byte 1: 4 bytes should follow"),
            (&[0x09, 0], "at byte 1: 8 bytes should follow"),
            (&[0x0b], "at byte 0: field 1 has the wire type 3"),
            (&[0x0c], "the wire type 4"),
            (&[0x0e], "the wire type 6"),
            (&[0x0f], "the wire type 7"),
        ] {
            let refused = fields(payload).unwrap_err();
            assert!(refused.contains(part), "{payload:02x?}: {refused}");
        }
        let text = fields(&[0x0a, 0x02, 0x61, 0xff]).unwrap();
        assert_eq!(text[0].text().unwrap_err().detail, "at byte 3: field 1 is not valid UTF-8");
    }
}
