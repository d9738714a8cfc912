//! Mapping: one of a device's names made a quantity, with unit, scale, sentinels and words.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::catalogue::Catalogue;
use crate::decimal;
use crate::outcome::{Reason, Rejection};
use crate::quantity::Quantity;
use crate::reading::ReadingValue;
use crate::unit::{self, Unit};

/// How a number may come as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberText {
    No,
    Point,
    /// The decimal sign may be a comma.
    Comma,
}

/// One of the device's names.
#[derive(Debug, Clone)]
pub struct Mapping {
    pub quantity: Arc<Quantity>,
    /// Tells apart several of one quantity.
    pub channel: Option<Arc<str>>,
    /// The device's own, or the quantity's: a faster change is suspect.
    pub rate_per_minute: Option<f64>,
    /// The unit the device means where it tells none.
    unit: Unit,
    scale: f64,
    offset: f64,
    sentinels: Vec<f64>,
    missing: Vec<String>,
    words: HashMap<String, f64>,
    /// A direction told from -180 to 180 is stored from 0 to 360.
    wrap: bool,
    number_text: NumberText,
}

/// What stands for "no value".
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Sentinel {
    Number(f64),
    Text(String),
}

/// Everything about one name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Full {
    quantity: String,
    unit: Option<String>,
    #[serde(default = "one")]
    scale: f64,
    #[serde(default)]
    offset: f64,
    #[serde(default)]
    sentinels: Vec<Sentinel>,
    #[serde(default)]
    words: HashMap<String, f64>,
    channel: Option<String>,
    rate_per_minute: Option<f64>,
    /// The device tells a running total.
    #[serde(default)]
    counter: bool,
    #[serde(default)]
    wrap: bool,
}

/// All directions of a compass.
const CIRCLE: (f64, f64) = (0.0, 360.0);

const fn one() -> f64 {
    1.0
}

impl Mapping {
    /// From just the quantity's name, or a table with all about it; and whether its channel is what a name's `*` stands
    /// for.
    pub(super) fn new(
        name: toml::Value,
        catalogue: &Catalogue,
        number_text: NumberText,
    ) -> Result<(Self, bool), String> {
        let full = match name {
            toml::Value::String(quantity) => Full {
                quantity,
                unit: None,
                scale: 1.0,
                offset: 0.0,
                sentinels: Vec::new(),
                words: HashMap::new(),
                channel: None,
                rate_per_minute: None,
                counter: false,
                wrap: false,
            },
            table => Full::deserialize(table).map_err(|error| error.message().to_owned())?,
        };
        let quantity = catalogue.get(&full.quantity);
        let quantity = quantity.ok_or_else(|| format!("there is no quantity \"{}\"", full.quantity))?;
        let unit = match &full.unit {
            None => quantity.unit,
            Some(text) => Unit::parse(text).ok_or_else(|| format!("there is no unit \"{text}\""))?,
        };
        if unit.convert(0.0, quantity.unit).is_none() {
            return Err(format!("{} does not convert to {}", unit.name(), quantity.unit.name()));
        }
        if full.counter && !quantity.counter {
            return Err(no_counter(quantity, catalogue));
        }
        if full.wrap && quantity.impossible != Some(CIRCLE) {
            return Err(format!("wrap: {} is no direction from 0 to 360", quantity.name));
        }
        if !full.scale.is_finite() || full.scale == 0.0 || !full.offset.is_finite() {
            return Err("scale and offset must be numbers, scale not 0".to_owned());
        }
        let (mut sentinels, mut missing) = (Vec::new(), Vec::new());
        for sentinel in full.sentinels {
            match sentinel {
                Sentinel::Number(number) => sentinels.push(number),
                Sentinel::Text(text) => missing.push(text),
            }
        }
        if !sentinels.iter().chain(full.words.values()).all(|number| number.is_finite()) {
            return Err(
                "sentinels must be finite numbers or texts, words stand for finite numbers".to_owned()
            );
        }
        if full.rate_per_minute.is_some_and(|rate| !rate.is_finite() || rate <= 0.0) {
            return Err("rate_per_minute must be a number above 0".to_owned());
        }
        let of_name = full.channel.as_deref() == Some("*");
        let mapping = Self {
            rate_per_minute: full.rate_per_minute.or(quantity.rate_per_minute),
            quantity: Arc::clone(quantity),
            channel: full.channel.filter(|_| !of_name).map(Arc::from),
            unit,
            scale: full.scale,
            offset: full.offset,
            sentinels,
            missing,
            words: full.words,
            wrap: full.wrap,
            number_text,
        };
        Ok((mapping, of_name))
    }

    /// The value in the quantity's unit; nothing where the device says that it has none. A unit told by the message
    /// wins over the profile's if it is compatible.
    #[inline]
    pub fn apply(&self, value: &ReadingValue<'_>, told_unit: Option<&str>) -> Result<Option<f64>, Rejection> {
        let number = match value {
            ReadingValue::Number(number) => *number,
            ReadingValue::Boolean(on) => f64::from(u8::from(*on)),
            ReadingValue::Text(text) => return self.text(text, told_unit),
            ReadingValue::Null => return Ok(None),
        };
        self.number(number, told_unit)
    }

    #[inline]
    fn number(&self, number: f64, told_unit: Option<&str>) -> Result<Option<f64>, Rejection> {
        if self.sentinels.contains(&number) {
            return Ok(None);
        }
        let unit = match told_unit {
            None => self.unit,
            // Most devices tell the quantity's own: no need to look it up.
            Some(told) if told == self.quantity.unit.name() => self.quantity.unit,
            Some(told) => Unit::parse(told).ok_or_else(|| conflict(told, &self.quantity))?,
        };
        let scaled = decimal::scaled(number, self.scale, self.offset);
        let converted = unit.convert(scaled, self.quantity.unit);
        let converted = converted.ok_or_else(|| conflict(unit.name(), &self.quantity))?;
        // What lies beyond half a circle was no direction, and stays what it is.
        let west = self.wrap && (-180.0..0.0).contains(&converted);
        Ok(Some(if west { decimal::scaled(converted, 1.0, CIRCLE.1) } else { converted }))
    }

    /// A word that stands for a number, one that means there is none, or a number with or without its unit.
    fn text(&self, text: &str, told_unit: Option<&str>) -> Result<Option<f64>, Rejection> {
        if let Some(number) = self.words.get(text) {
            return Ok(Some(*number));
        }
        if self.missing.iter().any(|missing| missing == text) {
            return Ok(None);
        }
        let comma = self.number_text == NumberText::Comma;
        let amount = unit::amount(text, comma).filter(|_| self.number_text != NumberText::No);
        if let Some((number, unit)) = amount {
            return self.number(number, unit.or(told_unit));
        }
        let shown: String = text.chars().take(40).collect();
        let detail = format!("\"{}\" stands where a number belongs", shown.escape_debug());
        Err(Rejection::new(Reason::WrongType, detail))
    }
}

/// A running total in a quantity of amounts would be a wrong meaning.
fn no_counter(quantity: &Quantity, catalogue: &Catalogue) -> String {
    let like = |other: &&&Arc<Quantity>| other.counter && other.unit.convert(0.0, quantity.unit).is_some();
    let names: Vec<_> = catalogue.all().iter().filter(like).map(|other| &*other.name).collect();
    let instead = match names.as_slice() {
        [] => "add one of its unit to the catalogue, with counter = true".to_owned(),
        names => format!("map it to one that is, such as {}", names.join(" or ")),
    };
    format!("{} is no running total; {instead}", quantity.name)
}

fn conflict(unit: &str, quantity: &Quantity) -> Rejection {
    let shown: String = unit.chars().take(40).collect();
    let detail = format!(
        "the unit \"{}\" does not convert to {} of {}",
        shown.escape_debug(),
        quantity.unit.name(),
        quantity.name
    );
    Rejection::new(Reason::UnitConflict, detail)
}
