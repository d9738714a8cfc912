//! Tests of a disk that is full or refuses: nothing is acknowledged, cursor and quarantine can go on.

use super::*;
use crate::journal::cursor::{Cursor, Progress};
use crate::outcome::Outcomes;
use crate::status::State;
use crate::testing::memory_disk::MemoryDisk;
use crate::testing::until;

fn opened_on(disk: &MemoryDisk, board: &Board, config: &Config) -> (Journal, Writer) {
    let (clock, _) = Clock::fixed(1_800_000_000_000_000_000);
    let (dir, disk) = (Path::new("/data/journal"), Arc::new(disk.clone()));
    let (journal, writer, _) = open(dir, config, disk, clock, 1, board.part("journal")).unwrap();
    (journal, writer)
}

fn board() -> Board {
    Board::new(Clock::fixed(1).0)
}

/// A journal that may fill the whole disk, and has.
fn filled(disk: &MemoryDisk, config: &Config) -> Vec<u64> {
    let (journal, mut writer) = opened_on(disk, &board(), config);
    // It would hold and wait; closed it gives up instead.
    journal.close();
    let mut acknowledged = Vec::new();
    loop {
        let payload = vec![b'x'; 3000].into();
        let mut pending = journal.try_append(Message { payload, ..message(journal.end()) }).unwrap();
        if !writer.turn() {
            break;
        }
        acknowledged.push(pending.try_now().unwrap().unwrap().seq());
    }
    assert!(matches!(&*journal.room().borrow(), Room::Full { reason } if reason.contains("nearly full")));
    acknowledged
}

#[test]
fn a_journal_that_has_filled_the_disk_leaves_room_for_cursor_and_quarantine_and_goes_on() {
    let disk = MemoryDisk::default();
    disk.limit(2 * 1024 * 1024);
    let config = Config { min_free: Some(0), segment_size: 100_000, keep_size: 0, ..Config::default() };
    let acknowledged = filled(&disk, &config);
    assert!(acknowledged.len() > 400, "{}", acknowledged.len());
    let position = 1 + u64::try_from(acknowledged.len()).unwrap();
    // Over and over, as the keeper and the deliveries do.
    for _ in 0..50 {
        let outcomes = Outcomes { stored: position - 1, ..Outcomes::default() };
        let destinations = [("main".to_owned(), Progress { position, outcomes })].into();
        let cursor = Cursor { destinations, ..Cursor::default() };
        cursor::save(&cursor, Path::new("/data"), &disk).unwrap();
    }
    assert_eq!(cursor::load_from(Path::new("/data"), &disk).unwrap().unwrap().lowest(), position);
    let (journal, mut writer) = opened_on(&disk, &board(), &config);
    assert!(matches!(&*journal.room().borrow(), Room::Full { .. }) || journal.stats().space_left < 4000);
    let mut pending = journal.try_append(Message { payload: vec![b'x'; 3000].into(), ..message(1) }).unwrap();
    // What is delivered goes now, and the journal takes messages by itself.
    journal.release(position);
    assert!(writer.turn());
    assert_eq!(pending.try_now().unwrap().unwrap().seq(), position);
}

#[tokio::test]
async fn a_disk_that_refuses_every_write_holds_answers_nobody_and_goes_on() {
    use std::io::ErrorKind;
    for kind in [ErrorKind::ReadOnlyFilesystem, ErrorKind::PermissionDenied, ErrorKind::StorageFull] {
        let (disk, board) = (MemoryDisk::default(), board());
        let (journal, mut writer) = opened_on(&disk, &board, &small());
        writer.wait = Duration::from_millis(1);
        let thread = std::thread::spawn(move || writer.run());
        let _ = journal.append(message(1)).await.unwrap();
        disk.refuse(Some(kind));
        let mut pending = journal.try_append(message(2)).unwrap();
        let part = until("it is not ready", || {
            board
                .parts()
                .remove("journal")
                .filter(|part| part.state == State::NotReady && part.reason != "starting")
        })
        .await;
        assert!(part.reason.starts_with("the journal cannot be written"), "{}", part.reason);
        assert!(pending.try_now().is_none() && journal.end() == 2, "{kind:?}");
        disk.refuse(None);
        assert_eq!(pending.await.unwrap().seq(), 2);
        until("it is ok", || (board.parts()["journal"].state == State::Ok).then_some(())).await;
        drop(journal);
        thread.join().unwrap();
        let (journal, _writer) = opened_on(&disk, &board, &small());
        assert_eq!(journal.end(), 3);
        let entries = journal.reader(1).next(10).await.unwrap();
        assert!(check(&entries, 1, 3).is_empty(), "{kind:?}");
    }
}
