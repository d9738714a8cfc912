//! Cardinality: one broken or hostile sender must not fill the database with names.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::outcome::{Reason, Rejection};

/// The most unknown names that are stored per measurement.
pub const MAX_UNKNOWN_NAMES: usize = 64;
/// The most unregistered devices that are stored.
pub const MAX_UNREGISTERED_DEVICES: usize = 10_000;

/// The names seen so far. Sets only grow, so applying a message again after a restart changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    names: BTreeMap<String, BTreeSet<String>>,
    devices: BTreeSet<String>,
    /// Something was added since whoever saves it last set this to false.
    #[serde(skip)]
    pub dirty: bool,
}

impl State {
    /// Lets an unknown field name of a measurement in, or says that there is no room for it.
    pub fn admit_name(&mut self, measurement: &str, name: &str) -> Result<(), Rejection> {
        let known = self.names.get(measurement);
        if known.is_some_and(|known| known.contains(name)) {
            return Ok(());
        }
        if known.map_or(0, BTreeSet::len) >= MAX_UNKNOWN_NAMES {
            return Err(Rejection::new(
                Reason::TooManyFields,
                format!(
                    "\"{name}\" would be unknown name {} of {measurement}; map it in a profile",
                    MAX_UNKNOWN_NAMES + 1
                ),
            ));
        }
        self.names.entry(measurement.to_owned()).or_default().insert(name.to_owned());
        self.dirty = true;
        Ok(())
    }

    /// Lets an unregistered device in, or says that there is no room for it.
    pub fn admit_device(&mut self, device: &str) -> Result<(), Rejection> {
        if self.devices.contains(device) {
            return Ok(());
        }
        if self.devices.len() >= MAX_UNREGISTERED_DEVICES {
            return Err(Rejection::new(
                Reason::TooManyDevices,
                format!(
                    "\"{}\" is not registered, and {MAX_UNREGISTERED_DEVICES} unregistered devices are stored already",
                    device.escape_debug()
                ),
            ));
        }
        self.devices.insert(device.to_owned());
        self.dirty = true;
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
        let mut state = State::default();
        for number in 0..MAX_UNKNOWN_NAMES {
            state.admit_name("noise", &format!("x{number}")).unwrap();
        }
        state.dirty = false;
        assert_eq!(state.admit_name("noise", "one_more").unwrap_err().reason, Reason::TooManyFields);
        assert_eq!(state.admit_name("noise", "x0"), Ok(()));
        assert!(!state.dirty);
        assert_eq!(state.admit_name("weather", "one_more"), Ok(()));
        assert!(state.dirty);
    }

    #[test]
    fn devices_are_bounded_and_the_state_survives_a_snapshot() {
        let mut state = State::default();
        for number in 0..MAX_UNREGISTERED_DEVICES {
            state.admit_device(&format!("d{number}")).unwrap();
        }
        let saved = serde_json::to_string(&state).unwrap();
        let mut state: State = serde_json::from_str(&saved).unwrap();
        assert!(!state.dirty);
        assert_eq!(state.admit_device("new").unwrap_err().reason, Reason::TooManyDevices);
        assert_eq!(state.admit_device("d7"), Ok(()));
        assert_eq!(state.unregistered_devices(), MAX_UNREGISTERED_DEVICES);
    }
}
