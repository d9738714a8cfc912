//! Rows 11 and 13: the disk fails to write or to sync, and the clock is set. The service runs in this process,
//! because the disk and the clock of another cannot be told to lie.

use super::broker::both;
use super::play::Row;
use super::world::{Setup, World};

const HOUR: i64 = 3600;

fn inside(setup: &mut Setup) {
    setup.inside = true;
}

fn journal_fails(world: &World) -> bool {
    !world.nadikota.ready() && world.part("journal", "not_ready", "cannot be written")
}

pub const SYNC_FAILS: Row = Row {
    name: "11: a sync fails",
    prepare: inside,
    strike: |world| world.nadikota.disk().fail_syncs(true),
    bites: journal_fails,
    heal: |world| world.nadikota.disk().fail_syncs(false),
};

pub const WRITE_FAILS: Row = Row {
    name: "11: a write fails half-way",
    prepare: inside,
    strike: |world| world.nadikota.disk().fail_writes(true),
    bites: journal_fails,
    heal: |world| world.nadikota.disk().fail_writes(false),
};

pub const DISK_FILLS: Row = Row {
    name: "10: the disk of the service in this process is full",
    prepare: inside,
    strike: |world| world.nadikota.disk().fill(true),
    bites: |world| !world.nadikota.ready(),
    heal: |world| world.nadikota.disk().fill(false),
};

pub const HOUR_BACK: Row = Row {
    name: "13: the clock is set back an hour",
    prepare: inside,
    strike: |world| world.nadikota.set_clock(-HOUR),
    bites: |world| is_stored(world, "time > now() - 2h AND time < now() - 30m"),
    heal: |world| world.nadikota.set_clock(0),
};

pub const DAY_AHEAD: Row = Row {
    name: "13: the clock is set forward a day",
    prepare: inside,
    strike: |world| world.nadikota.set_clock(24 * HOUR),
    bites: |world| is_stored(world, "time > now() + 12h"),
    heal: |world| world.nadikota.set_clock(0),
};

/// Readings without a time of their own stand where the wrong clock puts them.
fn is_stored(world: &World, when: &str) -> bool {
    !world.database.query(&format!("SELECT laeq_dba FROM noise WHERE {when} LIMIT 1")).is_empty()
}

both!(row_10_a_full_disk_in_process_holds, [DISK_FILLS], 2);
both!(row_11_a_disk_that_fails_to_write_or_sync_costs_nothing, [SYNC_FAILS, WRITE_FAILS], 2);
both!(row_13_a_clock_that_is_set_costs_nothing, [HOUR_BACK, DAY_AHEAD], 1);
