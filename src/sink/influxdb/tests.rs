//! The writer against a scripted server that answers as InfluxDB 1.x and 2.x do.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::*;
use crate::clock::Clock;
use crate::sink::{Login, Place};
use crate::status::{Board, State};

/// Of a request's number and its lines.
type ByNumber = dyn Fn(usize, &str) -> String + Send + Sync;
type ByHead = dyn Fn(&str) -> String + Send + Sync;
/// Of head and body, in small letters the former.
type Script = dyn Fn(&str, &str) -> String + Send + Sync;

/// Answers each request by `script`, given its number and its lines; returns the address and a count of requests.
pub(super) async fn server(script: Arc<ByNumber>) -> (String, Arc<AtomicUsize>) {
    let number = AtomicUsize::new(0);
    serve_all(Arc::new(move |_, body| script(number.fetch_add(1, Ordering::SeqCst), body))).await
}

/// The same by the head of each request, in small letters.
pub(super) async fn server_by_head(script: Arc<ByHead>) -> (String, Arc<AtomicUsize>) {
    serve_all(Arc::new(move |head, _| script(head))).await
}

async fn serve_all(script: Arc<Script>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&counted)));
        }
    });
    (format!("http://{address}"), count)
}

async fn serve(mut stream: TcpStream, script: Arc<Script>, count: Arc<AtomicUsize>) {
    let mut buffer = Vec::new();
    loop {
        let Some(head) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
            if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
            continue;
        };
        let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
        let length = text.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
        let whole = head + 4 + length.trim().parse::<usize>().unwrap();
        while buffer.len() < whole {
            if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let body = String::from_utf8(buffer[head + 4..whole].to_vec()).unwrap();
        buffer.drain(..whole);
        count.fetch_add(1, Ordering::SeqCst);
        let answer = script(&text, &body);
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

pub(super) fn answer(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

pub(super) fn stored() -> String {
    "HTTP/1.1 204 No Content\r\n\r\n".to_owned()
}

/// The answer of 1.x and 2.x to a field type conflict: the rest is stored, the lines are counted, not named.
fn partial(status: u16, body: &str) -> String {
    let bad = body.lines().filter(|line| line.contains("bad")).count();
    if bad == 0 {
        return stored();
    }
    let why =
        format!("partial write: field type conflict: input field \\\"v\\\" is type float dropped={bad}");
    answer(status, "", &format!("{{\"error\":\"{why}\"}}"))
}

pub(super) fn batch(lines: usize, bad: &[usize]) -> Batch {
    let mut batch = Batch::default();
    for line in 0..lines {
        let name = if bad.contains(&line) { "bad" } else { "good" };
        batch.push(format!("{name},device=d{line} v=1 {line}\n").as_bytes(), 0);
    }
    batch
}

fn writer(url: &str) -> (Writer, Board) {
    let place = Place::V1 { database: Template::fixed("city"), retention_policy: None };
    writer_for(url, place, Login::None, None)
}

pub(super) fn writer_for(
    url: &str,
    place: Place,
    login: Login,
    secret_file: Option<PathBuf>,
) -> (Writer, Board) {
    let board = Board::new(Clock::System);
    let (url, timeout) = (Url::parse(url).unwrap(), Duration::from_millis(500));
    let config = Influx { url, place, login, secret_file, hold_for: None, gzip: false, timeout };
    (Writer::new(&config, board.part("database")).unwrap(), board)
}

#[tokio::test]
async fn what_refuses_everything_for_too_long_gets_its_lines_into_quarantine_until_it_takes_them_again() {
    let mended = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let ends = Arc::clone(&mended);
    let (url, count) = server(Arc::new(move |_, _| match ends.load(Ordering::SeqCst) {
        true => stored(),
        false => answer(404, "", "{\"error\":\"database not found: \\\"city\\\"\"}"),
    }))
    .await;
    let (mut writer, board) = writer(&url);
    writer.hold_for = Some(Duration::from_millis(300));
    let begin = Instant::now();
    let verdicts = writer.deliver(&batch(3, &[]), None, &CancellationToken::new()).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(300) && count.load(Ordering::SeqCst) > 1);
    for verdict in &verdicts {
        let LineVerdict::Refused(rejection) = verdict else { panic!("{verdict:?}") };
        assert_eq!(rejection.reason, Reason::DestinationRefused);
        assert!(rejection.detail.contains("database not found"), "{rejection:?}");
    }
    assert_eq!(board.parts()["database"].state, State::Degraded);
    // One request asks on behalf of each further batch.
    let before = count.load(Ordering::SeqCst);
    assert_eq!(refused(&writer, &batch(2, &[])).await, [0, 1]);
    assert_eq!(count.load(Ordering::SeqCst), before + 1);
    mended.store(true, Ordering::SeqCst);
    assert!(refused(&writer, &batch(2, &[])).await.is_empty());
    assert_eq!(board.parts()["database"].state, State::Ok);
}

pub(super) async fn refused(writer: &Writer, batch: &Batch) -> Vec<usize> {
    let verdicts = writer.deliver(batch, None, &CancellationToken::new()).await.unwrap();
    assert_eq!(verdicts.len(), batch.len());
    let refused = |(line, verdict)| matches!(verdict, LineVerdict::Refused(_)).then_some(line);
    verdicts.into_iter().enumerate().filter_map(refused).collect()
}

#[tokio::test]
async fn bad_lines_that_are_only_counted_are_found_by_halving_in_the_stated_number_of_requests() {
    for (bad, bound) in [
        (vec![], 1),
        (vec![1234], 1 + 2 * 14),
        (vec![5, 6, 700, 701, 702, 2500, 3000, 4000, 4998, 4999], 221),
    ] {
        for status in [400, 422] {
            let (url, count) = server(Arc::new(move |_, body| partial(status, body))).await;
            let (writer, _) = writer(&url);
            assert_eq!(refused(&writer, &batch(5000, &bad)).await, bad);
            let requests = count.load(Ordering::SeqCst);
            assert!(requests <= bound, "{} bad lines took {requests} requests", bad.len());
        }
    }
}

#[tokio::test]
async fn all_bad_lines_take_one_request_where_the_answer_counts_them() {
    let (url, count) = server(Arc::new(|_, body| partial(400, body))).await;
    let all: Vec<_> = (0..5000).collect();
    assert_eq!(refused(&writer(&url).0, &batch(5000, &all)).await, all);
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_line_that_the_answer_names_takes_two_requests() {
    let script = |_, body: &str| match body.lines().find(|line| line.contains("bad")) {
        Some(line) => answer(400, "", &format!("{{\"error\":\"unable to parse '{line}': invalid number\"}}")),
        None => stored(),
    };
    let (url, count) = server(Arc::new(script)).await;
    assert_eq!(refused(&writer(&url).0, &batch(5000, &[77])).await, [77]);
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_split_and_one_line_that_is_too_large_refused() {
    let script = |_, body: &str| {
        if body.len() > 30_000 || body.contains("bad") { answer(413, "", "") } else { stored() }
    };
    let (url, _) = server(Arc::new(script)).await;
    let verdicts = writer(&url).0.deliver(&batch(3000, &[9]), None, &CancellationToken::new()).await.unwrap();
    for (line, verdict) in verdicts.iter().enumerate() {
        match verdict {
            LineVerdict::Stored => assert_ne!(line, 9),
            LineVerdict::Refused(why) => assert_eq!((line, why.reason), (9, Reason::LineTooLarge)),
        }
    }
}

#[tokio::test]
async fn a_refusal_that_is_not_about_a_line_holds_and_quarantines_nothing() {
    let script = |number, _: &str| {
        if number < 3 { answer(400, "", "{\"error\":\"gzip: invalid header\"}") } else { stored() }
    };
    let (url, count) = server(Arc::new(script)).await;
    let (writer, board) = writer(&url);
    let degraded = async {
        crate::testing::until("the part says why", || {
            board.parts().get("database").filter(|part| part.reason.contains("gzip")).cloned()
        })
        .await
    };
    let (refused, degraded) = tokio::join!(async { refused(&writer, &batch(10, &[])).await }, degraded);
    assert!(refused.is_empty());
    assert_eq!((degraded.state, count.load(Ordering::SeqCst)), (State::Degraded, 4));
    assert_eq!(board.parts()["database"].state, State::Ok);
}

#[tokio::test]
async fn trouble_is_waited_out_and_each_line_arrives() {
    let script = |number, body: &str| match number {
        0 => answer(503, "Retry-After: 0\r\n", ""),
        1 => answer(500, "", "{\"error\":\"timeout\"}"),
        // The connection ends in the middle of the answer.
        2 => "HTTP/1.1 400 X\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{\"err".to_owned(),
        3 => answer(429, "Retry-After: Tue, 24 Nov 2020 10:00:00 GMT\r\n", ""),
        _ => partial(400, body),
    };
    let (url, _) = server(Arc::new(script)).await;
    assert_eq!(refused(&writer(&url).0, &batch(10, &[3])).await, [3]);
}

#[tokio::test]
async fn a_stop_ends_the_waiting_at_once() {
    let (url, count) = server(Arc::new(|_, _: &str| answer(503, "Retry-After: 100\r\n", ""))).await;
    let (writer, _) = writer(&url);
    let stop = CancellationToken::new();
    let stopper = async {
        crate::testing::until("it asked once", || (count.load(Ordering::SeqCst) > 0).then_some(())).await;
        stop.cancel();
    };
    let batch = batch(1, &[]);
    let (result, ()) = tokio::join!(writer.deliver(&batch, None, &stop), stopper);
    assert_eq!(result, Err(Stopped));
}

#[tokio::test]
async fn all_lines_unparsable_and_named_take_few_requests() {
    let script = |_, body: &str| {
        let named: Vec<_> = body
            .lines()
            .filter(|line| line.contains("bad"))
            .map(|line| format!("unable to parse '{line}': missing field value"))
            .collect();
        if named.is_empty() {
            return stored();
        }
        answer(400, "", &format!("{{\"error\":\"{}\"}}", named.join("\\n")))
    };
    let (url, count) = server(Arc::new(script)).await;
    let all: Vec<_> = (0..500).collect();
    assert_eq!(refused(&writer(&url).0, &batch(500, &all)).await, all);
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_good_line_that_has_become_too_old_does_not_hold_the_others() {
    let why = "{\"error\":\"partial write: points beyond retention policy dropped=1\"}";
    let script = move |number, _: &str| if number == 0 { stored() } else { answer(400, "", why) };
    let (url, _) = server(Arc::new(script)).await;
    let (writer, _) = writer(&url);
    assert!(refused(&writer, &batch(1, &[])).await.is_empty());
    assert_eq!(refused(&writer, &batch(1, &[0])).await, [0]);
}

#[tokio::test]
async fn a_page_that_answers_200_stores_nothing() {
    let script =
        |number, _: &str| if number < 2 { answer(200, "", "<html>Sign in</html>") } else { stored() };
    let (url, count) = server(Arc::new(script)).await;
    assert!(refused(&writer(&url).0, &batch(3, &[])).await.is_empty());
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_database_that_hangs_is_given_up_after_its_time_and_asked_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            kept.push(stream);
        }
    });
    let (writer, board) = writer(&url);
    let (batch, stop) = (batch(1, &[]), CancellationToken::new());
    let seen = async {
        crate::testing::until("it asked twice", || (accepted.load(Ordering::SeqCst) > 1).then_some(())).await;
        stop.cancel();
    };
    let (result, ()) = tokio::join!(writer.deliver(&batch, None, &stop), seen);
    assert_eq!(result, Err(Stopped));
    assert!(board.parts()["database"].reason.contains("no answer in time"));
}

#[tokio::test]
async fn while_a_database_is_in_trouble_one_request_at_a_time_asks_for_all_lanes() {
    let mended = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let well = Arc::clone(&mended);
    let (url, count) = server(Arc::new(move |_, _| match well.load(Ordering::SeqCst) {
        true => stored(),
        // What it asks for is no less than the growing wait.
        false => answer(503, "Retry-After: 0\r\n", ""),
    }))
    .await;
    let (writer, board) = writer(&url);
    let (writer, lanes) = (Arc::new(writer), 64);
    let mut deliveries = tokio::task::JoinSet::new();
    for _ in 0..lanes {
        let writer = Arc::clone(&writer);
        deliveries.spawn(async move { refused(&writer, &batch(2, &[])).await });
    }
    let asked = |least: usize| {
        let count = Arc::clone(&count);
        crate::testing::until("it was asked", move || (count.load(Ordering::SeqCst) >= least).then_some(()))
    };
    asked(1).await;
    // All may have begun before the first was answered. From then on there is one: its fourth wait is 0.8 s at least.
    let begin = Instant::now();
    let at_first = count.load(Ordering::SeqCst);
    asked(at_first + 1).await;
    asked(lanes + 4).await;
    assert!(begin.elapsed() >= Duration::from_millis(700), "{:?}", begin.elapsed());
    let seen = count.load(Ordering::SeqCst);
    assert!(seen <= lanes + 5, "{seen} requests");
    mended.store(true, Ordering::SeqCst);
    while let Some(refused) = deliveries.join_next().await {
        assert!(refused.unwrap().is_empty());
    }
    assert_eq!(board.parts()["database"].state, State::Ok);
}

#[tokio::test]
async fn a_good_line_that_is_refused_is_one_trouble_and_held_no_longer_than_hold_for() {
    // It takes one batch, and from then on something between refuses everything as if lines were to blame.
    let why = "{\"error\":\"unable to parse: rewritten\"}";
    let script = move |number, _: &str| if number == 0 { stored() } else { answer(400, "", why) };
    let (url, _) = server(Arc::new(script)).await;
    let (mut writer, board) = writer(&url);
    writer.hold_for = Some(Duration::from_millis(600));
    assert!(refused(&writer, &batch(1, &[])).await.is_empty());
    let (watched, ended) = (board.clone(), CancellationToken::new());
    let end = ended.clone();
    let watch = tokio::spawn(async move {
        let (mut troubled, mut well_again) = (false, 0);
        while !end.is_cancelled() {
            let is = watched.parts()["database"].state == State::Degraded;
            well_again += u32::from(troubled && !is);
            troubled = is;
            tokio::task::yield_now().await;
        }
        well_again
    });
    let verdicts = writer.deliver(&batch(4, &[]), None, &CancellationToken::new()).await.unwrap();
    ended.cancel();
    assert_eq!(watch.await.unwrap(), 0, "it never looked well in between");
    for verdict in verdicts {
        let LineVerdict::Refused(rejection) = verdict else { panic!("{verdict:?}") };
        assert_eq!(rejection.reason, Reason::DestinationRefused, "{rejection:?}");
    }
}
