//! Standing: how each bucket of one database is doing, so that one in trouble is told apart from the others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex as Turns, Notify, OwnedMutexGuard};

use crate::status::Part;

/// All buckets written to so far; there is one where the name is fixed.
#[derive(Debug)]
pub(super) struct Standings {
    /// Host and port, for people.
    database: String,
    /// Whether a bucket must be named to know which one is meant.
    several: bool,
    part: Part,
    buckets: Mutex<BTreeMap<String, Bucket>>,
}

#[derive(Debug, Default)]
struct Bucket {
    /// A line that it took: if even that is refused, it is not about our lines.
    good_line: Option<Vec<u8>>,
    trouble: Option<Trouble>,
    /// Since when it has refused everything.
    refuses_since: Option<Instant>,
    circuit: Circuit,
}

/// While a bucket is in trouble one request at a time asks whether it still is.
#[derive(Debug, Clone, Default)]
pub(super) struct Circuit {
    turns: Arc<Turns<()>>,
    recovered: Arc<Notify>,
}

impl Circuit {
    /// Whoever holds it may ask.
    pub(super) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turns).lock_owned().await
    }

    /// Returns when the bucket recovers after this was called.
    pub(super) fn recovered(&self) -> impl Future<Output = ()> + '_ {
        self.recovered.notified()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Trouble {
    why: String,
    what_to_do: &'static str,
}

impl Standings {
    pub(super) fn new(database: String, several: bool, part: Part) -> Self {
        part.ok();
        Self { database, several, part, buckets: Mutex::default() }
    }

    pub(super) fn good_line(&self, bucket: &str) -> Option<Vec<u8>> {
        self.lock().get(bucket).and_then(|bucket| bucket.good_line.clone())
    }

    pub(super) fn keep_good_line(&self, bucket: &str, line: Option<Vec<u8>>) {
        self.with(bucket, |bucket| bucket.good_line = line);
    }

    pub(super) fn circuit(&self, bucket: &str) -> Circuit {
        self.with(bucket, |bucket| bucket.circuit.clone())
    }

    pub(super) fn in_trouble(&self, bucket: &str) -> bool {
        self.lock().get(bucket).is_some_and(|bucket| bucket.trouble.is_some())
    }

    /// Told once for each kind of trouble, not for each try.
    pub(super) fn trouble(&self, name: &str, why: &str, what_to_do: &'static str) {
        let trouble = Trouble { why: why.to_owned(), what_to_do };
        let former = self.with(name, |bucket| bucket.trouble.replace(trouble.clone()));
        self.tell();
        if former.as_ref() != Some(&trouble) {
            let (database, bucket) = (&self.database, name);
            tracing::warn!(database, bucket, why, "the database does not take points; they are kept");
        }
    }

    /// It refuses everything; for how long by now.
    pub(super) fn refuses(&self, name: &str, now: Instant) -> Duration {
        self.with(name, |bucket| now.saturating_duration_since(*bucket.refuses_since.get_or_insert(now)))
    }

    pub(super) fn recovered(&self, name: &str) {
        let former = self.with(name, |bucket| {
            bucket.refuses_since = None;
            bucket.circuit.recovered.notify_waiters();
            bucket.trouble.take()
        });
        self.tell();
        if former.is_some() {
            tracing::info!(database = self.database, bucket = name, "the database takes points again");
        }
    }

    /// The part is well when every bucket is.
    fn tell(&self) {
        let buckets = self.lock();
        let mut troubled = buckets.iter().filter_map(|(name, bucket)| Some((name, bucket.trouble.as_ref()?)));
        let Some((name, first)) = troubled.next() else { return self.part.ok() };
        let database = &self.database;
        let bucket = if self.several { format!(": \"{name}\"") } else { String::new() };
        let more = match troubled.count() {
            0 => String::new(),
            more => format!(" (and {more} more of its buckets)"),
        };
        self.part.degraded(format!("{database}{bucket}: {}{more}", first.why), first.what_to_do);
    }

    fn with<T>(&self, name: &str, change: impl FnOnce(&mut Bucket) -> T) -> T {
        let mut buckets = self.lock();
        if let Some(bucket) = buckets.get_mut(name) {
            return change(bucket);
        }
        change(buckets.entry(name.to_owned()).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::status::{Board, State};

    #[test]
    fn the_part_is_well_when_every_bucket_is() {
        let board = Board::new(Clock::System);
        let standings = Standings::new("db:8086".to_owned(), true, board.part("database"));
        let part = || board.parts()["database"].clone();
        standings.trouble("b", "status 404", "make it");
        standings.trouble("a", "status 403", "give a token");
        assert_eq!(part().reason, "db:8086: \"a\": status 403 (and 1 more of its buckets)");
        standings.recovered("a");
        standings.recovered("c");
        assert_eq!((part().state, part().what_to_do.as_str()), (State::Degraded, "make it"));
        standings.recovered("b");
        assert_eq!(part().state, State::Ok);
    }

    #[test]
    fn a_good_line_stays_with_its_bucket() {
        let board = Board::new(Clock::System);
        let standings = Standings::new("db".to_owned(), true, board.part("database"));
        standings.keep_good_line("a", Some(b"line".to_vec()));
        assert_eq!((standings.good_line("a"), standings.good_line("b")), (Some(b"line".to_vec()), None));
    }
}
