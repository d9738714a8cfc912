//! What to expect of the points: the fields that the routes can make, with their types, and how old they may be.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Names, Transform};

impl Transform {
    /// How old a told time may be when it arrives.
    pub fn max_backfill(&self) -> Duration {
        self.config.time.max_backfill
    }

    /// The largest payload that is looked at, in bytes.
    pub fn max_payload(&self) -> u64 {
        self.config.max_payload
    }

    /// How many series this registry begins that the former one had not, for devices as they are `now`. The old
    /// ones stay where they are.
    pub fn new_series(&self, former: &Self, now: i64) -> usize {
        let mut ids: Vec<_> = self.registry.ids().chain(former.registry.ids()).collect();
        ids.sort_unstable();
        ids.dedup();
        let begun = ids.into_iter().map(|id| {
            let (new, old) = (self.registry.series(id, now), former.registry.series(id, now));
            new.difference(&old).count()
        });
        begun.sum()
    }

    /// Measurement (or none: any) and field (or none: any other number), and the type we write it as, in InfluxDB's words. Names that only devices know,
    /// and profiles that only the registry gives, are not among them.
    pub fn fields_for(&self, destination: &str) -> BTreeMap<(String, String), &'static str> {
        let mut all = BTreeMap::new();
        let routes = self.config.routes.iter().zip(&self.profiles);
        for (route, profile) in routes.filter(|(route, _)| route.destination == destination) {
            let names = match &route.names {
                Names::Catalogue(names) => names,
                Names::AsSent(names) => {
                    all.extend(names.expected());
                    continue;
                }
            };
            let measurement = profile.measurement.as_ref().or(names.measurement.as_ref());
            let measurement = measurement.unwrap_or(&self.sensor).to_string();
            let mut add = |field: &str, kind| all.insert((measurement.clone(), field.to_owned()), kind);
            add(&self.delay, "float");
            for mapping in profile.mappings() {
                add(&mapping.quantity.name, "float");
                add(&mapping.quantity.failed, "float");
                add(mapping.quantity.name.flag(), "integer");
            }
        }
        all
    }
}
