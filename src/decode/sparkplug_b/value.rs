//! Values: the member of a metric's `oneof`, read as its datatype says.

use std::borrow::Cow;

use super::payload::Raw;
use crate::outcome::{Reason, Rejection};
use crate::reading::ReadingValue;

/// What a metric's value turns out to be.
pub(super) enum Value<'a> {
    One(ReadingValue<'a>),
    /// Elements of an array, in order.
    Many(Vec<ReadingValue<'a>>),
    /// A table, octets or a file: not a reading, and by its datatype never will be.
    None(&'static str),
}

/// The indexes of `DataType`.
const INT8: u32 = 1;
const INT16: u32 = 2;
const INT32: u32 = 3;
const INT64: u32 = 4;
const UINT64: u32 = 8;
pub(super) const DATE_TIME: u32 = 13;
pub(super) const DATE_TIME_ARRAY: u32 = 34;

/// Reads a value; an error is what to say of the metric. `most` bounds the elements of an array.
pub(super) fn value<'a>(raw: Raw<'a>, datatype: u32, most: usize) -> Result<Value<'a>, Rejection> {
    let wrong = |is: &str| {
        let detail = format!("is {is}, and its datatype is {datatype}");
        Err(Rejection::new(Reason::Malformed, detail))
    };
    let number = |number: f64| Ok(Value::One(ReadingValue::Number(number)));
    match (raw, datatype) {
        // Libraries differ in which of the two holds a whole number.
        (Raw::Int(bits), INT8..=UINT64 | DATE_TIME) => match whole(bits.into(), 32, datatype) {
            Some(whole) => number(whole),
            None => wrong(&format!("{bits}")),
        },
        (Raw::Long(bits), INT8..=UINT64 | DATE_TIME) => match whole(bits, 64, datatype) {
            Some(whole) => number(whole),
            None => wrong(&format!("{bits}")),
        },
        (Raw::Float(float), 0 | 9 | 10) => number(decimal(float)),
        (Raw::Double(double), 0 | 9 | 10) => number(double),
        (Raw::Truth(truth), 0 | 11) => Ok(Value::One(ReadingValue::Boolean(truth))),
        (Raw::Text(text), 0 | 12 | 14 | 15) => Ok(Value::One(ReadingValue::Text(Cow::Borrowed(text)))),
        (Raw::Bytes(bytes), 22..=31 | DATE_TIME_ARRAY) => numbers(bytes, datatype, most),
        (Raw::Bytes(bytes), 32) => truths(bytes, most),
        (Raw::Bytes(bytes), 33) => texts(bytes, most),
        (Raw::Bytes(_), 0 | 17 | 18) => Ok(Value::None("octets or a file")),
        (Raw::DataSet, 0 | 16) => Ok(Value::None("a table")),
        (Raw::Extension, _) => Ok(Value::None("an extension")),
        (Raw::Int(bits), 0) => wrong(&format!("the whole number {bits}, whose sign nothing tells")),
        (Raw::Long(bits), 0) => wrong(&format!("the whole number {bits}, whose sign nothing tells")),
        (Raw::Int(_) | Raw::Long(_), _) => wrong("a whole number"),
        (Raw::Float(_) | Raw::Double(_), _) => wrong("a float"),
        (Raw::Truth(_), _) => wrong("a truth value"),
        (Raw::Text(_), _) => wrong("text"),
        (Raw::Bytes(_), _) => wrong("octets"),
        (Raw::DataSet, _) => wrong("a table"),
        (Raw::Template(_), _) => wrong("a template"),
    }
}

/// Two's complement where the type has a sign: some libraries fill up the type's own width with ones, others all
/// `width` bits of the field. Nothing where the number does not fit the type.
#[expect(
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    reason = "two's complement; stored as a float"
)]
fn whole(bits: u64, width: u32, datatype: u32) -> Option<f64> {
    let own = match datatype {
        INT8 | 5 => 8_u32,
        INT16 | 6 => 16,
        INT32 | 7 => 32,
        _ => 64,
    };
    let ones = u64::MAX.checked_shr(64 - width)?;
    let mask = u64::MAX.checked_shr(64 - own.min(64))?;
    if !(INT8..=INT64).contains(&datatype) {
        return (bits & !mask == 0).then_some(bits as f64);
    }
    let above = bits & !mask;
    // An Int64 in a field of 32 bits has only those.
    let own = own.min(width);
    let mask = u64::MAX.checked_shr(64 - own)?;
    let negative = bits & 1_u64.checked_shl(own - 1)? != 0;
    let fits = above == 0 || negative && above == ones & !mask;
    let filled = if negative { bits | !mask } else { bits & mask };
    fits.then_some(filled as i64 as f64)
}

/// The decimal that the device meant: 12.1 and not 12.100000381469727.
fn decimal(float: f32) -> f64 {
    float.to_string().parse().unwrap_or_else(|_| f64::from(float))
}

fn numbers(bytes: &[u8], datatype: u32, most: usize) -> Result<Value<'_>, Rejection> {
    let size = match datatype {
        22 | 26 => 1,
        23 | 27 => 2,
        24 | 28 | 30 => 4,
        _ => 8,
    };
    if !bytes.len().is_multiple_of(size) {
        let detail = format!("has {} bytes, no whole number of elements of {size}", bytes.len());
        return Err(Rejection::new(Reason::Malformed, detail));
    }
    within(bytes.len() / size, most)?;
    let elements = bytes.chunks_exact(size).map(|chunk| ReadingValue::Number(element(chunk, datatype)));
    Ok(Value::Many(elements.collect()))
}

/// How many there are in four bytes, little endian, then eight in each byte from the highest bit on.
fn truths(bytes: &[u8], most: usize) -> Result<Value<'_>, Rejection> {
    let wrong = |detail: String| Err(Rejection::new(Reason::Malformed, detail));
    let Some((count, bits)) = bytes.split_first_chunk() else {
        return wrong(format!("has {} bytes, and a count takes 4", bytes.len()));
    };
    let count = usize::try_from(u32::from_le_bytes(*count)).unwrap_or(usize::MAX);
    if bits.len() != count.div_ceil(8) {
        return wrong(format!("tells {count} truth values in {} bytes", bits.len()));
    }
    within(count, most)?;
    let bits = bits.iter().flat_map(|byte| (0..8).map(move |place| byte & (0x80 >> place) != 0));
    Ok(Value::Many(bits.take(count).map(ReadingValue::Boolean).collect()))
}

/// Each ends with a null.
fn texts(bytes: &[u8], most: usize) -> Result<Value<'_>, Rejection> {
    let wrong = |detail: &str| Err(Rejection::new(Reason::Malformed, detail.to_owned()));
    let Ok(text) = str::from_utf8(bytes) else { return wrong("is text that is not valid UTF-8") };
    let mut elements: Vec<_> = text.split('\0').take(most.saturating_add(2)).collect();
    if elements.pop() != Some("") && elements.len() <= most {
        return wrong("is text whose last element does not end with a null");
    }
    within(elements.len(), most)?;
    let element = |text| ReadingValue::Text(Cow::Borrowed(text));
    Ok(Value::Many(elements.into_iter().map(element).collect()))
}

fn within(elements: usize, most: usize) -> Result<(), Rejection> {
    if elements > most {
        return Err(Rejection::new(Reason::TooComplex, format!("has more than {most} elements")));
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "every number is stored as a float")]
fn element(chunk: &[u8], datatype: u32) -> f64 {
    // Little endian, filled up to eight bytes.
    let mut eight = [0_u8; 8];
    eight.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
    let bits = u64::from_le_bytes(eight);
    match datatype {
        30 => {
            let mut four = [0_u8; 4];
            four.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            decimal(f32::from_le_bytes(four))
        }
        31 => f64::from_le_bytes(eight),
        22..=25 => whole(bits, 64, datatype - 21).unwrap_or(bits as f64),
        _ => bits as f64,
    }
}
