//! What a delivery tells of itself, and what it is told.

use std::sync::Arc;

use crate::journal::cursor::Progress;
use crate::snapshot::Snapshot;
use crate::transform::Transform;

/// Where a delivery stands, for the cursor and for health.
#[derive(Debug, Clone)]
pub struct Standing {
    pub progress: Progress,
    /// When the oldest message on the way was received, Unix time in nanoseconds.
    pub oldest_received: Option<i64>,
    /// The latest state of the checks that the position has reached.
    pub snapshot: Option<Snapshot>,
    /// The number of the order last heard, and the first message not begun then.
    pub obeyed: (u64, u64),
}

impl Standing {
    /// At the start, or of a new worker.
    pub const fn new(progress: Progress) -> Self {
        Self { progress, oldest_received: None, snapshot: None, obeyed: (0, 0) }
    }
}

/// What all deliveries work by; changed while they run.
#[derive(Debug, Clone)]
pub struct Order {
    pub number: u64,
    pub transform: Arc<Transform>,
    /// The first message that has to wait.
    pub until: u64,
}
