//! Format `senml`: Sensor Measurement Lists in JSON and CBOR, RFC 8428 with RFC 8798 (units) and RFC 9100 (versions).
//!
//! A pack is resolved as RFC 8428, 4.6 says: base fields hold for their own record and all later ones until replaced,
//! each by itself; times below 2^28 are relative to the time of receipt; what is resolved is put in order of time.
//! Records are counted from 1 in what is said of them, as fragment identifiers do (section 9).
//!
//! Where the RFC says MUST of the pack, the pack is refused whole: not an array of objects, an unknown label that ends
//! in `_`, a version that is newer or not the same in all records, a base field of the wrong type. What is wrong with
//! one record costs that record, and the others are stored.
//!
//! What the RFC leaves open, and what is done here:
//! - *Whose it is.* A full name is device and reading in one; where they part follows from the full name alone, so a
//!   pack and its resolved form are the same. See [`name`]. A pack may hold several devices.
//! - *No name beside the device* (5.1.3): the reading is called as its unit, or `value`.
//! - *Sums* are readings of their own, `NAME.sum`, in the unit times seconds: `W.s`, which is a joule. A base sum adds
//!   to numbers only; an integral of text is nothing.
//! - *Base value*: a record with any field of its own has a value where a base value is in force. One with base fields
//!   only says nothing itself. One without value and sum is refused.
//! - *`null`* is not allowed; here it is a field that is not there, and a value that is only `null` says that nothing
//!   was measured.
//! - *A field told twice* in one record cannot be trusted: the pack is refused.
//! - *`vd`* is kept as its text, and goes the way of all text.
//! - *`%`* is a ratio, 1 being all of it, as note 2 to the registry says; for percent there are `%RH`, `%EL` and `/100`.
//! - *`C` and `F`* mean degrees, as devices mean them, not coulomb and farad.
//! - *`ut`* is read and feeds nothing yet. *Future times* are judged by `time.max_ahead`.
//! - *An empty pack* holds no value. Times are kept to the microsecond; sums with base fields are those of decimals.

mod cbor;
mod name;
mod record;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use self::name::Name;
use self::record::Record;
use super::{Decoded, Hints, malformed, text};
use crate::decimal;
use crate::outcome::{Reason, Rejection};
use crate::reading::{Reading, ReadingValue, Sample};

/// The newest version without features.
const VERSION: f64 = 10.0;
/// The same with the feature "Secondary Units", RFC 9100.
const VERSION_WITH_SECONDARY_UNITS: f64 = 26.0;
/// Times below are relative, in seconds.
const ABSOLUTE: f64 = 268_435_456.0;
/// Base name and name together; a pack repeats the base for each record.
const MAX_NAME: usize = 256;
/// No unit is longer; a base unit is repeated as well.
const MAX_UNIT: usize = 64;

pub(super) fn decode<'a>(payload: &'a [u8], hints: &Hints<'_>) -> Result<Decoded<'a>, Rejection> {
    let mut pack = Pack {
        hints,
        base: Base::default(),
        records: 0,
        told: Vec::new(),
        rest: None,
        more: 0,
        refused: None,
    };
    if cbor::recognised(payload) {
        cbor::read(payload, &mut pack)?;
        return pack.resolved();
    }
    let mut reader = serde_json::Deserializer::from_str(text(payload)?);
    let read = Records(&mut pack).deserialize(&mut reader).and_then(|()| reader.end());
    match (pack.refused.take(), read) {
        (Some(refused), _) => Err(refused),
        (None, Err(error)) => {
            let mut rejection = malformed(&error);
            rejection.detail = format!("after {} records: {}", pack.records, rejection.detail);
            Err(rejection)
        }
        (None, Ok(())) => pack.resolved(),
    }
}

/// Whether an array of maps with SenML's labels begins here, in CBOR.
pub(super) fn is_pack_in_cbor(payload: &[u8]) -> bool {
    cbor::is_pack(payload)
}

/// Whether it is a label of SenML.
pub(super) fn is_label(name: &str) -> bool {
    record::LABELS.iter().any(|(label, _)| *label == name)
}

/// The base values in force.
#[derive(Debug, Default)]
struct Base<'a> {
    name: Cow<'a, str>,
    time: f64,
    unit: Option<Cow<'a, str>>,
    value: Option<f64>,
    sum: Option<f64>,
    /// That of the first record.
    version: Option<f64>,
}

impl<'a> Base<'a> {
    fn take(&mut self, record: &mut Record<'a>) -> Result<(), Rejection> {
        let told = record.version;
        if told.is_some_and(|version| version.fract() != 0.0 || !(1.0..9e15).contains(&version)) {
            return Err(Rejection::new(Reason::Malformed, "has a version that is no positive whole number"));
        }
        let version = told.unwrap_or_else(|| self.version.unwrap_or(VERSION));
        let supported = version <= VERSION || version == VERSION_WITH_SECONDARY_UNITS;
        if !supported {
            let detail = format!("needs version {version} of SenML; versions 1 to 10, and 26, are read");
            return Err(Rejection::new(Reason::Malformed, detail));
        }
        let first = *self.version.get_or_insert(version);
        #[expect(clippy::float_cmp, reason = "both are whole")]
        if first != version {
            let detail = format!("has version {version} in a pack of version {first}");
            return Err(Rejection::new(Reason::Malformed, detail));
        }
        if let Some(name) = record.base_name.take() {
            if name.len() > MAX_NAME {
                let detail = format!("has a base name of more than {MAX_NAME} bytes");
                return Err(Rejection::new(Reason::TooComplex, detail));
            }
            self.name = name;
        }
        if let Some(unit) = record.base_unit.take() {
            if unit.len() > MAX_UNIT {
                let detail = format!("has a base unit of more than {MAX_UNIT} bytes");
                return Err(Rejection::new(Reason::TooComplex, detail));
            }
            self.unit = Some(unit);
        }
        self.time = record.base_time.unwrap_or(self.time);
        self.value = record.base_value.or(self.value);
        self.sum = record.base_sum.or(self.sum);
        Ok(())
    }
}

/// One resolved reading.
struct Told<'a> {
    device: Option<Cow<'a, str>>,
    time: Option<i64>,
    reading: Reading<'a>,
}

/// What is resolved so far.
struct Pack<'a, 'h> {
    hints: &'h Hints<'h>,
    base: Base<'a>,
    records: usize,
    told: Vec<Told<'a>>,
    /// Why the first bad record was left out, and how many after it.
    rest: Option<Rejection>,
    more: usize,
    /// Why the whole pack is refused, where its JSON is sound.
    refused: Option<Rejection>,
}

impl<'a> Pack<'a, '_> {
    /// Takes the next record in; an error refuses the pack.
    fn take(&mut self, mut record: Record<'a>) -> Result<(), Rejection> {
        self.records += 1;
        let most = self.hints.limits.max_values;
        if self.records > most {
            return Err(Rejection::new(Reason::TooComplex, format!("more than {most} records")));
        }
        self.base.take(&mut record).map_err(|wrong| self.of_record(&wrong))?;
        if record.measures
            && let Err(wrong) = self.measure(record)
        {
            let wrong = self.of_record(&wrong);
            if self.rest.is_none() {
                self.rest = Some(wrong);
            } else {
                self.more += 1;
            }
        }
        Ok(())
    }

    fn of_record(&self, wrong: &Rejection) -> Rejection {
        Rejection::new(wrong.reason, format!("record {} {}", self.records, wrong.detail))
    }

    fn measure(&mut self, record: Record<'a>) -> Result<(), Rejection> {
        if let Some(fault) = record.fault {
            return Err(Rejection::new(Reason::Malformed, fault));
        }
        let added = |base: Option<f64>, own: Option<f64>| match (base, own) {
            (Some(base), Some(own)) => Some(decimal::sum(base, own)),
            (base, own) => base.or(own),
        };
        let value = match record.value {
            None => self.base.value.map(ReadingValue::Number),
            Some(ReadingValue::Number(own)) => added(self.base.value, Some(own)).map(ReadingValue::Number),
            other => other,
        };
        let sums = matches!(value, None | Some(ReadingValue::Number(_))) || record.sum.is_some();
        let sum = if sums { added(self.base.sum, record.sum) } else { None };
        if value.is_none() && sum.is_none() {
            return Err(Rejection::new(Reason::NoValue, "has neither a value nor a sum"));
        }
        let unit = record.unit.or_else(|| self.base.unit.clone()).filter(|unit| !unit.is_empty());
        if unit.as_ref().is_some_and(|unit| unit.len() > MAX_UNIT) {
            let detail = format!("has a unit of more than {MAX_UNIT} bytes");
            return Err(Rejection::new(Reason::TooComplex, detail));
        }
        let own = record.name.unwrap_or_default();
        if self.base.name.len().saturating_add(own.len()) > MAX_NAME {
            let detail = format!("has a name of more than {MAX_NAME} bytes");
            return Err(Rejection::new(Reason::TooComplex, detail));
        }
        let Name { device, reading: name } = Name::split(&self.base.name, &own)
            .ok_or_else(|| Rejection::new(Reason::Malformed, "has a name that SenML forbids"))?;
        let name = name.or_else(|| unit.clone()).unwrap_or(Cow::Borrowed("value"));
        let time = self.time(decimal::sum(self.base.time, record.time.unwrap_or(0.0)))?;
        // Not a percentage, whatever it looks like: note 2 to the registry of units.
        let unit = if unit.as_deref() == Some("%") { Some(Cow::Borrowed("/")) } else { unit };
        if let Some(sum) = sum {
            let unit = unit.as_ref().map(|unit| Cow::Owned(format!("{unit}.s")));
            let (name, value) = (Cow::Owned(format!("{name}.sum")), ReadingValue::Number(sum));
            let reading = Reading { name, value, unit, channel: None };
            self.told.push(Told { device: device.clone(), time, reading });
        }
        if let Some(value) = value {
            self.told.push(Told { device, time, reading: Reading { name, value, unit, channel: None } });
        }
        Ok(())
    }

    /// Unix time in nanoseconds; nothing where the pack means "now".
    fn time(&self, seconds: f64) -> Result<Option<i64>, Rejection> {
        if seconds == 0.0 {
            return Ok(None);
        }
        let micros = (seconds * 1e6).round();
        if micros.abs().partial_cmp(&9e15) != Some(Ordering::Less) {
            return Err(Rejection::new(Reason::InvalidTime, "has an impossible time"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
        let nanos = (micros as i64).saturating_mul(1000);
        let start = if seconds < ABSOLUTE { self.hints.now } else { 0 };
        Ok(Some(start.saturating_add(nanos)))
    }

    /// Readings of one device and moment together, in order of time.
    fn resolved(mut self) -> Result<Decoded<'a>, Rejection> {
        let rest = self.rest.map(|mut first| {
            if self.more > 0 {
                first.detail = format!("{}; and {} more records", first.detail, self.more);
            }
            first
        });
        if self.records == 0 {
            return Err(Rejection::new(Reason::NoValue, "the pack is empty"));
        }
        if self.told.is_empty()
            && let Some(rest) = rest
        {
            return Err(rest);
        }
        let now = self.hints.now;
        self.told.sort_by(|a, b| {
            let at = |told: &Told<'_>| (told.time.unwrap_or(now), told.time.is_some());
            a.device.cmp(&b.device).then_with(|| at(a).cmp(&at(b)))
        });
        let mut samples: Vec<Sample<'a>> = Vec::new();
        for Told { device, time, reading } in self.told {
            match samples.last_mut() {
                Some(sample) if sample.time == time && sample.device == device => {
                    sample.readings.push(reading)
                }
                _ => samples.push(Sample { device, time, readings: vec![reading], ..Sample::default() }),
            }
        }
        Ok(Decoded::Samples { samples, rest })
    }
}

/// Reads the array straight into the pack: a long one is refused at its first record too many.
struct Records<'p, 'a, 'h>(&'p mut Pack<'a, 'h>);

impl<'a> DeserializeSeed<'a> for Records<'_, 'a, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Records<'_, 'a, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of SenML records")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Err(E::custom("text, and no array of SenML records"))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(record) = items.next_element::<Record<'a>>()? {
            if let Err(refused) = self.0.take(record) {
                self.0.refused = Some(refused);
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
