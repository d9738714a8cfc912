//! Workers: threads of their own on which codecs run, each handing back one answer in time or being left behind.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::engine::{Ended, Engine};
use super::{Fault, FaultKind, Input, Limits, Output, Source};

/// The engine asks the clock now and then only; a thread that is this much later than its limit is stuck in a
/// built-in operation that asks nobody.
const PATIENCE: u32 = 10;
/// Threads that one codec may leave behind before it is switched off.
const MOST_STUCK: usize = 2;
/// More than the script may use, for the engine's own frames.
const THREAD_STACK: usize = 2 * 1024 * 1024;

/// Idle workers; there are never more than callers at one time.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Vec<Worker>>);

#[derive(Debug)]
struct Worker {
    jobs: SyncSender<Job>,
    answers: Receiver<Result<Output, Fault>>,
}

struct Job {
    source: Arc<Source>,
    bytes: Vec<u8>,
    port: u16,
    received_ms: f64,
    variables: Arc<str>,
    limits: Limits,
    ticket: Arc<Ticket>,
}

/// Whoever is second of the two, worker and caller, knows that the other has gone.
#[derive(Debug, Default)]
struct Ticket {
    closed: AtomicBool,
}

impl Pool {
    pub(super) fn call(
        &self,
        source: &Arc<Source>,
        input: &Input<'_>,
        limits: &Limits,
    ) -> Result<Output, Fault> {
        if source.stuck.load(Ordering::Acquire) >= MOST_STUCK {
            let text = format!("switched off: it hung {MOST_STUCK} times, and its threads are still at it");
            return Err(Fault { kind: FaultKind::Time, text, errors: Vec::new() });
        }
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let worker = idle.map_or_else(Worker::new, Ok)?;
        let ticket = Arc::new(Ticket::default());
        let job = Job {
            source: Arc::clone(source),
            bytes: input.bytes.to_vec(),
            port: input.port,
            received_ms: input.received_ms,
            variables: input.variables.into(),
            limits: *limits,
            ticket: Arc::clone(&ticket),
        };
        let gone = || Fault::thrown("its thread ended");
        worker.jobs.send(job).map_err(|_| gone())?;
        let patience = limits.max_time.saturating_mul(PATIENCE).max(Duration::from_secs(1));
        let answer = match worker.answers.recv_timeout(patience) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) if !ticket.closed.swap(true, Ordering::AcqRel) => {
                source.stuck.fetch_add(1, Ordering::AcqRel);
                return Err(Fault::of(FaultKind::Time));
            }
            // The answer came in the last moment.
            Err(RecvTimeoutError::Timeout) => worker.answers.recv().map_err(|_| gone())?,
            Err(RecvTimeoutError::Disconnected) => return Err(gone()),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
        answer
    }
}

impl Worker {
    fn new() -> Result<Self, Fault> {
        let ((jobs, todo), (done, answers)) = (sync_channel::<Job>(1), sync_channel(1));
        let work = move || {
            let mut engines = HashMap::new();
            // Ends when the caller drops its side.
            while let Ok(job) = todo.recv() {
                let answer = run(&mut engines, &job);
                if job.ticket.closed.swap(true, Ordering::AcqRel) {
                    job.source.stuck.fetch_sub(1, Ordering::AcqRel);
                    return;
                }
                if done.send(answer).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("codec".to_owned()).stack_size(THREAD_STACK);
        let started = thread.spawn(work);
        started.map_err(|error| Fault::thrown(format!("no thread could be started: {error}")))?;
        Ok(Self { jobs, answers })
    }
}

fn run(engines: &mut HashMap<Arc<str>, Engine>, job: &Job) -> Result<Output, Fault> {
    let input =
        Input { bytes: &job.bytes, port: job.port, received_ms: job.received_ms, variables: &job.variables };
    let name = &job.source.name;
    if let Some(engine) = engines.get_mut(name) {
        let Ended { result, reusable } = engine.call(&input, &job.limits);
        if !reusable {
            engines.remove(name);
        }
        match result {
            // What went before counts in the used engine: only a new one says what the limits say everywhere.
            Err(fault) if matches!(fault.kind, FaultKind::Steps | FaultKind::Memory | FaultKind::Stack) => {}
            result => return result,
        }
    }
    engines.remove(name);
    let mut engine = Engine::new(&job.source, &job.limits)?;
    debug_assert!(engine.is_fresh() || job.source.changes_built_ins);
    let Ended { result, reusable } = engine.call(&input, &job.limits);
    if reusable && !job.source.changes_built_ins {
        engines.insert(Arc::clone(name), engine);
    }
    result
}
