//! A small box: half a core and 128 MiB for nadikota.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Scale;
use super::boxed::{Boxed, CORE, MEMORY};
use super::latency;
use super::memory::{cpu, peak};
use super::puback::Published;
use super::report::{Median, Report};
use super::support::influxdb::InfluxDb;
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::wait::{free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(60);
const RATE: u32 = 500;

/// What one round gave.
struct Round {
    told: Published,
    taken: f64,
    sync: f64,
    cpu: f64,
    peak: f64,
    throttled: [f64; 2],
}

pub fn measure(scale: Scale, report: &mut Report) {
    let length = Duration::from_secs(scale.of(2, 15));
    report.title(
        "A small box",
        &format!(
            "nadikota alone has {CORE} % of a core and {} MiB; {RATE} msg/s of 8 values, {} rounds of {} s. From the publish \
             to a query that returns the point. The reference appends a block to a file beside the journal and syncs it, 20 \
             times a second: what the disk itself takes.",
            MEMORY >> 20,
            scale.rounds(),
            length.as_secs(),
        ),
    );
    let mut how = String::new();
    let (mut elsewhere, mut inside) = (Vec::new(), Vec::new());
    for _ in 0..scale.rounds() {
        let (broker, database) = (Mosquitto::start(""), InfluxDb::start());
        let (_dir, nadikota) = latency::start(&latency::influx1(&broker, &database));
        let ask = || latency::ask_influx1(&database);
        elsewhere.push(held(nadikota, broker.address(), length, ask, &mut how));
        let [listen] = free_addresses();
        let (_dir, nadikota) = latency::start(&latency::embedded(listen));
        let ask = latency::ask_store(&nadikota);
        inside.push(held(nadikota, listen, length, ask, &mut how));
    }
    let mut rows = Vec::new();
    for (name, rounds) in
        [("broker and database elsewhere", elsewhere), ("embedded broker and store, all in the box", inside)]
    {
        match rounds.into_iter().collect::<Result<Vec<Round>, String>>() {
            Ok(rounds) => rows.push(row(name, &rounds)),
            Err(why) => {
                return report.note(&format!("Not measured: this machine allows no such limit ({why})."));
            }
        }
    }
    report.table(
        &["", "taken", "p50", "p99", "highest", "bare sync p99", "CPU", "held back", "peak memory"],
        &rows,
    );
    report.note(&how);
}

fn row(name: &str, rounds: &[Round]) -> Vec<String> {
    let median = |figure: fn(&Round) -> f64| Median::of(rounds.iter().map(figure).collect());
    let periods = |at: usize| rounds.iter().map(|round| round.throttled[at]).sum::<f64>();
    vec![
        name.to_owned(),
        median(|round| round.taken).told("msg/s"),
        median(|round| round.told.percentile(0.5)).told("ms"),
        median(|round| round.told.percentile(0.99)).told("ms"),
        median(|round| round.told.percentile(1.0)).told("ms"),
        median(|round| round.sync).told("ms"),
        median(|round| round.cpu).told("%"),
        format!("{} of {} periods in all", periods(0), periods(1)),
        median(|round| round.peak).told("MiB"),
    ]
}

fn held(
    nadikota: Nadikota,
    broker: SocketAddr,
    length: Duration,
    ask: impl FnMut() -> Option<f64>,
    how: &mut String,
) -> Result<Round, String> {
    // The process ends before its box is taken away.
    let boxed = Boxed::put(nadikota.id())?;
    let nadikota = nadikota;
    let before = cpu(nadikota.id());
    let over = AtomicBool::new(false);
    let (told, disk) = std::thread::scope(|scope| {
        let disk = scope.spawn(|| syncs(&nadikota.dir().join("reference"), &over));
        let told = latency::run(broker, RATE, length, ask);
        over.store(true, Ordering::SeqCst);
        (told, disk.join().expect("the reference"))
    });
    let share = (cpu(nadikota.id()) - before) / length.as_secs_f64() * 100.0;
    let probes = told.latencies.len() as u64;
    poll_until(LIMIT, "all is stored", || {
        let account = nadikota.health()?["account"].clone();
        (account["stored"].as_u64()? == told.sent + probes).then_some(())
    });
    boxed.told.clone_into(how);
    Ok(Round {
        taken: told.sent as f64 / told.seconds,
        sync: disk.percentile(0.99),
        cpu: share,
        peak: peak(nadikota.id()),
        throttled: boxed.throttled(),
        told,
    })
}

/// How long the disk takes for what is a journal's least work.
fn syncs(path: &Path, over: &AtomicBool) -> Published {
    let mut file = std::fs::File::create(path).expect("a file");
    let mut told = Published::default();
    while !over.load(Ordering::SeqCst) {
        let begin = Instant::now();
        file.write_all(&[0; 4096]).and_then(|()| file.sync_data()).expect("a sync");
        told.latencies.push(begin.elapsed().as_secs_f64());
        std::thread::sleep(Duration::from_millis(50));
    }
    told.latencies.sort_by(f64::total_cmp);
    told
}
