//! Golden files of version 1: marks of what has moved, messages stored in part, and counts.

use super::*;
use crate::quarantine::counts::Counts as Gone;

fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/journal-1").join(name)
}

/// Messages 1 to 4, the last of them stored in part; then 1 was stored, and 2 in part.
fn written(dir: &Path) {
    let quarantine = open(dir, &Config::default(), Arc::new(RealDisk), 1000);
    let mut all: Vec<_> = (1..=4).map(|seq| held(seq, "main", Reason::NoRoute)).collect();
    (all[3].rejection.reason, all[3].partly) = (Reason::NotFinite, true);
    quarantine.put(&all).unwrap();
    quarantine.record(&[mv(1, 1, NO_ROUTE, Outcome::Stored), mv(1, 2, NO_ROUTE, IN_PART)]).unwrap();
}

/// Seven messages that the quota has removed.
fn removed() -> Gone {
    let mut gone = Gone { messages: 7, through: Some(3), ..Gone::default() };
    let moved = gone.moved.entry("main".to_owned()).or_default();
    moved.count(NO_ROUTE, Outcome::Discarded(Reason::Expired), 7);
    gone
}

#[test]
fn what_has_moved_and_what_is_stored_in_part_is_read_as_version_1_wrote_it() {
    let dir = place("quarantine-moved");
    let mut found = Vec::new();
    list(&dir, &RealDisk, &BTreeMap::new(), &Filter::default(), |held| found.push(held)).unwrap();
    let told: Vec<_> = found.iter().map(|held| (held.record.seq, held.partly)).collect();
    assert_eq!(told, [(2, true), (3, false), (4, true)]);
    let from = moved(&dir, &RealDisk).unwrap().remove("main").unwrap();
    assert_eq!((from.from.quarantined_total(), from.to.stored, from.to.partly_stored), (2, 1, 1));
    // But for the salt, which is random, and what follows from it, this version writes the same.
    let again = tempfile::tempdir().unwrap();
    written(again.path());
    let size = |dir: &Path| std::fs::metadata(segment::path(dir, 1, 0)).unwrap().len();
    assert_eq!(size(&dir), size(again.path()));
}

#[test]
fn counts_of_version_1_are_read_with_and_without_a_checksum() {
    for name in ["quarantine-counts", "quarantine-counts-without-crc"] {
        assert_eq!(Gone::read(&place(name), &RealDisk).unwrap().counts, removed(), "{name}");
    }
    let again = tempfile::tempdir().unwrap();
    removed().write(again.path(), &RealDisk).unwrap();
    let bytes = |dir: &Path| std::fs::read(dir.join("counts")).unwrap();
    assert_eq!(bytes(again.path()), bytes(&place("quarantine-counts")));
}
