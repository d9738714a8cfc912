//! Format `json`: an object, nested or not, or an array of such objects, each a sample of its own.
//!
//! Settings: `time` (path of the time, as told or in each sample), `time_format`, `device` (path of the device's
//! id), `model` (path of what the payload calls the device's model), `samples` (path of an array of samples inside the
//! object; what stands outside belongs to all moments), `offset` (path, in each sample, of the distance to the time told
//! outside, or to the time of receipt where none is), `offset_format` (its unit), `separator` (what joins the names of
//! nested objects, in paths too; default a dot), `entry_name`, `entry_value` and `entry_unit` (in an array of samples
//! that hold one value each: the members that hold its name, itself and its unit).
//! Each sample of an array may name its own device; one that names none is of the device told outside of them.
//! A key that stands twice gives two readings of one name; the first is stored, the second refused.

use std::borrow::Cow;

use super::flatten::{Moment, Wanted, flatten};
use super::path::Path;
use super::told::TimeFormat;
use super::{Decoded, Hints};
use crate::outcome::{Reason, Rejection};
use crate::reading::{Reading, ReadingValue, Sample};
use crate::settings::Section;

#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub time: Option<Path>,
    pub time_format: TimeFormat,
    pub offset: Option<Path>,
    pub offset_format: OffsetFormat,
    pub device: Option<Path>,
    pub model: Option<Path>,
    pub samples: Option<Path>,
    pub entry: Option<Entry>,
    pub separator: String,
}

/// The unit of an offset; seconds unless told.
#[derive(Debug, Clone, Copy)]
pub struct OffsetFormat(TimeFormat);

impl Default for OffsetFormat {
    fn default() -> Self {
        Self(TimeFormat::S)
    }
}

/// How a sample of one value is written.
#[derive(Debug, Clone)]
pub struct Entry {
    pub name: String,
    pub value: String,
    pub unit: Option<String>,
}

impl Settings {
    pub(super) fn read(section: &mut Section) -> Self {
        let separator = section.optional("separator").unwrap_or_else(|| ".".to_owned());
        let mut path = |key| section.optional::<String>(key).map(|text| Path::new(&text, &separator));
        let [time, offset, device, model, samples] =
            ["time", "offset", "device", "model", "samples"].map(&mut path);
        let offset_format = section.get("offset_format", TimeFormat::S);
        if matches!(offset_format, TimeFormat::Auto | TimeFormat::Iso) {
            section.problem("offset_format", "must be \"s\", \"ms\", \"us\" or \"ns\"");
        }
        let [name, value, unit] =
            ["entry_name", "entry_value", "entry_unit"].map(|key| section.optional::<String>(key));
        if name.is_some() != value.is_some() || (unit.is_some() && name.is_none()) {
            section.problem("entry_name", "entry_name and entry_value belong together");
        }
        let entry = name.zip(value).map(|(name, value)| Entry { name, value, unit });
        let (time_format, offset_format) =
            (section.get("time_format", TimeFormat::default()), OffsetFormat(offset_format));
        Self { time, time_format, offset, offset_format, device, model, samples, entry, separator }
    }

    fn time_of(
        &self,
        moment: &Moment<'_>,
        base: Option<i64>,
        hints: &Hints<'_>,
    ) -> Result<Option<i64>, Rejection> {
        if let Some(told) = &moment.told {
            return self.time_format.read(told, hints.zone).map(Some);
        }
        let Some(told) = &moment.offset else { return Ok(base) };
        let offset = self.offset_format.0.read(told, hints.zone)?;
        let time = base.unwrap_or(hints.now).checked_add(offset);
        time.map(Some).ok_or_else(|| Rejection::new(Reason::InvalidTime, "an offset beyond all times"))
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
    let as_told: Vec<&str> = settings.entry.iter().flat_map(Entry::names).collect();
    let wanted = Wanted {
        time: settings.time.as_ref(),
        offset: settings.offset.as_ref(),
        device: settings.device.as_ref(),
        model: settings.model.as_ref(),
        samples: settings.samples.as_ref(),
        as_told: &as_told,
        separator: &settings.separator,
    };
    let flat = flatten(text, &wanted, hints)?;
    let base_time = settings.time_of(&flat.base, None, hints)?;
    let mut samples = Vec::with_capacity(flat.moments.len() + 1);
    let mut rest = None;
    let mut base = flat.base.sample;
    let (device, model) = (base.device.clone(), base.model.clone());
    if !base.readings.is_empty() {
        base.time = base_time;
        samples.push(base);
    }
    for moment in flat.moments {
        let time = settings.time_of(&moment, base_time, hints);
        let mut sample = moment.sample;
        let named = match &settings.entry {
            None => Ok(()),
            Some(entry) => entry.apply(&mut sample),
        };
        match time.and_then(|time| named.map(|()| time)) {
            Ok(time) => {
                sample.time = time;
                sample.device = sample.device.or_else(|| device.clone());
                sample.model = sample.model.or_else(|| model.clone());
            }
            // The samples of an array are independent: the others are stored.
            Err(rejection) => {
                rest.get_or_insert(rejection);
                continue;
            }
        }
        if sample.readings.is_empty() {
            continue;
        }
        match samples.last_mut() {
            // Entries of one moment are one sample.
            Some(last) if settings.entry.is_some() && alike(last, &sample) => {
                last.readings.append(&mut sample.readings);
            }
            _ => samples.push(sample),
        }
    }
    match rest {
        Some(rejection) if samples.is_empty() => Err(rejection),
        rest => Ok(Decoded::Samples { samples, rest }),
    }
}

fn alike(one: &Sample<'_>, other: &Sample<'_>) -> bool {
    one.time == other.time && one.device == other.device && one.model == other.model
}

impl Entry {
    /// The members that name something.
    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&*self.name).chain(self.unit.as_deref())
    }

    /// Makes one reading of the members that name it; other members stay as they are.
    fn apply(&self, sample: &mut Sample<'_>) -> Result<(), Rejection> {
        let mut take = |wanted: &str| {
            let at = sample.readings.iter().position(|reading| reading.name == wanted)?;
            Some(sample.readings.remove(at).value)
        };
        let name = match take(&self.name) {
            Some(ReadingValue::Text(name)) => name,
            Some(ReadingValue::Number(number)) => Cow::Owned(number.to_string()),
            _ => {
                let detail = format!("an entry without \"{}\", which would name it", self.name);
                return Err(Rejection::new(Reason::NoValue, detail));
            }
        };
        let Some(value) = take(&self.value) else {
            let detail = format!("the entry \"{}\" has no \"{}\"", super::shown(&name), self.value);
            return Err(Rejection::new(Reason::NoValue, detail));
        };
        let unit = self.unit.as_deref().and_then(&mut take);
        let unit = unit.and_then(|unit| match unit {
            ReadingValue::Text(unit) => Some(unit),
            _ => None,
        });
        sample.readings.push(Reading { name, value, unit, channel: None });
        Ok(())
    }
}
