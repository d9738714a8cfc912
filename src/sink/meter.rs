//! The meter of one destination: how often and how long it is written to, and how much at once.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::histogram::{ANSWER_SECONDS, Histogram, POINTS};

/// Numbers since the process began.
#[derive(Debug)]
pub struct Meter {
    requests: AtomicU64,
    retries: AtomicU64,
    /// From sending to the answer, for each request that gave a verdict.
    pub answered: Histogram,
    /// Points in each batch, however often it was sent.
    pub batches: Histogram,
}

impl Meter {
    pub(super) fn new() -> Self {
        Self {
            requests: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            answered: Histogram::new(ANSWER_SECONDS),
            batches: Histogram::new(POINTS),
        }
    }

    pub(super) fn sent(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    pub(super) fn failed(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(super) fn answered(&self, after: Duration) {
        self.answered.observe_time(after);
    }

    /// Requests sent, or transactions begun.
    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// Those that gave no verdict and must be made again.
    pub fn retries(&self) -> u64 {
        self.retries.load(Relaxed)
    }
}
