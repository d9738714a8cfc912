//! Compare: an output beside the one that was expected, and where they differ.

use serde_json::Value;

/// Differences told for one case; more say nothing new.
const MOST_TOLD: usize = 20;

/// One line for each place where `got` is not what was expected; floats may differ by a share of their size.
pub(super) fn differences(place: &str, expected: &Value, got: &Value, tolerance: f64) -> Vec<String> {
    let mut found = Vec::new();
    walk(place, expected, got, tolerance, &mut found);
    if found.len() > MOST_TOLD {
        let more = found.len().saturating_sub(MOST_TOLD);
        found.truncate(MOST_TOLD);
        found.push(format!("and {more} more differences"));
    }
    found
}

fn walk(place: &str, expected: &Value, got: &Value, tolerance: f64, found: &mut Vec<String>) {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            for (key, expected) in expected {
                let inner = format!("{place}.{key}");
                match got.get(key) {
                    Some(got) => walk(&inner, expected, got, tolerance, found),
                    None => found.push(format!("{inner}: expected {expected}, but it is not there")),
                }
            }
            for (key, got) in got.iter().filter(|(key, _)| !expected.contains_key(*key)) {
                found.push(format!("{place}.{key}: got {got}, but nothing is expected"));
            }
        }
        (Value::Array(expected), Value::Array(got)) => {
            for (index, expected) in expected.iter().enumerate() {
                let inner = format!("{place}[{index}]");
                match got.get(index) {
                    Some(got) => walk(&inner, expected, got, tolerance, found),
                    None => found.push(format!("{inner}: expected {expected}, but it is not there")),
                }
            }
            for (index, got) in got.iter().enumerate().skip(expected.len()) {
                found.push(format!("{place}[{index}]: got {got}, but nothing is expected"));
            }
        }
        (Value::Number(first), Value::Number(second)) => {
            let same = match (first.as_f64(), second.as_f64()) {
                (Some(first), Some(second)) => near(first, second, tolerance),
                _ => first == second,
            };
            if !same {
                found.push(format!("{place}: expected {expected}, got {got}"));
            }
        }
        _ if expected == got => {}
        _ => found.push(format!("{place}: expected {expected}, got {got}")),
    }
}

#[expect(clippy::float_cmp, reason = "equal ones are near whatever the tolerance, zero too")]
fn near(expected: f64, got: f64, tolerance: f64) -> bool {
    expected == got || (expected - got).abs() <= tolerance * expected.abs().max(got.abs())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_difference_is_told_with_its_place() {
        let expected = json!({"a": 1.0, "b": {"c": [1, 2]}, "d": "x", "f": null});
        let got = json!({"a": 1.000_000_1, "b": {"c": [1, 3, 4]}, "e": true, "f": 0});
        let found = differences("data", &expected, &got, 1e-6);
        let expected = [
            "data.b.c[1]: expected 2, got 3",
            "data.b.c[2]: got 4, but nothing is expected",
            "data.d: expected \"x\", but it is not there",
            "data.f: expected null, got 0",
            "data.e: got true, but nothing is expected",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn floats_are_near_by_their_size_and_no_nearer_than_asked() {
        let same = |a: f64, b: f64| differences("x", &json!(a), &json!(b), 1e-6).is_empty();
        assert!(same(27.2, 27.200_000_762_939_453) && same(0.0, 0.0) && same(-1e9, -1e9 - 100.0));
        assert!(!same(27.2, 27.3) && !same(0.0, 1e-9) && !same(1.0, -1.0));
    }
}
