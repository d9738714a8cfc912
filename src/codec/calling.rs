//! Calling: where a codec runs for one message, and for how long.

use std::sync::Arc;
use std::time::Instant;

use super::call::{Call, LONG};
use super::{Fault, FaultKind, Input, Limits, Output, Source, Threads, engines};

/// What a call may take of the thread that judges all messages; a usual codec needs a hundredth of it.
const BRIEF: Limits =
    Limits { max_steps: 40_000, max_memory: usize::MAX, max_output: usize::MAX, max_time: LONG };

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
