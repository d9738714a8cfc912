//! Payloads as they stand: `sparkplug_b.proto` read field by field, nothing resolved yet.

use super::super::protobuf::{Field, Message};
use super::{MAX_NAME, compressed};
use crate::outcome::{Reason, Rejection};

/// The parts of `Payload` that are read.
#[derive(Debug, Default)]
pub(super) struct Payload<'a> {
    /// Milliseconds since 1970.
    pub(super) timestamp: Option<u64>,
    pub(super) seq: Option<u64>,
    pub(super) metrics: Vec<Metric<'a>>,
    /// Another payload in place of the metrics, compressed.
    pub(super) compressed: Option<&'a [u8]>,
}

/// The parts of `Payload.Metric` that are read.
#[derive(Debug, Default)]
pub(super) struct Metric<'a> {
    /// Where it begins in the payload.
    pub(super) at: usize,
    pub(super) name: Option<&'a str>,
    pub(super) alias: Option<u64>,
    pub(super) timestamp: Option<u64>,
    pub(super) datatype: Option<u32>,
    pub(super) transient: bool,
    pub(super) null: bool,
    /// The property of this name: 0 bad, 192 good, 500 stale.
    pub(super) quality: Option<u32>,
    pub(super) value: Option<Raw<'a>>,
}

/// The member of the `oneof` that holds the value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Raw<'a> {
    Int(u32),
    Long(u64),
    Float(f32),
    Double(f64),
    Truth(bool),
    Text(&'a str),
    Bytes(&'a [u8]),
    DataSet,
    Template(Message<'a>),
    Extension,
}

impl<'a> Payload<'a> {
    pub(super) fn read(payload: &'a [u8], most: usize) -> Result<Self, Rejection> {
        let (mut message, mut read) = (Message::new(payload), Self::default());
        let (mut uuid, mut body) = ("", None);
        while let Some(field) = message.next()? {
            match field.number {
                1 => read.timestamp = Some(field.varint()?),
                2 => {
                    if read.metrics.len() >= most {
                        return Err(Rejection::new(Reason::TooComplex, format!("more than {most} metrics")));
                    }
                    read.metrics.push(Metric::read(&field)?);
                }
                3 => read.seq = Some(field.varint()?),
                4 => uuid = field.text()?,
                5 => body = Some((field.at, field.bytes()?)).filter(|(_, body)| !body.is_empty()),
                _ => {}
            }
        }
        // Whatever a body holds, it stands in place of the metrics.
        match body {
            Some((_, body)) if uuid == compressed::UUID => read.compressed = Some(body),
            Some((at, _)) => {
                let detail =
                    format!("at byte {at}: a body of its own kind in place of metrics, which is not read");
                return Err(Rejection::new(Reason::Malformed, detail));
            }
            None => {}
        }
        Ok(read)
    }
}

impl<'a> Metric<'a> {
    pub(super) fn read(field: &Field<'a>) -> Result<Self, Rejection> {
        let (mut message, mut read) = (field.message()?, Self { at: field.at, ..Self::default() });
        while let Some(field) = message.next()? {
            match field.number {
                1 => {
                    let name = field.text()?;
                    if name.len() > MAX_NAME {
                        let detail = format!("at byte {}: a name of more than {MAX_NAME} bytes", field.at);
                        return Err(Rejection::new(Reason::TooComplex, detail));
                    }
                    read.name = Some(name);
                }
                2 => read.alias = Some(field.varint()?),
                3 => read.timestamp = Some(field.varint()?),
                4 => read.datatype = Some(field.varint32()?),
                // A value of the past has its own time, which is all that follows from it here.
                5 => drop(field.truth()?),
                6 => read.transient = field.truth()?,
                7 => read.null = field.truth()?,
                9 => read.quality = quality(field.message()?)?,
                10 => read.value = Some(Raw::Int(field.varint32()?)),
                11 => read.value = Some(Raw::Long(field.varint()?)),
                12 => read.value = Some(Raw::Float(field.float()?)),
                13 => read.value = Some(Raw::Double(field.double()?)),
                14 => read.value = Some(Raw::Truth(field.truth()?)),
                15 => read.value = Some(Raw::Text(field.text()?)),
                16 => read.value = Some(Raw::Bytes(field.bytes()?)),
                17 => {
                    field.message()?;
                    read.value = Some(Raw::DataSet);
                }
                18 => read.value = Some(Raw::Template(field.message()?)),
                19 => read.value = Some(Raw::Extension),
                _ => {}
            }
        }
        Ok(read)
    }
}

/// The property `Quality`. Keys and values are two lists of one length: the value stands where its key does.
fn quality(mut set: Message<'_>) -> Result<Option<u32>, Rejection> {
    let (mut keys, mut values, mut wanted) = (0_usize, 0_usize, None);
    let mut both = set;
    while let Some(field) = both.next()? {
        if field.number == 1 {
            if wanted.is_none() && field.text()? == "Quality" {
                wanted = Some(keys);
            }
            keys = keys.saturating_add(1);
        }
    }
    while let Some(field) = set.next()? {
        if field.number != 2 {
            continue;
        }
        let mut property = field.message()?;
        if wanted == Some(values) {
            while let Some(field) = property.next()? {
                if field.number == 3 {
                    return field.varint32().map(Some);
                }
            }
        }
        values = values.saturating_add(1);
    }
    Ok(None)
}
