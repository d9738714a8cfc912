//! Rows 10 and 12: the disk is full and freed, and bytes of the journal change while the service is dead.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use super::broker::both;
use super::gate::Mode;
use super::play::Row;
use super::world::World;

pub const FULL: Row = Row {
    name: "10: the disk is full and freed",
    prepare: |setup| setup.small_disk = Some(48),
    strike: |world| {
        assert!(world.mount.is_some(), "a small file system can be mounted here; rows in process do without");
        let mut filler = File::create(filler(world)).expect("a file");
        while filler.write_all(&[1; 64 * 1024]).is_ok() {}
    },
    bites: |world| !world.nadikota.ready() && world.part("journal", "not_ready", "disk"),
    heal: |world| std::fs::remove_file(filler(world)).expect("the filler"),
};

pub const FULL_AT_START: Row = Row {
    name: "10: killed and started again while the disk is full",
    heal: |world| {
        world.kill();
        world.nadikota.restart();
        (FULL.heal)(world);
    },
    ..FULL
};

fn filler(world: &World) -> PathBuf {
    world.nadikota.data_dir().join("filler")
}

pub const DAMAGED: Row = Row {
    name: "12: a byte of the undelivered journal changes while the service is dead",
    prepare: |setup| {
        // What is lost is told by messages, so none may overwrite another.
        setup.mix.twice = false;
    },
    strike: |world| world.gate.set(Mode::Away),
    // Enough that nothing in the last segments is delivered.
    bites: |world| world.account("pending").is_some_and(|pending| pending > 1000),
    heal: |world| {
        world.kill();
        flip(world);
        world.nadikota.restart();
        world.gate.set(Mode::Pass);
    },
};

/// Changes one byte in the middle of the last segment but one.
fn flip(world: &mut World) {
    let dir = world.nadikota.data_dir().join("journal");
    let files = std::fs::read_dir(&dir).expect("the journal").map(|entry| entry.expect("an entry").path());
    let mut segments: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|ending| ending == "seg")).collect();
    segments.sort();
    let Some(path) = segments.iter().rev().nth(1) else { return };
    let file = File::options().read(true).write(true).open(path).expect("a segment");
    let size = file.metadata().expect("its size").len();
    let at = world.rng.u64(size / 4..size * 3 / 4);
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("a byte");
    file.write_all_at(&[byte[0] ^ (1 << world.rng.u32(0..8))], at).expect("a changed byte");
    world.damaged = true;
}

both!(row_10_a_full_disk_holds_and_goes_on_when_it_is_freed, [FULL, FULL_AT_START], 1);
both!(row_12_a_damaged_journal_costs_only_what_the_account_tells, [DAMAGED], 1);
