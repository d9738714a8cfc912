//! The link between broker and service: a proxy that breaks it in every way, and notes each publish and PUBACK.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::super::support::wait::within;
use super::world::LIMIT;

/// What the link does to what passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    Pass,
    /// Half open: both sides may send, nothing arrives, nobody is told.
    Swallow,
    /// Nothing is read any more: windows fill.
    Stall,
    /// The next publish is cut in its middle.
    CutDown,
    /// The next PUBACK is.
    CutUp,
    /// No connection lasts.
    Refuse,
}

/// One message as the broker handed it over, however often it did.
#[derive(Debug, Clone, Copy)]
struct Instance {
    key: u64,
    /// When it was last handed over.
    handed: Instant,
    acknowledged: bool,
    /// Handed over once more after its PUBACK was seen.
    again: u64,
}

/// Everything seen on the link. There is one client at a time behind it.
#[derive(Debug, Default)]
pub struct Tap {
    instances: Vec<Instance>,
    by_id: HashMap<u16, usize>,
    pub publishes: u64,
    pub pubacks: u64,
}

/// What was seen of all messages with one content.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    pub instances: u64,
    pub acknowledged: u64,
    /// Handed over by a broker that has lived on, and never acknowledged.
    pub owed: u64,
    pub again: u64,
}

impl Tap {
    /// `since` is when the broker last began anew.
    pub fn seen(&self, since: Option<Instant>) -> HashMap<u64, Seen> {
        let mut all: HashMap<u64, Seen> = HashMap::new();
        for instance in &self.instances {
            let seen = all.entry(instance.key).or_default();
            seen.instances += 1;
            seen.acknowledged += u64::from(instance.acknowledged);
            let lives = since.is_none_or(|since| instance.handed > since);
            seen.owed += u64::from(lives && !instance.acknowledged);
            seen.again += instance.again;
        }
        all
    }

    /// Whether we have acknowledged a message of this content.
    pub fn acknowledged(&self, key: u64) -> bool {
        self.instances.iter().rev().any(|instance| instance.key == key && instance.acknowledged)
    }

    fn publish(&mut self, id: u16, dup: bool, key: u64) {
        self.publishes += 1;
        if let Some(instance) = self.by_id.get(&id).and_then(|at| self.instances.get_mut(*at))
            && dup
            && instance.key == key
        {
            instance.again += u64::from(instance.acknowledged);
            instance.handed = Instant::now();
            return;
        }
        self.by_id.insert(id, self.instances.len());
        self.instances.push(Instance { key, handed: Instant::now(), acknowledged: false, again: 0 });
    }

    fn puback(&mut self, id: u16) {
        self.pubacks += 1;
        if let Some(instance) = self.by_id.get(&id).and_then(|at| self.instances.get_mut(*at)) {
            instance.acknowledged = true;
        }
    }
}

/// What identifies a message's content in the tap.
pub fn key(topic: &[u8], payload: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (topic, payload).hash(&mut hasher);
    hasher.finish()
}

#[derive(Debug)]
struct State {
    server: SocketAddr,
    mode: AtomicU8,
    links: Mutex<Vec<TcpStream>>,
    tap: Mutex<Tap>,
    connections: AtomicU64,
    cuts: AtomicU64,
}

#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    state: Arc<State>,
}

impl Wire {
    pub fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(State {
            server,
            mode: AtomicU8::new(Mode::Pass as u8),
            links: Mutex::default(),
            tap: Mutex::default(),
            connections: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                shared.accept(client);
            }
        });
        Self { address, state }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections that were let through or swallowed.
    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Packets that were cut.
    pub fn cuts(&self) -> u64 {
        self.state.cuts.load(Ordering::SeqCst)
    }

    pub fn set(&self, mode: Mode) {
        self.state.mode.store(mode as u8, Ordering::SeqCst);
        if mode == Mode::Refuse {
            self.cut();
        }
    }

    /// Everything passes again. A link that lost bytes cannot go on.
    pub fn heal(&self) {
        let before = self.state.mode.swap(Mode::Pass as u8, Ordering::SeqCst);
        if before == Mode::Swallow as u8 {
            self.cut();
        }
    }

    /// Ends every link; new ones are let through.
    pub fn cut(&self) {
        for link in self.state.links.lock().expect("no panic").drain(..) {
            let _ = link.shutdown(Shutdown::Both);
        }
    }

    pub fn tap<T>(&self, look: impl FnOnce(&Tap) -> T) -> T {
        look(&self.state.tap.lock().expect("no panic"))
    }
}

impl State {
    fn is(&self, mode: Mode) -> bool {
        self.mode.load(Ordering::SeqCst) == mode as u8
    }

    /// The mode ends once it has struck; true for the one that it strikes.
    fn strikes(&self, mode: Mode) -> bool {
        let (mode, pass) = (mode as u8, Mode::Pass as u8);
        let struck = self.mode.compare_exchange(mode, pass, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        self.cuts.fetch_add(u64::from(struck), Ordering::SeqCst);
        struck
    }

    fn accept(self: &Arc<Self>, client: TcpStream) {
        if self.is(Mode::Refuse) {
            return;
        }
        let Ok(server) = TcpStream::connect(self.server) else { return };
        self.connections.fetch_add(1, Ordering::SeqCst);
        let twice = |end: &TcpStream| end.try_clone().expect("a second handle");
        self.links.lock().expect("no panic").extend([twice(&client), twice(&server)]);
        let five = Arc::new(AtomicBool::new(false));
        let (up, down) = ((twice(&client), twice(&server)), (server, client));
        let (one, other) = (Arc::clone(self), Arc::clone(self));
        let five_of_down = Arc::clone(&five);
        std::thread::spawn(move || one.pump(up, |packet| one.of_client(packet, &five)));
        std::thread::spawn(move || other.pump(down, |packet| other.of_broker(packet, &five_of_down)));
    }

    /// Passes whole packets on; `look` says whether this one is to be cut.
    fn pump(&self, (mut from, mut to): (TcpStream, TcpStream), mut look: impl FnMut(&[u8]) -> bool) {
        let (mut buffer, mut held) = ([0; 16 * 1024], Vec::new());
        'link: while let Ok(read @ 1..) = from.read(&mut buffer) {
            // Where it is never healed the test is over.
            let _ = within(LIMIT, || (!self.is(Mode::Stall)).then_some(()));
            if self.is(Mode::Swallow) {
                continue;
            }
            held.extend_from_slice(&buffer[..read]);
            while let Some((_, length)) = measure(&held) {
                let packet: Vec<u8> = held.drain(..length).collect();
                let cut = look(&packet);
                let passed = if cut { &packet[..length / 2] } else { &packet[..] };
                if to.write_all(passed).is_err() || cut {
                    break 'link;
                }
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }

    fn of_client(&self, packet: &[u8], five: &AtomicBool) -> bool {
        let body = body(packet);
        match packet[0] >> 4 {
            // The protocol's level stands behind its name.
            1 => five.store(body.get(6) == Some(&5), Ordering::SeqCst),
            4 => {
                let cut = self.strikes(Mode::CutUp);
                self.tap.lock().expect("no panic").puback(u16::from_be_bytes([body[0], body[1]]));
                return cut;
            }
            _ => {}
        }
        false
    }

    fn of_broker(&self, packet: &[u8], five: &AtomicBool) -> bool {
        if packet[0] >> 4 != 3 {
            return false;
        }
        if self.strikes(Mode::CutDown) {
            return true;
        }
        let body = body(packet);
        let (topic, rest) = body[2..].split_at(usize::from(u16::from_be_bytes([body[0], body[1]])));
        if packet[0] & 0b110 == 0 {
            return false;
        }
        let (id, rest) = (u16::from_be_bytes([rest[0], rest[1]]), &rest[2..]);
        let properties = if five.load(Ordering::SeqCst) {
            let (length, digits) = variable(rest).expect("the length of properties");
            length + digits
        } else {
            0
        };
        let dup = packet[0] & 0b1000 != 0;
        self.tap.lock().expect("no panic").publish(id, dup, key(topic, &rest[properties..]));
        false
    }
}

/// A variable byte integer and how many bytes it has; nothing while it is not whole.
fn variable(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (place, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((value, place + 1));
        }
    }
    None
}

/// Where the body of the first packet begins, and the packet's length; nothing while it is not whole.
fn measure(bytes: &[u8]) -> Option<(usize, usize)> {
    let (body, digits) = variable(bytes.get(1..)?)?;
    let length = 1 + digits + body;
    (bytes.len() >= length).then_some((1 + digits, length))
}

fn body(packet: &[u8]) -> &[u8] {
    let (at, _) = measure(packet).expect("a whole packet");
    &packet[at..]
}

/// The tap is a witness of every row, so it is tested on its own.
#[test]
fn the_tap_tells_a_redelivery_from_another_message_of_the_same_content() {
    let mut tap = Tap::default();
    let (one, other) = (key(b"t", b"1"), key(b"t", b"2"));
    tap.publish(1, false, one);
    tap.publish(2, false, one);
    tap.puback(1);
    tap.publish(1, true, one);
    tap.publish(2, true, one);
    tap.publish(1, false, other);
    tap.puback(1);
    // The first that is seen of a message may be a repeat of one that never came through.
    tap.publish(9, true, other);
    let seen = tap.seen(None);
    let of = |key| (seen[&key].instances, seen[&key].acknowledged, seen[&key].again);
    assert_eq!((of(one), of(other)), ((2, 1, 1), (2, 1, 0)));
    assert_eq!((tap.publishes, tap.pubacks), (6, 2));
    let owed = |since| tap.seen(since).values().map(|seen| seen.owed).sum::<u64>();
    assert_eq!((owed(None), owed(Some(Instant::now()))), (2, 0), "a broker that is gone owes them itself");
}
