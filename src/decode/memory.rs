//! Memory: what decoders know from earlier messages. It follows from the messages alone and lies in the snapshots.

use serde::{Deserialize, Serialize};

use super::sparkplug_b::Births;

/// Of one destination's messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    pub(super) births: Births,
}

impl Memory {
    /// Roughly how many things a copy of it copies.
    pub const fn size(&self) -> usize {
        self.births.size()
    }

    /// Another number after each message that changed more than a count.
    pub const fn changes(&self) -> u64 {
        self.births.changes()
    }
}
