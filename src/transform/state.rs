//! State: what the stages remember between messages. It follows from the messages alone, so a replay makes it again.

use serde::{Deserialize, Serialize};

use crate::check::cardinality::Names;
use crate::check::rate::Last;
use crate::decode::Memory;

/// Of one destination's messages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    pub(super) names: Names,
    pub(super) last: Last,
    pub(super) decoders: Memory,
}

impl State {
    /// For messages of the past: the names admitted and told so far, and no values, which would lie in their future.
    #[must_use]
    pub fn names_only(&self) -> Self {
        Self { names: self.names.clone(), last: Last::default(), decoders: self.decoders.clone() }
    }

    /// Another number after each message that told what later ones are read by.
    pub const fn told(&self) -> u64 {
        self.decoders.changes()
    }

    /// Whether the last message showed that births of its Sparkplug node are missing. Asked once.
    pub const fn take_births_wanted(&mut self) -> bool {
        self.decoders.take_births_wanted()
    }

    /// How many unregistered devices are stored.
    pub fn unregistered_devices(&self) -> usize {
        self.names.unregistered_devices()
    }

    /// Roughly how many things a copy of it copies.
    pub fn size(&self) -> usize {
        self.names
            .unregistered_devices()
            .saturating_add(self.last.devices())
            .saturating_add(self.decoders.size())
    }
}
