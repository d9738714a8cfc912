//! The time to the PUBACK, with a fast database, a slow one, and none: it must not feel the difference.

use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nadikota::mqtt::publish::Publisher;

use super::Scale;
use super::load::{self, Load};
use super::report::{Report, short};
use super::sink::Sink;
use super::support::city;
use super::support::nadikota::Nadikota;
use super::support::wait::{free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(60);
const WINDOW: u16 = 1000;

/// A publisher at work in a thread.
pub struct Publishing(JoinHandle<Published>);

/// What it saw.
#[derive(Debug, Default)]
pub struct Published {
    pub sent: u64,
    /// Seconds to each PUBACK, in order of size.
    pub latencies: Vec<f64>,
}

impl Published {
    /// In milliseconds.
    pub fn percentile(&self, share: f64) -> f64 {
        let at = ((self.latencies.len() as f64 * share) as usize).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).map_or(f64::NAN, |seconds| seconds * 1000.0)
    }
}

impl Publishing {
    /// `rate` a second on an absolute schedule, for so long; the broker's window is never waited for beyond it.
    pub fn start(broker: SocketAddr, rate: u32, devices: usize, length: Duration) -> Self {
        Self(std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(publish(broker, rate, devices, length))
        }))
    }

    pub fn join(self) -> Published {
        self.0.join().expect("the publisher")
    }
}

async fn publish(broker: SocketAddr, rate: u32, devices: usize, length: Duration) -> Published {
    let mut publisher = Publisher::new(&city::client(broker, "load"), WINDOW);
    let mut load = Load::new(devices);
    let mut published = Published::default();
    let mut began: Vec<Instant> = Vec::new();
    publisher.poll().await.expect("the broker stays");
    let begin = Instant::now();
    while begin.elapsed() < length || publisher.outstanding() > 0 {
        let due = (begin.elapsed().min(length).as_secs_f64() * f64::from(rate)) as u64;
        while published.sent < due && publisher.outstanding() < usize::from(WINDOW) {
            let (topic, payload) = load.message();
            if !publisher.try_publish(published.sent, &topic, payload.into_bytes(), false) {
                break;
            }
            began.push(Instant::now());
            published.sent += 1;
        }
        let waited = tokio::time::timeout(Duration::from_millis(1), publisher.poll()).await;
        if let Ok(ticket) = waited
            && let Some(ticket) = ticket.expect("the broker stays")
        {
            published.latencies.push(began[ticket as usize].elapsed().as_secs_f64());
        }
    }
    published.latencies.sort_by(f64::total_cmp);
    published
}

pub fn measure(scale: Scale, report: &mut Report) {
    let (rate, length) = (2_000, Duration::from_secs(scale.of(1, 15)));
    let [nowhere] = free_addresses();
    let places = [
        ("answers at once", Sink::start(Duration::ZERO).address),
        ("takes 2 s for each write", Sink::start(Duration::from_secs(2)).address),
        ("is away", nowhere),
    ];
    let mut rows = Vec::new();
    let mut base = 0.0;
    for (name, address) in places {
        let dir = tempfile::tempdir().expect("a directory");
        let [listen] = free_addresses();
        let rest = format!("[broker]\nlisten = \"{listen}\"\n{}", load::influx2(address));
        let nadikota = Nadikota::start_alone(&load::configuration(dir.path(), 200, &rest));
        poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
        let published = Publishing::start(listen, rate, 200, length).join();
        let p99 = published.percentile(0.99);
        if base == 0.0 {
            base = p99;
        }
        rows.push(vec![
            name.to_owned(),
            format!("{} msg/s", short(published.sent as f64 / length.as_secs_f64())),
            format!("{} ms", short(published.percentile(0.5))),
            format!("{} ms", short(p99)),
            format!("{:.2}", p99 / base),
        ]);
    }
    report.title(
        "The time to the PUBACK",
        "Devices publish to the embedded broker, whose PUBACK waits for our disk. What the database does must not be felt.",
    );
    report.table(&["the database", "rate", "p50", "p99", "p99 of that with a fast one"], &rows);
}
