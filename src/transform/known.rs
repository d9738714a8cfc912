//! Known: what a transform has of catalogue, profiles and registry, for those who look for what it lacks.

use jiff::tz::TimeZone;

use super::Transform;
use crate::catalogue::{Catalogue, Profile};

impl Transform {
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The zone of times told without one.
    pub const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Whether a field is one of the catalogue's, or the failed value of one.
    pub fn is_quantity(&self, field: &str) -> bool {
        self.catalogue.get(field.strip_suffix("_failed").unwrap_or(field)).is_some()
    }

    /// Whether the registry has the device at that time.
    pub fn is_registered(&self, id: &str, at: i64) -> bool {
        self.registry.device(id, at).is_some()
    }

    /// The names of all profiles, in order.
    pub fn profile_names(&self) -> Vec<&str> {
        self.models.names()
    }

    pub fn profile(&self, name: &str) -> Option<&Profile> {
        self.models.get(name).map(|profile| &**profile)
    }
}
