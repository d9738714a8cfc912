//! Format `value`: the payload is one bare number or text, as Shelly's and many hobby devices send it.
//!
//! Setting: `name`, what the value is called (default `value`).

use std::borrow::Cow;

use super::Decoded;
use crate::outcome::{Reason, Rejection};
use crate::reading::{Reading, ReadingValue, Sample};
use crate::settings::Section;

/// A longer text is no value.
const MAX_TEXT: usize = 1024;

#[derive(Debug, Clone)]
pub struct Settings {
    pub name: String,
}

impl Settings {
    pub(super) fn read(section: &mut Section) -> Self {
        Self { name: section.get("name", "value".to_owned()) }
    }
}

pub(super) fn decode<'a>(settings: &'a Settings, text: &'a str) -> Result<Decoded<'a>, Rejection> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Rejection::new(Reason::NoValue, "nothing but white space"));
    }
    if text.len() > MAX_TEXT {
        return Err(Rejection::new(Reason::Malformed, format!("{} bytes are no bare value", text.len())));
    }
    let value = match (text.parse::<f64>(), text) {
        (Ok(number), _) => ReadingValue::Number(number),
        (Err(_), "true") => ReadingValue::Boolean(true),
        (Err(_), "false") => ReadingValue::Boolean(false),
        (Err(_), "null" | "unavailable" | "unknown") => ReadingValue::Null,
        _ => ReadingValue::Text(Cow::Borrowed(text)),
    };
    let name = Cow::Borrowed(settings.name.as_str());
    let reading = Reading { name, value, unit: None, channel: None };
    let sample = Sample { readings: vec![reading], ..Sample::default() };
    Ok(Decoded::Samples { samples: vec![sample], rest: None })
}
