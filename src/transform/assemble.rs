//! Assembling: one sample of a device becomes points, one for each channel.

use std::sync::Arc;

use super::config::ByCatalogue;
use super::explain::{SampleStory, Trace};
use super::value::{Judge, Taken, Value};
use super::when::{When, in_words};
use super::{QualityFlags, State, Transform};
use crate::catalogue::Profile;
use crate::check::time::Verdict;
use crate::outcome::{Reason, Rejection};
use crate::point::{Field, FieldValue, Name, Point, Tag, Tags};
use crate::quality::Flag;
use crate::reading::{MAX_DEVICE_ID, Sample};
use crate::topic::Template;

/// Room made for the fields of a point before they are known: a hostile sample may hold thousands, each apart.
const MOST_AT_ONCE: usize = 64;

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
    profile: &'p Arc<Profile>,
    measurement: Arc<str>,
    tags: Tags,
    time: i64,
    delay: Option<f64>,
    /// The time is not the device's own word although it told one, so nothing in the sample is sure.
    time_suspect: bool,
}

impl<'w> Work<'w> {
    pub(super) fn sample(&mut self, sample: &Sample<'_>) {
        let place = match self.place(sample) {
            Ok(place) => place,
            Err(rejection) => return self.rest.add(rejection),
        };
        let Place { device, measurement, profile, time, time_suspect, .. } = &place;
        let taken = Taken { device, profile, measurement, time: *time, time_suspect: *time_suspect };
        let mut judge = Judge::new(self.transform, taken, self.state);
        let mut points = Points {
            first: self.out.len(),
            out: self.out,
            flags: self.transform.config.quality_flags,
            place: &place,
            readings: sample.readings.len(),
        };
        for reading in &sample.readings {
            let added = match judge.value(reading, self.trace) {
                Ok(None) => continue,
                Ok(Some(value)) => {
                    points.add(value, |field, number, flag| self.trace.stored(reading, field, number, flag))
                }
                Err(rejection) => Err(rejection),
            };
            if let Err(rejection) = added {
                self.trace.refused(reading, &rejection);
                self.rest.add(rejection);
            }
        }
        let first = points.first;
        self.unmapped_text |= judge.unmapped_text;
        self.trace.note(|story| {
            for reading in story.samples.last_mut().into_iter().flat_map(|sample| &mut sample.readings) {
                let name = reading.name.as_str();
                reading.known = profile.mapping(name).is_some() || profile.ignored.contains(name);
            }
        });
        if let Some(delay) = place.delay {
            for point in self.out.iter_mut().skip(first) {
                point.fields.push(Field::of(self.transform.delay.clone(), FieldValue::Float(delay)));
            }
        }
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
        let transform = self.transform;
        let registered = transform.registry.device(device, time);
        let profile = transform.profile_of(registered, sample.model.as_deref()).unwrap_or(self.profile);
        let measurement = profile
            .measurement
            .as_ref()
            .or(self.names.measurement.as_ref())
            .unwrap_or(&self.transform.sensor)
            .clone();
        let tags = match registered {
            Some(device) => device.tags.clone(),
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
            // To the millisecond: more digits say nothing of a device, and every one is stored.
            let milliseconds =
                (i128::from(record.received) - i128::from(time) + 500_000).div_euclid(1_000_000);
            milliseconds as f64 / 1e3
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
        told.filter(|(_, value): &Tag| !value.is_empty()).collect()
    }
}

/// The points of one sample in the making.
struct Points<'s> {
    out: &'s mut Vec<Point>,
    /// Where this sample's begin.
    first: usize,
    flags: QualityFlags,
    place: &'s Place<'s>,
    readings: usize,
}

impl Points<'_> {
    /// Puts a value with its flag into the point of its channel; `told` learns of it where it is taken.
    fn add(
        &mut self,
        value: Value<'_>,
        told: impl FnOnce(&Name, Option<f64>, Flag),
    ) -> Result<(), Rejection> {
        let Value { field, failed, channel, number, flag } = value;
        let flag = if self.place.time_suspect { flag.and(Flag::Suspect) } else { flag };
        let wanted = match self.flags {
            QualityFlags::All => true,
            QualityFlags::Exceptions => matches!(flag, Flag::Suspect | Flag::Fail | Flag::Missing),
            QualityFlags::None => false,
        };
        let Some(point) = self.of(channel.as_ref()) else { return Ok(()) };
        let number_told = number;
        let number = number.map(FieldValue::Float);
        // A name is one that all share, so it is enough to ask whether it is the same one.
        let same = |name: &Name| name.is(&field) || failed.is_some_and(|failed| name.is(failed));
        let known = point.fields.iter_mut().find(|known| same(&known.name));
        if let Some(Field { value: Some(value), .. }) = &known
            && number.as_ref().is_some_and(|number| number != value)
        {
            let detail = format!("{field} is told twice with different values");
            return Err(Rejection::new(Reason::Malformed, detail));
        }
        told(&field, number_told, flag);
        let name = match failed {
            Some(failed) if flag == Flag::Fail => failed.clone(),
            _ => field,
        };
        let new = Field { name, value: number, flag: wanted.then_some(flag) };
        match known {
            // That there is no value says nothing where there is one.
            Some(known) if known.value.is_none() && new.value.is_some() => *known = new,
            Some(_) => {}
            None if new.value.is_none() && new.flag.is_none() => {}
            None => point.fields.push(new),
        }
        Ok(())
    }

    /// The point of a channel among those of this sample, made where it is not there yet.
    fn of(&mut self, channel: Option<&Arc<str>>) -> Option<&mut Point> {
        let Self { out, first, place, readings, .. } = self;
        let of_channel = |point: &Point| match channel {
            None => point.tags.is(&place.tags),
            Some(channel) => {
                let tag = point.tags.iter().find(|(key, _)| &**key == "channel").map(|(_, value)| value);
                tag == Some(channel)
            }
        };
        let known = out.iter().skip(*first).position(of_channel);
        let index = known.map_or(out.len(), |index| index.saturating_add(*first));
        if index == out.len() {
            out.push(Point {
                measurement: Arc::clone(&place.measurement),
                tags: channel
                    .map_or_else(|| place.tags.clone(), |channel| with_channel(&place.tags, channel)),
                // The delay is one more.
                fields: Vec::with_capacity((*readings + 1).min(MOST_AT_ONCE)),
                time: place.time,
            });
        }
        out.get_mut(index)
    }
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
