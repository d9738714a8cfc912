//! Tests of harm: each kind of damage to the files has its outcome, and costs no more than what it hit.

use std::collections::BTreeMap;

use super::*;
use crate::journal::repair::repair;
use crate::journal::verify::{What, verify};
use crate::testing::memory_disk::MemoryDisk;

const DIR: &str = "/journal";

/// A journal of these lives, each with so many messages in one segment, or in small ones.
fn written(lives: &[u64], segment_size: u64) -> MemoryDisk {
    let disk = MemoryDisk::default();
    for count in lives {
        let config = Config { segment_size, ..small() };
        let (journal, mut writer) = begun(&disk, &config);
        for _ in 0..*count {
            let _pending = journal.try_append(message(journal.end())).unwrap();
            assert!(writer.turn());
        }
    }
    disk
}

fn begun(disk: &MemoryDisk, config: &Config) -> (Journal, Writer) {
    let (clock, _) = Clock::fixed(1_800_000_000_000_000_000);
    let part = Board::new(clock.clone()).part("journal");
    let (journal, writer, _) = open(Path::new(DIR), config, Arc::new(disk.clone()), clock, 1, part).unwrap();
    (journal, writer)
}

/// What a start reads, and what it puts on record.
fn read(disk: &MemoryDisk) -> (Vec<u64>, u64, Option<DamageSummary>) {
    let (journal, _writer) = begun(disk, &small());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (mut reader, end) = (journal.reader(1), journal.end());
    let (mut entries, mut next) = (Vec::new(), 1);
    while next < end {
        for entry in runtime.block_on(reader.next(10)).unwrap() {
            next = match &entry {
                Entry::Record(record) => record.seq + 1,
                Entry::Damage { last, .. } => last + 1,
            };
            entries.push(entry);
        }
    }
    let lost = check(&entries, 1, end);
    (lost, end, journal.damage(false))
}

/// What `verify` tells, without what is no harm.
fn told(disk: &MemoryDisk) -> Vec<(What, Option<(u64, u64)>)> {
    let mut told = Vec::new();
    verify(Path::new(DIR), 1, 1, disk, |finding| {
        if finding.is_harm() {
            told.push((finding.what, finding.numbers));
        }
    })
    .unwrap();
    told
}

fn segments(disk: &MemoryDisk) -> BTreeMap<PathBuf, Vec<u8>> {
    disk.files().into_iter().filter(|(path, _)| path.parent() == Some(Path::new(DIR))).collect()
}

fn paths(disk: &MemoryDisk) -> Vec<PathBuf> {
    segments(disk).into_keys().collect()
}

#[test]
fn a_sound_journal_has_nothing_to_tell() {
    let disk = written(&[50, 50], 2000);
    assert_eq!(read(&disk), (Vec::new(), 101, None));
    assert_eq!(told(&disk), []);
}

#[test]
fn a_zeroed_page_costs_the_messages_in_it_which_are_on_record_with_their_bytes() {
    let disk = written(&[200, 3], 1 << 20);
    let path = paths(&disk).remove(0);
    let mut bytes = segments(&disk).remove(&path).unwrap();
    bytes[4096..8192].fill(0);
    disk.put(&path, bytes);
    let (lost, end, record) = read(&disk);
    assert_eq!(end, 204);
    assert!(lost.len() > 20 && lost.len() < 80 && lost.is_sorted(), "{lost:?}");
    let record = record.unwrap();
    let (first, last) = (lost[0], lost[lost.len() - 1]);
    assert_eq!((record.lost[0].first, record.lost[0].last, record.files), (first, last, 1));
    let aside = disk.files();
    let aside: Vec<_> = aside.iter().filter(|(path, _)| path.starts_with("/journal/damaged")).collect();
    assert!(aside.iter().any(|(_, bytes)| bytes.windows(4096).any(|part| part == [0; 4096])), "{aside:?}");
    assert_eq!(told(&disk), [(What::Damaged, None), (What::Lost, Some((first, last)))]);
    // It is told again by the next life, without reading what is damaged.
    let (journal, _writer) = begun(&disk, &small());
    assert_eq!(journal.damage(false), Some(record));
    for path in disk.files().into_keys().filter(|path| path.starts_with("/journal/damaged")) {
        disk.remove(&path).unwrap();
    }
    assert_eq!(journal.damage(true), None, "moved away by a human");
}

#[test]
fn appended_garbage_costs_nothing_that_was_there() {
    let whole = written(&[20, 20], 1 << 20);
    let mut rng = fastrand::Rng::with_seed(7);
    for round in 0..400 {
        let disk = MemoryDisk::holding(whole.files());
        let path = paths(&disk).remove(round % 2);
        let mut bytes = segments(&disk).remove(&path).unwrap();
        let fill = [None, Some(0), Some(0xff), Some(b'x')][round / 2 % 4];
        bytes.extend((0..rng.usize(1..300)).map(|_| fill.unwrap_or_else(|| rng.u8(..))));
        disk.put(&path, bytes);
        let (lost, end, _) = read(&disk);
        // Garbage at the very end may have the length of frames: those numbers are not given.
        assert!(lost.iter().all(|seq| *seq > 40) && end > 40, "round {round}: {lost:?} {end}");
    }
}

#[test]
fn swapped_names_cost_nothing() {
    let disk = written(&[30, 30, 30], 1 << 20);
    let before = segments(&disk);
    let [one, two, three] = <[PathBuf; 3]>::try_from(paths(&disk)).unwrap();
    disk.put(&one, before[&three].clone());
    disk.put(&three, before[&two].clone());
    disk.put(&two, before[&one].clone());
    assert_eq!(read(&disk), (Vec::new(), 91, None));
    assert!(told(&disk).iter().all(|(what, _)| *what == What::Misnamed) && told(&disk).len() == 3);
    repair(Path::new(DIR), 1, &disk, |_| {}).unwrap();
    assert_eq!(told(&disk), []);
    assert!(read(&disk).0.is_empty());
}

#[test]
fn a_duplicated_segment_is_read_once() {
    let disk = written(&[30, 30, 30], 1 << 20);
    let before = segments(&disk);
    let second = paths(&disk).remove(1);
    for (first, roll) in [(31, 1), (7, 0), (500, 3)] {
        disk.put(&segment::path(Path::new(DIR), first, roll), before[&second].clone());
    }
    assert_eq!(read(&disk), (Vec::new(), 91, None));
}

#[test]
fn a_missing_segment_is_told_by_its_numbers() {
    let disk = written(&[30, 30, 30], 1 << 20);
    disk.remove(&paths(&disk)[1]).unwrap();
    let (lost, end, record) = read(&disk);
    assert_eq!((lost, end), ((31..=60).collect(), 91));
    let record = record.unwrap();
    assert_eq!((record.lost.len(), record.lost[0].first, record.lost[0].last), (1, 31, 60));
    assert_eq!(told(&disk), [(What::Lost, Some((31, 60)))]);
    // Missing at both ends: the cursor knows how far the numbers had been given.
    disk.remove(&paths(&disk)[0]).unwrap();
    let mut numbers = Vec::new();
    verify(Path::new(DIR), 1, 101, &disk, |finding| numbers.extend(finding.numbers)).unwrap();
    assert_eq!(numbers, [(1, 60), (91, 100)]);
}

#[test]
fn a_later_versions_segment_is_left_and_its_numbers_are_not_given() {
    let disk = written(&[30], 1 << 20);
    let path = paths(&disk).remove(0);
    let mut bytes = segments(&disk).remove(&path).unwrap();
    for start in [0, 40] {
        bytes[start + 8] = 2;
        let crc = crc32fast::hash(&bytes[start..start + 36]).to_le_bytes();
        bytes[start + 36..start + 40].copy_from_slice(&crc);
    }
    disk.put(&path, bytes.clone());
    disk.put(Path::new("/journal/00000000000000000009-0000.seg"), b"another program's".to_vec());
    let (journal, _writer) = begun(&disk, &small());
    assert!(journal.end() > 30);
    assert_eq!(journal.damage(false).unwrap().foreign.len(), 2);
    assert_eq!(segments(&disk)[&path], bytes);
    assert_eq!(told(&disk)[0].0, What::Newer);
    repair(Path::new(DIR), 1, &disk, |one| panic!("{one:?}")).unwrap();
    assert_eq!(segments(&disk)[&path], bytes);
}

#[test]
fn a_header_with_a_number_that_no_journal_reaches_is_not_believed() {
    let disk = written(&[3], 1 << 20);
    let path = paths(&disk).remove(0);
    for version in [1_u8, 9] {
        let mut bytes = segments(&disk).remove(&path).unwrap();
        bytes[8] = version;
        bytes[12..20].copy_from_slice(&(u64::MAX - 1_000).to_le_bytes());
        let sum = crc32fast::hash(&bytes[..36]).to_le_bytes();
        bytes[36..40].copy_from_slice(&sum);
        bytes.copy_within(..40, 40);
        let mut files = disk.files();
        files.insert(path.clone(), bytes);
        let disk = MemoryDisk::holding(files);
        let (journal, mut writer) = begun(&disk, &small());
        let end = journal.end();
        assert!(end < 1_000, "counted on from {end}");
        let _appended = journal.try_append(message(1)).unwrap();
        assert!(writer.turn());
        assert_eq!(journal.end(), end + 1);
    }
}

#[test]
fn every_flipped_byte_is_repaired_to_sound_files_and_gives_no_number_twice() {
    let whole = written(&[4, 4], 1 << 20);
    for path in paths(&whole) {
        let bytes = segments(&whole).remove(&path).unwrap();
        for at in 0..bytes.len() {
            let disk = MemoryDisk::holding(whole.files());
            let mut harmed = bytes.clone();
            harmed[at] ^= 0x21;
            disk.put(&path, harmed.clone());
            let (lost, end, _) = read(&disk);
            let torn = end == 8;
            assert!(torn || end == 9, "byte {at} of {path:?}: {end}");
            assert!(lost.len() <= 1, "byte {at} of {path:?}: {lost:?}");
            let mut repaired = Vec::new();
            repair(Path::new(DIR), 1, &disk, |one| repaired.push(one)).unwrap();
            assert!(torn || repaired.len() == 1, "byte {at} of {path:?}: {repaired:?}");
            for one in &repaired {
                assert_eq!(disk.files()[&one.set_aside], harmed);
            }
            let left: Vec<_> = told(&disk).into_iter().filter(|(what, _)| *what != What::Lost).collect();
            assert_eq!(left, [], "byte {at} of {path:?}");
            let (lost_now, end_now, _) = read(&disk);
            assert_eq!((lost_now, end_now), (lost, end), "byte {at} of {path:?}");
            repair(Path::new(DIR), 1, &disk, |one| panic!("again {one:?}")).unwrap();
        }
    }
}

#[test]
fn a_segment_that_the_disk_does_not_give_back_costs_its_messages_and_one_that_may_come_back_costs_none() {
    let (bad_sector, too_many_files) = (5, 24);
    for (at, lost) in [(0, 1..=30), (1, 31..=60)] {
        let disk = written(&[30, 30, 30], 1 << 20);
        disk.break_file(&paths(&disk)[at], bad_sector);
        let (found, end, record) = read(&disk);
        assert_eq!((found, end), (lost.clone().collect(), 91));
        let record = record.unwrap().lost;
        assert_eq!((record[0].first, record[0].last), (*lost.start(), *lost.end()));
        assert_eq!(told(&disk), [(What::Unreadable, None), (What::Lost, Some((*lost.start(), *lost.end())))]);
    }
    // The newest one: its numbers are not given again.
    let disk = written(&[30, 30], 1 << 20);
    disk.break_file(&paths(&disk)[1], bad_sector);
    assert!(begun(&disk, &small()).0.end() > 60);
    // Too many open files is no loss: it is refused, and nothing is counted.
    let disk = written(&[30, 30], 1 << 20);
    let (journal, _writer) = begun(&disk, &small());
    disk.break_file(&paths(&disk)[1], too_many_files);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut reader = journal.reader(1);
    assert_eq!(runtime.block_on(reader.next(30)).unwrap().len(), 30);
    assert!(runtime.block_on(reader.next(30)).is_err());
    assert_eq!(journal.damage(true), None);
    let (clock, _) = Clock::fixed(1);
    let part = Board::new(clock.clone()).part("journal");
    let refused = open(Path::new(DIR), &small(), Arc::new(disk), clock, 1, part).unwrap_err();
    assert!(refused.to_string().contains("00000000000000000031-0000.seg cannot be read"), "{refused}");
}

#[test]
fn a_repair_that_the_power_cuts_off_anywhere_loses_no_more_and_gives_no_number_twice() {
    use crate::testing::crash::Crash;
    let whole = written(&[6, 6], 1 << 20);
    let mut rng = fastrand::Rng::with_seed(3);
    // In the middle of the first segment, and in its very last frame of all.
    for (at, back) in [(0, 150), (1, 3)] {
        let path = paths(&whole).remove(at);
        let mut bytes = segments(&whole).remove(&path).unwrap();
        let harmed = bytes.len() - back;
        bytes[harmed] ^= 0x40;
        let mut files = whole.files();
        files.insert(path, bytes);
        let (lost, end, _) = read(&MemoryDisk::holding(files.clone()));
        assert_eq!((lost.len(), end), (1, 13));
        let disk = MemoryDisk::holding(files);
        let mut crash = Crash::of(&disk);
        repair(Path::new(DIR), 1, &disk, |_| {}).unwrap();
        let log = disk.log();
        assert!(log.len() > 8);
        for operation in [None].into_iter().chain(log.iter().map(Some)) {
            operation.into_iter().for_each(|operation| crash.after(operation));
            for image in crash.images(60, &mut rng) {
                let (now, end_now, _) = read(&image);
                assert_eq!((&now, end_now), (&lost, end), "after {operation:?}");
                repair(Path::new(DIR), 1, &image, |_| {}).unwrap();
                let (now, end_now, _) = read(&image);
                assert_eq!((&now, end_now), (&lost, end), "repaired after {operation:?}");
            }
        }
    }
}
