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

/// One drain of one round.
struct Drained {
    cost: Cost,
    /// Seconds of CPU that the broker took meanwhile.
    broker: f64,
}

pub fn measure(scale: Scale, report: &mut Report) {
    let count: u64 = scale.of(5_000, 500_000);
    let [mut bare, mut later, mut sub, mut whole, mut away]: [Vec<Drained>; 5] = Default::default();
    let (mut stored, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..scale.rounds() {
        let broker = Mosquitto::start("");
        for id in ["bare", "later", "sub", "whole", "away"] {
            let status = broker
                .client("mosquitto_sub")
                .args(["-c", "-V", "5", "-x", "3600", "-q", "1", "-i", id, "-t", "bench/+/+/+/air", "-E"])
                .status();
            assert!(status.expect("mosquitto_sub").success());
        }
        fill(broker.address(), count);
        let drained = |drain: &mut dyn FnMut() -> Cost| {
            let before = cpu(broker.id());
            let cost = drain();
            Drained { cost, broker: cpu(broker.id()) - before }
        };
        let address = broker.address();
        bare.push(drained(&mut || client::drain(address, "bare", count, Acknowledge::AtOnce)));
        later.push(drained(&mut || client::drain(address, "later", count, Acknowledge::Later)));
        sub.push(drained(&mut || client::drain_by_mosquitto_sub(&broker, "sub", count)));
        let sink = Sink::start(Duration::ZERO);
        whole.push(drained(&mut || {
            let taken = nadikota(&broker, "whole", count, sink.address, true);
            stored.push(taken.stored);
            memory.push(taken.peak);
            taken.cost
        }));
        let [nowhere] = free_addresses();
        away.push(drained(&mut || nadikota(&broker, "away", count, nowhere, false).cost));
    }
    let of_count = |figures: &mut dyn Iterator<Item = f64>| Median::of(figures.collect());
    let rate = |drained: &[Drained]| of_count(&mut drained.iter().map(|one| count as f64 / one.cost.seconds));
    let micros =
        |drained: &[Drained]| of_count(&mut drained.iter().map(|one| one.cost.cpu * 1e6 / count as f64));
    let brokers =
        |drained: &[Drained]| of_count(&mut drained.iter().map(|one| one.broker * 1e6 / count as f64));
    let of_stored = Median::of(stored.iter().map(|seconds| count as f64 / seconds).collect());
    report.title(
        "Draining a backlog",
        &format!(
            "{} messages of about 200 bytes and 8 values wait at one Mosquitto, QoS 1. The bare client acknowledges and \
             does nothing else; it does so while it reads, and the acknowledgements of one read leave together. One that \
             acknowledges what it has seen writes each by itself, which is what its library (rumqttc) offers to anybody \
             who acknowledges later than on arrival. `mosquitto_sub` prints nothing; its time has its start in it. nadikota \
             uses rumqttc's packets in a loop of its own. It writes each message to its journal, syncs, acknowledges, \
             decodes, checks, flags, and sends it gzipped to a server that answers 204; with the destination away, \
             nothing listens there. All share the machine's cores with the broker, whose own CPU time for each message \
             stands last.",
            short(count as f64)
        ),
    );
    let (base, base_cpu) = (rate(&bare).value, micros(&bare).value);
    let row = |name: &str, rate: Median, drained: Option<&[Drained]>| {
        let mut row = vec![name.to_owned(), rate.told("msg/s"), format!("{:.2}", rate.value / base)];
        match drained {
            Some(drained) => {
                let cpu = micros(drained);
                let of = format!("{:.2}", cpu.value / base_cpu);
                row.extend([cpu.told("µs"), of, brokers(drained).told("µs")]);
            }
            None => row.extend([const { String::new() }; 3]),
        }
        row
    };
    report.table(
        &["", "rate", "of the bare client's", "CPU per message", "of the bare client's", "the broker's CPU"],
        &[
            row("bare client: acknowledged", rate(&bare), Some(&bare)),
            row("the same client, acknowledging one by one", rate(&later), Some(&later)),
            row("`mosquitto_sub`: acknowledged", rate(&sub), Some(&sub)),
            row("nadikota: acknowledged", rate(&whole), None),
            row("nadikota: stored", of_stored, Some(&whole)),
            row("nadikota, destination away: acknowledged", rate(&away), Some(&away)),
        ],
    );
    let peak = Median::of(memory);
    report.note(&format!("Peak memory while draining: {}.", peak.told("MiB")));
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
