//! Tests of inspection: it sees what is there, each record once, and changes nothing.

use std::collections::BTreeMap;

use super::*;
use crate::journal::inspect::{Edge, Scan, find, overview};

fn scan(dir: &Path, from: u64) -> Vec<Entry> {
    let mut scan = Scan::new(dir, from, &RealDisk).unwrap();
    let mut entries = Vec::new();
    while let Some(entry) = scan.next_entry().unwrap() {
        entries.push(entry);
        let (done, total) = scan.progress();
        assert!(done <= total && total > 0);
    }
    let (done, total) = scan.progress();
    assert_eq!(done, total);
    entries
}

fn bytes(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    files(dir).into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

#[tokio::test]
async fn it_sees_every_record_beside_the_writer_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, thread, _) = opened(dir.path(), &small(), Arc::new(RealDisk));
    assert_eq!(overview(dir.path(), &RealDisk).unwrap(), Default::default());
    let mut received = Vec::new();
    for number in 1..100 {
        received.push(journal.append(message(number)).await.unwrap().received());
    }
    let before = bytes(dir.path());
    let found = overview(dir.path(), &RealDisk).unwrap();
    assert_eq!(found.first, Some(Edge { seq: 1, received: received[0] }));
    assert_eq!(found.last, Some(Edge { seq: 99, received: received[98] }));
    assert_eq!((found.segments, found.bytes), (journal.stats().segments, journal.stats().bytes));
    assert!(found.segments > 3, "{found:?}");
    assert!(check(&scan(dir.path(), 1), 1, 100).is_empty());
    assert!(check(&scan(dir.path(), 57), 57, 100).is_empty());
    for seq in [1, 50, 99] {
        assert_eq!(find(dir.path(), seq, &RealDisk).unwrap().unwrap().message, message(seq));
    }
    for seq in [0, 100, u64::MAX] {
        assert_eq!(find(dir.path(), seq, &RealDisk).unwrap(), None, "{seq}");
    }
    assert_eq!(bytes(dir.path()), before);
    drop(journal);
    thread.join().unwrap();
}

#[tokio::test]
async fn an_unfinished_tail_is_left_alone_and_damage_costs_the_damaged_records() {
    let dir = tempfile::tempdir().unwrap();
    append_all(dir.path(), 1..10, &Config::default()).await;
    append_all(dir.path(), 10..20, &Config::default()).await;
    let [first, last] = <[PathBuf; 2]>::try_from(files(dir.path())).unwrap();
    // A record that is being written, and a byte that went wrong in the middle of the first segment.
    let whole = std::fs::read(&last).unwrap();
    std::fs::write(&last, &whole[..whole.len() - 3]).unwrap();
    let mut flipped = std::fs::read(&first).unwrap();
    let at = flipped.windows(11).position(|bytes| bytes == b"{\"value\":5}").unwrap();
    flipped[at] ^= 1;
    std::fs::write(&first, flipped).unwrap();
    let before = bytes(dir.path());
    assert_eq!(check(&scan(dir.path(), 1), 1, 19), [5]);
    assert_eq!(overview(dir.path(), &RealDisk).unwrap().last.unwrap().seq, 18);
    assert_eq!(find(dir.path(), 5, &RealDisk).unwrap(), None);
    assert_eq!(bytes(dir.path()), before);
}

#[tokio::test]
async fn what_retention_took_before_is_no_gap() {
    let dir = tempfile::tempdir().unwrap();
    append_all(dir.path(), 1..150, &small()).await;
    std::fs::remove_file(files(dir.path()).remove(0)).unwrap();
    let first = overview(dir.path(), &RealDisk).unwrap().first.unwrap().seq;
    assert!(first > 1);
    assert!(check(&scan(dir.path(), 1), first, 150).is_empty());
    assert_eq!(find(dir.path(), 1, &RealDisk).unwrap(), None);
    // One that goes while we read is told.
    let mut under_way = Scan::new(dir.path(), 1, &RealDisk).unwrap();
    assert!(matches!(under_way.next_entry().unwrap(), Some(Entry::Record(record)) if record.seq == first));
    std::fs::remove_file(files(dir.path()).remove(1)).unwrap();
    let gaps = std::iter::from_fn(|| under_way.next_entry().unwrap()).filter_map(|entry| match entry {
        Entry::Damage { detail, .. } => Some(detail),
        Entry::Record(_) => None,
    });
    let gaps: Vec<_> = gaps.collect();
    assert!(gaps.len() == 1 && gaps[0].contains("removed"), "{gaps:?}");
}

#[tokio::test]
async fn records_that_were_appended_again_after_a_failed_sync_are_seen_once() {
    let dir = tempfile::tempdir().unwrap();
    let disk = TestDisk::default();
    let (journal, thread, _) = opened(dir.path(), &Config::default(), Arc::new(disk.clone()));
    let _ = journal.append(message(1)).await.unwrap();
    disk.fail_syncs(true);
    let syncs = disk.syncs();
    let pending = journal.try_append(message(2)).unwrap();
    crate::testing::until("the writer has tried", || (disk.syncs() > syncs).then_some(())).await;
    disk.fail_syncs(false);
    let _ = pending.await.unwrap();
    let _ = journal.append(message(3)).await.unwrap();
    drop(journal);
    thread.join().unwrap();
    assert!(files(dir.path()).len() > 1);
    assert!(check(&scan(dir.path(), 1), 1, 4).is_empty());
}

#[test]
fn another_programs_file_is_named_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = segment::path(dir.path(), 1, 0);
    std::fs::write(&path, "not ours, and longer than any header would have to be to be looked at closely")
        .unwrap();
    let found = overview(dir.path(), &RealDisk).unwrap();
    assert_eq!((found.segments, found.foreign), (0, vec![path]));
    assert!(Scan::new(dir.path(), 1, &RealDisk).unwrap().next_entry().unwrap().is_none());
    assert!(overview(&dir.path().join("none"), &RealDisk).is_err());
}
