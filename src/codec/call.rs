//! A call of a codec with all that it needs, so that another thread can make it.

use std::sync::Arc;
use std::time::Duration;

use super::{Fault, Input, Limits, Output, Source, engines};

/// What takes longer is long: nobody else is to wait for it.
pub(super) const LONG: Duration = Duration::from_millis(5);

/// A codec's call, to be made on another thread. The answer follows from it alone.
#[derive(Debug)]
pub struct Call {
    source: Arc<Source>,
    bytes: Vec<u8>,
    port: u16,
    received_ms: f64,
    variables: String,
    limits: Limits,
}

impl Call {
    pub(super) fn new(source: &Arc<Source>, input: &Input<'_>, limits: &Limits) -> Self {
        Self {
            source: Arc::clone(source),
            bytes: input.bytes.to_vec(),
            port: input.port,
            received_ms: input.received_ms,
            variables: input.variables.to_owned(),
            limits: *limits,
        }
    }

    pub(super) fn codec(&self) -> &Arc<str> {
        &self.source.name
    }

    pub(super) const fn max_time(&self) -> Duration {
        self.limits.max_time
    }

    pub(super) fn make(&self) -> Result<Output, Fault> {
        engines::call(&self.source, &self.input(), &self.limits)
    }

    fn input(&self) -> Input<'_> {
        Input {
            bytes: &self.bytes,
            port: self.port,
            received_ms: self.received_ms,
            variables: &self.variables,
        }
    }

    pub(super) fn is(&self, source: &Arc<Source>, input: &Input<'_>) -> bool {
        Arc::ptr_eq(&self.source, source) && self.input() == *input
    }
}
