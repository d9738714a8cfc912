//! The same city into another database: what VictoriaMetrics holds, asked in its own way, is what was published.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nadikota::clock::Clock;
use nadikota::config;
use nadikota::journal::disk::RealDisk;
use nadikota::journal::{self, Entry};
use nadikota::point::{FieldValue, Point};
use nadikota::simulate::Log;
use nadikota::simulate::oracle::Row;
use nadikota::simulate::publisher::Plan;
use nadikota::status::Board;
use nadikota::transform::State;

use super::support::city::{self, MEASUREMENTS};
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::scale::scaled;
use super::support::victoria_metrics::VictoriaMetrics;
use super::support::wait::poll_until;

const LIMIT: Duration = Duration::from_secs(60);
const MILLI: i64 = 1_000_000;

#[test]
fn victoria_metrics_holds_the_city_over_the_write_path_of_influxdb_2() {
    holds_the_city("version = \"2\"\norg = \"any\"\nbucket = \"any\"");
}

#[test]
fn victoria_metrics_holds_the_city_over_the_write_path_of_influxdb_1() {
    holds_the_city("version = \"1\"\ndatabase = \"any\"");
}

fn holds_the_city(place: &str) {
    let (broker, database) = (Mosquitto::start(""), VictoriaMetrics::start());
    let mut nadikota = Nadikota::start(&format!(
        "[mqtt]\nurl = \"mqtt://{}\"\n[[destinations]]\nkind = \"influxdb\"\nurl = \"{}\"\n{place}\n",
        broker.address(),
        database.url(),
    ));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let count = scaled(10_000, 50_000);
    let (mut city, mut log) = (city::city(7), Log::default());
    // Slowly enough that few messages without a time are received within one millisecond.
    let plan = Plan { rate: Some(3_000), count: Some(count), window: 200, patience: LIMIT };
    city::publish(&mut city, &mut log, broker.address(), plan);
    let account = city::settled(&nadikota, count, LIMIT);
    assert!(nadikota.stop(LIMIT).success(), "{}", nadikota.output());

    // The database shows what it took only after a moment; nothing that it shows then may be wrong.
    let received = received_points(&nadikota.data_dir());
    let begin = Instant::now();
    let (verdict, merged) = loop {
        let mut rows = rows(&database);
        let merged = add_what_was_merged(&mut rows, &received);
        let verdict = city::judge_rows(&log, rows, &nadikota);
        if verdict.agrees() {
            break (verdict, merged);
        }
        assert!(begin.elapsed() < LIMIT, "{verdict}\n{account}");
    };
    println!("{verdict}; {merged} values shared their millisecond with another");
    assert!(verdict.expected > 3 * count, "{verdict}");
}

/// Every sample as a row. Names are `measurement_field`, times are whole milliseconds.
fn rows(database: &VictoriaMetrics) -> Vec<Row> {
    let mut rows = Vec::new();
    for series in database.export("{__name__!=\"\"}") {
        let mut tags: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in series["metric"].as_object().expect("a metric") {
            tags.insert(name.clone(), value.as_str().expect("text").to_owned());
        }
        let name = tags.remove("__name__").expect("a name");
        // What 1.x calls the database and 2.x the bucket.
        tags.remove("db");
        let measurement = MEASUREMENTS.iter().find(|one| name.starts_with(&format!("{one}_")));
        let measurement = (*measurement.expect("a known measurement")).to_owned();
        let field = name[measurement.len() + 1..].to_owned();
        let values = series["values"].as_array().expect("values");
        let times = series["timestamps"].as_array().expect("times");
        assert_eq!(values.len(), times.len());
        for (value, time) in values.iter().zip(times) {
            let (value, time) = (value.as_f64().expect("a number"), time.as_i64().expect("a time"));
            let (measurement, tags, field) = (measurement.clone(), tags.clone(), field.clone());
            rows.push(Row { measurement, tags, time: time * MILLI, field, value });
        }
    }
    rows
}

/// Field of a series at a millisecond.
type Place = (String, BTreeMap<String, String>, String, i64);

/// Messages that tell no time may be received within one millisecond, and this database keeps one value of those.
/// What they hold is known from the journal: where one of them is there, the others are added as if they were.
fn add_what_was_merged(rows: &mut Vec<Row>, received: &[Point]) -> usize {
    let mut places: HashMap<Place, Vec<f64>> = HashMap::new();
    for point in received {
        let tags: BTreeMap<String, String> =
            point.tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        for (field, value) in point.stored() {
            let Some(value) = number(&value) else { continue };
            let place = (
                point.measurement.to_string(),
                tags.clone(),
                field.to_string(),
                point.time.div_euclid(MILLI) * MILLI,
            );
            places.entry(place).or_default().push(value);
        }
    }
    places.retain(|_, values| values.len() > 1);
    let mut merged = Vec::new();
    for row in rows.iter() {
        let place = (row.measurement.clone(), row.tags.clone(), row.field.clone(), row.time);
        let Some(mut values) = places.remove(&place) else { continue };
        let same = |value: &f64| (value - row.value).abs() <= value.abs() * 1e-12;
        let kept = values.iter().position(same).unwrap_or_else(|| panic!("{row:?} is none of {values:?}"));
        values.swap_remove(kept);
        merged.extend(values.into_iter().map(|value| Row { value, ..row.clone() }));
    }
    let count = merged.len();
    rows.extend(merged);
    count
}

/// The points that tell no time of their own, made once more from the journal.
fn received_points(data: &Path) -> Vec<Point> {
    let environment = std::iter::empty();
    let transform = config::shipped(environment).expect("the shipped configuration").transform;
    let board = Board::new(Clock::System);
    let config = journal::Config::default();
    let (journal, _, _) = journal::open(
        &data.join("journal"),
        &config,
        Arc::new(RealDisk),
        Clock::System,
        1,
        board.part("journal"),
    )
    .expect("the journal");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (mut reader, mut next) = (journal.reader(1), 1);
        let (mut state, mut points) = (State::default(), Vec::new());
        while next < journal.end() {
            for entry in reader.next(1000).await.expect("a readable journal") {
                let Entry::Record(record) = entry else { panic!("{entry:?}") };
                next = record.seq + 1;
                let before = points.len();
                let _ = transform.apply(&record, &mut state, &mut points);
                let told = |point: &Point| point.time == record.received;
                let received: Vec<_> = points.drain(before..).filter(told).collect();
                points.extend(received);
            }
        }
        points
    })
}

fn number(value: &FieldValue) -> Option<f64> {
    match value {
        FieldValue::Float(number) => Some(*number),
        #[expect(clippy::cast_precision_loss, reason = "flags are small")]
        FieldValue::Integer(number) => Some(*number as f64),
        FieldValue::Boolean(truth) => Some(f64::from(u8::from(*truth))),
        FieldValue::Text(_) => None,
    }
}
