//! A simulated device: which it is, of what kind, and what it told last.

use std::sync::Arc;

use serde::Deserialize;

pub(super) const SECOND: i64 = 1_000_000_000;
const MILLISECOND: i64 = 1_000_000;

/// The application's identifier, part of every topic.
pub(super) const APPLICATION: &str = "7b1c3f52-2a0e-4c1d-9a57-4d0f6e8a9c21";

/// What a device measures; decides its payload and its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    River,
    Weather,
    Senml,
    Air,
    Noise,
    Waste,
    Parking,
    Light,
}

impl Kind {
    /// Recognised by a word in the name of the registry's profile.
    pub(super) fn of_profile(profile: &str) -> Option<Self> {
        let words = [
            ("senml", Self::Senml),
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

    const fn last_level(self) -> &'static str {
        match self {
            Self::River => "level",
            Self::Weather => "weather",
            Self::Senml => "senml",
            Self::Air => "event/up",
            Self::Noise => "laeq",
            Self::Waste => "waste",
            Self::Parking => "parking",
            Self::Light => "light",
        }
    }

    /// How far apart two messages of one device must be in its own time, in nanoseconds. Nothing where it tells none.
    pub(super) const fn step(self) -> Option<i64> {
        match self {
            Self::River => Some(SECOND),
            // Two samples in a message.
            Self::Light | Self::Senml => Some(2 * SECOND),
            Self::Weather | Self::Air | Self::Parking => Some(MILLISECOND),
            Self::Noise | Self::Waste => None,
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
        let topic = match kind {
            Kind::Air => format!("application/{}/device/{}/event/up", APPLICATION, row.id),
            _ => topic(&row.district, &row.id, kind.last_level()),
        };
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
