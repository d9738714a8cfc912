//! Picking: what an object says of itself (its time, its model) is taken out of its readings.

use std::borrow::Cow;

use jiff::tz::TimeZone;

use super::flatten::{Wanted, flatten};
use super::told::{TimeFormat, Told};
use super::tree::told_twice;
use super::{Hints, at};
use crate::outcome::{Reason, Rejection};
use crate::reading::{Reading, ReadingValue};

/// The readings of one JSON object; names of nested objects are joined by a dot. The text of those in `as_told` is
/// never taken for a number.
pub(super) fn object<'a>(
    text: &'a str,
    as_told: &[&str],
    hints: &Hints<'_>,
) -> Result<Vec<Reading<'a>>, Rejection> {
    if !text.trim_start().starts_with('{') {
        return Err(Rejection::new(Reason::Malformed, "at byte 0: no JSON object"));
    }
    let flat = flatten(text, &Wanted { as_told, separator: ".", ..Wanted::default() }, hints)?;
    Ok(flat.base.sample.readings)
}

/// Takes a member out; of one told twice the first counts.
pub(super) fn take<'a>(readings: &mut Vec<Reading<'a>>, name: &str) -> Option<ReadingValue<'a>> {
    let found = readings.iter().find(|reading| reading.name == name)?.value.clone();
    readings.retain(|reading| reading.name != name);
    Some(found)
}

/// The same for what says when or whose the readings are: told twice it is refused.
pub(super) fn once<'a>(
    readings: &mut Vec<Reading<'a>>,
    name: &str,
) -> Result<Option<ReadingValue<'a>>, Rejection> {
    if readings.iter().filter(|reading| reading.name == name).nth(1).is_some() {
        return Err(told_twice(name));
    }
    Ok(take(readings, name))
}

/// Takes a text out; of one told twice the first counts.
pub(super) fn take_text<'a>(readings: &mut Vec<Reading<'a>>, name: &str) -> Option<Cow<'a, str>> {
    match take(readings, name) {
        Some(ReadingValue::Text(text)) => Some(text),
        _ => None,
    }
}

/// Takes the time out, in Unix nanoseconds; nothing where it is `null` or not there.
pub(super) fn take_time(
    readings: &mut Vec<Reading<'_>>,
    name: &str,
    format: TimeFormat,
    zone: &TimeZone,
) -> Result<Option<i64>, Rejection> {
    time(once(readings, name)?, name, format, zone)
}

/// Reads the time that was told under this name.
pub(super) fn time(
    told: Option<ReadingValue<'_>>,
    name: &str,
    format: TimeFormat,
    zone: &TimeZone,
) -> Result<Option<i64>, Rejection> {
    let told = match told {
        None | Some(ReadingValue::Null) => return Ok(None),
        Some(ReadingValue::Number(number)) => Told::Float(number),
        Some(ReadingValue::Text(text)) => Told::Text(text),
        Some(ReadingValue::Boolean(_)) => Told::Other,
    };
    format.read(&told, zone).map(Some).map_err(at(name))
}
