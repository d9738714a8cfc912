//! Format `json`: an object, nested or not, or an array of such objects, each a sample of its own.
//!
//! Settings: `time` (path of the time, as told or in each sample), `time_format`, `device` (path of the device's
//! id), `samples` (path of an array of samples inside the object; what stands outside belongs to all moments),
//! `separator` (what joins the names of nested objects, in paths too; default a dot).
//! Each sample of an array may name its own device; one that names none is of the device told outside of them.
//! A key that stands twice gives two readings of one name; the first is stored, the second refused.

use super::flatten::{Wanted, flatten};
use super::told::TimeFormat;
use super::{Decoded, Hints};
use crate::outcome::{Reason, Rejection};
use crate::settings::Section;

#[derive(Debug, Clone)]
pub struct Settings {
    pub time: Option<String>,
    pub time_format: TimeFormat,
    pub device: Option<String>,
    pub samples: Option<String>,
    pub separator: String,
}

impl Settings {
    pub(super) fn read(section: &mut Section) -> Self {
        Self {
            time: section.optional("time"),
            time_format: section.get("time_format", TimeFormat::default()),
            device: section.optional("device"),
            samples: section.optional("samples"),
            separator: section.get("separator", ".".to_owned()),
        }
    }
}

pub(super) fn decode<'a>(
    settings: &Settings,
    text: &'a str,
    hints: &Hints<'_>,
) -> Result<Decoded<'a>, Rejection> {
    if !text.trim_start().starts_with(['{', '[']) {
        let detail = "neither a JSON object nor an array of them; for a bare value use format = \"value\"";
        return Err(Rejection::new(Reason::Malformed, detail));
    }
    let wanted = Wanted {
        time: settings.time.as_deref(),
        device: settings.device.as_deref(),
        samples: settings.samples.as_deref(),
        separator: &settings.separator,
    };
    let flat = flatten(text, &wanted, hints)?;
    let read =
        |told: &Option<_>| told.as_ref().map(|told| settings.time_format.read(told, hints.zone)).transpose();
    let base_time = read(&flat.base.told)?;
    let mut samples = Vec::with_capacity(flat.moments.len() + 1);
    let mut rest = None;
    let mut base = flat.base.sample;
    let device = base.device.clone();
    if !base.readings.is_empty() {
        base.time = base_time;
        samples.push(base);
    }
    for moment in flat.moments {
        let mut sample = moment.sample;
        match read(&moment.told) {
            Ok(time) => {
                sample.time = time.or(base_time);
                sample.device = sample.device.or_else(|| device.clone());
            }
            // The samples of an array are independent: the others are stored.
            Err(rejection) => {
                rest.get_or_insert(rejection);
                continue;
            }
        }
        if !sample.readings.is_empty() {
            samples.push(sample);
        }
    }
    match rest {
        Some(rejection) if samples.is_empty() => Err(rejection),
        rest => Ok(Decoded::Samples { samples, rest }),
    }
}
