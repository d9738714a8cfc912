//! Paced reading: when little comes the reader rests a moment, so that a trickle wakes a delivery a few times in the
//! life of a batch and not for every message.

use std::time::Duration;

use tokio::time::Instant;

use crate::journal::{Entry, JournalError, Reader};

/// How many messages are transformed before other work gets its turn.
const AT_ONCE: usize = 512;
/// The longest rest.
const LONGEST: Duration = Duration::from_millis(20);

/// A reader with its pace.
#[derive(Debug)]
pub(super) struct Paced {
    reader: Reader,
    rest: Duration,
    /// Not read before.
    next: Instant,
}

impl Paced {
    /// `max_age` is how long a batch may wait for its last point; a rest is a small part of it.
    pub(super) fn new(reader: Reader, max_age: Duration) -> Self {
        Self { reader, rest: (max_age / 10).min(LONGEST), next: Instant::now() }
    }

    /// The next entries, at least one. Nothing is lost when the wait is cut off.
    pub(super) async fn next(&mut self) -> Result<Vec<Entry>, JournalError> {
        if self.next > Instant::now() {
            tokio::time::sleep_until(self.next).await;
        }
        let entries = self.reader.next(AT_ONCE).await?;
        let more = entries.len() >= AT_ONCE || self.reader.is_behind();
        self.next = if more { self.next } else { Instant::now() + self.rest };
        Ok(entries)
    }
}
