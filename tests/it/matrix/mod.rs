//! The fault matrix: real servers, one load, one oracle; each row is a fault that strikes, is seen to bite, and heals.
//!
//! Every row runs alone over MQTT 5 and 3.1.1, and three at random together. What decides is [`judge`]: the
//! publisher's log of PUBACKs, and a tap on the link between broker and service, against everything in the database,
//! the quarantine and the account.
#![allow(dead_code, unused_imports, reason = "tests and soak each use their own part")]

mod broker;
mod database;
mod disk;
mod gate;
mod inside;
mod judge;
mod link;
mod load;
mod play;
mod service;
mod together;
mod wire;
mod world;

pub use broker::{KILLED, TWIN};
pub use database::{AWAY, HALF, HANGS, RESETS, SLOW, STORM, UNAUTHORISED, UNKNOWN};
pub use gate::Mode;
pub use link::{CUT, CUT_DOWN, CUT_UP, HALF_OPEN, STALLED};
pub use play::{Row, together};
pub use together::{BESIDE, INSIDE, ROWS, choose};
pub use world::{Setup, World};
