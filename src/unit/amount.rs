//! Amount: a number that came as text, with its unit behind it where one was written, such as `45%` or `23,5 °C`.

/// A longer text is no number.
const MOST: usize = 64;

/// The number and the unit's text. A comma is the decimal sign only where that is said: `1,234` is also a thousand.
pub fn amount(text: &str, decimal_comma: bool) -> Option<(f64, Option<&str>)> {
    let text = text.trim();
    if text.len() > MOST {
        return None;
    }
    let end = end_of_number(text, decimal_comma);
    let (number, unit) = text.split_at_checked(end)?;
    let unit = unit.trim_start();
    let number = if number.contains(',') { number.replace(',', ".").parse() } else { number.parse() };
    Some((number.ok()?, (!unit.is_empty()).then_some(unit)))
}

/// Signs, digits, one decimal sign and an exponent: what follows is the unit. `12e` is 12 of a unit `e`.
fn end_of_number(text: &str, decimal_comma: bool) -> usize {
    let bytes = text.as_bytes();
    let at = |index: usize| bytes.get(index).copied().unwrap_or(b' ');
    let digits = |mut index: usize| {
        while at(index).is_ascii_digit() {
            index = index.saturating_add(1);
        }
        index
    };
    let mut end = digits(usize::from(matches!(at(0), b'+' | b'-')));
    if at(end) == b'.' || (decimal_comma && at(end) == b',') {
        end = digits(end.saturating_add(1));
    }
    if matches!(at(end), b'e' | b'E') {
        let start = end.saturating_add(1);
        let start = start.saturating_add(usize::from(matches!(at(start), b'+' | b'-')));
        let exponent = digits(start);
        if exponent > start {
            end = exponent;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_with_their_unit_and_nothing_is_guessed() {
        for (text, expected) in [
            ("45%", Some((45.0, Some("%")))),
            ("2000 mm", Some((2000.0, Some("mm")))),
            (" -3.5e1 ", Some((-35.0, None))),
            ("2.885 V", Some((2.885, Some("V")))),
            ("+7", Some((7.0, None))),
            (".5", Some((0.5, None))),
            ("25 °C", Some((25.0, Some("°C")))),
            ("12e", Some((12.0, Some("e")))),
            ("1e400", Some((f64::INFINITY, None))),
            ("23,5", Some((23.0, Some(",5")))),
            ("", None),
            ("V", None),
            ("-", None),
            ("nan", None),
            ("°C 5", None),
        ] {
            assert_eq!(amount(text, false), expected, "{text}");
        }
        assert_eq!(amount("23,5 °C", true), Some((23.5, Some("°C"))));
        assert_eq!(amount("-0,5", true), Some((-0.5, None)));
        assert_eq!(amount("1.234,5", true), Some((1.234, Some(",5"))), "the unit then is none");
        assert_eq!(amount(&"1".repeat(100), true), None);
    }
}
