//! Sinks: where points are stored, InfluxDB or the embedded store; each gives every line a verdict.

mod config;
pub mod influxdb;

use tokio_util::sync::CancellationToken;

use crate::batch::Batch;
use crate::outcome::Rejection;

pub use config::{Destination, Influx, Kind, Login, Place};

/// What a database said of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineVerdict {
    Stored,
    Refused(Rejection),
}

/// The delivery was stopped before every line had its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stopped before every line had its verdict")]
pub struct Stopped;

/// A destination's database.
#[derive(Debug)]
pub enum Sink {
    Influx(influxdb::Writer),
}

impl Sink {
    /// Returns when every line has its verdict; tries for as long as it takes, or until stopped.
    pub async fn deliver(
        &self,
        batch: &Batch,
        stop: &CancellationToken,
    ) -> Result<Vec<LineVerdict>, Stopped> {
        match self {
            Self::Influx(writer) => writer.deliver(batch, stop).await,
        }
    }
}
