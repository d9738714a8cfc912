//! The embedded store: SQLite in the data directory, for a demo, a trial, or one small site.
//!
//! A point written twice is written once, and fields told apart for one series and time become one point, as InfluxDB
//! has it. A batch that was told as stored is on the disk. The journal stands behind it: a write that is cut off is
//! made again.

mod file;
mod packed;
mod pages;
mod parse;
mod read;
mod write;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{LineVerdict, Meter, Stopped};
use crate::backoff::Backoff;
use crate::batch::Batch;
use crate::clock::Clock;
use crate::status::Part;
use write::Writer;

pub use file::{FILE, StoreError};
pub use pages::Pages;
pub use parse::{pairs, parts, point, series, unescape};
pub use read::{Reader, Row, Value};

/// Writes to the store; one batch at a time.
#[derive(Debug)]
pub struct Store {
    writer: Arc<Mutex<Writer>>,
    part: Part,
    pub meter: Meter,
}

impl Store {
    /// Opens or makes the store in the data directory. `retention`: older points go.
    pub fn open(
        dir: &Path,
        retention: Option<Duration>,
        clock: Clock,
        part: Part,
    ) -> Result<Self, StoreError> {
        let writer = Writer::open(dir, retention, clock)?;
        part.ok();
        Ok(Self { writer: Arc::new(Mutex::new(writer)), part, meter: Meter::new() })
    }

    /// Returns when every line is stored or refused; tries until the disk takes it, or until stopped.
    pub async fn deliver(
        &self,
        batch: &Batch,
        stop: &CancellationToken,
    ) -> Result<Vec<LineVerdict>, Stopped> {
        let batch = Arc::new(batch.clone());
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
        loop {
            let (writer, lines) = (Arc::clone(&self.writer), Arc::clone(&batch));
            let started = Instant::now();
            self.meter.sent();
            let written = tokio::task::spawn_blocking(move || {
                let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                writer.write(&lines).map_err(|error| error.to_string())
            });
            let why = match written.await {
                Ok(Ok(verdicts)) => {
                    self.part.ok();
                    self.meter.answered(started.elapsed());
                    return Ok(verdicts);
                }
                Ok(Err(why)) => why,
                Err(error) => error.to_string(),
            };
            self.meter.failed();
            tracing::warn!(why, "the embedded store cannot be written; points are kept");
            self.part.degraded(
                format!("the embedded store cannot be written: {why}"),
                "free disk space, or end the program that locks the store; it tries again by itself",
            );
            tokio::select! {
                () = stop.cancelled() => return Err(Stopped),
                () = tokio::time::sleep(backoff.next_wait()) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
