//! Calling: where a codec runs for one message, and for how long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Fault, FaultKind, Input, Limits, Output, Source, Threads, engines};

/// What a call may take of the thread that judges all messages; a usual codec needs a hundredth of it.
const BRIEF: Limits = Limits {
    max_steps: 40_000,
    max_memory: usize::MAX,
    max_output: usize::MAX,
    max_time: Duration::from_millis(5),
};

/// How codecs are called for one message.
#[derive(Debug)]
pub enum Calling<'c> {
    /// On this thread, to the end.
    Here,
    /// On this thread, unless it takes long or is of a codec that has a thread of its own: then it is left for later.
    Briefly { threads: &'c Threads, later: Option<Box<Call>> },
    /// It was called already.
    Answered { call: &'c Call, answer: &'c Result<Output, Fault> },
}

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

impl Calling<'_> {
    /// The answer; of no meaning where the call was left for later.
    pub(super) fn call(
        &mut self,
        source: &Arc<Source>,
        input: &Input<'_>,
        limits: &Limits,
    ) -> Result<Output, Fault> {
        match self {
            Self::Answered { call, answer } if call.is(source, input) => (*answer).clone(),
            Self::Here | Self::Answered { .. } => engines::call(source, input, limits),
            Self::Briefly { threads, later } => {
                if !threads.has(&source.name)
                    && let Some(answer) = briefly(source, input, limits)
                {
                    return answer;
                }
                later.get_or_insert_with(|| Box::new(Call::new(source, input, limits)));
                Err(Fault::thrown("it has not answered yet"))
            }
        }
    }

    pub const fn is_for_later(&self) -> bool {
        matches!(self, Self::Briefly { later: Some(_), .. })
    }

    /// The call that was left for later.
    pub fn into_later(self) -> Option<Box<Call>> {
        match self {
            Self::Briefly { later, .. } => later,
            Self::Here | Self::Answered { .. } => None,
        }
    }
}

/// The answer of a codec that does not take long.
fn briefly(source: &Arc<Source>, input: &Input<'_>, limits: &Limits) -> Option<Result<Output, Fault>> {
    let brief = limits.within(&BRIEF);
    engines::warm(source, limits);
    let begin = Instant::now();
    let answer = engines::call_within(source, input, limits, &brief);
    let stopped = matches!(&answer, Err(fault) if matches!(fault.kind, FaultKind::Steps | FaultKind::Time));
    let long = stopped && brief != *limits || begin.elapsed() >= BRIEF.max_time;
    (!long).then_some(answer)
}

impl Limits {
    fn within(&self, other: &Self) -> Self {
        Self {
            max_steps: self.max_steps.min(other.max_steps),
            max_memory: self.max_memory.min(other.max_memory),
            max_output: self.max_output.min(other.max_output),
            max_time: self.max_time.min(other.max_time),
        }
    }
}

impl Call {
    fn new(source: &Arc<Source>, input: &Input<'_>, limits: &Limits) -> Self {
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

    /// Whether it took longer than a call may that others wait for.
    pub(super) fn is_long(took: Duration) -> bool {
        took >= BRIEF.max_time
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

    fn is(&self, source: &Arc<Source>, input: &Input<'_>) -> bool {
        Arc::ptr_eq(&self.source, source) && self.input() == *input
    }
}
