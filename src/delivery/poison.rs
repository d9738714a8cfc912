//! Poison: the messages that have killed the process, for whoever reads kept messages beside the deliveries.

use std::path::Path;

use super::in_hand;
use crate::journal::disk::Disk;
use crate::quarantine::{self, QuarantineError, Seqs};

/// Their sequence numbers, whichever destination met them. `dir` is the data directory.
///
/// The quarantine tells most; a note of what was in hand tells one that has been dropped or removed from there since.
pub fn known(dir: &Path, disk: &dyn Disk) -> Result<Seqs, QuarantineError> {
    let mut known = quarantine::poison(&dir.join("quarantine"), disk)?;
    for path in disk.list(dir).unwrap_or_default() {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(in_hand::NAME) && !name.ends_with(in_hand::FRESH) {
            in_hand::found_guilty(&path).into_iter().for_each(|seq| known.insert(seq));
        }
    }
    Ok(known)
}
