//! Transform: route → decode → map → check. Pure: from a raw message to points, or to the reason why not.
//!
//! No I/O, and time is the record's receive time, so [`Transform::explain`] runs exactly what production runs.

mod as_sent;
mod assemble;
mod config;
mod decoding;
mod expected;
mod explain;
mod known;
mod name;
mod pattern;
mod state;
#[cfg(test)]
mod tests;
mod uplink;
mod value;
mod when;
mod whose;

use std::collections::BTreeSet;
use std::sync::Arc;

use thiserror::Error;

pub use self::as_sent::{AsSent, Others, Type};
pub use self::config::{ByCatalogue, Config, DEFAULT_DESTINATION, Names, QualityFlags, Retained, Route};
pub use self::explain::{Capture, DecisionStory, Explanation, ReadingStory, SampleStory};
pub use self::state::State;

use self::assemble::Rest;
use self::decoding::Matched;
use self::explain::Trace;
use self::when::When;
use crate::catalogue::{Catalogue, Heard, Profile, Profiles};
use crate::codec::{Call, Calling, Codecs, Fault, Output, Threads};
use crate::message::{EMBEDDED_SOURCE, Record};
use crate::outcome::{Reason, Rejection};
use crate::point::{Name, Point};
use crate::registry::{Device, Place, Registry};
use crate::topic::{self, SECRET, STARS, Secrets};

/// The profile of devices that neither registry nor route gives one.
pub const GENERIC_PROFILE: &str = "generic";

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
    /// Of device models that payloads name.
    models: Profiles,
    secrets: Secrets,
    catalogue: Arc<Catalogue>,
    registry: Arc<Registry>,
    codecs: Arc<Codecs>,
    zone: jiff::tz::TimeZone,
    sensor: Arc<str>,
    delay: Name,
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
        let of_routes = config.routes.iter().map(|route| match route.profile() {
            None => Ok(Arc::clone(generic)),
            Some(name) => profiles.get(name).cloned().ok_or_else(|| TransformError::UnknownProfile {
                route: route.topic.as_str().to_owned(),
                profile: name.to_owned(),
            }),
        });
        let (models, profiles) = (profiles.clone(), of_routes.collect::<Result<_, _>>()?);
        let (sensor, delay) = ("sensor".into(), "delay_s".into());
        let (codecs, secrets) = (Arc::default(), Secrets::of(config.routes.iter().map(|route| &route.topic)));
        Ok(Self { config, profiles, models, secrets, catalogue, registry, codecs, zone, sensor, delay })
    }

    /// With the codecs that its profiles name.
    #[must_use]
    pub fn with_codecs(self, codecs: Arc<Codecs>) -> Self {
        Self { codecs, ..self }
    }

    /// The destination of the route that matches; nothing where none does. Does not allocate.
    pub fn destination_of(&self, topic: &[u8]) -> Option<&str> {
        self.route(topic).map(|(route, _)| route.destination.as_str())
    }

    /// Makes what this thread lacks to judge messages as quickly as ever.
    pub fn warm(&self) {
        self.codecs.warm();
    }

    /// How many uplinks codecs were given: what may have taken long.
    pub fn codec_calls(&self) -> u64 {
        self.codecs.calls()
    }

    /// What was heard of the devices of each profile.
    pub fn heard(&self) -> Vec<(&str, &Heard)> {
        self.models.heard()
    }

    /// Goes on from what was counted under a former configuration.
    pub fn follow(&self, former: &Self) {
        self.models.follow(&former.models);
    }

    /// What of topics and payloads nobody is shown.
    pub const fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The MQTT filters to subscribe to: they bring what the routes want, and no message twice.
    pub fn filters(&self) -> Vec<String> {
        topic::cover(self.config.routes.iter().map(|route| route.topic.filter()))
    }

    /// Every place that registry and routes name, whatever topics may say.
    pub fn places(&self) -> BTreeSet<Place> {
        let mut places = self.registry.places();
        let of_routes = self.config.routes.iter().filter_map(|route| {
            let (city, district) = match &route.names {
                Names::Catalogue(names) => (names.city.clone(), names.district.clone()),
                Names::AsSent(names) => (names.constant_tag("city"), names.constant_tag("district")),
            };
            let named = city.is_some() || district.is_some();
            named.then(|| Place {
                city: city.unwrap_or_else(|| "".into()),
                district: district.unwrap_or_else(|| "".into()),
            })
        });
        places.extend(of_routes);
        places
    }

    /// Judges one message and appends its points. Nothing is appended unless the decision is `Points`.
    pub fn apply(&self, record: &Record, state: &mut State, out: &mut Vec<Point>) -> Decision {
        self.run(record, state, out, (&mut Calling::Here, &mut Trace::default()))
    }

    /// The same for a message whose codec may take long: then it is not judged, nothing is changed, and the call that
    /// must be made elsewhere is given back.
    pub fn apply_briefly(
        &self,
        record: &Record,
        state: &mut State,
        out: &mut Vec<Point>,
        threads: &Threads,
    ) -> Result<Decision, Box<Call>> {
        let mut calling = Calling::Briefly { threads, later: None };
        let decision = self.run(record, state, out, (&mut calling, &mut Trace::default()));
        calling.into_later().map_or(Ok(decision), Err)
    }

    /// The same for a message whose codec has answered.
    pub fn apply_answered(
        &self,
        record: &Record,
        state: &mut State,
        out: &mut Vec<Point>,
        call: &Call,
        answer: &Result<Output, Fault>,
    ) -> Decision {
        let mut calling = Calling::Answered { call, answer };
        self.run(record, state, out, (&mut calling, &mut Trace::default()))
    }

    /// The same, telling what it saw; neither the state nor anything else is changed.
    pub fn explain(&self, record: &Record, state: &State) -> Explanation {
        self.explain_next(record, &mut state.clone())
    }

    /// The same for one message after another: the state goes on.
    pub fn explain_next(&self, record: &Record, state: &mut State) -> Explanation {
        let topic = String::from_utf8_lossy(&record.message.topic);
        let topic = self.secrets.topic(&topic).into_owned();
        let story = Some(Explanation { topic, ..Explanation::default() });
        let mut trace = Trace { story, ..Trace::default() };
        let mut points = Vec::new();
        let decision = self.run(record, state, &mut points, (&mut Calling::Here, &mut trace));
        let mut explanation = trace.finish(&points, &decision);
        if self.secrets.has(&record.message.topic) {
            explanation.hide(|text| self.secrets.text(&record.message.topic, text));
        }
        explanation
    }

    fn route(&self, topic: &[u8]) -> Option<(&Route, &Arc<Profile>)> {
        let mut routes = self.config.routes.iter().zip(&self.profiles);
        routes.find(|(route, _)| route.topic.matches(topic))
    }

    fn run(
        &self,
        record: &Record,
        state: &mut State,
        out: &mut Vec<Point>,
        (calling, trace): (&mut Calling<'_>, &mut Trace),
    ) -> Decision {
        let start = out.len();
        let judged = self.judge(record, state, out, (calling, &mut *trace));
        let mut decision = judged.unwrap_or_else(|refused| refused);
        let hide = |text: &mut String| self.secrets.text(&record.message.topic, text);
        if let Some(warned) = trace.warned.take() {
            warned.tell(&mut decision, hide, !trace.listens());
        }
        // Here every reason leaves; what it quotes of the message may be a key of its topic.
        if let Decision::Quarantine(told) | Decision::Discard(told) | Decision::Points { rest: Some(told) } =
            &mut decision
        {
            hide(&mut told.detail);
        }
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
        (calling, trace): (&mut Calling<'_>, &mut Trace),
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
            let shown = |name, text| if name == SECRET { STARS } else { text };
            story.captures = captures
                .map(|(name, text)| Capture { name: name.to_owned(), text: shown(name, text).to_owned() })
                .collect();
        });
        // A publish to our own broker is live even with the flag; only a subscription is sent old state.
        let retained = message.retain && message.source != EMBEDDED_SOURCE;
        if retained && route.retained == Retained::Discard {
            return Err(discard(Reason::Retained, "a retained message; the route discards them"));
        }

        let captured = route.topic.capture(topic, "device").filter(|device| !device.is_empty());
        let matched = Matched { route, profile, captured };
        let decoded = self.decode(record, topic, matched, &mut state.decoders, (&mut *calling, &mut *trace));
        if calling.is_for_later() {
            // No decision yet: whoever asked takes the call and not this.
            return Err(quarantine(Reason::CodecError, "the codec has not answered yet"));
        }
        let (samples, rest) = decoded?;
        let start = out.len();
        let when = When {
            config: &self.config.time,
            record,
            own_time_only: retained && route.retained == Retained::OwnTime,
            stand_ins: 0,
        };
        let names = match &route.names {
            Names::Catalogue(names) => names,
            Names::AsSent(names) => {
                // A tag may hold the topic, and a reason quotes it.
                let topic = self.secrets.topic(topic);
                let mut kept = as_sent::Kept {
                    names,
                    template: &route.topic,
                    topic: &topic,
                    when,
                    rest: Rest::from(rest),
                    max_topics: self.config.max_unregistered,
                    state,
                    out,
                    trace,
                };
                kept.samples(&samples);
                let rest = kept.rest.into_rejection();
                return decided(out.len() > start, rest, false);
            }
        };
        let mut work = assemble::Work {
            transform: self,
            names,
            template: &route.topic,
            profile,
            topic,
            captured,
            when,
            rest: Rest::from(rest),
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
        decided(out.len() > start, rest, unmapped_text)
    }

    /// The registry's for the device, else that of the model that the payload names.
    fn profile_of<'r>(
        &'r self,
        known: Option<&'r Arc<Device>>,
        model: Option<&str>,
    ) -> Option<&'r Arc<Profile>> {
        let of_registry = known.and_then(|device| device.profile.as_ref());
        of_registry.or_else(|| model.and_then(|model| self.models.of_model(model)))
    }
}

/// What becomes of a message by whether it gave points and what was refused of it.
fn decided(points: bool, rest: Option<Rejection>, unmapped_text: bool) -> Result<Decision, Decision> {
    if points {
        return Ok(Decision::Points { rest });
    }
    Err(match rest {
        Some(rest) if rest.reason == Reason::Retained => Decision::Discard(rest),
        Some(rest) => Decision::Quarantine(rest),
        None if unmapped_text => quarantine(Reason::WrongType, "it holds text and no number"),
        None => quarantine(Reason::NoValue, "it holds no value that can be stored"),
    })
}

fn quarantine(reason: Reason, detail: impl Into<String>) -> Decision {
    Decision::Quarantine(Rejection::new(reason, detail))
}

fn discard(reason: Reason, detail: impl Into<String>) -> Decision {
    Decision::Discard(Rejection::new(reason, detail))
}
