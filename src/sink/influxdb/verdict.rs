//! The verdict: what an answer of the database means for the lines that were sent. One pure function.
//!
//! Sources: answers of InfluxDB 1.6.7; the v2 write API reference and its troubleshooting page; for InfluxDB 3 its
//! documentation and the errors of its write path. Only 1.x and VictoriaMetrics were run.

use std::time::Duration;

use jiff::Timestamp;

use super::answer::{NamedLine, Told};

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Every line is stored.
    Stored,
    /// Some lines were refused for what stands in them.
    Refused(Refusal),
    /// The request as a whole is too large.
    TooLarge,
    /// The database asks to wait, or is in trouble; try again.
    Wait { after: Option<Duration>, why: String },
    /// It refuses us, not the data: hold until a human has mended it.
    Hold { why: String, what_to_do: &'static str },
}

/// Lines were refused; which ones must be found where the answer does not name all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// For people.
    pub(super) why: String,
    /// The untrimmed text, which may name lines of 1.x and 2.x.
    pub(super) whole: String,
    /// Lines by their number, as 3 names them; there may be more.
    pub(super) lines: Vec<NamedLine>,
}

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
    // InfluxDB 3.
    "parsing failed for write_lp endpoint",
    "no fields were provided",
    "invalid column type",
    "would exceed number of",
    "would exceed the column limit",
    "would exceed the tag column limit",
    "which uses explicit schemas",
];

/// 3 says this when it took the other lines. Over the endpoint for clients of 2 some of its versions say it with
/// status 500 and name no line, so the status does not count.
const PARTIAL_WRITE_OF_3: &str = "partial write of line protocol oc";

/// Judges one answer. `now` is needed for a Retry-After that tells a date.
pub(super) fn judge(status: u16, retry_after: Option<&str>, body: &str, now: Timestamp) -> Verdict {
    let told = Told::read(status, body);
    let why = told.why();
    if let (400..=599, Some(what_to_do)) = (status, about_the_bucket(&told)) {
        return Verdict::Hold { why, what_to_do };
    }
    match status {
        204 => Verdict::Stored,
        200..=299 => Verdict::Hold {
            why: format!("{why} (a database answers a write with 204)"),
            what_to_do: "the url is answered by something else, such as a proxy: give the database's own",
        },
        400.. if is_line_shaped(status, &told) => {
            Verdict::Refused(Refusal { why, whole: told.whole, lines: told.lines })
        }
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

fn is_line_shaped(status: u16, told: &Told) -> bool {
    let message = told.message.to_ascii_lowercase();
    if !told.shaped {
        return false;
    }
    // A 422 is about points by its meaning; a proxy's has another shape.
    message.starts_with(PARTIAL_WRITE_OF_3)
        || status == 422
        || (status == 400
            && (!told.lines.is_empty() || LINE_SHAPED.iter().any(|shape| message.contains(shape))))
}

/// What to do where 3 refuses the bucket itself: no line is to blame. Whole messages only, because what a device
/// sends can stand within one.
pub(super) fn about_the_bucket(told: &Told) -> Option<&'static str> {
    let one_too_many = |text: &str| {
        let text = text.rsplit(": ").next().unwrap_or_default();
        let count = text.strip_prefix("Adding a new database would exceed limit of ");
        let count = count.and_then(|rest| rest.strip_suffix(" databases"));
        count.is_some_and(|count| !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let plain = |text: &str| !text.contains(['\'', '"', '`']);
    let all_lines = !told.lines.is_empty() && told.lines.iter().all(|line| one_too_many(&line.why));
    if all_lines || (plain(&told.message) && one_too_many(&told.message)) {
        return Some("the database takes no further bucket: remove one there, or write to one that exists");
    }
    let misnamed = ["invalid character in database", "db name ", "database name "];
    if told.shaped && misnamed.iter().any(|start| told.message.starts_with(start)) {
        return Some(
            "the database takes no bucket of this name: 3 wants ASCII letters, digits, - and _ only",
        );
    }
    None
}

/// What an answer says, for people.
pub(super) fn reason(status: u16, body: &str) -> String {
    Told::read(status, body).why()
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
    fn each_answer_of_influxdb_3_has_its_meaning() {
        let partial = |message: &str| {
            format!(
                "{{\"error\":\"partial write of line protocol occurred\",\"data\":[{{\"original_line\":\"m v=1\",\
                 \"line_number\":1,\"error_message\":\"{message}\"}}]}}"
            )
        };
        let v2 = |code: &str, message: &str| format!("{{\"code\":\"{code}\",\"message\":\"{message}\"}}");
        // The shape that names lines: types, limits, schemas.
        for message in [
            "invalid column type for column 'v', expected iox::column_type::field::float, got iox::column_type::field::string",
            "Update to schema would exceed number of columns per table limit of 500 columns",
            "Update to schema would exceed number of tables limit of 2000 tables",
            "Schema update for table 'm' would exceed the column limit: proposed schema update would have 501 columns, but the limit is 500",
            "column 'v' (iox::column_type::tag) is not defined in table 'm' of database 'd', which uses explicit schemas; add it",
        ] {
            check(400, &partial(message), "Refused");
            check(422, &partial(message), "Refused");
        }
        // Whole refusals name one line, or none.
        let line = r#"{"original_line":"m v=","line_number":1,"error_message":"No fields were provided"}"#;
        for error in ["parsing failed for write_lp endpoint", "line protocol parsing error"] {
            check(400, &format!("{{\"error\":\"{error}\",\"data\":{line}}}"), "Refused");
            check(400, &format!("{{\"error\":\"{error}\"}}"), "Refused");
        }
        check(
            422,
            r#"{"error":"Update to schema would exceed number of tables limit of 2000 tables"}"#,
            "Refused",
        );
        // Over the endpoint for clients of 2.
        check(500, &v2("internal error", "partial write of line protocol occurred"), "Refused");
        check(400, &v2("invalid", "partial write of line protocol ocurred"), "Refused");
        check(400, &v2("invalid", "write buffer error: parsing for line protocol failed"), "Refused");
        check(
            400,
            &v2("invalid", "Update to schema would exceed number of columns per table limit of 500 columns"),
            "Refused",
        );
        // Not about lines.
        let limit = "Adding a new database would exceed limit of 5 databases";
        check(422, &format!("{{\"error\":\"{limit}\"}}"), "Hold");
        check(400, &v2("invalid", &format!("write buffer error: catalog update error: {limit}")), "Hold");
        check(422, &partial(limit), "Hold");
        check(400, &v2("invalid", "invalid character in database name: must be ASCII"), "Hold");
        check(400, &v2("invalid", "db name did not start with a number or letter"), "Hold");
        check(401, &v2("unauthorized", "unauthorized access"), "Hold");
        check(403, r#"{"error": "forbidden"}"#, "Hold");
        check(500, &v2("internal error", "catalog error"), "Wait");
        check(503, &v2("unavailable", "not an ingest node"), "Wait");
        check(500, "<html>partial write of line protocol occurred</html>", "Wait");
        // What a device sends must not look like a refusal of the bucket.
        for text in [
            &format!("unable to parse 'm v=\\\"x: {limit}\\\"': invalid"),
            &format!("invalid column type for column 'x: {limit}'"),
            "unable to parse 'db name '",
        ] {
            check(400, &format!("{{\"error\":\"{text}\"}}"), "Refused");
        }
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
}
