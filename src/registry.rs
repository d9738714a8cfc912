//! The registry: which device is where, since when, and which profile it has. Read from `devices.csv`.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::catalogue::{Profile, Profiles};
use crate::hashing::Seeded;
use crate::point::Tags;

/// What is known of one device from `valid_from` on.
#[derive(Debug)]
pub struct Device {
    /// Sorted by key, without empty ones.
    pub tags: Tags,
    pub profile: Option<Arc<Profile>>,
    /// The zone of local times it tells; nothing: the city's.
    pub zone: Option<TimeZone>,
    /// Height of the sensor's zero over the datum, in metres.
    pub datum_m: Option<f64>,
    pub agency: Option<String>,
    /// Degrees, WGS 84.
    pub position: Option<(f64, f64)>,
    /// Unix time in nanoseconds.
    valid_from: i64,
}

/// Where devices are; empty where it is not told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub city: Arc<str>,
    pub district: Arc<str>,
}

/// What one series of a device's points is told apart by.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    measurement: Option<Arc<str>>,
    tags: Vec<(Arc<str>, Arc<str>)>,
    channel: Option<Arc<str>>,
}

/// All devices.
#[derive(Debug, Default)]
pub struct Registry(HashMap<String, Vec<Arc<Device>>, Seeded>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    city: String,
    district: String,
    site: String,
    latitude: Option<f64>,
    longitude: Option<f64>,
    profile: Option<String>,
    valid_from: Option<Date>,
    time_zone: Option<String>,
    agency: Option<String>,
    datum_m: Option<f64>,
}

impl Registry {
    /// Reads the table; tells every mistake with `origin` and its line. `zone` is that of dates without one. Without
    /// profiles, because they have mistakes of their own, it is not asked which of them a device names.
    pub fn load(
        text: &str,
        origin: &str,
        zone: &TimeZone,
        profiles: Option<&Profiles>,
    ) -> Result<Self, Vec<String>> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
        let (mut all, mut wrong) = (HashMap::<String, Vec<Arc<Device>>, Seeded>::default(), Vec::new());
        let mut texts = Texts::default();
        let headers = match reader.headers() {
            Ok(headers) => headers.clone(),
            Err(error) => return Err(vec![format!("{origin}: {error}")]),
        };
        for record in reader.records() {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    wrong.push(format!("{origin}: {error}"));
                    continue;
                }
            };
            let line = record.position().map_or(0, csv::Position::line);
            let device = record
                .deserialize::<Row>(Some(&headers))
                .map_err(|error| error.to_string())
                .and_then(|row| Device::new(row, zone, profiles, &mut texts));
            match device {
                Err(text) => wrong.push(format!("{origin}: line {line}: {text}")),
                Ok((id, device)) => {
                    let rows = all.entry(id.clone()).or_default();
                    if rows.iter().any(|other| other.valid_from == device.valid_from) {
                        wrong.push(format!(
                            "{origin}: line {line}: device \"{id}\" stands twice with the same valid_from"
                        ));
                    }
                    rows.push(Arc::new(device));
                }
            }
        }
        for rows in all.values_mut() {
            rows.sort_by_key(|device| device.valid_from);
            rows.shrink_to_fit();
        }
        if wrong.is_empty() { Ok(Self(all)) } else { Err(wrong) }
    }

    /// The device as it was at a time, Unix time in nanoseconds.
    pub fn device(&self, id: &str, at: i64) -> Option<&Arc<Device>> {
        self.0.get(id)?.iter().rev().find(|device| device.valid_from <= at)
    }

    /// Every place where some device is or was.
    pub fn places(&self) -> BTreeSet<Place> {
        let of = |device: &Arc<Device>| {
            let tag = |wanted: &str| {
                let found = device.tags.iter().find(|(key, _)| &**key == wanted);
                found.map_or_else(|| Arc::from(""), |(_, value)| Arc::clone(value))
            };
            Place { city: tag("city"), district: tag("district") }
        };
        self.0.values().flatten().map(of).collect()
    }

    /// Every device's id.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The series a device's points are in: measurement where its profile tells, tags, and channel. One that is not
    /// registered has one, too.
    pub fn series(&self, id: &str, at: i64) -> BTreeSet<Series> {
        let Some(device) = self.device(id, at) else { return BTreeSet::from([Series::default()]) };
        let profile = device.profile.as_ref();
        let measurement = profile.and_then(|profile| profile.measurement.clone());
        let mut channels: BTreeSet<_> = profile
            .into_iter()
            .flat_map(|profile| profile.mappings())
            .map(|mapping| mapping.channel.clone())
            .collect();
        if channels.is_empty() {
            channels.insert(None);
        }
        let tags = &device.tags;
        let series = |channel| Series { measurement: measurement.clone(), tags: tags.to_vec(), channel };
        channels.into_iter().map(series).collect()
    }

    /// How many devices there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Each text once: a city has a few districts and many devices.
#[derive(Debug, Default)]
struct Texts(HashSet<Arc<str>>);

impl Texts {
    fn shared(&mut self, text: &str) -> Arc<str> {
        match self.0.get(text) {
            Some(known) => Arc::clone(known),
            None => {
                let text = Arc::<str>::from(text);
                self.0.insert(Arc::clone(&text));
                text
            }
        }
    }
}

impl Device {
    fn new(
        row: Row,
        zone: &TimeZone,
        profiles: Option<&Profiles>,
        texts: &mut Texts,
    ) -> Result<(String, Self), String> {
        if row.id.is_empty() {
            return Err("id is empty".to_owned());
        }
        let profile = match (row.profile.as_deref().filter(|name| !name.is_empty()), profiles) {
            (None, _) | (_, None) => None,
            (Some(name), Some(profiles)) => {
                Some(profiles.get(name).cloned().ok_or_else(|| format!("there is no profile \"{name}\""))?)
            }
        };
        let own_zone = match row.time_zone.as_deref().filter(|name| !name.is_empty()) {
            None => None,
            Some(name) => Some(TimeZone::get(name).map_err(|_| format!("\"{name}\" is not a time zone"))?),
        };
        let valid_from = match row.valid_from {
            None => i64::MIN,
            Some(date) => {
                let zone = own_zone.as_ref().unwrap_or(zone).clone();
                let start = date.to_zoned_datetime(zone).map_err(|error| error.to_string())?;
                i64::try_from(start.timestamp().as_nanosecond()).map_err(|error| error.to_string())?
            }
        };
        if row.latitude.is_some() != row.longitude.is_some() {
            return Err("latitude and longitude must be given together".to_owned());
        }
        if row.datum_m.is_some_and(|datum| !datum.is_finite()) {
            return Err("datum_m is not a number".to_owned());
        }
        let position = row.latitude.zip(row.longitude);
        if position
            .is_some_and(|(lat, lon)| !(-90.0..=90.0).contains(&lat) || !(-180.0..=180.0).contains(&lon))
        {
            return Err("latitude or longitude is out of range".to_owned());
        }
        let tags =
            [("city", &row.city), ("device", &row.id), ("district", &row.district), ("site", &row.site)];
        let tags = tags.iter().filter(|(_, value)| !value.is_empty());
        let mut told = |key: &str, value: &str| {
            // An id is one device's own.
            let own = key == "device";
            (texts.shared(key), if own { Arc::from(value) } else { texts.shared(value) })
        };
        let tags = tags.map(|(key, value)| told(key, value)).collect();
        let agency = row.agency.filter(|agency| !agency.is_empty());
        let datum_m = row.datum_m;
        Ok((row.id, Self { tags, profile, zone: own_zone, datum_m, agency, position, valid_from }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;

    const HEAD: &str =
        "id,city,district,site,latitude,longitude,profile,valid_from,time_zone,agency,datum_m\n";

    fn load(rows: &str) -> Result<Registry, Vec<String>> {
        let catalogue = Catalogue::load("[quantities]\n", "c").unwrap();
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        let profiles = "[profiles.p.names]\n".to_owned();
        let profiles = Profiles::load(&[("p".to_owned(), profiles)], &catalogue).unwrap();
        Registry::load(&format!("{HEAD}{rows}"), "devices.csv", &zone, Some(&profiles))
    }

    #[test]
    fn a_device_that_moved_is_where_it_was_at_the_time() {
        let registry =
            load("a,pasuruan,X,old,,,p,2024-01-01,,,\na,pasuruan,X,new,,,p,2025-06-01,,DLH,1.5\n").unwrap();
        let site = |at: &str| {
            let at = at.parse::<jiff::Timestamp>().unwrap().as_nanosecond();
            let device = registry.device("a", i64::try_from(at).unwrap());
            device.map(|device| device.tags.last().unwrap().1.to_string())
        };
        assert_eq!(site("2023-12-31T16:59:59Z"), None);
        assert_eq!(site("2023-12-31T17:00:00Z").as_deref(), Some("old"));
        assert_eq!(site("2025-05-31T17:00:00Z").as_deref(), Some("new"));
    }

    #[test]
    fn all_mistakes_are_told_with_their_line() {
        let rows = "a,c,d,s,,,nope,,,,\nb,c,d,s,91,0,,,,,\nc,c,d,s,,,,yesterday,,,\nd,c,d,s,,,,,Mars/City,,\n\
                    e,c,d,s,,,,,,,\ne,c,d,s,,,,,,,\nf,c,d,s,1,,,,,,\ng,c,d,s,,,,,,,inf\n";
        let wrong = load(rows).unwrap_err();
        assert_eq!(wrong.len(), 7, "{wrong:#?}");
        for (text, line) in wrong.iter().zip([2, 3, 4, 5, 7, 8, 9]) {
            assert!(text.contains(&format!("line {line}")), "{wrong:#?}");
        }
    }
}
