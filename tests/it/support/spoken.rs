//! A broker that speaks just enough of MQTT 3.1.1, packet by packet as the test says.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

/// Granted at QoS 1.
pub const AT_LEAST_ONCE: u8 = 1;
/// Granted, but at QoS 0.
pub const AT_MOST_ONCE: u8 = 0;
pub const REFUSED: u8 = 0x80;

/// One connection of a client.
#[derive(Debug)]
pub struct Session(TcpStream);

impl Session {
    /// Lets the next client in; says whether its session is still there.
    pub fn begin(listener: &TcpListener, session_present: bool) -> Self {
        let (stream, _) = listener.accept().expect("a client");
        stream.set_read_timeout(Some(LIMIT)).expect("a limit");
        let mut session = Self(stream);
        assert_eq!(session.packet().0 >> 4, 1, "CONNECT");
        session.send(&[0x20, 2, u8::from(session_present), 0]);
        session
    }

    /// Waits for a subscription: its packet identifier and its filters.
    pub fn asked(&mut self) -> (u16, Vec<String>) {
        let body = self.next_of(8);
        let (id, mut rest) = (u16::from_be_bytes([body[0], body[1]]), &body[2..]);
        let mut filters = Vec::new();
        while let [high, low, after @ ..] = rest {
            let (filter, after) = after.split_at(usize::from(u16::from_be_bytes([*high, *low])));
            filters.push(String::from_utf8(filter.to_vec()).expect("text"));
            rest = &after[1..];
        }
        (id, filters)
    }

    /// Answers a subscription, filter by filter.
    pub fn grant(&mut self, id: u16, codes: &[u8]) {
        let [high, low] = id.to_be_bytes();
        let length = u8::try_from(2 + codes.len()).expect("few filters");
        self.send(&[&[0x90, length, high, low], codes].concat());
    }

    /// Waits for a subscription and grants all of it.
    pub fn subscribed(&mut self) {
        let (id, filters) = self.asked();
        self.grant(id, &vec![AT_LEAST_ONCE; filters.len()]);
    }

    /// Sends a message at QoS 1.
    pub fn publish(&mut self, id: u16, dup: bool, topic: &str, payload: &str) {
        let length = u8::try_from(4 + topic.len() + payload.len()).expect("a short one");
        assert!(length < 0x80, "a short one");
        let mut packet =
            vec![if dup { 0x3a } else { 0x32 }, length, 0, u8::try_from(topic.len()).expect("short")];
        packet.extend_from_slice(topic.as_bytes());
        packet.extend(id.to_be_bytes());
        packet.extend_from_slice(payload.as_bytes());
        self.send(&packet);
    }

    /// Waits for a PUBACK: its packet identifier.
    pub fn acknowledged(&mut self) -> u16 {
        let body = self.next_of(4);
        u16::from_be_bytes([body[0], body[1]])
    }

    /// Waits for a PINGREQ and answers it.
    pub fn pinged(&mut self) {
        self.next_of(12);
        self.send(&[0xd0, 0]);
    }

    /// The body of the next packet of this kind; what comes before it is passed over.
    pub fn next_of(&mut self, kind: u8) -> Vec<u8> {
        loop {
            let (first, body) = self.packet();
            if first >> 4 == kind {
                return body;
            }
        }
    }

    /// The next packet: its first byte and its body.
    pub fn packet(&mut self) -> (u8, Vec<u8>) {
        let mut byte = [0];
        self.0.read_exact(&mut byte).expect("a packet");
        let kind = byte[0];
        let (mut length, mut shift) = (0, 0);
        loop {
            self.0.read_exact(&mut byte).expect("its length");
            length |= usize::from(byte[0] & 0x7f) << shift;
            shift += 7;
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("its body");
        (kind, body)
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("it reads");
    }
}
