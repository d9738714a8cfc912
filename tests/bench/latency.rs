//! From a publish to a query that returns the point.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nadikota::mqtt::publish::Publisher;
use nadikota::point::FieldValue;
use nadikota::sink::embedded::{Pages, Reader};
use tempfile::TempDir;

use super::Scale;
use super::load;
use super::puback::{Published, Publishing, told};
use super::report::{Median, Report};
use super::support::city;
use super::support::http;
use super::support::influxdb::{DATABASE, InfluxDb};
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::publish::publish;
use super::support::victoria_metrics::VictoriaMetrics;
use super::support::wait::{free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(60);
const PROBE: &str = "bench/pasuruan/bugul-kidul/PROBE/air";
const EVERY: Duration = Duration::from_millis(37);

/// One row: what is asked for, and one round of it.
struct Way {
    name: &'static str,
    load: u32,
    age: &'static str,
    once: fn(&Way, Duration) -> Published,
}

const WAYS: &[Way] = &[
    Way {
        name: "reference: the broker alone, to a `mosquitto_sub`",
        load: 2_000,
        age: "",
        once: broker_alone,
    },
    Way { name: "reference: InfluxDB alone, written to directly", load: 0, age: "", once: influx1_alone },
    Way { name: "InfluxDB 1.x", load: 100, age: "200ms", once: to_influx1 },
    Way { name: "InfluxDB 1.x", load: 2_000, age: "200ms", once: to_influx1 },
    Way { name: "InfluxDB 1.x", load: 2_000, age: "10ms", once: to_influx1 },
    Way { name: "VictoriaMetrics", load: 2_000, age: "200ms", once: to_victoria_metrics },
    Way { name: "embedded broker and store", load: 10_000, age: "200ms", once: to_the_store },
];

pub fn measure(scale: Scale, report: &mut Report) {
    let length = Duration::from_secs(scale.of(2, 10));
    let mut rounds: Vec<Vec<Published>> = WAYS.iter().map(|_| Vec::new()).collect();
    for _ in 0..scale.rounds() {
        for (way, rounds) in WAYS.iter().zip(&mut rounds) {
            rounds.push((way.once)(way, length));
        }
    }
    let rows = WAYS.iter().zip(&rounds).map(|(way, rounds)| {
        let came = rounds.iter().map(|round| round.sent as f64 / round.seconds).collect();
        let load = if way.load == 0 { "none".to_owned() } else { Median::of(came).told("msg/s") };
        vec![
            way.name.to_owned(),
            load,
            way.age.to_owned(),
            told(rounds, 0.5).told("ms"),
            told(rounds, 0.99).told("ms"),
            told(rounds, 1.0).told("ms"),
            rounds.iter().map(|round| round.latencies.len()).sum::<usize>().to_string(),
        ]
    });
    report.title(
        "From publish to query",
        &format!(
            "A device among the load publishes every 37 ms, {} rounds of {} s; the database is asked every few milliseconds \
             for its last value, and the time counts from when the publish was due. The load is what was acknowledged. The references are what the others \
             need by themselves: a bare subscriber that prints what the broker hands it under the same load, and a \
             database that is given one point at a time and asked for it. VictoriaMetrics shows what it has taken \
             only after a flush of its own, up to a second later; its series was there before.",
            scale.rounds(),
            length.as_secs(),
        ),
    );
    report
        .table(&["", "load", "batch.max_age", "p50", "p99", "highest", "probes"], &rows.collect::<Vec<_>>());
}

/// A subscriber that does nothing but print: the broker's own time, and that of the publishers.
fn broker_alone(way: &Way, length: Duration) -> Published {
    let broker = Mosquitto::start("");
    let mut command = broker.client("mosquitto_sub");
    // It takes all, as nadikota does.
    command.args(["-V", "5", "-q", "1", "-i", "reference", "-t", "bench/+/+/+/air", "-F", "%t %p"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("mosquitto_sub");
    let output = BufReader::new(child.stdout.take().expect("its stdout"));
    let (sender, seen) = std::sync::mpsc::channel();
    let reading = std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            let value = line.split_once("/PROBE/air ").and_then(|(_, payload)| {
                serde_json::from_str::<serde_json::Value>(payload).ok()?["battery"].as_f64()
            });
            if value.is_some_and(|value| sender.send(value).is_err()) {
                return;
            }
        }
    });
    // Until it has subscribed, nothing reaches it.
    poll_until(LIMIT, "it has subscribed", || {
        publish(broker.address(), "first", &[(PROBE.to_owned(), r#"{"battery":0}"#)]);
        seen.try_recv().ok()
    });
    let mut last = None;
    let told = run(broker.address(), way.load, length, || {
        last = seen.try_iter().last().or(last);
        last
    });
    child.kill().expect("our own child");
    child.wait().expect("its end");
    reading.join().expect("the reader");
    told
}

/// One point at a time, written and asked for until it is there; nothing else is at work.
fn influx1_alone(_: &Way, length: Duration) -> Published {
    let database = InfluxDb::start();
    let (mut told, begin) = (Published::default(), Instant::now());
    for number in 1..=(length.as_millis() / EVERY.as_millis()) as usize {
        let due = begin + EVERY * number as u32;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let value = number as f64 / 1000.0;
        let answer = database.write(&format!("air_quality,device=PROBE battery_v={value}"));
        assert_eq!(answer.status, 204, "{}", answer.body);
        while ask_influx1(&database) != Some(value) {
            assert!(due.elapsed() < LIMIT, "the point does not come");
        }
        told.latencies.push(due.elapsed().as_secs_f64());
    }
    told.latencies.sort_by(f64::total_cmp);
    told
}

fn to_influx1(way: &Way, length: Duration) -> Published {
    let (broker, database) = (Mosquitto::start(""), InfluxDb::start());
    let rest = format!("[batch]\nmax_age = \"{}\"\n{}", way.age, influx1(&broker, &database));
    let (_dir, _nadikota) = start(&rest);
    run(broker.address(), way.load, length, || ask_influx1(&database))
}

fn to_victoria_metrics(way: &Way, length: Duration) -> Published {
    let (broker, database) = (Mosquitto::start(""), VictoriaMetrics::start());
    let rest = format!(
        "[batch]\nmax_age = \"{}\"\n{}[[destinations]]\nkind = \"influxdb\"\nversion = \"2\"\nurl = \"{}\"\n\
         org = \"any\"\nbucket = \"any\"\n",
        way.age,
        load::mqtt(broker.address(), "nadikota"),
        database.url(),
    );
    let (_dir, _nadikota) = start(&rest);
    let question = format!(
        "/api/v1/export?{}",
        http::query_string(&[("match[]", "air_quality_battery_v{device=\"PROBE\"}")])
    );
    let ask = || {
        // As anybody asks: without a flush before the question.
        let answer = http::get(database.address(), &question).expect("an answer to an export");
        let series = answer.body.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        let last = |series: serde_json::Value| series["values"].as_array()?.last()?.as_f64();
        series.filter_map(last).reduce(f64::max)
    };
    // A series that is new to it is found only some seconds later.
    publish(broker.address(), "first", &[(PROBE.to_owned(), r#"{"battery":0.0}"#)]);
    poll_until(LIMIT, "the series is found", ask);
    run(broker.address(), way.load, length, ask)
}

fn to_the_store(way: &Way, length: Duration) -> Published {
    let [listen] = free_addresses();
    let (_dir, nadikota) = start(&embedded(listen));
    run(listen, way.load, length, ask_store(&nadikota))
}

pub fn start(rest: &str) -> (TempDir, Nadikota) {
    let dir = tempfile::tempdir().expect("a directory");
    let nadikota = Nadikota::start_alone(&load::configuration(dir.path(), 200, rest));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    (dir, nadikota)
}

/// From a broker to InfluxDB 1.6.7.
pub fn influx1(broker: &Mosquitto, database: &InfluxDb) -> String {
    format!(
        "{}[[destinations]]\nkind = \"influxdb\"\nversion = \"1\"\nurl = \"{}\"\ndatabase = \"{DATABASE}\"\n",
        load::mqtt(broker.address(), "nadikota"),
        database.url(),
    )
}

/// The embedded broker and store.
pub fn embedded(listen: SocketAddr) -> String {
    format!("[broker]\nlisten = \"{listen}\"\n[[destinations]]\nkind = \"embedded\"\n")
}

pub fn ask_influx1(database: &InfluxDb) -> Option<f64> {
    let rows = database.query("SELECT last(battery_v) FROM air_quality WHERE device = 'PROBE'");
    rows.first().and_then(|row| row["last"].as_f64())
}

pub fn ask_store(nadikota: &Nadikota) -> impl FnMut() -> Option<f64> + use<> {
    let reader = Reader::open(&nadikota.data_dir()).expect("the store");
    let (mut from, mut last) = (0, None);
    move || {
        let mut pages = Pages::new(&reader, from, i64::MAX, None, Some("PROBE".to_owned())).ok()?;
        let mut points = Vec::new();
        while pages.next_page(&mut points).ok()? {}
        for point in points {
            let value = point.stored().find(|(name, _)| *name == "battery_v");
            if let Some((_, FieldValue::Float(value))) = value {
                (from, last) = (point.time, Some(value));
            }
        }
        last
    }
}

/// The probe counts up in its value, so one answer tells which publishes are there.
pub fn run(
    broker: SocketAddr,
    rate: u32,
    length: Duration,
    mut query: impl FnMut() -> Option<f64>,
) -> Published {
    // One connection to the embedded broker has one message for each sync (decision 006).
    let load = Publishing::by_many(rate.div_ceil(100).clamp(1, 64), broker, rate, 200, length);
    let probes = (length.as_millis() / EVERY.as_millis()) as usize;
    let (sender, sent) = std::sync::mpsc::channel();
    let probing = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut publisher = Publisher::new(&city::client(broker, "probe"), 100);
            publisher.poll().await.expect("the broker stays");
            let begin = Instant::now();
            for number in 1..=probes {
                let due = begin + EVERY * number as u32;
                while Instant::now() < due || publisher.outstanding() > 50 {
                    let _ = tokio::time::timeout(Duration::from_millis(1), publisher.poll()).await;
                }
                let payload = format!(r#"{{"battery":{}}}"#, number as f64 / 1000.0);
                sender.send(due).expect("the reader");
                assert!(publisher.try_publish(number as u64, PROBE, payload.into_bytes(), false));
                let _ = tokio::time::timeout(Duration::from_millis(1), publisher.poll()).await;
            }
            while publisher.outstanding() > 0 {
                publisher.poll().await.expect("the broker stays");
            }
        });
    });
    let (mut times, mut seen, mut told) = (Vec::new(), 0, Published::default());
    let begin = Instant::now();
    while seen < probes {
        assert!(begin.elapsed() < length + LIMIT, "only {seen} of {probes} probes came");
        let answer = query().map_or(0, |value| (value * 1000.0).round() as usize);
        let now = Instant::now();
        times.extend(sent.try_iter());
        let there = answer.min(times.len()).max(seen);
        told.latencies.extend(times[seen..there].iter().map(|time: &Instant| (now - *time).as_secs_f64()));
        seen = there;
        std::thread::sleep(Duration::from_millis(2));
    }
    probing.join().expect("the probe");
    let load = load.join();
    (told.sent, told.seconds) = (load.sent, load.seconds);
    told.latencies.sort_by(f64::total_cmp);
    told
}
