//! Engines: those of the calling thread, one for each codec that it has run, let go with their codec.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

use super::engine::{Ended, Engine};
use super::{Fault, FaultKind, Input, Limits, Output, Source};

/// Engines that one thread keeps; a thread that runs more codecs makes all anew.
const MOST_KEPT: usize = 64;

thread_local! {
    // An engine cannot leave its thread, and making one takes as long as some hundred uplinks.
    static KEPT: RefCell<HashMap<*const Source, Kept>> = RefCell::default();
}

struct Kept {
    /// Keeps the address its own, not the codec alive.
    source: Weak<Source>,
    engine: Engine,
}

pub(super) fn call(source: &Arc<Source>, input: &Input<'_>, limits: &Limits) -> Result<Output, Fault> {
    call_within(source, input, limits, limits)
}

/// The same with tighter limits for the call than for an engine that must be made for it.
pub(super) fn call_within(
    source: &Arc<Source>,
    input: &Input<'_>,
    limits: &Limits,
    tighter: &Limits,
) -> Result<Output, Fault> {
    if let Some(kept) = take(source) {
        let Ended { result, reusable, unsure } = kept.engine.call(input, tighter);
        if reusable {
            keep(source, kept);
        }
        match result {
            // What went before counts in the used engine: only a new one says what the limits say everywhere.
            Err(fault) if matches!(fault.kind, FaultKind::Memory | FaultKind::Stack) => {}
            // Whoever gives a call up makes it again anyway.
            result if !unsure || tighter.max_steps < limits.max_steps => return result,
            _ => {}
        }
    }
    let engine = Engine::new(source, limits)?;
    let Ended { result, reusable, .. } = engine.call(input, tighter);
    if reusable && !source.changes_built_ins {
        make_room();
        keep(source, Kept { source: Arc::downgrade(source), engine });
    }
    result
}

/// Makes the engine that the next call on this thread takes, if there is none; what is wrong with it the call tells.
pub(super) fn warm(source: &Arc<Source>, limits: &Limits) {
    let there = KEPT.try_with(|kept| kept.borrow().contains_key(&Arc::as_ptr(source))).unwrap_or(true);
    if source.changes_built_ins || there {
        return;
    }
    if let Ok(engine) = Engine::new(source, limits) {
        make_room();
        keep(source, Kept { source: Arc::downgrade(source), engine });
    }
}

/// Nothing is kept, and nothing taken, on a thread that is ending.
fn take(source: &Arc<Source>) -> Option<Kept> {
    KEPT.try_with(|kept| kept.borrow_mut().remove(&Arc::as_ptr(source))).ok().flatten()
}

fn keep(source: &Arc<Source>, kept: Kept) {
    let _ = KEPT.try_with(|all| all.borrow_mut().insert(Arc::as_ptr(source), kept));
}

fn make_room() {
    let _ = KEPT.try_with(|kept| {
        let mut kept = kept.borrow_mut();
        kept.retain(|_, kept| kept.source.strong_count() > 0);
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
    });
}

#[cfg(test)]
pub(super) fn kept() -> usize {
    KEPT.with(|kept| kept.borrow().len())
}
