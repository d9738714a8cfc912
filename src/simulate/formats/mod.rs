//! How platforms write what a device told: one file for each.

pub(super) mod antares;
pub(super) mod chirpstack;
pub(super) mod things_stack;
