//! Assembling: one sample of a device becomes points, one for each channel.

use std::sync::Arc;

use super::config::ByCatalogue;
use super::explain::{SampleStory, Trace};
use super::name::cleaned;
use super::when::{When, in_words};
use super::{GENERIC_PROFILE, QualityFlags, State, Tags, Transform};
use crate::catalogue::Profile;
use crate::check::time::Verdict;
use crate::check::{finite, range, rate};
use crate::outcome::{Reason, Rejection};
use crate::point::{FieldValue, Point};
use crate::quality::Flag;
use crate::reading::{MAX_DEVICE_ID, Reading, ReadingValue, Sample};
use crate::topic::Template;

/// Why parts were refused: the first is told, the others are counted.
#[derive(Debug, Default)]
pub(super) struct Rest {
    first: Option<Rejection>,
    more: u64,
}

impl From<Option<Rejection>> for Rest {
    fn from(first: Option<Rejection>) -> Self {
        Self { first, more: 0 }
    }
}

impl Rest {
    pub(super) fn add(&mut self, rejection: Rejection) {
        if self.first.is_none() {
            self.first = Some(rejection);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    pub(super) fn into_rejection(self) -> Option<Rejection> {
        let mut first = self.first?;
        if self.more > 0 {
            first.detail = format!("{}; and {} more parts", first.detail, self.more);
        }
        Some(first)
    }
}

/// One message while its samples become points.
pub(super) struct Work<'w> {
    pub(super) transform: &'w Transform,
    pub(super) names: &'w ByCatalogue,
    pub(super) template: &'w Template,
    /// The route's, for devices to which the registry gives none.
    pub(super) profile: &'w Arc<Profile>,
    pub(super) topic: &'w str,
    /// The device that the topic names.
    pub(super) captured: Option<&'w str>,
    pub(super) when: When<'w>,
    pub(super) rest: Rest,
    pub(super) unmapped_text: bool,
    pub(super) state: &'w mut State,
    pub(super) out: &'w mut Vec<Point>,
    pub(super) trace: &'w mut Trace,
}

/// What all readings of one sample share.
struct Place<'p> {
    device: &'p str,
    profile: Arc<Profile>,
    measurement: Arc<str>,
    tags: Tags,
    time: i64,
    delay: Option<f64>,
    /// The time is not the device's own word although it told one, so nothing in the sample is sure.
    time_suspect: bool,
}

/// What a reading became.
struct Value {
    field: Arc<str>,
    /// `<field>_qc` and `<field>_failed`; unknown names have neither at hand.
    names: Option<(Arc<str>, Arc<str>)>,
    channel: Option<Arc<str>>,
    /// Nothing where the device says that it has no value.
    number: Option<f64>,
    flag: Flag,
}

impl<'w> Work<'w> {
    pub(super) fn sample(&mut self, sample: &Sample<'_>) {
        let place = match self.place(sample) {
            Ok(place) => place,
            Err(rejection) => return self.rest.add(rejection),
        };
        let first = self.out.len();
        for reading in &sample.readings {
            match self.value(reading, &place) {
                Ok(None) => {}
                Ok(Some(value)) => match self.add(&value, &place, first) {
                    Ok(flag) => self.trace.stored(reading, &value.field, value.number, flag),
                    Err(rejection) => self.refuse(reading, rejection),
                },
                Err(rejection) => self.refuse(reading, rejection),
            }
        }
        if let Some(delay) = place.delay {
            for point in self.out.iter_mut().skip(first) {
                point.fields.push((Arc::clone(&self.transform.delay), FieldValue::Float(delay)));
            }
        }
    }

    fn refuse(&mut self, reading: &Reading<'_>, rejection: Rejection) {
        self.trace.refused(reading, &rejection);
        self.rest.add(rejection);
    }

    /// Decides whose the sample is and when it was.
    fn place<'p>(&mut self, sample: &'p Sample<'_>) -> Result<Place<'p>, Rejection>
    where
        'w: 'p,
    {
        let record = self.when.record;
        let device = sample.device.as_deref().or(self.captured).ok_or_else(|| {
            let detail = "neither the topic nor the payload says which device it is";
            Rejection::new(Reason::NoDevice, detail)
        })?;
        if device.len() > MAX_DEVICE_ID {
            let detail = format!("the device's id has {} bytes", device.len());
            return Err(Rejection::new(Reason::NoDevice, detail));
        }
        let (verdict, time) = self.when.of(sample.time)?;
        let registered = self.transform.registry.device(device, time);
        let profile = registered.and_then(|device| device.profile.as_ref()).unwrap_or(self.profile).clone();
        let measurement = profile
            .measurement
            .as_ref()
            .or(self.names.measurement.as_ref())
            .unwrap_or(&self.transform.sensor)
            .clone();
        let tags = match registered {
            Some(device) => Arc::clone(&device.tags),
            None => {
                self.state.names.admit_device(device, self.transform.config.max_unregistered)?;
                self.unregistered_tags(device)
            }
        };
        self.trace.note(|story| {
            story.device.get_or_insert_with(|| device.to_owned());
            story.samples.push(SampleStory {
                device: Some(device.to_owned()),
                registered: registered.is_some(),
                profile: profile.name.to_string(),
                measurement: measurement.to_string(),
                told_time: sample.time,
                time,
                time_check: in_words(verdict).to_owned(),
                readings: Vec::new(),
            });
        });
        // A delay against a clock that is known to be wrong says nothing.
        let delay = (matches!(verdict, Verdict::Told(_)) && !record.clock_suspect).then(|| {
            let nanoseconds = i128::from(record.received) - i128::from(time);
            nanoseconds as f64 / 1e9
        });
        let time_suspect = match verdict {
            Verdict::Told(_) => false,
            Verdict::Untold => record.clock_suspect,
            Verdict::Unset | Verdict::Ahead => true,
        };
        Ok(Place { device, profile, measurement, tags, time, delay, time_suspect })
    }

    /// What the topic and the route say of a device that the registry does not know; sorted by key.
    fn unregistered_tags(&self, device: &str) -> Tags {
        let captured = |name| self.template.capture(self.topic, name).map(Arc::from);
        let tags = [
            ("city", captured("city").or_else(|| self.names.city.clone())),
            ("device", Some(device.into())),
            ("district", captured("district").or_else(|| self.names.district.clone())),
            ("site", Some("unregistered".into())),
        ];
        let told = tags.into_iter().filter_map(|(key, value)| Some((Arc::from(key), value?)));
        told.filter(|(_, value): &(Arc<str>, Arc<str>)| !value.is_empty()).collect()
    }

    /// Maps one reading to a quantity and checks it. Nothing where it is to be passed over.
    fn value(&mut self, reading: &Reading<'_>, place: &Place<'_>) -> Result<Option<Value>, Rejection> {
        let told_channel = || reading.channel.as_deref().map(Arc::from);
        let Some(mapping) = place.profile.names.get(&*reading.name) else {
            return Ok(self.unknown(reading, place)?.map(|(field, number)| Value {
                field,
                names: None,
                channel: told_channel(),
                number: Some(number),
                flag: Flag::NotEvaluated,
            }));
        };
        let quantity = &mapping.quantity;
        let told = mapping.apply(&reading.value, reading.unit.as_deref())?;
        let number = told.map(|number| finite::check(&reading.name, number)).transpose()?;
        let channel = mapping.channel.clone().or_else(told_channel);
        let flag = match number {
            None => Flag::Missing,
            Some(number) => {
                let flag = range::check(number, quantity.impossible, quantity.suspect);
                match mapping.rate_per_minute {
                    // What another check doubts is no measure for what comes next.
                    Some(limit) if matches!(flag, Flag::Pass | Flag::NotEvaluated) && !place.time_suspect => {
                        let (field, channel) = (&quantity.name, channel.as_ref());
                        let (device, time) = (place.device, place.time);
                        let new = rate::Value { device, field, channel, time, value: number };
                        flag.and(self.state.last.check(new, limit))
                    }
                    _ => flag,
                }
            }
        };
        Ok(Some(Value {
            field: Arc::clone(&quantity.name),
            names: Some((Arc::clone(&quantity.qc_name), Arc::clone(&quantity.failed_name))),
            channel,
            number,
            flag,
        }))
    }

    /// A name that the profile does not know is stored under a cleaned name, as long as there is room.
    fn unknown(
        &mut self,
        reading: &Reading<'_>,
        place: &Place<'_>,
    ) -> Result<Option<(Arc<str>, f64)>, Rejection> {
        let number = match &reading.value {
            ReadingValue::Number(number) => finite::check(&reading.name, *number)?,
            ReadingValue::Boolean(truth) => f64::from(u8::from(*truth)),
            // An unknown device may well send texts beside its numbers; one with a profile should not.
            ReadingValue::Text(_) if &*place.profile.name == GENERIC_PROFILE => {
                self.unmapped_text = true;
                self.trace.skipped(reading, "text is not stored");
                return Ok(None);
            }
            ReadingValue::Text(_) => {
                return Err(Rejection::new(
                    Reason::WrongType,
                    format!(
                        "\"{}\" is text, and the profile {} does not map it",
                        reading.name.escape_debug(),
                        place.profile.name
                    ),
                ));
            }
            ReadingValue::Null => {
                self.trace.skipped(reading, "null: nothing was measured");
                return Ok(None);
            }
        };
        let mut name = cleaned(&reading.name);
        let taken = ["_qc", "_failed", "_raw"].iter().any(|suffix| name.ends_with(suffix));
        // The catalogue's own fields never change their meaning, so a stranger does not get their names.
        if taken || matches!(&*name, "delay_s" | "time") || self.transform.catalogue.get(&name).is_some() {
            name.push_str("_raw");
        }
        self.state.names.admit_name(&place.measurement, &name)?;
        Ok(Some((name.into(), number)))
    }

    /// Puts a value into the point of its channel and gives its flag; this sample's points begin at `first`.
    fn add(&mut self, value: &Value, place: &Place<'_>, first: usize) -> Result<Flag, Rejection> {
        let flag = if place.time_suspect { value.flag.and(Flag::Suspect) } else { value.flag };
        let wanted = match self.transform.config.quality_flags {
            QualityFlags::All => true,
            QualityFlags::Exceptions => matches!(flag, Flag::Suspect | Flag::Fail | Flag::Missing),
            QualityFlags::None => false,
        };
        let field = match &value.names {
            Some((_, failed)) if flag == Flag::Fail => failed,
            _ => &value.field,
        };
        let failed = value.names.as_ref().map(|(_, failed)| failed);
        let Some(point) = point_of(self.out, value.channel.as_ref(), place, first) else { return Ok(flag) };
        if let Some(number) = value.number.map(FieldValue::Float) {
            let mut known = point.fields.iter();
            if let Some((_, known)) = known.find(|(name, _)| *name == value.field || Some(name) == failed) {
                if *known == number {
                    return Ok(flag);
                }
                let detail = format!("{} is told twice with different values", value.field);
                return Err(Rejection::new(Reason::Malformed, detail));
            }
            point.fields.push((Arc::clone(field), number));
        }
        if wanted {
            let qc = match &value.names {
                Some((qc, _)) => Arc::clone(qc),
                None => format!("{}_qc", value.field).into(),
            };
            point.fields.push((qc, FieldValue::Integer(flag.number())));
        }
        Ok(flag)
    }
}

/// The point of a channel among those of this sample, made where it is not there yet.
fn point_of<'p>(
    out: &'p mut Vec<Point>,
    channel: Option<&Arc<str>>,
    place: &Place<'_>,
    first: usize,
) -> Option<&'p mut Point> {
    let of_channel = |point: &Point| {
        let tag = point.tags.iter().find(|(key, _)| &**key == "channel").map(|(_, value)| value);
        tag == channel
    };
    let index = out.iter().skip(first).position(of_channel).map_or(out.len(), |index| first + index);
    if index == out.len() {
        out.push(Point {
            measurement: Arc::clone(&place.measurement),
            tags: channel
                .map_or_else(|| Arc::clone(&place.tags), |channel| with_channel(&place.tags, channel)),
            fields: Vec::with_capacity(16),
            time: place.time,
        });
    }
    out.get_mut(index)
}

fn with_channel(tags: &Tags, channel: &Arc<str>) -> Tags {
    let mut tags = tags.to_vec();
    tags.push(("channel".into(), Arc::clone(channel)));
    tags.sort();
    tags.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_refusal_is_told_and_the_others_counted() {
        let mut rest = Rest::default();
        assert_eq!(Rest::default().into_rejection(), None);
        for name in ["a", "b", "c"] {
            rest.add(Rejection::new(Reason::NotFinite, name));
        }
        let rest = rest.into_rejection().unwrap();
        assert_eq!((rest.reason, &*rest.detail), (Reason::NotFinite, "a; and 2 more parts"));
    }
}
