//! Certificates that expire: told in time by `check`, health and metrics, and no reason to be unready before.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::support::certificates::{Ca, Pair};
use super::support::http;
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::wait::{accepts, free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(30);

fn configuration(port: u16, ca: &Ca, client: &Pair) -> String {
    format!(
        "time_zone = \"Asia/Jakarta\"\n[mqtt]\nurl = \"mqtts://localhost:{port}\"\nca_file = \"{}\"\n\
         client_cert_file = \"{}\"\nclient_key_file = \"{}\"\n[[destinations]]\nkind = \"embedded\"\n\
         [[routes]]\ntopic = \"in/{{device}}\"\nformat = \"value\"\n",
        ca.file.display(),
        client.certificate.display(),
        client.key.display(),
    )
}

fn broker(port: u16, ca: &Ca, server: &Pair) -> Mosquitto {
    Mosquitto::start(&format!(
        "listener {port} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\n",
        ca.file.display(),
        server.certificate.display(),
        server.key.display(),
    ))
}

/// Exit code and output.
fn check(dir: &Path, config: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let file = dir.join("nadikota.toml");
    std::fs::write(&file, config).expect("the configuration");
    let mut command = Command::new(env!("CARGO_BIN_EXE_nadikota"));
    let output = command.arg("check").args(arguments).arg("--config").arg(&file).output().expect("check");
    (output.status.code(), String::from_utf8(output.stdout).expect("text"))
}

/// The line of a certificate, and what it is graded.
fn line<'o>(output: &'o str, whose: &str) -> &'o str {
    let found = output.lines().find(|line| line.contains(&format!("certificate {whose}:")));
    found.unwrap_or_else(|| panic!("nothing of {whose}: {output}"))
}

#[test]
fn check_warns_of_a_certificate_that_expires_within_a_month_and_fails_on_an_expired_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let ca = Ca::new(dir.path(), "ca");
    for (days, code, grade, part) in [
        (400, 0, "ok", "399 days from now"),
        (20, 0, "warning", "19 days from now"),
        (-3, 1, "wrong", "has expired"),
    ] {
        let client = ca.sign_for_days(dir.path(), "nadikota", days);
        let (found, output) = check(dir.path(), &configuration(8883, &ca, &client), &[]);
        let line = line(&output, "client");
        assert!(line.starts_with(grade) && line.contains(part), "{output}");
        assert!(line.contains("nadikota-"), "the file is named: {output}");
        assert_eq!(found, Some(code), "{output}");
    }
}

#[test]
fn the_brokers_certificate_is_told_as_it_was_shown_and_readiness_stays() {
    let dir = tempfile::tempdir().expect("a directory");
    let ca = Ca::new(dir.path(), "ca");
    let (server, client) =
        (ca.sign_for_days(dir.path(), "localhost", 5), ca.sign_for_days(dir.path(), "nadikota", 60));
    let [address] = free_addresses();
    let _broker = broker(address.port(), &ca, &server);
    for version in ["5", "3.1.1"] {
        let config = configuration(address.port(), &ca, &client)
            .replace("[mqtt]\n", &format!("[mqtt]\nversion = \"{version}\"\n"));
        let (code, output) = check(dir.path(), &config, &["--connect"]);
        assert_eq!(code, Some(0), "{output}");
        let broker = line(&output, "broker");
        assert!(broker.starts_with("warning") && broker.contains("4 days from now"), "{output}");
        assert!(
            line(&output, "ca").starts_with("ok") && line(&output, "client").starts_with("ok"),
            "{output}"
        );

        let nadikota = Nadikota::start_alone(&config);
        let part = poll_until(LIMIT, "health tells it", || {
            let part = nadikota.health()?["parts"]["certificates"].clone();
            (part["state"] == "degraded").then_some(part.to_string())
        });
        assert!(part.contains("the broker's own certificate") && part.contains("renew"), "{part}");
        poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
        let metrics = http::get(nadikota.http(), "/metrics").expect("metrics").body;
        let day = 86_400.0;
        for (certificate, from, to) in [("broker", 3.9, 5.1), ("client", 58.9, 60.1), ("ca", 1000.0, 1e9)] {
            let labels = format!("broker=\"localhost:{}\",certificate=\"{certificate}\"", address.port());
            let name = format!("nadikota_certificate_expiry_seconds{{{labels}}} ");
            let value = metrics.lines().find_map(|line| line.strip_prefix(&name)).expect("the metric");
            let days = value.parse::<f64>().expect("a number") / day;
            assert!((from..to).contains(&days), "{certificate}: {days}");
        }
    }
}

#[test]
fn check_connects_as_run_does_and_tells_an_expired_broker() {
    let dir = tempfile::tempdir().expect("a directory");
    let ca = Ca::new(dir.path(), "ca");
    let (server, client) =
        (ca.sign(dir.path(), "localhost", true), ca.sign_for_days(dir.path(), "nadikota", 60));
    let [tls, websocket] = free_addresses();
    let _tls_broker = broker(tls.port(), &ca, &server);
    let (code, output) = check(dir.path(), &configuration(tls.port(), &ca, &client), &["--connect"]);
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("localhost: the broker's certificate has expired"), "{output}");
    let broker = line(&output, "broker");
    assert!(broker.starts_with("wrong") && broker.contains("2021-01-01"), "{output}");

    let _broker =
        Mosquitto::start(&format!("listener {} 127.0.0.1\nprotocol websockets\n", websocket.port()));
    // It opens this listener a moment after the other one.
    poll_until(LIMIT, "the broker listens", || accepts(websocket).then_some(()));
    for version in ["5", "3.1.1"] {
        let config = format!(
            "time_zone = \"Asia/Jakarta\"\n[mqtt]\nurl = \"ws://{websocket}/mqtt\"\nversion = \"{version}\"\n\
             [[destinations]]\nkind = \"embedded\"\n[[routes]]\ntopic = \"in/{{device}}\"\nformat = \"value\"\n"
        );
        let (code, output) = check(dir.path(), &config, &["--connect"]);
        assert!(
            code == Some(0) && output.contains("connects") && output.contains("1 of 1 granted"),
            "{output}"
        );
    }
}

#[test]
fn a_client_certificate_that_is_renewed_while_we_run_is_noticed_at_the_next_look() {
    let dir = tempfile::tempdir().expect("a directory");
    let ca = Ca::new(dir.path(), "ca");
    let server = ca.sign(dir.path(), "localhost", false);
    let (old, new) =
        (ca.sign_for_days(dir.path(), "nadikota", 6), ca.sign_for_days(dir.path(), "nadikota", 300));
    let [address] = free_addresses();
    let mut broker = broker(address.port(), &ca, &server);
    let nadikota = Nadikota::start_alone(&configuration(address.port(), &ca, &old));
    let state = || nadikota.health().map(|health| health["parts"]["certificates"]["state"].clone());
    poll_until(LIMIT, "health tells it", || (state()? == "degraded").then_some(()));
    std::fs::copy(&new.certificate, &old.certificate).expect("the certificate");
    std::fs::copy(&new.key, &old.key).expect("the key");
    // Another certificate of the broker is a reason to look again.
    let renewed = ca.sign_for_days(dir.path(), "localhost", 200);
    std::fs::copy(&renewed.certificate, &server.certificate).expect("the certificate");
    std::fs::copy(&renewed.key, &server.key).expect("the key");
    broker.restart();
    poll_until(LIMIT, "health is well again", || (state()? == "ok").then_some(()));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
}
