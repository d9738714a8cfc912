//! Format `line_protocol`: InfluxDB's line protocol (its documentation, Reference, Syntax, Line protocol).
//!
//! Settings: `device_tag` (which names the device, default `device`), `channel_tag` (which tells apart several of one
//! quantity), `precision` (of timestamps, default `ns` as InfluxDB's), `measurement_names` (readings are called `measurement.field` instead of `field`).
//! Traps: `12i` and `3u` are whole numbers, `t`, `T`, `true`, `True` and `TRUE` are true; a backslash escapes comma,
//! equals sign and blank in names and tags, quote and backslash in text, and else stands for itself; text may hold line
//! ends; there is no NaN. Lines are independent: a bad one is told, the others are stored.

use std::borrow::Cow;

use jiff::tz::TimeZone;

use super::told::{TimeFormat, Told};
use super::{Decoded, Hints, Limits, shown};
use crate::outcome::{Reason, Rejection};
use crate::reading::{MAX_DEVICE_ID, Reading, ReadingValue, Sample};
use crate::settings::Section;

/// The longest name, tag or text in bytes.
const MAX_TEXT: usize = 256;

#[derive(Debug, Clone)]
pub struct Settings {
    pub device: String,
    pub channel: Option<String>,
    pub time_format: TimeFormat,
    pub measurement_names: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let (time_format, measurement_names) = (TimeFormat::Ns, false);
        Self { device: "device".to_owned(), channel: None, time_format, measurement_names }
    }
}

impl Settings {
    pub(super) fn read(section: &mut Section) -> Self {
        let default = Self::default();
        let time_format = section.get("precision", default.time_format);
        if time_format == TimeFormat::Iso {
            section.problem("precision", "timestamps of line protocol are numbers: s, ms, us, ns or auto");
        }
        Self {
            device: section.get("device_tag", default.device),
            channel: section.optional("channel_tag"),
            time_format,
            measurement_names: section.get("measurement_names", default.measurement_names),
        }
    }
}

pub(super) fn decode<'a>(
    settings: &Settings,
    text: &'a str,
    hints: &Hints<'_>,
) -> Result<Decoded<'a>, Rejection> {
    let (mut samples, mut rest, mut values, mut lines) = (Vec::new(), None, 0, 0_usize);
    let mut reader = Reader { text, at: 0 };
    while reader.at < text.len() {
        lines = lines.saturating_add(1);
        let start = reader.at;
        let read = line(&mut reader, settings, hints, &mut values);
        match read {
            Ok(Some(sample)) => samples.push(sample),
            Ok(None) => {}
            Err(rejection) if values > hints.limits.max_values => return Err(rejection),
            Err(Rejection { reason, detail }) => {
                let at = reader.at;
                rest.get_or_insert_with(|| {
                    Rejection::new(reason, format!("line {lines}, at byte {at}: {detail}"))
                });
                // What a torn line holds may look like text with line ends, so the next line is looked for anew.
                reader.at = start;
                reader.until(|byte| byte == b'\n');
            }
        }
        reader.at = reader.at.saturating_add(1);
    }
    match rest {
        Some(rejection) if samples.is_empty() => Err(rejection),
        rest => Ok(Decoded::Samples { samples, rest }),
    }
}

/// Before 1973 in nanoseconds: rather a time in another unit.
const FIRST_NANOSECONDS: i64 = 100_000_000_000_000_000;

/// Whether the first line that is no comment is one of line protocol, with nanoseconds if it tells its time.
pub(super) fn begins(text: &str) -> bool {
    let (settings, limits) = (Settings::default(), Limits::default());
    let hints = Hints { number_text: false, zone: &TimeZone::UTC, limits: &limits, now: 0 };
    let mut reader = Reader { text, at: 0 };
    while reader.at < text.len() {
        match line(&mut reader, &settings, &hints, &mut 0) {
            Ok(Some(sample)) => return sample.time.is_none_or(|time| time >= FIRST_NANOSECONDS),
            Ok(None) => reader.at = reader.at.saturating_add(1),
            Err(_) => return false,
        }
    }
    false
}

/// Reads up to the line's end, and no further.
fn line<'a>(
    reader: &mut Reader<'a>,
    settings: &Settings,
    hints: &Hints<'_>,
    values: &mut usize,
) -> Result<Option<Sample<'a>>, Rejection> {
    reader.blanks();
    if matches!(reader.peek(), None | Some(b'\n' | b'\r')) {
        reader.until(|byte| byte == b'\n');
        return Ok(None);
    }
    if reader.peek() == Some(b'#') {
        reader.until(|byte| byte == b'\n');
        return Ok(None);
    }
    count(values, hints)?;
    let measurement = reader.name("the measurement", |byte| matches!(byte, b',' | b' '))?;
    let (mut sample, mut channel) = (Sample::default(), None);
    while reader.peek() == Some(b',') {
        reader.step();
        count(values, hints)?;
        let key = reader.name("a tag", |byte| matches!(byte, b',' | b'=' | b' '))?;
        reader.expect(b'=', "a tag without \"=\"")?;
        let value = reader.name("a tag's value", |byte| matches!(byte, b',' | b'=' | b' '))?;
        if key == settings.device {
            if value.len() > MAX_DEVICE_ID {
                let detail = format!("the device's id has {} bytes", value.len());
                return Err(Rejection::new(Reason::NoDevice, detail));
            }
            sample.device = Some(value);
        } else if settings.channel.as_deref() == Some(&*key) {
            channel = Some(value);
        }
    }
    reader.expect(b' ', "no blank between tags and fields")?;
    reader.blanks();
    loop {
        count(values, hints)?;
        let name = reader.name("a field", |byte| matches!(byte, b',' | b'=' | b' '))?;
        reader.expect(b'=', "a field without \"=\"")?;
        let value = reader.value()?;
        let name =
            if settings.measurement_names { Cow::Owned(format!("{measurement}.{name}")) } else { name };
        sample.readings.push(Reading { name, value, unit: None, channel: channel.clone() });
        if reader.peek() != Some(b',') {
            break;
        }
        reader.step();
    }
    reader.blanks();
    let time = reader.until(|byte| matches!(byte, b' ' | b'\n' | b'\r'));
    if !time.is_empty() {
        let number = time.parse::<i64>();
        let number = number.map_err(|_| {
            Rejection::new(Reason::InvalidTime, format!("\"{}\" is no timestamp", shown(time)))
        })?;
        sample.time = Some(settings.time_format.read(&Told::Whole(number), hints.zone)?);
    }
    reader.blanks();
    if reader.peek() == Some(b'\r') {
        reader.step();
    }
    match reader.peek() {
        None | Some(b'\n') => Ok(Some(sample)),
        Some(_) => Err(malformed("text behind the timestamp")),
    }
}

fn count(values: &mut usize, hints: &Hints<'_>) -> Result<(), Rejection> {
    *values = values.saturating_add(1);
    let most = hints.limits.max_values;
    if *values > most {
        return Err(Rejection::new(Reason::TooComplex, format!("more than {most} values")));
    }
    Ok(())
}

fn malformed(detail: impl Into<String>) -> Rejection {
    Rejection::new(Reason::Malformed, detail)
}

/// A place in the text. What it looks for is ASCII, so it never stands inside a character.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    const fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn blanks(&mut self) {
        while self.peek() == Some(b' ') {
            self.step();
        }
    }

    fn expect(&mut self, byte: u8, missing: &str) -> Result<(), Rejection> {
        if self.peek() != Some(byte) {
            return Err(malformed(missing));
        }
        self.step();
        Ok(())
    }

    fn until(&mut self, end: impl Fn(u8) -> bool) -> &'a str {
        let left = self.text.get(self.at..).unwrap_or_default();
        let length = left.bytes().position(end).unwrap_or(left.len());
        self.at = self.at.saturating_add(length);
        left.get(..length).unwrap_or_default()
    }

    /// A name or a tag's value up to one of the ends, which a backslash makes part of it.
    fn name(&mut self, what: &str, end: impl Fn(u8) -> bool) -> Result<Cow<'a, str>, Rejection> {
        let (start, mut escaped) = (self.at, false);
        while let Some(byte) = self.peek() {
            if byte == b'\n' || end(byte) {
                break;
            }
            if self.at.saturating_sub(start) > MAX_TEXT {
                let detail = format!("{what} has more than {MAX_TEXT} bytes");
                return Err(Rejection::new(Reason::TooComplex, detail));
            }
            self.step();
            if byte == b'\\' && self.peek().is_some_and(|next| matches!(next, b',' | b'=' | b' ')) {
                self.step();
                escaped = true;
            }
        }
        let raw = self.text.get(start..self.at).unwrap_or_default();
        if raw.is_empty() {
            return Err(malformed(format!("{what} is empty")));
        }
        if raw.len() > MAX_TEXT {
            let detail = format!("{what} has {} bytes; {MAX_TEXT} are allowed", raw.len());
            return Err(Rejection::new(Reason::TooComplex, detail));
        }
        Ok(if escaped { Cow::Owned(unescaped(raw, &[',', '=', ' '])) } else { Cow::Borrowed(raw) })
    }

    fn value(&mut self) -> Result<ReadingValue<'a>, Rejection> {
        if self.peek() == Some(b'"') {
            self.step();
            return self.quoted();
        }
        let raw = self.until(|byte| matches!(byte, b',' | b' ' | b'\n' | b'\r'));
        let whole = |digits: &str| {
            let digits = digits.strip_prefix('-').unwrap_or(digits);
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        let number = match raw {
            "t" | "T" | "true" | "True" | "TRUE" => return Ok(ReadingValue::Boolean(true)),
            "f" | "F" | "false" | "False" | "FALSE" => return Ok(ReadingValue::Boolean(false)),
            _ => match (raw.strip_suffix('i'), raw.strip_suffix('u')) {
                (Some(digits), _) if whole(digits) => digits.parse::<i64>().ok().map(|_| digits),
                (_, Some(digits)) => digits.parse::<u64>().ok().map(|_| digits),
                _ => Some(raw),
            },
        };
        let sound =
            |text: &&str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
        let number = number.filter(sound).and_then(|text| text.parse::<f64>().ok());
        let number = number.ok_or_else(|| malformed(format!("\"{}\" is no value of a field", shown(raw))))?;
        if !number.is_finite() {
            return Err(Rejection::new(Reason::NotFinite, format!("{} is beyond all numbers", shown(raw))));
        }
        Ok(ReadingValue::Number(number))
    }

    fn quoted(&mut self) -> Result<ReadingValue<'a>, Rejection> {
        let (start, mut escaped) = (self.at, false);
        loop {
            match self.peek() {
                None => return Err(malformed("a text without its closing quote")),
                Some(b'"') => break,
                Some(b'\\') => {
                    self.step();
                    if matches!(self.peek(), Some(b'"' | b'\\')) {
                        self.step();
                        escaped = true;
                    }
                }
                Some(_) => self.step(),
            }
            if self.at.saturating_sub(start) > MAX_TEXT {
                return Err(Rejection::new(
                    Reason::TooComplex,
                    format!("a text of more than {MAX_TEXT} bytes"),
                ));
            }
        }
        let raw = self.text.get(start..self.at).unwrap_or_default();
        self.step();
        Ok(ReadingValue::Text(if escaped {
            Cow::Owned(unescaped(raw, &['"', '\\']))
        } else {
            Cow::Borrowed(raw)
        }))
    }
}

fn unescaped(raw: &str, escapes: &[char]) -> String {
    let mut plain = String::with_capacity(raw.len());
    let mut characters = raw.chars().peekable();
    while let Some(character) = characters.next() {
        let next = characters.next_if(|next| character == '\\' && escapes.contains(next));
        plain.push(next.unwrap_or(character));
    }
    plain
}
