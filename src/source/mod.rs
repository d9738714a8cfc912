//! What the source knows without the journal: which arriving message the broker has sent before.

pub mod redelivery;
