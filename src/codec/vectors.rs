//! Vectors: inputs of a codec with the outputs they must give, in the shapes in which they are published.
//!
//! A list, or an object with the list as `examples`, `tests`, `vectors` or `testCases`. Of each case the input stands
//! in `input`, its bytes as numbers or as hex text (`bytes`), and the output as `output`, `expected`,
//! `expectedOutput` or `result`: an object with `data`, `errors` and `warnings`. `normalizedOutput` is compared where
//! it stands. Cases of a `type` other than `uplink` are of downlinks and counted apart.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::compare::differences;
use super::{Codecs, Fault, FaultKind, Input, Output};

/// The share by which floats may differ unless it is told otherwise.
pub const TOLERANCE: f64 = 1e-6;
/// What `recvTime` is where a case tells none: 2026-01-01T00:00:00Z.
const RECEIVED_MS: f64 = 1_767_225_600_000.0;
const MOST_BYTES: usize = 4096;

/// The cases of one file.
#[derive(Debug, Clone, Default)]
pub struct Vectors {
    cases: Vec<Case>,
    /// Cases of downlinks.
    pub skipped: usize,
}

#[derive(Debug, Clone)]
struct Case {
    name: String,
    bytes: Vec<u8>,
    port: u16,
    received_ms: f64,
    variables: String,
    expected: Expected,
    normalized: Option<Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Expected {
    data: Option<Value>,
    errors: Option<Vec<Value>>,
    warnings: Option<Vec<Value>>,
}

/// What came of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub name: String,
    /// Empty where it passed.
    pub differences: Vec<String>,
}

impl Vectors {
    /// Reads a file; a shape that is none of the known ones is a mistake, never an empty list.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim_start_matches('\u{feff}');
        let read: Value =
            serde_json::from_str(text).map_err(|error| format!("is not valid JSON: {error}"))?;
        let list =
            match read {
                Value::Array(list) => list,
                Value::Object(mut object) => {
                    let found = ["examples", "tests", "vectors", "testCases"]
                        .into_iter()
                        .find_map(|key| object.remove(key));
                    match found {
                        Some(Value::Array(list)) => list,
                        _ => return Err(
                            "holds no list of cases: write [..], {\"examples\": [..]} or {\"tests\": [..]}"
                                .to_owned(),
                        ),
                    }
                }
                _ => return Err("must be a list of cases, or an object with one".to_owned()),
            };
        let mut vectors = Self::default();
        for (index, case) in list.into_iter().enumerate() {
            let number = index.saturating_add(1);
            let Value::Object(case) = case else { return Err(format!("case {number} is no object")) };
            let kind = case.get("type").and_then(Value::as_str).unwrap_or("uplink");
            if !kind.eq_ignore_ascii_case("uplink") && !kind.eq_ignore_ascii_case("uplink-decode") {
                vectors.skipped = vectors.skipped.saturating_add(1);
                continue;
            }
            vectors.cases.push(Case::read(case, number).map_err(|wrong| format!("case {number}: {wrong}"))?);
        }
        if vectors.cases.is_empty() {
            return Err("holds no case of an uplink".to_owned());
        }
        Ok(vectors)
    }

    pub fn len(&self) -> usize {
        self.cases.len()
    }

    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// Runs every case.
    pub fn judge(&self, codecs: &Codecs, codec: &str, tolerance: f64) -> Vec<Verdict> {
        let judged = self.cases.iter().map(|case| {
            let input = Input {
                bytes: &case.bytes,
                port: case.port,
                received_ms: case.received_ms,
                variables: &case.variables,
            };
            let differences = case.differences(codecs.call_patiently(codec, &input), tolerance);
            Verdict { name: case.name.clone(), differences }
        });
        judged.collect()
    }
}

impl Case {
    fn read(mut case: Map<String, Value>, number: usize) -> Result<Self, String> {
        let name = ["description", "name", "title"].into_iter().find_map(|key| case.get(key)?.as_str());
        let name = name.map_or_else(|| format!("case {number}"), |name| format!("case {number} ({name})"));
        let Some(Value::Object(input)) = case.remove("input") else {
            return Err("has no \"input\" with bytes and fPort".to_owned());
        };
        let output =
            ["output", "expected", "expectedOutput", "result"].into_iter().find_map(|key| case.remove(key));
        let output = output.ok_or("has no \"output\" (or \"expected\") to compare with")?;
        let expected = Expected::deserialize(&output)
            .map_err(|error| format!("its output is not an object with data, errors or warnings: {error}"))?;
        let expected = match expected {
            // Of the old entry points the bare data is told.
            Expected { data: None, errors: None, warnings: None } => {
                if !output.is_object() {
                    return Err("its output is no object".to_owned());
                }
                Expected { data: Some(output), ..Expected::default() }
            }
            told => told,
        };
        let port = match ["fPort", "f_port", "port"].into_iter().find_map(|key| input.get(key)) {
            None => 1,
            Some(port) => {
                port.as_u64().and_then(|port| u16::try_from(port).ok()).ok_or("fPort must be a number")?
            }
        };
        let variables = match input.get("variables") {
            None | Some(Value::Null) => String::new(),
            Some(told @ Value::Object(_)) => told.to_string(),
            Some(_) => return Err("variables must be an object".to_owned()),
        };
        Ok(Self {
            name,
            bytes: bytes(input.get("bytes").or_else(|| input.get("payload")))?,
            port,
            received_ms: received(input.get("recvTime"))?,
            variables,
            expected,
            normalized: case.remove("normalizedOutput").map(|told| told.get("data").cloned().unwrap_or(told)),
        })
    }

    fn differences(&self, got: Result<Output, Fault>, tolerance: f64) -> Vec<String> {
        let errors = self.expected.errors.as_deref().unwrap_or_default();
        let output = match got {
            Ok(output) => output,
            Err(fault) if errors.is_empty() => return vec![format!("failed: {}", fault.text)],
            Err(fault) if fault.kind == FaultKind::Thrown => {
                let got = Value::from(fault.errors);
                return differences("errors", &Value::from(errors), &got, tolerance);
            }
            Err(fault) => return vec![format!("expected errors, but {}", fault.text)],
        };
        if !errors.is_empty() {
            return vec![format!("expected the errors {}, got {}", Value::from(errors), output.data)];
        }
        let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or(Value::Null);
        let mut found = Vec::new();
        if let Some(data) = &self.expected.data {
            found.extend(differences("data", data, &parsed(&output.data), tolerance));
        }
        if let Some(warnings) = &self.expected.warnings {
            let warnings = Value::from(warnings.as_slice());
            found.extend(differences("warnings", &warnings, &Value::from(output.warnings), tolerance));
        }
        if let Some(normalized) = &self.normalized {
            let got = output.normalized.as_deref().map_or(Value::Null, parsed);
            found.extend(differences("normalized", normalized, &got, tolerance));
        }
        found
    }
}

fn bytes(told: Option<&Value>) -> Result<Vec<u8>, String> {
    let bytes: Option<Vec<u8>> = match told {
        Some(Value::Array(list)) => {
            list.iter().map(|one| one.as_u64().and_then(|one| u8::try_from(one).ok())).collect()
        }
        Some(Value::String(text)) => hex(text),
        _ => None,
    };
    let bytes = bytes.ok_or("bytes must be a list of numbers from 0 to 255, or hex text")?;
    if bytes.len() > MOST_BYTES {
        return Err(format!("{} bytes; an uplink has at most {MOST_BYTES}", bytes.len()));
    }
    Ok(bytes)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_prefix("0x").unwrap_or(text);
    let digits = text.chars().filter(|c| !c.is_whitespace() && *c != ':' && *c != '-');
    let digits: Vec<u32> = digits.map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high << 4 | low).ok(),
        _ => None,
    });
    pairs.collect()
}

/// RFC 3339, or Unix time in milliseconds.
#[expect(clippy::cast_precision_loss, reason = "a time in milliseconds is far below 2^53")]
fn received(told: Option<&Value>) -> Result<f64, String> {
    match told {
        None | Some(Value::Null) => Ok(RECEIVED_MS),
        Some(Value::Number(number)) => number.as_f64().ok_or_else(|| "recvTime is no number".to_owned()),
        Some(Value::String(text)) => {
            let time: Result<jiff::Timestamp, _> = text.parse();
            time.map(|time| time.as_millisecond() as f64)
                .map_err(|_| format!("recvTime \"{text}\" is no time"))
        }
        Some(_) => Err("recvTime must be RFC 3339 text or Unix time in milliseconds".to_owned()),
    }
}
