//! Loads: lines of points beside the live flow, in batches by destination and bucket, written one after another.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::batch::{self, Batch};
use crate::line_protocol;
use crate::point::Point;
use crate::sink::{LineVerdict, Sink};

/// Batches in the order they were begun.
#[derive(Debug, Default)]
pub(super) struct Loads {
    all: Vec<Load>,
    /// Of the lines.
    pub(super) bytes: usize,
}

#[derive(Debug)]
struct Load {
    destination: String,
    bucket: Option<Arc<str>>,
    batch: Batch,
    /// Which message each line came from.
    of: Vec<usize>,
}

impl Loads {
    /// Adds the point as a line; how many lines that made.
    pub(super) fn line(
        &mut self,
        destination: &str,
        bucket: Option<Arc<str>>,
        point: &Point,
        of: usize,
        config: batch::Config,
    ) -> u64 {
        let open = self.all.iter().rposition(|load| {
            load.destination == destination
                && load.bucket == bucket
                && load.batch.len() < config.max_points
                && load.batch.text.len() < config.max_bytes
        });
        let index = open.unwrap_or(self.all.len());
        if open.is_none() {
            let (destination, batch) = (destination.to_owned(), Batch::default());
            self.all.push(Load { destination, bucket, batch, of: Vec::new() });
        }
        let Some(load) = self.all.get_mut(index) else { return 0 };
        let mut line = Vec::new();
        let Some(series) = line_protocol::write_line(point, &mut line) else { return 0 };
        load.batch.push(&line, crc32fast::hash(line.get(..series).unwrap_or_default()));
        load.of.push(of);
        self.bytes = self.bytes.saturating_add(line.len());
        1
    }

    /// Writes all; `enter` gets each line's verdict with the message it came from. False when stopped first.
    pub(super) async fn deliver(
        &self,
        sinks: &BTreeMap<String, Arc<Sink>>,
        mut enter: impl FnMut(usize, LineVerdict),
        stop: &CancellationToken,
    ) -> bool {
        for load in &self.all {
            let Some(sink) = sinks.get(&load.destination) else { continue };
            let Ok(verdicts) = sink.deliver(&load.batch, load.bucket.as_deref(), stop).await else {
                return false;
            };
            load.of.iter().zip(verdicts).for_each(|(of, verdict)| enter(*of, verdict));
        }
        true
    }
}
