//! A record as it stands on disk: the body of a frame.

use std::io;
use std::path::Path;

use bytes::Bytes;

use super::disk::Disk;
use super::frame::{self, FRAME_HEAD, Salt, array};
use super::segment::{Kind, LAST, Magic, Numbers, Walk};
use crate::message::{Message, Record};

const RETAIN: u8 = 1;
const DUP: u8 = 1 << 1;
const QOS_SHIFT: u8 = 2;
const QOS_MASK: u8 = 0b11;
const CLOCK_SUSPECT: u8 = 1 << 4;
const REDELIVERY: u8 = 1 << 5;

/// The first bytes of a journal segment.
pub(super) const MAGIC: Magic = *b"NADIJRNL";

/// The frame of an empty message on an empty topic.
pub(super) const SMALLEST: u64 = 35;
const _: () = assert!(FRAME_HEAD + 8 + 8 + 1 + 2 + 4 + 2 + 2 == 35);

/// Opens a journal segment.
pub(super) fn open(path: &Path, disk: &dyn Disk) -> io::Result<(Kind, Walk<Record>)> {
    let numbers = Numbers::Grow { smallest: SMALLEST };
    Walk::open(path, MAGIC, numbers, read, disk)
}

/// Appends the record's frame.
pub(super) fn write(record: &Record, salt: Salt, out: &mut Vec<u8>) {
    let start = frame::begin(out);
    write_body(record, out);
    frame::seal(out, start, salt);
}

/// Appends the record as the body of a frame, or at the end of one.
pub(crate) fn write_body(record: &Record, out: &mut Vec<u8>) {
    let message = &record.message;
    let mut flags = (message.qos & QOS_MASK) << QOS_SHIFT;
    for (set, bit) in [
        (message.retain, RETAIN),
        (message.dup, DUP),
        (record.clock_suspect, CLOCK_SUSPECT),
        (message.redelivery_of.is_some(), REDELIVERY),
    ] {
        if set {
            flags |= bit;
        }
    }
    out.extend_from_slice(&record.seq.to_le_bytes());
    out.extend_from_slice(&record.received.to_le_bytes());
    out.push(flags);
    out.extend_from_slice(&message.source.to_le_bytes());
    out.extend_from_slice(&message.session.to_le_bytes());
    out.extend_from_slice(&message.packet_id.to_le_bytes());
    if let Some(first) = message.redelivery_of {
        out.extend_from_slice(&first.to_le_bytes());
    }
    // MQTT topics have at most 65,535 bytes; what is longer cannot have come in and is cut, not trusted.
    let topic = message.topic.get(..message.topic.len().min(usize::from(u16::MAX))).unwrap_or_default();
    out.extend_from_slice(&u16::try_from(topic.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(topic);
    out.extend_from_slice(&message.payload);
}

/// Reads a sound body; nothing where its inner lengths contradict each other or its number cannot be. Shares the bytes, copies nothing.
pub(crate) fn read(body: &Bytes) -> Option<Record> {
    let seq = Some(u64::from_le_bytes(array(body, 0)?)).filter(|seq| *seq <= LAST)?;
    let received = i64::from_le_bytes(array(body, 8)?);
    let flags = *body.get(16)?;
    let source = u16::from_le_bytes(array(body, 17)?);
    let session = u32::from_le_bytes(array(body, 19)?);
    let packet_id = u16::from_le_bytes(array(body, 23)?);
    let mut at = 25;
    let redelivery_of = if flags & REDELIVERY == 0 {
        None
    } else {
        at = 33;
        Some(u64::from_le_bytes(array(body, 25)?))
    };
    let topic_len = usize::from(u16::from_le_bytes(array(body, at)?));
    at += 2;
    let end = at + topic_len;
    if end > body.len() {
        return None;
    }
    let message = Message {
        topic: body.slice(at..end),
        payload: body.slice(end..),
        qos: (flags >> QOS_SHIFT) & QOS_MASK,
        retain: flags & RETAIN != 0,
        dup: flags & DUP != 0,
        source,
        session,
        packet_id,
        redelivery_of,
    };
    Some(Record { seq, received, clock_suspect: flags & CLOCK_SUSPECT != 0, message })
}
