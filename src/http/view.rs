//! The view: everything HTTP can tell, gathered at the moment it is asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::account::Account;
use crate::histogram::Reading;
use crate::live::Live;
use crate::message::Record;
use crate::outcome::{Moved, Outcomes};
use crate::status::Board;
use crate::transform::Explanation;

/// Filled by the pipeline. `take` must be quick and must not block: it runs for each scrape.
#[derive(Clone)]
pub struct View {
    pub board: Board,
    pub live: Live,
    take: Arc<dyn Fn() -> Snapshot + Send + Sync>,
    explain: Arc<dyn Fn(&Record) -> Explanation + Send + Sync>,
}

impl View {
    /// `explain` tells what would become of a message, by the transform that is in use.
    pub fn new(
        board: Board,
        live: Live,
        take: impl Fn() -> Snapshot + Send + Sync + 'static,
        explain: impl Fn(&Record) -> Explanation + Send + Sync + 'static,
    ) -> Self {
        Self { board, live, take: Arc::new(take), explain: Arc::new(explain) }
    }

    pub fn snapshot(&self) -> Snapshot {
        (self.take)()
    }

    pub fn explain(&self, record: &Record) -> Explanation {
        (self.explain)(record)
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("board", &self.board).finish_non_exhaustive()
    }
}

/// The numbers of one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    pub account: Account,
    /// How long the oldest message without an outcome has waited; nothing where none waits.
    pub oldest_unsettled: Option<Duration>,
    pub destinations: BTreeMap<String, Destination>,
    pub journal: Journal,
    /// What single rooms count beside the account: journal bytes, retries, reconnects.
    pub numbers: Vec<Number>,
}

/// How full the journal is, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Journal {
    pub size: u64,
    /// Since the start, whatever was removed.
    pub written: u64,
    /// Until it takes nothing any more.
    pub left: u64,
}

/// One destination's progress.
#[derive(Debug, Clone, Default)]
pub struct Destination {
    /// The next sequence number it will settle.
    pub position: u64,
    /// As messages were first settled.
    pub outcomes: Outcomes,
    /// What has moved since.
    pub moved: Moved,
}

/// One number for Prometheus.
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    /// Without the prefix `nadikota_` and without `_total`, with its unit: `journal_size_bytes`.
    pub name: &'static str,
    pub help: &'static str,
    pub labels: Vec<(&'static str, String)>,
    pub value: Value,
}

/// What is told, by its type.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Only grows.
    Counter(f64),
    Gauge(f64),
    Histogram(Reading),
}

impl Number {
    pub const fn counter(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, help, labels: Vec::new(), value: Value::Counter(value) }
    }

    pub const fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, help, labels: Vec::new(), value: Value::Gauge(value) }
    }

    pub const fn histogram(name: &'static str, help: &'static str, reading: Reading) -> Self {
        Self { name, help, labels: Vec::new(), value: Value::Histogram(reading) }
    }

    #[must_use]
    pub fn label(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((key, value.into()));
        self
    }
}
