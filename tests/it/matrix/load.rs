//! The load of the matrix: the city, with equal payloads on purpose, two values at one second, and poison.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nadikota::clock::Clock;
use nadikota::outcome::Reason;
use nadikota::simulate::publisher::{self, Plan};
use nadikota::simulate::sender::{self, Break};
use nadikota::simulate::{City, Expectation, ExpectedPoint, ExpectedTime, Log, Publish};
use tokio_util::sync::CancellationToken;

use super::super::support::city;
use super::wire;

const SECOND: i64 = 1_000_000_000;
/// The second at which the device with two values begins, so long ago.
const AGO: i64 = 20 * 86_400;

/// What the load has beside the city.
#[derive(Debug, Clone, Copy)]
pub struct Mix {
    /// The same payload again and again: nothing tells one message from another.
    pub steady: bool,
    /// A device whose clock has seconds sends two values in one.
    pub twice: bool,
    /// Messages that the database refuses, and one in how many; finding each costs several requests.
    pub poison: bool,
    pub poison_every: u64,
}

/// Makes the load, message by message.
#[derive(Debug)]
struct Mixture {
    city: City,
    mix: Mix,
    made: u64,
    twice: i64,
    began: Option<i64>,
}

impl Mixture {
    fn next(&mut self, now: i64) -> Publish {
        self.made += 1;
        let began = *self.began.get_or_insert(now.div_euclid(SECOND) - AGO);
        if self.mix.poison && self.made % self.mix.poison_every == 17 {
            let second = began + self.made.cast_signed();
            return river("racun-01", second, 61.0, Some(Reason::RefusedByDatabase));
        }
        match self.made % 20 {
            3 | 13 if self.mix.steady => steady(),
            6 | 7 if self.mix.twice => {
                let second = began + self.twice;
                self.twice += self.made.cast_signed() % 2;
                let level = if self.made % 20 == 6 { 60.25 } else { 60.5 };
                river("ganda-01", second, level, None)
            }
            _ => self.city.next(now),
        }
    }
}

fn steady() -> Publish {
    let fields = vec![("laeq_dba".to_owned(), 55.5), ("laeq_dba_qc".to_owned(), 1.0)];
    let point = ExpectedPoint {
        measurement: "noise",
        device: "tetap-01".into(),
        time: ExpectedTime::Receive,
        fields,
    };
    publish("city/pasuruan/purworejo/tetap-01/laeq", "55.5".to_owned(), stored(point))
}

fn river(device: &str, second: i64, level: f64, refused: Option<Reason>) -> Publish {
    let poison = if refused.is_some() { ",\"racun\":1" } else { "" };
    let payload = format!("{{\"ts\":{second},\"level_cm\":{level},\"battery_v\":12.5{poison}}}");
    let fields = vec![
        ("water_level_m".to_owned(), level / 100.0),
        ("water_level_m_qc".to_owned(), 1.0),
        ("battery_v".to_owned(), 12.5),
        ("battery_v_qc".to_owned(), 1.0),
    ];
    let time = ExpectedTime::Told(second * SECOND);
    let point = ExpectedPoint { measurement: "water_level", device: device.into(), time, fields };
    let expectation = refused.map_or_else(|| stored(point), Expectation::Quarantined);
    publish(&format!("city/pasuruan/purworejo/{device}/level"), payload, expectation)
}

fn stored(point: ExpectedPoint) -> Expectation {
    Expectation::Points { points: vec![point], rest: None }
}

fn publish(topic: &str, payload: String, expectation: Expectation) -> Publish {
    let (topic, payload) = (topic.to_owned(), payload.into_bytes());
    Publish { topic, payload, qos: 1, retain: false, misbehaviour: None, expectation }
}

/// Line protocol that makes the database refuse every poison message: it holds text in the field of their number.
pub fn preparation() -> String {
    let now = Clock::System.now();
    // A conflict counts within one shard of seven days.
    let line = |week: i64| {
        format!("water_level,device=racun-00 racun=\"text\" {}\n", now + week * 7 * 86_400 * SECOND)
    };
    (-6..=1).map(line).collect()
}

/// What was published, as the publisher knows it.
#[derive(Debug, Default)]
pub struct Published {
    pub log: Log,
    /// The content of each publish as the tap of the wire calls it, by ticket.
    pub keys: Vec<u64>,
}

/// A publisher at work on a thread of its own, straight at the broker: no fault of the link is its own.
#[derive(Debug)]
pub struct Load {
    thread: JoinHandle<Published>,
    stop: CancellationToken,
    sent: Arc<AtomicU64>,
}

impl Load {
    pub fn start(broker: SocketAddr, seed: u64, mix: Mix, rate: u32, count: Option<u64>) -> Self {
        let (stop, sent) = (CancellationToken::new(), Arc::<AtomicU64>::default());
        let (stopped, counted) = (stop.clone(), Arc::clone(&sent));
        let thread = std::thread::spawn(move || {
            let mut mixture = Mixture { city: city::city(seed), mix, made: 0, twice: 0, began: None };
            let mut published = Published::default();
            let Published { log, keys } = &mut published;
            let plan = Plan { rate: Some(rate), count, window: 100, patience: Duration::from_secs(60) };
            let note = publisher::record(log, |publish: &Publish| {
                keys.push(wire::key(publish.topic.as_bytes(), &publish.payload));
                counted.fetch_add(1, Ordering::SeqCst);
            });
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let client = city::client(broker, "beban");
            let run = sender::run(
                |now| mixture.next(now),
                &client,
                plan,
                Break::Resend,
                &Clock::System,
                &stopped,
                note,
            );
            runtime.block_on(run).expect("a broker at the beginning");
            published
        });
        Self { thread, stop, sent }
    }

    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    /// Ends publishing and waits for the PUBACKs of what was sent.
    pub fn end(self) -> Published {
        self.stop.cancel();
        self.thread.join().expect("the publisher")
    }
}
