//! Rows 10 and 12: the disk is full and freed, and bytes of the journal change while the service is dead.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::broker::both;
use super::gate::Mode;
use super::play::Row;
use super::world::World;

pub const FULL: Row = Row {
    name: "10: the disk is full and freed",
    prepare: |setup| setup.small_disk = Some(48),
    strike: |world| {
        assert!(world.mount.is_some(), "`playable` leaves it out where nothing can be mounted");
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
    name: "12: bytes of the undelivered journal change while the service is dead",
    prepare: |setup| {
        // What is lost is told by messages, so none may overwrite another.
        setup.mix.twice = false;
    },
    strike: |world| world.gate.set(Mode::Away),
    // Enough that nothing in the last segments is delivered.
    bites: |world| world.account("pending").is_some_and(|pending| pending > 2000),
    heal: |world| {
        world.kill();
        harm(world);
        world.nadikota.restart();
        world.gate.set(Mode::Pass);
    },
};

/// What may happen to bytes on a disk.
#[derive(Debug, Clone, Copy)]
enum Harm {
    /// One bit of a byte.
    Flip,
    /// A page reads as zeros.
    Zeros,
    /// What never was written stands behind the end.
    Appended,
    /// The end is gone.
    Cut,
}

const PAGE: u64 = 4096;
const ZEROS: [u8; 4096] = [0; 4096];
/// A record has no fewer bytes: its frame, and what stands in it beside topic and payload.
const SMALLEST: u64 = 32;

impl Harm {
    /// How many messages it can cost: those it touches.
    const fn costs(self) -> u64 {
        match self {
            Self::Flip => 2,
            Self::Zeros | Self::Cut => PAGE / SMALLEST + 2,
            Self::Appended => 0,
        }
    }

    fn strike(self, path: &Path, rng: &mut fastrand::Rng) {
        let file = File::options().read(true).write(true).open(path).expect("a segment");
        let size = file.metadata().expect("its size").len();
        let at = rng.u64(size / 4..size * 3 / 4);
        let done = match self {
            Self::Flip => {
                let mut byte = [0];
                file.read_exact_at(&mut byte, at).expect("a byte");
                file.write_all_at(&[byte[0] ^ (1 << rng.u32(0..8))], at)
            }
            Self::Zeros => file.write_all_at(&ZEROS, at.min(size.saturating_sub(PAGE))),
            Self::Appended => {
                let rubbish: Vec<u8> = (0..rng.usize(1..5000)).map(|_| rng.u8(..)).collect();
                file.write_all_at(&rubbish, size)
            }
            Self::Cut => file.set_len(size - rng.u64(1..=PAGE.min(size / 4))),
        };
        done.expect("a changed segment");
    }
}

/// Harms the last two segments that are full, of which nothing is delivered: one by a flip, which always costs, the
/// other by chance.
fn harm(world: &mut World) {
    let dir = world.nadikota.data_dir().join("journal");
    let files = std::fs::read_dir(&dir).expect("the journal").map(|entry| entry.expect("an entry").path());
    let mut segments: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|ending| ending == "seg")).collect();
    segments.sort();
    let other = [Harm::Flip, Harm::Zeros, Harm::Appended, Harm::Cut][world.rng.usize(0..4)];
    for (path, harm) in segments.iter().rev().skip(1).zip([Harm::Flip, other]) {
        println!("{harm:?} in {}", path.display());
        harm.strike(path, &mut world.rng);
        *world.damaged.get_or_insert(0) += harm.costs();
    }
}

both!(row_10_a_full_disk_holds_and_goes_on_when_it_is_freed, [FULL, FULL_AT_START], 1);
both!(row_12_a_damaged_journal_costs_only_what_the_account_tells, [DAMAGED], 1);
