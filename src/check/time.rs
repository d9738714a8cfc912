//! Time: decides which time a sample has. Pure: "now" is when the message was received.

use std::time::Duration;

use crate::outcome::{Reason, Rejection};
use crate::settings::{Section, Span};

const DAY: u64 = 86_400;
const EARLIEST: &str = "2020-01-01";

/// What times are believed; the section `[time]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How far ahead of the receive time a told time may be.
    pub max_ahead: Duration,
    /// How old a told time may be when it arrives.
    pub max_backfill: Duration,
    /// Unix time in nanoseconds; an earlier told time means that the clock was never set.
    pub earliest: i64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_ahead: Duration::from_secs(300),
            max_backfill: Duration::from_secs(90 * DAY),
            // The beginning of EARLIEST.
            earliest: 1_577_836_800_000_000_000,
        }
    }
}

impl Config {
    pub fn read(section: &mut Section) -> Self {
        let default = Self::default();
        let earliest = section.get("earliest", EARLIEST.to_owned());
        let day = read_day(&earliest);
        if day.is_none() {
            section.problem("earliest", format!("\"{earliest}\" is not a date; write it as {EARLIEST}"));
        }
        Self {
            max_ahead: section.get("max_ahead", Span(default.max_ahead)).0,
            max_backfill: section.get("max_backfill", Span(default.max_backfill)).0,
            earliest: day.unwrap_or(default.earliest),
        }
    }
}

/// The beginning of a day in UTC, in nanoseconds.
fn read_day(text: &str) -> Option<i64> {
    let day: jiff::civil::Date = text.parse().ok()?;
    let start = jiff::tz::TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()?;
    i64::try_from(start.as_nanosecond()).ok()
}

/// Which time a sample gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The told time is believed.
    Told(i64),
    /// None was told, so it is the receive time.
    Untold,
    /// One was told that cannot be: the receive time stands in and every field is suspect.
    Unset,
    Ahead,
}

/// Judges a told time, all in Unix nanoseconds. `clock_suspect`: our own clock was known to be wrong at `received`.
pub fn check(
    told: Option<i64>,
    received: i64,
    clock_suspect: bool,
    config: &Config,
) -> Result<Verdict, Rejection> {
    let Some(told) = told else { return Ok(Verdict::Untold) };
    if told < config.earliest {
        return Ok(Verdict::Unset);
    }
    let age = i128::from(received) - i128::from(told);
    // A box whose own clock runs behind must not call its devices' right times the future.
    if !clock_suspect && -age > nanoseconds(config.max_ahead) {
        return Ok(Verdict::Ahead);
    }
    if age > nanoseconds(config.max_backfill) {
        let seconds = u64::try_from(age / 1_000_000_000).unwrap_or(u64::MAX);
        return Err(Rejection::new(
            Reason::TimeTooOld,
            format!(
                "its time is {} before it arrived; time.max_backfill is {}",
                Span(Duration::from_secs(seconds)),
                Span(config.max_backfill),
            ),
        ));
    }
    Ok(Verdict::Told(told))
}

fn nanoseconds(span: Duration) -> i128 {
    i128::try_from(span.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000_000_000;
    const SECOND: i64 = 1_000_000_000;

    fn verdict(told: i64) -> Result<Verdict, Reason> {
        check(Some(told), NOW, false, &Config::default()).map_err(|rejection| rejection.reason)
    }

    #[test]
    fn times_are_believed_within_their_bounds() {
        assert_eq!(check(None, NOW, false, &Config::default()), Ok(Verdict::Untold));
        for told in [NOW, NOW + 300 * SECOND, NOW - 90 * 86_400 * SECOND] {
            assert_eq!(verdict(told), Ok(Verdict::Told(told)));
        }
        for told in [NOW + 300 * SECOND + 1, i64::MAX] {
            assert_eq!(verdict(told), Ok(Verdict::Ahead));
        }
        for told in [0, -1, i64::MIN, 1_577_836_799_999_999_999] {
            assert_eq!(verdict(told), Ok(Verdict::Unset));
        }
        for told in [1_577_836_800_000_000_000, NOW - 90 * 86_400 * SECOND - 1] {
            assert_eq!(verdict(told), Err(Reason::TimeTooOld));
        }
    }

    #[test]
    fn a_box_with_a_wrong_clock_does_not_judge_the_future() {
        let told = NOW + 86_400 * SECOND;
        assert_eq!(check(Some(told), NOW, true, &Config::default()), Ok(Verdict::Told(told)));
    }

    #[test]
    fn dates_are_read() {
        assert_eq!(read_day(EARLIEST), Some(Config::default().earliest));
        assert_eq!(read_day("1970-01-02"), Some(86_400 * SECOND));
        assert_eq!(read_day("yesterday"), None);
    }
}
