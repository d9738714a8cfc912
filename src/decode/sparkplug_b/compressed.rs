//! Compressed payloads: one inside another, as Tahu's libraries and what is built on them pack it.
//!
//! Source: `PayloadUtil` of Eclipse Tahu; the specification does not have it. The outer payload has the UUID
//! `SPBV1.0_COMPRESSED`, the inner one as its body, and a metric `algorithm` (`GZIP` or `DEFLATE`, which is zlib's form
//! here). The first bytes of the body say the same, so they are what is looked at.

use std::io::Read;

use flate2::read::{GzDecoder, ZlibDecoder};

use crate::outcome::{Reason, Rejection};

pub(super) const UUID: &str = "SPBV1.0_COMPRESSED";
/// Bytes of an inner payload.
const MOST: u64 = 1024 * 1024;

pub(super) fn unpack(body: &[u8]) -> Result<Vec<u8>, Rejection> {
    let mut inner = Vec::new();
    let read = if body.starts_with(&[0x1f, 0x8b]) {
        GzDecoder::new(body).take(MOST + 1).read_to_end(&mut inner)
    } else {
        ZlibDecoder::new(body).take(MOST + 1).read_to_end(&mut inner)
    };
    read.map_err(|error| {
        Rejection::new(Reason::Malformed, format!("a compressed body that cannot be unpacked: {error}"))
    })?;
    if u64::try_from(inner.len()).unwrap_or(u64::MAX) > MOST {
        let detail = format!("a compressed body of more than {} KiB inside", MOST / 1024);
        return Err(Rejection::new(Reason::TooComplex, detail));
    }
    Ok(inner)
}
