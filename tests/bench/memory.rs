//! Memory: under load for minutes, and with many devices each heard once.

use std::time::{Duration, Instant};

use super::Scale;
use super::load::{self, Load};
use super::puback::Publishing;
use super::report::{Report, short};
use super::sink::Sink;
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::publish::publish;
use super::support::wait::poll_until;

const LIMIT: Duration = Duration::from_secs(300);

/// CPU seconds of a process so far, user and system.
pub fn cpu(id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("a running process");
    let after = stat.rsplit_once(')').expect("its name").1;
    let ticks: f64 =
        after.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    ticks / 100.0
}

/// The most memory that was ever in use, in MiB.
pub fn peak(id: u32) -> f64 {
    kib(id, "VmHWM:") / 1024.0
}

fn kib(id: u32, key: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

pub fn measure(scale: Scale, report: &mut Report) {
    let (rate, seconds, every) = (10_000, scale.of(2, 300), scale.of(1, 30));
    let (broker, sink) = (Mosquitto::start(""), Sink::start(Duration::ZERO));
    let dir = tempfile::tempdir().expect("a directory");
    let rest = format!("{}{}", load::mqtt(broker.address(), "nadikota"), load::influx2(sink.address));
    let nadikota = Nadikota::start_alone(&load::configuration(dir.path(), 200, &rest));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let publishing = Publishing::start(broker.address(), rate, 200, Duration::from_secs(seconds));
    let (begin, mut figures) = (Instant::now(), Vec::new());
    while begin.elapsed() < Duration::from_secs(seconds) {
        std::thread::sleep(Duration::from_secs(every));
        figures.push(short(kib(nadikota.id(), "VmRSS:") / 1024.0));
    }
    let sent = publishing.join().sent;
    report.title(
        "Memory",
        &format!(
            "{} msg/s asked for, {} sent in {seconds} s to a server that answers 204; the figure each {every} s, in MiB.",
            short(f64::from(rate)),
            short(sent as f64)
        ),
    );
    report.note(&format!("{}; peak {} MiB.", figures.join(", "), short(peak(nadikota.id()))));
    drop(nadikota);

    let devices = scale.of(2_000, 100_000);
    let rest = format!("{}{}", load::mqtt(broker.address(), "many"), load::influx2(sink.address));
    let dir = tempfile::tempdir().expect("a directory");
    let nadikota = Nadikota::start_alone(&load::configuration(dir.path(), devices, &rest));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let before = kib(nadikota.id(), "VmRSS:") / 1024.0;
    let mut load = Load::new(devices);
    let messages: Vec<_> = (0..devices).map(|_| load.message()).collect();
    publish(broker.address(), "devices", &messages);
    poll_until(LIMIT, "all is stored", || {
        let stored = nadikota.health()?["account"]["stored"].as_u64()?;
        (stored >= devices as u64).then_some(())
    });
    report.note(&format!(
        "{} registered devices: {} MiB before the first message, peak {} MiB when each was heard once.",
        short(devices as f64),
        short(before),
        short(peak(nadikota.id()))
    ));
}
