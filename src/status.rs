//! The board that health reads: each part's state, since when, why, and what to do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::clock::Clock;

/// How a part is. Only `NotReady` makes the service unready: it cannot durably accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Ok,
    /// Loud, but messages are still accepted and kept.
    Degraded,
    NotReady,
}

/// One part's line on the board.
#[derive(Debug, Clone, Serialize)]
pub struct PartStatus {
    pub state: State,
    /// Unix time in nanoseconds of the last change of state or reason.
    pub since: i64,
    pub reason: String,
    pub what_to_do: String,
}

/// Shared by all rooms; cheap to clone.
#[derive(Debug, Clone)]
pub struct Board {
    clock: Clock,
    parts: Arc<Mutex<BTreeMap<String, PartStatus>>>,
}

impl Board {
    pub fn new(clock: Clock) -> Self {
        Self { clock, parts: Arc::default() }
    }

    /// The handle by which one part tells its state; it starts as not ready, "starting".
    pub fn part(&self, name: impl Into<String>) -> Part {
        let part = Part { board: self.clone(), name: name.into() };
        part.not_ready("starting", "wait a moment");
        part
    }

    /// Every part as it stands.
    pub fn parts(&self) -> BTreeMap<String, PartStatus> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The worst state of all parts.
    pub fn worst(&self) -> State {
        self.parts().values().map(|part| part.state).max().unwrap_or(State::NotReady)
    }
}

/// One part's pen on the board. Log lines about a change are the part's own business.
#[derive(Debug, Clone)]
pub struct Part {
    board: Board,
    name: String,
}

impl Part {
    pub fn ok(&self) {
        self.set(State::Ok, String::new(), "");
    }

    pub fn degraded(&self, reason: impl Into<String>, what_to_do: &str) {
        self.set(State::Degraded, reason.into(), what_to_do);
    }

    pub fn not_ready(&self, reason: impl Into<String>, what_to_do: &str) {
        self.set(State::NotReady, reason.into(), what_to_do);
    }

    fn set(&self, state: State, reason: String, what_to_do: &str) {
        let mut parts = self.board.parts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = parts.get(&self.name)
            && old.state == state
            && old.reason == reason
        {
            return;
        }
        let since = self.board.clock.now();
        parts.insert(
            self.name.clone(),
            PartStatus { state, since, reason, what_to_do: what_to_do.to_owned() },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_the_moment_of_the_last_change() {
        let (clock, now) = Clock::fixed(10);
        let board = Board::new(clock);
        let part = board.part("journal");
        assert_eq!(board.worst(), State::NotReady);
        now.store(20, std::sync::atomic::Ordering::SeqCst);
        part.ok();
        now.store(30, std::sync::atomic::Ordering::SeqCst);
        part.ok();
        assert_eq!(board.parts()["journal"].since, 20);
        assert_eq!(board.worst(), State::Ok);
    }
}
