//! Format `binary`: a device's own frame of bytes, which its profile can read: a codec, Cayenne LPP or a layout.
//!
//! There is no specification but the device's. Settings: `encoding`, how the bytes are written in the payload (`bytes`,
//! `hex` or `base64`; text is told apart by nothing, so it must be said), and `port`, what the codec is told as fPort
//! (default 1). The time is that of receipt. A layout names each value's offset, type, order of bytes, bits, scale and
//! the numbers that mean "no value"; a frame that is too short for one of them is refused as a whole.

use super::bytes::{Encoding, whole};
use super::{Decoded, Format};
use crate::catalogue::{Field, Kind, Layout};
use crate::decimal;
use crate::outcome::{Reason, Rejection};
use crate::reading::{Reading, ReadingValue, Sample, Uplink};
use crate::settings::Section;

#[derive(Debug, Clone)]
pub struct Settings {
    pub encoding: Encoding,
    pub port: u16,
}

impl Settings {
    pub(super) fn read(section: &mut Section) -> Format {
        let encoding = section.get("encoding", Encoding::default());
        Format::Binary(Self { encoding, port: section.get("port", 1) })
    }
}

pub(super) fn decode<'a>(settings: &Settings, payload: &'a [u8]) -> Result<Decoded<'a>, Rejection> {
    let bytes = settings.encoding.read(payload)?.into_owned();
    if bytes.is_empty() {
        return Err(Rejection::new(Reason::NoValue, "no bytes"));
    }
    Ok(Decoded::Uplink(Box::new(Uplink { port: settings.port, bytes, ..Uplink::default() })))
}

/// Reads one frame by its layout.
pub(super) fn layout(layout: &Layout, port: u16, bytes: &[u8]) -> Result<Sample<'static>, Rejection> {
    if layout.port.is_some_and(|wanted| wanted != port) {
        let detail =
            format!("port {port}: the profile's layout is of port {}", layout.port.unwrap_or_default());
        return Err(Rejection::new(Reason::NotData, detail));
    }
    if let Some(length) = layout.length.filter(|length| *length != bytes.len()) {
        let detail = format!("the frame has {} bytes; the profile's layout {length}", bytes.len());
        return Err(Rejection::new(Reason::Malformed, detail));
    }
    let mut readings = Vec::with_capacity(layout.fields.len());
    for field in &layout.fields {
        let value = field_of(field, bytes)?;
        readings.push(Reading { name: field.name.clone().into(), value, unit: None, channel: None });
    }
    Ok(Sample { readings, ..Sample::default() })
}

#[expect(clippy::cast_precision_loss, reason = "every number is stored as a float")]
fn field_of(field: &Field, bytes: &[u8]) -> Result<ReadingValue<'static>, Rejection> {
    let end = field.offset.saturating_add(field.kind.size());
    let part = bytes.get(field.offset..end).ok_or_else(|| {
        let detail = format!(
            "byte {}: {} needs {} bytes, and the frame has {}",
            field.offset,
            field.name,
            field.kind.size(),
            bytes.len()
        );
        Rejection::new(Reason::Malformed, detail)
    })?;
    let signed = matches!(field.kind, Kind::I8 | Kind::I16 | Kind::I24 | Kind::I32 | Kind::I64);
    let number = match field.kind {
        Kind::F32 => {
            let bits = u32::try_from(whole(part, false, field.little_endian)).unwrap_or_default();
            // As short as the float was told: 27.2, not 27.200000762939453.
            f32::from_bits(bits).to_string().parse().unwrap_or(f64::NAN)
        }
        Kind::F64 => {
            f64::from_bits(u64::try_from(whole(part, false, field.little_endian)).unwrap_or_default())
        }
        _ => match field.bits {
            None => whole(part, signed, field.little_endian) as f64,
            Some((first, count)) => {
                let value = whole(part, false, field.little_endian) >> first & ((1_i128 << count) - 1);
                let negative = signed && value >> (count - 1) & 1 == 1;
                (if negative { value - (1_i128 << count) } else { value }) as f64
            }
        },
    };
    if field.sentinels.contains(&number) {
        return Ok(ReadingValue::Null);
    }
    Ok(ReadingValue::Number(decimal::scaled(number, field.scale, field.add)))
}
