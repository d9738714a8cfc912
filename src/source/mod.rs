//! What the source knows without the journal: its configuration, and which message the broker sent before.

mod config;
pub mod redelivery;

pub use config::Config;
