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
pub mod backoff;
pub mod clock;
pub mod message;
pub mod outcome;
pub mod point;
pub mod quality;
pub mod secret;
pub mod settings;
pub mod status;

// Edges.
pub mod mqtt;
pub mod source;
