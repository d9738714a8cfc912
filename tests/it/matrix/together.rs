//! Every row there is, one alone as a test shows it, and three at random together.

use super::super::support::scale::scaled;
use super::broker::{BROKER_FORGETS, BROKER_KILLED, KILLED, TWIN};
use super::database::{AWAY, HALF, HANGS, POISON, RESETS, SLOW, STORM, UNAUTHORISED, UNKNOWN};
use super::disk::{DAMAGED, FULL};
use super::inside::{DAY_AHEAD, DISK_FILLS, HOUR_BACK, SYNC_FAILS, WRITE_FAILS};
use super::judge::Judgement;
use super::link::{CUT, CUT_DOWN, CUT_UP, HALF_OPEN, STALLED};
use super::play::{Row, play, together};
use super::world::{Mount, Setup};

/// The rows that strike a service of its own process.
pub const ROWS: &[Row] = &[
    KILLED,
    BROKER_KILLED,
    BROKER_FORGETS,
    CUT,
    HALF_OPEN,
    STALLED,
    CUT_DOWN,
    CUT_UP,
    AWAY,
    SLOW,
    HANGS,
    RESETS,
    HALF,
    STORM,
    POISON,
    UNAUTHORISED,
    UNKNOWN,
    FULL,
    DAMAGED,
    TWIN,
];

/// The rows that only a service in this process can be struck by.
pub const INSIDE: &[Row] = &[DISK_FILLS, SYNC_FAILS, WRITE_FAILS, HOUR_BACK, DAY_AHEAD];

/// What can strike it beside them: all but kills, and what harms files.
pub const BESIDE: &[Row] = &[
    CUT,
    HALF_OPEN,
    STALLED,
    CUT_DOWN,
    CUT_UP,
    SLOW,
    HANGS,
    RESETS,
    HALF,
    STORM,
    UNAUTHORISED,
    UNKNOWN,
    TWIN,
];

/// Leaves out, and says so, what needs a right that this user has not.
fn playable(rows: &[Row]) -> Vec<Row> {
    let mounts = |row: &Row| {
        let mut setup = Setup::new(0, "5");
        (row.prepare)(&mut setup);
        setup.small_disk.is_some()
    };
    let (needy, mut rows): (Vec<Row>, Vec<Row>) = rows.iter().partition(|row| mounts(row));
    if !needy.is_empty() && Mount::is_allowed() {
        rows.extend(needy);
    } else {
        for row in needy {
            println!(
                "SKIPPED, nothing can be mounted here (\"{}\" is played all the same): {}",
                DISK_FILLS.name, row.name
            );
        }
    }
    rows
}

/// Plays rows alone and holds the oracle's word.
pub fn shows(rows: &[Row], rounds: u32, version: &'static str) {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let rows = &playable(rows)[..];
    if rows.is_empty() {
        return;
    }
    let judgement = play(rows, scaled(rounds, rounds * 10), Setup::new(seed, version));
    println!("{judgement}");
    assert!(judgement.right(), "seed {seed}: {judgement}");
    let harmed = rows.iter().any(|row| row.name == DAMAGED.name);
    assert_eq!(judgement.damaged > 0, harmed, "seed {seed}: {judgement}");
}

/// Rows at random from `pool` that can share a world, after those in `chosen`.
pub fn choose(pool: &[Row], mut chosen: Vec<Row>, count: usize, rng: &mut fastrand::Rng) -> Vec<Row> {
    let mut rows = playable(pool);
    rng.shuffle(&mut rows);
    for row in rows {
        let group = |row: &Row| row.name.split(|c: char| !c.is_numeric()).next().map(str::to_owned);
        // Mosquitto cannot be both, with its memory and without.
        let broker = |row: &Row| row.name.starts_with("2:") || row.name.starts_with("3:");
        let apart =
            chosen.iter().all(|other| group(other) != group(&row) && !(broker(other) && broker(&row)));
        if chosen.len() < count && apart {
            chosen.push(row);
        }
    }
    chosen
}

fn three_random_rows(version: &'static str) {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    several(&choose(ROWS, Vec::new(), 3, &mut fastrand::Rng::with_seed(seed)), seed, version);
}

/// One that needs the service in this process, and two that can be beside it.
fn three_random_rows_in_process(version: &'static str) {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let chosen = choose(INSIDE, Vec::new(), 1, &mut rng);
    several(&choose(BESIDE, chosen, 3, &mut rng), seed, version);
}

fn several(rows: &[Row], seed: u64, version: &'static str) {
    let names = rows.iter().map(|row| row.name).collect::<Vec<_>>().join(" + ");
    println!("{names}");
    let judgement = together(rows, scaled(2, 10), Setup::new(seed, version));
    println!("{names}: {judgement}");
    assert!(judgement.right(), "seed {seed}: {names}: {judgement}");
}

#[test]
fn three_random_rows_together_lose_double_and_invent_nothing_over_mqtt_5() {
    three_random_rows("5");
}

#[test]
fn three_random_rows_together_lose_double_and_invent_nothing_over_mqtt_3_1_1() {
    three_random_rows("3.1.1");
}

#[test]
fn three_random_rows_in_process_lose_double_and_invent_nothing_over_mqtt_5() {
    three_random_rows_in_process("5");
}

#[test]
fn three_random_rows_in_process_lose_double_and_invent_nothing_over_mqtt_3_1_1() {
    three_random_rows_in_process("3.1.1");
}
