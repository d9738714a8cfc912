//! Buckets: which bucket a point goes to, where a destination's name follows from tags.
//!
//! Only places that registry or routes name give one: a topic is outside data, and must not be able to fill a
//! database with buckets, or to hold a destination for one that will never be there.

use std::collections::HashSet;
use std::sync::Arc;

use crate::outcome::{Reason, Rejection};
use crate::point::Point;
use crate::sink::Template;
use crate::transform::Transform;

/// The names of one destination.
#[derive(Debug)]
pub(super) struct Buckets {
    template: Template,
    known: HashSet<Arc<str>>,
    /// Whose places `known` was made from.
    of: Arc<Transform>,
}

impl Buckets {
    pub(super) fn new(template: Template, transform: &Arc<Transform>) -> Self {
        let known = known(&template, transform);
        Self { template, known, of: Arc::clone(transform) }
    }

    /// The bucket of one point. `transform` is the one that made it.
    pub(super) fn of(&mut self, point: &Point, transform: &Arc<Transform>) -> Result<Arc<str>, Rejection> {
        if !Arc::ptr_eq(&self.of, transform) {
            self.known = known(&self.template, transform);
            self.of = Arc::clone(transform);
        }
        let tag =
            |wanted: &str| point.tags.iter().find(|(key, _)| &**key == wanted).map(|(_, value)| &**value);
        let refused = |detail: String| Rejection::new(Reason::NoBucket, detail);
        let name = self.template.name(tag).map_err(|error| {
            refused(format!("{error}; register the device, or give its route a city and district"))
        })?;
        self.known.get(name.as_str()).cloned().ok_or_else(|| {
            refused(format!(
                "no registered device and no route is of \"{name}\"; register one of its devices"
            ))
        })
    }
}

fn known(template: &Template, transform: &Transform) -> HashSet<Arc<str>> {
    template.names(&transform.places()).into_iter().map(Arc::from).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::catalogue::{Catalogue, Profiles};
    use crate::registry::Registry;
    use crate::settings::{Problems, Section};
    use crate::transform;

    /// A transform whose registry has one device, in this city.
    fn transform(city: &str) -> Arc<Transform> {
        let catalogue = Catalogue::load("[quantities]\n", "c").unwrap();
        let profiles = ("p".to_owned(), "[profiles.generic.names]\n".to_owned());
        let profiles = Profiles::load(&[profiles], &catalogue).unwrap();
        let head = "id,city,district,site,latitude,longitude,profile,valid_from,time_zone,agency,datum_m";
        let zone = jiff::tz::TimeZone::UTC;
        let registry =
            Registry::load(&format!("{head}\na,{city},d,s,,,,,,,\n"), "r", &zone, Some(&profiles)).unwrap();
        let config = transform::Config::read(&mut Section::root(HashMap::new(), Problems::default()));
        Arc::new(Transform::new(config, Arc::new(catalogue), &profiles, Arc::new(registry), zone).unwrap())
    }

    fn buckets(template: &str) -> (Buckets, Arc<Transform>) {
        let transform = transform("pasuruan");
        (Buckets::new(Template::parse(template).unwrap(), &transform), transform)
    }

    fn point(tags: &[(&str, &str)]) -> Point {
        let tags = tags.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value)));
        Point { measurement: "noise".into(), tags: tags.collect(), fields: Vec::new(), time: 0 }
    }

    #[test]
    fn only_a_place_that_is_registered_names_a_bucket() {
        let (mut buckets, transform) = buckets("telemetry_{city}");
        let mut of = |tags: &[(&str, &str)]| buckets.of(&point(tags), &transform);
        assert_eq!(
            of(&[("city", "pasuruan"), ("district", "anywhere")]).as_deref(),
            Ok("telemetry_pasuruan")
        );
        for (tags, part) in [
            (vec![("city", "evil")], "\"telemetry_evil\""),
            (vec![("city", "")], "the tag city"),
            (vec![("district", "bugul_kidul")], "the tag city"),
            (vec![("city", "pasuruan\n")], "control characters"),
        ] {
            let rejection = of(&tags).unwrap_err();
            assert_eq!(rejection.reason, Reason::NoBucket);
            assert!(rejection.detail.contains(part), "{rejection}");
        }
    }

    #[test]
    fn a_transform_with_other_places_is_noticed() {
        let (mut buckets, _) = buckets("{city}");
        let other = transform("malang");
        let malang = point(&[("city", "malang")]);
        assert_eq!(buckets.of(&malang, &other).as_deref(), Ok("malang"));
        assert!(buckets.of(&point(&[("city", "pasuruan")]), &other).is_err());
    }
}
