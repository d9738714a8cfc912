//! A simulated device: which it is, of what kind, and what it told last.

use std::sync::Arc;

use serde::Deserialize;

use super::formats::{antares, chirpstack, things_stack};
use super::waste;

pub(super) const SECOND: i64 = 1_000_000_000;
const MILLISECOND: i64 = 1_000_000;

/// What a device measures and how it speaks; decides its payload and its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    River,
    /// Through ChirpStack, raw.
    RiverRadar,
    Weather,
    Senml,
    /// InfluxDB's line protocol.
    Telegraf,
    /// Through ChirpStack, decoded there.
    Air,
    /// Through The Things Stack, raw.
    Particles,
    SensorCommunity,
    Noise,
    CayenneLpp,
    Waste,
    Ultralight,
    Parking,
    Antares,
    /// Through ChirpStack, raw.
    ParkingLot,
    Light,
    Csv,
}

impl Kind {
    /// Recognised by a word in the name of the registry's profile.
    pub(super) fn of_profile(profile: &str) -> Option<Self> {
        let words = [
            ("em410_rdl", Self::RiverRadar),
            ("tps110", Self::ParkingLot),
            ("airwits", Self::Particles),
            ("sensor_community", Self::SensorCommunity),
            ("senml", Self::Senml),
            ("telegraf", Self::Telegraf),
            ("lpp", Self::CayenneLpp),
            ("ultralight", Self::Ultralight),
            ("antares", Self::Antares),
            ("csv", Self::Csv),
            ("river", Self::River),
            ("level", Self::River),
            ("weather", Self::Weather),
            ("air", Self::Air),
            ("noise", Self::Noise),
            ("waste", Self::Waste),
            ("parking", Self::Parking),
            ("light", Self::Light),
        ];
        words.into_iter().find(|(word, _)| profile.contains(word)).map(|(_, kind)| kind)
    }

    /// Where such a device publishes.
    fn topic(self, district: &str, device: &str) -> String {
        let last = match self {
            Self::RiverRadar | Self::Air | Self::ParkingLot => return chirpstack::topic(device),
            Self::Particles => return things_stack::topic(device),
            Self::Ultralight => return waste::ultralight_topic(device),
            Self::Antares => return antares::topic(),
            Self::River => "level",
            Self::Weather => "weather",
            Self::Senml => "senml",
            Self::Telegraf => "telegraf",
            Self::SensorCommunity => "airrohr",
            Self::Noise => "laeq",
            Self::CayenneLpp => "lpp",
            Self::Waste => "waste",
            Self::Parking => "parking",
            Self::Light => "light",
            Self::Csv => "csv",
        };
        topic(district, device, last)
    }

    /// How far apart two messages of one device must be in its own time, in nanoseconds. Nothing where it tells none.
    pub(super) const fn step(self) -> Option<i64> {
        match self {
            Self::River => Some(SECOND),
            // Two samples in a message.
            Self::Light | Self::Csv | Self::Senml => Some(2 * SECOND),
            Self::RiverRadar
            | Self::Weather
            | Self::Telegraf
            | Self::Air
            | Self::Particles
            | Self::Parking
            | Self::Antares
            | Self::ParkingLot => Some(MILLISECOND),
            Self::SensorCommunity | Self::Noise | Self::CayenneLpp | Self::Waste | Self::Ultralight => None,
        }
    }
}

/// A row of the registry, as far as a simulated device needs it.
#[derive(Debug, Deserialize)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) district: String,
    pub(super) site: String,
    pub(super) profile: String,
}

#[derive(Debug)]
pub(super) struct Device {
    pub(super) id: Arc<str>,
    pub(super) site: String,
    pub(super) kind: Kind,
    pub(super) topic: String,
    /// The last time it told, Unix time in nanoseconds.
    pub(super) told: Option<i64>,
    /// How many messages it has made.
    pub(super) made: u64,
    /// Says nothing until the city has made so many messages.
    pub(super) silent_until: u64,
}

impl Device {
    pub(super) fn new(row: Row, kind: Kind) -> Self {
        let topic = kind.topic(&row.district, &row.id);
        Self { id: row.id.into(), site: row.site, kind, topic, told: None, made: 0, silent_until: 0 }
    }
}

/// `city/pasuruan/{district}/{device}/{last}`, the district in small letters with hyphens.
pub(super) fn topic(district: &str, device: &str, last: &str) -> String {
    format!("city/pasuruan/{}/{device}/{last}", district.to_lowercase().replace(' ', "-"))
}

/// A whole number of tenths as a value that prints as it was meant.
pub(super) fn tenths(number: i32) -> f64 {
    f64::from(number) / 10.0
}

/// A whole number of hundredths.
pub(super) fn hundredths(number: i32) -> f64 {
    f64::from(number) / 100.0
}

/// A whole number of thousandths.
pub(super) fn thousandths(number: i32) -> f64 {
    f64::from(number) / 1000.0
}

/// `2026-11-24T03:00:00.000000000` in UTC, with what stands behind it.
pub(super) fn iso_nanos(time: i64, zone: &str) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(time)).unwrap_or_default();
    format!("{:.9}{zone}", jiff::tz::Offset::UTC.to_datetime(time))
}

/// Looks random below `range`, and is another one for each of `range` numbers in a row: a prime jumps about.
pub(super) fn distinct(number: u64, range: u16) -> i32 {
    const JUMP: u64 = 7919;
    let place = (number % u64::from(range)).saturating_mul(JUMP) % u64::from(range);
    i32::try_from(place).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn distinct_numbers_differ_within_their_range() {
        for range in [350, 401, 40_000_u16] {
            let seen: std::collections::HashSet<_> =
                (7..7 + u64::from(range)).map(|number| super::distinct(number, range)).collect();
            assert_eq!(seen.len(), usize::from(range));
        }
    }
}
