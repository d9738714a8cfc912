//! The answer's text: what the versions put into the body of a refusal, and the lines that it names.
//!
//! 1.x: `{"error"}`; 2.x: `{"code","message"}`; 3: `{"error","data"}`, where `data` is one refused line or a list of
//! them, or the shape of 2.x. Sources: the 2.x API reference; InfluxDB 3 Core's documentation of partial writes, and
//! its `WriteLineError`, whose `original_line` is cut in later versions, so that only the number names a line.

use serde::Deserialize;
use serde_json::Value;

/// Characters of an answer that are kept as the reason.
const MAX_DETAIL: usize = 600;

/// What a body says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// The status and the message, untrimmed, without control characters.
    pub(super) whole: String,
    /// The message alone.
    pub(super) message: String,
    /// Whether the body has the shape of a database's answer. What a proxy says in HTML is never about a line.
    pub(super) shaped: bool,
    pub(super) lines: Vec<NamedLine>,
}

/// One line that an answer names by its place in the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedLine {
    /// From 0.
    pub(super) place: usize,
    pub(super) why: String,
}

#[derive(Deserialize)]
struct Body {
    message: Option<String>,
    error: Option<String>,
    data: Option<Value>,
}

/// Every version has other keys besides these.
#[derive(Deserialize)]
struct RefusedLine {
    line_number: usize,
    #[serde(default)]
    error_message: String,
}

impl Told {
    pub(super) fn read(status: u16, body: &str) -> Self {
        let (told, data) = match serde_json::from_str::<Body>(body) {
            Ok(Body { message, error, data }) => (message.or(error), data),
            Err(_) => (None, None),
        };
        let shaped = told.is_some() || !body.trim_start().starts_with('<');
        let message = plain(&told.unwrap_or_else(|| body.trim().to_owned()));
        let whole = if message.is_empty() {
            format!("status {status}")
        } else {
            format!("status {status}: {message}")
        };
        Self { whole, message, shaped, lines: data.map(lines).unwrap_or_default() }
    }

    /// What the answer says, for people: of a refusal that names lines, the first one's reason.
    pub(super) fn why(&self) -> String {
        match self.lines.first() {
            Some(first) if !first.why.is_empty() => shortened(&format!("{}: {}", self.whole, first.why)),
            _ => shortened(&self.whole),
        }
    }
}

fn lines(data: Value) -> Vec<NamedLine> {
    let list = match data {
        Value::Array(list) => list,
        one => vec![one],
    };
    let read = list
        .into_iter()
        .filter(Value::is_object)
        .filter_map(|line| serde_json::from_value::<RefusedLine>(line).ok());
    read.filter_map(|line| {
        let place = line.line_number.checked_sub(1)?;
        Some(NamedLine { place, why: shortened(&plain(&line.error_message)) })
    })
    .collect()
}

fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_DETAIL).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_holds_no_control_characters() {
        assert_eq!(Told::read(500, "a\u{1b}[31m\nb").why(), "status 500: a [31m b");
        let body = r#"{"error":"x","data":[{"line_number":1,"error_message":"a\u001bb"}]}"#;
        assert_eq!(Told::read(400, body).why(), "status 400: x: a b");
        assert_eq!(Told::read(502, "").why(), "status 502");
    }

    #[test]
    fn lines_are_named_by_their_number_in_a_list_or_alone() {
        let places = |data: &str| {
            let body = format!("{{\"error\":\"partial write of line protocol occurred\",\"data\":{data}}}");
            Vec::from_iter(Told::read(400, &body).lines.into_iter().map(|line| line.place))
        };
        let line = r#"{"original_line":"cpu,host=a val= 123","line_number":2,"error_message":"No fields were provided"}"#;
        assert_eq!(places(&format!("[{line}]")), [1]);
        assert_eq!(places(line), [1]);
        assert_eq!(places(&format!("[{line},{{\"line_number\":1}}]")), [1, 0]);
        // Whatever else comes names nothing.
        for nothing in
            ["null", "[]", "{}", "7", "[{\"line_number\":0}]", "[{\"line_number\":-1}]", "\"x\"", "[[1]]"]
        {
            assert_eq!(places(nothing), [0_usize; 0], "{nothing}");
        }
    }

    #[test]
    fn a_long_reason_is_cut() {
        let body = format!("{{\"error\":\"{}\"}}", "é".repeat(5000));
        assert_eq!(Told::read(400, &body).why().chars().count(), MAX_DETAIL);
    }
}
