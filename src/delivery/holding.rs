//! Holding: puts what was refused into quarantine, as long as it takes.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;

use super::{Delivery, ledger};

impl Delivery {
    /// Puts what was refused into quarantine, trying until the disk takes it; false when stopped first.
    pub(super) async fn hold(&self, refused: &[ledger::Refused], stop: &CancellationToken) -> bool {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        loop {
            let held: Vec<_> = refused.iter().map(|refused| refused.held(&self.destination)).collect();
            let (quarantine, owner) = (self.quarantine.clone(), Arc::downgrade(&self.alive));
            let put = tokio::task::spawn_blocking(move || quarantine.put_for(&owner, &held)).await;
            let error = match put {
                Ok(Ok(())) => {
                    self.part.ok();
                    return true;
                }
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            };
            self.part.degraded(
                format!("the quarantine cannot be written: {error}"),
                "free disk space or mend the data directory; it goes on by itself",
            );
            tokio::select! {
                () = stop.cancelled() => return false,
                () = tokio::time::sleep(backoff.next_wait()) => {}
            }
        }
    }
}
