//! Start with a full journal, and what a message costs when there are many.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nadikota::clock::Clock;
use nadikota::journal::disk::RealDisk;
use nadikota::journal::{self, Journal, cursor};
use nadikota::message::Message;
use nadikota::status::Board;
use rustix::fs::{Advice, fadvise};

use super::Scale;
use super::load::{self, Load};
use super::memory::cpu;
use super::parts::message;
use super::report::{Median, Report, short};
use super::sink::Sink;
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::wait::poll_until;

const LIMIT: Duration = Duration::from_secs(900);
const DEVICES: usize = 200;

pub fn measure(scale: Scale, report: &mut Report) {
    let large: u64 = scale.of(2 << 20, 2 << 30);
    let small: u64 = scale.of(1 << 20, 128 << 20);
    // The first messages pay for the start.
    let (passed, each) = scale.of((500, 2_000), (50_000, 400_000));
    let mut without = Vec::new();
    for _ in 0..scale.of(1, 5) {
        let mut nadikota = Backlog::of(small);
        without.extend(nadikota.deliver(passed, each).cost);
    }
    let mut nadikota = Backlog::of(large);
    let reads = nadikota.reads();
    let with = nadikota.deliver(passed, each);
    assert!(nadikota.service.stop(LIMIT).success(), "{}", nadikota.service.output());
    nadikota.forget_pages();
    let begin = Instant::now();
    nadikota.service.restart();
    poll_until(LIMIT, "nadikota is ready", || nadikota.service.ready().then_some(()));
    let ready_kept = begin.elapsed();
    let (without, cost) = (Median::of(without), Median::of(with.cost));
    report.title(
        "Starting, and a large backlog",
        &format!(
            "A journal of {} MiB, {} messages, read from the disk; beside it one of {} MiB. CPU per message from the \
             files to the database's answer, over stretches of {} messages.",
            short(large as f64 / 1048576.0),
            short(nadikota.count as f64),
            short(small as f64 / 1048576.0),
            short(each as f64),
        ),
    );
    let told = |name: &str, figure: String| vec![name.to_owned(), figure];
    report.table(
        &["", ""],
        &[
            told("ready, all of it undelivered", format!("{} s", short(with.ready.as_secs_f64()))),
            told("ready, all of it delivered and kept", format!("{} s", short(ready_kept.as_secs_f64()))),
            told(
                "one read of 512 messages, which holds a worker thread",
                format!(
                    "p50 {} ms, p99 {} ms, longest {} ms",
                    short(reads[reads.len() / 2] * 1000.0),
                    short(reads[reads.len() * 99 / 100] * 1000.0),
                    short(reads[reads.len() - 1] * 1000.0)
                ),
            ),
            told("delivered from the files", format!("{} msg/s", short(with.rate))),
            told("CPU per message, small backlog", without.told("µs")),
            told("CPU per message, large backlog", cost.told("µs")),
            told("of that with a small one", format!("{:.2}", cost.value / without.value)),
        ],
    );
}

struct Backlog {
    service: Nadikota,
    count: u64,
    _broker: Mosquitto,
    _dir: tempfile::TempDir,
}

struct Delivered {
    ready: Duration,
    /// Messages a second.
    rate: f64,
    /// CPU of each stretch, in microseconds a message.
    cost: Vec<f64>,
}

impl Backlog {
    /// A service that was stopped, with a journal of so many bytes that the journal itself has written.
    fn of(bytes: u64) -> Self {
        let (broker, dir, sink) =
            (Mosquitto::start(""), tempfile::tempdir().expect("a directory"), Sink::start(Duration::ZERO));
        let rest = format!(
            "[journal]\nkeep_size = \"8 GiB\"\nmin_free = \"0 B\"\n{}{}",
            load::mqtt(broker.address(), "nadikota"),
            load::influx2(sink.address)
        );
        let mut service = Nadikota::start_alone(&load::configuration(dir.path(), DEVICES, &rest));
        assert!(service.stop(LIMIT).success(), "{}", service.output());
        let data = service.data_dir();
        let count = fill(&data.join("journal"), bytes);
        // As a service that is killed leaves it: all but the newest are known to be acknowledged.
        let mut left = cursor::load(&data).expect("a cursor").unwrap_or_default();
        left.known_floor = count;
        cursor::save(&left, &data, &RealDisk).expect("a cursor");
        Self { service, count, _broker: broker, _dir: dir }
    }

    fn number(&self, name: &str) -> u64 {
        self.service.health().and_then(|health| health["account"][name].as_u64()).unwrap_or(0)
    }

    fn deliver(&mut self, passed: u64, each: u64) -> Delivered {
        self.forget_pages();
        let begin = Instant::now();
        self.service.restart();
        poll_until(LIMIT, "nadikota is ready", || self.service.ready().then_some(()));
        let ready = begin.elapsed();
        let mut cost = Vec::new();
        let reach = |goal: u64| {
            poll_until(LIMIT, "messages are stored", || {
                let stored = self.number("stored");
                (stored >= goal).then(|| (stored, cpu(self.service.id())))
            })
        };
        let mut from = reach(passed);
        while from.0 + each <= self.count {
            let to = reach(from.0 + each);
            cost.push((to.1 - from.1) * 1e6 / (to.0 - from.0) as f64);
            from = to;
        }
        reach(self.count);
        Delivered { ready, rate: self.count as f64 / begin.elapsed().as_secs_f64(), cost }
    }

    /// How long each read took from the first message to the last, in order of size, in seconds.
    fn reads(&self) -> Vec<f64> {
        self.forget_pages();
        let (journal, _writer) = open(&self.service.data_dir().join("journal"));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let (mut reader, mut seen, mut reads) = (journal.reader(1), 0, Vec::new());
            while seen < self.count {
                let begin = Instant::now();
                seen += reader.next(512).await.expect("messages").len() as u64;
                reads.push(begin.elapsed().as_secs_f64());
            }
            reads.sort_by(f64::total_cmp);
            reads
        })
    }

    /// The system forgets what it holds of the files, so that they come from the disk.
    fn forget_pages(&self) {
        let entries = std::fs::read_dir(self.service.data_dir().join("journal")).expect("the journal");
        for entry in entries.flatten() {
            let file = std::fs::File::open(entry.path()).expect("a segment");
            fadvise(&file, 0, None, Advice::DontNeed).expect("advice");
        }
    }
}

fn open(dir: &Path) -> (Journal, journal::Writer) {
    let config = journal::Config { min_free: Some(0), ..journal::Config::default() };
    let part = Board::new(Clock::System).part("journal");
    let opened = journal::open(dir, &config, Arc::new(RealDisk), Clock::System, 1, part);
    let (journal, writer, _) = opened.expect("a journal");
    (journal, writer)
}

/// Appends until the journal has so many bytes; gives the count of messages.
fn fill(dir: &Path, bytes: u64) -> u64 {
    let (journal, writer) = open(dir);
    let writing = std::thread::spawn(move || writer.run());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let count = runtime.block_on(append(&journal, bytes));
    journal.close();
    drop(journal);
    writing.join().expect("the writer");
    count
}

async fn append(journal: &Journal, bytes: u64) -> u64 {
    let (mut load, mut pending, mut count) = (Load::new(DEVICES), VecDeque::new(), 0_u64);
    while journal.stats().bytes < bytes {
        for _ in 0..1000 {
            let (topic, payload) = load.message();
            let mut message: Message = message(topic, payload);
            loop {
                match journal.try_append(message) {
                    Ok(one) => break pending.push_back(one),
                    Err(back) => message = back,
                }
                if let Some(one) = pending.pop_front() {
                    let _durable = one.await.expect("on disk");
                }
            }
        }
        count += 1000;
    }
    for one in pending {
        let _durable = one.await.expect("on disk");
    }
    count
}
