//! Flattening: a JSON text straight into readings, without a tree in between.
//!
//! Names of nested objects are joined by a separator, elements of an array are counted from 0: `data.temp`, `phase.1`.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::path::Path;
use super::told::{TimeFormat, Told};
use super::{Hints, at, malformed};
use crate::outcome::{Reason, Rejection};
use crate::reading::{MAX_DEVICE_ID, Reading, ReadingValue, Sample};

/// A longer name is no name: each reading carries its own, so length times count must stay bounded.
const MAX_NAME: usize = 256;

/// Above it, floats stand for several whole numbers each.
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;

/// What is looked for on the way.
#[derive(Debug, Default)]
pub(super) struct Wanted<'w> {
    pub(super) time: Option<&'w Path>,
    /// How far a sample's time is from the time told outside.
    pub(super) offset: Option<&'w Path>,
    pub(super) device: Option<&'w Path>,
    pub(super) model: Option<&'w Path>,
    /// What time and device are put together from.
    pub(super) parts: &'w [Path],
    /// The array whose objects are samples of their own.
    pub(super) samples: Option<&'w Path>,
    /// Names whose text stays text, whatever it looks like: `0042` is not 42 where it names a thing.
    pub(super) as_told: &'w [&'w str],
    /// Between the names of nested objects.
    pub(super) separator: &'w str,
}

/// One moment's readings with the time as it stood there.
#[derive(Debug, Default)]
pub(super) struct Moment<'de> {
    pub(super) told: Option<Told<'de>>,
    pub(super) offset: Option<Told<'de>>,
    /// By their places among those that are wanted.
    pub(super) parts: Vec<(usize, Cow<'de, str>)>,
    pub(super) sample: Sample<'de>,
}

/// All that a text holds.
#[derive(Debug, Default)]
pub(super) struct Flat<'de> {
    /// What stands outside of sample objects.
    pub(super) base: Moment<'de>,
    pub(super) moments: Vec<Moment<'de>>,
}

struct State<'de, 'w> {
    wanted: &'w Wanted<'w>,
    hints: &'w Hints<'w>,
    flat: Flat<'de>,
    /// The path from the start of the sample.
    path: String,
    /// Inside an object that is a sample of its own.
    in_sample: bool,
    depth: usize,
    values: usize,
    /// Objects and arrays; empty ones cost as well.
    containers: usize,
    /// Why it ended, where the JSON itself is sound.
    refused: Option<Rejection>,
}

/// Flattens one JSON text. An array at the top is an array of samples.
pub(super) fn flatten<'de>(
    text: &'de str,
    wanted: &Wanted<'_>,
    hints: &Hints<'_>,
) -> Result<Flat<'de>, Rejection> {
    let mut state = State {
        wanted,
        hints,
        flat: Flat::default(),
        path: String::new(),
        in_sample: false,
        depth: 0,
        values: 0,
        containers: 0,
        refused: None,
    };
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Walk { state: &mut state, key: None }.deserialize(&mut reader).and_then(|()| reader.end());
    match (state.refused, read) {
        (Some(Rejection { reason, detail }), Err(error)) => {
            let place = format!("line {} column {}", error.line(), error.column());
            Err(Rejection::new(reason, format!("{detail} at {place}")))
        }
        (Some(refused), Ok(())) => Err(refused),
        (None, Err(error)) => Err(malformed(&error)),
        (None, Ok(())) => Ok(state.flat),
    }
}

/// Reads one value; `key` is its name where that can be borrowed and is the whole path.
struct Walk<'s, 'de, 'w> {
    state: &'s mut State<'de, 'w>,
    key: Option<Cow<'de, str>>,
}

impl<'de> State<'de, '_> {
    fn refuse<E: Error>(&mut self, reason: Reason, detail: String) -> E {
        self.refused.get_or_insert(Rejection::new(reason, detail));
        E::custom("refused")
    }

    fn enter<E: Error>(&mut self) -> Result<(), E> {
        self.containers += 1;
        let most = self.hints.limits.max_values;
        if self.containers > most {
            return Err(self.refuse(Reason::TooComplex, format!("more than {most} objects and arrays")));
        }
        self.depth += 1;
        let most = self.hints.limits.max_depth;
        if self.depth > most {
            return Err(self.refuse(Reason::TooComplex, format!("nested deeper than {most}")));
        }
        Ok(())
    }

    fn moment(&mut self) -> &mut Moment<'de> {
        match self.flat.moments.last_mut() {
            Some(moment) if self.in_sample => moment,
            _ => &mut self.flat.base,
        }
    }

    fn step<E: Error>(&mut self, name: &str) -> Result<(), E> {
        let separator = self.wanted.separator;
        if self.path.len().saturating_add(separator.len()).saturating_add(name.len()) > MAX_NAME {
            return Err(self.refuse(Reason::TooComplex, format!("a name of more than {MAX_NAME} bytes")));
        }
        if !self.path.is_empty() {
            self.path.push_str(separator);
        }
        self.path.push_str(name);
        Ok(())
    }

    /// What says when or whose the readings are must not be told twice: nobody could say which is meant.
    fn once<E: Error>(&mut self, wanted: Option<&Path>, twice: bool) -> Result<(), E> {
        match wanted.filter(|wanted| twice && wanted.is_one()) {
            Some(wanted) => Err(self.refuse(Reason::Malformed, format!("\"{wanted}\" is told twice"))),
            None => Ok(()),
        }
    }

    fn count<E: Error>(&mut self) -> Result<(), E> {
        self.values += 1;
        let most = self.hints.limits.max_values;
        if self.values > most {
            return Err(self.refuse(Reason::TooComplex, format!("more than {most} values")));
        }
        Ok(())
    }
}

impl<'de> Walk<'_, 'de, '_> {
    fn text<E: Error>(self, text: Cow<'de, str>) -> Result<(), E> {
        let Self { state, key } = &self;
        let path = key.as_deref().unwrap_or(&state.path);
        let may_be_number = state.hints.number_text && !state.wanted.as_told.contains(&path);
        let value = match may_be_number.then(|| number(&text)).flatten() {
            Some(number) => ReadingValue::Number(number),
            None => ReadingValue::Text(text.clone()),
        };
        self.told(Told::Text(text), value)
    }

    fn told<E: Error>(self, told: Told<'de>, value: ReadingValue<'de>) -> Result<(), E> {
        self.state.count()?;
        let Walk { state, key } = self;
        let path = key.as_deref().unwrap_or(&state.path);
        let is = |wanted: Option<&Path>| wanted.is_some_and(|wanted| wanted.is(path));
        let wanted = state.wanted;
        if is(wanted.time) {
            let twice = state.moment().told.replace(told).is_some();
            return state.once(wanted.time, twice);
        }
        if is(wanted.offset) {
            let twice = state.moment().offset.replace(told).is_some();
            return state.once(wanted.offset, twice);
        }
        if is(wanted.model) {
            let Told::Text(model) = told else { return Ok(()) };
            let twice = state.moment().sample.model.replace(model).is_some();
            return state.once(wanted.model, twice);
        }
        if let Some(part) = wanted.parts.iter().position(|part| part.is(path)) {
            let text = match told {
                Told::Text(text) => text,
                Told::Whole(number) => Cow::Owned(number.to_string()),
                Told::Float(number) => Cow::Owned(number.to_string()),
                Told::Other => return Ok(()),
            };
            let parts = &mut state.moment().parts;
            let twice = parts.iter().any(|(known, _)| *known == part);
            parts.push((part, text));
            return state.once(wanted.parts.get(part), twice);
        }
        if is(wanted.device) {
            let device = match (told, value) {
                // As it was told: `0042` is another device than `42`.
                (Told::Text(text), _) => text,
                (Told::Whole(number), _) => number.to_string().into(),
                (_, ReadingValue::Number(number)) if number.abs() <= MOST_EXACT => number.to_string().into(),
                (_, ReadingValue::Number(_)) => {
                    let detail = "the device's id is a number of so many digits that only text keeps them";
                    return Err(state.refuse(Reason::NoDevice, detail.to_owned()));
                }
                _ => return Ok(()),
            };
            // Each sample of an array may carry it, so length times count must stay bounded here too.
            if device.len() > MAX_DEVICE_ID {
                let detail = format!("the device's id has {} bytes", device.len());
                return Err(state.refuse(Reason::NoDevice, detail));
            }
            let twice = state.moment().sample.device.replace(device).is_some();
            return state.once(wanted.device, twice);
        }
        let name = match key {
            Some(key) => key,
            None if state.path.is_empty() => Cow::Borrowed("value"),
            None => Cow::Owned(state.path.clone()),
        };
        let in_sample = state.in_sample;
        let readings = &mut state.moment().sample.readings;
        // Most objects hold about as many; of an array's samples there may be thousands.
        if readings.capacity() == 0 && !in_sample {
            readings.reserve(10);
        }
        readings.push(Reading { name, value, unit: None, channel: None });
        Ok(())
    }
}

/// A number that came as text, where the profile says that it may. `NaN` and `inf` are words, and what a word means the
/// profile's sentinels say.
pub(super) fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

impl<'de> DeserializeSeed<'de> for Walk<'_, 'de, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, 'de, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.told(Told::Other, ReadingValue::Boolean(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "every number is stored as a float")]
    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.told(Told::Whole(value), ReadingValue::Number(value as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "every number is stored as a float")]
    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        let told = i64::try_from(value).map_or(Told::Other, Told::Whole);
        self.told(told, ReadingValue::Number(value as f64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.told(Told::Float(value), ReadingValue::Number(value))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.told(Told::Other, ReadingValue::Null)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<(), E> {
        self.text(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.text(Cow::Owned(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Walk { state, key } = self;
        state.enter()?;
        let path = key.as_deref().unwrap_or(&state.path);
        let samples = !state.in_sample
            && match state.wanted.samples {
                Some(wanted) => wanted.is(path),
                None => path.is_empty(),
            };
        let length = state.path.len();
        if samples {
            let outer = std::mem::take(&mut state.path);
            state.in_sample = true;
            loop {
                state.flat.moments.push(Moment::default());
                if items.next_element_seed(Walk { state: &mut *state, key: None })?.is_none() {
                    state.flat.moments.pop();
                    break;
                }
            }
            state.in_sample = false;
            state.path = outer;
        } else {
            if let Some(key) = key {
                state.path.push_str(&key);
            }
            let start = state.path.len();
            for index in 0_usize.. {
                state.step(&index.to_string())?;
                let more = items.next_element_seed(Walk { state: &mut *state, key: None })?;
                state.path.truncate(start);
                if more.is_none() {
                    break;
                }
            }
            state.path.truncate(length);
        }
        state.depth -= 1;
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Walk { state, key } = self;
        state.enter()?;
        let length = state.path.len();
        if let Some(key) = key {
            state.path.push_str(&key);
        }
        let start = state.path.len();
        while let Some(Key(name)) = entries.next_key::<Key<'de>>()? {
            if name.len() > MAX_NAME {
                return Err(state.refuse(Reason::TooComplex, format!("a name of more than {MAX_NAME} bytes")));
            }
            if start == 0 {
                entries.next_value_seed(Walk { state: &mut *state, key: Some(name) })?;
            } else {
                state.step(&name)?;
                entries.next_value_seed(Walk { state: &mut *state, key: None })?;
                state.path.truncate(start);
            }
        }
        state.path.truncate(length);
        state.depth -= 1;
        Ok(())
    }
}

/// An object's key, borrowed where it needs no unescaping.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// An object's readings as one sample; the objects of an array at the top as samples of their own.
pub(super) fn flatten_object<'de>(text: &'de str, hints: &Hints<'_>) -> Result<Vec<Sample<'de>>, Rejection> {
    samples(text, None, hints)
}

/// The same, where `time` tells when each was.
pub(super) fn flatten_timed<'de>(text: &'de str, hints: &Hints<'_>) -> Result<Vec<Sample<'de>>, Rejection> {
    samples(text, Some("time"), hints)
}

fn samples<'de>(
    text: &'de str,
    time: Option<&str>,
    hints: &Hints<'_>,
) -> Result<Vec<Sample<'de>>, Rejection> {
    let time = time.map(|time| Path::new(time, "."));
    let wanted = Wanted { time: time.as_ref(), separator: ".", ..Wanted::default() };
    let flat = flatten(text, &wanted, hints)?;
    let all = std::iter::once(flat.base).chain(flat.moments);
    let mut samples = Vec::new();
    for Moment { told, mut sample, .. } in all.filter(|moment| !moment.sample.readings.is_empty()) {
        sample.time =
            told.map(|told| TimeFormat::Auto.read(&told, hints.zone).map_err(at("time"))).transpose()?;
        samples.push(sample);
    }
    Ok(samples)
}
