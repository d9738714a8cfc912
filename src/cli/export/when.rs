//! When: a time as people type it, exact, local, or so long ago.

use crate::settings::Span;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Unix time in nanoseconds.
pub(in crate::cli) fn read(text: &str, zone: &TimeZone, now: i64) -> Result<i64, String> {
    let text = text.trim();
    let nanos = |time: jiff::Timestamp| {
        let too_far = || format!("\"{}\" is further away than nanoseconds can count", text.escape_debug());
        i64::try_from(time.as_nanosecond()).map_err(|_| too_far())
    };
    if let Ok(exact) = text.parse::<jiff::Timestamp>() {
        return nanos(exact);
    }
    if let Ok(local) = text.parse::<DateTime>()
        && let Ok(exact) = zone.to_timestamp(local)
    {
        return nanos(exact);
    }
    let ago = text.parse::<Span>().ok().and_then(|ago| i64::try_from(ago.0.as_nanos()).ok());
    ago.and_then(|ago| now.checked_sub(ago)).ok_or_else(|| {
        format!(
            "\"{}\" is not a time; write 2026-11-01T06:00:00+07:00, a local time such as \"2026-11-01 06:00\", or a \
             span ago such as 2h",
            text.escape_debug()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000_000_000;
    const HOUR: i64 = 3_600_000_000_000;

    #[test]
    fn exact_local_and_ago() {
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        let check = |text: &str, expected: Result<i64, &str>| match (read(text, &zone, NOW), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{text}: {found}"),
            (found, _) => panic!("{text}: {found:?}"),
        };
        let utc = 1_793_491_200_000_000_000 + 6 * HOUR;
        check("2026-11-01T06:00:00Z", Ok(utc));
        check("2026-11-01T06:00:00.000000001Z", Ok(utc + 1));
        check("2026-11-01T06:00:00+07:00", Ok(utc - 7 * HOUR));
        for local in ["2026-11-01T06:00", "2026-11-01 06:00:00", " 2026-11-01 06:00 "] {
            check(local, Ok(utc - 7 * HOUR));
        }
        check("2026-11-01", Ok(utc - 13 * HOUR));
        check("2h", Ok(NOW - 2 * HOUR));
        check("1h 30m", Ok(NOW - HOUR - HOUR / 2));
        for wrong in ["", "soon", "2026-13-01", "-2h", "99999999999999d", "\u{1b}[2J"] {
            check(wrong, Err("is not a time"));
        }
        check("9000-01-01T00:00:00Z", Err("further away"));
    }
}
