//! What the live page costs: the service's CPU time with no page open, with one, and with many.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Scale;
use super::load;
use super::memory::cpu;
use super::puback::Publishing;
use super::report::{Median, Report, short};
use super::sink::Sink;
use super::support::http;
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::wait::poll_until;

const LIMIT: Duration = Duration::from_secs(60);
const RATE: u32 = 2_000;
const DEVICES: usize = 200;
/// The more pages, the less the machine's noise counts in the cost of each.
const PAGES: [usize; 4] = [0, 1, 5, 20];
/// What the page does beside listening (`src/http/page/page.js`).
const LATEST: &str = "/api/latest?limit=200";
const LATEST_EVERY: Duration = Duration::from_secs(3);

pub fn measure(scale: Scale, report: &mut Report) {
    let window = Duration::from_secs(scale.of(1, 8));
    let (broker, sink) = (Mosquitto::start(""), Sink::start(Duration::ZERO));
    let dir = tempfile::tempdir().expect("a directory");
    let rest = format!("{}{}", load::mqtt(broker.address(), "nadikota"), load::influx2(sink.address));
    let nadikota = Nadikota::start_alone(&load::configuration(dir.path(), DEVICES, &rest));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let steps = u32::try_from(scale.rounds() * PAGES.len()).expect("few");
    let load = Publishing::start(broker.address(), RATE, DEVICES, (window + Duration::from_secs(2)) * steps);
    poll_until(LIMIT, "all devices were heard", || {
        let latest: serde_json::Value =
            serde_json::from_str(&http::get(nadikota.http(), LATEST).ok()?.body).ok()?;
        (latest["found"].as_u64()? >= DEVICES as u64).then_some(())
    });
    let mut shares: [Vec<f64>; PAGES.len()] = Default::default();
    for _ in 0..scale.rounds() {
        for (at, count) in PAGES.into_iter().enumerate() {
            let pages: Vec<_> = (0..count).map(|_| Page::open(nadikota.http())).collect();
            poll_until(LIMIT, "each page shows something", || {
                pages.iter().all(|page| page.frames() > 0).then_some(())
            });
            let (begin, before) = (Instant::now(), cpu(nadikota.id()));
            std::thread::sleep(window);
            shares[at].push((cpu(nadikota.id()) - before) / begin.elapsed().as_secs_f64() * 100.0);
            let told = pages.into_iter().map(Page::close).min();
            let least = window.as_secs() / 2;
            assert!(
                told.is_none_or(|frames| frames >= least),
                "a page was told {told:?} times in {window:?}"
            );
        }
    }
    let published = load.join();
    let differences = |at: usize| -> Vec<f64> {
        shares[at].iter().zip(&shares[0]).map(|(with, without)| with - without).collect()
    };
    let rows = PAGES.iter().enumerate().map(|(at, pages)| {
        let (mut more, mut each) = (String::new(), String::new());
        if at > 0 {
            let difference = Median::of(differences(at));
            more = difference.told("%");
            each = format!("{} %", short(difference.value / *pages as f64));
        }
        vec![pages.to_string(), Median::of(shares[at].clone()).told("%"), more, each]
    });
    report.title(
        "The live page",
        &format!(
            "The service at {} msg/s of {DEVICES} devices, {} sent. A page listens to the events, and asks for the latest \
             values of 200 devices every {} s. CPU time in % of one core.",
            short(f64::from(RATE)),
            short(published.sent as f64),
            LATEST_EVERY.as_secs(),
        ),
    );
    report
        .table(&["pages open", "nadikota", "more than without", "for each page"], &rows.collect::<Vec<_>>());
}

/// A client that does what the page does.
struct Page {
    stop: Arc<AtomicBool>,
    frames: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Page {
    fn open(address: SocketAddr) -> Self {
        let (stop, frames) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&frames));
        let thread = std::thread::spawn(move || look(address, &stopped, &counted));
        Self { stop, frames, thread }
    }

    fn frames(&self) -> u64 {
        self.frames.load(Ordering::SeqCst)
    }

    /// How often it was told something.
    fn close(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().expect("the page");
        self.frames.load(Ordering::SeqCst)
    }
}

fn look(address: SocketAddr, stop: &AtomicBool, frames: &AtomicU64) {
    let (mut chunk, mut latest) = (vec![0; 1 << 16], None::<Instant>);
    // The service ends each stream after a while.
    while !stop.load(Ordering::SeqCst) {
        let mut stream = TcpStream::connect(address).expect("the service");
        stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a time limit");
        write!(stream, "GET /api/events HTTP/1.1\r\nHost: {address}\r\n\r\n").expect("a request");
        while !stop.load(Ordering::SeqCst) {
            match stream.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => {
                    let told = String::from_utf8_lossy(&chunk[..read]).matches("data: {").count();
                    frames.fetch_add(told as u64, Ordering::SeqCst);
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => panic!("the stream of events: {error}"),
            }
            if latest.is_none_or(|at| at.elapsed() >= LATEST_EVERY) {
                latest = Some(Instant::now());
                assert_eq!(http::get(address, LATEST).expect("an answer").status, 200);
            }
        }
    }
}
