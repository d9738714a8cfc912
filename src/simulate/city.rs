//! The city: sixty devices that take turns, some of which misbehave. The same seed and times give the same city.

use std::collections::HashSet;
use std::sync::Arc;

use super::device::{Device, Kind, Row};
use super::misbehave::{self, Misbehaviour};
use super::{Expectation, Publish, air, light, noise, parking, river, senml, waste, weather};

/// One publish in so many misbehaves.
const TROUBLE_EVERY: u64 = 12;
/// Publishes of a burst.
const BURST: u32 = 30;
/// A silent device is silent while the city makes so many publishes.
const SILENCE: u64 = 600;
/// With [`Pace::Load`] a device's first own time lies so far back, in nanoseconds: 30 days.
const HISTORY: i64 = 30 * 86_400 * super::device::SECOND;

/// Why no city can be made from a registry.
#[derive(Debug, thiserror::Error)]
pub enum CityError {
    #[error("the registry cannot be read: {0}")]
    Unreadable(csv::Error),
    #[error("the simulated city has no device like the profile \"{profile}\" of \"{device}\"")]
    UnknownProfile { device: String, profile: String },
    #[error("the registry has no {0} device, which the simulated city needs")]
    Missing(&'static str),
}

/// How devices choose the time they tell; a device never tells one time twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// The present. A device whose resolution is a second speaks at most once in one.
    #[default]
    Live,
    /// From 30 days ago onwards, one step of its resolution after another: as fast as anyone asks.
    Load,
}

/// What the city is to be.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub seed: u64,
    pub pace: Pace,
    /// Some devices misbehave.
    pub trouble: bool,
    /// Also publish to a topic that no route matches; over a broker, no subscription may bring that one.
    pub unrouted: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 35_75, pace: Pace::Live, trouble: true, unrouted: true }
    }
}

/// An endless source of publishes.
#[derive(Debug)]
pub struct City {
    options: Options,
    rng: fastrand::Rng,
    devices: Vec<Device>,
    /// Whose turn it is, an index.
    turn: usize,
    made: u64,
    /// Which trouble is next, an index into all.
    trouble: usize,
    /// Who bursts and how many publishes are left of it.
    burst: Option<(usize, u32)>,
    silences: u64,
}

impl City {
    /// The devices of the registry, a CSV text with at least `id`, `district`, `site` and `profile`.
    pub fn new(registry: &str, options: Options) -> Result<Self, CityError> {
        let (mut devices, mut seen): (Vec<Device>, _) = (Vec::new(), HashSet::new());
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .comment(Some(b'#'))
            .from_reader(registry.as_bytes());
        for row in reader.deserialize() {
            let row: Row = row.map_err(CityError::Unreadable)?;
            // A device has a row for each place it ever stood at.
            if !seen.insert(row.id.clone()) {
                continue;
            }
            let Some(kind) = Kind::of_profile(&row.profile) else {
                return Err(CityError::UnknownProfile { device: row.id, profile: row.profile });
            };
            devices.push(Device::new(row, kind));
        }
        // Noise is always due; the others have troubles that would wait for them for ever.
        let needed = [(Kind::Noise, "noise"), (Kind::Air, "air quality"), (Kind::River, "river")];
        for (kind, name) in needed.into_iter().take(if options.trouble { 3 } else { 1 }) {
            if !devices.iter().any(|device| device.kind == kind) {
                return Err(CityError::Missing(name));
            }
        }
        let mut rng = fastrand::Rng::with_seed(options.seed);
        // The first river stays the one that floods; the others take turns in the order of chance.
        let rivers = devices.iter().position(|device| device.kind == Kind::River).unwrap_or(0);
        devices.swap(0, rivers);
        if let Some((_, others)) = devices.split_first_mut() {
            rng.shuffle(others);
        }
        Ok(Self { options, rng, devices, turn: 0, made: 0, trouble: 0, burst: None, silences: 0 })
    }

    /// Devices in the city.
    pub fn devices(&self) -> usize {
        self.devices.len()
    }

    /// The id and topic of the river that floods.
    pub fn flooding_river(&self) -> Option<(&str, &str)> {
        self.devices.first().map(|device| (&*device.id, device.topic.as_str()))
    }

    /// Ids of the devices that say nothing now.
    pub fn silent(&self) -> impl Iterator<Item = &Arc<str>> {
        let silent = self.devices.iter().filter(|device| device.silent_until > self.made);
        silent.map(|device| &device.id)
    }

    /// How often a device fell silent so far.
    pub fn silences(&self) -> u64 {
        self.silences
    }

    /// The next publish, at `now` in Unix nanoseconds.
    pub fn next(&mut self, now: i64) -> Publish {
        self.made = self.made.saturating_add(1);
        if let Some(publish) = self.bursting(now) {
            return publish;
        }
        let troubled = self.options.trouble && self.made.is_multiple_of(TROUBLE_EVERY);
        if troubled && let Some(publish) = self.misbehave(now) {
            return publish;
        }
        for _ in 0..self.devices.len() {
            let index = self.turn;
            self.turn = self.turn.saturating_add(1) % self.devices.len().max(1);
            if let Some(publish) = self.behave(index, now) {
                return publish;
            }
        }
        // Nobody is due: the noise sensor, which tells no time, always is.
        let stranger = self.devices.iter().find(|device| device.kind == Kind::Noise);
        let (id, topic) =
            stranger.map_or_else(Default::default, |device| (Arc::clone(&device.id), device.topic.clone()));
        let (payload, point) = noise::reading(&id, self.made);
        stored(topic, payload, vec![point])
    }

    /// An orderly reading; nothing where the device is silent or not due.
    fn behave(&mut self, index: usize, now: i64) -> Option<Publish> {
        let device = self.devices.get(index)?;
        if device.silent_until > self.made {
            return None;
        }
        let told = next_time(self.options.pace, device, now)?;
        let rng = &mut self.rng;
        let (payload, points) = match device.kind {
            Kind::River => one(river::reading(device, told, index == 0, rng)),
            Kind::Weather => one(weather::reading(device, told, rng)),
            Kind::Senml => senml::reading(device, told, rng),
            Kind::Air => one(air::reading(device, told, rng)),
            Kind::Noise => one(noise::reading(&device.id, self.made)),
            Kind::Waste => one(waste::reading(device, rng)),
            Kind::Parking => one(parking::reading(device, told, rng)),
            Kind::Light => light::reading(device, told, rng),
        };
        let publish = stored(device.topic.clone(), payload, points);
        self.spoke(index, told);
        Some(publish)
    }

    fn bursting(&mut self, now: i64) -> Option<Publish> {
        let (index, left) = self.burst.take()?;
        self.burst = left.checked_sub(1).filter(|left| *left > 0).map(|left| (index, left));
        let publish = self.behave(index, now)?;
        Some(Publish { misbehaviour: Some(Misbehaviour::Burst), ..publish })
    }

    /// The next trouble in turn. Nothing where no device of its kind is due, or where it is silence: then the
    /// others go on.
    fn misbehave(&mut self, now: i64) -> Option<Publish> {
        let what = *Misbehaviour::ALL.get(self.trouble)?;
        // The flooding river behaves: its gauge is what people watch.
        let free = |(index, device): &(usize, &Device)| {
            device.kind == what.kind()
                && device.silent_until <= self.made
                && next_time(self.options.pace, device, now).is_some()
                && (*index > 0 || self.only_river())
        };
        let mut candidates = self.devices.iter().enumerate().filter(free);
        let (index, device) = candidates.next()?;
        let told = next_time(self.options.pace, device, now)?;
        self.trouble = self.trouble.saturating_add(1) % Misbehaviour::ALL.len();
        match what {
            Misbehaviour::UnroutedTopic if !self.options.unrouted => None,
            Misbehaviour::Silence => {
                let until = self.made.saturating_add(SILENCE);
                self.silences = self.silences.saturating_add(1);
                self.devices.get_mut(index)?.silent_until = until;
                None
            }
            Misbehaviour::Burst => {
                self.burst = Some((index, BURST));
                self.bursting(now)
            }
            _ => {
                let publish =
                    misbehave::publish(what, self.devices.get(index)?, told, self.made, &mut self.rng);
                self.spoke(index, told);
                publish
            }
        }
    }

    fn only_river(&self) -> bool {
        self.devices.iter().filter(|device| device.kind == Kind::River).count() == 1
    }

    fn spoke(&mut self, index: usize, told: i64) {
        if let Some(device) = self.devices.get_mut(index) {
            device.made = device.made.saturating_add(1);
            device.told = device.kind.step().map(|_| told);
        }
    }
}

/// The time a device would tell now; nothing where it already told this one. Meaningless for those that tell none.
fn next_time(pace: Pace, device: &Device, now: i64) -> Option<i64> {
    let Some(step) = device.kind.step() else { return Some(now) };
    let resolution = step.min(super::device::SECOND);
    let present = now.div_euclid(resolution).saturating_mul(resolution);
    match (pace, device.told) {
        (Pace::Live, None) => Some(present),
        (Pace::Live, Some(told)) if present >= told.saturating_add(step) => Some(present),
        (Pace::Live, Some(_)) => None,
        (Pace::Load, None) => Some(present.saturating_sub(HISTORY)),
        (Pace::Load, Some(told)) => Some(told.saturating_add(step)),
    }
}

fn one((payload, point): (String, super::ExpectedPoint)) -> (String, Vec<super::ExpectedPoint>) {
    (payload, vec![point])
}

fn stored(topic: String, payload: String, points: Vec<super::ExpectedPoint>) -> Publish {
    Publish {
        topic,
        payload: payload.into_bytes(),
        qos: 1,
        retain: false,
        misbehaviour: None,
        expectation: Expectation::Points { points, rest: None },
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::simulate::ExpectedTime;

    const NOW: i64 = 1_795_489_200_000_000_000;

    /// A registry of 60 devices in the form of the shipped one.
    pub(crate) fn registry() -> String {
        let mut text = String::from("id,city,district,site,latitude,longitude,profile,valid_from\n");
        let districts = ["Bugul Kidul", "Gadingrejo", "Purworejo", "Panggungrejo"];
        let kinds =
            ["river-level", "weather", "air-node", "noise", "waste-bin", "parking", "street-light", "senml"];
        for number in 0..60 {
            let (kind, district) = (kinds[number % 8], districts[number % 4]);
            let id = if kind == "air-node" { format!("{number:016x}") } else { format!("{kind}-{number}") };
            text.push_str(&format!(
                "{id},pasuruan,{district},Titik \"{number}\",-7.6,112.9,{kind},2026-01-01\n"
            ));
        }
        text
    }

    pub(crate) fn city(options: Options) -> City {
        City::new(&registry(), options).unwrap()
    }

    /// `count` publishes, a hundred a second.
    pub(crate) fn publishes(options: Options, count: i64) -> Vec<Publish> {
        let mut city = city(options);
        (0..count).map(|number| city.next(NOW + number * 10_000_000)).collect()
    }

    #[test]
    fn the_same_seed_is_the_same_city() {
        let options = Options::default();
        assert_eq!(publishes(options, 2_000), publishes(options, 2_000));
        assert_ne!(publishes(options, 100), publishes(Options { seed: 7, ..options }, 100));
    }

    #[test]
    fn every_trouble_appears_soon_and_can_be_switched_off() {
        let seen: HashSet<_> =
            publishes(Options::default(), 600).iter().filter_map(|publish| publish.misbehaviour).collect();
        for what in Misbehaviour::ALL {
            assert!(seen.contains(what) || *what == Misbehaviour::Silence, "{what:?}");
        }
        let mut silent = city(Options::default());
        (0..600).for_each(|number| drop(silent.next(NOW + number * 10_000_000)));
        assert!((1..=3).contains(&silent.silences()));
        assert_eq!(silent.silent().count() as u64, silent.silences());
        let calm = Options { trouble: false, ..Options::default() };
        assert!(publishes(calm, 600).iter().all(|publish| publish.misbehaviour.is_none()));
        let routed = Options { unrouted: false, ..Options::default() };
        let what = Some(Misbehaviour::UnroutedTopic);
        assert!(publishes(routed, 600).iter().all(|publish| publish.misbehaviour != what));
    }

    #[test]
    fn no_device_tells_a_time_twice_at_any_pace() {
        for pace in [Pace::Live, Pace::Load] {
            let mut seen = HashSet::new();
            for publish in publishes(Options { pace, ..Options::default() }, 20_000) {
                let Expectation::Points { points, .. } = publish.expectation else { continue };
                for point in points {
                    let ExpectedTime::Told(time) = point.time else { continue };
                    assert!(seen.insert((point.device.clone(), time)), "{pace:?}: {point:?}");
                    assert!(time <= NOW + 201_000_000_000, "never ahead of its clock");
                }
            }
            assert!(seen.len() > 5_000);
        }
    }

    #[test]
    fn all_devices_speak_and_their_json_is_json() {
        let mut topics = HashSet::new();
        for publish in publishes(Options { trouble: false, ..Options::default() }, 1_000) {
            serde_json::from_slice::<serde_json::Value>(&publish.payload).unwrap();
            topics.insert(publish.topic);
        }
        assert_eq!(topics.len(), 60);
        assert!(topics.iter().any(|topic| topic.starts_with("city/pasuruan/bugul-kidul/")));
    }

    #[test]
    fn a_registry_that_cannot_be_simulated_is_named() {
        let odd = City::new("id,district,site,profile\nx,y,z,sundial\n", Options::default()).unwrap_err();
        assert!(odd.to_string().contains("sundial"), "{odd}");
        assert!(City::new("id,district,site,profile\n", Options::default()).is_err());
    }
}
