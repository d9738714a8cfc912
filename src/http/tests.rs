//! Tests of the HTTP room through a real listener.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::*;
use crate::account::Account;
use crate::clock::Clock;
use crate::histogram::Reading;
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
        let syncs = Reading { sum: 2.5, buckets: vec![(Some(0.5), 2), (Some(1.0), 0), (None, 1)] };
        Snapshot {
            account: Account::new(4, [&outcomes], [], []),
            oldest_unsettled: Some(Duration::from_secs(2)),
            destinations: BTreeMap::from([(
                "city".to_owned(),
                Destination { position: 3, outcomes, ..Destination::default() },
            )]),
            journal: Journal { size: 4096, written: 100, left: 9000 },
            numbers: vec![
                Number::counter("sink_retries", "Writes tried again", 5.0).label("destination", "city"),
                Number::gauge("journal_size_bytes", "Bytes on disk", 4096.0),
                Number::histogram("journal_sync_seconds", "Syncs", syncs),
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
        "nadikota_journal_sync_seconds_bucket{le=\"0.5\"} 2",
        "nadikota_journal_sync_seconds_bucket{le=\"1.0\"} 2",
        "nadikota_journal_sync_seconds_bucket{le=\"+Inf\"} 3",
        "nadikota_journal_sync_seconds_sum 2.5",
        "nadikota_journal_sync_seconds_count 3",
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
async fn where_a_token_is_set_ready_tells_its_reasons_only_with_it() {
    let token = || Some(Secret::new("s3cret"));
    for (listen, token) in [("0.0.0.0:0", token()), ("127.0.0.1:0", token()), ("0.0.0.0:0", None)] {
        let board = Board::new(Clock::fixed(0).0);
        let _starting = board.part("journal");
        let set = token.is_some();
        let config = Config { token, listen: listen.parse().unwrap() };
        let listener = bind(config.listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::new(&config, view(board, Snapshot::default));
        drop(tokio::spawn(server.run(listener, CancellationToken::new())));
        for given in [None, Some("s3cre"), Some("s3cret")] {
            let answer = ask(address, "/health/ready", given).await.unwrap();
            let told = answer.body.contains("journal") && !answer.body.contains("http.token");
            assert_eq!(
                (answer.status, told),
                (503, set && given == Some("s3cret")),
                "{listen}: {}",
                answer.body
            );
        }
        assert_eq!(ask(address, "/health", None).await.unwrap().status, 401, "{listen}");
    }
}

#[tokio::test]
async fn on_loopback_without_a_token_a_foreign_name_gets_no_answer() {
    let address = serve(Board::new(Clock::fixed(0).0), CancellationToken::new()).await;
    for path in ["/", "/health", "/health/ready", "/metrics", "/api/latest", "/api/events"] {
        let request = |host: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}:{}\r\n\r\n", address.port());
        let told = exchange(address, &request("rebound.example"), "\u{0}").await.1;
        assert!(told.starts_with("HTTP/1.1 421") && told.contains("set http.token"), "{path}: {told}");
        let told = exchange(address, &request("localhost"), "\r\n").await.1;
        assert!(!told.starts_with("HTTP/1.1 421"), "{path}: {told}");
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

#[tokio::test]
async fn connections_that_say_nothing_keep_health_away_for_a_moment_only() {
    let address = serve(Board::new(Clock::fixed(0).0), CancellationToken::new()).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(tokio::net::TcpStream::connect(address).await.unwrap());
    }
    let begin = std::time::Instant::now();
    while ask(address, "/health/live", None).await.is_err() {
        assert!(begin.elapsed() < Duration::from_secs(15), "no answer");
    }
    drop(silent);
}

#[tokio::test]
async fn whoever_has_sent_its_header_is_waited_for() {
    use tokio::io::AsyncWriteExt as _;
    let address = serve(Board::new(Clock::fixed(0).0), CancellationToken::new()).await;
    // The stream of events goes on longer than a header may take.
    let (mut stream, _) = exchange(address, EVENTS, "\n\n").await;
    let (begin, mut more) = (std::time::Instant::now(), [0; 4096]);
    while begin.elapsed() < Duration::from_secs(4) {
        let read = tokio::io::AsyncReadExt::read(&mut stream, &mut more);
        assert!(tokio::time::timeout(Duration::from_secs(10), read).await.unwrap().unwrap() > 0, "cut off");
    }
    stream.shutdown().await.unwrap();
}

/// Sends raw bytes and reads until `wanted` has come, or the server closes.
async fn exchange(address: SocketAddr, request: &str, wanted: &str) -> (tokio::net::TcpStream, String) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut told, mut buffer) = (Vec::new(), [0; 4096]);
    let read = async {
        while !String::from_utf8_lossy(&told).contains(wanted) {
            match stream.read(&mut buffer).await.unwrap() {
                0 => break,
                some => told.extend_from_slice(&buffer[..some]),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), read).await.unwrap();
    (stream, String::from_utf8_lossy(&told).into_owned())
}

const EVENTS: &str = "GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn a_listener_gets_the_account_at_once_and_again_each_second() {
    let address = serve(Board::new(Clock::fixed(0).0), CancellationToken::new()).await;
    let (mut stream, first) = exchange(address, EVENTS, "\n\n").await;
    assert!(first.contains("text/event-stream") && first.contains("\"received\":3"), "{first}");
    let mut more = [0; 4096];
    let read = tokio::io::AsyncReadExt::read(&mut stream, &mut more);
    let read = tokio::time::timeout(Duration::from_secs(10), read).await.unwrap().unwrap();
    assert!(read > 100);
}

#[tokio::test]
async fn listeners_are_bounded_a_place_comes_back_and_health_goes_on() {
    let address = serve(Board::new(Clock::fixed(0).0), CancellationToken::new()).await;
    let mut open = Vec::new();
    loop {
        let (stream, told) = exchange(address, EVENTS, "\n").await;
        if told.starts_with("HTTP/1.1 503") {
            break;
        }
        open.push(stream);
        assert!(open.len() < 64, "no bound");
    }
    assert_eq!(ask(address, "/health", None).await.unwrap().status, 200);
    drop(open);
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while !exchange(address, EVENTS, "\n").await.1.starts_with("HTTP/1.1 200") {
        assert!(std::time::Instant::now() < deadline, "no place came back");
    }
}

#[tokio::test]
async fn every_answer_says_what_a_browser_may_not_do() {
    let address = serve(Board::new(Clock::fixed(0).0), CancellationToken::new()).await;
    for path in ["/", "/page.js", "/show.js", "/page.css", "/icon.svg", "/health", "/api/latest", "/nothing"]
    {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let head = exchange(address, &request, "\r\n\r\n").await.1.to_lowercase();
        assert!(
            head.contains("content-security-policy: default-src 'none'; script-src 'self'"),
            "{path}: {head}"
        );
        assert!(head.contains("x-content-type-options: nosniff"), "{path}: {head}");
    }
    for file in page::FILES {
        let text = ask(address, file.path, None).await.unwrap().body;
        for never in
            ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", " style=", " onclick="]
        {
            assert!(!text.contains(never), "{}: {never}", file.path);
        }
    }
}

fn post(kind: &str, body: &str) -> String {
    format!(
        "POST /api/explain HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_question_is_answered_unless_it_is_too_large_or_not_json() {
    let address = serve(Board::new(Clock::fixed(0).0), CancellationToken::new()).await;
    let check = |kind: &'static str, body: String, status: &'static str, part: &'static str| async move {
        let told = exchange(address, &post(kind, &body), "\u{0}").await.1;
        assert!(
            told.starts_with(&format!("HTTP/1.1 {status}")) && told.contains(part),
            "{kind} {status}: {told}"
        );
    };
    let json = "application/json";
    check(json, r#"{"topic":"a/b","payload":"1"}"#.to_owned(), "200", r#""topic":"a/b""#).await;
    check(json, r#"{"topic":"","payload":"1"}"#.to_owned(), "400", "the topic is empty").await;
    check(json, r#"{"topic":"a","payload":"1","x":1}"#.to_owned(), "422", "unknown field").await;
    check(json, "{".to_owned(), "400", "").await;
    check(json, r#"{"topic":"a","payload":"0a fF","encoding":"hex"}"#.to_owned(), "200", "").await;
    check(json, r#"{"topic":"a","payload":"0a f","encoding":"hex"}"#.to_owned(), "400", "no hex").await;
    check(json, r#"{"topic":"a","payload":"!","encoding":"base64"}"#.to_owned(), "400", "no base64").await;
    check("text/plain", r#"{"topic":"a/b","payload":"1"}"#.to_owned(), "415", "").await;
    let large = format!(r#"{{"topic":"a","payload":"{}"}}"#, "x".repeat(api::LARGEST_QUESTION));
    check(json, large, "413", "").await;
}

#[tokio::test]
async fn metrics_have_the_time_to_stored_as_a_histogram_and_health_its_percentiles() {
    let board = Board::new(Clock::fixed(0).0);
    board.part("journal").ok();
    let (clock, now) = Clock::fixed(50_000_000_000);
    let live = Live::new(clock);
    let mut batch = crate::batch::Batch::default();
    batch.push(b"a v=1 1\n", 0);
    let stored = [crate::sink::LineVerdict::Stored];
    live.reporter("city").answered(&batch, &stored, &[49_960_000_000, 48_000_000_000]);
    now.store(51_000_000_000, std::sync::atomic::Ordering::SeqCst);
    let take = || {
        let destinations = BTreeMap::from([("city".to_owned(), Destination::default())]);
        Snapshot { destinations, ..Snapshot::default() }
    };
    let view = View::new(board, live, take, |_| Explanation::default());
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(tokio::spawn(Server::new(&Config::default(), view).run(listener, CancellationToken::new())));
    let text = ask(address, "/metrics", None).await.unwrap().body;
    for line in [
        "# TYPE nadikota_time_to_stored_seconds histogram",
        "nadikota_time_to_stored_seconds_count{destination=\"city\"} 2",
        "nadikota_time_to_stored_seconds_bucket{le=\"0.05\",destination=\"city\"} 1",
        "nadikota_time_to_stored_seconds_bucket{le=\"+Inf\",destination=\"city\"} 2",
        "nadikota_journal_fill_bytes_per_second 0",
    ] {
        assert!(
            text.lines().any(|l| l.strip_suffix(".0").unwrap_or(l) == line),
            "{line} is missing in:\n{text}"
        );
    }
    let told = ask(address, "/health", None).await.unwrap().body;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let delay = &told["destinations"]["city"]["time_to_stored"];
    assert_eq!(delay["messages"], 2);
    let near = |name: &str, truth: f64| (delay[name].as_f64().unwrap() / truth - 1.0).abs() < 0.09;
    assert!(near("p50_ms", 40.0) && near("p99_ms", 2000.0), "{delay}");
    let latest = ask(address, "/api/latest", None).await.unwrap().body;
    assert!(latest.contains("\"measurement\":\"a\""), "{latest}");
}
