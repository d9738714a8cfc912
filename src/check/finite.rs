//! Finite: a value that is NaN or infinite is no measurement, and no database can hold it.

use crate::outcome::{Reason, Rejection};

/// Gives the value back where it is a number that can be stored; `name` is what the device calls it.
pub fn check(name: &str, value: f64) -> Result<f64, Rejection> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(Rejection::new(Reason::NotFinite, format!("\"{}\" is {value}", name.escape_debug())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_pass() {
        for value in [0.0, -0.0, f64::MAX, f64::MIN_POSITIVE] {
            assert_eq!(check("x", value), Ok(value));
        }
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(check("x", value).unwrap_err().reason, Reason::NotFinite);
        }
    }
}
