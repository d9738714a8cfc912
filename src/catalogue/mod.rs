//! The catalogue: which quantities there are, and how device models' names map to them.

mod decoder;
mod profile;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;

use crate::hashing::Seeded;
use crate::quantity::Quantity;

pub use decoder::{Decoder, Field, Kind, Layout};
pub use profile::{Heard, Mapping, Profile, Profiles};

/// All quantities by name.
#[derive(Debug, Clone, Default)]
pub struct Catalogue(HashMap<String, Arc<Quantity>, Seeded>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    quantities: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    impossible: Option<(f64, f64)>,
    suspect: Option<(f64, f64)>,
    rate_per_minute: Option<f64>,
    #[serde(default)]
    counter: bool,
}

impl Catalogue {
    /// Reads `catalogue.toml`; tells every mistake with `origin`.
    pub fn load(text: &str, origin: &str) -> Result<Self, Vec<String>> {
        let file: File = toml::from_str(text).map_err(|error| vec![format!("{origin}: {error}")])?;
        let (mut all, mut wrong) = (HashMap::default(), Vec::new());
        for (name, entry) in file.quantities {
            let plain = name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_');
            for (what, range) in [("impossible", entry.impossible), ("suspect", entry.suspect)] {
                if range.is_some_and(|(low, high)| low >= high || !low.is_finite() || !high.is_finite()) {
                    wrong.push(format!("{origin}: {name}: {what} must be [low, high]"));
                }
            }
            if entry.rate_per_minute.is_some_and(|rate| !rate.is_finite() || rate <= 0.0) {
                wrong.push(format!("{origin}: {name}: rate_per_minute must be a number above 0"));
            }
            match Quantity::new(&name, entry.impossible, entry.suspect, entry.rate_per_minute) {
                Some(quantity) if plain => {
                    all.insert(name, Arc::new(Quantity { counter: entry.counter, ..quantity }));
                }
                _ => wrong.push(format!(
                    "{origin}: {name}: must be lower case and end in a unit suffix such as _c, _pct or _m"
                )),
            }
        }
        if wrong.is_empty() { Ok(Self(all)) } else { Err(wrong) }
    }

    pub fn get(&self, name: &str) -> Option<&Arc<Quantity>> {
        self.0.get(name)
    }

    /// All quantities in the order of their names.
    pub fn all(&self) -> Vec<&Arc<Quantity>> {
        let mut all: Vec<_> = self.0.values().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_mistakes_of_a_catalogue_are_told() {
        let text = "[quantities]\nair_temperature_c = { impossible = [70, -60] }\nheat = {}\nrain_mm = {}\n";
        let wrong = Catalogue::load(text, "catalogue.toml").unwrap_err();
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(wrong[0].contains("air_temperature_c: impossible"), "{wrong:?}");
        assert!(wrong[1].contains("heat"), "{wrong:?}");
    }
}
