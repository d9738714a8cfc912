//! Uplink: a device's bytes through the decoder that its profile names, else what the network decoded already.

use std::sync::Arc;

use super::explain::{Trace, Warned};
use super::{Decision, Transform, discard};
use crate::catalogue::{Decoder, Profile};
use crate::codec::Calling;
use crate::decode::{Frame, Hints, decode_frame};
use crate::outcome::{Reason, Rejection};
use crate::reading::{Sample, Uplink};

impl Transform {
    /// `captured` is the device that the topic names.
    pub(super) fn uplink<'a>(
        &self,
        uplink: Uplink<'a>,
        route_profile: &Profile,
        captured: Option<&str>,
        received: i64,
        hints: &Hints<'_>,
        (calling, trace): (&mut Calling<'_>, &mut Trace),
    ) -> Result<Vec<Sample<'a>>, Decision> {
        let Uplink { device, tagged, model, time, port, bytes, decoded, radio, warnings } = uplink;
        let model = tagged.into_iter().find(|name| self.models.of_model(name).is_some()).or(model);
        let known = device.as_deref().or(captured).and_then(|id| self.registry.device(id, received));
        let profile = self.profile_of(known, model.as_deref()).map_or(route_profile, |profile| &**profile);
        trace.warned = None;
        if !profile.ports.is_empty() && !profile.ports.contains(&port) {
            let detail = format!("port {port} is none of those of the profile {}", profile.name);
            return Err(discard(Reason::NotData, detail));
        }
        let mut samples = match &profile.decoder {
            Some(decoder) if !bytes.is_empty() => {
                let at = time.unwrap_or(received);
                let frame = decode_frame(decoder, (&self.codecs, calling), &bytes, port, at, hints);
                let Frame { samples, warnings } = frame.map_err(|refused| match refused.reason {
                    Reason::NotData => discard(Reason::NotData, refused.detail),
                    _ => Decision::Quarantine(refused),
                })?;
                trace.note(|story| {
                    story.notes.push(format!(
                        "{} bytes on port {port}, read by {}",
                        bytes.len(),
                        named(decoder)
                    ));
                });
                let has_values = samples.iter().any(|sample| !sample.readings.is_empty());
                if !has_values && radio.is_empty() && !warnings.is_empty() {
                    // It was read, and is no reading: what could not be read is told as an error (TS013).
                    let detail = format!("{} gives no value: {}", named(decoder), shown(&warnings));
                    return Err(discard(Reason::NotData, detail));
                }
                warned(trace, profile, device.as_deref().or(captured), warnings);
                samples
            }
            _ => {
                let decoded = decoded.ok_or_else(|| {
                    let detail = format!(
                        "only raw data: give the profile {} a codec, a decoder or a layout, or the network server a codec",
                        profile.name
                    );
                    Decision::Quarantine(Rejection::new(Reason::NoValue, detail))
                })?;
                warned(trace, profile, device.as_deref().or(captured), warnings);
                decoded
            }
        };
        for sample in &mut samples {
            sample.device = device.clone();
            sample.model = model.clone();
            sample.time = sample.time.or(time);
        }
        // How it was heard belongs to the moment it was heard.
        match samples.as_mut_slice() {
            [only] if only.time == time => only.readings.extend(radio),
            _ if radio.is_empty() => {}
            _ => samples.push(Sample { device, model, time, readings: radio }),
        }
        Ok(samples)
    }
}

/// Keeps what a codec warned of, for the record.
fn warned(trace: &mut Trace, profile: &Profile, device: Option<&str>, texts: Vec<String>) {
    if texts.is_empty() {
        return;
    }
    trace.note(|story| story.notes.extend(texts.iter().cloned()));
    let device = device.unwrap_or("unknown").to_owned();
    trace.warned = Some(Warned { by: Arc::clone(&profile.heard), device, texts });
}

fn shown(warnings: &[String]) -> String {
    let short = warnings.iter().take(5).map(|text| text.chars().take(200).collect::<String>());
    short.collect::<Vec<_>>().join("; ")
}

fn named(decoder: &Decoder) -> &str {
    match decoder {
        Decoder::Codec { file, .. } => file,
        Decoder::CayenneLpp => "cayenne_lpp",
        Decoder::Layout(_) => "the profile's layout",
    }
}
