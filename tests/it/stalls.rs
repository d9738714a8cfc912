//! Progress is watched: what stands still is named, counted and begun anew; as a last resort the process ends.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use super::support::counting::Counting;
use super::support::http;
use super::support::nadikota::Nadikota;
use super::support::publish::publish;
use super::support::spoken::Session;
use super::support::wait::{accepts, free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(30);

fn stalls(nadikota: &Nadikota, part: &str) -> u64 {
    let answer = http::get(nadikota.http(), "/metrics").expect("metrics");
    let name = format!("nadikota_stalls_total{{part=\"{part}\"}} ");
    let line = answer.body.lines().find_map(|line| line.strip_prefix(&name)).expect("the metric");
    line.trim_end_matches(".0").parse().expect("a number")
}

fn watch(nadikota: &Nadikota) -> serde_json::Value {
    nadikota.health().map_or(serde_json::Value::Null, |health| health["parts"]["watch"].clone())
}

#[test]
fn a_destination_that_hangs_is_begun_anew_at_last_the_process_ends_and_the_next_one_stores_all() {
    let ([broker], database) = (free_addresses(), Counting::start(401));
    let dir = tempfile::tempdir().expect("a directory");
    let token = dir.path().join("token");
    std::fs::write(&token, "old").expect("a token");
    let mut nadikota = Nadikota::start_alone(&format!(
        "time_zone = \"Asia/Jakarta\"\n[watch]\nstall_after = \"1s\"\n[mqtt]\nenabled = false\n\
         [broker]\nlisten = \"{broker}\"\n[[destinations]]\nversion = \"2\"\nurl = \"{}\"\nbucket = \"b\"\norg = \"o\"\n\
         token_file = \"{}\"\ngzip = false\ntimeout = \"500ms\"\n\
         [[routes]]\ntopic = \"city/{{device}}\"\nformat = \"value\"\nname = \"air_temperature_c\"\n",
        database.url(),
        token.display(),
    ));
    poll_until(LIMIT, "it accepts", || accepts(broker).then_some(()));
    // The database refuses the token, and the file that may hold a new one does not answer.
    std::fs::remove_file(&token).expect("our own file");
    assert!(Command::new("mkfifo").arg(&token).status().expect("mkfifo").success());
    let messages: Vec<_> = (0..200).map(|n| (format!("city/d{n}"), "25.5".to_owned())).collect();
    publish(broker, "devices", &messages);
    let told = poll_until(LIMIT, "the stall is named", || {
        let part = watch(&nadikota);
        (part["state"] == "degraded").then_some(part)
    });
    let reason = told["reason"].as_str().expect("a reason");
    assert_eq!(reason, "destination default stands still: messages wait, and none is settled");
    assert!(stalls(&nadikota, "destination default") > 0);
    let status = poll_until(LIMIT, "it gives itself up", || nadikota.exited());
    assert_eq!(status.code(), Some(3));
    let output = nadikota.output();
    assert_eq!(output.matches("it is begun anew").count(), 1, "told once: {output}");
    assert!(output.contains("stands still and ends at once"), "{output}");

    std::fs::remove_file(&token).expect("our own pipe");
    std::fs::write(&token, "new").expect("a token");
    database.answer(204);
    nadikota.restart();
    let account = poll_until(LIMIT, "all are stored", || {
        let health = nadikota.health()?;
        (health["account"]["stored"] == 200 && health["balances"] == true).then(|| health["account"].clone())
    });
    assert_eq!((account["received"].as_u64(), account["pending"].as_u64()), (Some(200), Some(0)));
    assert_eq!(watch(&nadikota)["state"], "ok");
}

#[test]
fn a_broker_that_never_answers_the_subscription_is_connected_to_anew() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let broker = listener.local_addr().expect("its address");
    let nadikota = Nadikota::start_alone(&format!(
        "time_zone = \"Asia/Jakarta\"\ndestinations = []\n[watch]\nstall_after = \"1s\"\n\
         [mqtt]\nurl = \"mqtt://{broker}\"\nversion = \"3.1.1\"\nkeep_alive = \"600s\"\n\
         [[routes]]\ntopic = \"city/{{device}}\"\nformat = \"value\"\nname = \"air_temperature_c\"\n"
    ));
    let mut mute = Session::begin(&listener, false);
    mute.asked();
    // Returns when nadikota has given the mute one up.
    let mut sound = Session::begin(&listener, false);
    sound.subscribed();
    assert!(stalls(&nadikota, "mqtt") > 0);
    let reason = "mqtt stands still: no message is acknowledged, or the subscription has no answer";
    assert_eq!(watch(&nadikota)["reason"], reason);
    sound.publish(7, false, "city/a", "25.5");
    assert_eq!(sound.acknowledged(), 7);
    poll_until(LIMIT, "the watch is content", || (watch(&nadikota)["state"] == "ok").then_some(()));
    assert!(nadikota.output().contains("moves again"));
    drop(mute);
}
