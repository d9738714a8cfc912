//! The clock: the one place that asks the system what time it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A source of Unix time in nanoseconds: the system's, or one that a test sets.
#[derive(Debug, Clone)]
pub enum Clock {
    System,
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `nanos` until it is set again through the returned handle.
    pub fn fixed(nanos: i64) -> (Self, Arc<AtomicI64>) {
        let handle = Arc::new(AtomicI64::new(nanos));
        (Self::Fixed(Arc::clone(&handle)), handle)
    }

    /// Unix time in nanoseconds.
    pub fn now(&self) -> i64 {
        match self {
            Self::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
            }
            Self::Fixed(nanos) => nanos.load(Ordering::SeqCst),
        }
    }
}
