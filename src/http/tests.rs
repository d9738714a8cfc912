//! Tests of the HTTP room through a real listener.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::*;
use crate::account::Account;
use crate::clock::Clock;
use crate::live::Live;
use crate::message::Record;
use crate::outcome::{Outcome, Outcomes, Reason};
use crate::status::Board;
use crate::transform::Explanation;

fn view(board: Board, take: impl Fn() -> Snapshot + Send + Sync + 'static) -> View {
    let explain = |record: &Record| Explanation {
        topic: String::from_utf8_lossy(&record.message.topic).into_owned(),
        ..Explanation::default()
    };
    View::new(board, Live::new(Clock::System), take, explain)
}

async fn serve(board: Board, stop: CancellationToken) -> SocketAddr {
    let view = view(board, || {
        let mut outcomes = Outcomes::default();
        outcomes.count(Outcome::Stored);
        outcomes.count(Outcome::Quarantined(Reason::Malformed));
        Snapshot {
            account: Account::new(4, [&outcomes]),
            oldest_unsettled: Some(Duration::from_secs(2)),
            destinations: BTreeMap::from([("city".to_owned(), Destination { position: 3, outcomes })]),
            journal: Journal { size: 4096, written: 100, left: Some(9000) },
            numbers: vec![
                Number::counter("sink_retries", "Writes tried again", 5.0).label("destination", "city"),
                Number::gauge("journal_size_bytes", "Bytes on disk", 4096.0),
            ],
        }
    });
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(tokio::spawn(Server::new(&Config::default(), view).run(listener, stop)));
    address
}

#[tokio::test]
async fn ready_names_the_part_that_is_not_and_degraded_stays_ready() {
    let board = Board::new(Clock::fixed(1_000_000_000).0);
    let (journal, sink) = (board.part("journal"), board.part("destination city"));
    sink.degraded("the database refuses the token", "set a token that may write");
    let address = serve(board, CancellationToken::new()).await;
    let answer = ask(address, "/health/ready", None).await.unwrap();
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("journal: starting; wait a moment"), "{}", answer.body);
    assert!(!answer.body.contains("token"), "{}", answer.body);
    journal.ok();
    assert_eq!(ask(address, "/health/ready", None).await.unwrap().status, 200);
    assert_eq!(ask(address, "/health/live", None).await.unwrap().status, 200);
}

#[tokio::test]
async fn health_tells_every_part_and_the_account() {
    let board = Board::new(Clock::fixed(1_000_000_000).0);
    board.part("journal").ok();
    let address = serve(board, CancellationToken::new()).await;
    let answer = ask(address, "/health", None).await.unwrap();
    let told: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(told["state"], "ok");
    assert_eq!(told["parts"]["journal"]["since"], "1970-01-01T00:00:01Z");
    assert_eq!(told["account"]["received"], 3);
    assert_eq!(told["account"]["pending"], 1);
    assert_eq!(told["account"]["quarantined_by_reason"]["malformed"], 1);
    assert_eq!(told["balances"], true);
    assert_eq!(told["oldest_unsettled_s"], 2.0);
    assert_eq!(told["destinations"]["city"]["position"], 3);
}

#[tokio::test]
async fn metrics_tell_account_board_and_the_rooms_numbers_once_per_family() {
    let board = Board::new(Clock::fixed(0).0);
    board.part("journal").ok();
    board.part("source").degraded("", "");
    let address = serve(board, CancellationToken::new()).await;
    let text = ask(address, "/metrics", None).await.unwrap().body;
    for line in [
        "nadikota_received_messages_total 3",
        "nadikota_pending_messages 1",
        "nadikota_ready 1",
        "nadikota_part_state{part=\"source\"} 1",
        "nadikota_settled_messages_total{destination=\"city\",outcome=\"quarantined\",reason=\"malformed\"} 1",
        "nadikota_sink_retries_total{destination=\"city\"} 5",
        "nadikota_journal_size_bytes 4096",
    ] {
        assert!(
            text.lines().any(|l| l.strip_suffix(".0").unwrap_or(l) == line),
            "{line} is missing in:\n{text}"
        );
    }
    assert_eq!(text.matches("# TYPE nadikota_settled_messages ").count(), 1, "{text}");
}

#[tokio::test]
async fn off_loopback_live_ready_and_metrics_are_open_and_health_asks_for_the_token() {
    let board = Board::new(Clock::fixed(0).0);
    board.part("journal").ok();
    let config = Config { token: Some(Secret::new("s3cret")), listen: "0.0.0.0:0".parse().unwrap() };
    let listener = bind(config.listen).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::new(&config, view(board, Snapshot::default));
    drop(tokio::spawn(server.run(listener, CancellationToken::new())));
    for open in ["/health/live", "/health/ready", "/metrics", "/", "/page.js", "/page.css"] {
        assert_eq!(ask(address, open, None).await.unwrap().status, 200, "{open}");
    }
    for closed in ["/health", "/api/events", "/api/latest", "/api/refused", "/api/explain"] {
        assert_eq!(ask(address, closed, None).await.unwrap().status, 401, "{closed}");
        assert_eq!(ask(address, closed, Some("s3cre")).await.unwrap().status, 401, "{closed}");
    }
    for closed in ["/health", "/api/latest", "/api/refused"] {
        assert_eq!(ask(address, closed, Some("s3cret")).await.unwrap().status, 200, "{closed}");
    }
}

#[tokio::test]
async fn a_port_in_use_is_named_with_its_option() {
    let held = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = held.local_addr().unwrap();
    let error = bind(address).await.unwrap_err().to_string();
    assert!(error.contains(&address.to_string()) && error.contains("--http"), "{error}");
}

#[tokio::test]
async fn stop_ends_the_server_even_with_a_client_that_never_speaks() {
    let board = Board::new(Clock::fixed(0).0);
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let _silent = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let stop = CancellationToken::new();
    let server = Server::new(&Config::default(), view(board, Snapshot::default));
    let running = tokio::spawn(server.run(listener, stop.clone()));
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(10), running).await.unwrap().unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_its_header_slowly_is_cut_off() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let address = serve(Board::new(Clock::fixed(0).0), CancellationToken::new()).await;
    let mut slow = tokio::net::TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /health/live HTTP/1.1\r\nX: ").await.unwrap();
    let mut answer = Vec::new();
    // Paused time jumps ahead as soon as nothing else is left to do.
    let ended = tokio::time::timeout(Duration::from_secs(60), slow.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "still open after a minute");
}
