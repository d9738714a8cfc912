//! nadikota takes what street sensors publish over MQTT and makes it a time series people can trust.
//!
//! ```text
//!  devices ─▶ MQTT broker ─▶ source ─▶ journal ─▶ transform ─▶ batch ─▶ sink ─▶ InfluxDB
//!                  ▲            │         │           │                    │
//!                  └── PUBACK ◀─┘ synced ─┘           └─▶ quarantine       └─▶ cursor moves
//! ```
//!
//! Modules stand in the order of the house: each may use only those above it.

// Vocabulary: uses nothing of ours but vocabulary.
pub mod account;
pub mod backoff;
pub mod clock;
pub mod decimal;
pub mod escape;
pub mod finding;
pub mod hashing;
pub mod histogram;
pub mod logging;
pub mod message;
pub mod outcome;
pub mod point;
pub mod quality;
pub mod quantity;
pub mod reading;
pub mod secret;
pub mod settings;
pub mod stall;
pub mod status;
pub mod topic;
pub mod unit;

// Pure stages: no I/O, time is an argument.
pub mod capture;
pub mod catalogue;
pub mod check;
pub mod codec;
pub mod decode;
pub mod learn;
pub mod line_protocol;
pub mod registry;
pub mod transform;

// Storage: knows bytes.
pub mod journal;
pub mod quarantine;
pub mod snapshot;

// Edges.
pub mod batch;
pub mod embedded;
pub mod http;
pub mod live;
pub mod mqtt;
pub mod sink;
pub mod source;

// Wiring.
pub mod cli;
pub mod config;
pub mod delivery;
pub mod pipeline;
pub mod simulate;

#[cfg(test)]
mod testing;
