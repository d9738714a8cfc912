//! Value: one reading mapped to a quantity, converted and checked; or the reason why not.

use std::sync::Arc;

use super::explain::Trace;
use super::name::cleaned;
use super::{GENERIC_PROFILE, State, Transform};
use crate::catalogue::{Mapping, Profile};
use crate::check::cardinality::Names;
use crate::check::rate::{self, Entries, Last};
use crate::check::{finite, range};
use crate::outcome::{Reason, Rejection};
use crate::point::Name;
use crate::quality::Flag;
use crate::reading::{Reading, ReadingValue};

/// The longest channel that a payload may name, in bytes.
const MAX_CHANNEL: usize = 64;

/// What a reading became.
pub(super) struct Value<'p> {
    pub(super) field: Name,
    /// The field of a value that cannot be; nothing of an unknown name can be judged.
    pub(super) failed: Option<&'p Name>,
    pub(super) channel: Option<Arc<str>>,
    /// Nothing where the device says that it has no value.
    pub(super) number: Option<f64>,
    pub(super) flag: Flag,
}

/// Whose readings are judged, and when they were taken.
pub(super) struct Taken<'p> {
    pub(super) device: &'p str,
    pub(super) profile: &'p Profile,
    pub(super) measurement: &'p str,
    pub(super) time: i64,
    /// The time is not the device's own word although it told one, so nothing in the sample is sure.
    pub(super) time_suspect: bool,
}

/// Judges the readings of one sample.
pub(super) struct Judge<'s, 'p> {
    transform: &'p Transform,
    taken: Taken<'p>,
    names: &'s mut Names,
    /// Looked up when the first value asks for it, and once.
    last: Option<&'s mut Last>,
    entries: Option<Entries<'s>>,
    /// A device of no known kind told text, which is not stored.
    pub(super) unmapped_text: bool,
}

impl<'s, 'p> Judge<'s, 'p> {
    pub(super) fn new(transform: &'p Transform, taken: Taken<'p>, state: &'s mut State) -> Self {
        let State { names, last, .. } = state;
        Self { transform, taken, names, last: Some(last), entries: None, unmapped_text: false }
    }

    /// Nothing where the reading is to be passed over.
    pub(super) fn value(
        &mut self,
        reading: &Reading<'_>,
        trace: &mut Trace,
    ) -> Result<Option<Value<'p>>, Rejection> {
        let profile: &'p Profile = self.taken.profile;
        match profile.mapping(&reading.name) {
            Some((mapping, channel)) => self.mapped(mapping, channel, reading).map(Some),
            None => self.unknown(reading, trace),
        }
    }

    fn mapped(
        &mut self,
        mapping: &'p Mapping,
        in_name: Option<&str>,
        reading: &Reading<'_>,
    ) -> Result<Value<'p>, Rejection> {
        let quantity = &mapping.quantity;
        let told = mapping.apply(&reading.value, reading.unit.as_deref())?;
        let number = told.map(|number| finite::check(&reading.name, number)).transpose()?;
        let channel = match &mapping.channel {
            Some(channel) => Some(Arc::clone(channel)),
            None => self.told_channel(in_name.or(reading.channel.as_deref()))?,
        };
        let flag = match number {
            None => Flag::Missing,
            Some(number) => {
                let flag = range::check(number, quantity.impossible, quantity.suspect);
                match mapping.rate_per_minute {
                    // What another check doubts is no measure for what comes next.
                    Some(limit)
                        if matches!(flag, Flag::Pass | Flag::NotEvaluated) && !self.taken.time_suspect =>
                    {
                        let (field, channel, time) = (&quantity.name, channel.as_ref(), self.taken.time);
                        let counter = quantity.counter;
                        let new = rate::Value { field, channel, time, value: number, counter };
                        self.entries().map_or(flag, |entries| flag.and(entries.check(new, limit)))
                    }
                    _ => flag,
                }
            }
        };
        let failed = Some(&quantity.failed);
        Ok(Value { field: quantity.name.clone(), failed, channel, number, flag })
    }

    fn entries(&mut self) -> Option<&mut Entries<'s>> {
        if let Some(last) = self.last.take() {
            self.entries = last.of(self.taken.device);
        }
        self.entries.as_mut()
    }

    /// A name that the profile does not know is stored under a cleaned name, as long as there is room.
    fn unknown(&mut self, reading: &Reading<'_>, trace: &mut Trace) -> Result<Option<Value<'p>>, Rejection> {
        let profile = self.taken.profile;
        if profile.ignored.contains(&*reading.name) {
            trace.skipped(reading, "the profile ignores it");
            return Ok(None);
        }
        if !trace.listens() && !matches!(reading.value, ReadingValue::Null) {
            profile.heard.unknown_name();
        }
        let number = match &reading.value {
            ReadingValue::Number(number) => finite::check(&reading.name, *number)?,
            ReadingValue::Boolean(truth) => f64::from(u8::from(*truth)),
            // An unknown device may well send texts beside its numbers; one with a profile should not.
            ReadingValue::Text(_) if profile.skip_text || &*profile.name == GENERIC_PROFILE => {
                self.unmapped_text = true;
                trace.skipped(reading, "text is not stored");
                return Ok(None);
            }
            ReadingValue::Text(_) => {
                let detail = format!(
                    "\"{}\" is text, and the profile {} does not map it",
                    reading.name.escape_debug(),
                    profile.name
                );
                return Err(Rejection::new(Reason::WrongType, detail));
            }
            ReadingValue::Null => {
                trace.skipped(reading, "null: nothing was measured");
                return Ok(None);
            }
        };
        let mut name = cleaned(&reading.name);
        let taken = ["_qc", "_failed", "_raw"].iter().any(|suffix| name.ends_with(suffix));
        // The catalogue's own fields never change their meaning, so a stranger does not get their names.
        if taken || matches!(&*name, "delay_s" | "time") || self.transform.catalogue.get(&name).is_some() {
            name.to_mut().push_str("_raw");
        }
        Ok(Some(Value {
            field: self.names.admit_name(self.taken.measurement, &name)?,
            failed: None,
            channel: self.told_channel(reading.channel.as_deref())?,
            number: Some(number),
            flag: Flag::NotEvaluated,
        }))
    }

    /// A channel is a tag: those that payloads name are few and short, or a device could fill the database with series.
    fn told_channel(&mut self, told: Option<&str>) -> Result<Option<Arc<str>>, Rejection> {
        let Some(told) = told.filter(|told| !told.is_empty()) else { return Ok(None) };
        if told.len() > MAX_CHANNEL {
            let detail = format!("the channel's name has {} bytes; {MAX_CHANNEL} are allowed", told.len());
            return Err(Rejection::new(Reason::TooManyFields, detail));
        }
        let of = format!("channels of {}", self.taken.measurement);
        Ok(Some(Arc::clone(self.names.admit_name(&of, told)?.text())))
    }
}
