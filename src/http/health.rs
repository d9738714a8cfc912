//! Health: alive, ready, and the whole story with what to do.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::App;
use crate::account::Account;
use crate::live::{Forecast, Lately};
use crate::status::{PartStatus, State as PartState};

/// The process answers. Says nothing about its parts: a restart would mend none of them.
pub(super) async fn live() -> &'static str {
    "alive\n"
}

/// 200 only when a message that arrives now can be kept for good. Why not is for who may see `/health`.
pub(super) async fn ready(
    State(App { view, door, .. }): State<App>,
    headers: HeaderMap,
) -> (StatusCode, String) {
    if view.board.worst() != PartState::NotReady {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    let mut told = String::from("not ready\n");
    if !door.admits(&headers) {
        told.push_str("why: in the log, and here for who sends the token of http.token\n");
        return (StatusCode::SERVICE_UNAVAILABLE, told);
    }
    for (name, part) in view.board.parts() {
        if part.state == PartState::NotReady {
            let _ = writeln!(told, "{name}: {}; {}", part.reason, part.what_to_do);
        }
    }
    (StatusCode::SERVICE_UNAVAILABLE, told)
}

/// What `/health` answers.
#[derive(Debug, Serialize)]
pub(super) struct Whole {
    state: PartState,
    version: &'static str,
    parts: BTreeMap<String, Part>,
    account: Account,
    balances: bool,
    /// Seconds; null where nothing waits.
    oldest_unsettled_s: Option<f64>,
    journal: Journal,
    outlook: Forecast,
    destinations: BTreeMap<String, Destination>,
}

#[derive(Debug, Serialize)]
struct Journal {
    size_bytes: u64,
    written_bytes: u64,
}

#[derive(Debug, Serialize)]
struct Part {
    state: PartState,
    /// RFC 3339, UTC.
    since: String,
    reason: String,
    what_to_do: String,
}

#[derive(Debug, Serialize)]
struct Destination {
    position: u64,
    stored: u64,
    partly_stored: u64,
    quarantined: u64,
    discarded: u64,
    /// From receive to stored, of the last minute.
    time_to_stored: Lately,
}

/// Always 200: the answer is the body; who needs a status asks for ready.
pub(super) async fn whole(State(App { view, pulse, .. }): State<App>) -> Json<Whole> {
    let snapshot = view.snapshot();
    let lately = view.live.lately();
    let parts = view.board.parts().into_iter().map(|(name, status)| (name, Part::new(status))).collect();
    let destinations = snapshot.destinations.into_iter().map(|(name, destination)| {
        let mut outcomes = destination.outcomes;
        destination.moved.apply(&mut outcomes);
        let shown = Destination {
            position: destination.position,
            stored: outcomes.stored,
            partly_stored: outcomes.partly_stored,
            quarantined: outcomes.quarantined_total(),
            discarded: outcomes.discarded_total(),
            time_to_stored: lately.get(&name).copied().unwrap_or_default(),
        };
        (name, shown)
    });
    Json(Whole {
        state: view.board.worst(),
        version: env!("CARGO_PKG_VERSION"),
        parts,
        balances: snapshot.account.balances(),
        account: snapshot.account,
        oldest_unsettled_s: snapshot.oldest_unsettled.map(|age| age.as_secs_f64()),
        journal: Journal { size_bytes: snapshot.journal.size, written_bytes: snapshot.journal.written },
        outlook: pulse.forecast(),
        destinations: destinations.collect(),
    })
}

impl Part {
    fn new(status: PartStatus) -> Self {
        Self {
            state: status.state,
            since: rfc3339(status.since),
            reason: status.reason,
            what_to_do: status.what_to_do,
        }
    }
}

fn rfc3339(nanos: i64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(nanos))
        .map_or_else(|_| nanos.to_string(), |time| time.to_string())
}
