//! What happens around us: the database away, one destination stuck, links that die, the service killed.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nadikota::mqtt::publish::Publisher;
use nadikota::simulate::Log;
use nadikota::simulate::publisher::Plan;

use super::support::city;
use super::support::counting::Counting;
use super::support::http;
use super::support::influxdb::InfluxDb;
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::proxy::Proxy;
use super::support::scale::scaled;
use super::support::wait::{free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(30);

fn mqtt(broker: SocketAddr) -> String {
    format!("[mqtt]\nurl = \"mqtt://{broker}\"\n")
}

fn influx(database: &InfluxDb) -> String {
    format!(
        "[[destinations]]\nkind = \"influxdb\"\nversion = \"1\"\nurl = \"{}\"\ndatabase = \"city\"\n",
        database.url()
    )
}

/// Publishes one payload to one topic so many times over one connection, and returns when all are acknowledged.
fn repeat(broker: SocketAddr, topic: &str, payload: &str, times: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut publisher = Publisher::new(&city::client(broker, "repeater"), 20);
        let (mut sent, mut acknowledged) = (0, 0);
        while acknowledged < times {
            while sent < times && publisher.try_publish(sent, topic, payload.as_bytes().to_vec(), false) {
                sent += 1;
            }
            acknowledged += u64::from(publisher.poll().await.expect("the broker stays").is_some());
        }
    });
}

fn number(nadikota: &Nadikota, name: &str) -> u64 {
    nadikota.health().and_then(|health| health["account"][name].as_u64()).unwrap_or(0)
}

#[test]
fn while_the_database_is_away_pubacks_go_on_ready_stays_and_everything_is_there_afterwards() {
    // Long: a minute at 5,000 a second. Short: eight seconds at 1,000.
    let (rate, seconds) = scaled((1000, 8), (5000, 60));
    let count = u64::from(rate) * seconds;
    let (broker, mut database) = (Mosquitto::start(""), InfluxDb::start());
    let nadikota = Nadikota::start(&format!("{}{}", mqtt(broker.address()), influx(&database)));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let address = broker.address();
    let publishing = std::thread::spawn(move || {
        let (mut city, mut log) = (city::city(6), Log::default());
        let plan = Plan { rate: Some(rate), count: Some(count), window: 500, patience: LIMIT };
        city::publish(&mut city, &mut log, address, plan);
        log
    });
    poll_until(LIMIT, "messages come in", || (number(&nadikota, "received") > count / 20).then_some(()));
    database.kill9();
    let mut most = 0;
    poll_until(Duration::from_secs(seconds * 3), "PUBACKs go on", || {
        assert!(nadikota.ready(), "a database that is away must not make us unready");
        most = most.max(nadikota.memory() / 1024);
        (number(&nadikota, "received") >= count * 19 / 20).then_some(())
    });
    let part = nadikota.health().expect("health")["parts"]["destination default"].clone();
    assert_eq!(part["state"], "degraded", "{part}");
    let log = publishing.join().expect("the publisher");
    let pending = number(&nadikota, "pending");
    database.restart();
    let start = Instant::now();
    city::settled(&nadikota, count, LIMIT);
    let rate = pending as f64 / start.elapsed().as_secs_f64();
    println!("{pending} pending, drained at {rate:.0} messages/s back-off included, {most} MiB at most");
    assert!(most < 256, "{most} MiB");
    let verdict = city::judge(&log, &database, &nadikota);
    assert!(verdict.agrees(), "{verdict}");
}

#[test]
fn a_destination_that_refuses_us_delays_no_other_and_a_restart_writes_nothing_again() {
    let (broker, good, stuck) = (Mosquitto::start(""), Counting::start(204), Counting::start(401));
    let destination = |name: &str, url: String| {
        format!(
            "[[destinations]]\nname = \"{name}\"\nkind = \"influxdb\"\nversion = \"1\"\nurl = \"{url}\"\n\
             database = \"city\"\ngzip = false\n"
        )
    };
    let mut nadikota = Nadikota::start(&format!(
        "stop_within = \"1s\"\n{}{}{}\
         [[routes]]\ntopic = \"good/{{device}}\"\nformat = \"value\"\ndestination = \"good\"\n\
         [[routes]]\ntopic = \"stuck/{{device}}\"\nformat = \"value\"\ndestination = \"stuck\"\n",
        mqtt(broker.address()),
        destination("good", good.url()),
        destination("stuck", stuck.url()),
    ));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    repeat(broker.address(), "stuck/a", "1", 300);
    repeat(broker.address(), "good/a", "1", 300);
    poll_until(LIMIT, "the good one has all of its own", || {
        (number(&nadikota, "stored") == 300).then_some(())
    });
    assert_eq!((number(&nadikota, "pending"), good.stored_lines()), (300, 300));
    let reason = nadikota.health().expect("health")["parts"]["destination stuck"]["reason"].clone();
    assert!(reason.as_str().is_some_and(|reason| reason.contains("401")) && nadikota.ready(), "{reason}");

    nadikota.stop(LIMIT);
    nadikota.restart();
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    assert_eq!((number(&nadikota, "stored"), number(&nadikota, "pending")), (300, 300));
    stuck.answer(204);
    city::settled(&nadikota, 600, LIMIT);
    assert_eq!((good.stored_lines(), stuck.stored_lines()), (300, 300));
}

#[test]
fn a_steady_value_is_kept_a_thousand_times_and_true_redeliveries_are_recognised() {
    let (broker, database) = (Mosquitto::start(""), InfluxDb::start());
    let proxy = Proxy::start(broker.address());
    let mut nadikota = Nadikota::start(&format!("{}{}", mqtt(proxy.address()), influx(&database)));
    let topic = "city/pasuruan/purworejo/ns-01/laeq";
    let mut sent = 0;
    for round in 0..10 {
        poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
        // The PUBACKs of this round are lost on the way; then the link dies, or we do.
        if round % 2 == 1 {
            proxy.swallow();
        }
        repeat(broker.address(), topic, "55.5", 100);
        sent += 100;
        // Mosquitto holds back what is beyond its window while it waits for PUBACKs.
        let least = if round % 2 == 1 { sent - 99 } else { sent };
        poll_until(LIMIT, "the messages are on disk", || (received_new(&nadikota) >= least).then_some(()));
        if round % 4 == 3 {
            nadikota.kill9();
            proxy.cut();
            nadikota.restart();
        } else {
            let before = connections(&nadikota);
            proxy.cut();
            poll_until(LIMIT, "nadikota connects again", || (connections(&nadikota) > before).then_some(()));
        }
    }
    poll_until(LIMIT, "all are stored", || (number(&nadikota, "stored") == sent).then_some(()));
    city::settled(&nadikota, sent, LIMIT);
    let account = nadikota.health().expect("health")["account"].clone();
    let redelivered = account["discarded"]["redelivery"].as_u64().unwrap_or(0);
    assert!(redelivered > 0, "{account}");
    println!("{redelivered} redeliveries recognised among {sent} equal messages");
    let rows = database.query("SELECT laeq_dba FROM noise");
    assert_eq!(u64::try_from(rows.len()).expect("a count"), sent);
}

/// Connections made to the broker by this process.
fn connections(nadikota: &Nadikota) -> u64 {
    let metrics = http::get(nadikota.http(), "/metrics").expect("metrics").body;
    let line =
        metrics.lines().find(|line| line.starts_with("nadikota_mqtt_connections_total{source=\"mqtt\"} "));
    let number = line.and_then(|line| line.split_whitespace().nth(1)).expect("the metric");
    number.trim_end_matches(".0").parse().expect("a number")
}

/// Messages received that repeat none.
fn received_new(nadikota: &Nadikota) -> u64 {
    let Some(health) = nadikota.health() else { return 0 };
    let account = &health["account"];
    let count = |value: &serde_json::Value| value.as_u64().unwrap_or(0);
    count(&account["received"]) - count(&account["discarded"]["redelivery"])
}

#[test]
fn kills_of_the_embedded_broker_lose_nothing_that_a_device_saw_acknowledged() {
    let [address] = free_addresses();
    let mut nadikota = Nadikota::start(&format!(
        "destinations = []\n[mqtt]\nenabled = false\n[broker]\nlisten = \"{address}\"\n"
    ));
    let (mut city, mut log) = (city::city(7), Log::default());
    for kill in 0..10 {
        poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
        let (mut own_city, mut own_log) = (city, log);
        let publishing = std::thread::spawn(move || {
            // Ends when the broker dies under it.
            let plan = Plan { rate: None, count: Some(5000), window: 50, patience: LIMIT };
            city::try_publish(&mut own_city, &mut own_log, address, plan);
            (own_city, own_log)
        });
        let before = number(&nadikota, "received");
        poll_until(LIMIT, "messages come in", || {
            (number(&nadikota, "received") > before + 50 + 13 * kill).then_some(())
        });
        nadikota.restart();
        (city, log) = publishing.join().expect("the publisher");
    }
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let account = city::settled(&nadikota, 500, LIMIT);
    let verdict = city::judge_store(&log, &nadikota);
    assert!(verdict.agrees(), "{verdict}\n{account}");
}
