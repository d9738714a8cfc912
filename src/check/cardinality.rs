//! Cardinality: one broken or hostile sender must not fill the database with names.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::hashing::Seeded;
use crate::outcome::{Reason, Rejection};
use crate::point::Name;

/// The most unknown names that are stored per measurement.
pub const MAX_UNKNOWN_NAMES: usize = 64;
/// The most unregistered devices that are stored, unless set otherwise.
pub const MAX_UNREGISTERED_DEVICES: usize = 10_000;
/// The most measurements that unknown names are remembered of: topics may name them.
const MAX_MEASUREMENTS: usize = 256;
/// The most field names per measurement that are kept as sent.
const MAX_SENT_NAMES: usize = 1024;

/// The names seen so far. Sets only grow, so applying a message again after a restart changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// Of one name and measurement it is always the same texts, not equal ones.
    names: HashMap<String, HashSet<Name, Seeded>, Seeded>,
    devices: BTreeSet<String>,
}

impl Names {
    /// Lets an unknown field name of a measurement in, or says that there is no room for it.
    pub fn admit_name(&mut self, measurement: &str, name: &str) -> Result<Name, Rejection> {
        self.admit_among(measurement, name, MAX_UNKNOWN_NAMES)
    }

    fn admit_among(&mut self, measurement: &str, name: &str, most: usize) -> Result<Name, Rejection> {
        let known = self.names.get(measurement);
        if let Some(admitted) = known.and_then(|known| known.get(name)) {
            return Ok(admitted.clone());
        }
        if known.is_none() && self.names.len() >= MAX_MEASUREMENTS {
            let detail = format!(
                "{} would be one more than {MAX_MEASUREMENTS} measurements with unknown names",
                measurement.escape_debug()
            );
            return Err(Rejection::new(Reason::TooManyFields, detail));
        }
        if known.map_or(0, HashSet::len) >= most {
            return Err(Rejection::new(
                Reason::TooManyFields,
                format!(
                    "\"{}\" would be unknown name {} of {}; map it in a profile",
                    name.escape_debug(),
                    most.saturating_add(1),
                    measurement.escape_debug(),
                ),
            ));
        }
        let admitted = Name::from(name);
        self.names.entry(measurement.to_owned()).or_default().insert(admitted.clone());
        Ok(admitted)
    }

    /// Lets a field name of a measurement that is kept as sent in, or says that there is no room for it.
    pub fn admit_sent_name(&mut self, measurement: &str, name: &str) -> Result<Name, Rejection> {
        self.admit_among(measurement, name, MAX_SENT_NAMES)
    }

    /// Lets an unregistered device in, or says that there is no room for it among `most`.
    pub fn admit_device(&mut self, device: &str, most: usize) -> Result<(), Rejection> {
        if self.devices.contains(device) {
            return Ok(());
        }
        if self.devices.len() >= most {
            return Err(Rejection::new(
                Reason::TooManyDevices,
                format!(
                    "\"{}\" is not registered, and {most} unregistered devices or topics are stored already; \
                     register it or raise transform.max_unregistered",
                    device.escape_debug()
                ),
            ));
        }
        self.devices.insert(device.to_owned());
        Ok(())
    }

    /// How many unregistered devices are stored.
    pub fn unregistered_devices(&self) -> usize {
        self.devices.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_per_measurement_and_known_ones_still_pass() {
        let mut state = Names::default();
        for number in 0..MAX_UNKNOWN_NAMES {
            state.admit_name("noise", &format!("x{number}")).unwrap();
        }
        assert_eq!(state.admit_name("noise", "one_more").unwrap_err().reason, Reason::TooManyFields);
        let again = |state: &mut Names| state.admit_name("noise", "x0").unwrap();
        assert!(again(&mut state).is(&again(&mut state)));
        assert_eq!(again(&mut state).flag(), "x0_qc");
        assert!(state.admit_name("weather", "one_more").is_ok());
    }

    #[test]
    fn devices_are_bounded_and_the_state_survives_a_snapshot() {
        let mut state = Names::default();
        for number in 0..MAX_UNREGISTERED_DEVICES {
            state.admit_device(&format!("d{number}"), MAX_UNREGISTERED_DEVICES).unwrap();
        }
        state.admit_name("noise", "x0").unwrap();
        let saved = serde_json::to_string(&state).unwrap();
        assert!(saved.starts_with(r#"{"names":{"noise":["x0"]},"#), "{}", &saved[..40]);
        let mut state: Names = serde_json::from_str(&saved).unwrap();
        assert_eq!(
            state.admit_device("new", MAX_UNREGISTERED_DEVICES).unwrap_err().reason,
            Reason::TooManyDevices
        );
        assert_eq!(state.admit_device("d7", MAX_UNREGISTERED_DEVICES), Ok(()));
        assert_eq!(state.unregistered_devices(), MAX_UNREGISTERED_DEVICES);
    }
}
