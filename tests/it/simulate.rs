//! The load generator: against a real broker over TLS, one that goes away, one that was never there, and our own.

use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use super::support::certificates::Ca;
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::process::Process;
use super::support::wait::{free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(60);

fn simulate(to: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nadikota"));
    command.args(["simulate", "--json", "--to", to]).args(arguments);
    command
}

fn told(output: &Output) -> Value {
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    serde_json::from_str(out.trim_end()).unwrap_or_else(|error| panic!("{error}: {out}\n{err}"))
}

#[test]
fn devices_publish_over_tls_and_every_puback_is_timed() {
    let dir = tempfile::tempdir().expect("a directory");
    let ca = Ca::new(dir.path(), "ca");
    let (server, client) = (ca.sign(dir.path(), "localhost", false), ca.sign(dir.path(), "city", false));
    let [address] = free_addresses();
    let _broker = Mosquitto::start(&format!(
        "listener {} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\n",
        address.port(),
        ca.file.display(),
        server.certificate.display(),
        server.key.display(),
    ));
    let to = format!("mqtts://localhost:{}", address.port());
    let path = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    let files = [path(&ca.file), path(&client.certificate), path(&client.key)];
    let [ca_file, certificate, key] = files.each_ref().map(String::as_str);
    let trusted = ["--ca-file", ca_file, "--client-cert-file", certificate, "--client-key-file", key];
    let load = ["--devices", "200", "--rate", "500", "--connections", "3", "--for", "2s"];
    let output = simulate(&to, &[&load[..], &trusted].concat()).output().expect("the load");
    assert!(output.status.success());
    let report = told(&output);
    let number = |name: &str| report[name].as_u64().expect("a number");
    assert!(number("acknowledged") >= 500 && number("sent") <= 1_100, "{report}");
    assert_eq!((number("unacknowledged"), number("errors")), (0, 0), "{report}");
    let latency = |name: &str| report["puback_ms"][name].as_f64().expect("milliseconds");
    assert!(latency("p50") > 0.0 && latency("p50") <= latency("p99") && latency("p99") <= latency("max"));

    // Without our certificate the broker refuses us, and it is said why.
    let output = simulate(&to, &["--for", "2s", "--ca-file", ca_file]).output().expect("the load");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("client certificate"), "{err}");
}

#[test]
fn a_broker_that_goes_away_is_counted_and_the_load_goes_on() {
    let mut broker = Mosquitto::start("");
    let dir = tempfile::tempdir().expect("a directory");
    let to = format!("mqtt://{}", broker.address());
    let mut load = Process::start("simulate", &mut simulate(&to, &["--for", "6s"]), dir.path());
    // Connected: Mosquitto tells of each client.
    poll_until(LIMIT, "the load is connected", || {
        broker.output().contains("nadikota-simulate").then_some(())
    });
    broker.restart();
    let status = poll_until(LIMIT, "the load ends by itself", || load.exited());
    let report: Value = serde_json::from_str(&load.output()).expect("JSON");
    assert!(status.success(), "{report}");
    let number = |name: &str| report[name].as_u64().expect("a number");
    assert!(number("errors") > 0 && report["last_error"].is_string(), "{report}");
    assert!(number("acknowledged") > 200 && number("unacknowledged") == 0, "{report}");
}

#[test]
fn a_broker_that_is_not_there_is_named_and_a_password_on_the_line_is_refused() {
    let [address] = free_addresses();
    let output = simulate(&format!("mqtt://{address}"), &[]).output().expect("the load");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains(&address.to_string()), "{err}");

    let output = simulate(&format!("mqtt://city:hidden@{address}"), &[]).output().expect("the load");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("--to") && !err.contains("hidden"), "{err}");
}

#[test]
fn our_own_broker_knows_every_device_and_receives_what_it_acknowledged() {
    let [address] = free_addresses();
    let nadikota = Nadikota::start(&format!(
        "destinations = []\n[mqtt]\nenabled = false\n[broker]\nlisten = \"{address}\"\n\
         user = \"devices\"\npassword = \"rahasia\"\n"
    ));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let to = format!("mqtt://{address}");
    let load = ["--for", "3s", "--connections", "6", "--rate", "400"];
    let refused = simulate(&to, &load).output().expect("the load");
    assert_eq!(refused.status.code(), Some(1));
    let output = simulate(&to, &load)
        .env("MQTT_USER", "devices")
        .env("MQTT_PASSWORD", "rahasia")
        .output()
        .expect("the load");
    let report = told(&output);
    assert!(output.status.success(), "{report}");
    let acknowledged = report["acknowledged"].as_u64().expect("a number");
    let account = poll_until(LIMIT, "everything is stored", || {
        let account = nadikota.health()?["account"].clone();
        (account["pending"] == 0).then_some(account)
    });
    assert!(acknowledged > 300, "{report}");
    assert_eq!((&account["received"], &account["stored"]), (&acknowledged.into(), &acknowledged.into()));
}
