//! Uplink: a device's bytes through the decoder that its profile names, else what the network decoded already.

use super::explain::Trace;
use super::{Decision, Transform, discard};
use crate::catalogue::{Decoder, Profile};
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
        trace: &mut Trace,
    ) -> Result<Vec<Sample<'a>>, Decision> {
        let Uplink { device, model, time, port, bytes, decoded, radio, warnings } = uplink;
        let known = device.as_deref().or(captured).and_then(|id| self.registry.device(id, received));
        let profile = self.profile_of(known, model.as_deref()).map_or(route_profile, |profile| &**profile);
        let mut samples = match &profile.decoder {
            Some(decoder) if !bytes.is_empty() => {
                let at = time.unwrap_or(received);
                let frame = decode_frame(decoder, &self.codecs, &bytes, port, at, hints);
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
                    story.notes.extend(warnings);
                });
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
                trace.note(|story| story.notes.extend(warnings));
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

fn named(decoder: &Decoder) -> &str {
    match decoder {
        Decoder::Codec { file, .. } => file,
        Decoder::CayenneLpp => "cayenne_lpp",
        Decoder::Layout(_) => "the profile's layout",
    }
}
