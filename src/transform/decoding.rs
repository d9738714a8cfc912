//! Decoding: one message's samples, each read as the profile and the zone of its own device say.

use std::sync::Arc;

use super::explain::Trace;
use super::{Decision, Route, Transform, discard};
use crate::catalogue::Profile;
use crate::codec::Calling;
use crate::decode::{Decoded, Format, Hints, Memory};
use crate::message::Record;
use crate::outcome::{Reason, Rejection};
use crate::reading::Sample;
use crate::registry::Device;

/// Each takes one more reading of the whole payload.
const MOST_WAYS: usize = 8;

/// The route of a message, its profile, and the device that the topic names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matched<'a, 'r> {
    pub(super) route: &'a Route,
    pub(super) profile: &'r Arc<Profile>,
    pub(super) captured: Option<&'a str>,
}

pub(super) type Samples<'a> = (Vec<Sample<'a>>, Option<Rejection>);

impl Transform {
    /// Decodes with what is known of the device; where only the payload names devices or their models, once more for
    /// each way in which these are to be read (numbers in text, the zone of local times).
    pub(super) fn decode<'a, 'r>(
        &'r self,
        record: &'a Record,
        topic: &'a str,
        Matched { route, profile, captured }: Matched<'a, 'r>,
        memory: &mut Memory,
        (calling, trace): (&mut Calling<'_>, &mut Trace),
    ) -> Result<Samples<'a>, Decision> {
        let hints = |known: Option<&'r Arc<Device>>, model: Option<&str>| {
            let profile = self.profile_of(known, model).unwrap_or(profile);
            let zone = known.and_then(|device| device.zone.as_ref()).or(profile.zone.as_ref());
            Hints {
                number_text: profile.number_text,
                zone: zone.unwrap_or(&self.zone),
                limits: &self.config.limits,
                now: record.received,
            }
        };
        let payload = &record.message.payload;
        let format = route.format.recognise(topic, payload).map_err(Decision::Quarantine)?;
        if let Format::Auto(_) = route.format {
            tracing::debug!(topic = &*self.secrets.topic(topic), format = format.name(), "recognised");
            trace.note(|story| story.recognised = Some(format.name().to_owned()));
        }
        let mut read = |hints: &Hints<'_>| match format.decode(topic, payload, hints, memory) {
            Ok(Decoded::Samples { samples, rest }) => Ok((samples, rest)),
            Ok(Decoded::Uplink(uplink)) => self
                .uplink(*uplink, profile, captured, record.received, hints, (calling, trace))
                .map(|samples| (samples, None)),
            Ok(Decoded::NotData(what)) => Err(discard(Reason::NotData, what)),
            Err(rejection) => Err(Decision::Quarantine(rejection)),
        };
        let known = |id: &str| self.registry.device(id, record.received);
        let assumed = hints(captured.and_then(known), None);
        let first = read(&assumed)?;
        if format.remembers() {
            return Ok(first);
        }
        // Nearly always nobody but the topic says whose it is, and what was assumed is right.
        let told = |sample: &Sample<'_>| {
            sample.model.is_some() || sample.device.as_deref().is_some_and(|told| Some(told) != captured)
        };
        if !first.0.iter().any(told) {
            return Ok(first);
        }
        let right = |sample: &Sample<'_>| {
            hints(sample.device.as_deref().or(captured).and_then(known), sample.model.as_deref())
        };
        let (ways, more) = ways(&first.0, right);
        match ways.as_slice() {
            [] => Ok(first),
            [one] if alike(one, &assumed) => Ok(first),
            [one] => read(one),
            _ => several(&ways, more, right, read),
        }
    }
}

/// Whether two ways of reading give the same.
fn alike(one: &Hints<'_>, other: &Hints<'_>) -> bool {
    one.number_text == other.number_text && one.zone == other.zone
}

/// The ways in which these samples are to be read, and whether there are more than are told.
fn ways<'r>(samples: &[Sample<'_>], right: impl Fn(&Sample<'_>) -> Hints<'r>) -> (Vec<Hints<'r>>, bool) {
    let (mut ways, mut before) = (Vec::<Hints<'r>>::new(), None);
    for sample in samples {
        let whose = Some((&sample.device, &sample.model));
        // Most payloads are of one device, and looking it up costs.
        if whose == before {
            continue;
        }
        before = whose;
        let way = right(sample);
        if ways.iter().any(|known| alike(known, &way)) {
            continue;
        }
        if ways.len() == MOST_WAYS {
            return (ways, true);
        }
        ways.push(way);
    }
    (ways, false)
}

/// Reads the whole payload in each way, and keeps what is to be read so.
fn several<'a, 'r>(
    ways: &[Hints<'r>],
    more: bool,
    right: impl Fn(&Sample<'_>) -> Hints<'r>,
    mut read: impl FnMut(&Hints<'_>) -> Result<Samples<'a>, Decision>,
) -> Result<Samples<'a>, Decision> {
    let (mut all, mut rest) = (Vec::new(), None);
    for way in ways {
        match read(way) {
            Ok((samples, refused)) => {
                rest = rest.or(refused);
                let own = |(_, sample): &(usize, Sample<'a>)| alike(&right(sample), way);
                all.extend(samples.into_iter().enumerate().filter(own));
            }
            Err(Decision::Quarantine(rejection)) => rest = rest.or(Some(rejection)),
            Err(other) => return Err(other),
        }
    }
    if more {
        let detail = format!("devices of more than {MOST_WAYS} zones or kinds of profile in one payload");
        rest = rest.or(Some(Rejection::new(Reason::TooComplex, detail)));
    }
    // In the order in which they were told.
    all.sort_by_key(|(index, _)| *index);
    let samples: Vec<_> = all.into_iter().map(|(_, sample)| sample).collect();
    match rest {
        Some(rejection) if samples.is_empty() => Err(Decision::Quarantine(rejection)),
        rest => Ok((samples, rest)),
    }
}
