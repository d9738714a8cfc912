//! A broker's backlog drained: the whole of nadikota beside a client that only acknowledges.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::Scale;
use super::client::{self, Acknowledge, Cost};
use super::load::{self, Load};
use super::memory::{cpu, peak};
use super::report::{Median, Report, short};
use super::sink::Sink;
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::publish::publish;
use super::support::wait::{free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(600);
const DEVICES: usize = 200;

pub fn measure(scale: Scale, report: &mut Report) {
    let count: u64 = scale.of(5_000, 500_000);
    let (mut bare, mut later, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    let (mut stored, mut away, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..scale.rounds() {
        let broker = Mosquitto::start("");
        for id in ["bare", "later", "whole", "away"] {
            let status = broker
                .client("mosquitto_sub")
                .args(["-c", "-V", "5", "-x", "3600", "-q", "1", "-i", id, "-t", "bench/+/+/+/air", "-E"])
                .status();
            assert!(status.expect("mosquitto_sub").success());
        }
        fill(broker.address(), count);
        bare.push(client::drain(broker.address(), "bare", count, Acknowledge::AtOnce));
        later.push(client::drain(broker.address(), "later", count, Acknowledge::Later));
        let sink = Sink::start(Duration::ZERO);
        let taken = nadikota(&broker, "whole", count, sink.address, true);
        whole.push(taken.cost);
        stored.push(taken.stored);
        memory.push(taken.peak);
        let [nowhere] = free_addresses();
        away.push(nadikota(&broker, "away", count, nowhere, false).cost);
    }
    let rate = |costs: &[Cost]| Median::of(costs.iter().map(|cost| count as f64 / cost.seconds).collect());
    let micros =
        |costs: &[Cost]| Median::of(costs.iter().map(|cost| cost.cpu * 1e6 / count as f64).collect());
    let of_stored = Median::of(stored.iter().map(|seconds| count as f64 / seconds).collect());
    report.title(
        "Draining a backlog",
        &format!(
            "{} messages of about 200 bytes and 8 values wait at one Mosquitto, QoS 1. The bare client acknowledges and \
             does nothing else; it does so while it reads, and the acknowledgements of one read leave together. One that \
             acknowledges what it has seen writes each by itself, which is what its library (rumqttc) offers to anybody \
             who acknowledges later than on arrival. nadikota uses that library's packets in a loop of its own. It writes \
             each message to its journal, syncs, acknowledges, decodes, checks, flags, and sends it gzipped to a server that answers 204; with the destination away, nothing listens there.",
            short(count as f64)
        ),
    );
    let row = |name: &str, rate: Median, cpu: Option<Median>| {
        let of = |value: Option<f64>| value.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        let base = rate_of(&bare, count);
        let base_cpu = micros(&bare).value;
        vec![
            name.to_owned(),
            rate.told("msg/s"),
            of(Some(rate.value / base)),
            cpu.map_or_else(String::new, |cpu| cpu.told("µs")),
            of(cpu.map(|cpu| cpu.value / base_cpu)),
        ]
    };
    report.table(
        &["", "rate", "of the bare client's", "CPU per message", "of the bare client's"],
        &[
            row("bare client: acknowledged", rate(&bare), Some(micros(&bare))),
            row("the same client, acknowledging one by one", rate(&later), Some(micros(&later))),
            row("nadikota: acknowledged", rate(&whole), None),
            row("nadikota: stored", of_stored, Some(micros(&whole))),
            row("nadikota, destination away: acknowledged", rate(&away), Some(micros(&away))),
        ],
    );
    let peak = Median::of(memory);
    report.note(&format!("Peak memory while draining: {}.", peak.told("MiB")));
}

fn rate_of(costs: &[Cost], count: u64) -> f64 {
    Median::of(costs.iter().map(|cost| count as f64 / cost.seconds).collect()).value
}

pub fn fill(broker: SocketAddr, count: u64) {
    let mut load = Load::new(DEVICES);
    let mut left = count;
    while left > 0 {
        let part = left.min(20_000);
        let messages: Vec<_> = (0..part).map(|_| load.message()).collect();
        publish(broker, "devices", &messages);
        left -= part;
    }
}

struct Taken {
    /// Seconds until everything was acknowledged; CPU until everything was stored, where it is.
    cost: Cost,
    stored: f64,
    peak: f64,
}

fn nadikota(broker: &Mosquitto, id: &str, count: u64, sink: SocketAddr, stored: bool) -> Taken {
    let dir = tempfile::tempdir().expect("a directory");
    let rest = format!("{}{}", load::mqtt(broker.address(), id), load::influx2(sink));
    let nadikota = Nadikota::start_alone(&load::configuration(dir.path(), DEVICES, &rest));
    let number =
        |name: &str| nadikota.health().and_then(|health| health["account"][name].as_u64()).unwrap_or(0);
    let (begin, before, first) = poll_until(LIMIT, "messages come", || {
        let first = number("received");
        (first > 0).then(|| (Instant::now(), cpu(nadikota.id()), first))
    });
    poll_until(LIMIT, "all is acknowledged", || (number("received") >= count).then_some(()));
    let share = count as f64 / (count.saturating_sub(first)).max(1) as f64;
    let seconds = begin.elapsed().as_secs_f64() * share;
    if stored {
        poll_until(LIMIT, "all is stored", || (number("stored") >= count).then_some(()));
    }
    let cost = Cost { seconds, cpu: (cpu(nadikota.id()) - before) * share };
    Taken { cost, stored: begin.elapsed().as_secs_f64() * share, peak: peak(nadikota.id()) }
}
