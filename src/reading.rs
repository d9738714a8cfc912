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
    /// By its kind no reading, such as a join; says which.
    NotData(String),
}
