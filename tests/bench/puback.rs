//! The time to the PUBACK, with a fast database, a slow one, and none: it must not feel the difference.

use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nadikota::mqtt::publish::Publisher;

use super::Scale;
use super::load::{self, Load};
use super::report::{Median, Report, short};
use super::sink::Sink;
use super::support::city;
use super::support::nadikota::Nadikota;
use super::support::wait::{free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(60);
const WINDOW: u16 = 1000;
const DEVICES: usize = 200;
/// One connection has one message per sync (decision 006): a single one would measure the disk alone.
const CONNECTIONS: u32 = 20;

/// Publishers at work, each in a thread.
pub struct Publishing(Vec<JoinHandle<Published>>);

/// What it saw.
#[derive(Debug, Default)]
pub struct Published {
    pub sent: u64,
    /// From the first publish until all was acknowledged.
    pub seconds: f64,
    /// Seconds to each PUBACK from when its message was due, in order of size: a publisher that is held up does not
    /// hide it.
    pub latencies: Vec<f64>,
    /// How late each message left, in order of size.
    pub late: Vec<f64>,
}

/// In milliseconds.
fn percentile(seconds: &[f64], share: f64) -> f64 {
    let at = ((seconds.len() as f64 * share) as usize).min(seconds.len().saturating_sub(1));
    seconds.get(at).map_or(f64::NAN, |seconds| seconds * 1000.0)
}

/// Of each round a percentile, told as the median of the rounds.
pub fn told(rounds: &[Published], share: f64) -> Median {
    Median::of(rounds.iter().map(|round| round.percentile(share)).collect())
}

impl Published {
    /// In milliseconds.
    pub fn percentile(&self, share: f64) -> f64 {
        percentile(&self.latencies, share)
    }
}

impl Publishing {
    /// `rate` a second on an absolute schedule, for so long; the broker's window is never waited for beyond it.
    pub fn start(broker: SocketAddr, rate: u32, devices: usize, length: Duration) -> Self {
        Self::by_many(1, broker, rate, devices, length)
    }

    /// The same over several connections, each with its share of the rate.
    pub fn by_many(
        connections: u32,
        broker: SocketAddr,
        rate: u32,
        devices: usize,
        length: Duration,
    ) -> Self {
        let start = |number| {
            std::thread::spawn(move || {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                let name = format!("load-{number}");
                runtime.block_on(publish(&name, broker, rate / connections, devices, length))
            })
        };
        Self((0..connections).map(start).collect())
    }

    /// What all of them saw.
    pub fn join(self) -> Published {
        let mut all = Published::default();
        for one in self.0 {
            let one = one.join().expect("the publisher");
            all.sent += one.sent;
            all.seconds = all.seconds.max(one.seconds);
            all.latencies.extend(one.latencies);
            all.late.extend(one.late);
        }
        all.latencies.sort_by(f64::total_cmp);
        all.late.sort_by(f64::total_cmp);
        all
    }
}

async fn publish(name: &str, broker: SocketAddr, rate: u32, devices: usize, length: Duration) -> Published {
    let mut publisher = Publisher::new(&city::client(broker, name), WINDOW);
    let mut load = Load::new(devices);
    let mut published = Published::default();
    let step = Duration::from_secs(1) / rate;
    publisher.poll().await.expect("the broker stays");
    let begin = Instant::now();
    while begin.elapsed() < length || publisher.outstanding() > 0 {
        let due = (begin.elapsed().min(length).as_secs_f64() * f64::from(rate)) as u64;
        while published.sent < due && publisher.outstanding() < usize::from(WINDOW) {
            let (topic, payload) = load.message();
            if !publisher.try_publish(published.sent, &topic, payload.into_bytes(), false) {
                break;
            }
            published.sent += 1;
            published.late.push((begin + step * published.sent as u32).elapsed().as_secs_f64());
        }
        let waited = tokio::time::timeout(Duration::from_millis(1), publisher.poll()).await;
        if let Ok(ticket) = waited
            && let Some(ticket) = ticket.expect("the broker stays")
        {
            let due = begin + step * (ticket as u32 + 1);
            published.latencies.push(due.elapsed().as_secs_f64());
        }
    }
    published.seconds = begin.elapsed().as_secs_f64();
    published.latencies.sort_by(f64::total_cmp);
    published.late.sort_by(f64::total_cmp);
    published
}

pub fn measure(scale: Scale, report: &mut Report) {
    let (rate, length) = (2_000, Duration::from_secs(scale.of(1, 10)));
    let [nowhere] = free_addresses();
    let places = [
        ("answers at once", Sink::start(Duration::ZERO).address),
        ("takes 2 s for each write", Sink::start(Duration::from_secs(2)).address),
        ("is away", nowhere),
    ];
    let mut rounds: [Vec<Published>; 3] = Default::default();
    for _ in 0..scale.rounds() {
        for ((_, address), rounds) in places.iter().zip(&mut rounds) {
            let dir = tempfile::tempdir().expect("a directory");
            let [listen] = free_addresses();
            let rest = format!("[broker]\nlisten = \"{listen}\"\n{}", load::influx2(*address));
            let nadikota = Nadikota::start_alone(&load::configuration(dir.path(), DEVICES, &rest));
            poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
            rounds.push(Publishing::by_many(CONNECTIONS, listen, rate, DEVICES, length).join());
        }
    }
    let base = told(&rounds[0], 0.99).value;
    let rows = places.iter().zip(&rounds).map(|((name, _), rounds)| {
        let sent = rounds.iter().map(|round| round.sent as f64 / round.seconds).collect();
        let late = rounds.iter().map(|round| percentile(&round.late, 0.99)).collect();
        vec![
            (*name).to_owned(),
            Median::of(sent).told("msg/s"),
            told(rounds, 0.5).told("ms"),
            told(rounds, 0.99).told("ms"),
            format!("{:.2}", told(rounds, 0.99).value / base),
            Median::of(late).told("ms"),
        ]
    });
    report.title(
        "The time to the PUBACK",
        &format!(
            "Devices publish to the embedded broker, whose PUBACK waits for our disk; the time counts from when a message \
             was due, so a publisher that is held up counts too. What the database does must not be felt. {} msg/s asked for over {CONNECTIONS} connections, {} rounds of {} s.",
            short(f64::from(rate)),
            scale.rounds(),
            length.as_secs(),
        ),
    );
    report.table(
        &[
            "the database",
            "acknowledged",
            "p50",
            "p99",
            "p99 of that with a fast one",
            "the publisher itself late, p99",
        ],
        &rows.collect::<Vec<_>>(),
    );
}
