//! Retention and room: which delivered segments go, and whether the journal still takes messages.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use super::shared::{Room, Shared};

/// Removes what may go and says whether there is room for so many bytes more. `open`: the last segment is still
/// written to.
pub(super) fn look_after(shared: &Shared, open: bool, more: u64) -> Room {
    let segments = shared.segments();
    let mut total: u64 = segments.values().map(|segment| segment.size).sum();
    let space = match shared.disk.space(&shared.dir) {
        Ok(space) => space,
        Err(error) => return Room::Full { reason: format!("the free space cannot be read: {error}") },
    };
    let min_free = shared.config.min_free_of(space.total);
    let mut free = space.free;
    let released = shared.released.load(Ordering::Acquire);
    let mut delivered_size: u64 = 0;
    let keys: Vec<_> = segments.keys().copied().collect();
    // A segment is delivered when the next one begins at or below what is settled everywhere.
    let following = keys.iter().skip(1).map(|(first, _)| *first);
    let last = if open { u64::MAX } else { shared.end() };
    let delivered: Vec<_> = keys.iter().copied().zip(following.chain([last])).collect();
    let delivered: Vec<_> = delivered.into_iter().filter(|(_, next)| *next <= released).collect();
    for (key, _) in &delivered {
        delivered_size += segments.get(key).map_or(0, |segment| segment.size);
    }
    for (key, _) in delivered {
        let Some(segment) = segments.get(&key) else { continue };
        let short = total >= shared.config.max_size || free < min_free.saturating_add(more);
        let too_much = delivered_size > shared.config.keep_size;
        if !short && !too_much && !older_than(shared, &segment.path) {
            break;
        }
        if let Err(error) = shared.disk.remove(&segment.path) {
            tracing::warn!(path = %segment.path.display(), %error, "a delivered segment cannot be removed");
            break;
        }
        tracing::debug!(path = %segment.path.display(), "a delivered segment was removed");
        shared.forget(key);
        total = total.saturating_sub(segment.size);
        delivered_size = delivered_size.saturating_sub(segment.size);
        free = free.saturating_add(segment.size);
    }
    shared.unreserved.store(free.saturating_sub(min_free), Ordering::Relaxed);
    let by_size = shared.config.max_size.saturating_sub(total.saturating_sub(delivered_size));
    let by_disk = free.saturating_add(delivered_size).saturating_sub(min_free);
    shared.space_left.store(by_size.min(by_disk), Ordering::Relaxed);
    // The reasons hold no figure that changes, or health could not say since when.
    if total >= shared.config.max_size {
        let limit = shared.config.max_size;
        let reason = format!(
            "the journal is full: what waits for a destination fills journal.max_size, {limit} bytes"
        );
        return Room::Full { reason };
    }
    if free < min_free.saturating_add(more) {
        let reason = format!("the disk is nearly full: less than the {min_free} bytes that are kept free");
        return Room::Full { reason };
    }
    Room::Free
}

fn older_than(shared: &Shared, path: &Path) -> bool {
    let age = shared.config.keep_for;
    let modified = shared.disk.modified(path);
    modified.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|since| since > age))
}
