//! Packets on the wire, of MQTT 5 and 3.1.1 in one set of words.
//!
//! The client crate reads and writes them; what comes or goes for every message is done in place: PUBLISH is read
//! without a copy, acknowledgements are four bytes.

use bytes::{Buf, Bytes, BytesMut};
use rumqttc::v5::mqttbytes::v5 as five;
use rumqttc::{self as three, v5};

use super::event::{Command, Publish};
use super::{Options, Receipt, Version};

const PUBLISH: u8 = 3;
const AT_LEAST_ONCE: u8 = 1;

/// What a broker sends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet {
    ConnAck {
        session_present: bool,
        /// Seconds, where the broker wants another than we do.
        keep_alive: Option<u16>,
    },
    Publish(Publish),
    /// The end of a message at QoS 2, which only a session from before us can hold.
    Release(u16),
    /// What became of each filter of the SUBSCRIBE with this identifier.
    SubAck {
        packet_id: u16,
        grants: Vec<Grant>,
    },
    UnsubAck,
    PingResp,
    Other,
}

/// The broker's answer to one filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grant {
    Refused,
    /// At QoS 0: what is lost on the way is lost.
    AtMostOnce,
    AtLeastOnce,
}

/// What is no packet, or the broker's good-bye.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum WireError {
    #[error("the broker sent a packet of {size} bytes; mqtt.max_packet is {max}")]
    TooLarge { size: usize, max: u32 },
    #[error("the broker sent what is no MQTT packet: {0}")]
    Malformed(String),
    #[error("Connection refused, return code: `{0}`")]
    Refused(String),
    #[error("the broker ended the connection: {0}")]
    Disconnected(String),
}

/// Takes the next packet off the input; nothing where it is not all there.
pub(super) fn read(version: Version, input: &mut BytesMut, max: u32) -> Result<Option<Packet>, WireError> {
    let Some((kind, head, length)) = fixed_header(input)? else { return Ok(None) };
    if u32::try_from(length).map_or(true, |length| length > max) {
        return Err(WireError::TooLarge { size: length, max });
    }
    let whole = head.saturating_add(length);
    if input.len() < whole {
        return Ok(None);
    }
    let mut frame = input.split_to(whole);
    let packet = match (kind >> 4, version) {
        (PUBLISH, _) => {
            frame.advance(head);
            Packet::Publish(publish(version, kind & 0x0f, frame.freeze())?)
        }
        (_, Version::V5) => {
            from_v5(five::Packet::read(&mut frame, None).map_err(|error| malformed(&error))?)?
        }
        (_, Version::V3) => {
            from_v3(three::Packet::read(&mut frame, usize::MAX).map_err(|error| malformed(&error))?)?
        }
    };
    Ok(Some(packet))
}

/// How many bytes of a packet that has begun are still to come, as far as it tells.
pub(super) fn missing(input: &[u8], max: u32) -> usize {
    let Ok(Some((_, head, length))) = fixed_header(input) else { return 0 };
    let allowed = u32::try_from(length).is_ok_and(|length| length <= max);
    if allowed { head.saturating_add(length).saturating_sub(input.len()) } else { 0 }
}

fn malformed(error: &impl ToString) -> WireError {
    WireError::Malformed(error.to_string())
}

/// The first byte, the length of the fixed header, and what follows it; nothing where that is not all there.
fn fixed_header(input: &[u8]) -> Result<Option<(u8, usize, usize)>, WireError> {
    let Some((kind, rest)) = input.split_first() else { return Ok(None) };
    Ok(variable_length(rest)?.map(|(bytes, length)| (*kind, bytes.saturating_add(1), length)))
}

/// A variable byte integer: how many bytes it takes, and its value.
fn variable_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, WireError> {
    let mut value = 0;
    for (place, byte) in bytes.iter().enumerate().take(4) {
        value |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(Some((place.saturating_add(1), value)));
        }
    }
    if bytes.len() < 4 {
        Ok(None)
    } else {
        Err(WireError::Malformed("a length of more than four bytes".into()))
    }
}

fn publish(version: Version, flags: u8, mut body: Bytes) -> Result<Publish, WireError> {
    let short = || WireError::Malformed("a PUBLISH that ends too early".to_owned());
    let length = usize::from(body.try_get_u16().map_err(|_| short())?);
    if body.len() < length {
        return Err(short());
    }
    let topic = body.split_to(length);
    let qos = (flags >> 1) & 3;
    let packet_id = if qos == 0 { 0 } else { body.try_get_u16().map_err(|_| short())? };
    if qos == 3 || (qos > 0 && packet_id == 0) {
        return Err(WireError::Malformed(
            "a PUBLISH with QoS 3, or without its packet identifier".to_owned(),
        ));
    }
    if version == Version::V5 {
        let (bytes, properties) = variable_length(&body)?.ok_or_else(short)?;
        let skipped = bytes.saturating_add(properties);
        if body.len() < skipped {
            return Err(short());
        }
        body.advance(skipped);
    }
    Ok(Publish {
        topic,
        payload: body,
        qos,
        retain: flags & 1 != 0,
        dup: flags & 8 != 0,
        packet_id,
        receipt: Receipt { epoch: 0, packet_id },
    })
}

fn from_v5(packet: five::Packet) -> Result<Packet, WireError> {
    Ok(match packet {
        five::Packet::ConnAck(ack) if ack.code == five::ConnectReturnCode::Success => Packet::ConnAck {
            session_present: ack.session_present,
            keep_alive: ack.properties.and_then(|told| told.server_keep_alive),
        },
        five::Packet::ConnAck(ack) => return Err(WireError::Refused(format!("{:?}", ack.code))),
        five::Packet::SubAck(ack) => Packet::SubAck {
            packet_id: ack.pkid,
            grants: ack
                .return_codes
                .iter()
                .map(|code| match code {
                    five::SubscribeReasonCode::Success(v5::mqttbytes::QoS::AtMostOnce) => Grant::AtMostOnce,
                    five::SubscribeReasonCode::Success(_) => Grant::AtLeastOnce,
                    _ => Grant::Refused,
                })
                .collect(),
        },
        five::Packet::UnsubAck(_) => Packet::UnsubAck,
        five::Packet::PingResp(_) => Packet::PingResp,
        five::Packet::PubRel(release) => Packet::Release(release.pkid),
        five::Packet::Disconnect(told) => {
            let words = told.properties.and_then(|told| told.reason_string).unwrap_or_default();
            // A broker's own words may be anything.
            let words: String = words.chars().filter(|c| !c.is_control()).take(120).collect();
            let code = format!("{:?} {words}", told.reason_code);
            return Err(WireError::Disconnected(code.trim_end().to_owned()));
        }
        _ => Packet::Other,
    })
}

fn from_v3(packet: three::Packet) -> Result<Packet, WireError> {
    Ok(match packet {
        three::Packet::ConnAck(ack) if ack.code == three::ConnectReturnCode::Success => {
            Packet::ConnAck { session_present: ack.session_present, keep_alive: None }
        }
        three::Packet::ConnAck(ack) => return Err(WireError::Refused(format!("{:?}", ack.code))),
        three::Packet::SubAck(ack) => Packet::SubAck {
            packet_id: ack.pkid,
            grants: ack
                .return_codes
                .iter()
                .map(|code| match code {
                    three::SubscribeReasonCode::Success(three::QoS::AtMostOnce) => Grant::AtMostOnce,
                    three::SubscribeReasonCode::Success(_) => Grant::AtLeastOnce,
                    three::SubscribeReasonCode::Failure => Grant::Refused,
                })
                .collect(),
        },
        three::Packet::UnsubAck(_) => Packet::UnsubAck,
        three::Packet::PingResp => Packet::PingResp,
        three::Packet::PubRel(release) => Packet::Release(release.pkid),
        _ => Packet::Other,
    })
}

/// Asks for the connection.
pub(super) fn connect(options: &Options, out: &mut BytesMut) -> Result<(), WireError> {
    let keep_alive = u16::try_from(options.keep_alive.as_secs()).unwrap_or(u16::MAX);
    let (client_id, clean) = (options.client_id.clone(), options.session_expiry.is_zero());
    let written = match options.version {
        Version::V5 => {
            let mut properties = five::ConnectProperties::new();
            let seconds = u32::try_from(options.session_expiry.as_secs()).unwrap_or(u32::MAX);
            properties.session_expiry_interval = Some(seconds);
            properties.receive_maximum = Some(options.receive_maximum);
            properties.max_packet_size = Some(options.max_packet);
            let properties = Some(properties);
            let connect = five::Connect { keep_alive, client_id, clean_start: clean, properties };
            let login = options.login.as_ref();
            let login = login.map(|(user, password)| five::Login::new(user.as_str(), password.reveal()));
            five::Packet::Connect(connect, None, login).write(out, None).map_err(|error| malformed(&error))
        }
        Version::V3 => {
            let mut connect = three::Connect::new(client_id);
            (connect.keep_alive, connect.clean_session) = (keep_alive, clean);
            if let Some((user, password)) = &options.login {
                connect.set_login(user.as_str(), password.reveal());
            }
            three::Packet::Connect(connect).write(out, usize::MAX).map_err(|error| malformed(&error))
        }
    };
    written.map(drop)
}

/// At QoS 1; kept messages come only with a subscription that is new (MQTT 5).
pub(super) fn subscribe(
    version: Version,
    pkid: u16,
    filters: &[String],
    out: &mut BytesMut,
) -> Result<(), WireError> {
    let written = match version {
        Version::V5 => {
            let filters = filters.iter().map(|path| {
                let mut filter = five::Filter::new(path.clone(), v5::mqttbytes::QoS::AtLeastOnce);
                filter.retain_forward_rule = five::RetainForwardRule::OnNewSubscribe;
                filter
            });
            let subscribe = five::Subscribe { pkid, filters: filters.collect(), properties: None };
            five::Packet::Subscribe(subscribe).write(out, None).map_err(|error| malformed(&error))
        }
        Version::V3 => {
            let filters =
                filters.iter().map(|path| three::SubscribeFilter::new(path.clone(), three::QoS::AtLeastOnce));
            let subscribe = three::Subscribe { pkid, filters: filters.collect() };
            three::Packet::Subscribe(subscribe).write(out, usize::MAX).map_err(|error| malformed(&error))
        }
    };
    written.map(drop)
}

pub(super) fn unsubscribe(
    version: Version,
    pkid: u16,
    filter: &str,
    out: &mut BytesMut,
) -> Result<(), WireError> {
    let filters = vec![filter.to_owned()];
    let written = match version {
        Version::V5 => {
            let unsubscribe = five::Unsubscribe { pkid, filters, properties: None };
            five::Packet::Unsubscribe(unsubscribe).write(out, None).map_err(|error| malformed(&error))
        }
        Version::V3 => {
            let unsubscribe = three::Unsubscribe { pkid, topics: filters };
            three::Packet::Unsubscribe(unsubscribe).write(out, usize::MAX).map_err(|error| malformed(&error))
        }
    };
    written.map(drop)
}

/// At QoS 0, and not to be kept.
pub(super) fn publish_command(
    version: Version,
    Command { topic, payload }: &Command,
    out: &mut BytesMut,
) -> Result<(), WireError> {
    let written = match version {
        Version::V5 => {
            let qos = v5::mqttbytes::QoS::AtMostOnce;
            let publish = five::Publish::new(topic, qos, payload.clone(), None);
            five::Packet::Publish(publish).write(out, None).map_err(|error| malformed(&error))
        }
        Version::V3 => {
            let publish = three::Publish::from_bytes(topic, three::QoS::AtMostOnce, payload.clone());
            three::Packet::Publish(publish).write(out, usize::MAX).map_err(|error| malformed(&error))
        }
    };
    written.map(drop)
}

/// The four bytes of an acknowledgement are the same in both versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ack {
    /// PUBACK, of QoS 1.
    AtLeastOnce,
    /// PUBREC, the first of QoS 2.
    Received,
    /// PUBCOMP, the last of QoS 2.
    Complete,
}

pub(super) fn acknowledge(ack: Ack, packet_id: u16, out: &mut BytesMut) {
    let kind = match ack {
        Ack::AtLeastOnce => 0x40,
        Ack::Received => 0x50,
        Ack::Complete => 0x70,
    };
    let [high, low] = packet_id.to_be_bytes();
    out.extend_from_slice(&[kind, 2, high, low]);
}

pub(super) fn ping(out: &mut BytesMut) {
    out.extend_from_slice(&[0xc0, 0]);
}

impl Publish {
    /// Asked for is QoS 1 at most.
    pub(super) const fn is_exactly_once(&self) -> bool {
        self.qos > AT_LEAST_ONCE
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(version: Version, bytes: &[u8]) -> Result<Option<Packet>, WireError> {
        read(version, &mut BytesMut::from(bytes), 1000)
    }

    #[test]
    fn publishes_are_read_in_place_and_packet_by_packet() {
        let five = b"\x3b\x0f\x00\x03a/b\x00\x07\x03\x01\x00\x00hell";
        let three = b"\x32\x0a\x00\x03a/b\x00\x07hel\x30\x05\x00\x03a/b";
        let mut input = BytesMut::from(&five[..16]);
        assert_eq!(read(Version::V5, &mut input, 1000), Ok(None));
        input.extend_from_slice(&five[16..]);
        let Ok(Some(Packet::Publish(publish))) = read(Version::V5, &mut input, 1000) else { panic!() };
        let told = (&publish.topic[..], &publish.payload[..], publish.qos, publish.packet_id);
        assert_eq!(told, (&b"a/b"[..], &b"hell"[..], 1, 7));
        assert!(publish.dup && publish.retain && input.is_empty());
        let mut input = BytesMut::from(&three[..]);
        let Ok(Some(Packet::Publish(publish))) = read(Version::V3, &mut input, 1000) else { panic!() };
        assert_eq!((&publish.payload[..], publish.dup, publish.retain), (&b"hel"[..], false, false));
        let Ok(Some(Packet::Publish(publish))) = read(Version::V3, &mut input, 1000) else { panic!() };
        assert_eq!((&publish.payload[..], publish.qos, publish.packet_id), (&b""[..], 0, 0));
        let Ok(Some(Packet::Publish(publish))) = one(Version::V3, b"\x30\x04\x00\x01\xffv") else { panic!() };
        assert_eq!(&publish.topic[..], b"\xff", "whoever judges topics judges this one too");
    }

    #[test]
    fn what_is_too_large_or_no_packet_is_refused_before_it_is_all_there() {
        let large = one(Version::V3, b"\x30\xff\x7f").unwrap_err();
        assert_eq!((missing(b"\x30\xff\x7f", 1000), missing(b"\x30\xff", 1000)), (0, 0));
        assert_eq!(missing(b"\x30\xff\x01abc", 1000), 252, "room is made for it once");
        assert_eq!(large, WireError::TooLarge { size: 16_383, max: 1000 });
        assert!(large.to_string().contains("mqtt.max_packet"), "{large}");
        for bytes in [
            &b"\x30\x80\x80\x80\x80"[..],
            b"\x30\x01a",
            b"\x30\x03\x00\x02a",
            b"\x32\x03\x00\x01a",
            b"\x32\x05\x00\x01a\x00\x00",
            b"\x36\x05\x00\x01a\x00\x01",
        ] {
            let refused = one(Version::V3, bytes);
            assert!(matches!(refused, Err(WireError::Malformed(_))), "{bytes:?}: {refused:?}");
        }
        let properties = one(Version::V5, b"\x30\x05\x00\x01a\x05b");
        assert!(matches!(properties, Err(WireError::Malformed(_))), "{properties:?}");
        let taken = one(Version::V5, b"\xe0\x02\x8e\x00").unwrap_err();
        assert_eq!(taken, WireError::Disconnected("SessionTakenOver".to_owned()));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(kind in 0_u8..=255, body in proptest::collection::vec(any::<u8>(), 0..60)) {
            let length = u8::try_from(body.len()).unwrap();
            let whole = [&[kind, length], &body[..]].concat();
            let _ = (one(Version::V5, &whole), one(Version::V3, &whole), one(Version::V5, &body));
        }
    }
}
