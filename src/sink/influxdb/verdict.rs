//! The verdict: what an answer of the database means for the lines that were sent. One pure function.
//!
//! Sources: InfluxDB v2 write API reference and its troubleshooting page; answers of InfluxDB 1.6.7.

use std::time::Duration;

use jiff::Timestamp;

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Every line is stored.
    Stored,
    /// Some lines were refused for what stands in them; which ones must be found. `whole` is the untrimmed text,
    /// which may name them.
    Refused { why: String, whole: String },
    /// The request as a whole is too large.
    TooLarge,
    /// The database asks to wait, or is in trouble; try again.
    Wait { after: Option<Duration>, why: String },
    /// It refuses us, not the data: hold until a human has mended it.
    Hold { why: String, what_to_do: &'static str },
}

/// Characters of an answer that are kept as the reason.
const MAX_DETAIL: usize = 600;

/// Answers that name what is wrong with a line. Anything else with status 400 is about the request as a whole.
const LINE_SHAPED: &[&str] = &[
    "partial write",
    "unable to parse",
    "field type conflict",
    "dropped",
    "invalid field format",
    "missing fields",
    "missing tag",
    "bad timestamp",
    "time outside range",
    "outside retention",
    "points beyond retention",
    "invalid number",
    "unbalanced quotes",
    "invalid boolean",
    "max key length exceeded",
    "max-values-per-tag",
    "max-series-per-database",
    "duplicate tags",
    "line protocol",
    "reserved tag key",
    "tag key",
];

/// Judges one answer. `now` is needed for a Retry-After that tells a date.
pub(super) fn judge(status: u16, retry_after: Option<&str>, body: &str, now: Timestamp) -> Verdict {
    let (whole, told) = message(status, body);
    let why = shortened(&whole);
    match status {
        204 => Verdict::Stored,
        200..=299 => Verdict::Hold {
            why: format!("{why} (a database answers a write with 204)"),
            what_to_do: "the url is answered by something else, such as a proxy: give the database's own",
        },
        400 | 422 if told && is_line_shaped(status, &whole) => Verdict::Refused { why, whole },
        400 | 422 => {
            Verdict::Hold { why, what_to_do: "the request itself is refused: check url, proxy and gzip" }
        }
        401 | 403 => Verdict::Hold { why, what_to_do: "check the token or password and what it may write" },
        405 | 410 | 415 => {
            Verdict::Hold { why, what_to_do: "the url does not take writes: check it, and version" }
        }
        404 => {
            Verdict::Hold { why, what_to_do: "check that the bucket or database and the organisation exist" }
        }
        413 => Verdict::TooLarge,
        300..=399 => {
            Verdict::Hold { why, what_to_do: "the url answers with a redirect: give the final address" }
        }
        _ => Verdict::Wait { after: retry_after.and_then(|text| wait(text, now)), why },
    }
}

fn is_line_shaped(status: u16, why: &str) -> bool {
    // A 422 is about points by its meaning; a proxy's has another shape.
    let why = why.to_ascii_lowercase();
    status == 422 || LINE_SHAPED.iter().any(|shape| why.contains(shape))
}

/// What an answer says, for people.
pub(super) fn reason(status: u16, body: &str) -> String {
    shortened(&message(status, body).0)
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_DETAIL).collect()
}

/// The message out of the JSON shapes the versions use, or the body; and whether it was such a shape. What a
/// proxy says in HTML is never about a line.
fn message(status: u16, body: &str) -> (String, bool) {
    #[derive(serde::Deserialize)]
    struct Told {
        message: Option<String>,
        error: Option<String>,
    }
    let told = serde_json::from_str::<Told>(body).ok().and_then(|told| told.message.or(told.error));
    let shaped = told.is_some() || !body.trim_start().starts_with('<');
    let text = told.unwrap_or_else(|| body.trim().to_owned());
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    (if text.is_empty() { format!("status {status}") } else { format!("status {status}: {text}") }, shaped)
}

/// Seconds, or a date after RFC 9110.
fn wait(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, expected: &str) {
        let verdict = judge(status, None, body, Timestamp::UNIX_EPOCH);
        let name = format!("{verdict:?}");
        assert!(name.starts_with(expected), "{status} {body}: {name}");
    }

    #[test]
    fn each_answer_of_each_version_has_its_meaning() {
        check(204, "", "Stored");
        check(
            400,
            r#"{"error":"partial write: field type conflict: input field \"v\" on measurement \"m\" is type float, already exists as type integer dropped=1"}"#,
            "Refused",
        );
        check(400, r#"{"error":"unable to parse 'm v=': missing field value"}"#, "Refused");
        check(400, r#"{"code":"invalid","message":"unable to parse 'x': missing fields"}"#, "Refused");
        check(
            422,
            r#"{"code":"unprocessable entity","message":"failure writing points to database: partial write: points beyond retention policy dropped=1"}"#,
            "Refused",
        );
        check(400, r#"{"error":"gzip: invalid header"}"#, "Hold");
        check(400, "<html>Bad Request</html>", "Hold");
        check(401, r#"{"code":"unauthorized","message":"unauthorized access"}"#, "Hold");
        check(200, "<html>Sign in</html>", "Hold");
        check(202, "", "Hold");
        check(405, "", "Hold");
        check(422, "<html>unable to parse</html>", "Hold");
        check(400, "<html>unable to parse</html>", "Hold");
        check(403, "", "Hold");
        check(404, r#"{"error":"database not found: \"city\""}"#, "Hold");
        check(413, "", "TooLarge");
        check(429, "", "Wait");
        check(500, r#"{"error":"timeout"}"#, "Wait");
        check(503, "", "Wait");
        check(302, "", "Hold");
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_as_a_date() {
        let now: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
        let after = |text| match judge(429, Some(text), "", now) {
            Verdict::Wait { after, .. } => after,
            other => panic!("{other:?}"),
        };
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("Tue, 24 Nov 2026 10:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(after("Tue, 24 Nov 2026 09:00:30 GMT"), Some(Duration::ZERO));
        assert_eq!(after("soon"), None);
    }

    #[test]
    fn a_reason_holds_no_control_characters() {
        assert_eq!(reason(500, "a\u{1b}[31m\nb"), "status 500: a [31m b");
    }
}
