//! Transform: route → decode → map → check. Pure: from a raw message to points, or to the reason why not.
//!
//! No I/O, and time is the record's receive time, so [`Transform::explain`] runs exactly what production runs.

mod assemble;
mod config;
mod expected;
mod explain;
mod name;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use thiserror::Error;

pub use self::config::{Config, DEFAULT_DESTINATION, QualityFlags, Retained, Route};
pub use self::explain::{Capture, DecisionStory, Explanation, ReadingStory, SampleStory};
pub use crate::check::cardinality::State;

use self::assemble::Rest;
use self::explain::Trace;
use crate::catalogue::{Catalogue, Profile, Profiles};
use crate::decode::{Decoded, Hints};
use crate::message::{EMBEDDED_SOURCE, Record};
use crate::outcome::{Reason, Rejection};
use crate::point::Point;
use crate::registry::{Place, Registry};
use crate::topic;

/// The profile of devices that neither registry nor route gives one.
pub const GENERIC_PROFILE: &str = "generic";
/// The longest device id in bytes; a longer one is taken for garbage.
const MAX_DEVICE_ID: usize = 255;

/// Why a transform cannot be built from its configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TransformError {
    #[error("route \"{route}\" names the profile \"{profile}\", which does not exist")]
    UnknownProfile { route: String, profile: String },
    #[error("the profile \"generic\", which unknown devices get, does not exist")]
    NoGenericProfile,
}

/// What becomes of one message.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Points were appended; `rest` says why a part of the message is not among them.
    Points {
        rest: Option<Rejection>,
    },
    Quarantine(Rejection),
    Discard(Rejection),
}

/// The transform with all it knows; never changes, so tasks share it.
#[derive(Debug)]
pub struct Transform {
    config: Config,
    /// Of each route, in the same order.
    profiles: Vec<Arc<Profile>>,
    catalogue: Arc<Catalogue>,
    registry: Arc<Registry>,
    zone: jiff::tz::TimeZone,
    sensor: Arc<str>,
    delay: Arc<str>,
}

impl Transform {
    /// Joins the settings with what they name. `zone` is that of times told without one.
    pub fn new(
        config: Config,
        catalogue: Arc<Catalogue>,
        profiles: &Profiles,
        registry: Arc<Registry>,
        zone: jiff::tz::TimeZone,
    ) -> Result<Self, TransformError> {
        let generic = profiles.get(GENERIC_PROFILE).ok_or(TransformError::NoGenericProfile)?;
        let of_routes = config.routes.iter().map(|route| match &route.profile {
            None => Ok(Arc::clone(generic)),
            Some(name) => profiles.get(name).cloned().ok_or_else(|| TransformError::UnknownProfile {
                route: route.topic.as_str().to_owned(),
                profile: name.clone(),
            }),
        });
        let profiles = of_routes.collect::<Result<_, _>>()?;
        let (sensor, delay) = ("sensor".into(), "delay_s".into());
        Ok(Self { config, profiles, catalogue, registry, zone, sensor, delay })
    }

    /// The destination of the route that matches; nothing where none does. Does not allocate.
    pub fn destination_of(&self, topic: &[u8]) -> Option<&str> {
        self.route(topic).map(|(route, _)| route.destination.as_str())
    }

    /// The MQTT filters to subscribe to: they bring what the routes want, and no message twice.
    pub fn filters(&self) -> Vec<String> {
        topic::cover(self.config.routes.iter().map(|route| route.topic.filter()))
    }

    /// Every place that registry and routes name, whatever topics may say.
    pub fn places(&self) -> BTreeSet<Place> {
        let mut places = self.registry.places();
        let told = |text: &Option<Arc<str>>| text.clone().unwrap_or_else(|| "".into());
        let of_routes =
            self.config.routes.iter().filter(|route| route.city.is_some() || route.district.is_some());
        places.extend(
            of_routes.map(|route| Place { city: told(&route.city), district: told(&route.district) }),
        );
        places
    }

    /// Judges one message and appends its points. Nothing is appended unless the decision is `Points`.
    pub fn apply(&self, record: &Record, state: &mut State, out: &mut Vec<Point>) -> Decision {
        self.run(record, state, out, &mut Trace::default())
    }

    /// The same, telling what it saw; neither the state nor anything else is changed.
    pub fn explain(&self, record: &Record, state: &State) -> Explanation {
        let mut trace = Trace(Some(Explanation {
            topic: String::from_utf8_lossy(&record.message.topic).into_owned(),
            ..Explanation::default()
        }));
        let mut points = Vec::new();
        let decision = self.run(record, &mut state.clone(), &mut points, &mut trace);
        trace.finish(&points, &decision)
    }

    fn route(&self, topic: &[u8]) -> Option<(&Route, &Arc<Profile>)> {
        let mut routes = self.config.routes.iter().zip(&self.profiles);
        routes.find(|(route, _)| route.topic.matches(topic))
    }

    fn run(&self, record: &Record, state: &mut State, out: &mut Vec<Point>, trace: &mut Trace) -> Decision {
        let start = out.len();
        let decision = self.judge(record, state, out, trace).unwrap_or_else(|refused| refused);
        if !matches!(decision, Decision::Points { .. }) {
            out.truncate(start);
        }
        decision
    }

    /// Cheap questions first; an early end is an `Err`, whatever it decides.
    fn judge(
        &self,
        record: &Record,
        state: &mut State,
        out: &mut Vec<Point>,
        trace: &mut Trace,
    ) -> Result<Decision, Decision> {
        let message = &record.message;
        if let Some(first) = message.redelivery_of {
            return Err(discard(Reason::Redelivery, format!("the broker sent record {first} again")));
        }
        if message.payload.is_empty() {
            return Err(discard(Reason::Empty, "the payload is empty"));
        }
        if let Some(fault) = topic::fault(&message.topic) {
            return Err(quarantine(Reason::InvalidTopic, fault));
        }
        let topic = std::str::from_utf8(&message.topic)
            .map_err(|_| quarantine(Reason::InvalidTopic, "the topic is not valid UTF-8"))?;
        let size = message.payload.len();
        if u64::try_from(size).is_ok_and(|size| size > self.config.max_payload) {
            let limit = self.config.max_payload;
            let detail = format!("the payload has {size} bytes; transform.max_payload is {limit}");
            return Err(quarantine(Reason::PayloadTooLarge, detail));
        }
        let (route, profile) = self
            .route(&message.topic)
            .ok_or_else(|| quarantine(Reason::NoRoute, "no route matches the topic"))?;
        trace.note(|story| {
            story.route = Some(route.topic.as_str().to_owned());
            story.format = Some(route.format.name().to_owned());
            story.destination = Some(route.destination.clone());
            let captures = route.topic.captures(topic);
            story.captures = captures
                .map(|(name, text)| Capture { name: name.to_owned(), text: text.to_owned() })
                .collect();
        });
        // A publish to our own broker is live even with the flag; only a subscription is sent old state.
        let retained = message.retain && message.source != EMBEDDED_SOURCE;
        if retained && route.retained == Retained::Discard {
            return Err(discard(Reason::Retained, "a retained message; the route discards them"));
        }

        let captured = route.topic.capture(topic, "device").filter(|device| !device.is_empty());
        let (device, samples, rest) = self.decode(record, route, profile, captured)?;
        let device = device.as_deref().or(captured).ok_or_else(|| {
            quarantine(Reason::NoDevice, "neither the topic nor the payload says which device it is")
        })?;
        if device.len() > MAX_DEVICE_ID {
            return Err(quarantine(Reason::NoDevice, format!("the device's id has {} bytes", device.len())));
        }
        trace.note(|story| story.device = Some(device.to_owned()));

        let start = out.len();
        let mut work = assemble::Work {
            transform: self,
            record,
            route,
            profile,
            topic,
            device,
            own_time_only: retained && route.retained == Retained::OwnTime,
            rest: Rest::from(rest),
            stand_ins: 0,
            unmapped_text: false,
            state,
            out,
            trace,
        };
        for sample in &samples {
            work.sample(sample);
        }
        let unmapped_text = work.unmapped_text;
        let rest = work.rest.into_rejection();
        if out.len() > start {
            return Ok(Decision::Points { rest });
        }
        Err(match rest {
            Some(rest) if rest.reason == Reason::Retained => Decision::Discard(rest),
            Some(rest) => Decision::Quarantine(rest),
            None if unmapped_text => quarantine(Reason::WrongType, "it holds text and no number"),
            None => quarantine(Reason::NoValue, "it holds no value that can be stored"),
        })
    }

    /// Decodes with what is known of the device; where only the payload names it, once more with that.
    fn decode<'a>(
        &self,
        record: &'a Record,
        route: &Route,
        profile: &Profile,
        captured: Option<&str>,
    ) -> Result<Samples<'a>, Decision> {
        let read = |device: Option<&str>| {
            let known = device.and_then(|id| self.registry.device(id, record.received));
            let profile = known.and_then(|device| device.profile.as_deref()).unwrap_or(profile);
            let hints = Hints {
                number_text: profile.number_text,
                zone: known.and_then(|device| device.zone.as_ref()).unwrap_or(&self.zone),
                limits: &self.config.limits,
                now: record.received,
            };
            match route.format.decode(&record.message.payload, &hints) {
                Ok(Decoded::Samples { device, samples, rest }) => Ok((device, samples, rest)),
                Ok(Decoded::NotData(what)) => Err(discard(Reason::NotData, what)),
                Err(rejection) => Err(Decision::Quarantine(rejection)),
            }
        };
        let first = read(captured)?;
        match first.0.as_deref() {
            Some(told) if Some(told) != captured && self.registry.device(told, record.received).is_some() => {
                let told = told.to_owned();
                read(Some(&told))
            }
            _ => Ok(first),
        }
    }
}

type Samples<'a> = (Option<std::borrow::Cow<'a, str>>, Vec<crate::reading::Sample<'a>>, Option<Rejection>);

fn quarantine(reason: Reason, detail: impl Into<String>) -> Decision {
    Decision::Quarantine(Rejection::new(reason, detail))
}

fn discard(reason: Reason, detail: impl Into<String>) -> Decision {
    Decision::Discard(Rejection::new(reason, detail))
}
