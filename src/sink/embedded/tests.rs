//! Tests of the embedded store.

use super::*;
use crate::status::Board;

const NOW: i64 = 1_795_496_400_000_000_000;

fn batch(lines: &[&str]) -> Batch {
    let mut batch = Batch::default();
    for line in lines {
        batch.push(format!("{line}\n").as_bytes(), 0);
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
    assert_eq!(Reader::open(dir.path()).unwrap().count().unwrap(), 1);
}

#[tokio::test]
async fn fields_of_one_time_are_one_point_and_the_later_value_stays_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    write(&open(dir.path(), None), &["m,d=a v=1,w=7 200", "m,d=a v=2 300", "m,d=b v=5 200", "m,d=a x=9 200"])
        .await;
    write(&open(dir.path(), None), &["m,d=a u=\"t\",v=3 200", "m,d=a v=0 100"]).await;
    let expected =
        ["m,d=a v=0.0 100", "m,d=a v=3.0,w=7.0,x=9.0,u=\"t\" 200", "m,d=a v=2.0 300", "m,d=b v=5.0 200"];
    assert_eq!(exported(dir.path(), i64::MIN, i64::MAX, None, None), expected);
    assert_eq!(Reader::open(dir.path()).unwrap().count().unwrap(), 4);
}

#[tokio::test]
async fn a_batch_that_fails_leaves_nothing_and_is_written_whole_the_next_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), None);
    write(&store, &["m,d=a v=1 1"]).await;
    let lines = batch(&["m,d=b w=1 1", "m,d=a v=2 1", "m,d=c v=3,x=1 1"]);
    let fails =
        "CREATE TRIGGER t BEFORE INSERT ON points WHEN new.series = 3 BEGIN SELECT RAISE(ABORT, 'no'); END";
    let mut writer = store.writer.lock().unwrap();
    writer.connection.execute_batch(fails).unwrap();
    assert!(writer.write(&lines).is_err());
    assert_eq!(exported(dir.path(), i64::MIN, i64::MAX, None, None), ["m,d=a v=1.0 1"]);
    writer.connection.execute_batch("DROP TRIGGER t").unwrap();
    writer.write(&lines).unwrap();
    let expected = ["m,d=a v=2.0 1", "m,d=b w=1.0 1", "m,d=c v=3.0,x=1.0 1"];
    assert_eq!(exported(dir.path(), i64::MIN, i64::MAX, None, None), expected);
}

#[tokio::test]
async fn a_damaged_value_is_counted_and_the_rest_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), None);
    write(&store, &["m v=1,w=2 1", "m v=3 2", "n v=4 3"]).await;
    let damage = "UPDATE points SET fields = substr(fields, 1, 12) WHERE ts = 1; UPDATE series SET text = 'n,' WHERE id = 2";
    store.writer.lock().unwrap().connection.execute_batch(damage).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    let mut pages = Pages::new(&reader, i64::MIN, i64::MAX, None, None).unwrap();
    let mut points = Vec::new();
    while pages.next_page(&mut points).unwrap() {}
    let found: Vec<_> = points.iter().map(|point| (point.time, point.fields.len())).collect();
    assert_eq!((found, pages.unreadable), (vec![(1, 1), (2, 1)], 2));
    write(&store, &["m w=5 1"]).await;
    assert_eq!(told(|with| reader.each(with).unwrap())[..2], ["1 m  v=Number(1.0)", "1 m  w=Number(5.0)"]);
}

#[tokio::test]
async fn a_line_it_cannot_read_is_refused_and_the_others_are_stored() {
    let dir = tempfile::tempdir().unwrap();
    let verdicts = write(
        &open(dir.path(), None),
        &["m v=1 1", "m v= 2", "m v=3 3", "m v=nan 4", "m v=1e999 5", "m 6", "m v 7"],
    )
    .await;
    let refused: Vec<_> = verdicts.iter().map(|verdict| *verdict != LineVerdict::Stored).collect();
    assert_eq!((refused, all(dir.path()).len()), (vec![false, true, false, true, true, true, true], 2));
}

#[tokio::test]
async fn old_points_go() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Some(Duration::from_secs(3600)));
    let lines = [format!("m v=1 {}", NOW - 7_200_000_000_000), format!("m v=2 {}", NOW - 60_000_000_000)];
    write(&store, &[&lines[0], &lines[1]]).await;
    store.writer.lock().unwrap().cleaned = Instant::now().checked_sub(2 * write::CLEAN_EVERY).unwrap();
    write(&store, &["m v=3 9000000000000000000"]).await;
    assert_eq!(all(dir.path()).len(), 2);
}

/// Every point as line protocol, read in pages.
fn exported(
    dir: &Path,
    from: i64,
    last: i64,
    measurement: Option<&str>,
    device: Option<&str>,
) -> Vec<String> {
    let reader = Reader::open(dir).unwrap();
    let wanted = |text: Option<&str>| text.map(str::to_owned);
    let mut pages = Pages::new(&reader, from, last, wanted(measurement), wanted(device)).unwrap();
    let mut points = Vec::new();
    while pages.next_page(&mut points).unwrap() {
        assert!((0.0..=1.0).contains(&pages.progress()), "{}", pages.progress());
    }
    assert_eq!(pages.unreadable, 0);
    let mut text = Vec::new();
    for point in &points {
        assert!(crate::line_protocol::write(point, &mut text));
    }
    String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn an_export_gives_back_the_very_lines_that_were_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), None);
    let mut lines = vec![
        r#"a\ b\,c,device=x\=y,site=\"q\" n="quo\"te \\ and, = é",v=-0.0 -9"#.to_owned(),
        format!("m,device=d tiny={:e},whole=9007199254740993i,third={} 0", f64::from_bits(1), 1.0 / 3.0),
        "m,device=e big=1.7976931348623157e308,low=-9223372036854775808i 9223372036854775807".to_owned(),
    ];
    // More points than three pages hold.
    lines.extend((1..3_500).map(|n| format!("m,device=d a={n}.5,b={n}i,c=1.0,d=2.0,e=3.0,f=4.0,g=5.0 {n}")));
    for lines in lines.chunks(1_000) {
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        write(&store, &lines).await;
    }
    let normal = |line: &str| {
        let mut point = point(line).unwrap();
        point.fields.sort_by(|a, b| a.name.cmp(&b.name));
        let mut text = Vec::new();
        crate::line_protocol::write(&point, &mut text);
        String::from_utf8(text).unwrap()
    };
    let mut expected: Vec<_> = lines.iter().map(|line| normal(line)).collect();
    let mut found: Vec<_> =
        exported(dir.path(), i64::MIN, i64::MAX, None, None).iter().map(|line| normal(line)).collect();
    // Series after series as they came, each in the order of time.
    let place = |line: &String| {
        let (series, _, time) = parts(line.trim_end()).unwrap();
        (expected.iter().position(|line| parts(line.trim_end()).unwrap().0 == series), time)
    };
    assert!(found.is_sorted_by_key(place));
    found.sort();
    expected.sort();
    assert_eq!(found.len(), expected.len());
    assert!(found == expected, "they differ");
    let count = |from, last, measurement, device| exported(dir.path(), from, last, measurement, device).len();
    assert_eq!(count(1, 10, None, None), 10);
    assert_eq!(count(0, 10, Some("m"), None), 11);
    assert_eq!(count(i64::MIN, i64::MAX, Some("a b,c"), Some("x=y")), 1);
    assert_eq!(count(i64::MIN, i64::MAX, None, Some("e")), 1);
    assert_eq!(count(i64::MIN, i64::MAX, None, Some("none")), 0);
    assert_eq!(count(5_000, 6_000, None, None), 0);
}

#[tokio::test]
async fn an_export_goes_on_beside_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), None);
    let lines: Vec<_> = (0..11_000).map(|n| format!("m v={n} {n}")).collect();
    write(&store, &lines.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let reader = Reader::open(dir.path()).unwrap();
    let mut pages = Pages::new(&reader, 0, i64::MAX, None, None).unwrap();
    let mut points = Vec::new();
    assert!(pages.next_page(&mut points).unwrap());
    // No reading is open between two pages, so the log can be shortened.
    write(&store, &["m v=1 20000"]).await;
    let busy: i64 = store
        .writer
        .lock()
        .unwrap()
        .connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .unwrap();
    assert_eq!(busy, 0);
    while pages.next_page(&mut points).unwrap() {}
    assert_eq!(points.len(), 11_001);
}
