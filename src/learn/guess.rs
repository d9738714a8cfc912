//! Guessing: what one name measures, in which unit, and which of its values mean that there is none.

use super::seen::Seen;
use super::words;
use crate::catalogue::Catalogue;
use crate::decimal;
use crate::quantity::Quantity;
use crate::unit::Unit;

/// How sure a guess is, with the reason in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Confidence {
    Low,
    Medium,
    High,
}

impl Confidence {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What a name becomes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Guess {
    Quantity {
        quantity: String,
        /// Nothing where it is the quantity's own, or the message tells it.
        unit: Option<&'static str>,
        scale: Option<f64>,
        sentinels: Vec<f64>,
        words: Vec<(String, f64)>,
        channel: Option<String>,
        confidence: Confidence,
        why: String,
    },
    /// Text that no quantity is for.
    Ignored { why: String },
    /// Nobody knows.
    Unknown { why: String },
}

/// Values that devices send where they measured nothing.
const SENTINELS: &[f64] = &[
    -1.0,
    -99.0,
    -99.9,
    -127.0,
    -128.0,
    -273.15,
    -999.0,
    -999.9,
    -1000.0,
    -9999.0,
    -32768.0,
    85.0,
    255.0,
    327.67,
    999.0,
    999.9,
    3276.7,
    6553.5,
    9999.0,
    20000.0,
    32767.0,
    65535.0,
    99999.0,
    4_294_967_295.0,
];

/// Units that devices use where they tell none, and which values are usual in a city of the tropics, in the quantity's
/// unit. The first that fits is taken.
const USUAL: &[(&str, &[&str], (f64, f64))] = &[
    ("air_temperature_c", &["Cel", "[degF]", "K"], (18.0, 42.0)),
    ("water_temperature_c", &["Cel", "[degF]", "K"], (18.0, 36.0)),
    ("container_temperature_c", &["Cel", "[degF]"], (15.0, 60.0)),
    ("device_temperature_c", &["Cel", "[degF]"], (15.0, 80.0)),
    ("dew_point_temperature_c", &["Cel", "[degF]"], (10.0, 30.0)),
    ("relative_humidity_pct", &["%", "/"], (20.0, 100.0)),
    ("air_pressure_hpa", &["hPa", "Pa", "kPa", "mmHg", "bar"], (900.0, 1040.0)),
    ("water_level_m", &["m", "cm", "mm"], (0.05, 8.0)),
    ("water_distance_m", &["m", "cm", "mm"], (0.1, 12.0)),
    ("wind_speed_ms", &["m/s", "km/h", "[kn_i]"], (0.0, 20.0)),
    ("wind_speed_of_gust_ms", &["m/s", "km/h"], (0.0, 30.0)),
    ("battery_v", &["V", "mV"], (2.4, 15.0)),
    ("battery_level_pct", &["%", "/"], (1.0, 100.0)),
    ("fill_level_pct", &["%", "/"], (0.0, 100.0)),
    ("voltage_v", &["V", "mV", "kV"], (190.0, 250.0)),
    ("current_a", &["A", "mA"], (0.0, 200.0)),
    ("power_w", &["W", "kW"], (0.0, 50_000.0)),
    ("energy_kwh", &["kWh", "Wh"], (0.0, 1e6)),
    ("uptime_s", &["s", "ms"], (0.0, 1e8)),
    ("co_ugm3", &["ug/m3", "mg/m3"], (50.0, 15_000.0)),
];

/// The units that a name's last word tells.
const SUFFIXES: &[(&str, &str)] = &[
    ("c", "Cel"),
    ("celsius", "Cel"),
    ("degc", "Cel"),
    ("f", "[degF]"),
    ("k", "K"),
    ("pct", "%"),
    ("persen", "%"),
    ("percent", "%"),
    ("mm", "mm"),
    ("cm", "cm"),
    ("m", "m"),
    ("meter", "m"),
    ("mv", "mV"),
    ("v", "V"),
    ("volt", "V"),
    ("hpa", "hPa"),
    ("mbar", "hPa"),
    ("pa", "Pa"),
    ("kpa", "kPa"),
    ("ms", "m/s"),
    ("mps", "m/s"),
    ("kmh", "km/h"),
    ("kph", "km/h"),
    ("knot", "[kn_i]"),
    ("lux", "lx"),
    ("lx", "lx"),
    ("ppm", "ppm"),
    ("ppb", "ppb"),
    ("ugm3", "ug/m3"),
    ("mgm3", "mg/m3"),
    ("dba", "dB"),
    ("db", "dB"),
    ("dbm", "dBm"),
    ("w", "W"),
    ("kw", "kW"),
    ("kwh", "kWh"),
    ("wh", "Wh"),
    ("ma", "mA"),
    ("a", "A"),
    ("s", "s"),
    ("detik", "s"),
    ("menit", "min"),
    ("min", "min"),
    ("deg", "deg"),
];

/// What a name becomes. `beside` is a unit that stands in the payload beside the value, under a name of its own.
pub(super) fn guess(name: &str, seen: &Seen, beside: Option<&str>, catalogue: &Catalogue) -> Guess {
    let word = words::quantity(name);
    if seen.is_text() {
        return text(word, seen, catalogue);
    }
    // A version such as "1.2" is text, although it could be a number.
    if word.is_none() && seen.is_number_text() {
        return text(word, seen, catalogue);
    }
    let Some(quantity) = word.and_then(|word| better(word, name, seen, beside)) else {
        return Guess::Unknown { why: "no word of it is known".to_owned() };
    };
    let Some(quantity) = catalogue.get(quantity) else {
        return Guess::Unknown { why: format!("it sounds like {quantity}, which the catalogue lacks") };
    };
    if seen.numbers.is_empty() && seen.booleans == 0 {
        return Guess::Unknown { why: format!("it sounds like {}, but was always null", quantity.name) };
    }
    // A unit that the message tells wins over every profile's, so each such reading would be refused.
    let fits = |unit: &str| Unit::parse(unit).is_some_and(|unit| unit.convert(0.0, quantity.unit).is_some());
    if let Some(strange) = seen.units.iter().find(|unit| !fits(unit)) {
        let (name, own, shown) = (&quantity.name, quantity.unit.name(), strange.escape_debug());
        let why =
            format!("it sounds like {name}, but tells the unit \"{shown}\", which does not convert to {own}");
        return Guess::Unknown { why };
    }
    measured(name, seen, beside, quantity)
}

/// A battery's level may be told in per cent under the same words, and only its size says so.
fn better<'q>(word: &'q str, name: &str, seen: &Seen, beside: Option<&str>) -> Option<&'q str> {
    let told = told_units(name, seen, beside);
    let of =
        |unit: &str| Unit::parse(unit).and_then(|unit| Unit::parse("%").and_then(|to| unit.convert(1.0, to)));
    if matches!(word, "battery_v" | "battery_level_pct") {
        let per_cent = told.iter().any(|unit| of(unit).is_some());
        let volts = told.iter().any(|unit| of(unit).is_none());
        let (low, high) = seen.range().unwrap_or((0.0, 0.0));
        let looks_like_per_cent = high <= 100.0 && high > 15.0 && low >= 0.0;
        let looks_like_volts = high > 100.0 || (low >= 2.0 && high <= 15.0);
        return Some(match (per_cent, volts) {
            (true, _) => "battery_level_pct",
            (_, true) => "battery_v",
            _ if looks_like_volts => "battery_v",
            _ if looks_like_per_cent => "battery_level_pct",
            _ => word,
        });
    }
    Some(word)
}

/// Units that the message, the payload beside it or the name tells, in this order.
fn told_units(name: &str, seen: &Seen, beside: Option<&str>) -> Vec<String> {
    let mut told: Vec<String> = seen.units.iter().cloned().collect();
    told.extend(beside.map(str::to_owned));
    let last = name.rsplit(['.', '/']).next().unwrap_or(name);
    let words: Vec<String> = last
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    // A name of one word is what is measured, not its unit.
    if let (true, Some(word)) = (words.len() > 1, words.last()) {
        told.extend(SUFFIXES.iter().filter(|(suffix, _)| suffix == word).map(|(_, unit)| (*unit).to_owned()));
    }
    told
}

fn text(word: Option<&'static str>, seen: &Seen, catalogue: &Catalogue) -> Guess {
    let states: Vec<(String, f64)> =
        seen.texts.iter().filter_map(|text| words::state(text).map(|state| (text.clone(), state))).collect();
    let all = states.len() == seen.texts.len();
    match word.and_then(|word| catalogue.get(word)) {
        Some(quantity) if all && quantity.name.ends_with("_state") => Guess::Quantity {
            quantity: quantity.name.to_string(),
            unit: None,
            scale: None,
            sentinels: Vec::new(),
            words: states,
            channel: None,
            confidence: Confidence::Medium,
            why: "by its name, and all its texts are known; look whether a word is missing".to_owned(),
        },
        _ => {
            let some: Vec<String> = seen.texts.iter().take(3).map(|text| format!("\"{text}\"")).collect();
            Guess::Ignored { why: format!("text such as {}", some.join(", ")) }
        }
    }
}

fn measured(name: &str, seen: &Seen, beside: Option<&str>, quantity: &Quantity) -> Guess {
    let told = told_units(name, seen, beside);
    let usable = |unit: &String| Unit::parse(unit).filter(|unit| unit.convert(0.0, quantity.unit).is_some());
    let usual = USUAL.iter().find(|(usual, ..)| *usual == &*quantity.name);
    let normal = usual.map(|(_, _, range)| *range).or(quantity.suspect).or(quantity.impossible);
    let readings: Vec<f64> =
        seen.numbers.iter().copied().filter(|number| !SENTINELS.contains(number)).collect();
    let nothing_else = readings.is_empty();
    let readings = if nothing_else { &seen.numbers } else { &readings };
    let share = |unit: Unit, scale: f64| {
        let inside = |number: &&f64| {
            let value = unit.convert(decimal::scaled(**number, scale, 0.0), quantity.unit);
            value.is_some_and(|value| normal.is_none_or(|(low, high)| (low..=high).contains(&value)))
        };
        let count = |some: usize| u32::try_from(some).unwrap_or(u32::MAX);
        f64::from(count(readings.iter().filter(inside).count())) / f64::from(count(readings.len()).max(1))
    };
    let range = seen.range().map(|(low, high)| format!("{low} to {high}")).unwrap_or_default();
    let (unit, scale, confidence, why) = if let Some(unit) = told.iter().find_map(usable) {
        let how = if seen.units.is_empty() {
            "the unit stands in the name or beside it"
        } else {
            "the unit is told"
        };
        match share(unit, 1.0) {
            share if share > 0.5 => (unit, None, Confidence::High, format!("by its name; {how}; {range}")),
            _ => (unit, None, Confidence::Medium, format!("by its name; {how}, but {range} is unusual")),
        }
    } else {
        let mut units: Vec<Unit> = usual
            .iter()
            .flat_map(|(_, units, _)| units.iter())
            .filter_map(|unit| Unit::parse(unit))
            .collect();
        if units.is_empty() {
            units.push(quantity.unit);
        }
        let fitting: Vec<Unit> = units.iter().copied().filter(|unit| share(*unit, 1.0) >= 0.8).collect();
        // Per cent that never pass 1 and have fractions are parts of one.
        let parts_of_one = readings.iter().all(|number| (0.0..=1.0).contains(number))
            && readings.iter().any(|number| number.fract() != 0.0);
        let fitting: Vec<Unit> = match fitting.iter().find(|unit| unit.name() == "/") {
            Some(ratio) if parts_of_one => {
                std::iter::once(*ratio).chain(fitting.iter().copied().filter(|unit| unit != ratio)).collect()
            }
            _ => fitting,
        };
        let scaled = [0.1, 0.01].into_iter().find(|scale| share(quantity.unit, *scale) >= 0.8);
        match (fitting.as_slice(), scaled) {
            ([one], _) => {
                (*one, None, Confidence::Medium, format!("by its name; only this unit fits {range}"))
            }
            ([first, ..], _) => {
                let names: Vec<&str> = fitting.iter().map(|unit| unit.name()).collect();
                let why = format!("by its name; {range} could be {}", names.join(" or "));
                (*first, None, Confidence::Low, why)
            }
            ([], Some(scale)) => (
                quantity.unit,
                Some(scale),
                Confidence::Low,
                format!("by its name; {range} fits only so scaled"),
            ),
            ([], None) => {
                (quantity.unit, None, Confidence::Low, format!("by its name, but {range} fits no usual unit"))
            }
        }
    };
    let convert =
        |number: f64| unit.convert(decimal::scaled(number, scale.unwrap_or(1.0), 0.0), quantity.unit);
    let outside = |number: f64, range: Option<(f64, f64)>| {
        let value = convert(number);
        range.is_some_and(|(low, high)| value.is_none_or(|value| value < low || value > high))
    };
    // What no quantity of the kind can be fits by no unit, so the word was about something else.
    let possible = readings.iter().filter(|number| !outside(**number, quantity.impossible)).count();
    if possible.saturating_mul(2) < readings.len() && seen.booleans == 0 {
        return Guess::Unknown {
            why: format!("it sounds like {}, but {range} cannot be that", quantity.name),
        };
    }
    let others_positive = readings.iter().all(|number| *number >= 0.0);
    let mut sentinels: Vec<f64> = SENTINELS
        .iter()
        .copied()
        .filter(|sentinel| {
            let odd = outside(*sentinel, quantity.suspect.or(quantity.impossible))
                || (*sentinel < 0.0 && others_positive);
            seen.numbers.contains(sentinel) && odd
        })
        .collect();
    if nothing_else {
        sentinels.clear();
    }
    let unit = (unit != quantity.unit && seen.units.is_empty()).then(|| unit.name());
    let quantity = quantity.name.to_string();
    Guess::Quantity { quantity, unit, scale, sentinels, words: Vec::new(), channel: None, confidence, why }
}

#[cfg(test)]
mod tests;
