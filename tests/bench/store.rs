//! The embedded store: how fast it takes points, and how fast it gives a day of one series out of many points.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nadikota::batch::Batch;
use nadikota::clock::Clock;
use nadikota::line_protocol;
use nadikota::message::Record;
use nadikota::mqtt::publish::Publisher;
use nadikota::sink::{LineVerdict, embedded};
use nadikota::status::Board;
use nadikota::transform::State;
use tokio_util::sync::CancellationToken;

use super::Scale;
use super::load::{self, Load};
use super::memory::{cpu, peak};
use super::report::{Median, Report, short};
use super::support::nadikota::Nadikota;
use super::support::wait::{free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(600);

/// One connection has one message per sync (decision 006), so there are as many as a small site has devices.
const CONNECTIONS: usize = 64;
/// Publishes without a PUBACK on each.
const WINDOW: usize = 20;
/// How often a device is heard, in milliseconds: so 1,250 points of it are over eight days.
const STEP: i64 = 600_000;
const DAY: i64 = 86_400_000;
/// Devices whose day is read.
const READ: usize = 100;

pub fn measure(scale: Scale, report: &mut Report) {
    let (count, devices) = (scale.of(5_000_u64, 1_250_000), 1_000);
    let alone = alone(scale, devices);
    let dir = tempfile::tempdir().expect("a directory");
    let [listen] = free_addresses();
    let rest = format!("[broker]\nlisten = \"{listen}\"\n[[destinations]]\nkind = \"embedded\"\n");
    let nadikota = Nadikota::start_alone(&load::configuration(dir.path(), devices, &rest));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let span = i64::try_from(count / devices as u64).expect("few") * STEP;
    let since = jiff::Timestamp::now().as_millisecond() - span - STEP;
    let begin = Instant::now();
    publish(listen, count, devices, since);
    poll_until(LIMIT, "all is stored", || {
        let stored = nadikota.health()?["account"]["stored"].as_u64()?;
        (stored >= count).then_some(())
    });
    let seconds = begin.elapsed().as_secs_f64();
    let (micros, peak) = (cpu(nadikota.id()) * 1e6 / count as f64, peak(nadikota.id()));
    // With its companions, which hold what it has not taken in yet.
    let files = ["", "-wal", "-shm"].map(|end| nadikota.data_dir().join(format!("{}{end}", embedded::FILE)));
    let size: u64 = files.iter().filter_map(|file| Some(std::fs::metadata(file).ok()?.len())).sum();
    // A day in the middle of what is there, of devices all over the registry.
    let from = since + ((span - DAY) / 2).max(0);
    let mut days = (0..READ).map(|number| {
        let device = format!("AQ-{:04}", number * devices / READ);
        let begin = Instant::now();
        let (points, values) = day(&nadikota.data_dir(), &device, from);
        assert!(points > 0, "the series is there");
        (begin.elapsed().as_secs_f64() * 1000.0, points, values)
    });
    let (first, points, values) = days.next().expect("a day");
    let read = Median::of(days.map(|(millis, ..)| millis).chain([first]).collect());
    report.title(
        "The embedded store",
        &format!(
            "{CONNECTIONS} connections publish to the embedded broker, 8 values a message, each stored with its flag and \
             with the delay. Each device is heard once in ten minutes of told time."
        ),
    );
    report.table(
        &["", ""],
        &[
            vec!["the store alone, given batches of 2,500".to_owned(), alone.told("msg/s")],
            vec![
                "from the first publish to the last stored".to_owned(),
                format!("{} msg/s", short(count as f64 / seconds)),
            ],
            vec!["CPU of the service for each message".to_owned(), format!("{} µs", short(micros))],
            vec!["its peak memory".to_owned(), format!("{} MiB", short(peak))],
            vec![
                format!(
                    "one day of one device of {devices} ({points} points, {values} values) out of {:.1} days with {} \
                     points, each of 8 measured values: {} of these; the median of {READ} devices",
                    span as f64 / DAY as f64,
                    short(count as f64),
                    short(count as f64 * 8.0),
                ),
                read.told("ms"),
            ],
            vec![
                "the file and its companions, for each message".to_owned(),
                format!("{} bytes", short(size as f64 / count as f64)),
            ],
        ],
    );
}

/// Reads as `export` does: how many points and values there are of the device in the day from then on.
fn day(dir: &std::path::Path, device: &str, from_ms: i64) -> (usize, usize) {
    let reader = embedded::Reader::open(dir).expect("the store");
    let (from, to) = (from_ms * 1_000_000, (from_ms + DAY) * 1_000_000);
    let mut pages = embedded::Pages::new(&reader, from, to, None, Some(device.to_owned())).expect("pages");
    let (mut points, mut found) = (Vec::new(), (0, 0));
    while pages.next_page(&mut points).expect("a page") {
        let values = points.drain(..).map(|point| point.fields.len());
        found = values.fold(found, |(points, all), values| (points + 1, all + values));
    }
    found
}

/// Writes batches as a delivery does, with nothing else at work; batches of 1 MiB, the default.
fn alone(scale: Scale, devices: usize) -> Median {
    let (batches, lines) = (scale.of(2, 100), 2_500);
    let dir = tempfile::tempdir().expect("a directory");
    let transform = load::transform(dir.path(), devices);
    let part = Board::new(Clock::System).part("store");
    let store = embedded::Store::open(dir.path(), None, Clock::System, part).expect("a store");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (mut load, mut state, mut points) = (Load::new(devices), State::default(), Vec::new());
    let mut round = || {
        let mut spent = Duration::ZERO;
        for _ in 0..batches {
            let (mut batch, mut line) = (Batch::default(), Vec::new());
            for seq in 0..lines {
                let (topic, payload) = load.message();
                let received = jiff::Timestamp::now().as_nanosecond() as i64;
                let message = super::parts::message(topic, payload);
                points.clear();
                transform.apply(
                    &Record { seq, received, clock_suspect: false, message },
                    &mut state,
                    &mut points,
                );
                for point in &points {
                    line.clear();
                    line_protocol::write(point, &mut line);
                    batch.push(&line, 0);
                }
            }
            let begin = Instant::now();
            let verdicts =
                runtime.block_on(store.deliver(&batch, &CancellationToken::new())).expect("stored");
            spent += begin.elapsed();
            assert!(verdicts.iter().all(|verdict| *verdict == LineVerdict::Stored), "all lines are good");
        }
        (batches * lines) as f64 / spent.as_secs_f64()
    };
    Median::of((0..scale.rounds()).map(|_| round()).collect())
}

/// Each device publishes over one and the same connection.
fn publish(broker: SocketAddr, count: u64, devices: usize, since: i64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let queues = (0..CONNECTIONS).map(|_| VecDeque::new()).collect();
    let city = Rc::new(RefCell::new(City {
        load: Load::from(devices, since, STEP),
        left: count,
        device: 0,
        devices,
        queues,
    }));
    let local = tokio::task::LocalSet::new();
    for connection in 0..CONNECTIONS {
        local.spawn_local(client(broker, connection, Rc::clone(&city)));
    }
    runtime.block_on(local);
    assert_eq!(city.borrow().left, 0, "all is published");
}

struct City {
    load: Load,
    left: u64,
    device: usize,
    devices: usize,
    queues: Vec<VecDeque<(String, String)>>,
}

impl City {
    fn next(&mut self, connection: usize) -> Option<(String, String)> {
        while self.queues[connection].is_empty() && self.left > 0 {
            self.left -= 1;
            self.queues[self.device % CONNECTIONS].push_back(self.load.message());
            self.device = (self.device + 1) % self.devices;
        }
        self.queues[connection].pop_front()
    }
}

async fn client(broker: SocketAddr, connection: usize, city: Rc<RefCell<City>>) {
    let options = super::support::city::client(broker, &format!("load-{connection}"));
    let mut publisher = Publisher::new(&options, WINDOW as u16);
    let next = || city.borrow_mut().next(connection);
    while let Some((topic, payload)) = next() {
        while publisher.outstanding() >= WINDOW {
            publisher.poll().await.expect("the broker stays");
        }
        assert!(publisher.try_publish(0, &topic, payload.into_bytes(), false), "the window has room");
    }
    while publisher.outstanding() > 0 {
        publisher.poll().await.expect("the broker stays");
    }
}
