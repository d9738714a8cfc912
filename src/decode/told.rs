//! Times as devices tell them: numbers in s, ms, µs or ns, and ISO 8601 with and without a zone.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::outcome::{Reason, Rejection};

/// How the numbers of a time are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeFormat {
    /// By size: below 1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds, else nanoseconds.
    #[default]
    Auto,
    S,
    Ms,
    Us,
    Ns,
    /// Text only.
    Iso,
}

/// A time as it stood in the payload.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Told<'a> {
    Whole(i64),
    Float(f64),
    Text(Cow<'a, str>),
    Other,
}

impl TimeFormat {
    /// Unix time in nanoseconds.
    pub(super) fn read(self, told: &Told<'_>, zone: &TimeZone) -> Result<i64, Rejection> {
        let nanos = match told {
            Told::Whole(number) => self.whole(*number),
            Told::Float(number) => self.float(*number),
            Told::Text(text) => iso(text.trim(), zone).or_else(|| self.number_text(text.trim())),
            Told::Other => None,
        };
        nanos.ok_or_else(|| {
            let shown: String = match told {
                Told::Text(text) => text.chars().take(40).collect(),
                Told::Whole(number) => number.to_string(),
                Told::Float(number) => number.to_string(),
                Told::Other => "not a number or text".to_owned(),
            };
            Rejection::new(Reason::InvalidTime, format!("\"{}\" is not a time", shown.escape_debug()))
        })
    }

    fn number_text(self, text: &str) -> Option<i64> {
        match text.parse::<i64>() {
            Ok(number) => self.whole(number),
            Err(_) => self.float(text.parse().ok()?),
        }
    }

    fn whole(self, number: i64) -> Option<i64> {
        let factor = match self {
            Self::S => 1_000_000_000,
            Self::Ms => 1_000_000,
            Self::Us => 1000,
            Self::Ns => 1,
            Self::Iso => return None,
            Self::Auto => match number.unsigned_abs() {
                0..100_000_000_000 => 1_000_000_000,
                100_000_000_000..100_000_000_000_000 => 1_000_000,
                100_000_000_000_000..100_000_000_000_000_000 => 1000,
                _ => 1,
            },
        };
        number.checked_mul(factor)
    }

    /// Whole and fraction apart, so that a fraction of a second keeps its microseconds.
    fn float(self, number: f64) -> Option<i64> {
        let whole = number.trunc();
        if !number.is_finite() || whole.abs() >= 9e18 {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "the range was checked above")]
        let nanos = self.whole(whole as i64)?;
        let unit = if whole == 0.0 { self.whole(1)? } else { nanos / self.whole_count(whole)? };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "less than one unit, and a unit has 1e9 nanoseconds at most"
        )]
        let fraction = (number.fract() * 1e6).round() as i64;
        nanos.checked_add(fraction.checked_mul(unit)? / 1_000_000)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the caller checked the range")]
    fn whole_count(self, whole: f64) -> Option<i64> {
        (whole != 0.0).then_some(whole as i64)
    }
}

/// With an offset or `Z` as it says, without one in `zone`.
fn iso(text: &str, zone: &TimeZone) -> Option<i64> {
    const DATE: usize = 10;
    let local = || zone.to_timestamp(text.parse::<DateTime>().ok()?).ok();
    let absolute = || text.parse::<Timestamp>().ok();
    // A try that fails costs more than one that does not, and behind the date it shows which will.
    let zoned = text.bytes().skip(DATE).any(|byte| matches!(byte, b'Z' | b'z' | b'+' | b'-'));
    let timestamp = if zoned { absolute().or_else(local) } else { local().or_else(absolute) };
    i64::try_from(timestamp?.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: TimeFormat, told: &Told<'_>, expected: Option<&str>) {
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        let expected =
            expected.map(|text| i64::try_from(text.parse::<Timestamp>().unwrap().as_nanosecond()).unwrap());
        assert_eq!(format.read(told, &zone).ok(), expected, "{told:?}");
    }

    #[test]
    fn numbers_are_read_in_each_unit_and_by_their_size() {
        use TimeFormat::{Auto, Iso, Ms, Ns, S, Us};
        let noon = Some("2026-11-24T05:00:00Z");
        check(S, &Told::Whole(1_795_496_400), noon);
        check(Ms, &Told::Whole(1_795_496_400_000), noon);
        check(Us, &Told::Whole(1_795_496_400_000_000), noon);
        check(Ns, &Told::Whole(1_795_496_400_000_000_000), noon);
        for number in [1_795_496_400, 1_795_496_400_000, 1_795_496_400_000_000, 1_795_496_400_000_000_000] {
            check(Auto, &Told::Whole(number), noon);
        }
        check(Auto, &Told::Float(1_795_496_400.25), Some("2026-11-24T05:00:00.25Z"));
        check(Auto, &Told::Text("1795496400".into()), noon);
        check(Auto, &Told::Whole(0), Some("1970-01-01T00:00:00Z"));
        check(S, &Told::Whole(i64::MAX), None);
        check(Auto, &Told::Float(f64::NAN), None);
        check(Iso, &Told::Whole(5), None);
    }

    #[test]
    fn text_without_a_zone_is_local_time() {
        let noon = Some("2026-11-24T05:00:00Z");
        for text in [
            "2026-11-24T12:00:00",
            "2026-11-24 12:00:00",
            "2026-11-24T12:00:00+07:00",
            "2026-11-24T05:00:00Z",
        ] {
            check(TimeFormat::Iso, &Told::Text(text.into()), noon);
        }
        check(TimeFormat::Iso, &Told::Text("yesterday".into()), None);
        check(TimeFormat::Auto, &Told::Other, None);
    }
}
