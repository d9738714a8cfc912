//! One process of the service for long: faults at random that do not kill it, two backlogs that grow and are then
//! delivered, and each minute what it holds of the machine.
//!
//! `cargo bench --bench soak -- --endure 30m --rate 5000 --seed 7`

use std::fmt;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nadikota::clock::Clock;
use nadikota::simulate::publisher::Plan;
use nadikota::simulate::sender::{self, Break, Happening};
use nadikota::simulate::{Expectation, Publish};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::Options;
use super::matrix::{
    AWAY, CUT, CUT_DOWN, CUT_UP, HALF, HALF_OPEN, HANGS, Mode, RESETS, Row, SLOW, STALLED, STORM, Setup,
    TWIN, UNAUTHORISED, UNKNOWN, World,
};
use super::support::city;
use super::support::wait::{poll_until, poll_while_it_moves};

const MILLISECOND: i64 = 1_000_000;
/// Messages of one turn: each gauge sends one, but for the places of what has no time and of what is no JSON.
const TURN: u64 = 100;
const BROKEN: u64 = 50;
const UNTIMED: u64 = 3;
/// The journal's limit; half an hour at 5,000 messages a second of 150 bytes is well below.
const JOURNAL: u64 = 3 << 30;
const LIMIT: Duration = Duration::from_secs(120);
/// As many threads for files and look-ups as the service allows itself.
const MOST_BLOCKING: usize = 32;
/// Minutes below which memory is told and not judged.
const FEWEST: usize = 10;

const OF_THE_LINK: &[Row] = &[CUT, HALF_OPEN, STALLED, CUT_DOWN, CUT_UP, TWIN];
const OF_THE_DATABASE: &[Row] = &[AWAY, SLOW, HANGS, RESETS, HALF, STORM, UNAUTHORISED, UNKNOWN];

/// What a ticket's publish is: everything follows from its number, so that nothing of it need be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A gauge's value with a time of its own, which no other has.
    Gauge(u64),
    /// The same payload every time, without a time.
    Untimed,
    /// Not JSON: goes to quarantine.
    Broken,
}

fn kind(ticket: u64) -> Kind {
    match ticket % TURN {
        BROKEN => Kind::Broken,
        place if place % 10 == UNTIMED => Kind::Untimed,
        place => Kind::Gauge(place),
    }
}

/// When a gauge says that it measured, in Unix nanoseconds, and what, in centimetres.
fn told(ticket: u64, rate: u32, began: i64) -> (i64, f64) {
    let turn = ticket / TURN;
    let millisecond =
        began / MILLISECOND + i64::try_from(turn * TURN * 1000 / u64::from(rate)).expect("a time");
    let quarters = u32::try_from(turn * 7 % 400).expect("a small number");
    (millisecond * MILLISECOND, f64::from(quarters) / 4.0)
}

fn publish(ticket: u64, rate: u32, began: i64) -> Publish {
    let (time, level) = told(ticket, rate, began);
    let (topic, payload) = match kind(ticket) {
        Kind::Gauge(place) => (
            format!("city/pasuruan/purworejo/tahan-{place}/level"),
            format!("{{\"ts\":{},\"level_cm\":{level},\"battery_v\":12.5}}", time / MILLISECOND),
        ),
        Kind::Untimed => ("city/pasuruan/purworejo/tetap-01/laeq".to_owned(), "55.5".to_owned()),
        Kind::Broken => ("city/pasuruan/purworejo/rusak-01/level".to_owned(), "{\"ts\":".to_owned()),
    };
    // The log that would hold it is not kept.
    let expectation = Expectation::Points { points: Vec::new(), rest: None };
    Publish { topic, payload: payload.into_bytes(), qos: 1, retain: false, misbehaviour: None, expectation }
}

/// A publisher on a thread of its own that keeps one mark for each message: whether its PUBACK came.
#[derive(Debug)]
struct Load {
    thread: JoinHandle<Vec<bool>>,
    stop: CancellationToken,
    sent: Arc<AtomicU64>,
    rate: u32,
    began: i64,
}

impl Load {
    fn start(broker: SocketAddr, rate: u32) -> Self {
        let (stop, sent, began) =
            (CancellationToken::new(), Arc::<AtomicU64>::default(), Clock::System.now());
        let (stopped, counted) = (stop.clone(), Arc::clone(&sent));
        let thread = std::thread::spawn(move || {
            let (mut next, mut marks) = (0, Vec::new());
            let plan =
                Plan { rate: Some(rate), count: None, window: 1000, patience: Duration::from_secs(60) };
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let client = city::client(broker, "tahan");
            let make = |_| {
                next += 1;
                publish(next - 1, rate, began)
            };
            let note = |happening: Happening<'_>| match happening {
                Happening::Sent(_) => {
                    marks.push(false);
                    counted.fetch_add(1, Ordering::SeqCst);
                }
                Happening::Acknowledged(ticket) => marks[usize::try_from(ticket).expect("an index")] = true,
                _ => {}
            };
            let run = sender::run(make, &client, plan, Break::Resend, &Clock::System, &stopped, note);
            runtime.block_on(run).expect("a broker at the beginning");
            marks
        });
        Self { thread, stop, sent, rate, began }
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }
}

/// What the service holds of the machine.
#[derive(Debug, Clone, Copy)]
struct Held {
    memory_kib: u64,
    descriptors: usize,
    /// Without those of the runtime for what blocks.
    threads: usize,
    /// For files and look-ups: the runtime makes one when all it has are at work, and lets it go when it had nothing
    /// to do for ten seconds.
    blocking: usize,
    tasks: u64,
    journal: u64,
}

impl Held {
    fn of(world: &World) -> Self {
        let process = format!("/proc/{}", world.nadikota.id());
        let status = std::fs::read_to_string(format!("{process}/status")).expect("a running process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        let count = |what| std::fs::read_dir(format!("{process}/{what}")).expect("a running process").count();
        let names =
            std::fs::read_dir(format!("{process}/task")).expect("a running process").filter_map(|task| {
                // A thread may end meanwhile.
                std::fs::read_to_string(task.ok()?.path().join("comm")).ok()
            });
        let (blocking, threads): (Vec<_>, Vec<_>) = names.partition(|name| name.trim() == "blocking");
        let number =
            |name: &str| poll_until(LIMIT, "metrics are told", || world.metric(&format!("nadikota_{name}")));
        Self {
            memory_kib: line.trim().trim_end_matches(" kB").parse().expect("a number"),
            descriptors: count("fd"),
            threads: threads.len(),
            blocking: blocking.len(),
            tasks: number("tasks"),
            journal: number("journal_size_bytes"),
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} MiB, {} descriptors, {} threads and {} for what blocks, {} tasks, journal {} MiB",
            Memory(self.memory_kib).mebibytes(),
            self.descriptors,
            self.threads,
            self.blocking,
            self.tasks,
            self.journal >> 20
        )
    }
}

#[derive(Debug, Clone, Copy)]
struct Memory(u64);

impl Memory {
    fn mebibytes(self) -> f64 {
        f64::from(u32::try_from(self.0).expect("below 4 TiB")) / 1024.0
    }
}

pub fn run(options: &Options, endure: Duration) -> ExitCode {
    let mut setup = Setup::new(options.seed, "5");
    setup.journal = format!("max_size = {JOURNAL}\nmin_free = \"64 MiB\"\n");
    let mut world = World::quiet(setup);
    let load = Load::start(world.broker.address(), options.rate);
    poll_until(LIMIT, "messages come", || (world.account("stored")? > 1000).then_some(()));
    let begin = Instant::now();
    let first = Held::of(&world);
    println!("at the start: {first}");
    // Twice nothing is delivered, the second time for much longer. The first half of the time has seen a backlog
    // delivered, so the second must not need more for its own.
    let away = [endure / 20..endure * 3 / 20, endure * 2 / 5..endure * 4 / 5];
    let (mut minutes, mut struck, mut names) = (Vec::new(), 0_u32, Vec::new());
    let mut quiet_until = Duration::ZERO;
    let mut under_way: Vec<(Row, Duration)> = Vec::new();
    while begin.elapsed() < endure {
        let now = begin.elapsed();
        let outage = away.iter().any(|away| away.contains(&now));
        let (due, rest): (Vec<_>, Vec<_>) = under_way.into_iter().partition(|(_, until)| *until <= now);
        under_way = rest;
        for (row, _) in due {
            (row.heal)(&mut world);
            quiet_until = now + Duration::from_millis(world.rng.u64(1000..15_000));
        }
        if under_way.is_empty() && now >= quiet_until && now + options.hold < endure {
            // A fault of the database heals by letting everything pass, so none runs into the outage.
            let near = outage || away.iter().any(|away| (now..now + options.hold).contains(&away.start));
            world.gate.set(if outage { Mode::Away } else { Mode::Pass });
            let link = world.rng.bool() || near;
            let rows = if link { OF_THE_LINK } else { OF_THE_DATABASE };
            let row = rows[world.rng.usize(..rows.len())];
            let longest = u64::try_from(options.hold.as_millis()).expect("a span").max(200);
            let hold = Duration::from_millis(world.rng.u64(100..longest));
            world.note();
            (row.strike)(&mut world);
            struck += 1;
            names.push(row.name.split(':').next().unwrap_or(row.name));
            under_way.push((row, now + hold));
        }
        let minute = u64::try_from(minutes.len()).expect("a count") + 1;
        if now >= Duration::from_secs(60 * minute) {
            let held = Held::of(&world);
            let account = |name| poll_until(LIMIT, "health answers", || world.account(name));
            println!(
                "minute {minute}: sent {}, received {}, pending {}; {held}; faults {}",
                load.sent(),
                account("received"),
                account("pending"),
                names.join(" ")
            );
            names.clear();
            minutes.push(held);
        }
        let minute = Duration::from_secs(60 * (u64::try_from(minutes.len()).expect("a count") + 1));
        let fault = under_way.iter().map(|(_, until)| *until).min().unwrap_or(quiet_until);
        let fault = if fault > now { fault } else { minute };
        let due = fault.min(minute).min(endure);
        poll_until(LIMIT, "time goes on", || (begin.elapsed() >= due).then_some(()));
    }
    for (row, _) in under_way {
        (row.heal)(&mut world);
    }
    world.gate.set(Mode::Pass);
    finish(&world, load, first, &minutes, struck, begin)
}

fn finish(world: &World, load: Load, first: Held, minutes: &[Held], struck: u32, begin: Instant) -> ExitCode {
    load.stop.cancel();
    let (rate, began) = (load.rate, load.began);
    let marks = load.thread.join().expect("the publisher");
    let acknowledged = marks.iter().filter(|mark| **mark).count();
    let (account, last) = poll_while_it_moves(LIMIT, "every message has its outcome", || {
        let Some(health) = world.nadikota.health() else { return (0, None) };
        let account = city::balanced(&health);
        let number = |name: &str| account[name].as_u64().expect("a number");
        let again = account["discarded"]["redelivery"].as_u64().unwrap_or(0);
        let all = number("pending") == 0 && number("received") - again >= acknowledged as u64;
        let moved = number("received") - number("pending");
        (moved, all.then(|| (account, Held::of(world))))
    });
    println!("all settled after {} s: {last}", begin.elapsed().as_secs());
    let found = judge(world, &marks, rate, began, &account);
    let half = minutes.len() / 2;
    let most = |held: &[Held]| held.iter().map(|held| held.memory_kib).max().unwrap_or(first.memory_kib);
    let (early, late) = (most(&minutes[..half]), most(&minutes[half..]).max(last.memory_kib));
    let journal = minutes.iter().map(|held| held.journal).max().unwrap_or(last.journal);
    // Before the first backlog is delivered there is nothing to compare with.
    let flat = minutes.len() < FEWEST || late <= early + early / 4;
    let busiest = |held: &[Held]| held.iter().map(|held| held.blocking).max().unwrap_or(first.blocking);
    let blocking = [first.blocking, busiest(&minutes[..half]), busiest(&minutes[half..]).max(last.blocking)];
    // Connections to database, broker and page come and go by a few. Threads for what blocks are made when first
    // needed, so they are compared by halves.
    let leak = last.descriptors > first.descriptors + 8
        || last.threads > first.threads
        || minutes.len() >= FEWEST && blocking[2] > blocking[1] + 2
        || blocking[2] > MOST_BLOCKING
        || last.tasks > first.tasks + 8;
    let told = json!({
        "seconds": begin.elapsed().as_secs(),
        "messages": marks.len(),
        "acknowledged": acknowledged,
        "faults": struck,
        "missing": found.missing,
        "doubled_or_invented": found.more,
        "wrong": found.wrong,
        "account_agrees": found.account,
        "memory_first_half_mib": Memory(early).mebibytes(),
        "memory_second_half_mib": Memory(late).mebibytes(),
        "memory_flat": flat,
        "descriptors": [first.descriptors, last.descriptors],
        "threads": [first.threads, last.threads],
        "threads_for_what_blocks": blocking,
        "tasks": [first.tasks, last.tasks],
        "leak": leak,
        "journal_most_mib": journal >> 20,
        "journal_within_its_limit": journal <= JOURNAL,
    });
    println!("{told}");
    let right = found.missing + found.more + found.wrong == 0 && found.account;
    if right && flat && !leak && journal <= JOURNAL { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Debug, Default)]
struct Found {
    missing: u64,
    more: u64,
    wrong: u64,
    account: bool,
}

/// Each acknowledged message must be there once; one without a PUBACK may be.
fn judge(world: &World, marks: &[bool], rate: u32, began: i64, account: &Value) -> Found {
    let mut found = Found::default();
    let (mut gauges, mut untimed, mut broken) = ((0, 0), (0, 0), (0, 0));
    for (ticket, mark) in (0..).zip(marks) {
        let counts = match kind(ticket) {
            Kind::Gauge(_) => &mut gauges,
            Kind::Untimed => &mut untimed,
            Kind::Broken => &mut broken,
        };
        counts.0 += u64::from(*mark);
        counts.1 += 1;
    }
    let mut there = 0;
    for place in (0..TURN).filter(|place| matches!(kind(*place), Kind::Gauge(_))) {
        let rows = world.database.query(&format!(
            "SELECT water_level_m, battery_v FROM water_level WHERE device = 'tahan-{place}'"
        ));
        let mut rows = rows
            .into_iter()
            .map(|row| {
                let number = |name: &str| row[name].as_f64();
                (row["time"].as_i64().expect("a time"), number("water_level_m"), number("battery_v"))
            })
            .peekable();
        let tickets = (place..marks.len() as u64).step_by(usize::try_from(TURN).expect("a step"));
        for ticket in tickets {
            let (time, level) = told(ticket, rate, began);
            // The database gives a series in the order of time, as the tickets are.
            while rows.next_if(|(at, _, _)| *at < time).is_some() {
                found.more += 1;
            }
            match rows.next_if(|(at, _, _)| *at == time) {
                Some((_, told, battery)) => {
                    there += 1;
                    let right = told.is_some_and(|told| (told - level / 100.0).abs() < 1e-12);
                    found.wrong += u64::from(!right || battery != Some(12.5));
                }
                None if marks[usize::try_from(ticket).expect("an index")] => found.missing += 1,
                None => {}
            }
        }
        found.more += rows.count() as u64;
    }
    let rows = world.database.query("SELECT count(laeq_dba), min(laeq_dba), max(laeq_dba) FROM noise");
    let number = |name: &str| rows.first().and_then(|row| row[name].as_f64()).unwrap_or(0.0);
    let count = rows.first().and_then(|row| row["count"].as_u64()).unwrap_or(0);
    found.missing += untimed.0.saturating_sub(count);
    found.more += count.saturating_sub(untimed.1);
    found.wrong += u64::from((number("min"), number("max")) != (55.5, 55.5));
    let told = |name: &str| account[name].as_u64().unwrap_or(0);
    let settled = (there + count, there + count);
    found.account = told("stored") == settled.0
        && (broken.0..=broken.1).contains(&told("quarantined"))
        && account["quarantined_by_reason"]["malformed"].as_u64() == Some(told("quarantined"));
    if !found.account {
        println!("the account: {account}; there are {there} of gauges and {count} without a time");
    }
    found
}
