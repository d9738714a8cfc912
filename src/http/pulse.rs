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
        let pulse = Self { view, outlook: Mutex::default(), frames: watch::Sender::new(Bytes::new()) };
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
