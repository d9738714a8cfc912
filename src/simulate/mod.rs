//! A city to publish: sensors that behave, sensors that do not, and an oracle that knows what must be stored.
//!
//! [`City`] makes publishes, each with what must become of it. A [`Log`] keeps that, together with which of
//! them a broker acknowledged. [`oracle::judge`] holds the log against what store and quarantine really hold.
//! All three are pure: time is an argument, and chance comes from a seed. Only [`sender`] opens connections.

mod air;
mod city;
pub mod crowd;
mod device;
mod formats;
pub mod latency;
mod light;
mod log;
mod misbehave;
mod noise;
pub mod oracle;
mod parking;
mod parking_lot;
mod particles;
pub mod publisher;
pub mod river;
mod river_radar;
pub mod sender;
mod senml;
mod sensor_community;
mod waste;
mod weather;

use std::sync::Arc;

pub use city::{City, CityError, Options, Pace};
pub use log::Log;
pub use misbehave::Misbehaviour;

use crate::outcome::Reason;

/// One publish to make, and what must become of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Publish {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
    /// What is wrong with it on purpose.
    pub misbehaviour: Option<Misbehaviour>,
    pub expectation: Expectation,
}

/// What must become of a publish.
#[derive(Debug, Clone, PartialEq)]
pub enum Expectation {
    /// These points are stored; with a reason, the rest of the message is in quarantine under it.
    Points {
        points: Vec<ExpectedPoint>,
        rest: Option<Reason>,
    },
    Quarantined(Reason),
    Discarded(Reason),
}

/// A point that must be in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedPoint {
    pub measurement: &'static str,
    /// The tag `device`.
    pub device: Arc<str>,
    pub time: ExpectedTime,
    /// Every field but `delay_s`. A flag of 1 stands for "pass" and "not evaluated": a good value has one of them.
    pub fields: Vec<(String, f64)>,
}

/// When a point must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedTime {
    /// The device's own word, Unix time in nanoseconds.
    Told(i64),
    /// When it is received, which only the receiver knows.
    Receive,
}

impl ExpectedPoint {
    fn new(measurement: &'static str, device: &Arc<str>, time: ExpectedTime) -> Self {
        Self { measurement, device: Arc::clone(device), time, fields: Vec::with_capacity(12) }
    }

    /// A value that no check minds.
    fn good(self, field: &str, value: f64) -> Self {
        self.flagged(field, value, 1)
    }

    /// A value with its quality flag beside it; one that failed is kept apart.
    fn flagged(mut self, field: &str, value: f64, flag: u8) -> Self {
        let name = if flag == 4 { format!("{field}_failed") } else { field.to_owned() };
        self.fields.push((name, value));
        self.fields.push((format!("{field}_qc"), f64::from(flag)));
        self
    }
}

#[cfg(test)]
mod tests;
