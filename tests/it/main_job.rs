//! The main job: what a broker acknowledged is in the database, once and with the right values, whatever happens.

use std::time::Duration;

use nadikota::simulate::Log;
use nadikota::simulate::publisher::Plan;

use super::support::city;
use super::support::influxdb::InfluxDb;
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::scale::scaled;
use super::support::wait::poll_until;

const LIMIT: Duration = Duration::from_secs(60);

fn configuration(broker: &Mosquitto, database: &InfluxDb, version: &str) -> String {
    format!(
        "[mqtt]\nurl = \"mqtt://{}\"\nversion = \"{version}\"\n\
         [[destinations]]\nkind = \"influxdb\"\nversion = \"1\"\nurl = \"{}\"\ndatabase = \"city\"\n",
        broker.address(),
        database.url(),
    )
}

fn plan(count: u64) -> Plan {
    Plan { rate: None, count: Some(count), window: 200, patience: LIMIT }
}

fn carries_the_city(version: &str) {
    let (broker, database) = (Mosquitto::start(""), InfluxDb::start());
    let mut nadikota = Nadikota::start(&configuration(&broker, &database, version));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let (mut city, mut log) = (city::city(3), Log::default());
    let count = scaled(10_000, 50_000);
    city::publish(&mut city, &mut log, broker.address(), plan(count));
    let account = city::settled(&nadikota, count, LIMIT);
    let verdict = city::judge(&log, &database, &nadikota);
    assert!(verdict.agrees(), "{verdict}\n{account}");
    assert!(verdict.expected > 3 * count, "{verdict}");
    assert!(nadikota.stop(LIMIT).success(), "{}", nadikota.output());
}

#[test]
fn every_message_of_the_city_is_stored_or_in_quarantine_over_mqtt_5() {
    carries_the_city("5");
}

#[test]
fn every_message_of_the_city_is_stored_or_in_quarantine_over_mqtt_3_1_1() {
    carries_the_city("3.1.1");
}

#[test]
fn kills_at_random_moments_lose_nothing_and_double_nothing() {
    let (broker, database) = (Mosquitto::start(""), InfluxDb::start());
    let mut nadikota = Nadikota::start(&configuration(&broker, &database, "5"));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let (mut city, mut log) = (city::city(4), Log::default());
    for kill in 0..20 {
        let (mut own_city, mut own_log) = (city, log);
        let address = broker.address();
        let publishing = std::thread::spawn(move || {
            city::publish(&mut own_city, &mut own_log, address, plan(500));
            (own_city, own_log)
        });
        // Some kills come while messages stream in, some while the rest is being delivered.
        let before = city::received(&nadikota);
        poll_until(LIMIT, "messages come in", || {
            (city::received(&nadikota) > before + kill * 20).then_some(())
        });
        nadikota.restart();
        (city, log) = publishing.join().expect("the publisher");
    }
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let account = city::settled(&nadikota, 10_000, LIMIT);
    let verdict = city::judge(&log, &database, &nadikota);
    assert!(verdict.agrees(), "{verdict}\n{account}");
}
