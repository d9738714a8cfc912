//! Format `csv`: lines of values, each a sample of its own (RFC 4180, with the separators that devices use).
//!
//! Settings: `columns` (what the values of a line are called, an empty name for what is passed over; without it the
//! first line of each payload is the header), `separator` (one character, default a comma), `decimal_comma` (`23,5` is
//! 23.5), `time`, `time_format` and `device` (names of columns).
//! Traps: an empty value is no value, not zero; a quoted value may hold the separator and `""` for a quote, but ends in
//! its line, so that a lost quote costs one line; a byte order mark and CRLF; a line that the link cut short has too few
//! values. Lines are independent: a bad one is told, the others are stored.

use std::borrow::Cow;

use super::told::{TimeFormat, Told};
use super::{Decoded, Hints, at, shown};
use crate::outcome::{Reason, Rejection};
use crate::reading::{MAX_DEVICE_ID, Reading, ReadingValue, Sample};
use crate::settings::Section;

/// The longest value of a line in bytes.
const MAX_VALUE: usize = 256;

#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Nothing where the payload has a header.
    pub columns: Option<Vec<String>>,
    pub separator: char,
    pub decimal_comma: bool,
    pub time: Option<String>,
    pub time_format: TimeFormat,
    pub device: Option<String>,
}

impl Settings {
    pub(super) fn read(section: &mut Section) -> Self {
        let columns: Option<Vec<String>> = section.optional("columns");
        let separator = section.optional("separator").unwrap_or_else(|| ",".to_owned());
        let mut characters = separator.chars();
        let separator = match (characters.next(), characters.next()) {
            (Some(one), None) if !matches!(one, '"' | '\n' | '\r') => one,
            _ => {
                section.problem("separator", "must be one character, such as \",\", \";\" or a tabulator");
                ','
            }
        };
        let decimal_comma = section.get("decimal_comma", false);
        if decimal_comma && separator == ',' {
            section.problem("decimal_comma", "needs another separator than the comma");
        }
        let [time, device] = ["time", "device"].map(|key| section.optional::<String>(key));
        if let Some(columns) = &columns {
            for (key, name) in [("time", &time), ("device", &device)] {
                if name.as_ref().is_some_and(|name| !columns.contains(name)) {
                    section.problem(key, "must be one of the columns");
                }
            }
        }
        let time_format = section.get("time_format", TimeFormat::default());
        Self { columns, separator, decimal_comma, time, time_format, device }
    }
}

pub(super) fn decode<'a>(
    settings: &'a Settings,
    text: &'a str,
    hints: &Hints<'_>,
) -> Result<Decoded<'a>, Rejection> {
    // Empty lines cost as well: of too many lines none is read.
    let most = hints.limits.max_values;
    if text.lines().nth(most).is_some() {
        return Err(Rejection::new(Reason::TooComplex, format!("more than {most} lines")));
    }
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let columns: Vec<Cow<'a, str>> = match &settings.columns {
        Some(columns) => columns.iter().map(|name| Cow::Borrowed(name.as_str())).collect(),
        None => match lines.next() {
            None => return Err(Rejection::new(Reason::NoValue, "not even a header")),
            Some((_, line)) => header(line, settings, hints)?,
        },
    };
    let (mut samples, mut rest, mut values) = (Vec::new(), None, 0_usize);
    for (index, line) in lines {
        let number = index.saturating_add(1);
        // Every value costs, kept or not.
        values = values.saturating_add(columns.len().max(1));
        if values > hints.limits.max_values {
            let detail = format!("line {number}: more than {} values", hints.limits.max_values);
            return Err(Rejection::new(Reason::TooComplex, detail));
        }
        match sample(line, &columns, settings, hints) {
            Ok(sample) if sample.readings.is_empty() => {}
            Ok(sample) => samples.push(sample),
            Err(Rejection { reason, detail }) => {
                rest.get_or_insert_with(|| Rejection::new(reason, format!("line {number}: {detail}")));
            }
        }
    }
    match rest {
        Some(rejection) if samples.is_empty() => Err(rejection),
        rest => Ok(Decoded::Samples { samples, rest }),
    }
}

fn header<'a>(line: &'a str, settings: &Settings, hints: &Hints<'_>) -> Result<Vec<Cow<'a, str>>, Rejection> {
    let mut columns = Vec::new();
    for value in Values::of(line, settings.separator) {
        columns.push(value?);
        if columns.len() > hints.limits.max_values {
            let detail = format!("more than {} columns", hints.limits.max_values);
            return Err(Rejection::new(Reason::TooComplex, detail));
        }
    }
    // A header of numbers is a line of values whose header is missing.
    if let Some(number) = columns.iter().find(|name| number(name, settings.decimal_comma).is_some()) {
        let detail = format!(
            "line 1: \"{}\" is no name of a column; tell the names in columns if there is no header",
            shown(number)
        );
        return Err(Rejection::new(Reason::Malformed, detail));
    }
    for wanted in [&settings.time, &settings.device].into_iter().flatten() {
        if !columns.iter().any(|name| name == wanted) {
            let detail = format!("line 1: the header has no column \"{wanted}\"");
            return Err(Rejection::new(Reason::Malformed, detail));
        }
    }
    Ok(columns)
}

fn sample<'a>(
    line: &'a str,
    columns: &[Cow<'a, str>],
    settings: &Settings,
    hints: &Hints<'_>,
) -> Result<Sample<'a>, Rejection> {
    let mut sample = Sample::default();
    let mut values = Values::of(line, settings.separator);
    for (index, name) in columns.iter().enumerate() {
        let Some(value) = values.next() else {
            let detail = format!("{index} values, not {}", columns.len());
            return Err(Rejection::new(Reason::Malformed, detail));
        };
        let place = || format!("column \"{}\"", shown(name));
        let value = value.map_err(|wrong| at(place())(wrong))?;
        if settings.time.as_deref() == Some(name) {
            if !value.is_empty() {
                let told = Told::Text(value);
                let time = settings.time_format.read(&told, hints.zone);
                sample.time = Some(time.map_err(|wrong| at(place())(wrong))?);
            }
        } else if settings.device.as_deref() == Some(name) {
            if value.len() > MAX_DEVICE_ID {
                let detail = format!("the device's id has {} bytes", value.len());
                return Err(Rejection::new(Reason::NoDevice, detail));
            }
            sample.device = (!value.is_empty()).then_some(value);
        } else if !name.is_empty() {
            let value = read(value, settings.decimal_comma);
            sample.readings.push(Reading { name: name.clone(), value, unit: None, channel: None });
        }
    }
    if values.next().is_some() {
        let detail = format!("more than {} values", columns.len());
        return Err(Rejection::new(Reason::Malformed, detail));
    }
    Ok(sample)
}

fn read(value: Cow<'_, str>, decimal_comma: bool) -> ReadingValue<'_> {
    match &*value {
        "" | "null" | "NULL" | "NaN" | "nan" | "-" => ReadingValue::Null,
        "true" | "TRUE" | "True" => ReadingValue::Boolean(true),
        "false" | "FALSE" | "False" => ReadingValue::Boolean(false),
        text => match number(text, decimal_comma) {
            Some(number) => ReadingValue::Number(number),
            None => ReadingValue::Text(value),
        },
    }
}

fn number(text: &str, decimal_comma: bool) -> Option<f64> {
    match crate::unit::amount(text, decimal_comma) {
        Some((number, None)) => Some(number),
        _ => None,
    }
}

/// The values of one line.
struct Values<'a> {
    rest: Option<&'a str>,
    separator: char,
}

impl<'a> Values<'a> {
    const fn of(line: &'a str, separator: char) -> Self {
        Self { rest: Some(line), separator }
    }

    /// The text in quotes; what is left begins behind the separator.
    fn quoted(&mut self, inside: &'a str) -> Result<Cow<'a, str>, Rejection> {
        let bad = |detail: &str| Err(Rejection::new(Reason::Malformed, detail));
        let mut from = 0;
        let end = loop {
            let Some(at) = inside.get(from..).and_then(|left| left.find('"')) else {
                return bad("a quote that does not end in its line");
            };
            let at = from.saturating_add(at);
            if inside.get(at..).is_some_and(|left| left.starts_with("\"\"")) {
                from = at.saturating_add(2);
            } else {
                break at;
            }
        };
        let value = inside.get(..end).unwrap_or_default();
        let left = inside.get(end.saturating_add(1)..).unwrap_or_default().trim_start_matches([' ', '\r']);
        self.rest = match left.strip_prefix(self.separator) {
            Some(left) => Some(left),
            None if left.is_empty() => None,
            None => return bad("text behind a closing quote"),
        };
        Ok(if value.contains('"') { Cow::Owned(value.replace("\"\"", "\"")) } else { Cow::Borrowed(value) })
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Result<Cow<'a, str>, Rejection>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        let value = match rest.trim_start_matches(' ').strip_prefix('"') {
            Some(inside) => self.quoted(inside),
            None => {
                let value = match rest.split_once(self.separator) {
                    Some((value, left)) => {
                        self.rest = Some(left);
                        value
                    }
                    None => rest,
                };
                Ok(Cow::Borrowed(value.trim()))
            }
        };
        Some(value.and_then(|value| {
            let length = value.len();
            let long = || Rejection::new(Reason::TooComplex, format!("a value of {length} bytes"));
            if length > MAX_VALUE { Err(long()) } else { Ok(value) }
        }))
    }
}
