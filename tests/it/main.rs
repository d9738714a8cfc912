//! The one integration binary: real servers, the real program, and the rules of the house.

#![allow(unreachable_pub, reason = "a test binary exports nothing; `pub` marks what the harness offers")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise; clippy's exemption covers only functions marked as tests"
)]

mod as_sent;
mod codecs;
mod compose;
mod control;
mod demo;
mod errors;
mod expiry;
mod extremes;
mod faults;
mod flags;
mod formats;
mod full_journal;
mod grafana;
mod house;
mod inspect;
mod interop;
mod journal_damage;
mod learning;
mod line_protocol;
mod logs;
mod main_job;
mod matrix;
mod mosquitto_shipped;
mod narrow_window;
mod onboarding;
mod operations;
mod outlook;
mod page;
mod poison;
mod quarantine;
mod reliability;
mod reload;
mod reprocess;
mod second_opinion;
mod sessions;
mod simulate;
mod smoke;
mod sources;
mod sparkplug;
mod stalls;
mod support;
mod transport;
mod traps;
mod unreachable;
mod versions;
mod ways_out;
