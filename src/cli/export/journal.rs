//! Export from the journal: the messages kept there, as the configuration of today reads them.

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow};

use super::target::Target;
use super::{Failure, Progress, Wanted};
use crate::cli::{DATA_DIR, count};
use crate::config::Config;
use crate::delivery::poison;
use crate::journal::Entry;
use crate::journal::disk::RealDisk;
use crate::journal::inspect::Scan;
use crate::line_protocol;
use crate::message::Record;
use crate::point::Point;
use crate::sink::embedded;
use crate::snapshot;
use crate::transform::{Decision, State, Transform};

/// Points that are written at once.
const PAGE: usize = 5_000;

/// What is read so far.
#[derive(Debug, Default)]
struct Counts {
    messages: u64,
    /// They have killed the process, and are not decoded.
    poison: u64,
    without_points: u64,
    unreadable: u64,
}

/// Returns what there is to say beside the number of points.
pub(super) fn export(
    config: &Config,
    wanted: &Wanted,
    target: &mut Target,
    progress: &mut Progress,
) -> Result<String, Failure> {
    let dir = config.data_dir.join("journal");
    let mut scan = Scan::new(&dir, 1, &RealDisk)
        .map_err(|error| anyhow!("{error}; nadikota has not run yet, or {DATA_DIR}"))?;
    let mut reading = Reading { config, transform: &config.transform, states: BTreeMap::new() };
    let poison = poison::known(&config.data_dir, &RealDisk).context("cannot read the quarantine")?;
    let mut counts = Counts::default();
    let (mut points, mut page, mut more) = (Vec::new(), Vec::new(), true);
    while more {
        match scan.next_entry().context("cannot read the journal")? {
            None => more = false,
            Some(Entry::Damage { first, last, .. }) => {
                counts.unreadable += last.saturating_sub(first).saturating_add(1);
            }
            Some(Entry::Record(record)) if poison.contains(record.seq) => {
                counts.messages += 1;
                counts.poison += 1;
            }
            // Every message is read, whichever is wanted: what one becomes may depend on those before it.
            Some(Entry::Record(record)) => {
                counts.messages += 1;
                points.clear();
                counts.without_points += u64::from(!reading.read(&record, &mut points));
                let topic = wanted.topic.as_ref();
                if topic.is_none_or(|topic| topic.matches(&record.message.topic)) {
                    let stored = points.drain(..).filter_map(|point| as_stored(&point));
                    page.extend(stored.filter(|point| wanted.lets(point)));
                }
            }
        }
        if page.len() >= PAGE || !more {
            more &= target.write(&page)?;
            page.clear();
        }
        if counts.messages.is_multiple_of(1_000) {
            let (done, total) = scan.progress();
            let waiting = u64::try_from(page.len()).unwrap_or(u64::MAX);
            progress.step(target.points().saturating_add(waiting), share(done, total));
        }
    }
    Ok(counts.told())
}

#[derive(Debug)]
struct Reading<'c> {
    config: &'c Config,
    transform: &'c Transform,
    /// The names each destination has admitted so far, as the service has them.
    states: BTreeMap<String, State>,
}

impl Reading<'_> {
    /// Whether the message gives points.
    fn read(&mut self, record: &Record, points: &mut Vec<Point>) -> bool {
        let Some(destination) = self.transform.destination_of(&record.message.topic) else { return false };
        if !self.states.contains_key(destination) {
            let saved = snapshot::load(&self.config.data_dir, destination);
            let state = saved.map(|saved| saved.state.names_only()).unwrap_or_default();
            self.states.insert(destination.to_owned(), state);
        }
        let Some(state) = self.states.get_mut(destination) else { return false };
        matches!(self.transform.apply(record, state, points), Decision::Points { .. })
    }
}

/// A point as a database would give it back, whose names are mapped in line protocol.
pub(in crate::cli) fn as_stored(point: &Point) -> Option<Point> {
    let mut line = Vec::new();
    line_protocol::write(point, &mut line);
    embedded::point(std::str::from_utf8(&line).ok()?.strip_suffix('\n')?)
}

impl Counts {
    fn told(&self) -> String {
        let messages = |number| count(usize::try_from(number).unwrap_or(usize::MAX), "message");
        let mut told = format!(" of {}", messages(self.messages));
        if self.without_points > 0 {
            told.push_str(&format!("; {} without a point today", messages(self.without_points)));
        }
        if self.poison > 0 {
            told.push_str(&format!("; {} of reason poison passed over", messages(self.poison)));
        }
        if self.unreadable > 0 {
            told.push_str(&format!("; {} that cannot be read any more", messages(self.unreadable)));
        }
        told
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share of bytes, for people")]
fn share(done: u64, total: u64) -> f64 {
    done as f64 / total.max(1) as f64
}
