//! What the quarantine counts of each segment, and what stays counted of those that are gone.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Held;
use crate::journal::cursor;
use crate::journal::disk::{self, Disk};
use crate::outcome::{Moved, Outcome, Outcomes, Reason};

const NAME: &str = "counts";
/// It holds some numbers for each destination and pair of reasons.
const MOST: u64 = 1024 * 1024;

/// By the destination that had settled the message first.
pub type MovedBy = BTreeMap<String, Moved>;

pub(super) fn add(all: &mut MovedBy, more: &MovedBy) {
    for (destination, moved) in more {
        all.entry(destination.clone()).or_default().add(moved);
    }
}

/// Of segments that are gone; the file `counts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    /// Messages that the quota removed.
    pub(super) messages: u64,
    /// Segments up to this one are counted here, whether or not their file is gone yet.
    pub(super) through: Option<u64>,
    pub(super) moved: MovedBy,
}

impl Counts {
    pub(super) fn read(dir: &Path, disk: &dyn Disk) -> Self {
        let path = dir.join(NAME);
        match disk::read(&path, MOST, disk) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::default(),
            read => read
                .and_then(|text| serde_json::from_slice(&text).map_err(io::Error::other))
                .unwrap_or_else(|error| {
                    tracing::error!(path = %path.display(), %error, "what the quota removed is not known any more");
                    Self::default()
                }),
        }
    }

    pub(super) fn write(&self, dir: &Path, disk: &dyn Disk) -> io::Result<()> {
        let text = serde_json::to_vec(self).map_err(io::Error::other)?;
        cursor::replace(dir, NAME, "counts.new", None, &text, disk)
    }
}

/// Of one segment that is there.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) size: u64,
    /// The newest receive time.
    pub(super) newest: Option<i64>,
    /// What is still held, by destination.
    pub(super) live: BTreeMap<String, Outcomes>,
    /// The highest sequence number of each destination.
    pub(super) last: BTreeMap<String, u64>,
    /// What its marks say has moved.
    pub(super) moved: MovedBy,
}

impl Tally {
    pub(super) fn hold(&mut self, held: &Held) {
        self.newest = self.newest.max(Some(held.record.received));
        self.live.entry(held.destination.clone()).or_default().count(held.outcome());
        let last = self.last.entry(held.destination.clone()).or_default();
        *last = held.record.seq.max(*last);
    }

    /// A message is no longer held, or in part only.
    pub(super) fn release(&mut self, destination: &str, from: Outcome, to: Outcome) {
        if let Some(live) = self.live.get_mut(destination) {
            match from {
                Outcome::PartlyStored(_) => live.partly_stored = live.partly_stored.saturating_sub(1),
                from => live.take(from, 1),
            }
            if matches!(to, Outcome::PartlyStored(_)) {
                live.count(to);
            }
        }
        self.live.retain(|_, live| live.settled_here() > 0);
    }

    pub(super) fn held(&self) -> u64 {
        self.live.values().map(Outcomes::settled_here).sum()
    }

    /// What moves when the quota removes it. Of a message stored in part, that part stays stored.
    pub(super) fn expire(&self) -> MovedBy {
        let mut all = MovedBy::new();
        for (destination, live) in &self.live {
            for (reason, count) in &live.quarantined {
                let to = Outcome::Discarded(Reason::Expired);
                let moved = all.entry(destination.clone()).or_default();
                moved.count(Outcome::Quarantined(*reason), to, *count);
            }
        }
        all
    }
}
