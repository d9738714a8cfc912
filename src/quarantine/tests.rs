//! Tests of the quarantine.

mod damage;
mod golden;
mod voids;

use super::*;
use crate::journal::disk::{RealDisk, TestDisk};
use crate::journal::segment;
use crate::message::Message;
use crate::outcome::{Outcome, Outcomes, Reason};
use crate::topic::Template;

fn held(seq: u64, destination: &str, reason: Reason) -> Held {
    let message = Message {
        topic: format!("city/{seq}").into(),
        payload: vec![b'x'; 100].into(),
        qos: 1,
        retain: false,
        dup: false,
        source: 1,
        session: 2,
        packet_id: 3,
        redelivery_of: None,
    };
    let received = i64::try_from(seq).unwrap() * 1_000_000_000;
    Held {
        record: Record { seq, received, clock_suspect: false, message },
        destination: destination.to_owned(),
        rejection: Rejection::new(reason, "why"),
        partly: false,
    }
}

fn open(dir: &Path, config: &Config, disk: Arc<dyn Disk>, position: u64) -> Quarantine {
    let (clock, _) = Clock::fixed(1_000_000_000_000);
    Quarantine::open(dir, config, disk, clock, &[("main".to_owned(), position)].into()).unwrap()
}

fn seqs(dir: &Path, filter: &Filter) -> Vec<u64> {
    let mut seqs = Vec::new();
    list(dir, &RealDisk, &BTreeMap::new(), filter, |held| seqs.push(held.record.seq)).unwrap();
    seqs
}

#[test]
fn what_is_put_is_listed_whole_and_filtered() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path(), &Config::default(), Arc::new(RealDisk), 1);
    let both = [held(1, "main", Reason::NoRoute), held(2, "main", Reason::Malformed)];
    quarantine.put(&both).unwrap();
    let mut found = Vec::new();
    list(dir.path(), &RealDisk, &BTreeMap::new(), &Filter::default(), |held| found.push(held)).unwrap();
    assert_eq!(found, both);
    let filter = Filter { reason: Some(Reason::Malformed), ..Filter::default() };
    assert_eq!(seqs(dir.path(), &filter), [2]);
    let filter = Filter { topic: Some(Template::parse("+/1").unwrap()), ..Filter::default() };
    assert_eq!(seqs(dir.path(), &filter), [1]);
    let filter = Filter { seq: Some(2), ..Filter::default() };
    assert_eq!(seqs(dir.path(), &filter), [2]);
}

#[test]
fn messages_above_the_position_are_void_for_good_because_they_are_judged_again() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path(), &Config::default(), Arc::new(RealDisk), 1);
    quarantine.put(&[held(1, "main", Reason::NoRoute), held(2, "main", Reason::NoRoute)]).unwrap();
    quarantine.put(&[held(9, "other", Reason::NoRoute)]).unwrap();
    drop(quarantine);
    // Killed before the position passed message 2; a mended route stores it after the restart.
    let quarantine = open(dir.path(), &Config::default(), Arc::new(RealDisk), 2);
    assert_eq!(seqs(dir.path(), &Filter::default()), [1, 9]);
    quarantine.put(&[held(3, "main", Reason::NoRoute)]).unwrap();
    drop(quarantine);
    let _again = open(dir.path(), &Config::default(), Arc::new(RealDisk), 4);
    assert_eq!(seqs(dir.path(), &Filter::default()), [1, 9, 3]);
}

#[test]
fn the_quota_removes_the_oldest_and_counts_them_also_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { max_size: 5000, ..Config::default() };
    for seq in 1..=100 {
        // Each process closes its segment, so the quota has many to choose from.
        open(dir.path(), &config, Arc::new(RealDisk), 1000)
            .put(&[held(seq, "main", Reason::NoRoute)])
            .unwrap();
    }
    let quarantine = open(dir.path(), &config, Arc::new(RealDisk), 1000);
    let kept = seqs(dir.path(), &Filter::default());
    assert_eq!(quarantine.counts().expired + u64::try_from(kept.len()).unwrap(), 100);
    assert!(quarantine.counts().bytes <= 5000 && kept.last() == Some(&100), "{kept:?}");
}

#[test]
fn old_messages_expire() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { max_age: Duration::from_secs(100), ..Config::default() };
    open(dir.path(), &config, Arc::new(RealDisk), 10_000).put(&[held(10, "main", Reason::NoRoute)]).unwrap();
    // Now is second 1,000: a message of second 10 is too old, one of second 950 is not.
    let quarantine = open(dir.path(), &config, Arc::new(RealDisk), 10_000);
    quarantine.put(&[held(950, "main", Reason::NoRoute)]).unwrap();
    assert_eq!((seqs(dir.path(), &Filter::default()), quarantine.counts().expired), (vec![950], 1));
}

#[test]
fn a_failed_write_is_told_and_a_second_try_goes_to_a_new_file() {
    let dir = tempfile::tempdir().unwrap();
    let disk = TestDisk::default();
    let quarantine = open(dir.path(), &Config::default(), Arc::new(disk.clone()), 1000);
    quarantine.put(&[held(1, "main", Reason::NoRoute)]).unwrap();
    disk.fail_writes(true);
    assert!(quarantine.put(&[held(2, "main", Reason::NoRoute)]).is_err());
    disk.fail_writes(false);
    quarantine.put(&[held(2, "main", Reason::NoRoute)]).unwrap();
    assert_eq!(seqs(dir.path(), &Filter::default()), [1, 2]);
}

#[test]
fn counts_do_not_wait_for_a_sync() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), TestDisk::default());
    let quarantine = open(dir.path(), &Config::default(), Arc::new(disk.clone()), 1);
    quarantine.put(&[held(1, "main", Reason::NoRoute)]).unwrap();
    let (before, syncs) = (quarantine.counts().bytes, disk.syncs());
    disk.slow_syncs(Duration::from_secs(2));
    let putting = std::thread::spawn({
        let quarantine = quarantine.clone();
        move || quarantine.put(&[held(2, "main", Reason::NoRoute)])
    });
    let begin = std::time::Instant::now();
    while disk.syncs() == syncs {
        assert!(begin.elapsed() < Duration::from_secs(10), "no sync began");
        std::thread::yield_now();
    }
    let asked = std::time::Instant::now();
    assert_eq!(quarantine.counts().bytes, before);
    assert!(asked.elapsed() < Duration::from_secs(1) && !putting.is_finished(), "it waited for the sync");
    putting.join().unwrap().unwrap();
    assert!(before > 0 && quarantine.counts().bytes > before);
}

#[test]
fn a_message_whose_sync_failed_stands_there_once_when_it_is_put_again() {
    let dir = tempfile::tempdir().unwrap();
    let disk = TestDisk::default();
    let quarantine = open(dir.path(), &Config::default(), Arc::new(disk.clone()), 1000);
    quarantine.put(&[held(1, "main", Reason::NoRoute), held(7, "other", Reason::NoRoute)]).unwrap();
    disk.fail_syncs(true);
    // The bytes are written; only the sync fails.
    assert!(quarantine.put(&[held(2, "main", Reason::NoRoute), held(3, "main", Reason::NoRoute)]).is_err());
    disk.fail_syncs(false);
    quarantine.put(&[held(8, "other", Reason::NoRoute)]).unwrap();
    quarantine.put(&[held(2, "main", Reason::NoRoute), held(3, "main", Reason::NoRoute)]).unwrap();
    assert_eq!(seqs(dir.path(), &Filter::default()), [1, 7, 8, 2, 3]);
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/journal-1/quarantine")
}

#[test]
fn golden_files_of_version_1_are_read() {
    // The mark makes 2 void; it was judged again and stands there once.
    let kept = [held(1, "main", Reason::NoRoute), held(2, "main", Reason::Malformed)];
    let mut found = Vec::new();
    list(&golden(), &RealDisk, &BTreeMap::new(), &Filter::default(), |held| found.push(held)).unwrap();
    assert_eq!(found, kept);
}

#[test]
fn a_flipped_byte_costs_one_message_at_most_and_is_told() {
    let whole = tempfile::tempdir().unwrap();
    let quarantine = open(whole.path(), &Config::default(), Arc::new(RealDisk), 1000);
    for seq in 1..4 {
        quarantine.put(&[held(seq, "main", Reason::NoRoute)]).unwrap();
    }
    let file = segment::path(whole.path(), 1, 0);
    let bytes = std::fs::read(&file).unwrap();
    for at in 0..bytes.len() {
        let dir = tempfile::tempdir().unwrap();
        let mut harmed = bytes.clone();
        harmed[at] ^= 0x10;
        let file = segment::path(dir.path(), 1, 0);
        std::fs::write(&file, &harmed).unwrap();
        let quarantine = open(dir.path(), &Config::default(), Arc::new(RealDisk), 1000);
        quarantine.put(&[held(4, "main", Reason::NoRoute)]).unwrap();
        let left = seqs(dir.path(), &Filter::default());
        assert!(left.len() >= 3 && left.last() == Some(&4), "byte {at}: {left:?}");
        let mut told = 0;
        verify(dir.path(), &RealDisk, |_| told += 1).unwrap();
        assert!(told > 0, "byte {at}");
        assert_eq!(std::fs::read(&file).unwrap(), harmed, "what is damaged is left as it is");
    }
}

#[test]
fn a_cut_anywhere_costs_what_was_cut_off_and_neither_start_nor_counts_are_refused() {
    let whole = tempfile::tempdir().unwrap();
    let quarantine = open(whole.path(), &Config::default(), Arc::new(RealDisk), 1000);
    for seq in 1..4 {
        quarantine.put(&[held(seq, "main", Reason::NoRoute)]).unwrap();
    }
    let bytes = std::fs::read(segment::path(whole.path(), 1, 0)).unwrap();
    let mut most = 0;
    for cut in 0..=bytes.len() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(segment::path(dir.path(), 1, 0), &bytes[..cut]).unwrap();
        std::fs::write(dir.path().join("counts"), "junk").unwrap();
        let quarantine = open(dir.path(), &Config::default(), Arc::new(RealDisk), 1000);
        quarantine.put(&[held(4, "main", Reason::NoRoute)]).unwrap();
        let left = seqs(dir.path(), &Filter::default());
        assert!(left.len() > most.min(3) && left.ends_with(&[4]), "cut at {cut}: {left:?}");
        assert!(left[..left.len() - 1].iter().copied().eq(1..u64::try_from(left.len()).unwrap()));
        most = left.len() - 1;
    }
    assert_eq!(most, 3);
}

fn mv(segment: u64, seq: u64, from: Outcome, to: Outcome) -> Move {
    Move { segment, seq, destination: "main".to_owned(), from, to }
}

/// What `main` has when `first` was its first outcomes.
fn account(quarantine: &Quarantine, first: &[Outcome]) -> Outcomes {
    let mut outcomes = Outcomes::default();
    first.iter().for_each(|outcome| outcomes.count(*outcome));
    let moved = quarantine.moved().remove("main").unwrap_or_default();
    moved.apply(&mut outcomes);
    assert_eq!(outcomes.total(), u64::try_from(first.len()).unwrap(), "{outcomes:?}");
    outcomes
}

const NO_ROUTE: Outcome = Outcome::Quarantined(Reason::NoRoute);
const IN_PART: Outcome = Outcome::PartlyStored(Reason::NotFinite);

#[test]
fn what_has_moved_is_not_held_and_counts_elsewhere_also_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let first = [NO_ROUTE, NO_ROUTE, NO_ROUTE, IN_PART];
    let mut quarantine = open(dir.path(), &Config::default(), Arc::new(RealDisk), 5);
    let mut all: Vec<_> = (1..=4).map(|seq| held(seq, "main", Reason::NoRoute)).collect();
    (all[3].rejection.reason, all[3].partly) = (Reason::NotFinite, true);
    quarantine.put(&all).unwrap();
    let moves = [
        mv(1, 1, NO_ROUTE, Outcome::Stored),
        mv(1, 2, NO_ROUTE, IN_PART),
        mv(1, 4, IN_PART, Outcome::Discarded(Reason::Dropped)),
    ];
    quarantine.record(&moves).unwrap();
    for _ in 0..2 {
        let now = account(&quarantine, &first);
        assert_eq!(
            (now.stored, now.partly_stored, now.quarantined_total(), now.discarded_total()),
            (1, 2, 1, 0)
        );
        assert_eq!((seqs(dir.path(), &Filter::default()), quarantine.counts().held), (vec![2, 3], 2));
        assert_eq!(moved(dir.path(), &RealDisk).unwrap(), quarantine.moved(), "files tell the same");
        let mut scan = quarantine.scan().unwrap();
        let (_, second) = quarantine.next(&mut scan).unwrap().unwrap();
        assert_eq!((second.record.seq, second.partly), (2, true));
        drop(quarantine);
        quarantine = open(dir.path(), &Config::default(), Arc::new(RealDisk), 5);
    }
    quarantine
        .record(&[
            mv(1, 2, IN_PART, Outcome::Stored),
            mv(1, 3, NO_ROUTE, Outcome::Discarded(Reason::Dropped)),
        ])
        .unwrap();
    let now = account(&quarantine, &first);
    assert_eq!((now.stored, now.partly_stored, now.quarantined_total(), now.discarded_total()), (2, 1, 0, 1));
    // Nothing is held any more: what stood before the open segment is gone, and stays counted.
    assert_eq!(segment::list(dir.path(), &RealDisk).unwrap().len(), 1);
    drop(quarantine);
    let quarantine = open(dir.path(), &Config::default(), Arc::new(RealDisk), 5);
    assert_eq!(account(&quarantine, &first), now);
    assert_eq!(moved(dir.path(), &RealDisk).unwrap(), quarantine.moved());
}

#[test]
fn a_message_that_the_quota_removed_during_a_replay_is_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { max_size: 2000, ..Config::default() };
    let quarantine = open(dir.path(), &config, Arc::new(RealDisk), 1000);
    quarantine.put(&[held(1, "main", Reason::NoRoute)]).unwrap();
    let mut scan = quarantine.scan().unwrap();
    let (segment, found) = quarantine.next(&mut scan).unwrap().unwrap();
    for seq in 2..=30 {
        quarantine.put(&[held(seq, "main", Reason::NoRoute)]).unwrap();
    }
    assert!(quarantine.counts().expired > 0);
    quarantine.record(&[mv(segment, found.record.seq, found.outcome(), Outcome::Stored)]).unwrap();
    let now = account(&quarantine, &[NO_ROUTE; 30]);
    let expired = now.discarded[&Reason::Expired];
    assert_eq!((now.stored, expired), (0, quarantine.counts().expired));
    assert_eq!(now.quarantined_total(), quarantine.counts().held);
    drop(quarantine);
    let quarantine = open(dir.path(), &config, Arc::new(RealDisk), 1000);
    assert_eq!(account(&quarantine, &[NO_ROUTE; 30]), now);
}

#[test]
fn the_quota_never_takes_what_is_not_settled_yet() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { max_size: 2000, ..Config::default() };
    let quarantine = open(dir.path(), &config, Arc::new(RealDisk), 1);
    for seq in 1..=30 {
        quarantine.put(&[held(seq, "main", Reason::NoRoute)]).unwrap();
    }
    assert_eq!(quarantine.counts().expired, 0);
    quarantine.settle([("main".to_owned(), 31)].into());
    quarantine.tidy();
    assert!(quarantine.counts().expired > 0 && quarantine.counts().bytes <= 2000);
}

#[test]
fn a_mark_that_failed_to_sync_counts_as_what_the_files_tell() {
    let dir = tempfile::tempdir().unwrap();
    let disk = TestDisk::default();
    let quarantine = open(dir.path(), &Config::default(), Arc::new(disk.clone()), 1000);
    quarantine.put(&[held(1, "main", Reason::NoRoute), held(2, "main", Reason::NoRoute)]).unwrap();
    disk.fail_syncs(true);
    assert!(quarantine.record(&[mv(1, 1, NO_ROUTE, Outcome::Stored)]).is_err());
    // This one fails too; it may stand there whole, and is put again.
    assert!(quarantine.put(&[held(3, "main", Reason::NoRoute)]).is_err());
    disk.fail_syncs(false);
    quarantine.put(&[held(3, "main", Reason::NoRoute)]).unwrap();
    let first = [NO_ROUTE; 3];
    let now = account(&quarantine, &first);
    assert_eq!((now.quarantined_total(), quarantine.counts().held), (2, 2));
    assert_eq!(seqs(dir.path(), &Filter::default()), [2, 3]);
    drop(quarantine);
    assert_eq!(account(&open(dir.path(), &Config::default(), Arc::new(RealDisk), 1000), &first), now);
}

#[test]
fn another_programs_file_is_neither_read_nor_removed() {
    let dir = tempfile::tempdir().unwrap();
    let foreign = segment::path(dir.path(), 1, 0);
    std::fs::write(&foreign, vec![b'z'; 500]).unwrap();
    let config = Config { max_size: 2000, ..Config::default() };
    let quarantine = open(dir.path(), &config, Arc::new(RealDisk), 1000);
    for seq in 1..=30 {
        quarantine.put(&[held(seq, "main", Reason::NoRoute)]).unwrap();
    }
    assert!(quarantine.counts().expired > 0);
    drop(quarantine);
    let _again = open(dir.path(), &config, Arc::new(RealDisk), 1000);
    assert_eq!(std::fs::read(&foreign).unwrap(), vec![b'z'; 500]);
}

#[test]
fn a_start_on_a_full_disk_waits_for_room_before_a_position_may_be_saved() {
    let dir = tempfile::tempdir().unwrap();
    let quarantine = open(dir.path(), &Config::default(), Arc::new(RealDisk), 1);
    quarantine.put(&[held(1, "main", Reason::NoRoute), held(2, "main", Reason::NoRoute)]).unwrap();
    drop(quarantine);
    let disk = TestDisk::default();
    disk.fill(true);
    // Killed before the position passed message 2: it is judged again, and stored this time.
    let quarantine = open(dir.path(), &Config::default(), Arc::new(disk.clone()), 2);
    assert_eq!(quarantine.counts().held, 1);
    assert!(quarantine.mend().is_err());
    disk.fill(false);
    quarantine.mend().unwrap();
    drop(quarantine);
    let quarantine = open(dir.path(), &Config::default(), Arc::new(RealDisk), 3);
    assert_eq!((seqs(dir.path(), &Filter::default()), quarantine.counts().held), (vec![1], 1));
}
