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

    /// Whether the last message showed that births of its Sparkplug node are missing. Asked once.
    pub const fn take_births_wanted(&mut self) -> bool {
        self.births.take_wanted()
    }

    /// Another number after each message that changed more than a count.
    pub const fn changes(&self) -> u64 {
        self.births.changes()
    }
}
