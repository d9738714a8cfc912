//! Rows 1 to 3 and the half of 13: the service killed, the broker killed or restarted, its session taken by another.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::super::support::wait::poll_until;
use super::play::Row;
use super::world::{LIMIT, World};

pub const KILLED: Row = Row {
    name: "1: kill -9 of nadikota",
    prepare: |_| {},
    strike: World::kill,
    // Messages come while it is away.
    bites: |world| world.sent_since() >= 30,
    heal: |world| world.nadikota.restart(),
};

pub const BROKER_KILLED: Row = Row {
    name: "2: kill -9 of Mosquitto with persistence",
    prepare: |setup| {
        setup.broker.push_str("persistence true\nautosave_interval 1\n");
        setup.broker_suffers = true;
    },
    strike: |world| {
        // It must have something to come back to.
        let saved = world.broker.path("mosquitto.db");
        poll_until(LIMIT, "Mosquitto has saved its state", || saved.exists().then_some(()));
        world.broker.kill9();
    },
    bites: |world| !world.nadikota.ready(),
    heal: World::restart_broker,
};

pub const BROKER_FORGETS: Row = Row {
    name: "3: Mosquitto restarted without persistence",
    prepare: |setup| setup.broker_suffers = true,
    strike: |world| world.broker.kill9(),
    bites: |world| !world.nadikota.ready(),
    heal: World::restart_broker,
};

pub const TWIN: Row = Row {
    name: "13: a second client with the same id that never acknowledges",
    prepare: |_| {},
    strike: |world| world.twin = twin(world),
    // The broker gave the twin what was ours: it holds messages and acknowledges none.
    bites: |world| {
        let mut buffer = [0; 4096];
        let Some(mut twin) = world.twin.as_ref() else { return false };
        twin.read(&mut buffer).is_ok_and(|read| buffer[..read].iter().any(|byte| byte >> 4 == 3))
    },
    heal: |world| world.twin = None,
};

/// Takes the session over, straight at the broker, by a CONNECT of MQTT 3.1.1 that keeps it. Nothing while another
/// fault has the broker.
fn twin(world: &World) -> Option<TcpStream> {
    let id = b"nadikota";
    let mut connect = vec![0x10, 12 + u8::try_from(id.len()).expect("a short id")];
    connect.extend_from_slice(b"\0\x04MQTT\x04\0\0\0\0");
    connect.push(u8::try_from(id.len()).expect("a short id"));
    connect.extend_from_slice(id);
    let mut stream = TcpStream::connect(world.broker.address()).ok()?;
    stream.set_read_timeout(Some(std::time::Duration::from_millis(500))).expect("a timeout");
    stream.write_all(&connect).ok()?;
    Some(stream)
}

macro_rules! both {
    ($name:ident, $rows:expr, $rounds:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn over_mqtt_5() {
                super::super::together::shows(&$rows, $rounds, "5");
            }

            #[test]
            fn over_mqtt_3_1_1() {
                super::super::together::shows(&$rows, $rounds, "3.1.1");
            }
        }
    };
}
pub(super) use both;

both!(row_1_a_killed_service_loses_and_doubles_nothing, [KILLED], 5);
both!(row_2_a_killed_broker_with_persistence_costs_only_what_it_lost_itself, [BROKER_KILLED], 2);
both!(row_3_a_broker_that_forgets_costs_only_what_it_lost_itself, [BROKER_FORGETS], 2);
both!(row_13_a_twin_that_never_acknowledges_takes_nothing_away, [TWIN], 2);
