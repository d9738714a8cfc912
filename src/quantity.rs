//! A quantity: what is measured, in which unit it is stored, and which values are impossible or suspect.

use crate::point::Name;
use crate::unit::Unit;

/// One quantity of the catalogue. A published one never changes its unit or meaning.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity {
    /// The stored field, with its unit as suffix: `air_temperature_c`.
    pub name: Name,
    /// The field of a value that cannot be.
    pub failed: Name,
    pub unit: Unit,
    /// Values outside cannot be.
    pub impossible: Option<(f64, f64)>,
    /// Values outside are doubtful here.
    pub suspect: Option<(f64, f64)>,
    /// A faster change per minute is doubtful.
    pub rate_per_minute: Option<f64>,
    /// A running total: it goes on, and begins anew now and then.
    pub counter: bool,
}

/// Field suffixes and the unit each stands for: a closed list.
pub const SUFFIXES: &[(&str, &str)] = &[
    ("_c", "Cel"),
    ("_pct", "%"),
    ("_hpa", "hPa"),
    ("_ugm3", "ug/m3"),
    ("_ppm", "ppm"),
    ("_ms", "m/s"),
    ("_deg", "deg"),
    ("_mm", "mm"),
    ("_mmh", "mm/h"),
    ("_m", "m"),
    ("_dba", "dB"),
    ("_v", "V"),
    ("_a", "A"),
    ("_w", "W"),
    ("_kwh", "kWh"),
    ("_lx", "lx"),
    ("_wm2", "W/m2"),
    ("_kmh", "km/h"),
    ("_dbm", "dBm"),
    ("_db", "dB{snr}"),
    ("_s", "s"),
    ("_count", "count"),
    ("_state", "count"),
    ("_index", "count"),
    ("_level", "count"),
    ("_factor", "count"),
];

impl Quantity {
    /// Nothing where the name has no suffix of the closed list.
    pub fn new(
        name: &str,
        impossible: Option<(f64, f64)>,
        suspect: Option<(f64, f64)>,
        rate_per_minute: Option<f64>,
    ) -> Option<Self> {
        let suffix = SUFFIXES.iter().filter(|(suffix, _)| name.ends_with(suffix));
        let (_, unit) = suffix.max_by_key(|(suffix, _)| suffix.len())?;
        let name = Name::from(name);
        Some(Self {
            failed: name.failed(),
            name,
            unit: Unit::parse(unit)?,
            impossible,
            suspect,
            rate_per_minute,
            counter: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suffix_tells_the_unit_and_each_suffix_has_one() {
        assert_eq!(Quantity::new("air_temperature_c", None, None, None).unwrap().unit.name(), "Cel");
        assert_eq!(Quantity::new("rain_rate_mmh", None, None, None).unwrap().unit.name(), "mm/h");
        assert!(Quantity::new("temperature", None, None, None).is_none());
        assert!(SUFFIXES.iter().all(|(_, unit)| Unit::parse(unit).is_some()));
    }
}
