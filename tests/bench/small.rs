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
use super::report::{Report, short};
use super::support::influxdb::InfluxDb;
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::wait::{free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(60);
const RATE: u32 = 500;

pub fn measure(scale: Scale, report: &mut Report) {
    let length = Duration::from_secs(scale.of(2, 60));
    report.title(
        "A small box",
        &format!(
            "nadikota alone has {CORE} % of a core and {} MiB; {RATE} msg/s of 8 values. From the publish to a query that \
             returns the point. The reference appends a block to a file beside the journal and syncs it, 20 times a second: \
             what the disk itself takes.",
            MEMORY >> 20
        ),
    );
    let (broker, database) = (Mosquitto::start(""), InfluxDb::start());
    let (_dir, nadikota) = latency::start(&latency::influx1(&broker, &database));
    let ask = || latency::ask_influx1(&database);
    let mut rows = Vec::new();
    let mut how = String::new();
    let first = held(nadikota, broker.address(), length, ask, "broker and database elsewhere", &mut how);
    let [listen] = free_addresses();
    let (_dir, nadikota) = latency::start(&latency::embedded(listen));
    let ask = latency::ask_store(&nadikota);
    let second = held(nadikota, listen, length, ask, "embedded broker and store, all in the box", &mut how);
    for row in [first, second] {
        match row {
            Ok(row) => rows.push(row),
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

fn held(
    nadikota: Nadikota,
    broker: SocketAddr,
    length: Duration,
    ask: impl FnMut() -> Option<f64>,
    name: &str,
    how: &mut String,
) -> Result<Vec<String>, String> {
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
    Ok(vec![
        name.to_owned(),
        format!("{} msg/s", short(told.sent as f64 / length.as_secs_f64())),
        format!("{} ms", short(told.percentile(0.5))),
        format!("{} ms", short(told.percentile(0.99))),
        format!("{} ms", short(told.percentile(1.0))),
        format!("{} ms", short(disk.percentile(0.99))),
        format!("{} %", short(share)),
        format!("{} periods", boxed.throttled()),
        format!("{} MiB", short(peak(nadikota.id()))),
    ])
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
