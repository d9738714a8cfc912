//! Ways in: shared subscriptions, several brokers, filters that overlap or go away, and a session taken over.

use std::time::Duration;

use nadikota::simulate::Log;
use nadikota::simulate::publisher::Plan;

use super::support::city;
use super::support::influxdb::InfluxDb;
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::process::Process;
use super::support::publish::publish;
use super::support::scale::scaled;
use super::support::wait::poll_until;

const LIMIT: Duration = Duration::from_secs(60);

fn plan(count: u64) -> Plan {
    Plan { rate: None, count: Some(count), window: 200, patience: LIMIT }
}

fn destination(database: &InfluxDb) -> String {
    format!(
        "[[destinations]]\nkind = \"influxdb\"\nversion = \"1\"\nurl = \"{}\"\ndatabase = \"city\"\n",
        database.url()
    )
}

fn ready(nadikota: &Nadikota) {
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
}

#[test]
fn two_members_of_a_shared_subscription_store_the_city_once() {
    let (broker, database) = (Mosquitto::start(""), InfluxDb::start());
    let members: Vec<_> = ["one", "two"]
        .map(|id| {
            Nadikota::start(&format!(
                "[mqtt]\nurl = \"mqtt://{}\"\nclient_id = \"{id}\"\nshare = \"city\"\n{}",
                broker.address(),
                destination(&database)
            ))
        })
        .into();
    members.iter().for_each(ready);
    let (mut city, mut log) = (city::city(21), Log::default());
    let count = scaled(10_000, 50_000);
    city::publish(&mut city, &mut log, broker.address(), plan(count));
    poll_until(LIMIT, "both have received everything", || {
        (members.iter().map(city::received).sum::<u64>() >= count).then_some(())
    });
    let received: Vec<_> = members.iter().map(city::received).collect();
    assert!(received.iter().all(|part| *part > count / 10), "the load is shared: {received:?}");
    for member in &members {
        city::settled(member, 0, LIMIT);
    }
    let verdict = city::judge_all(&log, &database, &members);
    assert!(verdict.agrees(), "{verdict}");
    assert_eq!(received.iter().sum::<u64>(), count);
}

#[test]
fn two_brokers_and_several_connections_bring_the_city_once() {
    let (north, south, database) = (Mosquitto::start(""), Mosquitto::start(""), InfluxDb::start());
    let mut nadikota = Nadikota::start(&format!(
        "[[mqtt]]\nname = \"north\"\nurl = \"mqtt://{}\"\nconnections = 3\n\
         [[mqtt]]\nname = \"south\"\nurl = \"mqtt://{}\"\nversion = \"3.1.1\"\n{}",
        north.address(),
        south.address(),
        destination(&database)
    ));
    ready(&nadikota);
    let health = nadikota.health().expect("health");
    for part in ["mqtt north", "mqtt north 1", "mqtt north 2", "mqtt south"] {
        assert_eq!(health["parts"][part]["state"], "ok", "{part}: {health}");
    }
    let (mut city, mut log) = (city::city(22), Log::default());
    let count = scaled(5_000, 25_000);
    for (round, broker) in [&north, &south].into_iter().enumerate() {
        city::publish(&mut city, &mut log, broker.address(), plan(count));
        if round == 0 {
            // Numbers in the journal and sessions at the brokers are found again.
            nadikota.restart();
            ready(&nadikota);
        }
    }
    let account = city::settled(&nadikota, 2 * count, LIMIT);
    // What was unacknowledged at the kill came again, and is recognised.
    let again = account["discarded"]["redelivery"].as_u64().unwrap_or(0);
    assert_eq!(account["received"], 2 * count + again, "{account}");
    let verdict = city::judge(&log, &database, &nadikota);
    assert!(verdict.agrees(), "{verdict}\n{account}");
}

fn filtered(broker: &Mosquitto, topics: &[&str]) -> String {
    let route = |topic: &&str| {
        format!(
            "[[routes]]\ntopic = \"{topic}\"\nformat = \"value\"\nname = \"laeq\"\nprofile = \"generic\"\n"
        )
    };
    let routes: String = topics.iter().map(route).collect();
    format!("[mqtt]\nurl = \"mqtt://{}\"\n[[destinations]]\nkind = \"embedded\"\n{routes}", broker.address())
}

fn messages(topics: &[&str], count: u32) -> Vec<(String, String)> {
    let one = |number| topics.iter().map(move |topic| ((*topic).to_owned(), format!("{}", 30 + number)));
    (0..count).flat_map(one).collect()
}

#[test]
fn overlapping_filters_bring_one_copy_and_a_removed_one_is_unsubscribed() {
    let broker = Mosquitto::start("");
    let mut nadikota =
        Nadikota::start(&filtered(&broker, &["a/{device}", "a/x", "b/{device}", "c/{device}/now"]));
    ready(&nadikota);
    let topics = ["a/x", "a/y", "b/1", "c/1/now", "c/1/then"];
    publish(broker.address(), "devices", &messages(&topics, 50));
    let account = city::settled(&nadikota, 200, LIMIT);
    assert_eq!((&account["received"], &account["stored"]), (&200.into(), &200.into()), "one copy of each");

    // The new set overlaps the old one and lacks a part of it; the broker's session holds the old one.
    assert!(nadikota.stop(LIMIT).success(), "{}", nadikota.output());
    publish(broker.address(), "devices", &messages(&["a/x", "b/1"], 10));
    let routes = filtered(&broker, &["a/{device}/#", "c/{device}/now"]);
    std::fs::write(nadikota.dir().join("nadikota.toml"), routes).expect("the configuration");
    nadikota.restart();
    ready(&nadikota);
    poll_until(LIMIT, "the removed filter is unsubscribed", || {
        let sources = std::fs::read_to_string(nadikota.data_dir().join("sources.json")).ok()?;
        (!sources.contains("b/+") && sources.contains("a/+/#")).then_some(())
    });
    // Queued for the old filters while we were away: kept, though no route knows the one of them any more.
    let account = city::settled(&nadikota, 220, LIMIT);
    assert_eq!(account["quarantined_by_reason"]["no_route"], 10, "{account}");
    publish(broker.address(), "devices", &messages(&topics, 50));
    publish(broker.address(), "devices", &messages(&["c/end/now"], 1));
    let account = city::settled(&nadikota, 220 + 151, LIMIT);
    assert_eq!(account["received"], 220 + 151, "nothing of b/1 comes any more: {account}");
    assert_eq!(account["stored"], 200 + 10 + 151, "{account}");
}

#[test]
fn a_session_that_another_client_takes_over_is_said() {
    let broker = Mosquitto::start("");
    let nadikota = Nadikota::start(&format!(
        "[mqtt]\nurl = \"mqtt://{}\"\nclient_id = \"twin\"\n[[destinations]]\nkind = \"embedded\"\n",
        broker.address()
    ));
    ready(&nadikota);
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = std::process::Command::new("mosquitto_sub");
    command.args(["-V", "5", "-i", "twin", "-t", "x", "-p", &broker.address().port().to_string()]);
    let twin = Process::start("mosquitto_sub", &mut command, dir.path());
    // Mosquitto 2.0.11 closes the old connection without a word; others send the reason, which a unit test holds.
    poll_until(LIMIT, "health says what it may be", || {
        let health = nadikota.health()?.to_string();
        health.contains("another client has the same client_id").then_some(())
    });
    // Each throws the other out; it goes on by itself when the twin is gone.
    drop(twin);
    ready(&nadikota);
}
