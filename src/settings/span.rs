//! Span: a length of time as people write and read it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SpanRelativeTo;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time, written `200ms`, `30s`, `7d` or `1h 30m`; a day has 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = text.parse::<jiff::Span>().ok();
        let exact = read.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
        exact.and_then(|exact| Duration::try_from(exact).ok()).map(Self).ok_or_else(|| {
            format!(
                "\"{text}\" is not a length of time; write a number with its unit, such as \"200ms\", \"30s\" or \"7d\""
            )
        })
    }
}

impl fmt::Display for Span {
    /// The units that are not 0, the largest first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u128, &str); 7] = [
            (86_400_000_000_000, "d"),
            (3_600_000_000_000, "h"),
            (60_000_000_000, "m"),
            (1_000_000_000, "s"),
            (1_000_000, "ms"),
            (1_000, "us"),
            (1, "ns"),
        ];
        let mut left = self.0.as_nanos();
        if left == 0 {
            return f.write_str("0s");
        }
        let mut space = "";
        for (unit, name) in UNITS {
            if left >= unit {
                write!(f, "{space}{}{name}", left / unit)?;
                left %= unit;
                space = " ";
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_and_told_the_same_way() {
        for text in ["0s", "200ms", "30s", "7d", "1h 30m", "1d 1ns", "250us"] {
            assert_eq!(text.parse::<Span>().map(|span| span.to_string()), Ok(text.to_owned()));
        }
        for (text, seconds) in [("168h0m0s", 604_800), ("2 minutes", 120), ("90s", 90), ("1w", 604_800)] {
            assert_eq!(text.parse(), Ok(Span(Duration::from_secs(seconds))), "{text}");
        }
        for wrong in ["", "30", "soon", "-5s", "1y", "1 month", "5 parsecs"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
    }
}
