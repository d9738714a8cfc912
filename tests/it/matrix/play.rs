//! How a row is played: the load runs, the fault strikes, bites and heals, everything settles, the oracle judges.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::support::city;
use super::super::support::wait::{poll_until, poll_while_it_moves};
use super::judge::{Judgement, judge};
use super::load::Published;
use super::world::{LIMIT, Setup, World};

/// A fault.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub name: &'static str,
    /// What it needs of its world.
    pub prepare: fn(&mut Setup),
    pub strike: fn(&mut World),
    /// Whether it has done what it is there for; a row that never bites shows nothing, and fails.
    pub bites: fn(&World) -> bool,
    pub heal: fn(&mut World),
}

/// Plays rows one after another in one world, `rounds` times, and judges.
pub fn play(rows: &[Row], rounds: u32, setup: Setup) -> Judgement {
    let mut setup = Setup { alone: true, ..setup };
    rows.iter().for_each(|row| (row.prepare)(&mut setup));
    let mut world = World::start(setup);
    for _ in 0..rounds {
        for row in rows {
            let messages = world.rng.u64(50..150);
            world.moves_on(messages);
            world.note();
            (row.strike)(&mut world);
            poll_until(LIMIT, row.name, || (row.bites)(&world).then_some(()));
            (row.heal)(&mut world);
        }
    }
    world.moves_on(50);
    let (mut published, account) = close(&mut world);
    judge(&world, &mut published, account)
}

/// Several at once: all strike before the first heals. Whether each bites depends on the others, and is told.
pub fn together(rows: &[Row], rounds: u32, setup: Setup) -> Judgement {
    let mut setup = setup;
    rows.iter().for_each(|row| (row.prepare)(&mut setup));
    // The service may be away for longer than a short queue lasts, and what it loses is the broker's.
    setup.queue = None;
    let messages = setup.messages;
    let mut world = World::start(setup);
    for round in 0..rounds {
        let due = messages * u64::from(round) / u64::from(rounds);
        poll_until(LIMIT, "the load goes on", || (world.sent() >= due).then_some(()));
        let messages = world.rng.u64(50..150);
        world.moves_on(messages);
        world.note();
        let mut order: Vec<&Row> = rows.iter().collect();
        world.rng.shuffle(&mut order);
        let mut struck = Vec::new();
        for row in order {
            world.note();
            (row.strike)(&mut world);
            struck.push((row, world.noted, false));
        }
        let (begin, longest) = (Instant::now(), u64::try_from(world.setup.hold.as_millis()).expect("a span"));
        let hold = Duration::from_millis(world.rng.u64(100..=longest.max(100)));
        poll_until(LIMIT + hold, "the faults have lasted", || {
            for (row, noted, bit) in &mut struck {
                world.noted = *noted;
                *bit = *bit || (row.bites)(&world);
            }
            (begin.elapsed() >= hold).then_some(())
        });
        world.rng.shuffle(&mut struck);
        for (row, noted, bit) in struck {
            world.noted = noted;
            (row.heal)(&mut world);
            println!("round {round}, {hold:?}: {}: {}", row.name, if bit { "has bitten" } else { "no bite" });
        }
    }
    poll_until(LIMIT, "the load is sent", || (world.sent() >= messages).then_some(()));
    world.moves_on(50);
    let (mut published, account) = close(&mut world);
    judge(&world, &mut published, account)
}

/// Ends the load and waits until everything is settled.
pub fn close(world: &mut World) -> (Published, Value) {
    let published = world.load.take().expect("a load").end();
    let log = &published.log;
    // What the broker has acknowledged is on its way, unless the broker itself has lost it.
    let wanted = if world.setup.broker_suffers { 0 } else { count(log.len() - log.open()) };
    // The broker keeps the order: behind the last message nothing is to come.
    let last = last_of_its_kind(&published);
    let arrived = || world.wire.tap(|tap| (tap.acknowledged(last), tap.pubacks));
    let account = poll_while_it_moves(LIMIT, "every message has its outcome", || {
        let (last_is_there, pubacks) = arrived();
        let Some(health) = world.nadikota.health() else { return (0, None) };
        let account = city::balanced(&health);
        let number = |name: &str| account[name].as_u64().expect("a number");
        let (received, pending) = (number("received"), number("pending"));
        let again = account["discarded"]["redelivery"].as_u64().unwrap_or(0);
        let all = last_is_there && received >= pubacks && pending == 0 && received - again >= wanted;
        (received - pending, all.then_some(account))
    });
    (published, account)
}

/// The content of the last acknowledged message that no other equals.
fn last_of_its_kind(published: &Published) -> u64 {
    let mut times = HashMap::<u64, u32>::new();
    published.keys.iter().for_each(|key| *times.entry(*key).or_default() += 1);
    let tickets: Vec<_> = (0..).zip(&published.keys).collect();
    let acknowledged = |ticket| published.log.standing(ticket).is_some_and(|(is, _)| is);
    let mut latest = tickets.iter().rev().filter(|(ticket, key)| times[*key] == 1 && acknowledged(*ticket));
    *latest.next().expect("an acknowledged message").1
}

fn count(number: usize) -> u64 {
    u64::try_from(number).expect("a count")
}
