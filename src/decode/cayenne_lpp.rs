//! Format `cayenne_lpp`: myDevices' Cayenne Low Power Payload, alone or inside a network server's frame.
//!
//! Sources: the type lists of ChirpStack's codec (`codec/cayenne_lpp.rs`) and of the library ElectronicCats CayenneLPP.
//! A frame repeats channel, type and value, big endian; there is no checksum, and a type says nothing of its length, so
//! what follows an unknown one cannot be read and the frame is refused. Names are the type's name, the channel and,
//! where a value has parts, the part: `temperature_3`, `gps_location_1.latitude`. Channel and type told twice in one
//! frame: the first is stored, the second refused unless it is equal. A type 133 (Unix time) is the whole frame's time.
//! Setting `encoding`: how the bytes are written in the payload, `bytes` (default), `hex` or `base64`.

use std::borrow::Cow;

use super::bytes::Reader;
use crate::outcome::{Reason, Rejection};
use crate::reading::{Reading, ReadingValue, Sample};

/// A value of one number: name, size in bytes, signed, how many to one of its unit, unit.
struct Plain {
    /// Alone, and with each of the first channels.
    names: &'static [&'static str],
    size: usize,
    signed: bool,
    per_unit: f64,
    unit: Option<&'static str>,
}

/// Devices count their channels from 0 or 1, so most names need not be put together.
macro_rules! plain {
    ($name:literal, $size:literal, $signed:literal, $per_unit:literal, $unit:expr) => {
        Some(Plain {
            names: plain!(@ $name: "_0" "_1" "_2" "_3" "_4" "_5" "_6" "_7" "_8" "_9" "_10" "_11" "_12" "_13" "_14" "_15"),
            size: $size,
            signed: $signed,
            per_unit: $per_unit,
            unit: $unit,
        })
    };
    (@ $name:literal: $($channel:literal)+) => { &[$name, $(concat!($name, $channel)),+] };
}

impl Plain {
    fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }
}

/// `NAME_CHANNEL`, and a part behind it.
fn named(name: &str, channel: u8, part: &str) -> String {
    let mut text = String::with_capacity(name.len().saturating_add(part.len()).saturating_add(5));
    text.push_str(name);
    text.push('_');
    for (least, digit) in [(100, channel / 100), (10, channel / 10 % 10), (0, channel % 10)] {
        if channel >= least {
            text.push(char::from(b'0'.saturating_add(digit)));
        }
    }
    if !part.is_empty() {
        text.push('.');
        text.push_str(part);
    }
    text
}

/// By type.
#[expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "while it compiles, and below 256"
)]
static PLAIN: [Option<Plain>; 256] = {
    let (mut all, mut kind) = ([const { None }; 256], 0);
    while kind < 256 {
        all[kind] = of(kind as u8);
        kind += 1;
    }
    all
};

const fn of(kind: u8) -> Option<Plain> {
    match kind {
        0 => plain!("digital_in", 1, false, 1.0, None),
        1 => plain!("digital_out", 1, false, 1.0, None),
        2 => plain!("analog_in", 2, true, 100.0, None),
        3 => plain!("analog_out", 2, true, 100.0, None),
        100 => plain!("generic", 4, false, 1.0, None),
        101 => plain!("luminosity", 2, false, 1.0, Some("lx")),
        102 => plain!("presence", 1, false, 1.0, None),
        103 => plain!("temperature", 2, true, 10.0, Some("Cel")),
        104 => plain!("relative_humidity", 1, false, 2.0, Some("%")),
        115 => plain!("barometric_pressure", 2, false, 10.0, Some("hPa")),
        116 => plain!("voltage", 2, false, 100.0, Some("V")),
        117 => plain!("current", 2, false, 1000.0, Some("A")),
        118 => plain!("frequency", 4, false, 1.0, Some("Hz")),
        120 => plain!("percentage", 1, false, 1.0, Some("%")),
        121 => plain!("altitude", 2, true, 1.0, Some("m")),
        125 => plain!("concentration", 2, false, 1.0, Some("ppm")),
        128 => plain!("power", 2, false, 1.0, Some("W")),
        130 => plain!("distance", 4, false, 1000.0, Some("m")),
        131 => plain!("energy", 4, false, 1000.0, Some("kWh")),
        132 => plain!("direction", 2, false, 1.0, Some("deg")),
        142 => plain!("switch", 1, false, 1.0, None),
        _ => None,
    }
}

/// Room made before it is known what comes.
const MOST_AT_ONCE: usize = 64;
const AXES: [&str; 3] = ["x", "y", "z"];

#[inline]
fn reading(name: Cow<'static, str>, value: f64, unit: Option<&'static str>) -> Reading<'static> {
    Reading { name, value: ReadingValue::Number(value), unit: unit.map(Cow::Borrowed), channel: None }
}

#[inline]
fn room(sample: &Sample<'_>, most: usize) -> Result<(), Rejection> {
    if sample.readings.len() < most {
        return Ok(());
    }
    Err(Rejection::new(Reason::TooComplex, format!("more than {most} values")))
}

/// Reads one frame.
pub(super) fn decode(bytes: &[u8], most: usize) -> Result<Sample<'static>, Rejection> {
    // No value takes less than three bytes.
    let count = (bytes.len() / 3).min(MOST_AT_ONCE);
    let mut sample = Sample { readings: Vec::with_capacity(count), ..Sample::default() };
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        let start = reader.offset();
        let channel = reader.byte("a channel")?;
        let kind = reader.byte("a type")?;
        if let Some(Some(plain)) = PLAIN.get(usize::from(kind)) {
            let value = reader.number(plain.size, plain.signed, plain.name())? / plain.per_unit;
            room(&sample, most)?;
            // Each in one piece to its place: a reading put together elsewhere first takes twice the time.
            match plain.names.get(usize::from(channel).saturating_add(1)) {
                Some(name) => sample.readings.push(reading(Cow::Borrowed(name), value, plain.unit)),
                None => {
                    sample.readings.push(reading(named(plain.name(), channel, "").into(), value, plain.unit))
                }
            }
            continue;
        }
        let mut parts = |name: &str,
                         parts: [&str; 3],
                         sizes: (usize, bool),
                         per: [f64; 3],
                         unit: [Option<&'static str>; 3]| {
            for ((part, per), unit) in parts.iter().zip(per).zip(unit) {
                let value = reader.number(sizes.0, sizes.1, name)? / per;
                room(&sample, most)?;
                sample.readings.push(reading(named(name, channel, part).into(), value, unit));
            }
            Ok::<(), Rejection>(())
        };
        match kind {
            113 => parts("accelerometer", AXES, (2, true), [1000.0; 3], [None; 3])?,
            134 => parts("gyrometer", AXES, (2, true), [100.0; 3], [None; 3])?,
            135 => parts("colour", ["r", "g", "b"], (1, false), [1.0; 3], [None; 3])?,
            136 => {
                let units = [Some("deg"), Some("deg"), Some("m")];
                let names = ["latitude", "longitude", "altitude"];
                parts("gps_location", names, (3, true), [10_000.0, 10_000.0, 100.0], units)?;
            }
            133 => {
                let seconds = reader.whole(4, false, false, "unix_time")?;
                sample.time = Some(seconds.saturating_mul(1_000_000_000));
            }
            // Its own size stands before it; a route of positions is no reading.
            240 => {
                let size = reader.whole(1, false, false, "a polyline's size")?;
                reader.skip(usize::try_from(size).unwrap_or(usize::MAX), "a polyline")?;
            }
            _ => {
                let detail = format!(
                    "byte {}: unknown type {kind}: what follows cannot be read",
                    start.saturating_add(1)
                );
                return Err(Rejection::new(Reason::Malformed, detail));
            }
        }
    }
    if sample.readings.is_empty() && sample.time.is_none() {
        return Err(Rejection::new(Reason::NoValue, "an empty frame"));
    }
    Ok(sample)
}
