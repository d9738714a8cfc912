//! Row 4: the link between broker and service is cut, half open, stalled, or cut in the middle of a packet.

use std::time::Duration;

use super::broker::both;
use super::play::Row;
use super::wire::Mode;
use super::world::{Setup, World};

pub const CUT: Row = Row {
    name: "4a: the link is cut",
    prepare: |_| {},
    strike: |world| {
        note_connections(world);
        world.wire.cut();
    },
    bites: connected_again,
    heal: |_| {},
};

pub const HALF_OPEN: Row = Row {
    name: "4b: the link is half open",
    prepare: long_enough,
    strike: |world| {
        note_connections(world);
        world.wire.set(Mode::Swallow);
    },
    // Only its own keep-alive can tell it.
    bites: connected_again,
    heal: |world| world.wire.heal(),
};

pub const STALLED: Row = Row {
    name: "4c: the link stalls for longer than the keep-alive",
    prepare: long_enough,
    strike: |world| {
        note_connections(world);
        world.wire.set(Mode::Stall);
    },
    bites: connected_again,
    heal: |world| world.wire.heal(),
};

pub const CUT_DOWN: Row = Row {
    name: "4d: a publish is cut in its middle",
    prepare: |_| {},
    strike: |world| {
        world.noted.1 = world.wire.cuts();
        world.wire.set(Mode::CutDown);
    },
    bites: |world| world.wire.cuts() > world.noted.1,
    heal: |world| world.wire.heal(),
};

pub const CUT_UP: Row = Row {
    name: "4e: a PUBACK is cut in its middle",
    prepare: |_| {},
    strike: |world| {
        world.noted.1 = world.wire.cuts();
        world.wire.set(Mode::CutUp);
    },
    bites: |world| world.wire.cuts() > world.noted.1,
    heal: |world| world.wire.heal(),
};

/// Several at once may end before the silence of the link is noticed.
fn long_enough(setup: &mut Setup) {
    setup.hold = setup.hold.max(Duration::from_secs(12));
}

fn note_connections(world: &mut World) {
    world.noted.1 = world.wire.connections();
}

/// Noticed and tried again.
fn connected_again(world: &World) -> bool {
    world.wire.connections() > world.noted.1
}

both!(row_4_a_link_that_is_cut_even_within_packets_costs_nothing, [CUT, CUT_DOWN, CUT_UP], 3);
both!(row_4_a_link_that_is_half_open_costs_nothing, [HALF_OPEN], 1);
both!(row_4_a_link_that_stalls_costs_nothing, [STALLED], 1);
