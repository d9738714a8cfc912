//! The writer against a scripted server that answers as InfluxDB 3 does, and against logins that are changed.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::tests::{answer, batch, refused, server, server_by_head, stored, writer_for};
use super::*;
use crate::secret::Secret;
use crate::sink::{Login, Place};
use crate::status::State;

/// A list of refused lines, at most `most` of them, as the versions of 3 give it.
fn partial(body: &str, most: usize) -> String {
    let bad = body.lines().enumerate().filter(|(_, line)| line.contains("bad")).take(most);
    let named: Vec<_> = bad
        .map(|(place, line)| {
            let cut = line.get(..20).unwrap_or(line);
            let number = place + 1;
            format!(
                "{{\"error_message\":\"no {number}\",\"line_number\":{number},\"original_line\":\"{cut}\"}}"
            )
        })
        .collect();
    if named.is_empty() {
        return stored();
    }
    let data = named.join(",");
    answer(400, "", &format!("{{\"error\":\"partial write of line protocol occurred\",\"data\":[{data}]}}"))
}

fn place() -> Place {
    Place::V3 { org: None, bucket: Template::fixed("city") }
}

#[tokio::test]
async fn lines_named_by_number_are_refused_at_once_each_with_its_reason() {
    let (url, count) = server(Arc::new(|_, body| partial(body, usize::MAX))).await;
    let (writer, _) = writer_for(&url, place(), Login::None, None);
    let bad = [0, 77, 4999];
    let verdicts = writer.deliver(&batch(5000, &bad), None, &CancellationToken::new()).await.unwrap();
    for (line, verdict) in verdicts.iter().enumerate() {
        match verdict {
            LineVerdict::Stored => assert!(!bad.contains(&line), "{line}"),
            LineVerdict::Refused(why) => {
                assert_eq!(
                    (why.reason, why.detail.clone()),
                    (Reason::RefusedByDatabase, format!("no {}", line + 1))
                );
                assert!(bad.contains(&line), "{line}");
            }
        }
    }
    // The others once more, in case the list was cut.
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_list_that_is_cut_at_100_lines_is_followed_to_its_end() {
    let (url, count) = server(Arc::new(|_, body| partial(body, 100))).await;
    let (writer, _) = writer_for(&url, place(), Login::None, None);
    let bad: Vec<_> = (0..2000).collect();
    assert_eq!(refused(&writer, &batch(4000, &bad)).await, bad);
    let requests = count.load(Ordering::SeqCst);
    assert!(requests < 60, "{requests}");
}

#[tokio::test]
async fn a_whole_refusal_that_names_one_line_is_narrowed() {
    let script = |_, body: &str| match body.lines().position(|line| line.contains("bad")) {
        Some(place) => {
            let number = place + 1;
            let line =
                format!("{{\"original_line\":\"x\",\"line_number\":{number},\"error_message\":\"no\"}}");
            answer(400, "", &format!("{{\"error\":\"line protocol parsing error\",\"data\":{line}}}"))
        }
        None => stored(),
    };
    let (url, count) = server(Arc::new(script)).await;
    let (writer, _) = writer_for(&url, place(), Login::None, None);
    let bad = [3, 4, 900, 1700, 1999];
    assert_eq!(refused(&writer, &batch(2000, &bad)).await, bad);
    assert!(count.load(Ordering::SeqCst) <= 1 + 2 * 5 * 11, "{}", count.load(Ordering::SeqCst));
}

#[tokio::test]
async fn an_answer_that_names_no_line_and_a_number_that_no_line_has_are_narrowed_by_halving() {
    for body_of_refusal in [
        // Over the endpoint for clients of 2.
        r#"{"code":"internal error","message":"partial write of line protocol occurred"}"#,
        r#"{"error":"partial write of line protocol occurred","data":[{"line_number":99999,"error_message":"no"}]}"#,
    ] {
        let script = move |_, body: &str| {
            if body.contains("bad") { answer(500, "", body_of_refusal) } else { stored() }
        };
        let (url, count) = server(Arc::new(script)).await;
        let (writer, _) = writer_for(&url, place(), Login::None, None);
        assert_eq!(refused(&writer, &batch(5000, &[1234, 4321])).await, [1234, 4321]);
        assert!(count.load(Ordering::SeqCst) <= 1 + 2 * 2 * 13, "{}", count.load(Ordering::SeqCst));
    }
}

#[tokio::test]
async fn a_database_limit_holds_and_quarantines_nothing() {
    let limit = "{\"error\":\"Adding a new database would exceed limit of 5 databases\"}";
    let script = move |number, _: &str| if number < 2 { answer(422, "", limit) } else { stored() };
    let (url, count) = server(Arc::new(script)).await;
    let (writer, board) = writer_for(&url, place(), Login::None, None);
    let degraded = crate::testing::until("the part says why", || {
        board.parts().get("database").filter(|part| part.what_to_do.contains("no further bucket")).cloned()
    });
    let batch = batch(10, &[]);
    let (refused, degraded) = tokio::join!(refused(&writer, &batch), degraded);
    assert!(refused.is_empty());
    assert_eq!((degraded.state, count.load(Ordering::SeqCst)), (State::Degraded, 3));
}

#[tokio::test]
async fn a_token_that_was_changed_is_read_again_when_the_old_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "new\n").unwrap();
    let refusal = "{\"code\":\"unauthorized\",\"message\":\"unauthorized access\"}";
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let script = move |head: &str| {
        let token =
            head.lines().find_map(|line| line.strip_prefix("authorization: token ")).unwrap_or_default();
        noted.lock().unwrap().push(token.to_owned());
        if token == "new" { stored() } else { answer(401, "", refusal) }
    };
    let (url, _) = server_by_head(Arc::new(script)).await;
    let (writer, board) = writer_for(&url, place(), Login::Token(Secret::new("old")), Some(file.clone()));
    assert!(refused(&writer, &batch(3, &[])).await.is_empty());
    assert_eq!(*seen.lock().unwrap(), ["old", "new"]);
    assert_eq!(board.parts()["database"].state, State::Ok);

    // A file that is away is named, and what it held is not.
    std::fs::remove_file(&file).unwrap();
    let (writer, board) = writer_for(&url, place(), Login::Token(Secret::new("old")), Some(file.clone()));
    let named = async {
        let part = crate::testing::until("the file is named", || {
            let parts = board.parts();
            parts.get("database").filter(|part| part.reason.contains("token: No such file")).cloned()
        });
        part.await;
        std::fs::write(&file, "new").unwrap();
    };
    let batch = batch(3, &[]);
    let (refused, ()) = tokio::join!(refused(&writer, &batch), named);
    assert!(refused.is_empty());
}

#[tokio::test]
async fn a_password_is_read_again_too_and_one_that_did_not_change_waits() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "old").unwrap();
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (count, renewed) = (Arc::clone(&asked), file.clone());
    // "u:new" in Base64, in small letters.
    let script = move |head: &str| {
        // The second try comes without another password: only then there is one.
        if count.fetch_add(1, Ordering::SeqCst) == 1 {
            std::fs::write(&renewed, "new").unwrap();
        }
        if head.contains("authorization: basic dtpuzxc=") {
            stored()
        } else {
            answer(401, "", "{\"error\":\"no\"}")
        }
    };
    let (url, _) = server_by_head(Arc::new(script)).await;
    let login = Login::Password { user: "u".to_owned(), password: Secret::new("old") };
    let place = Place::V1 { database: Template::fixed("city"), retention_policy: None };
    let (writer, _) = writer_for(&url, place, login, Some(file));
    assert!(refused(&writer, &batch(2, &[])).await.is_empty());
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_bucket_that_is_missing_is_named_and_another_one_is_written_meanwhile() {
    let missing = "{\"code\":\"not found\",\"message\":\"bucket not found\"}";
    let script =
        move |head: &str| if head.contains("bucket=t_a&") { answer(404, "", missing) } else { stored() };
    let (url, _) = server_by_head(Arc::new(script)).await;
    let place = Place::V2 { org: "o".to_owned(), bucket: Template::parse("t_{city}").unwrap() };
    let (writer, board) = writer_for(&url, place, Login::None, None);
    let stop = CancellationToken::new();
    let batch = batch(2, &[]);
    let other = async {
        crate::testing::until("the bucket is named", || {
            board.parts().get("database").filter(|part| part.reason.contains("\"t_a\": status 404")).cloned()
        })
        .await;
        let verdicts = writer.deliver(&batch, Some("t_b"), &stop).await.unwrap();
        assert_eq!(HashSet::<_>::from_iter(verdicts.iter().map(|it| format!("{it:?}"))).len(), 1);
        // Still not well: the first one is not.
        assert_eq!(board.parts()["database"].state, State::Degraded);
        stop.cancel();
    };
    let (held, ()) = tokio::join!(writer.deliver(&batch, Some("t_a"), &stop), other);
    assert_eq!(held, Err(Stopped));
}
