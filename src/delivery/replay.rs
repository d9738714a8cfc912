//! Replay: held messages go again through the configuration of today, each with the time it was first received.
//!
//! The database answers first, then the quarantine writes down what became of the messages, synced, and only then do
//! they count as moved. A kill between the two leaves them held: the next replay writes the same points onto
//! themselves.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::buckets::Buckets;
use super::loads::Loads;
use crate::batch;
use crate::outcome::{Outcome, Reason, Rejection};
use crate::point::Point;
use crate::quarantine::{
    Action, Filter, Held, Move, Order, Quarantine, QuarantineError, Report, Scan, Standing, Wanted,
};
use crate::sink::{LineVerdict, Sink};
use crate::snapshot;
use crate::transform::{Decision, State, Transform};

/// So many messages, or bytes of messages and lines, are worked on at once.
const CHUNK_MESSAGES: usize = 2000;
const CHUNK_BYTES: usize = 4 * 1024 * 1024;

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("{0}")]
    Wanted(String),
    #[error(transparent)]
    Quarantine(#[from] QuarantineError),
    #[error("a replay failed inside nadikota; please report this")]
    Inside(#[from] tokio::task::JoinError),
}

/// What a replay works with.
#[derive(Debug, Clone)]
pub struct Replay {
    pub quarantine: Quarantine,
    pub transform: Arc<Transform>,
    pub sinks: BTreeMap<String, Arc<Sink>>,
    pub batch: batch::Config,
}

/// Which messages are meant.
#[derive(Debug)]
pub struct Selection {
    filter: Filter,
    device: Option<String>,
    /// Messages that have killed the process are meant, too.
    with_poison: bool,
}

/// Whether a message is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meant {
    Yes,
    No,
    /// Perhaps, but it has killed the process and would have to be decoded: only where it is asked for by name.
    PassedOver,
}

impl Selection {
    pub fn new(wanted: &Wanted) -> Result<Self, String> {
        let (device, with_poison) = (wanted.device.clone(), wanted.asks_for_poison());
        Ok(Self { filter: wanted.filter()?, device, with_poison })
    }

    /// `processed` says that what is meant goes through transform.
    pub fn means(&self, held: &Held, transform: &Transform, processed: bool) -> Meant {
        if !self.filter.lets(held) {
            return Meant::No;
        }
        if held.is_poison() && !self.with_poison && (processed || self.device.is_some()) {
            return Meant::PassedOver;
        }
        let mut device = self.device.iter();
        if device.all(|device| transform.is_of(&held.record, device)) { Meant::Yes } else { Meant::No }
    }
}

impl Replay {
    /// Does what is asked, message by message, oldest first; `tell` hears of every step. Until `stop`: what was
    /// done then is done. `dir` is the data directory.
    pub async fn run(
        self,
        order: &Order,
        dir: &Path,
        mut tell: impl FnMut(&Report),
        stop: &CancellationToken,
    ) -> Result<Report, ReplayError> {
        let selection = Selection::new(&order.wanted).map_err(ReplayError::Wanted)?;
        let mut report = Report { standing: Standing::Running, dry_run: order.dry_run, ..Report::default() };
        let (replay, dir, action) = (self.clone(), dir.to_owned(), order.action);
        let mut work =
            tokio::task::spawn_blocking(move || Work::new(replay, selection, action, &dir)).await??;
        loop {
            let (back, chunk) = tokio::task::spawn_blocking(move || {
                let chunk = work.next_chunk();
                (work, chunk)
            })
            .await?;
            work = back;
            let mut chunk = chunk?;
            report.share = work.share();
            report.passed_over += chunk.passed_over;
            if chunk.kept.is_empty() {
                report.standing = Standing::Done;
                break;
            }
            if stop.is_cancelled() || !order.dry_run && !self.deliver(&mut chunk, stop).await {
                report.standing = Standing::Stopped;
                break;
            }
            let moves = chunk.close(order.dry_run, &mut report);
            if !order.dry_run {
                let quarantine = self.quarantine.clone();
                tokio::task::spawn_blocking(move || quarantine.record(&moves)).await??;
            }
            tell(&report);
        }
        Ok(report)
    }

    /// Writes the lines and enters the verdicts; false when stopped first.
    async fn deliver(&self, chunk: &mut Chunk, stop: &CancellationToken) -> bool {
        let Chunk { kept, loads, .. } = chunk;
        let enter = |index: usize, verdict| {
            let Some(kept) = kept.get_mut(index) else { return };
            match verdict {
                LineVerdict::Stored => kept.stored += 1,
                LineVerdict::Refused(rejection) => {
                    kept.refused.get_or_insert(rejection);
                }
            }
        };
        loads.deliver(&self.sinks, enter, stop).await
    }
}

/// The part that reads and computes; it works on a thread where it may block.
#[derive(Debug)]
struct Work {
    replay: Replay,
    selection: Selection,
    action: Action,
    scan: Scan,
    settled: BTreeMap<String, u64>,
    /// The names each destination has admitted so far, as the service has them; no values of the future.
    states: BTreeMap<String, State>,
    buckets: BTreeMap<String, Buckets>,
    points: Vec<Point>,
}

/// Messages that are worked on together, and their lines.
#[derive(Debug, Default)]
struct Chunk {
    kept: Vec<Kept>,
    loads: Loads,
    /// Of the messages.
    bytes: usize,
    passed_over: u64,
}

#[derive(Debug)]
struct Kept {
    segment: u64,
    seq: u64,
    destination: String,
    from: Outcome,
    /// Without a write; nothing where lines decide.
    decided: Option<Outcome>,
    lines: u64,
    stored: u64,
    refused: Option<Rejection>,
}

impl Work {
    fn new(
        replay: Replay,
        selection: Selection,
        action: Action,
        dir: &Path,
    ) -> Result<Self, QuarantineError> {
        let (mut states, mut buckets) = (BTreeMap::new(), BTreeMap::new());
        for (name, sink) in &replay.sinks {
            let saved = snapshot::load(dir, name);
            states.insert(name.clone(), saved.map(|saved| saved.state.names_only()).unwrap_or_default());
            if let Some(template) = sink.buckets() {
                buckets.insert(name.clone(), Buckets::new(template.clone(), &replay.transform));
            }
        }
        // Positions first: what the scan finds below them stays settled.
        let settled = replay.quarantine.settled();
        let scan = replay.quarantine.scan()?;
        Ok(Self { replay, selection, action, scan, settled, states, buckets, points: Vec::new() })
    }

    #[expect(clippy::cast_precision_loss, reason = "a share of bytes, for people")]
    fn share(&self) -> f64 {
        let (done, total) = self.scan.progress();
        done as f64 / total.max(1) as f64
    }

    /// Empty at the end.
    fn next_chunk(&mut self) -> Result<Chunk, QuarantineError> {
        let mut chunk = Chunk::default();
        while chunk.kept.len() < CHUNK_MESSAGES && chunk.bytes.saturating_add(chunk.loads.bytes) < CHUNK_BYTES
        {
            let Some((segment, held)) = self.replay.quarantine.next(&mut self.scan)? else { break };
            if !held.is_settled(&self.settled) {
                continue;
            }
            let processed = self.action == Action::Replay;
            match self.selection.means(&held, &self.replay.transform, processed) {
                Meant::Yes => self.take(&mut chunk, segment, held),
                Meant::PassedOver => chunk.passed_over += 1,
                Meant::No => {}
            }
        }
        Ok(chunk)
    }

    fn take(&mut self, chunk: &mut Chunk, segment: u64, held: Held) {
        let (seq, from, index) = (held.record.seq, held.outcome(), chunk.kept.len());
        let mut kept = Kept {
            segment,
            seq,
            destination: held.destination,
            from,
            decided: None,
            lines: 0,
            stored: 0,
            refused: None,
        };
        chunk.bytes += held.record.message.payload.len();
        if self.action == Action::Drop {
            kept.decided = Some(Outcome::Discarded(Reason::Dropped));
            return chunk.kept.push(kept);
        }
        let transform = Arc::clone(&self.replay.transform);
        let destination = transform.destination_of(&held.record.message.topic);
        let destination = destination.and_then(|name| self.states.get_key_value(name)).map(|(name, _)| name);
        let destination = destination.cloned().unwrap_or_default();
        let mut points = std::mem::take(&mut self.points);
        points.clear();
        let state = self.states.get_mut(&destination);
        let decision = transform.apply(&held.record, state.unwrap_or(&mut State::default()), &mut points);
        match decision {
            Decision::Discard(rejection) => kept.decided = Some(Outcome::Discarded(rejection.reason)),
            Decision::Quarantine(rejection) => kept.decided = Some(Outcome::Quarantined(rejection.reason)),
            Decision::Points { rest } => {
                kept.refused = rest;
                for point in &points {
                    let bucket = self.buckets.get_mut(&destination);
                    match bucket.map(|buckets| buckets.of(point, &transform)).transpose() {
                        Ok(bucket) => {
                            kept.lines +=
                                chunk.loads.line(&destination, bucket, point, index, self.replay.batch);
                        }
                        Err(rejection) => {
                            kept.refused.get_or_insert(rejection);
                        }
                    }
                }
            }
        }
        self.points = points;
        chunk.kept.push(kept);
    }
}

impl Chunk {
    /// What became of the messages; those that stay as they are make no move.
    fn close(self, dry_run: bool, report: &mut Report) -> Vec<Move> {
        let mut moves = Vec::new();
        for kept in self.kept {
            let stored = if dry_run { kept.lines } else { kept.stored };
            let to = match (kept.decided, kept.refused) {
                (Some(outcome), _) => outcome,
                (None, None) => Outcome::Stored,
                (None, Some(refused)) if stored > 0 => Outcome::PartlyStored(refused.reason),
                (None, Some(refused)) => Outcome::Quarantined(refused.reason),
            };
            report.messages += 1;
            report.points += stored;
            match to {
                Outcome::Stored | Outcome::Elsewhere => report.stored += 1,
                Outcome::PartlyStored(_) => report.partly_stored += 1,
                Outcome::Quarantined(reason) => *report.stay.entry(reason).or_default() += 1,
                Outcome::Discarded(reason) => *report.discarded.entry(reason).or_default() += 1,
            }
            let moved = match (kept.from, to) {
                (_, Outcome::Stored | Outcome::Discarded(_)) => true,
                (from, Outcome::PartlyStored(_)) => !matches!(from, Outcome::PartlyStored(_)),
                _ => false,
            };
            if moved {
                let Kept { segment, seq, destination, from, .. } = kept;
                moves.push(Move { segment, seq, destination, from, to });
            }
        }
        moves
    }
}
