//! Decimals: sums and conversions that end on the float a person would have written, not one digit beside it.
//!
//! A device writes 1.1 and means eleven tenths; the float is only near it, and a division by 100 gives
//! 0.011000000000000001. Here the number is taken as the decimal it was written as, where it has few enough digits,
//! and rounded once, at the end. Where it has not, nobody can tell, and plain floats do.

/// Up to this size every whole number is a float of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// More places than any sensor tells.
const MAX_PLACES: usize = 12;

/// The whole number and the power of ten whose quotient is this very float.
fn parts(value: f64) -> Option<(f64, f64)> {
    let mut power = 1.0;
    for _ in 0..=MAX_PLACES {
        let whole = (value * power).round();
        // Not a number ends here too.
        if whole.abs().partial_cmp(&EXACT) != Some(std::cmp::Ordering::Less) {
            return None;
        }
        if whole / power == value {
            return Some((whole, power));
        }
        power *= 10.0;
    }
    None
}

/// Whole numbers multiplied, as long as the product is exact.
fn product(a: f64, b: f64) -> Option<f64> {
    let product = a * b;
    (product.abs() < EXACT).then_some(product)
}

/// `a + b`, as decimals.
pub fn sum(a: f64, b: f64) -> f64 {
    let exact = || {
        let ((a, power_a), (b, power_b)) = (parts(a)?, parts(b)?);
        let power = power_a.max(power_b);
        let sum = product(a, power / power_a)? + product(b, power / power_b)?;
        (sum.abs() < EXACT).then(|| sum / power)
    };
    exact().unwrap_or(a + b)
}

/// `value · times + plus`, as decimals.
#[inline]
pub fn scaled(value: f64, times: f64, plus: f64) -> f64 {
    if times == 1.0 && plus == 0.0 { value } else { on_line(value, times, plus) }
}

fn on_line(value: f64, times: f64, plus: f64) -> f64 {
    let whole = |number| {
        let (whole, power) = parts(number)?;
        #[expect(clippy::cast_possible_truncation, reason = "whole, and below 2^53")]
        Some((whole as i128, power as i128))
    };
    let exact = || {
        let ((times, times_power), (plus, plus_power)) = (whole(times)?, whole(plus)?);
        let times = times.checked_mul(plus_power)?;
        let line =
            Line { times, plus: plus.checked_mul(times_power)?, over: times_power.checked_mul(plus_power)? };
        line.exact(value)
    };
    exact().unwrap_or_else(|| value.mul_add(times, plus))
}

/// A line through whole numbers: `(value · times + plus) / over`. `over` is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    pub times: i128,
    pub plus: i128,
    pub over: i128,
}

impl Line {
    /// Where the line is at `value`, taken as a decimal.
    pub fn at(self, value: f64) -> f64 {
        self.exact(value).unwrap_or_else(|| {
            #[expect(clippy::cast_precision_loss, reason = "the last digit is not known here anyway")]
            let (times, plus, over) = (self.times as f64, self.plus as f64, self.over as f64);
            (value * times + plus) / over
        })
    }

    fn exact(self, value: f64) -> Option<f64> {
        let (whole, power) = parts(value)?;
        #[expect(clippy::cast_possible_truncation, reason = "whole, and below 2^53")]
        let (whole, power) = (whole as i128, power as i128);
        let above = whole.checked_mul(self.times)?.checked_add(self.plus.checked_mul(power)?)?;
        quotient(above, self.over.checked_mul(power)?).or_else(|| {
            let common = common(above.unsigned_abs(), self.over.checked_mul(power)?.unsigned_abs());
            let common = i128::try_from(common).ok()?;
            quotient(above.checked_div(common)?, self.over.checked_mul(power)?.checked_div(common)?)
        })
    }
}

/// One division, of floats that are exact.
fn quotient(above: i128, below: i128) -> Option<f64> {
    let float = |whole: i128| {
        #[expect(clippy::cast_precision_loss, reason = "the size is checked")]
        let float = whole as f64;
        (float.abs() < EXACT).then_some(float)
    };
    Some(float(above)? / float(below)?)
}

/// The greatest common divisor.
fn common(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a.checked_rem(b).unwrap_or(0));
    }
    a
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sums_are_those_of_school() {
        for (a, b, expected) in [
            (0.1, 0.2, 0.3),
            (20.0, 0.35, 20.35),
            (1_276_020_076.001, -5.0, 1_276_020_071.001),
            (1_320_078_429.0, 0.1, 1_320_078_429.1),
            (100.7, -100.0, 0.7),
            (-0.3, 0.1, -0.2),
            (1e300, 1.0, 1e300),
        ] {
            assert_eq!(sum(a, b), expected);
        }
        assert_eq!(sum(f64::MAX, f64::MAX), f64::INFINITY);
        assert!(sum(f64::NAN, 1.0).is_nan());
    }

    #[test]
    fn scales_are_those_of_school() {
        for (value, times, plus, expected) in [
            (3.0, 0.1, 0.0, 0.3),
            (253.0, 0.1, -40.0, -14.7),
            (1.1, 1.1, 0.0, 1.21),
            (7.0, 0.01, 0.005, 0.075),
            (1.0 / 3.0, 3.0, 0.0, 1.0),
            (-0.0, 1.0, 0.0, -0.0),
        ] {
            assert_eq!(scaled(value, times, plus), expected);
        }
        assert_eq!(scaled(f64::MAX, 10.0, 0.0), f64::INFINITY);
        assert!(scaled(f64::NAN, 2.0, 0.0).is_nan());
    }

    #[test]
    fn a_line_rounds_once() {
        let hundredth = Line { times: 1, plus: 0, over: 100 };
        for (value, expected) in [(1.1, 0.011), (100_830.0, 1008.3), (0.07, 0.0007), (-2.9, -0.029)] {
            assert_eq!(hundredth.at(value), expected);
        }
        assert_eq!(Line { times: 100, plus: 0, over: 1 }.at(0.29), 29.0);
        assert_eq!(Line { times: 3_600_000, plus: 0, over: 1 }.at(123_456_789.123), 444_444_440_842_800.0);
        assert_eq!(hundredth.at(f64::INFINITY), f64::INFINITY);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn any_decimal_of_fifteen_digits_is_moved_as_text_would_be(
            digits in -999_999_999_999_999_i64..=999_999_999_999_999,
            places in 0_usize..=8,
            shift in 1_u32..=4,
        ) {
            let value: f64 = format!("{digits}e-{places}").parse().unwrap();
            let lower: f64 = format!("{digits}e-{}", places + shift as usize).parse().unwrap();
            let ten = 10_i128.pow(shift);
            prop_assert_eq!(Line { times: 1, plus: 0, over: ten }.at(value), lower);
            prop_assert_eq!(Line { times: ten, plus: 0, over: 1 }.at(lower), value);
        }

        #[test]
        fn no_float_is_moved_further_than_its_last_digits(value in any::<f64>()) {
            let same = Line { times: 7, plus: 0, over: 7 }.at(value);
            prop_assert!(
                (same - value).abs() <= value.abs() * 1e-15 || !(value * 7.0).is_finite(),
                "{} {}", same, value
            );
        }
    }
}
