//! The city: devices that take turns, some of which misbehave. The same seed and times give the same city.

use std::collections::HashSet;
use std::sync::Arc;

use super::device::{Device, Kind, Row};
use super::misbehave::{self, Misbehaviour};
use super::{
    Expectation, ExpectedPoint, Publish, air, light, noise, parking, parking_lot, particles, river,
    river_radar, senml, sensor_community, waste, weather,
};

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
        if !devices.iter().any(|device| device.kind.step().is_none()) {
            return Err(CityError::Missing("noise or waste"));
        }
        // Their troubles would wait for them for ever.
        let troubled = [
            (Kind::Noise, "noise"),
            (Kind::Air, "air quality"),
            (Kind::River, "river"),
            (Kind::RiverRadar, "river radar"),
        ];
        let missing = |(kind, _): &(Kind, _)| !devices.iter().any(|device| device.kind == *kind);
        if options.trouble
            && let Some((_, name)) = troubled.into_iter().find(missing)
        {
            return Err(CityError::Missing(name));
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
        // Nobody is due: one that tells no time always is.
        let ready = |device: &Device| device.kind.step().is_none() && device.silent_until <= self.made;
        let ready = self.devices.iter().position(ready).unwrap_or(0);
        self.speak(ready, now).unwrap_or_else(|| stored(String::new(), Vec::new(), Vec::new()))
    }

    /// An orderly reading; nothing where the device is silent or not due.
    fn behave(&mut self, index: usize, now: i64) -> Option<Publish> {
        let device = self.devices.get(index)?;
        if device.silent_until > self.made {
            return None;
        }
        let told = next_time(self.options.pace, device, now)?;
        self.speak(index, told)
    }

    /// A reading that tells this time, where the device tells any.
    fn speak(&mut self, index: usize, told: i64) -> Option<Publish> {
        let device = self.devices.get(index)?;
        let rng = &mut self.rng;
        let (payload, points) = match device.kind {
            Kind::River => one(river::reading(device, told, index == 0, rng)),
            Kind::RiverRadar => one(river_radar::reading(device, told, rng)),
            Kind::Weather | Kind::Telegraf => one(weather::reading(device, told, rng)),
            Kind::Senml => several(senml::reading(device, told, rng)),
            Kind::Air => one(air::reading(device, told, rng)),
            Kind::Particles => one(particles::reading(device, told, rng)),
            Kind::SensorCommunity => one(sensor_community::reading(device, rng)),
            Kind::Noise => one(noise::reading(&device.id, self.made)),
            Kind::CayenneLpp => one(noise::lpp(device)),
            Kind::Waste | Kind::Ultralight => one(waste::reading(device, rng)),
            Kind::Parking | Kind::Antares => one(parking::reading(device, told, rng)),
            Kind::ParkingLot => one(parking_lot::reading(device, told, rng)),
            Kind::Light | Kind::Csv => several(light::reading(device, told, rng)),
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

fn one((payload, point): (impl Into<Vec<u8>>, ExpectedPoint)) -> (Vec<u8>, Vec<ExpectedPoint>) {
    (payload.into(), vec![point])
}

fn several((payload, points): (String, Vec<ExpectedPoint>)) -> (Vec<u8>, Vec<ExpectedPoint>) {
    (payload.into_bytes(), points)
}

fn stored(topic: String, payload: Vec<u8>, points: Vec<ExpectedPoint>) -> Publish {
    Publish {
        topic,
        payload,
        qos: 1,
        retain: false,
        misbehaviour: None,
        expectation: Expectation::Points { points, rest: None },
    }
}

#[cfg(test)]
pub(super) mod tests;
