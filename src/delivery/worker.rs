//! The worker of one destination, made anew from its position whenever it has stalled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{Delivery, DeliveryError, Parts, Standing};
use crate::journal::Journal;
use crate::quarantine::Quarantine;
use crate::sink::Sink;
use crate::stall::Sight;

/// What is known of a worker from outside.
#[derive(Debug, Clone)]
pub struct Worker {
    pub destination: String,
    pub journal: Journal,
    pub quarantine: Quarantine,
    pub sink: Arc<Sink>,
    pub standing: watch::Receiver<Standing>,
    /// The furthest message that entered transform, also of those that are only read again.
    pub entered: Arc<AtomicU64>,
    /// Rung by who wants a new one.
    pub begin_anew: Arc<Notify>,
}

impl Worker {
    /// Works until `stop`. Nothing is lost when a worker is dropped in the middle: what it had under way is found
    /// again from the position, as after a kill.
    pub async fn run(
        self,
        mut parts: impl FnMut() -> Parts + Send,
        stop: CancellationToken,
    ) -> Result<(), DeliveryError> {
        loop {
            tokio::select! {
                ended = Delivery::new(parts()).run(stop.clone()) => return ended,
                () = self.begin_anew.notified() => {}
            }
            let (quarantine, name) = (self.quarantine.clone(), self.destination.clone());
            let standing = self.standing.clone();
            let void = move || quarantine.begin_anew(&name, standing.borrow().progress.position);
            if let Err(error) = tokio::task::spawn_blocking(void).await {
                tracing::error!(%error, "the quarantine could not be told that a destination begins anew");
            }
        }
    }

    /// Whether messages wait, and a number that grows with what is done for them.
    pub fn sight(&self) -> Sight {
        let position = self.standing.borrow().progress.position;
        // Only what grows to somewhere new: a worker that begins anew again and again makes no progress.
        let answered = self.sink.meter().answered.read().count();
        let entered = self.entered.load(Ordering::Relaxed);
        let served = position.wrapping_add(entered).wrapping_add(answered);
        Sight { waits: self.journal.end() > position, served }
    }
}
