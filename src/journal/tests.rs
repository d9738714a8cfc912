//! Tests of the journal's promises.

mod full;
mod golden;
mod harm;
mod inspect;
mod portions;

use std::path::Path;

use super::disk::{RealDisk, TestDisk};
use super::*;
use crate::status::Board;

fn message(number: u64) -> Message {
    Message {
        topic: format!("city/pasuruan/device-{}", number % 7).into(),
        payload: format!("{{\"value\":{number}}}").into(),
        qos: 1,
        retain: number.is_multiple_of(5),
        dup: number.is_multiple_of(3),
        source: 2,
        session: 9,
        packet_id: u16::try_from(number % 60_000).unwrap(),
        redelivery_of: number.is_multiple_of(4).then_some(number / 2),
    }
}

fn opened(
    dir: &Path,
    config: &Config,
    disk: Arc<dyn Disk>,
) -> (Journal, std::thread::JoinHandle<()>, Recovery) {
    let (clock, _) = Clock::fixed(1_800_000_000_000_000_000);
    let part = Board::new(clock.clone()).part("journal");
    let (journal, writer, recovery) = open(dir, config, disk, clock, 1, part).unwrap();
    (journal, std::thread::spawn(move || writer.run()), recovery)
}

fn small() -> Config {
    Config { segment_size: 2000, min_free: Some(0), ..Config::default() }
}

/// Appends messages `numbers` and closes the journal again; the answers tell that all are on disk.
async fn append_all(dir: &Path, numbers: std::ops::Range<u64>, config: &Config) -> Recovery {
    let (journal, thread, recovery) = opened(dir, config, Arc::new(RealDisk));
    for number in numbers {
        let _ = journal.append(message(number)).await.unwrap();
    }
    drop(journal);
    thread.join().unwrap();
    recovery
}

async fn read_all(dir: &Path, from: u64, config: &Config) -> Vec<Entry> {
    let (journal, thread, _) = opened(dir, config, Arc::new(RealDisk));
    let (mut reader, end) = (journal.reader(from), journal.end());
    drop(journal);
    let mut entries = Vec::new();
    let mut next = from;
    while next < end {
        for entry in reader.next(10).await.unwrap() {
            next = match &entry {
                Entry::Record(record) => record.seq + 1,
                Entry::Damage { last, .. } => last + 1,
            };
            entries.push(entry);
        }
    }
    thread.join().unwrap();
    entries
}

/// Every entry must be the message of its number; returns the numbers that are damaged.
fn check(entries: &[Entry], from: u64, end: u64) -> Vec<u64> {
    let mut next = from;
    let mut damaged = Vec::new();
    for entry in entries {
        match entry {
            Entry::Record(record) => {
                assert_eq!(record.seq, next);
                assert_eq!(record.message, message(next));
                next += 1;
            }
            Entry::Damage { first, last, .. } => {
                assert_eq!(*first, next);
                damaged.extend(*first..=*last);
                next = last + 1;
            }
        }
    }
    assert_eq!(next, end);
    damaged
}

fn files(dir: &Path) -> Vec<PathBuf> {
    segment::list(dir, &RealDisk).unwrap().into_iter().map(|(.., path)| path).collect()
}

#[tokio::test]
async fn what_was_appended_is_read_back_from_memory_and_from_files() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _thread, recovery) = opened(dir.path(), &small(), Arc::new(RealDisk));
    assert_eq!(recovery, Recovery { end: 1, ..Recovery::default() });
    let mut reader = journal.reader(1);
    for number in 1..200 {
        assert_eq!(journal.append(message(number)).await.unwrap().seq(), number);
    }
    let mut entries = Vec::new();
    while entries.len() < 199 {
        entries.extend(reader.next(7).await.unwrap());
    }
    assert!(check(&entries, 1, 200).is_empty());
    drop((journal, reader));
    assert!(files(dir.path()).len() > 3);
    assert!(check(&read_all(dir.path(), 1, &small()).await, 1, 200).is_empty());
    assert!(check(&read_all(dir.path(), 57, &small()).await, 57, 200).is_empty());
}

#[tokio::test]
async fn numbers_go_on_after_a_restart_and_receive_times_never_repeat() {
    let dir = tempfile::tempdir().unwrap();
    append_all(dir.path(), 1..20, &small()).await;
    let recovery = append_all(dir.path(), 20..40, &small()).await;
    assert_eq!(recovery.end, 20);
    let entries = read_all(dir.path(), 1, &small()).await;
    assert!(check(&entries, 1, 40).is_empty());
    let times: Vec<_> = entries
        .iter()
        .map(|entry| match entry {
            Entry::Record(record) => record.received,
            Entry::Damage { .. } => unreachable!(),
        })
        .collect();
    assert!(times.is_sorted_by(|a, b| a < b));
}

#[tokio::test]
async fn a_torn_tail_is_never_more_than_the_last_record_wherever_it_is_cut() {
    let whole = tempfile::tempdir().unwrap();
    append_all(whole.path(), 1..4, &Config::default()).await;
    let file = files(whole.path()).remove(0);
    let bytes = std::fs::read(&file).unwrap();
    let mut last = Vec::new();
    record::write(
        &Record { seq: 3, received: 0, clock_suspect: false, message: message(3) },
        [0; 8],
        &mut last,
    );
    for cut in bytes.len() - last.len() + 1..bytes.len() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(file.file_name().unwrap()), &bytes[..cut]).unwrap();
        let recovery = append_all(dir.path(), 3..6, &Config::default()).await;
        assert_eq!((recovery.end, recovery.damaged), (3, 0), "cut at {cut}");
        assert!(recovery.torn > 0);
        assert!(check(&read_all(dir.path(), 1, &Config::default()).await, 1, 6).is_empty(), "cut at {cut}");
    }
}

#[tokio::test]
async fn a_flipped_byte_costs_its_record_only_and_the_loss_is_told() {
    let whole = tempfile::tempdir().unwrap();
    append_all(whole.path(), 1..6, &Config::default()).await;
    let file = files(whole.path()).remove(0);
    let bytes = std::fs::read(&file).unwrap();
    for at in 0..bytes.len() {
        let dir = tempfile::tempdir().unwrap();
        let mut harmed = bytes.clone();
        harmed[at] ^= 0x10;
        std::fs::write(dir.path().join(file.file_name().unwrap()), &harmed).unwrap();
        let recovery = append_all(dir.path(), 6..7, &Config::default()).await;
        if recovery.end == 5 {
            // The last frame's length no longer fits the file: it looks like a write that was cut off.
            assert!(at > bytes.len() - 120, "byte {at}");
            continue;
        }
        assert_eq!(recovery.end, 6, "byte {at}: a number that may have been acknowledged is not given again");
        let damaged = check(&read_all(dir.path(), 1, &Config::default()).await, 1, 7);
        assert_eq!(damaged.len(), usize::from(at >= segment::HEADER), "byte {at}: {damaged:?}");
    }
}

#[tokio::test]
async fn a_missing_segment_is_a_counted_gap() {
    let dir = tempfile::tempdir().unwrap();
    append_all(dir.path(), 1..100, &small()).await;
    let (gone, next) = (files(dir.path())[1].clone(), files(dir.path())[2].clone());
    let range = segment::named(&gone).unwrap().0..segment::named(&next).unwrap().0;
    std::fs::remove_file(gone).unwrap();
    let damaged = check(&read_all(dir.path(), 1, &small()).await, 1, 100);
    assert_eq!(damaged, range.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_failed_sync_is_never_answered_and_the_records_go_to_a_new_segment_under_the_same_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let disk = TestDisk::default();
    let (journal, thread, _) = opened(dir.path(), &small(), Arc::new(disk.clone()));
    let _ = journal.append(message(1)).await.unwrap();
    disk.fail_syncs(true);
    let syncs = disk.syncs();
    let mut pending = journal.try_append(message(2)).unwrap();
    crate::testing::until("the writer has tried twice", || (disk.syncs() >= syncs + 2).then_some(())).await;
    assert!(pending.try_now().is_none());
    assert_eq!((journal.end(), journal.sight().waits), (2, true));
    disk.fail_syncs(false);
    assert_eq!(pending.await.unwrap().seq(), 2);
    let _ = journal.append(message(3)).await.unwrap();
    assert_eq!((journal.sight().waits, journal.sight().served), (false, 4));
    drop(journal);
    thread.join().unwrap();
    assert!(check(&read_all(dir.path(), 1, &small()).await, 1, 4).is_empty());
}

#[tokio::test]
async fn a_full_disk_holds_answers_nobody_and_goes_on_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let disk = TestDisk::default();
    let config = Config { min_free: Some(1), ..small() };
    let (journal, thread, _) = opened(dir.path(), &config, Arc::new(disk.clone()));
    let _ = journal.append(message(1)).await.unwrap();
    disk.fill(true);
    let mut pending = journal.try_append(message(2)).unwrap();
    let mut room = journal.room();
    room.wait_for(|room| *room != Room::Free).await.unwrap();
    assert!(pending.try_now().is_none());
    disk.fill(false);
    assert_eq!(pending.await.unwrap().seq(), 2);
    room.wait_for(|room| *room == Room::Free).await.unwrap();
    drop(journal);
    thread.join().unwrap();
    assert!(check(&read_all(dir.path(), 1, &small()).await, 1, 3).is_empty());
}

#[tokio::test]
async fn a_full_journal_takes_no_more_until_delivered_segments_are_released() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { max_size: 9000, segment_size: 1000, ..small() };
    let (journal, thread, _) = opened(dir.path(), &config, Arc::new(RealDisk));
    let mut waiting = Vec::new();
    for number in 1..300 {
        waiting.push(journal.try_append(message(number)).unwrap());
    }
    // Groups may run over the limit; what comes after them waits.
    for pending in waiting {
        let _ = pending.await.unwrap();
    }
    let mut room = journal.room();
    room.wait_for(|room| matches!(room, Room::Full { reason } if reason.contains("max_size"))).await.unwrap();
    let mut late = journal.try_append(message(300)).unwrap();
    let mut looks = 0;
    crate::testing::until("it has been held for a while", || {
        assert!(late.try_now().is_none());
        looks += 1;
        (looks > 50).then_some(())
    })
    .await;
    journal.release(journal.end());
    assert_eq!(late.await.unwrap().seq(), 300);
    drop(journal);
    thread.join().unwrap();
}

#[tokio::test]
async fn a_disk_that_fails_for_long_leaves_no_empty_segments_and_does_not_hold_up_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let disk = TestDisk::default();
    let (journal, thread, _) = opened(dir.path(), &small(), Arc::new(disk.clone()));
    let _ = journal.append(message(1)).await.unwrap();
    disk.fail_syncs(true);
    let syncs = disk.syncs();
    let pending = journal.try_append(message(2)).unwrap();
    crate::testing::until("the writer has tried thrice", || (disk.syncs() >= syncs + 3).then_some(())).await;
    journal.close();
    drop(journal);
    thread.join().unwrap();
    assert!(matches!(pending.await, Err(JournalError::Closed)));
    assert_eq!(files(dir.path()).len(), 1);
    // What was written to the first segment and never answered may still be there: it is kept then.
    append_all(dir.path(), 3..4, &small()).await;
    assert!(check(&read_all(dir.path(), 1, &small()).await, 1, 4).is_empty());
}

#[tokio::test]
async fn a_payload_that_holds_frames_cannot_pass_for_records_when_its_own_frame_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    append_all(dir.path(), 1..3, &Config::default()).await;
    let file = files(dir.path()).remove(0);
    let (_, known_salt) = segment::header(record::MAGIC, 1, 0);
    let (journal, thread, _) = opened(dir.path(), &Config::default(), Arc::new(RealDisk));
    let mut payload = Vec::new();
    for seq in [4, 1 << 60] {
        let forged = Record { seq, received: 1, clock_suspect: false, message: message(seq) };
        record::write(&forged, known_salt, &mut payload);
        record::write(&forged, [0; 8], &mut payload);
    }
    let _ = journal.append(Message { payload: payload.into(), ..message(3) }).await.unwrap();
    drop(journal);
    thread.join().unwrap();
    let last = files(dir.path()).pop().unwrap();
    assert_ne!(last, file);
    let bytes = std::fs::read(&last).unwrap();
    std::fs::write(&last, &bytes[..bytes.len() - 1]).unwrap();
    let recovery = append_all(dir.path(), 3..4, &Config::default()).await;
    assert_eq!(recovery.end, 3);
    assert!(check(&read_all(dir.path(), 1, &Config::default()).await, 1, 4).is_empty());
}

#[tokio::test]
async fn a_segment_of_a_later_version_is_named_and_left_untouched() {
    let dir = tempfile::tempdir().unwrap();
    append_all(dir.path(), 1..3, &Config::default()).await;
    let file = files(dir.path()).remove(0);
    let mut bytes = std::fs::read(&file).unwrap();
    for start in [0, 40] {
        bytes[start + 8] = 2;
        let crc = crc32fast::hash(&bytes[start..start + 36]).to_le_bytes();
        bytes[start + 36..start + 40].copy_from_slice(&crc);
    }
    std::fs::write(&file, &bytes).unwrap();
    let recovery = append_all(dir.path(), 1..1, &Config::default()).await;
    assert_eq!(recovery.foreign, std::slice::from_ref(&file));
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
}

#[tokio::test]
async fn a_segment_with_nothing_in_it_does_not_hide_where_the_one_before_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    append_all(dir.path(), 1..50, &Config::default()).await;
    // What a kill between the header and the first frame leaves.
    let empty = segment::path(dir.path(), 2, 0);
    std::fs::write(&empty, segment::header(record::MAGIC, 2, 0).0).unwrap();
    let recovery = append_all(dir.path(), 50..51, &Config::default()).await;
    assert_eq!((recovery.end, empty.exists()), (50, false));
    assert!(check(&read_all(dir.path(), 1, &Config::default()).await, 1, 51).is_empty());
}

mod random {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// Appends in several lives of the journal, the last segment cut anywhere: what was durable before the cut
        /// segment is all there, and nothing is there that was not appended.
        #[test]
        fn appends_reopens_and_a_cut_keep_every_record_before_the_cut(
            lives in proptest::collection::vec(1_u64..30, 1..5),
            cut in 0.0_f64..1.0,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let dir = tempfile::tempdir().unwrap();
                let mut next = 1;
                for life in lives {
                    append_all(dir.path(), next..next + life, &small()).await;
                    next += life;
                }
                let last = files(dir.path()).pop().unwrap();
                let first = segment::named(&last).unwrap().0;
                let bytes = std::fs::read(&last).unwrap();
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of a small file")]
                let keep = (bytes.len() as f64 * cut) as usize;
                std::fs::write(&last, &bytes[..keep]).unwrap();
                let end = append_all(dir.path(), 0..0, &small()).await.end;
                assert!(end >= first && end <= next, "{first} {end} {next}");
                append_all(dir.path(), end..end + 3, &small()).await;
                assert!(check(&read_all(dir.path(), 1, &small()).await, 1, end + 3).is_empty());
            });
        }
    }
}
