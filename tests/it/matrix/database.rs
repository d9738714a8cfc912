//! Rows 5 to 9: the database is away, slow, mute, cut short, overloaded, picky, or refuses us.

use std::time::Duration;

use super::broker::both;
use super::gate::Mode;
use super::play::Row;
use super::world::World;

const QUEUE: u64 = 2000;

pub const AWAY: Row = Row {
    name: "5: the database is away for longer than broker window, queue and keep-alive last",
    prepare: |setup| {
        setup.queue = Some(QUEUE);
        setup.mqtt.push_str("receive_maximum = 20\n");
    },
    strike: |world| world.database.kill9(),
    bites: |world| {
        assert!(
            !world.setup.alone || world.nadikota.ready(),
            "a database that is away must not make us unready"
        );
        world.sent_since() > QUEUE + 20
            && world.noted.0.elapsed() > Duration::from_secs(8)
            && world.part("destination default", "degraded", "")
    },
    heal: |world| world.database.restart(),
};

const fn struck(name: &'static str, strike: fn(&mut World), bites: fn(&World) -> bool) -> Row {
    Row { name, prepare: |_| {}, strike, bites, heal: |world| world.gate.set(Mode::Pass) }
}

fn three_times(world: &World) -> bool {
    world.gate.struck() >= 3
}

pub const SLOW: Row = struck("6a: the database is slow", |world| world.gate.set(Mode::Slow), three_times);
pub const HANGS: Row =
    struck("6b: the database hangs", |world| world.gate.set(Mode::Hang), |world| world.gate.struck() >= 2);
pub const RESETS: Row =
    struck("6c: the database resets in the body", |world| world.gate.set(Mode::ResetInBody), three_times);
pub const HALF: Row =
    struck("6d: the database answers by half", |world| world.gate.set(Mode::HalfAnswer), three_times);
pub const STORM: Row = struck(
    "7: a storm of 429, 500 and 503",
    |world| world.gate.set(Mode::Storm),
    |world| world.gate.struck() >= 9,
);

pub const POISON: Row = Row {
    name: "8: partial writes and poison points",
    prepare: |setup| setup.mix.poison = true,
    strike: |_| {},
    bites: |world| {
        let refused =
            || world.nadikota.health()?["account"]["quarantined_by_reason"]["refused_by_database"].as_u64();
        refused().is_some_and(|count| count > 10)
    },
    heal: |_| {},
};

pub const UNAUTHORISED: Row =
    struck("9: 401, then mended", |world| world.gate.set(Mode::Status(401)), |world| held(world, "401"));
pub const UNKNOWN: Row =
    struck("9: 404, then mended", |world| world.gate.set(Mode::Status(404)), |world| held(world, "404"));

fn held(world: &World, status: &str) -> bool {
    world.gate.struck() >= 2 && world.part("destination default", "degraded", status)
}

both!(row_5_a_database_that_is_away_for_long_costs_nothing, [AWAY], 1);
both!(row_6_a_slow_mute_or_broken_database_costs_and_doubles_nothing, [SLOW, HANGS, RESETS, HALF], 1);
both!(row_7_a_storm_of_refusals_costs_nothing, [STORM], 1);
both!(row_8_only_the_poison_goes_to_quarantine, [POISON], 1);
both!(row_9_a_database_that_refuses_us_costs_nothing_once_it_is_mended, [UNAUTHORISED, UNKNOWN], 1);
