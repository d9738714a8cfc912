//! State: what the stages remember between messages. It follows from the messages alone, so a replay makes it again.

use serde::{Deserialize, Serialize};

use crate::check::cardinality::Names;
use crate::check::rate::Last;

/// Of one destination's messages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    pub(super) names: Names,
    pub(super) last: Last,
}

impl State {
    /// For messages of the past: the names admitted so far, and no values, which would lie in their future.
    #[must_use]
    pub fn names_only(&self) -> Self {
        Self { names: self.names.clone(), last: Last::default() }
    }

    /// How many unregistered devices are stored.
    pub fn unregistered_devices(&self) -> usize {
        self.names.unregistered_devices()
    }

    /// Roughly how many things a copy of it copies.
    pub fn size(&self) -> usize {
        self.names.unregistered_devices().saturating_add(self.last.devices())
    }
}
