//! What the last process left: the cursor, fitted to the configuration, and the state of the checks.

use std::path::Path;
use std::sync::Arc;

use crate::config::Config;
use crate::journal::cursor::{Cursor, Progress};
use crate::outcome::Outcomes;
use crate::snapshot::{self, Snapshot};

use super::PipelineError;

/// How many messages make the state of the checks where none was saved.
const MADE_ANEW: u64 = 100_000;

/// The state of the checks to start from, at or before the position. Without one that can be used it is made anew
/// from the latest messages.
pub(super) fn remembered(dir: &Path, destination: &str, position: u64, oldest: u64) -> Snapshot {
    let oldest = oldest.clamp(1, position.max(1));
    let saved = snapshot::load(dir, destination).filter(|snapshot| snapshot.next <= position);
    match saved {
        Some(snapshot) if snapshot.next >= oldest => snapshot,
        Some(snapshot) => {
            tracing::warn!(
                destination,
                first = snapshot.next,
                last = oldest.saturating_sub(1),
                "messages are gone that the checks had still to see; their next flags may differ"
            );
            Snapshot { next: oldest, state: snapshot.state }
        }
        None => Snapshot { next: oldest.max(position.saturating_sub(MADE_ANEW)), state: Arc::default() },
    }
}

/// Fits the cursor to the configured destinations. Who settles which message may change only at one position.
pub(super) fn take_over(cursor: &mut Cursor, config: &Config) -> Result<(), PipelineError> {
    let highest = cursor.highest();
    let changed = cursor.routing != config.routing;
    if changed && cursor.lowest() != highest {
        let positions = cursor.destinations.iter();
        let positions: Vec<_> =
            positions.map(|(name, progress)| format!("{name}: {}", progress.position)).collect();
        return Err(PipelineError::RoutingChanged { positions: positions.join(", ") });
    }
    let mut former = std::mem::take(&mut cursor.destinations);
    for destination in &config.destinations {
        let progress = former.remove(&destination.name).unwrap_or_else(|| Progress {
            position: highest,
            outcomes: Outcomes { elsewhere: highest.saturating_sub(1), ..Outcomes::default() },
        });
        cursor.destinations.insert(destination.name.clone(), progress);
    }
    // What a removed destination had settled stays in the account.
    for (name, progress) in former {
        tracing::info!(destination = name, "no longer configured; what it settled stays in the account");
        cursor.retired.entry(name).or_default().add(&progress.outcomes);
    }
    cursor.routing.clone_from(&config.routing);
    Ok(())
}
