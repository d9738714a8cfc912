//! A reading: one decoded value as the device told it, before anything is known about its meaning.

use std::borrow::Cow;

use crate::outcome::Rejection;

/// The longest id of a device in bytes; a longer one is taken for garbage.
pub const MAX_DEVICE_ID: usize = 255;

/// The value of a reading.
#[derive(Debug, Clone, PartialEq)]
pub enum ReadingValue<'a> {
    Number(f64),
    Boolean(bool),
    Text(Cow<'a, str>),
    /// The device said that it has no value.
    Null,
}

/// One value. Borrows from the payload where it can.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading<'a> {
    /// As the device calls it; names of nested objects are joined by a dot.
    pub name: Cow<'a, str>,
    pub value: ReadingValue<'a>,
    /// As told by the message.
    pub unit: Option<Cow<'a, str>>,
    pub channel: Option<Cow<'a, str>>,
}

/// Readings of one device at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sample<'a> {
    /// The device that the payload itself names.
    pub device: Option<Cow<'a, str>>,
    /// The device model that the payload names.
    pub model: Option<Cow<'a, str>>,
    /// The time told, Unix time in nanoseconds.
    pub time: Option<i64>,
    pub readings: Vec<Reading<'a>>,
}

/// What a payload says.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded<'a> {
    Samples {
        samples: Vec<Sample<'a>>,
        /// Why a part of the payload is not among the samples.
        rest: Option<Rejection>,
    },
    /// Bytes of a device that only its profile can read.
    Uplink(Box<Uplink<'a>>),
    /// By its kind no reading, such as a join; says which.
    NotData(String),
}

/// What a network server, or a plain topic, hands on of a device: its bytes, and what was decoded of them already.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Uplink<'a> {
    /// The device that the payload itself names.
    pub device: Option<Cow<'a, str>>,
    /// What tags of the device say of its profile or model, the surest first; they come before `model`.
    pub tagged: Vec<Cow<'a, str>>,
    /// The device model that the payload names.
    pub model: Option<Cow<'a, str>>,
    /// When the network received it, Unix time in nanoseconds.
    pub time: Option<i64>,
    pub port: u16,
    pub bytes: Vec<u8>,
    /// What the network's own decoder made of the bytes; nothing where it has none.
    pub decoded: Option<Vec<Sample<'a>>>,
    /// How it was heard, and its count.
    pub radio: Vec<Reading<'a>>,
    /// What the network's decoder wants to be known.
    pub warnings: Vec<String>,
}

impl Reading<'_> {
    pub fn into_owned(self) -> Reading<'static> {
        let value = match self.value {
            ReadingValue::Number(number) => ReadingValue::Number(number),
            ReadingValue::Boolean(truth) => ReadingValue::Boolean(truth),
            ReadingValue::Text(text) => ReadingValue::Text(text.into_owned().into()),
            ReadingValue::Null => ReadingValue::Null,
        };
        Reading {
            name: self.name.into_owned().into(),
            value,
            unit: self.unit.map(|unit| unit.into_owned().into()),
            channel: self.channel.map(|channel| channel.into_owned().into()),
        }
    }
}

impl Sample<'_> {
    pub fn into_owned(self) -> Sample<'static> {
        Sample {
            device: self.device.map(|device| device.into_owned().into()),
            model: self.model.map(|model| model.into_owned().into()),
            time: self.time,
            readings: self.readings.into_iter().map(Reading::into_owned).collect(),
        }
    }
}
