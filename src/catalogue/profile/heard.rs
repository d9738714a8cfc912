//! Heard: what a profile's devices tell beyond what it says of them, counted while the program runs.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Different warnings of one profile's devices that are told apart; further ones are only counted.
const MOST_TOLD: usize = 200;

/// Counts of one profile. They say nothing of an outcome, and none follows from them.
#[derive(Debug, Default)]
pub struct Heard {
    warnings: AtomicU64,
    unknown_names: AtomicU64,
    /// Checksums of device and text.
    told: Mutex<BTreeSet<u64>>,
}

impl Heard {
    /// Counts a codec's warning; whether it is the first of this device and text.
    pub fn warning(&self, device: &str, text: &str) -> bool {
        self.warnings.fetch_add(1, Ordering::Relaxed);
        let sum = |text: &str| u64::from(crc32fast::hash(text.as_bytes()));
        let key = sum(device) << 32 | sum(text);
        let Ok(mut told) = self.told.lock() else { return false };
        told.len() < MOST_TOLD && told.insert(key)
    }

    /// Counts a value under a name that the profile lacks.
    pub fn unknown_name(&self) {
        self.unknown_names.fetch_add(1, Ordering::Relaxed);
    }

    pub fn warnings(&self) -> u64 {
        self.warnings.load(Ordering::Relaxed)
    }

    pub fn unknown_names(&self) -> u64 {
        self.unknown_names.load(Ordering::Relaxed)
    }

    /// Goes on from the counts of the profile of this name in a former configuration.
    pub(super) fn follow(&self, former: &Self) {
        self.warnings.fetch_add(former.warnings(), Ordering::Relaxed);
        self.unknown_names.fetch_add(former.unknown_names(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_told_once_for_each_device_and_text_and_no_flood_is_kept() {
        let heard = Heard::default();
        assert!(heard.warning("d1", "low battery") && !heard.warning("d1", "low battery"));
        assert!(heard.warning("d2", "low battery") && heard.warning("d1", "reboot"));
        let told = (0..1000).filter(|n| heard.warning(&format!("x{n}"), "w")).count();
        assert_eq!((told, heard.warnings()), (MOST_TOLD - 3, 1004));
        let next = Heard::default();
        next.follow(&heard);
        assert_eq!(next.warnings(), 1004);
    }
}
