//! A small box: half a core and 128 MiB for nadikota.

use std::net::SocketAddr;
use std::time::Duration;

use super::Scale;
use super::boxed::{Boxed, CORE, MEMORY};
use super::latency;
use super::memory::{cpu, peak};
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
             returns the point.",
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
    report.table(&["", "taken", "p50", "p99", "highest", "CPU", "held back", "peak memory"], &rows);
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
    let told = latency::run(broker, RATE, length, ask);
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
        format!("{} %", short(share)),
        format!("{} periods", boxed.throttled()),
        format!("{} MiB", short(peak(nadikota.id()))),
    ])
}
