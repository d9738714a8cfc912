//! Every row there is, one alone as a test shows it, and three at random together.

use super::super::support::scale::scaled;
use super::broker::{BROKER_FORGETS, BROKER_KILLED, KILLED, TWIN};
use super::database::{AWAY, HALF, HANGS, POISON, RESETS, SLOW, STORM, UNAUTHORISED, UNKNOWN};
use super::disk::{DAMAGED, FULL};
use super::judge::Judgement;
use super::link::{CUT, CUT_DOWN, CUT_UP, HALF_OPEN, STALLED};
use super::play::{Row, play, together};
use super::world::Setup;

/// The rows that strike a service of its own process; those within this one are tests of their own.
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

/// Plays rows alone and holds the oracle's word.
pub fn shows(rows: &[Row], rounds: u32, version: &'static str) {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let judgement = play(rows, scaled(rounds, rounds * 10), Setup::new(seed, version));
    println!("{judgement}");
    assert!(judgement.right(), "seed {seed}: {judgement}");
    let harmed = rows.iter().any(|row| row.name == DAMAGED.name);
    assert_eq!(judgement.damaged > 0, harmed, "seed {seed}: {judgement}");
}

/// Three different rows that can share a world, and what they came to.
pub fn three(seed: u64, rounds: u32, version: &'static str) -> (Vec<&'static str>, Judgement) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut rows: Vec<Row> = ROWS.to_vec();
    rng.shuffle(&mut rows);
    let mut chosen: Vec<Row> = Vec::new();
    for row in rows {
        let group = |row: &Row| row.name.split([':', 'a', 'b', 'c', 'd', 'e']).next().map(str::to_owned);
        let broker = |row: &Row| row.name.starts_with("2:") || row.name.starts_with("3:");
        let apart = chosen.iter().all(|other| group(other) != group(&row) && !(broker(other) && broker(&row)));
        if chosen.len() < 3 && apart {
            chosen.push(row);
        }
    }
    let names = chosen.iter().map(|row| row.name).collect();
    (names, together(&chosen, rounds, Setup::new(seed, version)))
}

fn three_random_rows(version: &'static str) {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let (names, judgement) = three(seed, scaled(2, 10), version);
    println!("{}: {judgement}", names.join(" + "));
    assert!(judgement.right(), "seed {seed}: {}: {judgement}", names.join(" + "));
}

#[test]
fn three_random_rows_together_lose_double_and_invent_nothing_over_mqtt_5() {
    three_random_rows("5");
}

#[test]
fn three_random_rows_together_lose_double_and_invent_nothing_over_mqtt_3_1_1() {
    three_random_rows("3.1.1");
}
