//! Live: what people see of this moment, told by the deliveries after the database has answered.

mod delay;
mod latest;
mod outlook;
mod refused;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use delay::{Delays, Lately};
pub use latest::{Answer, Ask, Latest};
pub use outlook::{Forecast, Outlook, Sample};
pub use refused::{Refusal, Refused};

use crate::batch::Batch;
use crate::clock::Clock;
use crate::hashing::Seeded;
use crate::message::Record;
use crate::outcome::Rejection;
use crate::sink::LineVerdict;

/// Shared by all deliveries and HTTP; cheap to clone. Bounded in memory, and gone with the process.
#[derive(Debug, Clone)]
pub struct Live(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    latest: Mutex<Latest>,
    refused: Mutex<Refused>,
    delays: Mutex<BTreeMap<String, Arc<Mutex<Delays>>>>,
}

/// One delivery's pen. Each call takes a lock for a moment, once for a whole batch.
#[derive(Debug, Clone)]
pub struct Reporter {
    live: Live,
    destination: Arc<str>,
    delays: Arc<Mutex<Delays>>,
}

impl Live {
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner {
            clock,
            latest: Mutex::default(),
            refused: Mutex::default(),
            delays: Mutex::default(),
        }))
    }

    /// The pen of one destination; asked for again it goes on with the same figures.
    pub fn reporter(&self, destination: &str) -> Reporter {
        let delays = Arc::clone(lock(&self.0.delays).entry(destination.to_owned()).or_default());
        Reporter { live: self.clone(), destination: destination.into(), delays }
    }

    /// Unix time in nanoseconds.
    pub fn now(&self) -> i64 {
        self.0.clock.now()
    }

    pub fn latest(&self, ask: &Ask) -> Answer {
        lock(&self.0.latest).ask(ask, self.now())
    }

    /// The newest first.
    pub fn refused(&self) -> Vec<Refusal> {
        lock(&self.0.refused).newest_first()
    }

    /// How many were refused since the start.
    pub fn refused_total(&self) -> u64 {
        lock(&self.0.refused).total()
    }

    /// The times from receive to stored of each destination.
    pub fn delays(&self) -> BTreeMap<String, Delays> {
        let delays = lock(&self.0.delays);
        delays.iter().map(|(name, delays)| (name.clone(), lock(delays).clone())).collect()
    }

    /// The last minute's times from receive to stored of each destination.
    pub fn lately(&self) -> BTreeMap<String, Lately> {
        let now = self.now();
        let delays = lock(&self.0.delays);
        delays.iter().map(|(name, delays)| (name.clone(), lock(delays).lately(now))).collect()
    }
}

impl Reporter {
    /// The database has answered for these lines; `received` are the messages of which now all is answered and
    /// something stored, by their receive times.
    pub fn answered(&self, batch: &Batch, verdicts: &[LineVerdict], received: &[i64]) {
        let now = self.live.now();
        {
            let mut latest = lock(&self.live.0.latest);
            for line in newest(batch, verdicts) {
                latest.stored(line, now);
            }
        }
        let mut delays = lock(&self.delays);
        for received in received {
            delays.note(now, now.saturating_sub(*received));
        }
    }

    /// The quarantine holds this message.
    pub fn refused(&self, record: &Record, rejection: &Rejection) {
        lock(&self.live.0.refused).note(&self.destination, record, rejection);
    }
}

/// The last stored line of each series, the oldest first: a batch of a backlog holds many of one series, and nobody
/// sees more than one of them. Two series of one checksum cost the page a value until the next batch.
fn newest<'b>(batch: &'b Batch, verdicts: &[LineVerdict]) -> Vec<&'b str> {
    let mut seen = HashSet::<_, Seeded>::default();
    let told = verdicts.iter().zip(&batch.series).enumerate().rev();
    let last =
        told.filter(|(_, (verdict, series))| **verdict == LineVerdict::Stored && seen.insert(**series));
    let mut last: Vec<_> =
        last.filter_map(|(index, _)| std::str::from_utf8(batch.line(index)).ok()).collect();
    last.reverse();
    last
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_series_the_last_stored_line_of_a_batch_is_taken() {
        let lines = ["a\\ b,d=1 v=1 1", "c v=2 2", "a\\ b,d=1 v=3 3", "a\\ b,d=2 v=4 4", "c v=5 5"];
        let mut batch = Batch::default();
        for line in lines {
            let (series, _) = line.split_once(" v").unwrap();
            batch.push(format!("{line}\n").as_bytes(), crc32fast::hash(series.as_bytes()));
        }
        let refused = Rejection::new(crate::outcome::Reason::RefusedByDatabase, "no");
        let mut verdicts = vec![LineVerdict::Stored; 5];
        verdicts[4] = LineVerdict::Refused(refused);
        assert_eq!(newest(&batch, &verdicts), [lines[1], lines[2], lines[3]]);
    }
}
