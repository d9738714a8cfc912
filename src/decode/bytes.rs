//! Bytes: numbers out of frames, with the offset where they end too early; and frames out of hex and base64 text.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::{Deserialize, Serialize};

use crate::outcome::{Reason, Rejection};

/// Padded or not, as devices and servers write it.
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, INDIFFERENT);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, INDIFFERENT);
const INDIFFERENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// How bytes are written in a payload; told, because "0123abcd" is both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    #[default]
    Bytes,
    Hex,
    Base64,
}

impl Encoding {
    /// The bytes that a payload stands for; why it stands for none otherwise.
    pub fn read(self, payload: &[u8]) -> Result<Cow<'_, [u8]>, Rejection> {
        match self {
            Self::Bytes => Ok(Cow::Borrowed(payload)),
            Self::Hex => hex(super::text(payload)?.trim()).map(Cow::Owned),
            Self::Base64 => base64(super::text(payload)?.trim()).map(Cow::Owned),
        }
    }
}

pub(super) fn base64(text: &str) -> Result<Vec<u8>, Rejection> {
    let engine = if text.contains(['-', '_']) { &BASE64_URL } else { &BASE64 };
    engine.decode(text).map_err(|error| {
        Rejection::new(
            Reason::Malformed,
            format!("the bytes are no base64: {}", error.to_string().to_lowercase()),
        )
    })
}

/// Pairs of digits, with nothing, a blank, a colon or a hyphen between them.
pub(super) fn hex(text: &str) -> Result<Vec<u8>, Rejection> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    let mut high = None;
    for (at, c) in digits.char_indices() {
        let Some(digit) = c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()) else {
            if high.is_none() && matches!(c, ' ' | ':' | '-') {
                continue;
            }
            let detail = format!("the bytes are no hex: \"{}\" at {at}", c.escape_debug());
            return Err(Rejection::new(Reason::Malformed, detail));
        };
        match high.take() {
            None => high = Some(digit),
            Some(high) => bytes.push(high << 4 | digit),
        }
    }
    if high.is_some() {
        return Err(Rejection::new(Reason::Malformed, "the bytes are no hex: an odd number of digits"));
    }
    Ok(bytes)
}

/// Reads a frame from its start.
#[derive(Debug)]
pub(super) struct Reader<'f> {
    frame: &'f [u8],
    at: usize,
}

impl<'f> Reader<'f> {
    pub(super) const fn new(frame: &'f [u8]) -> Self {
        Self { frame, at: 0 }
    }

    pub(super) const fn offset(&self) -> usize {
        self.at
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.at >= self.frame.len()
    }

    #[inline]
    fn take(&mut self, size: usize, what: &str) -> Result<&'f [u8], Rejection> {
        let end = self.at.saturating_add(size);
        let Some(taken) = self.frame.get(self.at..end) else { return Err(self.ends(size, what)) };
        self.at = end;
        Ok(taken)
    }

    #[cold]
    fn ends(&self, size: usize, what: &str) -> Rejection {
        let (at, left) = (self.at, self.frame.len().saturating_sub(self.at));
        let detail = format!("byte {at}: {what} needs {size} bytes, and {left} are left");
        Rejection::new(Reason::Malformed, detail)
    }

    pub(super) fn skip(&mut self, size: usize, what: &str) -> Result<(), Rejection> {
        self.take(size, what).map(|_| ())
    }

    #[inline]
    pub(super) fn byte(&mut self, what: &str) -> Result<u8, Rejection> {
        self.take(1, what).map(|taken| taken.first().copied().unwrap_or_default())
    }

    /// A whole number of at most 7 bytes, or of 8 that has a sign.
    pub(super) fn whole(
        &mut self,
        size: usize,
        signed: bool,
        little: bool,
        what: &str,
    ) -> Result<i64, Rejection> {
        let bytes = self.take(size, what)?;
        let value = whole(bytes, signed, little);
        Ok(i64::try_from(value).unwrap_or(i64::MAX))
    }

    /// Big endian, of up to 4 bytes.
    #[inline]
    pub(super) fn number(&mut self, size: usize, signed: bool, what: &str) -> Result<f64, Rejection> {
        Ok(match (self.take(size, what)?, signed) {
            (&[one], false) => one.into(),
            (&[one, two], false) => u16::from_be_bytes([one, two]).into(),
            (&[one, two], true) => i16::from_be_bytes([one, two]).into(),
            (&[one, two, three, four], false) => u32::from_be_bytes([one, two, three, four]).into(),
            #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
            (bytes, signed) => whole(bytes, signed, false) as f64,
        })
    }
}

/// A whole number of up to 8 bytes.
pub(super) fn whole(bytes: &[u8], signed: bool, little: bool) -> i128 {
    let add = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    let value = if little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) };
    if !signed {
        return value.into();
    }
    // The sign stands in the topmost of the bytes that are there.
    let unused = 64_usize.saturating_sub(bytes.len().saturating_mul(8)).min(63);
    ((value << unused).cast_signed() >> unused).into()
}
