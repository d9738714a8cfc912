//! Profiles: how a device model's names map to quantities, with unit, scale, sentinels and words.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde::Deserialize;

use super::{Catalogue, Decoder};
use crate::decimal;
use crate::hashing::Seeded;
use crate::outcome::{Reason, Rejection};
use crate::quantity::Quantity;
use crate::reading::ReadingValue;
use crate::unit::Unit;

/// What is known of a device model.
#[derive(Debug, Clone)]
pub struct Profile {
    pub name: Arc<str>,
    pub measurement: Option<Arc<str>>,
    /// Numbers may come as text.
    pub number_text: bool,
    /// Names that measure nothing, such as that of a program's version.
    pub ignored: HashSet<String>,
    pub names: HashMap<String, Mapping, Seeded>,
    /// What reads the bytes that its devices send.
    pub decoder: Option<Decoder>,
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
    words: HashMap<String, f64>,
}

/// All profiles by name.
#[derive(Debug, Clone, Default)]
pub struct Profiles(HashMap<String, Arc<Profile>>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    profiles: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    measurement: Option<String>,
    #[serde(default)]
    number_text: bool,
    #[serde(default)]
    ignore: HashSet<String>,
    names: BTreeMap<String, toml::Value>,
    codec: Option<String>,
    variables: Option<BTreeMap<String, String>>,
    decoder: Option<String>,
    layout: Option<toml::Value>,
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
    sentinels: Vec<f64>,
    #[serde(default)]
    words: HashMap<String, f64>,
    channel: Option<String>,
    rate_per_minute: Option<f64>,
}

const fn one() -> f64 {
    1.0
}

impl Profiles {
    /// Reads files of profiles, given as name and text; tells every mistake.
    pub fn load(files: &[(String, String)], catalogue: &Catalogue) -> Result<Self, Vec<String>> {
        let (mut all, mut wrong) = (HashMap::new(), Vec::new());
        for (origin, text) in files {
            let file: File = match toml::from_str(text) {
                Ok(file) => file,
                Err(error) => {
                    wrong.push(format!("{origin}: {error}"));
                    continue;
                }
            };
            for (name, entry) in file.profiles {
                let mut names = HashMap::default();
                for (device_name, mapping) in entry.names {
                    match Mapping::new(mapping, catalogue) {
                        Ok(mapping) => {
                            names.insert(device_name, mapping);
                        }
                        Err(text) => wrong.push(format!("{origin}: {name}: {device_name}: {text}")),
                    }
                }
                let decoder =
                    Decoder::new(entry.codec, entry.variables, entry.decoder.as_deref(), entry.layout);
                let decoder = decoder.unwrap_or_else(|text| {
                    wrong.push(format!("{origin}: {name}: {text}"));
                    None
                });
                let profile = Profile {
                    decoder,
                    name: name.as_str().into(),
                    measurement: entry.measurement.map(Arc::from),
                    number_text: entry.number_text,
                    ignored: entry.ignore,
                    names,
                };
                if all.insert(name.clone(), Arc::new(profile)).is_some() {
                    wrong.push(format!("{origin}: {name}: there is another profile of this name"));
                }
            }
        }
        if wrong.is_empty() { Ok(Self(all)) } else { Err(wrong) }
    }

    pub fn get(&self, name: &str) -> Option<&Arc<Profile>> {
        self.0.get(name)
    }

    /// The names of all, in order.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.0.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// Each profile that names a codec, with the codec's file.
    pub fn codecs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.values().filter_map(|profile| match &profile.decoder {
            Some(Decoder::Codec { file, .. }) => Some((&*profile.name, &**file)),
            _ => None,
        })
    }
}

impl Mapping {
    /// From just the quantity's name, or a table with all about it.
    fn new(name: toml::Value, catalogue: &Catalogue) -> Result<Self, String> {
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
        if !full.scale.is_finite() || full.scale == 0.0 || !full.offset.is_finite() {
            return Err("scale and offset must be numbers, scale not 0".to_owned());
        }
        if !full.sentinels.iter().chain(full.words.values()).all(|number| number.is_finite()) {
            return Err("sentinels and words must stand for finite numbers".to_owned());
        }
        if full.rate_per_minute.is_some_and(|rate| !rate.is_finite() || rate <= 0.0) {
            return Err("rate_per_minute must be a number above 0".to_owned());
        }
        Ok(Self {
            rate_per_minute: full.rate_per_minute.or(quantity.rate_per_minute),
            quantity: Arc::clone(quantity),
            channel: full.channel.map(Arc::from),
            unit,
            scale: full.scale,
            offset: full.offset,
            sentinels: full.sentinels,
            words: full.words,
        })
    }

    /// The value in the quantity's unit; nothing where the device says that it has none. A unit told by the message
    /// wins over the profile's if it is compatible.
    pub fn apply(&self, value: &ReadingValue<'_>, told_unit: Option<&str>) -> Result<Option<f64>, Rejection> {
        let number = match value {
            ReadingValue::Number(number) => *number,
            ReadingValue::Boolean(on) => f64::from(u8::from(*on)),
            ReadingValue::Text(text) => return self.word(text).map(Some),
            ReadingValue::Null => return Ok(None),
        };
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
        converted.map(Some).ok_or_else(|| conflict(unit.name(), &self.quantity))
    }

    fn word(&self, text: &str) -> Result<f64, Rejection> {
        self.words.get(text).copied().ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            let detail = format!("\"{}\" stands where a number belongs", shown.escape_debug());
            Rejection::new(Reason::WrongType, detail)
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        let text = "[quantities]\nwater_level_m = {}\nparking_occupied_state = {}\nair_temperature_c = {}\n";
        Catalogue::load(text, "c").unwrap()
    }

    fn mapping(text: &str) -> Mapping {
        let file = format!("[profiles.p.names]\nx = {text}\n");
        let profiles = Profiles::load(&[("p.toml".to_owned(), file)], &catalogue()).unwrap();
        profiles.get("p").unwrap().names["x"].clone()
    }

    #[test]
    fn units_scales_sentinels_and_words_are_applied() {
        let level = mapping("{ quantity = \"water_level_m\", unit = \"cm\", sentinels = [-1] }");
        assert_eq!(level.apply(&ReadingValue::Number(123.0), None), Ok(Some(1.23)));
        assert_eq!(level.apply(&ReadingValue::Number(123.0), Some("mm")), Ok(Some(0.123)));
        let reason = |value: ReadingValue<'_>, unit| level.apply(&value, unit).unwrap_err().reason;
        assert_eq!(level.apply(&ReadingValue::Number(-1.0), None), Ok(None));
        assert_eq!(level.apply(&ReadingValue::Null, None), Ok(None));
        assert_eq!(reason(ReadingValue::Number(1.0), Some("Cel")), Reason::UnitConflict);
        assert_eq!(reason(ReadingValue::Text("high".into()), None), Reason::WrongType);
        let tenths =
            mapping("{ quantity = \"air_temperature_c\", unit = \"K\", scale = 0.1, sentinels = [65535] }");
        assert_eq!(tenths.apply(&ReadingValue::Number(3003.0), None), Ok(Some(27.15)));
        assert_eq!(tenths.apply(&ReadingValue::Number(3.0), Some("Cel")), Ok(Some(0.3)));
        let words = "{ quantity = \"parking_occupied_state\", words = { free = 0, occupied = 1 } }";
        assert_eq!(mapping(words).apply(&ReadingValue::Text("occupied".into()), None), Ok(Some(1.0)));
        assert_eq!(
            mapping("\"parking_occupied_state\"").apply(&ReadingValue::Boolean(true), None),
            Ok(Some(1.0))
        );
    }

    #[test]
    fn all_mistakes_of_profiles_are_told() {
        let file = "[profiles.p.names]\na = \"heat\"\nb = { quantity = \"water_level_m\", unit = \"Cel\" }\n\
                    c = { quantity = \"water_level_m\", unit = \"ell\" }\n\
                    d = { quantity = \"water_level_m\", unt = \"cm\" }\ne = 7\n\
                    f = { quantity = \"water_level_m\", words = { a = nan } }\n";
        let wrong = Profiles::load(&[("p.toml".to_owned(), file.to_owned())], &catalogue()).unwrap_err();
        assert_eq!(wrong.len(), 6, "{wrong:?}");
        assert!(wrong[3].contains("unt") && wrong[3].contains("p: d:"), "{wrong:?}");
    }
}
