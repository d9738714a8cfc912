//! The embedded broker over a real journal: what is acknowledged is on disk, and nothing else is.

use std::collections::HashMap;
use std::process::{Command, Stdio};
use std::time::Instant;

use ::config::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::clock::Clock;
use crate::journal::disk::TestDisk;
use crate::journal::{self, Entry};
use crate::message::{EMBEDDED_SOURCE, Message};
use crate::mqtt::publish::{PublishError, Publisher};
use crate::mqtt::{Connection, Event, Options, Version};
use crate::secret::Secret;
use crate::settings::{Problems, Section};
use crate::status::{Board, State};
use crate::testing::until;

/// A journal in a directory of its own, on a disk that obeys.
struct Storage {
    disk: TestDisk,
    journal: Journal,
    board: Board,
    _dir: tempfile::TempDir,
}

fn storage() -> Storage {
    let (dir, disk) = (tempfile::tempdir().unwrap(), TestDisk::default());
    let board = Board::new(Clock::System);
    let config = journal::Config { min_free: Some(0), ..Default::default() };
    let on = Arc::new(disk.clone());
    let part = board.part("journal");
    let (journal, writer, _) = journal::open(dir.path(), &config, on, Clock::System, 1, part).unwrap();
    std::thread::spawn(move || writer.run());
    Storage { disk, journal, board, _dir: dir }
}

impl Storage {
    async fn messages(&self) -> Vec<Message> {
        let (mut reader, mut found) = (self.journal.reader(1), Vec::new());
        while found.len() as u64 + 1 < self.journal.end() {
            for entry in reader.next(100).await.unwrap() {
                let Entry::Record(record) = entry else { panic!("damage: {entry:?}") };
                found.push(record.message);
            }
        }
        found
    }

    async fn broker(&self, config: &Config) -> Running {
        let broker = Broker::start(config, self.journal.clone(), self.board.part("broker")).await.unwrap();
        let (address, hook) = (broker.local_addr(), Arc::clone(&broker.hook));
        let stop = CancellationToken::new();
        let task = tokio::spawn(broker.run(stop.clone()));
        until("the broker is ready", || (self.board.parts()["broker"].state == State::Ok).then_some(()))
            .await;
        Running { address, hook, stop, task }
    }
}

struct Running {
    address: SocketAddr,
    hook: Arc<hook::Hook>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    fn options(&self, client_id: &str) -> Options {
        Options {
            version: Version::V5,
            host: "127.0.0.1".to_owned(),
            port: self.address.port(),
            transport: crate::mqtt::Transport::default(),
            client_id: client_id.to_owned(),
            login: None,
            keep_alive: Duration::from_secs(30),
            session_expiry: Duration::from_secs(60),
            receive_maximum: 20,
            max_packet: 1_048_576,
            filters: vec!["city/#".to_owned()],
            stale: Vec::new(),
        }
    }

    async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(10), self.task).await.unwrap().unwrap();
    }
}

fn any_port() -> Config {
    Config { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..Config::default() }
}

fn content(number: u64) -> (String, Vec<u8>) {
    (format!("city/device-{}", number % 7), format!("{{\"value\":{number}}}").into_bytes())
}

/// Publishes `count` messages and waits for every PUBACK; the tickets in the order of their PUBACKs.
async fn publish(publisher: &mut Publisher, count: u64) -> Result<Vec<u64>, PublishError> {
    let (mut next, mut acknowledged) = (0, Vec::new());
    while (acknowledged.len() as u64) < count {
        while next < count {
            let (topic, payload) = content(next);
            if !publisher.try_publish(next, &topic, payload, next.is_multiple_of(5)) {
                break;
            }
            next += 1;
        }
        acknowledged.extend(publisher.poll().await?);
    }
    Ok(acknowledged)
}

/// The journal holds the publishes 0 to `count`, each once and in order.
async fn holds(storage: &Storage, count: u64) {
    let messages = storage.messages().await;
    assert_eq!(messages.len() as u64, count);
    for (number, message) in (0..).zip(messages) {
        let (topic, payload) = content(number);
        assert_eq!((&message.topic[..], &message.payload[..]), (topic.as_bytes(), &payload[..]));
        assert_eq!((message.source, message.qos), (EMBEDDED_SOURCE, 1));
        assert_eq!(message.retain, number.is_multiple_of(5));
    }
}

#[tokio::test]
async fn what_is_acknowledged_is_in_the_journal_in_order() {
    let storage = storage();
    let broker = storage.broker(&any_port()).await;
    let mut publisher = Publisher::new(&broker.options("device"), 20);
    let acknowledged = publish(&mut publisher, 300).await.unwrap();
    assert!(acknowledged.into_iter().eq(0..300));
    holds(&storage, 300).await;
    broker.end().await;
}

#[tokio::test]
async fn a_disk_that_fails_lets_no_puback_out_until_it_is_mended() {
    let storage = storage();
    let broker = storage.broker(&any_port()).await;
    storage.disk.fail_syncs(true);
    let mut publisher = Publisher::new(&broker.options("device"), 20);
    let work = tokio::spawn(async move { publish(&mut publisher, 50).await });
    until("the writer has tried three times", || (storage.disk.syncs() >= 3).then_some(())).await;
    assert!(!work.is_finished());
    assert_eq!(storage.journal.end(), 1);
    storage.disk.fail_syncs(false);
    assert!(work.await.unwrap().unwrap().into_iter().eq(0..50));
    holds(&storage, 50).await;
    broker.end().await;
}

#[tokio::test]
async fn a_stop_answers_nothing_that_still_waits_for_the_disk() {
    let storage = storage();
    let broker = storage.broker(&any_port()).await;
    storage.disk.fail_syncs(true);
    let mut publisher = Publisher::new(&broker.options("device"), 20);
    let work = tokio::spawn(async move { publish(&mut publisher, 1).await });
    until("the writer has tried", || (storage.disk.syncs() >= 2).then_some(())).await;
    let started = Instant::now();
    broker.end().await;
    assert!(started.elapsed() < Duration::from_secs(4), "connections are not left to time out");
    assert!(work.await.unwrap().is_err(), "the connection ends without a PUBACK");
}

/// A device that speaks MQTT 3.1.1 byte by byte.
async fn connected(broker: &Running, clean: bool) -> TcpStream {
    let mut link = TcpStream::connect(broker.address).await.unwrap();
    let flags = if clean { 2 } else { 0 };
    let connect = [&b"\x10\x0f\x00\x04MQTT\x04"[..], &[flags], b"\x00\x3c\x00\x03dev"].concat();
    link.write_all(&connect).await.unwrap();
    let mut connack = [0; 4];
    link.read_exact(&mut connack).await.unwrap();
    assert_eq!((connack[0], connack[3]), (0x20, 0));
    link
}

/// A QoS 1 publish of one letter with the packet identifier 7.
async fn send(link: &mut TcpStream, dup: bool, payload: u8) {
    let first = if dup { 0x3a } else { 0x32 };
    let packet = [&[first, 0x0b][..], b"\x00\x06city/1\x00\x07", &[payload]].concat();
    link.write_all(&packet).await.unwrap();
}

#[tokio::test]
async fn a_publish_sent_again_waits_on_the_same_append_and_the_dead_connection_is_let_go() {
    let storage = storage();
    let broker = storage.broker(&any_port()).await;
    storage.disk.fail_syncs(true);
    let mut old = connected(&broker, false).await;
    send(&mut old, false, b'1').await;
    until("the hook waits", || (broker.hook.numbers() == (1, 1)).then_some(())).await;
    for _ in 0..3 {
        let mut new = connected(&broker, false).await;
        until("the old hook is let go", || (broker.hook.numbers() == (0, 1)).then_some(())).await;
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(10), old.read_to_end(&mut rest)).await.unwrap();
        assert!(!rest.starts_with(b"\x40"), "no PUBACK: {rest:?}");
        send(&mut new, true, b'1').await;
        until("the hook waits again", || (broker.hook.numbers() == (1, 1)).then_some(())).await;
        old = new;
    }
    storage.disk.fail_syncs(false);
    for payload in *b"12" {
        let mut puback = [0; 4];
        old.read_exact(&mut puback).await.unwrap();
        assert_eq!(puback, *b"\x40\x02\x00\x07");
        assert_eq!(broker.hook.numbers(), (0, 0));
        if payload == b'1' {
            send(&mut old, false, b'2').await;
        }
    }
    let payloads: Vec<_> = storage.messages().await.into_iter().map(|message| message.payload).collect();
    assert_eq!(payloads, ["1", "2"]);
    broker.end().await;
}

#[tokio::test]
async fn what_a_device_sends_after_a_clean_start_is_never_taken_for_an_old_publish() {
    let storage = storage();
    let broker = storage.broker(&any_port()).await;
    storage.disk.fail_syncs(true);
    let mut old = connected(&broker, true).await;
    send(&mut old, false, b'1').await;
    // In the writer's hands before the connection goes.
    let syncs = storage.disk.syncs();
    until("the writer has tried", || (storage.disk.syncs() >= syncs + 2).then_some(())).await;
    let mut new = connected(&broker, true).await;
    send(&mut new, false, b'1').await;
    until("the hook waits", || (broker.hook.numbers() == (1, 1)).then_some(())).await;
    storage.disk.fail_syncs(false);
    new.read_exact(&mut [0; 4]).await.unwrap();
    assert_eq!(storage.messages().await.len(), 2);
    broker.end().await;
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let storage = storage();
    let login = Some(("sensor".to_owned(), Secret::new("rain")));
    let broker = storage.broker(&Config { login, allow_anonymous: false, ..any_port() }).await;
    for (login, welcome) in [(None, false), (Some("sun"), false), (Some("rain"), true)] {
        let login = login.map(|password| ("sensor".to_owned(), Secret::new(password)));
        let mut publisher = Publisher::new(&Options { login, ..broker.options("device") }, 20);
        assert_eq!(publish(&mut publisher, 1).await.is_ok(), welcome);
    }
    assert_eq!(storage.messages().await.len(), 1);
    broker.end().await;
}

#[tokio::test]
async fn a_subscriber_gets_what_is_published_and_system_topics_are_not_journaled() {
    let storage = storage();
    let broker = storage.broker(&any_port()).await;
    let (mut link, _acknowledger) = Connection::new(&broker.options("reader"));
    while !matches!(link.poll().await, Event::Subscribed { refused, .. } if refused.is_empty()) {}
    let port = broker.address.port().to_string();
    for (qos, topic) in [("0", "city/0"), ("1", "$other/1"), ("2", "city/2")] {
        let mut client = Command::new("mosquitto_pub");
        client.args(["-p", &port, "-q", qos, "-t", topic, "-m", qos]).stdout(Stdio::null());
        let sent = tokio::task::spawn_blocking(move || client.status()).await.unwrap();
        assert!(sent.unwrap().success());
    }
    for wanted in ["city/0", "city/2"] {
        let got = async {
            loop {
                if let Event::Publish(publish) = link.poll().await {
                    return publish;
                }
            }
        };
        let publish = tokio::time::timeout(Duration::from_secs(10), got).await.unwrap();
        assert_eq!(publish.topic, wanted);
    }
    let kept: Vec<_> = storage.messages().await.into_iter().map(|m| (m.qos, m.topic)).collect();
    assert_eq!(kept, [(0, "city/0".into()), (2, "city/2".into())]);
    broker.end().await;
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let storage = storage();
    let broker = storage.broker(&any_port()).await;
    let config = Config { listen: broker.address, ..Config::default() };
    let error =
        Broker::start(&config, storage.journal.clone(), storage.board.part("second")).await.unwrap_err();
    assert!(error.to_string().contains(&broker.address.to_string()), "{error}");
    broker.end().await;
}

fn problems(values: &[(&str, Value)]) -> Vec<String> {
    let problems = Problems::default();
    let values: HashMap<_, _> =
        values.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let mut section = Section::root(values, problems.clone());
    let _ = Config::read(&mut section);
    section.finish();
    problems.into_vec().iter().map(ToString::to_string).collect()
}

#[test]
fn an_open_address_needs_a_password_or_an_explicit_word() {
    let open = [("enabled", Value::from(true)), ("listen", Value::from("0.0.0.0:1883"))];
    let with = |more: &[(&'static str, Value)]| problems(&[&open[..], more].concat());
    assert!(with(&[])[0].starts_with("listen: 0.0.0.0:1883 can be reached"));
    assert!(with(&[("user", "sensor".into())])[0].starts_with("password: is required"));
    assert!(with(&[("password", "rain".into())])[0].starts_with("user: is required"));
    assert!(with(&[("allow_anonymous", false.into())])[0].starts_with("allow_anonymous: "));
    assert!(with(&[("allow_anonymous", true.into())]).is_empty());
    assert!(with(&[("user", "sensor".into()), ("password", "rain".into())]).is_empty());
    assert!(problems(&[("enabled", true.into())]).is_empty());
    assert!(problems(&[]).is_empty());
}

/// Not a test of speed: it prints what one and twenty devices reach on a disk with syncs of 10 ms.
#[tokio::test(flavor = "multi_thread")]
async fn the_rate_on_a_slow_disk_is_told() {
    for devices in [1_u32, 20] {
        let storage = storage();
        storage.disk.slow_syncs(Duration::from_millis(10));
        let broker = storage.broker(&any_port()).await;
        let started = Instant::now();
        let mut tasks = Vec::new();
        for device in 0..devices {
            let mut publisher = Publisher::new(&broker.options(&format!("device-{device}")), 20);
            tasks.push(tokio::spawn(async move { publish(&mut publisher, 100).await }));
        }
        for task in tasks {
            assert_eq!(task.await.unwrap().unwrap().len(), 100);
        }
        let rate = f64::from(devices) * 100.0 / started.elapsed().as_secs_f64();
        println!("{devices} devices, window 20, syncs of 10 ms: {rate:.0} publishes acknowledged per second");
        assert_eq!(storage.messages().await.len() as u64, u64::from(devices) * 100);
        broker.end().await;
    }
}
