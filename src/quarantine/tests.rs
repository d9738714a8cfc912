//! Tests of the quarantine.

use super::*;
use crate::journal::disk::{RealDisk, TestDisk};
use crate::message::Message;
use crate::outcome::Reason;
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
