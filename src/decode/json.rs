//! Format `json`: an object, nested or not, or an array of such objects, each a sample of its own.
//!
//! Settings: `time` (path of the time, as told or in each sample), `time_format`, `device` (path of the device's
//! id), `model` (path of what the payload calls the device's model), `samples` (path of an array of samples inside the
//! object; what stands outside belongs to all moments), `offset` (path, in each sample, of the distance to the time told
//! outside, or to the time of receipt where none is), `offset_format` (its unit), `separator` (what joins the names of
//! nested objects, in paths too; default a dot), `entry_name`, `entry_value` and `entry_unit` (in an array of samples
//! that hold one value each: the members that hold its name, itself and its unit).
//! `time` and `device` may be templates, texts with members in braces: `{date}T{clock}`. All parts must be there, in the
//! sample or outside; they are no readings.
//! Each sample of an array may name its own device; one that names none is of the device told outside of them.
//! A key that stands twice gives two readings of one name; the first is stored, the second refused. Time, device, model
//! and parts of templates that stand twice refuse the message.

use std::borrow::Cow;

use super::flatten::{Moment, Wanted, flatten};
use super::path::Path;
use super::template::{Source, Template};
use super::told::{TimeFormat, Told};
use super::{Decoded, Hints, at};
use crate::outcome::{Reason, Rejection};
use crate::reading::{MAX_DEVICE_ID, Reading, ReadingValue, Sample};
use crate::settings::Section;

#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub time: Option<Source>,
    pub time_format: TimeFormat,
    pub offset: Option<Path>,
    pub offset_format: OffsetFormat,
    pub device: Option<Source>,
    pub model: Option<Path>,
    pub samples: Option<Path>,
    /// What time and device are put together from, each once.
    pub parts: Vec<Path>,
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
        let [offset, model, samples] = ["offset", "model", "samples"].map(&mut path);
        let mut source = |key| match Source::read(&section.optional::<String>(key)?, &separator) {
            Ok(source) => Some(source),
            Err(wrong) => {
                section.problem(key, wrong);
                None
            }
        };
        let [time, device] = ["time", "device"].map(&mut source);
        let mut parts: Vec<Path> = Vec::new();
        for member in
            [&time, &device].into_iter().flatten().filter_map(Source::template).flat_map(Template::members)
        {
            if !parts.contains(member) {
                parts.push(member.clone());
            }
        }
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
        Self { time, time_format, offset, offset_format, device, model, samples, parts, entry, separator }
    }

    /// The text of a template; a part stands in the sample itself, or outside of all.
    fn filled(&self, template: &Template, moment: &Moment<'_>, outer: &Moment<'_>) -> Result<String, String> {
        template.filled(MAX_DEVICE_ID, |path| {
            let wanted = self.parts.iter().position(|part| part == path)?;
            let mut told = moment.parts.iter().chain(&outer.parts);
            told.find(|(part, _)| *part == wanted).map(|(_, text)| &**text)
        })
    }

    fn time_of(
        &self,
        moment: &Moment<'_>,
        outer: &Moment<'_>,
        base: Option<i64>,
        hints: &Hints<'_>,
    ) -> Result<Option<i64>, Rejection> {
        let base = match &self.time {
            Some(Source::Member(path)) => match &moment.told {
                Some(told) => return self.time_format.read(told, hints.zone).map(Some).map_err(at(path)),
                None => base,
            },
            Some(Source::Template(template)) => {
                let text = self.filled(template, moment, outer);
                let text =
                    text.map_err(|wrong| Rejection::new(Reason::InvalidTime, format!("time: {wrong}")))?;
                Some(self.time_format.read(&Told::Text(text.into()), hints.zone).map_err(at("time"))?)
            }
            None => base,
        };
        let (Some(path), Some(told)) = (&self.offset, &moment.offset) else { return Ok(base) };
        let offset = self.offset_format.0.read(told, hints.zone).map_err(at(path))?;
        let time = base.unwrap_or(hints.now).checked_add(offset);
        time.map(Some).ok_or_else(|| Rejection::new(Reason::InvalidTime, format!("{path}: beyond all times")))
    }

    fn device_of<'a>(
        &self,
        moment: &Moment<'_>,
        outer: &Moment<'a>,
    ) -> Result<Option<Cow<'a, str>>, Rejection> {
        let Some(template) = self.device.as_ref().and_then(Source::template) else {
            return Ok(outer.sample.device.clone());
        };
        let text = self.filled(template, moment, outer);
        let text = text.map_err(|wrong| Rejection::new(Reason::NoDevice, format!("device: {wrong}")))?;
        Ok(Some(Cow::Owned(text)))
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
        time: settings.time.as_ref().and_then(Source::member),
        offset: settings.offset.as_ref(),
        device: settings.device.as_ref().and_then(Source::member),
        model: settings.model.as_ref(),
        parts: &settings.parts,
        samples: settings.samples.as_ref(),
        as_told: &as_told,
        separator: &settings.separator,
    };
    let flat = flatten(text, &wanted, hints)?;
    let mut outer = flat.base;
    let mut samples = Vec::with_capacity(flat.moments.len() + 1);
    let mut rest = None;
    // What stands outside may lack a part that each sample has.
    let put_together = settings.time.as_ref().is_some_and(|time| time.template().is_some());
    let base_time =
        if put_together { None } else { settings.time_of(&outer, &Moment::default(), None, hints)? };
    if !outer.sample.readings.is_empty() {
        let readings = std::mem::take(&mut outer.sample.readings);
        let time = if put_together { settings.time_of(&outer, &outer, None, hints) } else { Ok(base_time) };
        match time.and_then(|time| settings.device_of(&outer, &outer).map(|device| (time, device))) {
            Ok((time, device)) => {
                samples.push(Sample { time, device, model: outer.sample.model.clone(), readings });
            }
            Err(wrong) => rest = Some(wrong),
        }
    }
    for (index, moment) in flat.moments.into_iter().enumerate() {
        if !settings.parts.is_empty() && moment.sample.readings.is_empty() {
            continue;
        }
        let time = settings.time_of(&moment, &outer, base_time, hints);
        let own = moment.sample.device.is_some();
        let device = if own { Ok(None) } else { settings.device_of(&moment, &outer) };
        let mut sample = moment.sample;
        let named = match &settings.entry {
            None => Ok(()),
            Some(entry) => entry.apply(&mut sample),
        };
        match time.and_then(|time| named.and(device).map(|device| (time, device))) {
            Ok((time, device)) => {
                sample.time = time;
                sample.device = sample.device.or(device);
                sample.model = sample.model.or_else(|| outer.sample.model.clone());
            }
            // The samples of an array are independent: the others are stored.
            Err(wrong) => {
                rest.get_or_insert_with(|| at(format!("sample {}", index.saturating_add(1)))(wrong));
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
