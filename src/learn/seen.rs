//! Seen: what a name's values were like, over all messages of one kind.

use std::collections::BTreeSet;

use crate::reading::{Reading, ReadingValue};

/// Values of one name that are kept; they are looked at to tell unit and sentinels.
const KEPT: usize = 500;
/// Different texts of one name that are kept.
const TEXTS: usize = 20;

/// One name's values.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) count: u64,
    pub(super) numbers: Vec<f64>,
    pub(super) booleans: u64,
    pub(super) nulls: u64,
    pub(super) texts: BTreeSet<String>,
    pub(super) text_count: u64,
    /// Texts that are a number, with or without a unit.
    pub(super) number_texts: u64,
    pub(super) decimal_commas: u64,
    /// Units that the messages told.
    pub(super) units: BTreeSet<String>,
}

impl Seen {
    pub(super) fn add(&mut self, reading: &Reading<'_>) {
        self.count = self.count.saturating_add(1);
        if let Some(unit) = reading.unit.as_deref().filter(|_| self.units.len() < TEXTS) {
            self.units.insert(unit.to_owned());
        }
        match &reading.value {
            ReadingValue::Number(number) => self.number(*number),
            ReadingValue::Boolean(_) => self.booleans = self.booleans.saturating_add(1),
            ReadingValue::Null => self.nulls = self.nulls.saturating_add(1),
            ReadingValue::Text(text) => self.text(text),
        }
    }

    fn number(&mut self, number: f64) {
        if self.numbers.len() < KEPT && number.is_finite() {
            self.numbers.push(number);
        }
    }

    fn text(&mut self, text: &str) {
        self.text_count = self.text_count.saturating_add(1);
        if self.texts.len() < TEXTS {
            self.texts.insert(text.chars().take(40).collect());
        }
        if let Some((number, unit, comma)) = amount(text) {
            self.number_texts = self.number_texts.saturating_add(1);
            self.decimal_commas = self.decimal_commas.saturating_add(u64::from(comma));
            self.number(number);
            if let Some(unit) = unit.filter(|_| self.units.len() < TEXTS) {
                self.units.insert(unit.to_owned());
            }
        }
    }

    /// Numbers came as text.
    pub(super) const fn is_number_text(&self) -> bool {
        self.number_texts * 5 >= self.text_count * 4 && self.number_texts > 0
    }

    /// Texts that are no numbers.
    pub(super) const fn is_text(&self) -> bool {
        self.text_count > 0 && !self.is_number_text()
    }

    /// The one text that always stood there.
    pub(super) fn constant_text(&self) -> Option<&str> {
        let one = self.texts.len() == 1 && self.text_count == self.count;
        self.texts.first().map(String::as_str).filter(|_| one)
    }

    /// Smallest and largest number.
    pub(super) fn range(&self) -> Option<(f64, f64)> {
        let first = *self.numbers.first()?;
        let wider = |(low, high): (f64, f64), number: &f64| (low.min(*number), high.max(*number));
        Some(self.numbers.iter().fold((first, first), wider))
    }
}

/// A number at the start of a text, the unit behind it, and whether its decimal sign is a comma.
fn amount(text: &str) -> Option<(f64, Option<&str>, bool)> {
    let text = text.trim();
    let end =
        text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | ',' | '-' | '+')).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let comma = number.matches(',').count() == 1 && !number.contains('.');
    let number = if comma { number.replace(',', ".").parse() } else { number.parse() };
    let unit = Some(unit.trim()).filter(|unit| !unit.is_empty());
    if unit.is_some_and(|unit| crate::unit::Unit::parse(unit).is_none()) {
        return None;
    }
    number.ok().map(|number| (number, unit, comma))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_texts_are_seen_with_unit_and_comma() {
        for (text, expected) in [
            ("27.5", Some((27.5, None, false))),
            ("27,5", Some((27.5, None, true))),
            ("2000 mm", Some((2000.0, Some("mm"), false))),
            ("45%", Some((45.0, Some("%"), false))),
            ("-3,5 °C", Some((-3.5, Some("°C"), true))),
            ("v1.2", None),
            ("1.2.3", None),
            ("10 bananas", None),
            ("", None),
        ] {
            assert_eq!(amount(text), expected, "{text}");
        }
    }
}
