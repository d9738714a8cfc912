//! The simulated city against real servers: publishes, and holds what is stored against the publisher's log.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use nadikota::clock::Clock;
use nadikota::config::DEMO_DEVICES;
use nadikota::journal::cursor;
use nadikota::journal::disk::RealDisk;
use nadikota::mqtt;
use nadikota::quarantine::{self, Filter};
use nadikota::simulate::oracle::{self, Held, Row, Verdict};
use nadikota::simulate::publisher::{self, Plan};
use nadikota::simulate::{City, Log, Options, Pace};
use nadikota::sink::embedded;
use tokio_util::sync::CancellationToken;

use super::influxdb::InfluxDb;
use super::nadikota::Nadikota;
use super::wait::poll_until;

/// Every measurement the city's profiles name, and that of strangers.
pub const MEASUREMENTS: &[&str] =
    &["air_quality", "noise", "parking", "sensor", "street_light", "waste", "water_level", "weather"];
const TAGS: &[&str] = &["channel", "city", "device", "district", "site"];

/// A city for load: told times from 30 days ago on, misbehaving devices among them.
pub fn city(seed: u64) -> City {
    let options = Options { seed, pace: Pace::Load, trouble: true, unrouted: false };
    City::new(DEMO_DEVICES, options).expect("the shipped registry")
}

pub fn client(broker: SocketAddr, client_id: &str) -> mqtt::Options {
    mqtt::Options {
        version: mqtt::Version::V3,
        host: broker.ip().to_string(),
        port: broker.port(),
        transport: mqtt::Transport::default(),
        client_id: client_id.to_owned(),
        login: None,
        keep_alive: Duration::from_secs(30),
        session_expiry: Duration::ZERO,
        receive_maximum: 1000,
        max_packet: 2 * 1024 * 1024,
        filters: Vec::new(),
        stale: Vec::new(),
    }
}

/// Publishes the city as the plan says; the log says which were acknowledged. False where the broker went away.
pub fn try_publish(city: &mut City, log: &mut Log, broker: SocketAddr, plan: Plan) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let stop = CancellationToken::new();
    let options = client(broker, "city");
    runtime.block_on(publisher::run(city, log, &options, plan, &Clock::System, &stop, |_| {})).is_ok()
}

/// The same over a broker that stays.
pub fn publish(city: &mut City, log: &mut Log, broker: SocketAddr, plan: Plan) {
    assert!(try_publish(city, log, broker, plan), "the broker stays");
}

/// Waits until `received` messages came in and each has its outcome; the account must balance all the while.
pub fn settled(nadikota: &Nadikota, received: u64, limit: Duration) -> serde_json::Value {
    poll_until(limit, "every message has its outcome", || {
        let account = account(nadikota)?;
        let number = |name: &str| account[name].as_u64().expect("a number");
        (number("received") >= received && number("pending") == 0).then_some(account)
    })
}

/// The account as health tells it, which must balance; nothing while the program does not answer.
pub fn account(nadikota: &Nadikota) -> Option<serde_json::Value> {
    Some(balanced(&nadikota.health()?))
}

/// The account of a health that was told, which must balance.
pub fn balanced(health: &serde_json::Value) -> serde_json::Value {
    let account = health["account"].clone();
    let number = |name: &str| account[name].as_u64().expect("a number");
    let reasons = account["discarded"].as_object().expect("reasons").values();
    let discarded: u64 = reasons.filter_map(serde_json::Value::as_u64).sum();
    let settled = number("stored") + number("partly_stored") + number("quarantined") + discarded;
    assert_eq!(settled + number("pending"), number("received"), "the account does not balance: {account}");
    account
}

/// Messages received so far; nothing is as good as none.
pub fn received(nadikota: &Nadikota) -> u64 {
    account(nadikota).and_then(|account| account["received"].as_u64()).unwrap_or(0)
}

/// Everything in the database and the quarantine against the log.
pub fn judge(log: &Log, database: &InfluxDb, nadikota: &Nadikota) -> Verdict {
    judge_rows(log, rows(database), nadikota)
}

/// Everything in the database and the quarantine.
pub fn found(
    database: &InfluxDb,
    data: &Path,
    health: impl Fn() -> Option<serde_json::Value>,
) -> (Vec<Row>, Vec<Held>) {
    (rows(database), held_in(data, health))
}

/// The same for rows of another database.
pub fn judge_rows(log: &Log, rows: Vec<Row>, nadikota: &Nadikota) -> Verdict {
    oracle::judge(log, rows, held(nadikota))
}

/// Everything in the database and in every member's quarantine against the log.
pub fn judge_all(log: &Log, database: &InfluxDb, members: &[Nadikota]) -> Verdict {
    oracle::judge(log, rows(database), members.iter().flat_map(held))
}

/// Everything in the embedded store and the quarantine against the log.
pub fn judge_store(log: &Log, nadikota: &Nadikota) -> Verdict {
    let mut rows = Vec::new();
    let store = embedded::Reader::open(&nadikota.data_dir()).expect("the store");
    store
        .each(|row| {
            let embedded::Value::Number(value) = row.value else { panic!("text is not expected: {row:?}") };
            let (measurement, time, field) = (row.measurement, row.time, row.field);
            rows.push(Row { measurement, tags: row.tags.into_iter().collect(), time, field, value });
        })
        .expect("the store");
    oracle::judge(log, rows, held(nadikota))
}

fn rows(database: &InfluxDb) -> Vec<Row> {
    let mut rows = Vec::new();
    for measurement in MEASUREMENTS {
        for columns in database.query(&format!("SELECT * FROM \"{measurement}\"")) {
            let tags: BTreeMap<String, String> = TAGS
                .iter()
                .filter_map(|tag| Some(((*tag).to_owned(), columns.get(*tag)?.as_str()?.to_owned())))
                .collect();
            let time = columns["time"].as_i64().expect("a time");
            for (field, value) in &columns {
                let Some(value) = value.as_f64().filter(|_| field != "time") else { continue };
                let (measurement, field) = ((*measurement).to_owned(), field.clone());
                rows.push(Row { measurement, tags: tags.clone(), time, field, value });
            }
        }
    }
    rows
}

fn held(nadikota: &Nadikota) -> Vec<Held> {
    held_in(&nadikota.data_dir(), || nadikota.health())
}

fn held_in(dir: &Path, health: impl Fn() -> Option<serde_json::Value>) -> Vec<Held> {
    // The cursor is written a moment after the positions move; the quarantine lists what it has passed.
    let positions = poll_until(Duration::from_secs(10), "the cursor is written", || {
        let health = health();
        let cursor = cursor::load(dir).expect("a cursor").unwrap_or_default();
        let positions: BTreeMap<_, _> =
            cursor.destinations.iter().map(|(name, progress)| (name.clone(), progress.position)).collect();
        // One that has stopped wrote its last cursor before it ended.
        let Some(health) = health else { return Some(positions) };
        let same = |(name, position): (&String, &u64)| health["destinations"][name]["position"] == *position;
        positions.iter().all(same).then_some(positions)
    });
    let mut all = Vec::new();
    quarantine::list(&dir.join("quarantine"), &RealDisk, &positions, &Filter::default(), |held| {
        all.push(Held {
            topic: held.record.message.topic.to_vec(),
            payload: held.record.message.payload.to_vec(),
            reason: held.rejection.reason,
        });
    })
    .expect("the quarantine");
    all
}
