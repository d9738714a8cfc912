//! Control: replays the quarantine or drops from it, one piece of work at a time, and never without a token.
//!
//! A running service makes a token of its own at each start and leaves it in its private data directory, so whoever
//! may read that directory may ask. `http.token` opens from elsewhere. No page of another site knows either.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::guard;
use crate::journal::cursor;
use crate::journal::disk::Disk;
use crate::quarantine::{Order, Report, Standing};
use crate::secret::Secret;

const FILE: &str = "control";
const LARGEST_ORDER: usize = 64 * 1024;

/// How a command reaches the service that owns a data directory.
#[derive(Debug)]
pub struct Way {
    pub address: SocketAddr,
    pub token: Secret,
}

impl Way {
    pub fn write(&self, dir: &Path, disk: &dyn Disk) -> io::Result<()> {
        let text = serde_json::to_vec(&(self.address, self.token.reveal())).map_err(io::Error::other)?;
        cursor::replace(dir, FILE, "control.new", None, &text, disk)
    }

    pub fn read(dir: &Path) -> io::Result<Self> {
        let text = std::fs::read(dir.join(FILE))?;
        let (address, token): (_, String) = serde_json::from_slice(&text).map_err(io::Error::other)?;
        Ok(Self { address, token: Secret::new(token) })
    }
}

/// A piece of work that was asked for.
#[derive(Debug)]
pub struct Job {
    pub number: u64,
    pub order: Order,
    /// Somebody asked to stop it.
    pub stop: CancellationToken,
}

/// Where work is asked for; clones share it.
#[derive(Debug, Clone)]
pub struct Desk {
    keys: Arc<Vec<Secret>>,
    jobs: mpsc::Sender<Job>,
    reports: watch::Receiver<Report>,
    last: Arc<Mutex<Last>>,
}

/// The work that was asked for last.
#[derive(Debug, Default)]
struct Last {
    number: u64,
    stop: CancellationToken,
}

/// Who does the work.
#[derive(Debug)]
pub struct Clerk {
    pub jobs: mpsc::Receiver<Job>,
    pub reports: watch::Sender<Report>,
}

impl Desk {
    /// `own` is the token of this start, `token` that of the configuration.
    pub fn new(own: Secret, token: Option<Secret>) -> (Self, Clerk) {
        let (jobs, asked) = mpsc::channel(1);
        let (told, reports) = watch::channel(Report::default());
        let keys = Arc::new(token.into_iter().chain([own]).collect());
        (Self { keys, jobs, reports, last: Arc::default() }, Clerk { jobs: asked, reports: told })
    }

    fn begin(&self, order: Order) -> Result<u64, &'static str> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let report = self.reports.borrow();
        if report.number < last.number || report.standing == Standing::Running {
            return Err("other work on the quarantine is under way; wait for it, or stop it with DELETE\n");
        }
        let (number, stop) = (last.number.saturating_add(1), CancellationToken::new());
        let job = Job { number, order, stop: stop.clone() };
        self.jobs.try_send(job).map_err(|_| "the service is stopping\n")?;
        *last = Last { number, stop };
        Ok(number)
    }
}

pub(super) fn routes<S: Clone + Send + Sync + 'static>(desk: Desk) -> Router<S> {
    Router::new()
        .route("/api/quarantine", get(report).post(begin).delete(stop))
        .layer(DefaultBodyLimit::max(LARGEST_ORDER))
        .layer(from_fn_with_state(desk.clone(), check))
        .with_state(desk)
}

/// Also on loopback: a page of another site can reach it there.
async fn check(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    if desk.keys.iter().any(|key| guard::gives(request.headers(), key)) {
        return next.run(request).await;
    }
    let told = "send the token of http.token, or the one in the file \"control\" of the data directory, as: \
                Authorization: Bearer <token>\n";
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], told).into_response()
}

async fn report(State(desk): State<Desk>) -> Json<Report> {
    Json(desk.reports.borrow().clone())
}

#[derive(Serialize)]
struct Begun {
    number: u64,
}

async fn begin(State(desk): State<Desk>, Json(order): Json<Order>) -> Response {
    if let Err(wrong) = order.wanted.filter() {
        return (StatusCode::BAD_REQUEST, format!("{wrong}\n")).into_response();
    }
    match desk.begin(order) {
        Ok(number) => (StatusCode::ACCEPTED, Json(Begun { number })).into_response(),
        Err(busy) => (StatusCode::CONFLICT, busy).into_response(),
    }
}

async fn stop(State(desk): State<Desk>) -> StatusCode {
    desk.last.lock().unwrap_or_else(PoisonError::into_inner).stop.cancel();
    StatusCode::ACCEPTED
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;
    use crate::http::send;
    use crate::quarantine::Action;

    async fn serve() -> (SocketAddr, Clerk) {
        let (desk, clerk) = Desk::new(Secret::new("own"), Some(Secret::new("configured")));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(tokio::spawn(async move { axum::serve(listener, routes::<()>(desk)).await }));
        (address, clerk)
    }

    async fn status(address: SocketAddr, method: &str, token: Option<&str>, body: &str) -> u16 {
        send(address, method, "/api/quarantine", token, body).await.unwrap().status
    }

    #[tokio::test]
    async fn only_a_token_opens_it_and_one_piece_of_work_is_done_at_a_time() {
        let (address, mut clerk) = serve().await;
        let order = r#"{"action":"replay","wanted":{"reason":"no_route"}}"#;
        for (method, body) in [("GET", ""), ("POST", order), ("DELETE", "")] {
            for wrong in [None, Some(""), Some("ow"), Some("other")] {
                assert_eq!(status(address, method, wrong, body).await, 401, "{method} {wrong:?}");
            }
        }
        assert!(clerk.jobs.try_recv().is_err());
        assert_eq!(status(address, "POST", Some("own"), order).await, 202);
        assert_eq!(status(address, "POST", Some("configured"), order).await, 409);
        let job = clerk.jobs.recv().await.unwrap();
        assert_eq!((job.number, job.order.action, job.order.dry_run), (1, Action::Replay, false));
        assert_eq!(status(address, "DELETE", Some("own"), "").await, 202);
        assert!(job.stop.is_cancelled());
        clerk.reports.send_replace(Report { number: 1, standing: Standing::Running, ..Report::default() });
        assert_eq!(status(address, "POST", Some("own"), order).await, 409);
        clerk.reports.send_replace(Report { number: 1, standing: Standing::Stopped, ..Report::default() });
        assert_eq!(status(address, "POST", Some("own"), order).await, 202);
        let told = send(address, "GET", "/api/quarantine", Some("own"), "").await.unwrap();
        assert_eq!(serde_json::from_str::<Report>(&told.body).unwrap().standing, Standing::Stopped);
    }

    #[tokio::test]
    async fn an_order_that_cannot_be_understood_is_refused_and_begins_nothing() {
        let (address, mut clerk) = serve().await;
        for wrong in [
            "",
            "{}",
            r#"{"action":"burn"}"#,
            r#"{"action":"drop","wanted":{"reson":"no_route"}}"#,
            r#"{"action":"drop","wanted":{"reason":"no_rout"}}"#,
            r##"{"action":"drop","wanted":{"topic":"a/#/b"}}"##,
        ] {
            let status = status(address, "POST", Some("own"), wrong).await;
            assert!((400..500).contains(&status), "{wrong}: {status}");
        }
        assert!(clerk.jobs.try_recv().is_err());
    }
}
