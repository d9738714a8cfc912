//! Loads at the edge: a large backlog at once, large messages among small ones, a window of one, a full journal.

use std::time::Duration;

use super::support::city;
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::publish::publish;
use super::support::wait::{free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(120);
const KIB: usize = 1024;

/// Reads `a/+` as JSON into its own store.
fn configuration(broker: &Mosquitto, mqtt: &str, more: &str) -> String {
    format!(
        "time_zone = \"Asia/Jakarta\"\n[mqtt]\nurl = \"mqtt://{}\"\n{mqtt}\n[transform]\nmax_payload = \"2 MiB\"\n\
         [[routes]]\ntopic = \"a/{{device}}\"\nformat = \"json\"\n{more}",
        broker.address(),
    )
}

const EMBEDDED: &str = "[[destinations]]\nkind = \"embedded\"\n";

/// A reading with its number, and so many bytes beside it.
fn message(number: usize, size: usize) -> (String, String) {
    let padding = "x".repeat(size);
    (format!("a/d{}", number % 7), format!("{{\"t\":{number},\"note\":\"{padding}\"}}"))
}

fn ready(nadikota: &Nadikota) {
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
}

/// Waits until all have their outcome, and tells the memory that was used at most, in MiB.
fn most_memory(nadikota: &Nadikota, received: u64) -> u64 {
    let mut most = 0;
    poll_until(LIMIT, "every message has its outcome", || {
        most = most.max(nadikota.memory() / 1024);
        let account = city::account(nadikota)?;
        let done = account["received"].as_u64()? >= received && account["pending"] == 0;
        done.then(|| assert_eq!(account["stored"], received, "{account}"))
    });
    most
}

#[test]
fn a_backlog_of_200_mb_at_once_is_stored_to_the_last_message_in_bounded_memory() {
    let broker = Mosquitto::start("max_inflight_messages 0\n");
    let mut nadikota = Nadikota::start_alone(&configuration(&broker, "", EMBEDDED));
    ready(&nadikota);
    assert!(nadikota.stop(LIMIT).success(), "{}", nadikota.output());
    // The broker's session keeps all of it meanwhile.
    let messages: Vec<_> = (0..1000).map(|number| message(number, 200 * KIB)).collect();
    publish(broker.address(), "devices", &messages);
    nadikota.restart();
    let most = most_memory(&nadikota, 1000);
    println!("200 MB of backlog: {most} MiB at most");
    assert!(most < 400, "{most} MiB");
}

#[test]
fn a_message_of_1_mb_among_small_ones_is_stored_like_them() {
    let broker = Mosquitto::start("");
    let nadikota = Nadikota::start_alone(&configuration(&broker, "", EMBEDDED));
    ready(&nadikota);
    let size = |number| if number % 100 == 50 { 1000 * KIB } else { 10 };
    let messages: Vec<_> = (0..500).map(|number| message(number, size(number))).collect();
    publish(broker.address(), "devices", &messages);
    most_memory(&nadikota, 500);
}

#[test]
fn a_receive_maximum_of_1_carries_everything_one_by_one() {
    let broker = Mosquitto::start("");
    let config = configuration(&broker, "version = \"5\"\nreceive_maximum = 1", EMBEDDED);
    let mut nadikota = Nadikota::start_alone(&config);
    ready(&nadikota);
    let messages: Vec<_> = (0..600).map(|number| message(number, 10)).collect();
    publish(broker.address(), "devices", &messages[..300]);
    most_memory(&nadikota, 300);
    // A queue that has gathered, too.
    nadikota.kill9();
    publish(broker.address(), "devices", &messages[300..]);
    nadikota.restart();
    most_memory(&nadikota, 600);
}

#[test]
fn large_messages_before_a_full_journal_wait_with_the_broker_and_not_in_memory() {
    let broker = Mosquitto::start("max_inflight_messages 0\n");
    let [nobody] = free_addresses();
    let away = format!(
        "[journal]\nmin_free = \"1 MiB\"\nmax_size = \"8 MiB\"\nsegment_size = \"4 MiB\"\n[[destinations]]\n\
         kind = \"influxdb\"\nversion = \"1\"\nurl = \"http://{nobody}\"\ndatabase = \"city\"\n"
    );
    let nadikota = Nadikota::start_alone(&configuration(&broker, "keep_alive = \"5s\"", &away));
    ready(&nadikota);
    let before = nadikota.memory() / 1024;
    let messages: Vec<_> = (0..250).map(|number| message(number, 1000 * KIB)).collect();
    publish(broker.address(), "devices", &messages);
    let mut most = 0;
    poll_until(LIMIT, "it leaves the broker until there is room", || {
        most = most.max(nadikota.memory() / 1024);
        nadikota.output().contains("disconnecting from the broker until it has").then_some(())
    });
    println!("250 MB before a full journal: {before} MiB before, {most} MiB at most");
    assert!(most < before + 150, "{most} MiB, {before} before");
}
