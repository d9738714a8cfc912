//! Format `ultralight`: FIWARE's UltraLight 2.0 (iotagent-ul, User & Programmers Manual, Measure Payload Syntax).
//!
//! `t|15|k|abc` are pairs of name and value; `#` separates groups, each a sample of its own; a group of an odd number of
//! parts begins with its time. Values have no type: each is read as JSON (a number, true, false, null), else it is
//! text. A part or group that is empty refuses the whole payload, as the agent does.

use std::borrow::Cow;

use super::{Kind, kind, typed};
use crate::decode::told::{TimeFormat, Told};
use crate::decode::{Decoded, Hints};
use crate::outcome::{Reason, Rejection};
use crate::reading::{Reading, ReadingValue, Sample};

/// The longest name or value in bytes.
const MAX_PART: usize = 256;

pub(in crate::decode) fn decode<'a>(
    topic: &'a str,
    text: &'a str,
    hints: &Hints<'_>,
) -> Result<Decoded<'a>, Rejection> {
    let text = text.trim();
    let samples = match kind(topic) {
        Kind::Other(what) => return Ok(Decoded::NotData(what.to_owned())),
        Kind::One(name) => {
            let reading = reading(Cow::Borrowed(name), part(text, 0)?);
            vec![Sample { readings: vec![reading], ..Sample::default() }]
        }
        Kind::Measures | Kind::Free => {
            if text.split('|').next().is_some_and(|first| first.contains('@')) {
                return Ok(Decoded::NotData("the result of a command".to_owned()));
            }
            groups(text, hints)?
        }
    };
    Ok(Decoded::Samples { samples, rest: None })
}

fn groups<'a>(text: &'a str, hints: &Hints<'_>) -> Result<Vec<Sample<'a>>, Rejection> {
    let (mut samples, mut at, mut values) = (Vec::new(), 0_usize, 0_usize);
    for group in text.split('#') {
        let mut start = at;
        at = at.saturating_add(group.len()).saturating_add(1);
        // One stroke before the first name is tolerated, as the agent does.
        let inside = group.strip_prefix('|').unwrap_or(group);
        start = start.saturating_add(group.len().saturating_sub(inside.len()));
        let count = inside.split('|').take(hints.limits.max_values.saturating_add(1)).count();
        values = values.saturating_add(count);
        if values > hints.limits.max_values {
            let detail = format!("more than {} values", hints.limits.max_values);
            return Err(Rejection::new(Reason::TooComplex, detail));
        }
        let mut sample = Sample { readings: Vec::with_capacity(count / 2), ..Sample::default() };
        let (mut timed, mut name) = (count % 2 == 1, None);
        for one in inside.split('|') {
            let told = part(one, start)?;
            let begin = start;
            start = start.saturating_add(one.len()).saturating_add(1);
            if timed {
                if count == 1 {
                    let detail = format!("\"{}\" has no value", crate::decode::shown(told));
                    return Err(Rejection::new(Reason::Malformed, detail));
                }
                let time = TimeFormat::Iso.read(&Told::Text(told.into()), hints.zone);
                sample.time = Some(time.map_err(crate::decode::at(format!("byte {begin}")))?);
                timed = false;
                continue;
            }
            match name.take() {
                None => name = Some(told),
                Some(name) => sample.readings.push(reading(Cow::Borrowed(name), told)),
            }
        }
        samples.push(sample);
    }
    Ok(samples)
}

fn part(text: &str, at: usize) -> Result<&str, Rejection> {
    let text = text.trim();
    if text.is_empty() {
        let detail = format!("nothing between two separators, at byte {at}");
        return Err(Rejection::new(Reason::Malformed, detail));
    }
    if text.len() > MAX_PART {
        let detail = format!("a part of {} bytes at byte {at}; {MAX_PART} are allowed", text.len());
        return Err(Rejection::new(Reason::TooComplex, detail));
    }
    Ok(text)
}

fn reading<'a>(name: Cow<'a, str>, text: &'a str) -> Reading<'a> {
    let (value, unit) = match text {
        "null" => (ReadingValue::Null, None),
        "true" => (ReadingValue::Boolean(true), None),
        "false" => (ReadingValue::Boolean(false), None),
        _ => typed(Cow::Borrowed(text)),
    };
    Reading { name, value, unit, channel: None }
}
