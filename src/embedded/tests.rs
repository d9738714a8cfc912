//! Tests of the embedded broker, with real clients.

use std::process::{Command, Stdio};

use super::*;
use crate::clock::Clock;
use crate::journal::disk::TestDisk;
use crate::journal::{self, Entry};
use crate::message::EMBEDDED_SOURCE;
use crate::mqtt::publish::Publisher;
use crate::mqtt::{Options, Version};
use crate::secret::Secret;
use crate::settings::{Problems, Section};
use crate::status::Board;
use crate::testing::until;

struct Running {
    journal: Journal,
    disk: TestDisk,
    address: SocketAddr,
    stop: CancellationToken,
    _dir: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn broker(login: Option<(String, Secret)>) -> Running {
    let dir = tempfile::tempdir().unwrap();
    let disk = TestDisk::default();
    let board = Board::new(Clock::System);
    let config = journal::Config { min_free: Some(0), ..Default::default() };
    let (journal, writer, _) =
        journal::open(dir.path(), &config, Arc::new(disk.clone()), Clock::System, 1, board.part("journal"))
            .unwrap();
    std::thread::spawn(move || writer.run());
    let config = Config { listen: SocketAddr::from(([127, 0, 0, 1], 0)), login, ..Config::default() };
    let broker = Broker::start(&config, journal.clone(), board.part("broker")).await.unwrap();
    let (address, stop) = (broker.local_addr(), CancellationToken::new());
    tokio::spawn(broker.run(stop.clone()));
    Running { journal, disk, address, stop, _dir: dir }
}

fn options(address: SocketAddr, password: Option<&str>) -> Options {
    Options {
        version: Version::V3,
        host: address.ip().to_string(),
        port: address.port(),
        client_id: "device".to_owned(),
        login: password.map(|password| ("city".to_owned(), Secret::new(password))),
        keep_alive: Duration::from_secs(30),
        session_expiry: Duration::ZERO,
        receive_maximum: 100,
        max_packet: 1_000_000,
        filters: Vec::new(),
    }
}

/// Publishes `count` messages and returns when all are acknowledged.
async fn publish(publisher: &mut Publisher, count: u64) {
    let (mut next, mut acknowledged) = (0, 0);
    while acknowledged < count {
        while next < count && publisher.try_publish(next, "t/1", next.to_string().into_bytes(), false) {
            next += 1;
        }
        acknowledged += u64::from(publisher.poll().await.unwrap().is_some());
    }
}

async fn payloads(journal: &Journal) -> Vec<String> {
    let mut reader = journal.reader(1);
    let mut found = Vec::new();
    while u64::try_from(found.len()).unwrap() + 1 < journal.end() {
        for entry in reader.next(1000).await.unwrap() {
            match entry {
                Entry::Record(record) => {
                    assert_eq!((record.message.source, record.message.qos), (EMBEDDED_SOURCE, 1));
                    found.push(String::from_utf8(record.message.payload.to_vec()).unwrap());
                }
                Entry::Damage { .. } => panic!("damage"),
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_is_in_the_journal_in_order() {
    let running = broker(None).await;
    publish(&mut Publisher::new(&options(running.address, None), 20), 300).await;
    let expected: Vec<_> = (0..300).map(|number: u64| number.to_string()).collect();
    assert_eq!(payloads(&running.journal).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_sync_there_is_no_puback_and_afterwards_everything_is_there_once() {
    let running = broker(None).await;
    publish(&mut Publisher::new(&options(running.address, None), 20), 1).await;
    running.disk.fail_syncs(true);
    let syncs = running.disk.syncs();
    let mut publisher = Publisher::new(&options(running.address, None), 20);
    assert!(publisher.try_publish(7, "t/1", b"7".to_vec(), false));
    let tried = until("the journal has tried twice", || (running.disk.syncs() >= syncs + 2).then_some(()));
    let acknowledged = async {
        loop {
            if let Some(ticket) = publisher.poll().await.unwrap() {
                return ticket;
            }
        }
    };
    tokio::pin!(acknowledged);
    tokio::select! {
        ticket = &mut acknowledged => panic!("{ticket} was acknowledged without a sync"),
        () = tried => {}
    }
    running.disk.fail_syncs(false);
    assert_eq!(acknowledged.await, 7);
    assert_eq!(payloads(&running.journal).await, ["0", "7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_refused_and_the_right_one_lets_in() {
    let running = broker(Some(("city".to_owned(), Secret::new("s3cret")))).await;
    for password in [None, Some("wrong")] {
        let mut publisher = Publisher::new(&options(running.address, password), 20);
        assert!(publisher.poll().await.is_err());
    }
    publish(&mut Publisher::new(&options(running.address, Some("s3cret")), 20), 3).await;
    assert_eq!(payloads(&running.journal).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_get_the_message_too() {
    let running = broker(None).await;
    let port = running.address.port().to_string();
    let mut subscriber = Command::new("mosquitto_sub")
        .args(["-p", &port, "-q", "1", "-t", "t/#", "-C", "1", "-W", "20"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Published until the subscriber has it: there is no sign of when its subscription holds.
    let mut publisher = Publisher::new(&options(running.address, None), 20);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while subscriber.try_wait().unwrap().is_none() {
        assert!(tokio::time::Instant::now() < deadline);
        publish(&mut publisher, 1).await;
    }
    let output = subscriber.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n");
}

#[tokio::test]
async fn a_port_in_use_is_named_with_the_option() {
    let running = broker(None).await;
    let config = Config { listen: running.address, ..Config::default() };
    let part = Board::new(Clock::System).part("broker");
    let error = Broker::start(&config, running.journal.clone(), part).await.unwrap_err().to_string();
    assert!(error.contains(&running.address.to_string()) && error.contains("--mqtt"), "{error}");
}

#[test]
fn other_machines_may_not_connect_without_a_password_unless_it_is_said() {
    for (text, problems) in [
        ("listen = \"0.0.0.0:1883\"", 1),
        ("listen = \"0.0.0.0:1883\"\nallow_anonymous = true", 0),
        ("listen = \"0.0.0.0:1883\"\nuser = \"u\"\npassword = \"p\"", 0),
        ("listen = \"0.0.0.0:1883\"\nuser = \"u\"", 2),
        ("listen = \"127.0.0.1:1883\"", 0),
    ] {
        let file = ::config::File::from_str(text, ::config::FileFormat::Toml);
        let tree = ::config::Config::builder().add_source(file).build().unwrap();
        let found = Problems::default();
        let mut root = Section::root(tree.cache.into_table().unwrap().into_iter().collect(), found.clone());
        Config::read(&mut root);
        root.finish();
        assert_eq!(found.into_vec().len(), problems, "{text}");
    }
}
