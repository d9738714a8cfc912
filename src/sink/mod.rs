//! Sinks: where points are stored, InfluxDB or the embedded store; each gives every line a verdict.

mod config;
pub mod influxdb;

use std::sync::atomic::Ordering;

use tokio_util::sync::CancellationToken;

use crate::batch::Batch;
use crate::outcome::Rejection;
use crate::status::Part;

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

/// Why a destination's database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    #[error("the HTTP client cannot be built: {0}")]
    Client(String),
}

/// A destination's database.
#[derive(Debug)]
pub enum Sink {
    Influx(influxdb::Writer),
}

impl Sink {
    /// Builds it; does not connect.
    pub fn open(destination: &Destination, part: Part) -> Result<Self, SinkError> {
        match &destination.kind {
            Kind::Influx(influx) => influxdb::Writer::new(influx, part)
                .map(Self::Influx)
                .map_err(|error| SinkError::Client(error.to_string())),
        }
    }

    /// Numbers for metrics: name, meaning, value.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus has floats only")]
    pub fn numbers(&self) -> Vec<(&'static str, &'static str, f64)> {
        match self {
            Self::Influx(writer) => vec![
                (
                    "sink_requests",
                    "Requests sent to the database",
                    writer.requests.load(Ordering::Relaxed) as f64,
                ),
                (
                    "sink_retries",
                    "Requests that must be sent again",
                    writer.retries.load(Ordering::Relaxed) as f64,
                ),
            ],
        }
    }

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
