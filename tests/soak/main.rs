//! The fault matrix for hours: rows at random together, with kills in every round, until enough is sent and killed.
//!
//! `cargo bench --bench soak -- --seed 7 --messages 1000000 --kills 200 --within 3h`; a line for each round, and at the
//! end one of JSON. It ends with 1 where anything was lost, doubled or invented, or a round did not come to its end.
//! With `--endure 30m` one process lives for so long instead: see [`endurance`].

#![allow(unreachable_pub, reason = "a binary exports nothing")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a soak ends at the first surprise, and what it prints is for people"
)]

mod endurance;
#[path = "../it/matrix/mod.rs"]
mod matrix;
#[path = "../it/support/mod.rs"]
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use matrix::{BESIDE, INSIDE, KILLED, ROWS, Setup, choose, together};
use nadikota::settings::Span;
use serde_json::json;

/// Messages of one world: their log is in memory, and the database is read whole.
const ROUND: u64 = 20_000;

#[derive(Debug)]
struct Options {
    seed: u64,
    messages: u64,
    kills: u64,
    within: Duration,
    /// Faults last for this at most.
    hold: Duration,
    rate: u32,
    /// One process for so long, in place of rounds with kills.
    endure: Option<Duration>,
}

impl Options {
    fn read() -> Self {
        let mut options = Self {
            seed: fastrand::u64(..),
            messages: 20_000,
            kills: 4,
            within: Duration::from_secs(3600),
            hold: Duration::from_secs(3),
            rate: 2000,
            endure: None,
        };
        let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
        while let Some(name) = arguments.next() {
            let value = arguments.next().unwrap_or_else(|| panic!("{name} needs a value"));
            let number = || value.parse::<u64>().unwrap_or_else(|_| panic!("{name} {value}: not a number"));
            let span = || {
                let span: Result<Span, _> = value.parse();
                span.unwrap_or_else(|_| panic!("{name} {value}: write 30s, 30m or 3h")).0
            };
            match name.as_str() {
                "--seed" => options.seed = number(),
                "--messages" => options.messages = number(),
                "--kills" => options.kills = number(),
                "--rate" => options.rate = u32::try_from(number()).expect("a rate that fits"),
                "--within" => options.within = span(),
                "--hold" => options.hold = span(),
                "--endure" => options.endure = Some(span()),
                _ => panic!(
                    "{name}: it takes --seed, --messages, --kills, --within, --hold, --rate and --endure"
                ),
            }
        }
        options
    }
}

/// Sums over all rounds.
#[derive(Debug, Default)]
struct Sums {
    rounds: u64,
    broken_off: u64,
    messages: u64,
    kills: u64,
    lost: u64,
    doubled: u64,
    invented: u64,
    complaints: u64,
    damaged: u64,
    redelivered: u64,
    broker_lost: u64,
    broker_repeated: u64,
}

fn main() -> ExitCode {
    let options = Options::read();
    println!("{options:?}");
    if let Some(endure) = options.endure {
        return endurance::run(&options, endure);
    }
    let (begin, mut sums) = (Instant::now(), Sums::default());
    let mut rng = fastrand::Rng::with_seed(options.seed);
    let rounds = options.messages.div_ceil(ROUND).max(1);
    // One kill in each strike.
    let strikes = u32::try_from(options.kills.div_ceil(rounds)).expect("a count").max(1);
    while (sums.messages < options.messages || sums.kills < options.kills) && begin.elapsed() < options.within
    {
        let seed = rng.u64(..);
        let version = if rng.bool() { "5" } else { "3.1.1" };
        // One round in five has the service in this process, whose disk fails or whose clock is set: no kills then.
        let rows = if rng.u32(0..5) == 0 {
            let inside = choose(INSIDE, Vec::new(), 1, &mut rng);
            choose(BESIDE, inside, 3, &mut rng)
        } else {
            choose(ROWS, vec![KILLED], 3, &mut rng)
        };
        let names = rows.iter().map(|row| row.name).collect::<Vec<_>>().join(" + ");
        let mut setup = Setup::new(seed, version);
        (setup.rate, setup.messages) = (options.rate, ROUND.min(options.messages));
        setup.mix.poison_every = 500;
        setup.hold = options.hold;
        sums.rounds += 1;
        let at = begin.elapsed().as_secs();
        match catch_unwind(AssertUnwindSafe(|| together(&rows, strikes, setup))) {
            Ok(judgement) => {
                let word = if judgement.right() { "right" } else { "WRONG" };
                println!(
                    "{at} s, round {}, MQTT {version}, seed {seed}: {word}: {names}: {judgement}",
                    sums.rounds
                );
                sums.messages += judgement.published;
                sums.kills += u64::from(judgement.kills);
                sums.lost += judgement.lost();
                sums.doubled += judgement.doubled();
                sums.invented += judgement.invented();
                sums.complaints += u64::try_from(judgement.complaints.len()).expect("a count");
                sums.damaged += judgement.damaged;
                sums.redelivered += judgement.redelivered;
                sums.broker_lost += judgement.lost_by_the_broker;
                sums.broker_repeated += judgement.repeated_by_the_broker;
            }
            Err(_) => {
                println!("{at} s, round {}, MQTT {version}, seed {seed}: BROKEN OFF: {names}", sums.rounds);
                sums.broken_off += 1;
            }
        }
    }
    let wrong = sums.lost + sums.doubled + sums.invented + sums.complaints + sums.broken_off;
    let enough = sums.messages >= options.messages && sums.kills >= options.kills;
    println!(
        "{}",
        json!({
            "seed": options.seed,
            "seconds": begin.elapsed().as_secs(),
            "rounds": sums.rounds,
            "broken_off": sums.broken_off,
            "messages": sums.messages,
            "kills": sums.kills,
            "enough": enough,
            "lost": sums.lost,
            "doubled": sums.doubled,
            "invented": sums.invented,
            "complaints_of_the_account": sums.complaints,
            "damage_told_by_the_account": sums.damaged,
            "redeliveries_recognised": sums.redelivered,
            "lost_by_the_broker": sums.broker_lost,
            "repeated_by_the_broker": sums.broker_repeated,
        })
    );
    if wrong == 0 && enough { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
