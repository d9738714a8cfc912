//! What the last process left of the state of the checks.

use std::path::Path;
use std::sync::Arc;

use crate::snapshot::{self, Snapshot};

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
