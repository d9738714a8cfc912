//! Range: values outside what is physically possible fail, outside what is plausible are suspect.

use crate::quality::Flag;

/// Flags a finite value. A bound is part of its range; a quantity without ranges is not evaluated.
pub fn check(value: f64, impossible: Option<(f64, f64)>, suspect: Option<(f64, f64)>) -> Flag {
    let outside = |range: (f64, f64)| value < range.0 || value > range.1;
    if impossible.is_some_and(outside) {
        Flag::Fail
    } else if suspect.is_some_and(outside) {
        Flag::Suspect
    } else if impossible.is_none() && suspect.is_none() {
        Flag::NotEvaluated
    } else {
        Flag::Pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_belong_to_the_range() {
        let flag = |value| check(value, Some((-50.0, 60.0)), Some((10.0, 45.0)));
        assert_eq!([-50.1, 60.1].map(flag), [Flag::Fail; 2]);
        assert_eq!([-50.0, 9.9, 45.1, 60.0].map(flag), [Flag::Suspect; 4]);
        assert_eq!([10.0, 30.0, 45.0].map(flag), [Flag::Pass; 3]);
        assert_eq!(check(1e9, None, None), Flag::NotEvaluated);
        assert_eq!(check(1.0, Some((0.0, 1.0)), None), Flag::Pass);
    }
}
