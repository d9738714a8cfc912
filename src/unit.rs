//! Units: which there are, and conversions that add no error a person would see.

mod amount;
mod index;
mod table;
#[cfg(test)]
mod tests;

pub use self::amount::amount;

use self::table::{Row, TABLE};
use crate::decimal::Line;

/// A unit of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unit(&'static Row);

impl Unit {
    /// The unit of that name or alias. Case matters, for `mW` is not `MW`, except in words: `Celsius`, `PERSEN`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let same = |name: &&str| name.eq_ignore_ascii_case(text);
        let word = || TABLE.iter().find(|row| same(&row.name) || row.aliases.iter().any(same));
        index::row(text).or_else(|| is_word(text).then(word).flatten()).map(Self)
    }

    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// `value` of this unit in `to`; nothing where they measure different things.
    #[inline]
    pub fn convert(self, value: f64, to: Self) -> Option<f64> {
        if std::ptr::eq(self.0, to.0) { Some(value) } else { self.other(value, to) }
    }

    /// In a unit that is not this one.
    fn other(self, value: f64, to: Self) -> Option<f64> {
        let (from, to) = (self.0, to.0);
        (from.dimension == to.dimension).then(|| {
            let [times, plus, over] = [from.times, from.plus, from.over].map(i128::from);
            let [to_times, to_plus, to_over] = [to.times, to.plus, to.over].map(i128::from);
            Line { times: times * to_over, plus: plus * to_over - to_plus * over, over: over * to_times }
                .at(value)
        })
    }
}

/// A spelling of letters only, and of enough of them to be no symbol.
fn is_word(text: &str) -> bool {
    text.len() >= 4 && text.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b' ')
}
