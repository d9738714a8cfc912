//! Filters: subscribed on every connection, asked for again while the broker withholds any, unsubscribed when no
//! route wants them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::{Line, Source};
use crate::backoff::Backoff;
use crate::mqtt::Acknowledger;

/// An access list is mended without a word to us: what is refused is asked for again, from soon to seldom.
const ASK_FIRST: Duration = Duration::from_secs(1);
const ASK_SELDOM: Duration = Duration::from_secs(30);

/// What the broker withholds, and when it is asked for again.
#[derive(Debug)]
pub(super) struct Withheld {
    filters: Vec<String>,
    at: Option<Instant>,
    backoff: Backoff,
}

impl Default for Withheld {
    fn default() -> Self {
        Self { filters: Vec::new(), at: None, backoff: Backoff::new(ASK_FIRST, ASK_SELDOM) }
    }
}

impl Withheld {
    /// Returns when it is time to ask again; never while there is nothing to ask.
    pub(super) async fn due(&self) {
        match self.at {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// All filters are asked for anew.
    pub(super) const fn all_are_asked(&mut self) {
        self.at = None;
    }
}

impl Source {
    /// The broker has answered what was last asked for.
    pub(super) fn subscribed(&mut self, mut refused: Vec<String>, at_most_once: Vec<String>) {
        self.counts.asked.store(false, Ordering::Relaxed);
        self.counts.subscribed.store(refused.is_empty(), Ordering::Relaxed);
        let withheld = [refused.as_slice(), at_most_once.as_slice()].concat();
        if withheld.is_empty() {
            self.withheld = Withheld::default();
            self.part.ok();
            return;
        }
        let (wait, again) = (self.withheld.backoff.next_wait(), withheld == self.withheld.filters);
        (self.withheld.filters, self.withheld.at) = (withheld, Some(Instant::now() + wait));
        let reason = if refused.is_empty() {
            format!(
                "the broker grants the filters {} at QoS 0 only: messages can be lost on the way",
                at_most_once.join(", ")
            )
        } else {
            refused.extend(at_most_once);
            format!("the broker refused the filters {}", refused.join(", "))
        };
        if !again {
            tracing::error!(source = self.number, "{reason}");
        }
        if self.counts.subscribed.load(Ordering::Relaxed) {
            self.part.degraded(reason, "allow this user QoS 1 at the broker; it is asked again by itself");
        } else {
            self.part.not_ready(
                reason,
                "allow this user to read them in the broker's access list; it is asked again by itself",
            );
        }
    }

    /// Asks for what is withheld, which may have been mended.
    pub(super) fn ask_again(&mut self, acknowledger: &Acknowledger) {
        self.withheld.at = None;
        self.counts.asked.store(true, Ordering::Relaxed);
        acknowledger.ask_again(self.withheld.filters.clone());
    }

    /// Routes have changed: the new filters are subscribed, on this connection or the next.
    pub(super) async fn resubscribe(&mut self, acknowledger: &Acknowledger) {
        let wanted = self.config.filters(&self.filters.borrow_and_update());
        if wanted == self.config.options.filters {
            return;
        }
        let stale = note(&self.line, &wanted).await;
        self.to_unsubscribe = stale.len();
        (self.config.options.filters, self.config.options.stale) = (wanted.clone(), stale.clone());
        self.withheld = Withheld::default();
        acknowledger.subscribe(wanted, stale);
    }

    /// The broker has dropped what we no longer want.
    pub(super) async fn settle_filters(&self) {
        let (line, wanted) = (self.line.clone(), self.config.options.filters.clone());
        let noted = tokio::task::spawn_blocking(move || line.settle(&wanted)).await;
        match noted.map_err(std::io::Error::other).and_then(|noted| noted) {
            Ok(()) => {
                let stale = self.config.options.stale.join(", ");
                tracing::info!(source = self.number, stale, "unsubscribed from what no route wants any more");
            }
            Err(error) => {
                tracing::warn!(source = self.number, %error, "the subscribed filters cannot be noted");
            }
        }
    }
}

/// Puts on record what will be subscribed; gives what the broker may hold beside it.
pub(super) async fn note(line: &Line, wanted: &[String]) -> Vec<String> {
    let (noted, wanted) = (line.clone(), wanted.to_vec());
    let noted = tokio::task::spawn_blocking(move || noted.begin(&wanted)).await;
    noted.map_err(std::io::Error::other).and_then(|noted| noted).unwrap_or_else(|error| {
        tracing::error!(source = line.number, %error, "the subscribed filters cannot be noted");
        Vec::new()
    })
}
