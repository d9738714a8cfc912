//! The harness proves itself: every server starts, answers, and is gone with its owner.

use std::process::Stdio;
use std::time::Duration;

use super::support::influxdb::InfluxDb;
use super::support::mosquitto::Mosquitto;
use super::support::victoria_metrics::VictoriaMetrics;
use super::support::wait::{accepts, poll_until};

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn mosquitto_carries_a_message_from_publisher_to_subscriber() {
    let broker = Mosquitto::start("");
    // Retained, so that it does not matter which of the two comes first.
    let published = broker
        .client("mosquitto_pub")
        .args(["-q", "1", "-r", "-t", "city/pulse", "-m", "42"])
        .status()
        .expect("mosquitto_pub");
    assert!(published.success());
    let received = broker
        .client("mosquitto_sub")
        .args(["-q", "1", "-t", "city/#", "-C", "1", "-W", "20"])
        .stdin(Stdio::null())
        .output()
        .expect("mosquitto_sub");
    assert_eq!(String::from_utf8_lossy(&received.stdout), "42\n");
}

#[test]
fn influxdb_returns_the_points_it_was_given() {
    let mut database = InfluxDb::start();
    let answer = database.write("weather,city=pasuruan air_temperature_c=29.5 1700000000000000001\n");
    assert_eq!(answer.status, 204, "{}", answer.body);
    let check = |database: &InfluxDb| {
        let rows = database.query("SELECT * FROM weather");
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0]["time"], 1_700_000_000_000_000_001_i64);
        assert_eq!(rows[0]["air_temperature_c"], 29.5);
        assert_eq!(rows[0]["city"], "pasuruan");
    };
    check(&database);
    database.restart();
    check(&database);
}

#[test]
fn victoria_metrics_exports_the_points_it_was_given() {
    let database = VictoriaMetrics::start();
    let line = "weather,city=pasuruan air_temperature_c=29.5 1700000000001000000\n";
    // Twice is once: the oracle must not count a repeat.
    for _ in 0..2 {
        assert_eq!(database.write(line).status, 204);
    }
    let series = poll_until(LIMIT, "the series can be read", || {
        let series = database.export("weather_air_temperature_c");
        (!series.is_empty()).then_some(series)
    });
    assert_eq!(series.len(), 1);
    assert_eq!(series[0]["metric"]["city"], "pasuruan");
    assert_eq!(series[0]["values"], serde_json::json!([29.5]));
    assert_eq!(series[0]["timestamps"], serde_json::json!([1_700_000_000_001_i64]));
}

#[test]
fn a_server_ends_with_its_owner() {
    let broker = Mosquitto::start("");
    let address = broker.address();
    drop(broker);
    assert!(!accepts(address));
}

#[test]
fn a_server_ends_even_when_its_test_panics() {
    let (tell, told) = std::sync::mpsc::channel();
    let ended = std::thread::spawn(move || {
        let broker = Mosquitto::start("");
        tell.send(broker.address()).expect("a listener");
        panic!("on purpose, to see the broker go");
    })
    .join();
    assert!(ended.is_err());
    assert!(!accepts(told.recv().expect("an address")));
}
