//! The ways to a broker: TLS with a client certificate, WebSocket, and certificates that must be refused.

use std::time::Duration;

use nadikota::simulate::Log;
use nadikota::simulate::publisher::Plan;

use super::support::certificates::{Ca, Pair};
use super::support::city;
use super::support::influxdb::InfluxDb;
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::scale::scaled;
use super::support::wait::{free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(60);

fn configuration(mqtt: &str, database: &InfluxDb) -> String {
    format!(
        "[mqtt]\n{mqtt}\n[[destinations]]\nkind = \"influxdb\"\nversion = \"1\"\nurl = \"{}\"\ndatabase = \"city\"\n",
        database.url(),
    )
}

/// The city goes in over the broker's plain listener and out to nadikota over the one under test.
fn carries_the_city(broker: &Mosquitto, mqtt: &str) {
    let database = InfluxDb::start();
    let nadikota = Nadikota::start(&configuration(mqtt, &database));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let (mut city, mut log) = (city::city(5), Log::default());
    let count = scaled(2000, 50_000);
    let plan = Plan { rate: None, count: Some(count), window: 200, patience: LIMIT };
    city::publish(&mut city, &mut log, broker.address(), plan);
    city::settled(&nadikota, count, LIMIT);
    let verdict = city::judge(&log, &database, &nadikota);
    assert!(verdict.agrees(), "{verdict}");
}

/// A broker with a second listener over TLS that asks for a client certificate.
fn tls_broker(port: u16, ca: &Ca, server: &Pair) -> Mosquitto {
    Mosquitto::start(&format!(
        "listener {port} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\n",
        ca.file.display(),
        server.certificate.display(),
        server.key.display(),
    ))
}

#[test]
fn the_city_arrives_over_tls_with_a_client_certificate() {
    let dir = tempfile::tempdir().expect("a directory");
    let ca = Ca::new(dir.path(), "ca");
    let (server, client) = (ca.sign(dir.path(), "localhost", false), ca.sign(dir.path(), "nadikota", false));
    for version in ["5", "3.1.1"] {
        let [address] = free_addresses();
        let broker = tls_broker(address.port(), &ca, &server);
        let mqtt = format!(
            "url = \"mqtts://localhost:{}\"\nversion = \"{version}\"\nca_file = \"{}\"\nclient_cert_file = \"{}\"\n\
             client_key_file = \"{}\"",
            address.port(),
            ca.file.display(),
            client.certificate.display(),
            client.key.display(),
        );
        carries_the_city(&broker, &mqtt);
    }
}

#[test]
fn the_city_arrives_over_websocket() {
    for version in ["5", "3.1.1"] {
        let [address] = free_addresses();
        let broker =
            Mosquitto::start(&format!("listener {} 127.0.0.1\nprotocol websockets\n", address.port()));
        carries_the_city(&broker, &format!("url = \"ws://{address}/mqtt\"\nversion = \"{version}\""));
    }
}

#[test]
fn a_certificate_that_is_not_right_is_refused_with_what_is_wrong() {
    let dir = tempfile::tempdir().expect("a directory");
    let (ca, stranger) = (Ca::new(dir.path(), "ca"), Ca::new(dir.path(), "stranger"));
    let client = ca.sign(dir.path(), "nadikota", false);
    let database = InfluxDb::start();
    let right = ca.sign(dir.path(), "localhost", false);
    let expired = ca.sign(dir.path(), "localhost", true);
    let other_name = ca.sign(dir.path(), "broker.example", false);
    for (server, trusted, with_client, expected) in [
        (&expired, &ca, true, "has expired"),
        (&other_name, &ca, true, "is for another name"),
        (&right, &stranger, true, "not signed by a CA that we trust"),
        (&right, &ca, false, "asks for a client certificate"),
    ] {
        let [address] = free_addresses();
        let _broker = tls_broker(address.port(), &ca, server);
        let own = if with_client {
            let (certificate, key) = (client.certificate.display(), client.key.display());
            format!("client_cert_file = \"{certificate}\"\nclient_key_file = \"{key}\"")
        } else {
            String::new()
        };
        let mqtt = format!(
            "url = \"mqtts://localhost:{}\"\nca_file = \"{}\"\n{own}",
            address.port(),
            trusted.file.display()
        );
        let nadikota = Nadikota::start(&configuration(&mqtt, &database));
        let reason = poll_until(Duration::from_secs(15), expected, || {
            let reason = nadikota.health()?["parts"]["mqtt"]["reason"].as_str()?.to_owned();
            reason.contains(expected).then_some(reason)
        });
        assert!(reason.contains("localhost"), "{reason}");
        assert!(!nadikota.ready());
    }
}

#[test]
fn a_certificate_file_that_is_missing_is_named_before_anything_starts() {
    let text = "time_zone = \"Asia/Jakarta\"\n[mqtt]\nurl = \"mqtts://localhost\"\nca_file = \"none.pem\"\n";
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("nadikota.toml");
    std::fs::write(&file, text).expect("the configuration");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_nadikota"))
        .args(["check", "--config"])
        .arg(&file)
        .output()
        .expect("check");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && out.contains("mqtt.ca_file") && out.contains("none.pem"), "{out}");
}
