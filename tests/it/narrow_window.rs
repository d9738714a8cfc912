//! A broker that keeps a window of 20 and a disk whose sync takes 10 ms: group commit must not starve the flow.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mqtt5::broker::MqttBroker;
use mqtt5::broker::config::{AuthConfig, BrokerConfig, StorageBackend, StorageConfig};
use nadikota::clock::Clock;
use nadikota::journal::disk::TestDisk;
use nadikota::journal::{self, Entry, Journal};
use nadikota::mqtt::{Options, Version};
use nadikota::source::{Config, Roster, Source};
use nadikota::status::Board;
use tokio_util::sync::CancellationToken;

use super::support::city;
use super::support::publish::publish;
use super::support::scale::scaled;
use super::support::wait::poll_beside;

const WINDOW: u16 = 20;
const SYNC: Duration = Duration::from_millis(10);
const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_of_20_and_a_slow_disk_lose_nothing_and_the_rate_is_told() {
    let broker = broker().await;
    let dir = tempfile::tempdir().expect("a directory");
    let disk = TestDisk::default();
    disk.slow_syncs(SYNC);
    let board = Board::new(Clock::System);
    let config = journal::Config { min_free: Some(0), ..journal::Config::default() };
    let (journal, writer, _) =
        journal::open(dir.path(), &config, Arc::new(disk.clone()), Clock::System, 1, board.part("journal"))
            .expect("a journal");
    let writing = std::thread::spawn(move || writer.run());
    let options = Options {
        version: Version::V5,
        client_id: "nadikota".to_owned(),
        session_expiry: Duration::from_secs(3600),
        ..city::client(broker, "")
    };
    let filters = vec!["t/#".to_owned()];
    let source = Source::new(
        Config::only(options, 1000),
        Roster::open(dir.path(), Arc::new(disk.clone())).expect("a roster").line("mqtt"),
        tokio::sync::watch::channel(filters).1,
        journal.clone(),
        1,
        board.part("mqtt"),
    )
    .await
    .expect("a source");
    let stop = CancellationToken::new();
    let working = tokio::spawn(source.run(stop.clone()));
    let subscribed = || board.parts()["mqtt"].state == nadikota::status::State::Ok;
    poll_beside(LIMIT, "the source has subscribed", subscribed).await;

    let count = scaled(10_000, 50_000);
    let messages: Vec<_> = (0..count).map(|number| ("t/1".to_owned(), format!("{number}"))).collect();
    let wanted = u64::try_from(count).expect("a count");
    let publishing = tokio::task::spawn_blocking(move || publish(broker, "devices", &messages));
    poll_beside(LIMIT, "a first message", || journal.end() > 1).await;
    let (begin, first, syncs) = (Instant::now(), journal.end(), disk.syncs());
    poll_beside(LIMIT, "every message is on disk", || journal.end() > wanted).await;
    let seconds = begin.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    let (rate, share) = {
        let messages = (journal.end() - first) as f64;
        (messages / seconds, messages / (disk.syncs() - syncs) as f64)
    };
    println!("window {WINDOW}, sync {SYNC:?}: {rate:.0} messages per second, {share:.1} to a sync");
    publishing.await.expect("the publisher");
    stop.cancel();
    working.await.expect("the source");
    assert_eq!(payloads(&journal).await, (0..count).map(|number| format!("{number}")).collect());
    drop(journal);
    writing.join().expect("the writer");
}

/// A broker in this process that never has more than the window on its way to a client.
async fn broker() -> SocketAddr {
    let config = BrokerConfig::new()
        .with_bind_address(SocketAddr::from(([127, 0, 0, 1], 0)))
        .with_max_outbound_inflight(WINDOW)
        .with_sys_topics_enabled(false)
        .with_storage(StorageConfig::new().with_backend(StorageBackend::Memory).with_persistence(true))
        .with_auth(AuthConfig::new().with_allow_anonymous(true));
    let mut broker = MqttBroker::with_config(config).await.expect("a broker");
    let address = broker.local_addr().expect("its address");
    tokio::spawn(async move { broker.run().await });
    address
}

async fn payloads(journal: &Journal) -> HashSet<String> {
    let mut reader = journal.reader(1);
    let (mut next, mut found) = (1, HashSet::new());
    while next < journal.end() {
        for entry in reader.next(1000).await.expect("a readable journal") {
            let Entry::Record(record) = entry else { panic!("{entry:?}") };
            next = record.seq + 1;
            let payload = String::from_utf8(record.message.payload.to_vec()).expect("text");
            assert!(found.insert(payload) || record.message.redelivery_of.is_some(), "twice: {record:?}");
        }
    }
    found
}
