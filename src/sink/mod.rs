//! Sinks: where points are stored, InfluxDB or the embedded store; each gives every line a verdict.

mod config;
pub mod embedded;
pub mod influxdb;
mod meter;
mod template;

use std::path::Path;

use tokio_util::sync::CancellationToken;

use crate::batch::Batch;
use crate::clock::Clock;
use crate::outcome::Rejection;
use crate::status::Part;

pub use config::{Destination, Influx, Kind, Login, Place};
pub use meter::Meter;
pub use template::{NoName, Template};

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
    #[error(transparent)]
    Store(#[from] embedded::StoreError),
}

/// A destination's database.
#[derive(Debug)]
pub enum Sink {
    Influx(Box<influxdb::Writer>),
    Embedded(embedded::Store),
}

impl Sink {
    /// Builds it; does not connect. `dir` is the data directory.
    pub fn open(destination: &Destination, dir: &Path, clock: Clock, part: Part) -> Result<Self, SinkError> {
        match &destination.kind {
            Kind::Influx(influx) => influxdb::Writer::new(influx, part)
                .map(|writer| Self::Influx(Box::new(writer)))
                .map_err(|error| SinkError::Client(error.to_string())),
            Kind::Embedded { retention } => {
                Ok(Self::Embedded(embedded::Store::open(dir, *retention, clock, part)?))
            }
        }
    }

    /// What is counted of its writes.
    pub const fn meter(&self) -> &Meter {
        match self {
            Self::Embedded(store) => &store.meter,
            Self::Influx(writer) => &writer.meter,
        }
    }

    /// How the bucket follows from a point's tags; nothing where all points go to one place.
    pub fn buckets(&self) -> Option<&Template> {
        match self {
            Self::Influx(writer) => Some(writer.template()).filter(|template| !template.is_fixed()),
            Self::Embedded(_) => None,
        }
    }

    /// Returns when every line has its verdict; tries for as long as it takes, or until stopped. `bucket` is the
    /// name where it follows from tags.
    pub async fn deliver(
        &self,
        batch: &Batch,
        bucket: Option<&str>,
        stop: &CancellationToken,
    ) -> Result<Vec<LineVerdict>, Stopped> {
        let points = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        self.meter().batches.observe(f64::from(points));
        match self {
            Self::Influx(writer) => writer.deliver(batch, bucket, stop).await,
            Self::Embedded(store) => store.deliver(batch, stop).await,
        }
    }
}
