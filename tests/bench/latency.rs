//! From a publish to a query that returns the point.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nadikota::mqtt::publish::Publisher;
use nadikota::point::FieldValue;
use nadikota::sink::embedded::{Pages, Reader};
use tempfile::TempDir;

use super::Scale;
use super::load;
use super::puback::{Published, Publishing};
use super::report::{Report, short};
use super::support::city;
use super::support::influxdb::{DATABASE, InfluxDb};
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::wait::{free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_millis(37);

pub fn measure(scale: Scale, report: &mut Report) {
    let length = Duration::from_secs(scale.of(2, 20));
    let mut rows = Vec::new();
    for (rate, age) in [(100, "200ms"), (2_000, "200ms"), (2_000, "10ms")] {
        let (broker, database) = (Mosquitto::start(""), InfluxDb::start());
        let rest = format!("[batch]\nmax_age = \"{age}\"\n{}", influx1(&broker, &database));
        let (_dir, _nadikota) = start(&rest);
        let told = run(broker.address(), rate, length, || ask_influx1(&database));
        rows.push(row("InfluxDB 1.6.7", rate, age, &told));
    }
    let [listen] = free_addresses();
    let rate = 10_000;
    let (_dir, nadikota) = start(&embedded(listen));
    let told = run(listen, rate, length, ask_store(&nadikota));
    rows.push(row("embedded broker and store", rate, "200ms", &told));
    report.title(
        "From publish to query",
        "A device among the load publishes every 37 ms; the database is asked every few milliseconds for its last value.",
    );
    report.table(&["", "load", "batch.max_age", "p50", "p99", "highest", "probes"], &rows);
}

fn row(name: &str, rate: u32, age: &str, told: &Published) -> Vec<String> {
    vec![
        name.to_owned(),
        format!("{} msg/s", short(f64::from(rate))),
        age.to_owned(),
        format!("{} ms", short(told.percentile(0.5))),
        format!("{} ms", short(told.percentile(0.99))),
        format!("{} ms", short(told.percentile(1.0))),
        told.latencies.len().to_string(),
    ]
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
    let load = Publishing::start(broker, rate, 200, length);
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
                sender.send(Instant::now()).expect("the reader");
                let topic = "bench/pasuruan/bugul-kidul/PROBE/air";
                assert!(publisher.try_publish(number as u64, topic, payload.into_bytes(), false));
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
    told.sent = load.join().sent;
    told.latencies.sort_by(f64::total_cmp);
    told
}
