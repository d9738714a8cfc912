//! The parts alone, on one core: decoders and checks, line writer, gzip, and the journal.

use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use nadikota::clock::Clock;
use nadikota::codec::{Calling, Codecs, Input, Limits, Threads};
use nadikota::config;
use nadikota::journal::disk::RealDisk;
use nadikota::journal::{self, Entry};
use nadikota::line_protocol;
use nadikota::message::{Message, Record};
use nadikota::simulate::{City, Options, Pace};
use nadikota::status::Board;
use nadikota::transform::{State, Transform};

use super::Scale;
use super::load::{self, Load};
use super::report::{Median, Report, short};

const DEVICES: usize = 200;

pub fn message(topic: String, payload: String) -> Message {
    Message {
        topic: topic.into(),
        payload: payload.into(),
        qos: 1,
        retain: false,
        dup: false,
        source: 0,
        session: 1,
        packet_id: 1,
        redelivery_of: None,
    }
}

/// Messages a second, the median of some rounds.
fn rate(rounds: usize, count: usize, mut work: impl FnMut()) -> Median {
    let once = |()| {
        let begin = Instant::now();
        work();
        count as f64 / begin.elapsed().as_secs_f64()
    };
    Median::of(std::iter::repeat_n((), rounds).map(once).collect())
}

pub fn measure(scale: Scale, report: &mut Report) {
    let (count, rounds) = (scale.of(2_000, 200_000), scale.of(1, 5));
    let dir = tempfile::tempdir().expect("a directory");
    let transform = load::transform(dir.path(), DEVICES);
    let mut load = Load::new(DEVICES);
    let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).expect("this century");
    let records: Vec<Record> = (1..=count as u64)
        .map(|seq| {
            let (topic, payload) = load.message();
            Record { seq, received: now, clock_suspect: false, message: message(topic, payload) }
        })
        .collect();
    let parsed = rate(rounds, count, || {
        for record in &records {
            black_box(serde_json::from_slice::<serde_json::Value>(&record.message.payload).expect("JSON"));
        }
    });
    let (mut state, mut points, mut text) = (State::default(), Vec::new(), Vec::new());
    let whole = rate(rounds, count, || {
        text.clear();
        for record in &records {
            points.clear();
            black_box(transform.apply(record, &mut state, &mut points));
            for point in &points {
                line_protocol::write(point, &mut text);
            }
        }
    });
    let all: Vec<_> = records
        .iter()
        .flat_map(|record| {
            let mut points = Vec::new();
            transform.apply(record, &mut state, &mut points);
            points
        })
        .collect();
    assert_eq!(all.len(), count, "each message is one point");
    let lines = rate(rounds, count, || {
        text.clear();
        for point in &all {
            line_protocol::write(point, &mut text);
        }
    });
    let zipped = rate(rounds, count, || {
        for part in text.chunks(1 << 20) {
            let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            zip.write_all(part).expect("memory");
            black_box(zip.finish().expect("memory"));
        }
    });
    let rates = journal_rates(&records, &transform, rounds.min(3));
    let (city, city_size) = city_rate(count, rounds, now);
    let calls = count.min(20_000);
    let codecs = [1, 2].map(|threads| rate(rounds, calls * threads, || codec_calls(threads, calls)));
    let beside = rate(rounds, calls, || codec_calls_beside_an_endless_one(calls));
    let row = |name: &str, rate: Median| {
        vec![name.to_owned(), rate.told("msg/s"), format!("{:.2}", rate.value / parsed.value)]
    };
    let size: usize = records.iter().map(|record| record.message.payload.len()).sum();
    report.title(
        "The parts alone",
        &format!(
            "One core, no network, {} messages of {} bytes and 8 mapped values. The reference parses the same bytes into \
             a tree and does nothing with it. The simulated city's messages are {} bytes on average, in eleven formats \
             and raw frames for codecs, none with a fault; their reference is the same as that of the others.",
            short(count as f64),
            size / count,
            city_size,
        ),
    );
    report.table(
        &["", "rate", "of the reference"],
        &[
            row("reference: `serde_json::Value`", parsed),
            row("decode, map, check, flag, line protocol", whole),
            row("line writer alone", lines),
            row("gzip of the lines", zipped),
            row("journal: append and sync, in groups", rates.appended),
            row("journal: read from files", rates.read),
            row("journal's files to line protocol, all steps between", rates.to_lines),
            row("the simulated city's messages: decode to line protocol", city),
            row("a codec of 40 lines", codecs[0]),
            row("the same by two threads", codecs[1]),
            row("the same by one, while every twentieth uplink is of another codec that never ends", beside),
        ],
    );
}

fn station() -> Codecs {
    let mut codecs = Codecs::new(Limits::default());
    codecs
        .add("station.js", include_str!("../../config/codecs/milesight_wts506.js"))
        .expect("a sound script");
    codecs
}

/// 25.5 °C and 60.5 %, as in the maker's example.
const FRAME: &[u8] = &[0x01, 0x75, 0x64, 0x03, 0x67, 0xff, 0x00, 0x04, 0x68, 0x79];

/// Uplinks of a weather station through a shipped script, each thread with its own context.
fn codec_calls(threads: usize, calls: usize) {
    let codecs = station();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for number in 0..calls {
                    let input = Input { bytes: FRAME, port: 85, received_ms: number as f64, variables: "" };
                    black_box(codecs.call("station.js", &input).expect("a reading"));
                }
            });
        }
    });
}

/// As the delivery does it: what takes long is handed over, and its answers are taken when they are there.
fn codec_calls_beside_an_endless_one(calls: usize) {
    let mut codecs = station();
    codecs.add("endless.js", "function decodeUplink(i) { for (;;) {} }").expect("a sound script");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut threads = Threads::default();
    let mut call = |name: &str, number: usize| {
        let input = Input { bytes: FRAME, port: 85, received_ms: number as f64, variables: "" };
        let mut calling = Calling::Briefly { threads: &threads, later: None };
        let answer = codecs.call_as(name, &input, &mut calling);
        let Some(later) = calling.into_later() else { return black_box(answer).is_ok() };
        black_box(threads.hand_over(number as u64, later));
        runtime.block_on(async {
            tokio::select! {
                biased;
                answer = threads.answered() => { black_box(answer); }
                () = std::future::ready(()) => {}
            }
        });
        false
    };
    for number in 0..calls {
        let answered = call("station.js", number);
        // A busy machine may have made it take long: then it was handed over.
        black_box(answered);
        if number % 20 == 0 {
            call("endless.js", number);
        }
    }
}

/// The city of the demo through its own configuration; also how large its messages are on average.
fn city_rate(count: usize, rounds: usize, now: i64) -> (Median, usize) {
    let transform = config::shipped([]).expect("the configuration of the demo").transform;
    let options = Options { trouble: false, unrouted: false, pace: Pace::Load, ..Options::default() };
    let mut city = City::new(config::DEMO_DEVICES, options).expect("the shipped registry");
    let records: Vec<Record> = (1..=count as u64)
        .map(|seq| {
            let publish = city.next(now);
            let message =
                Message { payload: publish.payload.into(), ..message(publish.topic, String::new()) };
            Record { seq, received: now, clock_suspect: false, message }
        })
        .collect();
    let (mut state, mut points, mut text) = (State::default(), Vec::new(), Vec::new());
    let mut written = 0;
    let told = rate(rounds, count, || {
        text.clear();
        written = 0;
        for record in &records {
            points.clear();
            black_box(transform.apply(record, &mut state, &mut points));
            written += usize::from(!points.is_empty());
            for point in &points {
                line_protocol::write(point, &mut text);
            }
        }
    });
    (told, records.iter().map(|record| record.message.payload.len()).sum::<usize>() / count)
}

/// Messages a second.
struct Rates {
    appended: Median,
    read: Median,
    to_lines: Median,
}

fn journal_rates(records: &[Record], transform: &Transform, rounds: usize) -> Rates {
    let (mut appended, mut read, mut to_lines) = (Vec::new(), Vec::new(), Vec::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for _ in 0..rounds {
        let dir = tempfile::tempdir().expect("a directory");
        let config = journal::Config { min_free: Some(0), ..journal::Config::default() };
        let open = || {
            let board = Board::new(Clock::System);
            journal::open(dir.path(), &config, Arc::new(RealDisk), Clock::System, 1, board.part("journal"))
                .expect("a journal")
        };
        let (journal, writer, _) = open();
        let writing = std::thread::spawn(move || writer.run());
        let begin = Instant::now();
        runtime.block_on(async {
            let mut pending = std::collections::VecDeque::new();
            for records in records.chunks(256) {
                let messages = records.iter().map(|record| {
                    // Its own bytes, as from a network.
                    let payload = Bytes::copy_from_slice(&record.message.payload);
                    Message { payload, ..record.message.clone() }
                });
                let mut messages: Vec<_> = messages.collect();
                loop {
                    match journal.try_append_group(messages) {
                        Ok(group) => break pending.push_back(group),
                        Err(back) => {
                            messages = back;
                            if let Some(group) = pending.pop_front() {
                                let _ = group.await.expect("durable");
                            }
                        }
                    }
                }
            }
            for one in pending {
                let _ = one.await.expect("durable");
            }
        });
        appended.push(records.len() as f64 / begin.elapsed().as_secs_f64());
        journal.close();
        drop(journal);
        writing.join().expect("the writer");
        let (journal, _writer, _) = open();
        let pass = |each: &mut dyn FnMut(&Record)| {
            let begin = Instant::now();
            runtime.block_on(async {
                let (mut reader, mut seen) = (journal.reader(1), 0);
                while seen < records.len() {
                    for entry in &reader.next(512).await.expect("entries") {
                        if let Entry::Record(record) = entry {
                            each(record);
                            seen += 1;
                        }
                    }
                }
            });
            records.len() as f64 / begin.elapsed().as_secs_f64()
        };
        read.push(pass(&mut |record| {
            black_box(record);
        }));
        let (mut state, mut points, mut text) = (State::default(), Vec::new(), Vec::new());
        to_lines.push(pass(&mut |record| {
            points.clear();
            black_box(transform.apply(record, &mut state, &mut points));
            // As much as a batch holds.
            if text.len() > 1 << 20 {
                text.clear();
            }
            for point in &points {
                line_protocol::write(point, &mut text);
            }
        }));
    }
    Rates { appended: Median::of(appended), read: Median::of(read), to_lines: Median::of(to_lines) }
}
