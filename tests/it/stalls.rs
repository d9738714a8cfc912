//! Progress is watched: what stands still is named, counted and begun anew; as a last resort the process ends.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::support::counting::Counting;
use super::support::http;
use super::support::nadikota::Nadikota;
use super::support::publish::publish;
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

/// One connection of a broker that speaks just enough of MQTT 3.1.1.
struct Session(TcpStream);

impl Session {
    /// Accepts a client, and its subscription where it `answers`.
    fn accept(listener: &TcpListener, answers: bool) -> Self {
        let (stream, _) = listener.accept().expect("a client");
        stream.set_read_timeout(Some(LIMIT)).expect("a limit");
        let mut session = Self(stream);
        assert_eq!(session.packet().0 >> 4, 1, "CONNECT");
        session.send(&[0x20, 2, 0, 0]);
        loop {
            let (kind, body) = session.packet();
            if kind >> 4 == 8 {
                // There is one filter.
                if answers {
                    session.send(&[0x90, 3, body[0], body[1], 1]);
                }
                return session;
            }
        }
    }

    fn packet(&mut self) -> (u8, Vec<u8>) {
        let mut byte = [0];
        self.0.read_exact(&mut byte).expect("a packet");
        let kind = byte[0];
        let (mut length, mut shift) = (0, 0);
        loop {
            self.0.read_exact(&mut byte).expect("its length");
            length |= usize::from(byte[0] & 0x7f) << shift;
            shift += 7;
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("its body");
        (kind, body)
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("it reads");
    }
}

/// A publish with QoS 1.
fn publish_packet(id: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x32, u8::try_from(10 + payload.len()).expect("a short one"), 0, 6];
    packet.extend(b"city/a");
    packet.extend(id.to_be_bytes());
    packet.extend(payload);
    packet
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
    let mute = Session::accept(&listener, false);
    // Returns when nadikota has given the mute one up.
    let mut sound = Session::accept(&listener, true);
    assert!(stalls(&nadikota, "mqtt") > 0);
    let reason = "mqtt stands still: no message is acknowledged, or the subscription has no answer";
    assert_eq!(watch(&nadikota)["reason"], reason);
    sound.send(&publish_packet(7, b"25.5"));
    let acknowledged = poll_until(LIMIT, "it is acknowledged", || {
        let (kind, body) = sound.packet();
        (kind >> 4 == 4).then_some(body)
    });
    assert_eq!(acknowledged, [0, 7]);
    poll_until(LIMIT, "the watch is content", || (watch(&nadikota)["state"] == "ok").then_some(()));
    assert!(nadikota.output().contains("moves again"));
    drop(mute);
}
