//! Tests of the embedded store.

use super::*;
use crate::status::Board;

const NOW: i64 = 1_795_496_400_000_000_000;

fn batch(lines: &[&str]) -> Batch {
    let mut batch = Batch::default();
    for line in lines {
        batch.text.extend_from_slice(line.as_bytes());
        batch.text.push(b'\n');
        batch.ends.push(batch.text.len());
    }
    batch
}

fn open(dir: &Path, retention: Option<Duration>) -> Store {
    let (clock, _) = Clock::fixed(NOW);
    let part = Board::new(clock.clone()).part("store");
    Store::open(dir, retention, clock, part).unwrap()
}

async fn write(store: &Store, lines: &[&str]) -> Vec<LineVerdict> {
    store.deliver(&batch(lines), &CancellationToken::new()).await.unwrap()
}

fn told(read: impl FnOnce(&mut dyn FnMut(Row))) -> Vec<String> {
    let mut rows = Vec::new();
    read(&mut |row: Row| {
        let tags: Vec<_> = row.tags.iter().map(|(key, value)| format!("{key}:{value}")).collect();
        rows.push(format!(
            "{} {} {} {}={:?}",
            row.time,
            row.measurement,
            tags.join(" "),
            row.field,
            row.value
        ));
    });
    rows
}

fn all(dir: &Path) -> Vec<String> {
    let reader = Reader::open(dir).unwrap();
    told(|with| reader.each(with).unwrap())
}

#[tokio::test]
async fn a_point_is_read_back_whole_and_twice_is_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), None);
    let line = r#"water\ level,device=a\,b,site=x level=1.5,level_qc=1i,on=true,note="a \"b\" c" 100"#;
    for _ in 0..2 {
        assert_eq!(write(&store, &[line]).await, [LineVerdict::Stored]);
    }
    let expected = [
        "100 water level device:a,b site:x level=Number(1.5)",
        "100 water level device:a,b site:x level_qc=Number(1.0)",
        "100 water level device:a,b site:x note=Text(\"a \\\"b\\\" c\")",
        "100 water level device:a,b site:x on=Number(1.0)",
    ];
    let mut found = all(dir.path());
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(Reader::open(dir.path()).unwrap().count().unwrap(), 4);
}

#[tokio::test]
async fn latest_never_goes_back_and_a_restart_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    write(&open(dir.path(), None), &["m,d=a v=1 200", "m,d=a v=2 300"]).await;
    write(&open(dir.path(), None), &["m,d=a v=3 100"]).await;
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(told(|with| reader.latest(with).unwrap()), ["300 m d:a v=Number(2.0)"]);
    assert_eq!(told(|with| reader.between(100, 300, with).unwrap()).len(), 2);
}

#[tokio::test]
async fn a_line_it_cannot_read_is_refused_and_the_others_are_stored() {
    let dir = tempfile::tempdir().unwrap();
    let verdicts = write(&open(dir.path(), None), &["m v=1 1", "m v= 2", "m v=3 3"]).await;
    let refused: Vec<_> = verdicts.iter().map(|verdict| *verdict != LineVerdict::Stored).collect();
    assert_eq!((refused, all(dir.path()).len()), (vec![false, true, false], 2));
}

#[tokio::test]
async fn old_points_go() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Some(Duration::from_secs(3600)));
    let lines = [format!("m v=1 {}", NOW - 7_200_000_000_000), format!("m v=2 {}", NOW - 60_000_000_000)];
    write(&store, &[&lines[0], &lines[1]]).await;
    store.inner.lock().unwrap().cleaned = Instant::now().checked_sub(2 * CLEAN_EVERY).unwrap();
    write(&store, &["m v=3 9000000000000000000"]).await;
    assert_eq!(all(dir.path()).len(), 2);
}

#[test]
fn a_store_of_a_later_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), None));
    Connection::open(dir.path().join(FILE)).unwrap().pragma_update(None, "user_version", 9).unwrap();
    let part = Board::new(Clock::System).part("store");
    let error = Store::open(dir.path(), None, Clock::System, part).unwrap_err();
    assert!(error.to_string().contains("later version"), "{error}");
}
