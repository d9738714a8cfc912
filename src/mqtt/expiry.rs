//! The watch over certificates: looks at them again and again, and tells health before one expires.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Expiry, Options, Tls, TlsError};
use crate::clock::Clock;
use crate::status::Part;

/// Files may be renewed at any time; to look costs next to nothing.
const EVERY: Duration = Duration::from_secs(60);

/// What was seen last; cheap to clone, read by metrics at any time.
#[derive(Debug, Clone)]
pub struct Expiries {
    /// Host and port.
    broker: Arc<str>,
    clock: Clock,
    last: Arc<Mutex<Vec<Expiry>>>,
}

impl Expiries {
    /// The broker, each certificate's label, and the seconds that it is still valid: below zero when it has expired.
    pub fn left(&self) -> Vec<(Arc<str>, &'static str, i64)> {
        let now = seconds(&self.clock);
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let left =
            |expiry: &Expiry| (Arc::clone(&self.broker), expiry.whose.label(), expiry.at.saturating_sub(now));
        last.iter().map(left).collect()
    }
}

/// Watches the certificates of one broker.
#[derive(Debug)]
pub struct Watch {
    tls: Tls,
    part: Part,
    expiries: Expiries,
    told: Option<String>,
}

impl Watch {
    /// Nothing to watch without TLS. `part` is asked for only where there is something.
    pub fn new(options: &Options, clock: Clock, part: impl FnOnce() -> Part) -> Option<(Self, Expiries)> {
        let tls = options.transport.tls.clone()?;
        let broker = format!("{}:{}", options.host, options.port).into();
        let expiries = Expiries { broker, clock, last: Arc::default() };
        Some((Self { tls, part: part(), expiries: expiries.clone(), told: None }, expiries))
    }

    /// Works until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut seen = self.tls.watch();
        loop {
            self.look().await;
            tokio::select! {
                () = stop.cancelled() => return,
                // The sender lives as long as our own copy of the settings.
                _ = seen.changed() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    async fn look(&mut self) {
        let (tls, now) = (self.tls.clone(), seconds(&self.expiries.clock));
        let read = tokio::task::spawn_blocking(move || tls.expiries(now)).await;
        match read {
            Ok(read) => self.tell(read, now),
            Err(error) => tracing::error!(%error, "the certificates could not be looked at"),
        }
    }

    /// Never unready: a connection that is up stays up, and one that fails for a certificate is told by `mqtt`.
    fn tell(&mut self, read: Result<Vec<Expiry>, TlsError>, now: i64) {
        let all = match read {
            Ok(all) => all,
            Err(error) => {
                let what_to_do = "mend the file; it is read at the next connection, which fails without it";
                return self.degraded(error.to_string(), what_to_do);
            }
        };
        let near: Vec<_> = all.iter().filter(|expiry| expiry.is_near(now)).collect();
        match near.first() {
            None => {
                self.part.ok();
                self.told = None;
            }
            Some(first) => {
                let texts: Vec<_> = near.iter().map(|expiry| expiry.told(now)).collect();
                self.degraded(texts.join("; "), first.what_to_do());
            }
        }
        *self.expiries.last.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }

    fn degraded(&mut self, reason: String, what_to_do: &'static str) {
        self.part.degraded(reason.clone(), what_to_do);
        if self.told.as_ref() != Some(&reason) {
            tracing::warn!(broker = &*self.expiries.broker, reason, what_to_do, "certificates");
            self.told = Some(reason);
        }
    }
}

fn seconds(clock: &Clock) -> i64 {
    clock.now().div_euclid(1_000_000_000)
}
