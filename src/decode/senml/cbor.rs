//! Packs in CBOR: RFC 8428, section 6, over RFC 8949. The records come out as those of JSON do.
//!
//! Labels are integers; as text they are taken too, for extensions have only that form. Numbers are integers, floats
//! of 16, 32 and 64 bits, or decimal fractions (tag 4). Texts and octets must be of definite length, arrays and maps
//! need not be. The tag 55799 ("this is CBOR") may stand before the pack; any other is refused where it stands.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use minicbor::data::Type;
use minicbor::decode::{Decoder, Error};

use super::Pack;
use super::record::{LABELS, Member, Record, Seen};
use crate::outcome::{Reason, Rejection};

/// Self-described CBOR, RFC 8949, 3.4.6.
const SELF_DESCRIBED: u64 = 55799;
/// RFC 8949, 3.4.4.
const DECIMAL_FRACTION: u64 = 4;
/// A decimal fraction beyond is zero or no float.
const MAX_EXPONENT: i64 = 400;

/// Whether it begins as an array or a tag, as no JSON text does.
pub(super) fn recognised(payload: &[u8]) -> bool {
    matches!(payload.first(), Some(0x80..=0x9b | 0x9f | 0xc0..=0xdb))
}

/// Whether it begins as a pack does: an array, a map in it, and in that a label.
pub(super) fn is_pack(payload: &[u8]) -> bool {
    let begins = || -> Result<bool, Error> {
        let mut at = Decoder::new(payload);
        if at.datatype()? == Type::Tag && at.tag()?.as_u64() != SELF_DESCRIBED {
            return Ok(false);
        }
        at.array()?;
        at.map()?;
        let label = at.i64()?;
        Ok(LABELS.iter().any(|(_, known)| *known == label))
    };
    recognised(payload) && begins().unwrap_or(false)
}

/// Reads a pack record by record: a long one is refused at its first record too many.
pub(super) fn read<'a>(payload: &'a [u8], pack: &mut Pack<'a, '_>) -> Result<(), Rejection> {
    let mut reader = Reader { at: Decoder::new(payload), max_depth: pack.hints.limits.max_depth };
    let read = reader.pack(pack);
    read.map_err(|fault| match fault {
        Fault::Refused(rejection) => rejection,
        Fault::Cbor(error) => {
            let position = error.position().unwrap_or(reader.at.position());
            reader.malformed(position, pack.records, &error.to_string())
        }
        Fault::At(position, detail) => reader.malformed(position, pack.records, &detail),
    })
}

enum Fault {
    Cbor(Error),
    At(usize, String),
    Refused(Rejection),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Cbor(error)
    }
}

struct Reader<'a> {
    at: Decoder<'a>,
    max_depth: usize,
}

impl<'a> Reader<'a> {
    fn malformed(&self, position: usize, records: usize, detail: &str) -> Rejection {
        let detail: String = detail.chars().take(160).collect();
        Rejection::new(Reason::Malformed, format!("after {records} records: at byte {position}: {detail}"))
    }

    fn pack(&mut self, pack: &mut Pack<'a, '_>) -> Result<(), Fault> {
        while self.at.datatype()? == Type::Tag {
            let position = self.at.position();
            if self.at.tag()?.as_u64() != SELF_DESCRIBED {
                return Err(Fault::At(position, "a tag before the pack".to_owned()));
            }
        }
        let mut left = match self.at.datatype()? {
            Type::Array | Type::ArrayIndef => self.at.array()?,
            other => {
                let detail = format!("{other}, and no array of SenML records");
                return Err(Fault::At(self.at.position(), detail));
            }
        };
        while self.more(&mut left)? {
            let record = self.record()?;
            pack.take(record).map_err(Fault::Refused)?;
        }
        let end = self.at.position();
        if end < self.at.input().len() {
            return Err(Fault::At(end, "bytes after the pack".to_owned()));
        }
        Ok(())
    }

    /// Whether another item comes: `left` counts down, or a break ends it.
    fn more(&mut self, left: &mut Option<u64>) -> Result<bool, Fault> {
        match left {
            Some(0) => Ok(false),
            Some(left) => {
                *left = left.saturating_sub(1);
                Ok(true)
            }
            None if self.at.datatype()? == Type::Break => {
                self.at.set_position(self.at.position().saturating_add(1));
                Ok(false)
            }
            None => Ok(true),
        }
    }

    fn record(&mut self) -> Result<Record<'a>, Fault> {
        let start = self.at.position();
        let mut left = match self.at.datatype()? {
            Type::Map | Type::MapIndef => self.at.map()?,
            other => return Err(Fault::At(start, format!("{other}, and no SenML record"))),
        };
        let (mut record, mut seen) = (Record::default(), Seen::default());
        while self.more(&mut left)? {
            let position = self.at.position();
            let Some(number) = self.label()? else {
                self.skip(2)?;
                continue;
            };
            let member = self.member(LABELS.get(number).map_or("", |(label, _)| *label))?;
            record.set(&mut seen, number, member).map_err(|fault| Fault::At(position, fault))?;
        }
        Ok(record)
    }

    /// Its number among the labels; nothing where it may be passed over.
    fn label(&mut self) -> Result<Option<usize>, Fault> {
        let position = self.at.position();
        match self.at.datatype()? {
            Type::String => {
                let label = self.at.str()?;
                let known = LABELS.iter().position(|(known, _)| *known == label);
                if known.is_none() && label.ends_with('_') {
                    return Err(Fault::At(position, Record::not_understood(label)));
                }
                Ok(known)
            }
            // The RFC's table of numbers is closed, and what is not understood is passed over: only a text can end in
            // "_".
            Type::U8
            | Type::U16
            | Type::U32
            | Type::U64
            | Type::I8
            | Type::I16
            | Type::I32
            | Type::I64
            | Type::Int => {
                let number = i128::from(self.at.int()?);
                Ok(LABELS.iter().position(|(_, known)| i128::from(*known) == number))
            }
            other => Err(Fault::At(position, format!("{other} where a label belongs"))),
        }
    }

    fn member(&mut self, label: &str) -> Result<Member<'a>, Fault> {
        let number =
            |number: f64| if number.is_finite() { Member::Number(number) } else { Member::NotFinite };
        Ok(match self.at.datatype()? {
            // "For the version number, only an unsigned integer is allowed."
            Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::F16 | Type::F32 | Type::F64 | Type::Tag
                if label == "bver" =>
            {
                self.skip(2)?;
                Member::Nested
            }
            Type::U8
            | Type::U16
            | Type::U32
            | Type::U64
            | Type::I8
            | Type::I16
            | Type::I32
            | Type::I64
            | Type::Int => Member::Number(self.integer()?),
            Type::F16 => number(f64::from(self.at.f16()?)),
            Type::F32 => number(f64::from(self.at.f32()?)),
            Type::F64 => number(self.at.f64()?),
            Type::Tag => number(self.decimal_fraction()?),
            Type::Bool => Member::Boolean(self.at.bool()?),
            Type::Null => {
                self.at.null()?;
                Member::Null
            }
            Type::String => Member::Text(Cow::Borrowed(self.at.str()?)),
            Type::Bytes if label == "vd" => Member::Text(URL_SAFE_NO_PAD.encode(self.at.bytes()?).into()),
            // Data is octets here, not their base64 text.
            Type::StringIndef | Type::BytesIndef => {
                let detail = format!("\"{label}\" of indefinite length, which SenML does not allow");
                return Err(Fault::At(self.at.position(), detail));
            }
            _ => {
                self.skip(2)?;
                Member::Nested
            }
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "SenML's numbers are floats")]
    fn integer(&mut self) -> Result<f64, Fault> {
        Ok(i128::from(self.at.int()?) as f64)
    }

    /// Mantissa times a power of ten, rounded once, as the decimal text of the same digits is.
    fn decimal_fraction(&mut self) -> Result<f64, Fault> {
        let position = self.at.position();
        let wrong = |what: &str| Fault::At(position, what.to_owned());
        let tag = self.at.tag()?.as_u64();
        if tag != DECIMAL_FRACTION {
            return Err(wrong(&format!("the tag {tag} where a value belongs")));
        }
        if !matches!(self.at.array(), Ok(Some(2))) {
            return Err(wrong("a decimal fraction is an array of two integers"));
        }
        let exponent = self.at.i64()?.clamp(-MAX_EXPONENT, MAX_EXPONENT);
        let mantissa = i128::from(self.at.int()?);
        format!("{mantissa}e{exponent}").parse().map_err(|_| wrong("a decimal fraction that is no number"))
    }

    /// Passes one item over, however it is nested within the limit; `depth` is that of the item itself.
    fn skip(&mut self, depth: usize) -> Result<(), Fault> {
        if depth > self.max_depth {
            let detail = format!("nested deeper than {}", self.max_depth);
            return Err(Fault::Refused(Rejection::new(Reason::TooComplex, detail)));
        }
        let deeper = depth.saturating_add(1);
        match self.at.datatype()? {
            Type::Array | Type::ArrayIndef => {
                let mut left = self.at.array()?;
                while self.more(&mut left)? {
                    self.skip(deeper)?;
                }
            }
            Type::Map | Type::MapIndef => {
                let mut left = self.at.map()?;
                while self.more(&mut left)? {
                    self.skip(deeper)?;
                    self.skip(deeper)?;
                }
            }
            Type::Tag => {
                self.at.tag()?;
                self.skip(deeper)?;
            }
            Type::Break | Type::Unknown(_) => {
                return Err(Fault::At(self.at.position(), "no item where one belongs".to_owned()));
            }
            _ => self.at.skip()?,
        }
        Ok(())
    }
}
