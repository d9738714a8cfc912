//! Format `senml`: Sensor Measurement Lists in JSON, RFC 8428.
//!
//! Base values hold for their own record and all later ones until replaced, each by itself. Times below 2^28 are
//! relative to the time of receipt. The device is the name up to its last `:` or `/` (a `urn:dev:` name: its first
//! four parts); what follows is the reading's name, or its unit where nothing follows. A sum is a reading of its
//! own, `NAME.sum`. Unknown labels are ignored, unless they end in `_`: then the pack must not be used.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::{Decoded, Hints, malformed};
use crate::outcome::{Reason, Rejection};
use crate::reading::{Reading, ReadingValue, Sample};

/// The newest version of the format that we understand.
const VERSION: f64 = 10.0;
/// Times below are relative, in seconds.
const ABSOLUTE: f64 = 268_435_456.0;

/// Base name and name together; a pack repeats the base for each record.
const MAX_NAME: usize = 256;

/// One record as it stands.
#[derive(Debug, Default)]
struct Record<'a> {
    base_name: Option<Cow<'a, str>>,
    base_time: Option<f64>,
    base_unit: Option<Cow<'a, str>>,
    base_value: Option<f64>,
    base_sum: Option<f64>,
    version: Option<f64>,
    name: Option<Cow<'a, str>>,
    unit: Option<Cow<'a, str>>,
    value: Option<f64>,
    text: Option<Cow<'a, str>>,
    state: Option<bool>,
    data: bool,
    sum: Option<f64>,
    time: Option<f64>,
}

/// The base values in force.
#[derive(Debug, Default)]
struct Base<'a> {
    name: Cow<'a, str>,
    time: f64,
    unit: Option<Cow<'a, str>>,
    value: Option<f64>,
    sum: Option<f64>,
}

pub(super) fn decode<'a>(text: &'a str, hints: &Hints<'_>) -> Result<Decoded<'a>, Rejection> {
    let records: Vec<Record<'a>> = serde_json::from_str(text).map_err(|error| malformed(&error))?;
    if records.len() > hints.limits.max_values {
        let detail = format!("more than {} records", hints.limits.max_values);
        return Err(Rejection::new(Reason::TooComplex, detail));
    }
    let mut base = Base::default();
    let mut pack = Pack { hints, device: None, samples: Vec::new() };
    for (index, record) in records.into_iter().enumerate() {
        base.take(&record);
        if record.version.is_some_and(|version| version > VERSION) {
            return Err(wrong(index, "needs a later version of SenML"));
        }
        pack.add(index, record, &base)?;
    }
    // Without one the topic says which device it is.
    Ok(Decoded::Samples {
        device: pack.device.filter(|device| !device.is_empty()).map(Cow::Owned),
        samples: pack.samples,
        rest: None,
    })
}

impl<'a> Base<'a> {
    fn take(&mut self, record: &Record<'a>) {
        if let Some(name) = &record.base_name {
            self.name = name.clone();
        }
        if let Some(time) = record.base_time {
            self.time = time;
        }
        if let Some(unit) = &record.base_unit {
            self.unit = Some(unit.clone());
        }
        self.value = record.base_value.or(self.value);
        self.sum = record.base_sum.or(self.sum);
    }
}

/// What is resolved so far.
struct Pack<'a, 'h> {
    hints: &'h Hints<'h>,
    device: Option<String>,
    samples: Vec<Sample<'a>>,
}

impl<'a> Pack<'a, '_> {
    fn add(&mut self, index: usize, record: Record<'a>, base: &Base<'a>) -> Result<(), Rejection> {
        let kinds = [record.value.is_some(), record.text.is_some(), record.state.is_some(), record.data];
        if kinds.iter().filter(|kind| **kind).count() > 1 {
            return Err(wrong(index, "has more than one value"));
        }
        if record.data {
            return Err(wrong(index, "holds binary data, which is no reading"));
        }
        let number = match (record.value, base.value) {
            (None, None) => None,
            (value, base) => Some(value.unwrap_or(0.0) + base.unwrap_or(0.0)),
        };
        let sum = match (record.sum, base.sum) {
            (None, None) => None,
            (sum, base) => Some(sum.unwrap_or(0.0) + base.unwrap_or(0.0)),
        };
        let value = match (record.text, record.state, number) {
            (Some(text), ..) => Some(ReadingValue::Text(text)),
            (_, Some(state), _) => Some(ReadingValue::Boolean(state)),
            (.., Some(number)) => Some(ReadingValue::Number(number)),
            _ => None,
        };
        if value.is_none() && sum.is_none() {
            // Only base values: they were taken.
            return Ok(());
        }
        let own = record.name.as_deref().unwrap_or_default();
        if base.name.len().saturating_add(own.len()) > MAX_NAME {
            let detail = format!("record {index} has a name of more than {MAX_NAME} bytes");
            return Err(Rejection::new(Reason::TooComplex, detail));
        }
        let full = format!("{}{own}", base.name);
        check_name(index, &full)?;
        let unit = record.unit.or_else(|| base.unit.clone());
        let (device, name) = split(&full);
        if self.device.as_deref().is_some_and(|known| known != device) {
            return Err(wrong(
                index,
                "is of another device than those before; send one pack for each device",
            ));
        }
        self.device.get_or_insert_with(|| device.to_owned());
        let name = match (name.is_empty(), &unit) {
            (false, _) => name.to_owned(),
            (true, Some(unit)) => unit.to_string(),
            (true, None) => "value".to_owned(),
        };
        let time = self.time(index, base.time + record.time.unwrap_or(0.0))?;
        let sample = self.sample(time);
        if let Some(value) = value {
            let name = Cow::Owned(name.clone());
            sample.readings.push(Reading { name, value, unit: unit.clone(), channel: None });
        }
        if let Some(sum) = sum {
            let (name, value) = (Cow::Owned(format!("{name}.sum")), ReadingValue::Number(sum));
            sample.readings.push(Reading { name, value, unit: None, channel: None });
        }
        Ok(())
    }

    /// Unix time in nanoseconds; nothing where the pack means "now".
    fn time(&self, index: usize, seconds: f64) -> Result<Option<i64>, Rejection> {
        if seconds == 0.0 {
            return Ok(None);
        }
        let nanos = (seconds * 1e6).round() * 1000.0;
        if !nanos.is_finite() || nanos.abs() > 9e18 {
            return Err(Rejection::new(
                Reason::InvalidTime,
                format!("record {index} has an impossible time"),
            ));
        }
        #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
        let nanos = nanos as i64;
        let start = if seconds < ABSOLUTE { self.hints.now } else { 0 };
        Ok(Some(start.saturating_add(nanos)))
    }

    /// The sample of this time: readings of one moment are one point.
    fn sample(&mut self, time: Option<i64>) -> &mut Sample<'a> {
        let known = self.samples.iter().rposition(|sample| sample.time == time);
        let index = known.unwrap_or_else(|| {
            self.samples.push(Sample { time, readings: Vec::new() });
            self.samples.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found or pushed above")]
        &mut self.samples[index]
    }
}

fn split(full: &str) -> (&str, &str) {
    if full.starts_with("urn:dev:") {
        let end = full.match_indices(':').nth(3).map_or(full.len(), |(at, _)| at);
        let (device, name) = full.split_at(end);
        return (device, name.trim_start_matches([':', '/', '_']));
    }
    match full.rfind([':', '/']) {
        Some(at) => (full.get(..at).unwrap_or_default(), full.get(at + 1..).unwrap_or_default()),
        None => ("", full),
    }
}

fn check_name(index: usize, name: &str) -> Result<(), Rejection> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-:./_".contains(c);
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts && name.chars().all(allowed) {
        Ok(())
    } else {
        Err(wrong(index, "has a name that SenML forbids"))
    }
}

fn wrong(index: usize, what: &str) -> Rejection {
    Rejection::new(Reason::Malformed, format!("record {index} {what}"))
}

impl<'de: 'a, 'a> Deserialize<'de> for Record<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Record<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a SenML record")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record<'de>, A::Error> {
                let mut record = Record::default();
                while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
                    match &*key {
                        "bn" => record.base_name = Some(map.next_value::<Text<'de>>()?.0),
                        "bt" => record.base_time = Some(map.next_value()?),
                        "bu" => record.base_unit = Some(map.next_value::<Text<'de>>()?.0),
                        "bv" => record.base_value = Some(map.next_value()?),
                        "bs" => record.base_sum = Some(map.next_value()?),
                        "bver" => record.version = Some(map.next_value()?),
                        "n" => record.name = Some(map.next_value::<Text<'de>>()?.0),
                        "u" => record.unit = Some(map.next_value::<Text<'de>>()?.0),
                        "v" => record.value = Some(map.next_value()?),
                        "vs" => record.text = Some(map.next_value::<Text<'de>>()?.0),
                        "vb" => record.state = Some(map.next_value()?),
                        "vd" => {
                            map.next_value::<IgnoredAny>()?;
                            record.data = true;
                        }
                        "s" => record.sum = Some(map.next_value()?),
                        "t" => record.time = Some(map.next_value()?),
                        "ut" => {
                            map.next_value::<f64>()?;
                        }
                        unknown if unknown.ends_with('_') => {
                            return Err(A::Error::custom("a label that must be understood is not"));
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(record)
            }
        }
        reader.deserialize_map(Fields)
    }
}

/// Text, borrowed where it needs no unescaping.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests;
