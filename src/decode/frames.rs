//! Frames: a device's bytes through what its profile names, to samples.

use super::flatten::{flatten_object, flatten_timed};
use super::{Hints, binary, cayenne_lpp};
use crate::catalogue::Decoder;
use crate::codec::{Calling, Codecs, Input};
use crate::outcome::{Reason, Rejection};
use crate::reading::Sample;

/// The samples of one frame, and what the codec wants to be known.
#[derive(Debug)]
pub struct Frame {
    pub samples: Vec<Sample<'static>>,
    pub warnings: Vec<String>,
}

/// Reads one frame; `received` is when the network received it, Unix time in nanoseconds.
pub fn decode(
    decoder: &Decoder,
    (codecs, calling): (&Codecs, &mut Calling<'_>),
    bytes: &[u8],
    port: u16,
    received: i64,
    hints: &Hints<'_>,
) -> Result<Frame, Rejection> {
    match decoder {
        Decoder::CayenneLpp => {
            let sample = cayenne_lpp::decode(bytes, hints.limits.max_values)?;
            Ok(Frame { samples: vec![sample], warnings: Vec::new() })
        }
        Decoder::Layout(layout) => {
            let sample = binary::layout(layout, port, bytes)?;
            Ok(Frame { samples: vec![sample], warnings: Vec::new() })
        }
        Decoder::Codec { file, variables } => {
            #[expect(clippy::cast_precision_loss, reason = "milliseconds are far below 2^53")]
            let received_ms = received.div_euclid(1_000_000) as f64;
            let input = Input { bytes, port, received_ms, variables };
            let failed = |text: &str| Rejection::new(Reason::CodecError, format!("{file}: {text}"));
            let output = codecs.call_as(file, &input, calling).map_err(|fault| failed(&fault.text))?;
            let read = match &output.normalized {
                Some(normalized) => flatten_timed(normalized, hints),
                // Only of several samples each may tell when it was.
                None if output.data.starts_with('[') => flatten_timed(&output.data, hints),
                None => flatten_object(&output.data, hints),
            };
            let samples = read
                .map_err(|refused| Rejection { detail: format!("{file}: {}", refused.detail), ..refused })?;
            let samples = samples.into_iter().map(Sample::into_owned).collect();
            Ok(Frame { samples, warnings: output.warnings })
        }
    }
}
