//! Golden files of version 1: every later version reads them, and this one still writes the same bytes.

use super::*;
use crate::journal::segment::Step;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/journal-1").join(name)
}

#[tokio::test]
async fn version_1_is_read_and_written_to_the_byte() {
    let mut received = Vec::new();
    for path in files(&golden("journal")) {
        let (kind, mut walk) = record::open(&path, &RealDisk).unwrap();
        assert_eq!(kind, segment::Kind::Ours);
        let bytes = std::fs::read(&path).unwrap();
        let salt: [u8; 8] = bytes[28..36].try_into().unwrap();
        let mut again = bytes[..segment::HEADER].to_vec();
        while let Step::Record(record) = walk.next().unwrap() {
            assert_eq!(record.message, message(record.seq));
            record::write(&record, salt, &mut again);
            received.push((record.seq, record.received, record.clock_suspect));
        }
        assert_eq!(again, bytes, "{}", path.display());
    }
    // A sync failed at 7: it stands in two segments, and is one message.
    let first = 1_800_000_000_000_000_000_i64;
    let seqs = [1, 2, 3, 4, 5, 6, 7, 7, 8, 9];
    let times = seqs.map(|seq| (seq, first + i64::try_from(seq).unwrap() - 1, false));
    assert_eq!(received, times);
    let dir = tempfile::tempdir().unwrap();
    for path in files(&golden("journal")) {
        std::fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
    }
    assert!(check(&read_all(dir.path(), 1, &small()).await, 1, 10).is_empty());
}

#[test]
fn a_cursor_of_version_1_is_read() {
    let cursor = cursor::load(&golden("")).unwrap().unwrap();
    assert_eq!((cursor.lowest(), cursor.known_floor, cursor.floor(4)), (9, 3, 3));
    assert_eq!(cursor.destinations["main"].outcomes.total(), 8);
    assert_eq!(cursor.routing, [("a/#".to_owned(), "main".to_owned())]);
}
