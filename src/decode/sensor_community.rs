//! Format `sensor_community`: what Sensor.Community's airRohr firmware sends to an API of one's own, and its `data.json`
//! (airrohr-firmware, `airrohr-firmware.ino`), as bridges put it on MQTT.
//!
//! `sensordatavalues` lists pairs of `value_type` and `value`, numbers as text. The prefix of a type names the sensor:
//! `SDS_P1`, `BME280_pressure`. The device is `esp8266id`, where the topic does not tell. There is no time, only `data.json`
//! tells its `age` in seconds. Traps: P1 is PM10 and P2 is PM2.5; pressure is in Pa; -1, -128 and -1000 mean that the
//! sensor did not answer (the profile knows them); a place before the GPS has found one is no value.

use std::borrow::Cow;

use super::tree::{self, Node};
use super::{Decoded, Hints};
use crate::outcome::{Reason, Rejection};
use crate::reading::{Reading, ReadingValue, Sample};

/// The oldest data that `age` may tell of, in seconds.
const MOST_SECONDS: f64 = 86_400.0;

/// What a GPS tells until it has found its place.
const NOWHERE: [(&str, f64); 3] = [("GPS_lat", -200.0), ("GPS_lon", -200.0), ("GPS_height", -1000.0)];

pub(super) fn decode<'a>(text: &'a str, hints: &Hints<'_>) -> Result<Decoded<'a>, Rejection> {
    let message = tree::parse(text, hints)?;
    let device = match message.once("esp8266id")? {
        Some(Node::Text(id)) => Some(id.clone()),
        Some(Node::Whole(id)) => Some(Cow::Owned(id.to_string())),
        _ => None,
    };
    let time = message.once("age")?.map(|age| received_before(age, hints.now)).transpose()?;
    let Some(Node::List(values)) = message.get("sensordatavalues") else {
        return Err(Rejection::new(Reason::Malformed, "there is no list \"sensordatavalues\""));
    };
    let mut readings = Vec::with_capacity(values.len());
    for (index, entry) in values.iter().enumerate() {
        let (Some(Node::Text(name)), Some(value)) = (entry.get("value_type"), entry.get("value")) else {
            let detail = format!("sensordatavalues[{index}] lacks value_type or value");
            return Err(Rejection::new(Reason::Malformed, detail));
        };
        let value = match value {
            #[expect(clippy::cast_precision_loss, reason = "every number is stored as a float")]
            Node::Whole(number) => ReadingValue::Number(*number as f64),
            Node::Float(number) => ReadingValue::Number(*number),
            Node::Null => ReadingValue::Null,
            Node::Text(text) => match number(text) {
                Some(number) => ReadingValue::Number(number),
                None => ReadingValue::Text(text.clone()),
            },
            _ => {
                let detail = format!("sensordatavalues[{index}]: the value is neither text nor a number");
                return Err(Rejection::new(Reason::WrongType, detail));
            }
        };
        let nowhere = |(told, number): &(&str, f64)| *told == name && value == ReadingValue::Number(*number);
        let value = if NOWHERE.iter().any(nowhere) { ReadingValue::Null } else { value };
        readings.push(Reading { name: name.clone(), value, unit: None, channel: None });
    }
    let sample = Sample { device, time, readings, ..Sample::default() };
    Ok(Decoded::Samples { samples: vec![sample], rest: None })
}

fn number(text: &str) -> Option<f64> {
    match crate::unit::amount(text, false) {
        Some((number, None)) => Some(number),
        _ => None,
    }
}

fn received_before(age: &Node<'_>, now: i64) -> Result<i64, Rejection> {
    let seconds = match age {
        #[expect(clippy::cast_precision_loss, reason = "a number beyond all ages is refused either way")]
        Node::Whole(seconds) => Some(*seconds as f64),
        Node::Float(seconds) => Some(*seconds),
        Node::Text(text) => number(text),
        _ => None,
    };
    let seconds = seconds.filter(|seconds| (0.0..=MOST_SECONDS).contains(seconds));
    let seconds = seconds.ok_or_else(|| {
        Rejection::new(Reason::InvalidTime, "age is no number of seconds between 0 and one day")
    })?;
    #[expect(clippy::cast_possible_truncation, reason = "a day has 8.64e13 nanoseconds")]
    let nanos = (seconds * 1e9) as i64;
    now.checked_sub(nanos).ok_or_else(|| Rejection::new(Reason::InvalidTime, "an age beyond all times"))
}
