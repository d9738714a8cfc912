//! Tests of how much a reader takes into memory at once.

use super::*;
use crate::journal::reader::PORTION;

/// The sizes of what is read at once, each in bytes of payloads, of a backlog of `count` messages of `size` bytes.
async fn portions(count: u64, size: usize) -> Vec<usize> {
    let dir = tempfile::tempdir().unwrap();
    let (journal, thread, _) =
        opened(dir.path(), &Config { min_free: Some(0), ..Config::default() }, Arc::new(RealDisk));
    for number in 0..count {
        let payload = vec![b'x'; size].into();
        let _ = journal.append(Message { payload, ..message(number) }).await.unwrap();
    }
    drop(journal);
    thread.join().unwrap();
    let (journal, _thread, _) = opened(dir.path(), &Config::default(), Arc::new(RealDisk));
    let (mut reader, mut next, mut portions) = (journal.reader(1), 1, Vec::new());
    while next <= count {
        let entries = reader.next(1024).await.unwrap();
        assert_eq!(reader.is_behind(), entries.last().unwrap().last() < count);
        let mut bytes = 0;
        for entry in entries {
            let Entry::Record(record) = entry else { panic!("{entry:?}") };
            assert_eq!(record.seq, next);
            bytes += record.message.payload.len();
            next += 1;
        }
        portions.push(bytes);
    }
    portions
}

#[tokio::test]
async fn a_backlog_of_large_messages_is_read_in_portions_of_a_few_megabytes() {
    let size = 1 << 20;
    let portions = portions(30, size).await;
    assert!(portions.len() >= 7, "{portions:?}");
    assert!(portions.iter().all(|bytes| *bytes < PORTION + size), "{portions:?}");
}

#[tokio::test]
async fn a_message_larger_than_a_portion_is_read_alone() {
    let size = PORTION + 1000;
    assert_eq!(portions(3, size).await, [size; 3]);
}
