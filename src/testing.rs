//! For tests: waiting for something without sleeping for a guessed time.

use std::time::{Duration, Instant};

/// Looks until there is an answer, for at most ten seconds.
pub(crate) async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it did not happen in time: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
