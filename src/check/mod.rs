//! Checks: one file per check; each judges one thing and knows nothing of the others.

pub mod cardinality;
pub mod finite;
pub mod range;
pub mod rate;
pub mod time;
