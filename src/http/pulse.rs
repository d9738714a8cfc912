//! The pulse: once a second the numbers of the moment, for the outage arithmetic and for whoever is listening.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::view::{Snapshot, View};
use crate::account::Account;
use crate::live::{Forecast, Lately, Outlook, Sample};
use crate::status::State as PartState;

const BEAT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Pulse {
    view: View,
    outlook: Mutex<Outlook>,
    /// What was said last of an account that is wrong.
    wrong: Mutex<Wrong>,
    /// The frame of this second, made once for all listeners.
    frames: watch::Sender<Bytes>,
}

/// What a listener gets once a second.
#[derive(Debug, Serialize)]
struct Frame<'a> {
    version: &'static str,
    now_ms: i64,
    state: PartState,
    parts: usize,
    /// Those that are not well.
    troubles: Vec<Trouble>,
    account: &'a Account,
    balances: bool,
    oldest_unsettled_s: Option<f64>,
    journal_bytes: u64,
    outlook: Forecast,
    time_to_stored: BTreeMap<String, Lately>,
    /// How many were refused since the start: when it grows, there is more to ask for.
    refused: u64,
}

/// What is wrong with the account, said once for as long as it lasts.
#[derive(Debug, Default)]
struct Wrong {
    /// The same number is pending at two beats in a row while nothing can be: one alone may be a moment between two
    /// readings.
    left: Option<u64>,
    said: Option<&'static str>,
}

impl Wrong {
    /// What is to be said now.
    fn look(&mut self, snapshot: &Snapshot) -> Option<&'static str> {
        let account = &snapshot.account;
        // Where every destination stands behind the last message, each message has its outcome.
        let next = account.received.saturating_add(1);
        let mut destinations = snapshot.destinations.values().peekable();
        let settled = destinations.peek().is_some() && destinations.all(|one| one.position >= next);
        let left = (settled && account.pending > 0).then_some(account.pending);
        let wrong = match () {
            () if !account.balances() => Some("the account does not balance; please report this"),
            () if left.is_some() && left == self.left => {
                Some("messages are pending although every destination has passed them; please report this")
            }
            () => None,
        };
        self.left = left;
        let new = wrong.filter(|wrong| self.said != Some(*wrong));
        self.said = wrong;
        new
    }
}

#[derive(Debug, Serialize)]
struct Trouble {
    part: String,
    state: PartState,
    since_ms: i64,
    reason: String,
    what_to_do: String,
}

impl Pulse {
    pub(super) fn new(view: View) -> Self {
        let pulse = Self {
            view,
            outlook: Mutex::default(),
            wrong: Mutex::default(),
            frames: watch::Sender::new(Bytes::new()),
        };
        pulse.beat(Instant::now());
        pulse
    }

    pub(super) async fn run(&self) -> Infallible {
        let mut beats = tokio::time::interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is at once, and `new` has made that sample.
        beats.tick().await;
        loop {
            beats.tick().await;
            self.beat(Instant::now());
        }
    }

    pub(super) fn forecast(&self) -> Forecast {
        self.outlook.lock().unwrap_or_else(PoisonError::into_inner).forecast()
    }

    /// Frames from now on, the present one first.
    pub(super) fn listen(&self) -> watch::Receiver<Bytes> {
        self.frames.send_replace(self.frame(&self.view.snapshot()));
        let mut frames = self.frames.subscribe();
        frames.mark_changed();
        frames
    }

    fn beat(&self, at: Instant) {
        let snapshot = self.view.snapshot();
        self.outlook.lock().unwrap_or_else(PoisonError::into_inner).note(Sample {
            at,
            received: snapshot.account.received,
            pending: snapshot.account.pending,
            written: snapshot.journal.written,
            left: snapshot.journal.left,
        });
        if let Some(wrong) = self.wrong.lock().unwrap_or_else(PoisonError::into_inner).look(&snapshot) {
            let Account { received, pending, .. } = snapshot.account;
            tracing::error!(received, settled = snapshot.account.settled(), pending, "{wrong}");
        }
        if self.frames.receiver_count() > 0 {
            self.frames.send_replace(self.frame(&snapshot));
        }
    }

    fn frame(&self, snapshot: &Snapshot) -> Bytes {
        let parts = self.view.board.parts();
        let frame = Frame {
            version: env!("CARGO_PKG_VERSION"),
            now_ms: self.view.live.now() / 1_000_000,
            state: self.view.board.worst(),
            parts: parts.len(),
            troubles: parts
                .into_iter()
                .filter(|(_, part)| part.state != PartState::Ok)
                .map(|(name, part)| Trouble {
                    part: name,
                    state: part.state,
                    since_ms: part.since / 1_000_000,
                    reason: part.reason,
                    what_to_do: part.what_to_do,
                })
                .collect(),
            account: &snapshot.account,
            balances: snapshot.account.balances(),
            oldest_unsettled_s: snapshot.oldest_unsettled.map(|age| age.as_secs_f64()),
            journal_bytes: snapshot.journal.size,
            outlook: self.forecast(),
            time_to_stored: self.view.live.lately(),
            refused: self.view.live.refused_total(),
        };
        // JSON has no line end outside of texts, and escapes those within.
        let json = serde_json::to_string(&frame).unwrap_or_else(|_| "{}".to_owned());
        format!("data: {json}\n\n").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Destination;
    use crate::outcome::Outcomes;

    fn snapshot(account: Account, position: u64) -> Snapshot {
        let destination = Destination { position, ..Destination::default() };
        Snapshot { account, destinations: [("main".to_owned(), destination)].into(), ..Snapshot::default() }
    }

    /// At which of these, one a beat, something is said.
    fn said(snapshots: &[Snapshot]) -> Vec<bool> {
        let mut wrong = Wrong::default();
        snapshots.iter().map(|snapshot| wrong.look(snapshot).is_some()).collect()
    }

    fn account(stored: u64, pending: u64) -> Account {
        Account { received: 9, stored, pending, ..Account::default() }
    }

    #[test]
    fn an_account_that_does_not_balance_is_said_once_for_as_long_as_it_lasts() {
        let twice = Outcomes { stored: 1, ..Outcomes::default() };
        let wrong = snapshot(Account::new(2, [&twice, &twice], [], []), 2);
        let right = snapshot(account(9, 0), 10);
        assert_eq!(said(&[wrong.clone(), wrong.clone(), right, wrong]), [true, false, false, true]);
    }

    #[test]
    fn what_is_pending_behind_every_destination_is_said_and_what_waits_is_not() {
        let waits = snapshot(account(4, 5), 5);
        assert_eq!(said(&[waits.clone(), waits.clone(), waits]), [false; 3]);
        // A number that is pending once may be a moment between two readings.
        let (left, other) = (snapshot(account(8, 1), 10), snapshot(account(7, 2), 10));
        assert_eq!(
            said(&[left.clone(), other, left.clone(), left.clone(), left]),
            [false, false, false, true, false]
        );
    }
}
