//! ChirpStack's events as Protocol Buffers: `UplinkEvent` and `StatusEvent` of v4 (`integration.proto`, `gw.proto`).
//!
//! The topic's last level says which event it is; nothing in the bytes does. Zeros are not on the wire.

use super::{link, other_event, status};
use crate::decode::protobuf::{Field, Message};
use crate::decode::{Decoded, Hints};
use crate::outcome::{Reason, Rejection};
use crate::reading::{Reading, ReadingValue, Sample, Uplink};

/// A longer name is no name.
const MAX_NAME: usize = 256;
/// Gateways that may hear one uplink.
const MOST_HEARD: usize = 1000;

pub(crate) fn decode<'a>(topic: &str, bytes: &'a [u8], hints: &Hints<'_>) -> Result<Decoded<'a>, Rejection> {
    if let Some(other) = other_event(topic) {
        return Ok(other);
    }
    match topic.rsplit('/').next() {
        Some("up") => uplink(bytes, hints),
        Some("status") => device_status(bytes),
        _ => {
            let detail =
                "the topic does not end in the event (up, status, join, …), and the bytes do not say it";
            Err(Rejection::new(Reason::InvalidTopic, detail))
        }
    }
}

/// Fields that are looked at before the one that says whose event it is.
const MOST_BEFORE: usize = 8;

/// Whether it is an event of v4: its third field tells an EUI. That of v3 is the device's name.
pub(crate) fn recognised(bytes: &[u8]) -> bool {
    let mut fields = Message::new(bytes);
    for _ in 0..MOST_BEFORE {
        match fields.next() {
            Ok(Some(field)) if field.number == 3 => {
                let eui = device_info(&field).ok().and_then(|told| told.eui).unwrap_or_default();
                return eui.len() == 16 && eui.bytes().all(|digit| digit.is_ascii_hexdigit());
            }
            Ok(Some(_)) => {}
            _ => return false,
        }
    }
    false
}

fn uplink<'a>(bytes: &'a [u8], hints: &Hints<'_>) -> Result<Decoded<'a>, Rejection> {
    let (mut uplink, mut count, mut heard) = (Uplink::default(), None, Vec::new());
    let mut fields = Message::new(bytes);
    while let Some(field) = fields.next()? {
        match field.number {
            2 => uplink.time = Some(timestamp(&field)?),
            3 => {
                let told = device_info(&field)?;
                (uplink.device, uplink.model) = (told.eui, told.profile_name);
                uplink.tagged = told.profile.into_iter().chain(told.model).collect();
            }
            7 => count = Some(field.varint()?),
            8 => uplink.port = u16::try_from(field.varint()?).unwrap_or(u16::MAX),
            10 => uplink.bytes = field.bytes()?.to_vec(),
            11 => {
                let mut object = Object { hints, path: String::new(), readings: Vec::new() };
                object.fields(field.message()?, 1)?;
                uplink.decoded = Some(vec![Sample { readings: object.readings, ..Sample::default() }]);
            }
            12 => {
                if heard.len() >= MOST_HEARD {
                    let detail = format!("byte {}: more than {MOST_HEARD} gateways", field.at);
                    return Err(Rejection::new(Reason::TooComplex, detail));
                }
                heard.push(rx_info(&field)?);
            }
            _ => {}
        }
    }
    if uplink.decoded.is_none() && uplink.bytes.is_empty() {
        return Ok(Decoded::NotData("an uplink without data".to_owned()));
    }
    #[expect(clippy::cast_precision_loss, reason = "a frame count has 32 bits")]
    let count = count.map(|count| count as f64);
    uplink.radio = link(heard.into_iter(), count);
    Ok(Decoded::Uplink(Box::new(uplink)))
}

#[expect(clippy::cast_precision_loss, reason = "a margin is a small number")]
fn device_status(bytes: &[u8]) -> Result<Decoded<'_>, Rejection> {
    let (mut sample, mut margin, mut battery, mut unknown) = (Sample::default(), 0, 0.0, false);
    let mut fields = Message::new(bytes);
    while let Some(field) = fields.next()? {
        match field.number {
            2 => sample.time = Some(timestamp(&field)?),
            3 => {
                let told = device_info(&field)?;
                (sample.device, sample.model) = (told.eui, told.profile.or(told.profile_name));
            }
            5 => margin = field.signed()?,
            6 | 7 => unknown |= field.varint()? != 0,
            8 => battery = field.short_float()?,
            _ => {}
        }
    }
    sample.readings = status(Some(margin as f64), (!unknown).then_some(battery));
    Ok(Decoded::Samples { samples: vec![sample], rest: None })
}

/// Unix time in nanoseconds.
fn timestamp(field: &Field<'_>) -> Result<i64, Rejection> {
    let (mut seconds, mut nanos) = (0, 0);
    let mut fields = field.message()?;
    while let Some(inner) = fields.next()? {
        match inner.number {
            1 => seconds = inner.signed()?,
            2 => nanos = inner.signed()?,
            _ => {}
        }
    }
    let time = seconds.checked_mul(1_000_000_000).and_then(|time| time.checked_add(nanos));
    time.filter(|_| (0..1_000_000_000).contains(&nanos)).ok_or_else(|| {
        let detail = format!("byte {}: {seconds} s and {nanos} ns are no time", field.at);
        Rejection::new(Reason::InvalidTime, detail)
    })
}

type Told<'a> = Option<std::borrow::Cow<'a, str>>;

/// EUI, the name of the device profile, and the tags that say what the device is.
#[derive(Default)]
struct Info<'a> {
    eui: Told<'a>,
    profile_name: Told<'a>,
    profile: Told<'a>,
    model: Told<'a>,
}

fn device_info<'a>(field: &Field<'a>) -> Result<Info<'a>, Rejection> {
    let mut told = Info::default();
    let mut fields = field.message()?;
    while let Some(inner) = fields.next()? {
        match inner.number {
            6 => told.profile_name = Some(inner.text()?.into()),
            8 => told.eui = Some(inner.text()?.into()),
            9 => match tag(&inner)? {
                ("profile", value) => told.profile = Some(value.into()),
                ("model", value) => told.model = Some(value.into()),
                _ => {}
            },
            _ => {}
        }
    }
    Ok(told)
}

/// Key and value of one tag.
fn tag<'a>(field: &Field<'a>) -> Result<(&'a str, &'a str), Rejection> {
    let (mut key, mut value) = ("", "");
    let mut fields = field.message()?;
    while let Some(inner) = fields.next()? {
        match inner.number {
            1 => key = inner.text()?,
            2 => value = inner.text()?,
            _ => {}
        }
    }
    Ok((key, value))
}

/// RSSI and SNR of one gateway.
#[expect(clippy::cast_precision_loss, reason = "an RSSI is a small number")]
fn rx_info(field: &Field<'_>) -> Result<(f64, f64), Rejection> {
    let (mut rssi, mut snr) = (0, 0.0);
    let mut fields = field.message()?;
    while let Some(inner) = fields.next()? {
        match inner.number {
            6 => rssi = inner.signed()?,
            7 => snr = inner.short_float()?,
            _ => {}
        }
    }
    Ok((rssi as f64, snr))
}

/// A `google.protobuf.Struct` while it is flattened, by the names that JSON would have.
struct Object<'a, 'h> {
    hints: &'h Hints<'h>,
    path: String,
    readings: Vec<Reading<'a>>,
}

impl<'a> Object<'a, '_> {
    fn fields(&mut self, mut entries: Message<'a>, depth: usize) -> Result<(), Rejection> {
        self.enter(depth)?;
        while let Some(entry) = entries.next()? {
            if entry.number != 1 {
                continue;
            }
            let (mut key, mut value) = ("", None);
            let mut parts = entry.message()?;
            while let Some(part) = parts.next()? {
                match part.number {
                    1 => key = part.text()?,
                    2 => value = Some(part),
                    _ => {}
                }
            }
            self.inside(key, value, entry.at, depth)?;
        }
        Ok(())
    }

    fn inside(
        &mut self,
        name: &str,
        value: Option<Field<'a>>,
        offset: usize,
        depth: usize,
    ) -> Result<(), Rejection> {
        let length = self.path.len();
        if length.saturating_add(name.len()) >= MAX_NAME {
            let detail = format!("byte {offset}: a name of more than {MAX_NAME} bytes");
            return Err(Rejection::new(Reason::TooComplex, detail));
        }
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        match value {
            Some(value) => self.value(value.message()?, offset, depth)?,
            None => self.add(ReadingValue::Null, offset)?,
        }
        self.path.truncate(length);
        Ok(())
    }

    /// A `Value`; of several kinds in one the last counts, as the specification of oneof says.
    fn value(&mut self, mut kinds: Message<'a>, offset: usize, depth: usize) -> Result<(), Rejection> {
        let mut last = None;
        while let Some(kind) = kinds.next()? {
            if (1..=6).contains(&kind.number) {
                last = Some(kind);
            }
        }
        let Some(kind) = last else { return self.add(ReadingValue::Null, offset) };
        let value = match kind.number {
            2 => ReadingValue::Number(kind.double()?),
            3 => ReadingValue::Text(kind.text()?.into()),
            4 => ReadingValue::Boolean(kind.varint()? != 0),
            5 => return self.fields(kind.message()?, depth.saturating_add(1)),
            6 => return self.list(kind.message()?, depth.saturating_add(1)),
            _ => ReadingValue::Null,
        };
        self.add(value, offset)
    }

    fn list(&mut self, mut items: Message<'a>, depth: usize) -> Result<(), Rejection> {
        self.enter(depth)?;
        let mut index = 0_usize;
        while let Some(item) = items.next()? {
            if item.number == 1 {
                self.inside(&index.to_string(), Some(item), item.at, depth)?;
                index = index.saturating_add(1);
            }
        }
        Ok(())
    }

    fn enter(&self, depth: usize) -> Result<(), Rejection> {
        let most = self.hints.limits.max_depth;
        if depth > most {
            return Err(Rejection::new(Reason::TooComplex, format!("nested deeper than {most}")));
        }
        Ok(())
    }

    fn add(&mut self, value: ReadingValue<'a>, offset: usize) -> Result<(), Rejection> {
        let most = self.hints.limits.max_values;
        if self.readings.len() >= most {
            let detail = format!("byte {offset}: more than {most} values");
            return Err(Rejection::new(Reason::TooComplex, detail));
        }
        self.readings.push(Reading { name: self.path.clone().into(), value, unit: None, channel: None });
        Ok(())
    }
}
