//! Engine: one QuickJS runtime with one codec in it, on the thread that made it.
//!
//! A codec is compiled once, as the body of a function, and that function runs anew for every uplink: all that the
//! script declares at its top level lives for one call. What it writes into the global object is taken out again, and
//! everything else that can be reached is frozen. A codec that extends built-ins while it loads gets a context of its
//! own for every uplink instead.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use rquickjs::context::intrinsic;
use rquickjs::function::Args;
use rquickjs::object::Filter;
use rquickjs::{CatchResultExt as _, CaughtError, Context, Ctx, Function, Object, Persistent, Runtime};
use rustix::time::{ClockId, clock_gettime};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Fault, FaultKind, Input, Limits, Output, Source};

const PRELUDE: &str = include_str!("prelude.js");
const BUFFER: &str = include_str!("buffer.js");
const LENGTHS: &str = include_str!("lengths.js");
/// Elements that a built-in loop may run over: no uplink has more.
const MOST_LENGTH: u32 = 100_000;
/// Promises' jobs after one call.
const MOST_JOBS: usize = 10_000;
const NULL: &str = "it threw null, as the engine does when codec.max_memory is used up";
/// Steps between two questions of the engine whether to go on.
const STEPS_PER_QUESTION: u64 = 10_000;
/// What the script may use of the thread's stack.
const STACK: usize = 256 * 1024;

/// Everything but clocks and weak references, which would tell one run from another.
type Intrinsics = (
    intrinsic::Date,
    intrinsic::Eval,
    intrinsic::RegExpCompiler,
    intrinsic::RegExp,
    intrinsic::Json,
    intrinsic::Proxy,
    intrinsic::MapSet,
    intrinsic::TypedArrays,
    intrinsic::Promise,
);

type Kept<T> = Persistent<T>;

/// One codec ready to run.
pub(super) struct Engine {
    // In the order they must go: what lives in the context before the context.
    functions: Functions,
    context: Context,
    runtime: Runtime,
    guard: Rc<Guard>,
    /// An uplink went before, so the engine's own count of steps does not begin where it does in a new one.
    used: Cell<bool>,
    /// Of the global object, before any uplink. They can neither go nor change, so as many are the same ones.
    keys: usize,
}

struct Functions {
    run: Kept<Function<'static>>,
    settle: Kept<Function<'static>>,
    close: Kept<Function<'static>>,
    sweep: Kept<Function<'static>>,
    make: Kept<Function<'static>>,
}

/// What the interrupt handler looks at.
#[derive(Default)]
struct Guard {
    questions_left: Cell<u64>,
    max_time: Cell<Duration>,
    /// In this thread's own time, counted from the first question on.
    deadline: Cell<Option<Duration>>,
    stopped: Cell<Option<FaultKind>>,
}

/// How a call ended, and whether the engine may be used again.
pub(super) struct Ended {
    pub(super) result: Result<Output, Fault>,
    pub(super) reusable: bool,
    /// So near to the limit of steps that a new engine may end it otherwise.
    pub(super) unsure: bool,
}

/// What the prelude's driver tells.
#[derive(Deserialize)]
struct Told {
    data: Option<Box<RawValue>>,
    normalized: Option<Box<RawValue>>,
    #[serde(default)]
    errors: Vec<String>,
    #[serde(default)]
    warnings: Vec<String>,
}

impl Engine {
    /// Evaluates the script once as it stands, to see that it is one, that it has an entry point, and whether it
    /// changes built-ins.
    pub(super) fn inspect(name: &str, source: &str, limits: &Limits) -> Result<bool, Fault> {
        let (runtime, context, guard) = runtime(limits)?;
        guard.arm(limits);
        let looked = context.with(|ctx| {
            let inspected = || -> rquickjs::Result<(bool, bool)> {
                let driver = prelude(&ctx, name, limits)?;
                let call = |function: &str| driver.get::<_, Function<'_>>(function);
                let look: rquickjs::Value<'_> = call("look")?.call(())?;
                call("open")?.call::<_, ()>((0.0,))?;
                ctx.eval_with_options::<(), _>(source, options(name))?;
                let entries: rquickjs::Value<'_> = ctx.eval_with_options(ENTRIES, options("entries"))?;
                Ok((call("found")?.call((entries,))?, call("same")?.call((look,))?))
            };
            inspected().catch(&ctx).map_err(|error| guard.fault(&error))
        });
        drop((context, runtime));
        match looked? {
            (false, _) => Err(Fault::thrown("there is neither decodeUplink, nor Decoder, nor Decode")),
            (true, same) => Ok(!same),
        }
    }

    pub(super) fn new(source: &Source, limits: &Limits) -> Result<Self, Fault> {
        let (runtime, context, guard) = runtime(limits)?;
        // No uplink's fault: a busy machine may take its time.
        guard.arm(&limits.patient());
        let (functions, keys) = context.with(|ctx| {
            let made = || -> rquickjs::Result<(Functions, usize)> {
                let driver = prelude(&ctx, &source.name, limits)?;
                if !source.changes_built_ins {
                    driver.get::<_, Function<'_>>("freeze")?.call::<_, ()>(())?;
                }
                // On the script's first line, so that lines keep their numbers.
                let wrapped = format!("(function () {{{}\n;return {ENTRIES}\n}})", source.text);
                let make: Function<'_> = ctx.eval_with_options(wrapped, options(&source.name))?;
                let kept = |name: &str| -> rquickjs::Result<Kept<Function<'static>>> {
                    Ok(Persistent::save(&ctx, driver.get::<_, Function<'_>>(name)?))
                };
                let make = Persistent::save(&ctx, make);
                let (run, settle) = (kept("run")?, kept("settle")?);
                Ok((
                    Functions { run, settle, close: kept("close")?, sweep: kept("sweep")?, make },
                    global_keys(&ctx),
                ))
            };
            made().catch(&ctx).map_err(|error| guard.fault(&error))
        })?;
        Ok(Self { functions, context, runtime, guard, used: Cell::new(false), keys })
    }

    pub(super) fn call(&self, input: &Input<'_>, limits: &Limits) -> Ended {
        let used = self.used.replace(true);
        self.guard.arm(limits);
        if used {
            // One more than a new engine has: what it is stopped at, a new one is stopped at too.
            self.guard.questions_left.set(self.guard.questions_left.get().saturating_add(1));
        }
        let (guard, functions) = (&self.guard, &self.functions);
        let told = self.context.with(|ctx| {
            let told = || -> rquickjs::Result<String> {
                let run = functions.run.clone().restore(&ctx)?;
                let make = functions.make.clone().restore(&ctx)?;
                let mut arguments = Args::new(ctx.clone(), 5);
                arguments.push_arg(make)?;
                arguments.push_arg(input.bytes)?;
                arguments.push_arg(input.port)?;
                arguments.push_arg(input.received_ms)?;
                arguments.push_arg(input.variables)?;
                let told: String = run.call_arg(arguments)?;
                if !told.is_empty() {
                    return Ok(told);
                }
                let mut jobs = 0;
                while jobs < MOST_JOBS && guard.stopped.get().is_none() && ctx.execute_pending_job() {
                    jobs += 1;
                }
                functions.settle.clone().restore(&ctx)?.call(())
            };
            told().catch(&ctx).map_err(|error| guard.fault(&error))
        });
        let told =
            told.and_then(|told| self.guard.stopped.get().map_or(Ok(told), |kind| Err(Fault::of(kind))));
        let stopped = told.is_err();
        // The counts of two engines differ by one question at most.
        let unsure = used && self.guard.stopped.get().is_none() && self.guard.questions_left.get() <= 2;
        let result = told.and_then(|told| output(&told));
        let clean = !stopped && !self.runtime.is_job_pending() && self.clean();
        Ended { result, reusable: clean, unsure }
    }

    fn clean(&self) -> bool {
        self.context.with(|ctx| {
            let clean = || -> rquickjs::Result<bool> {
                let closed: bool = self.functions.close.clone().restore(&ctx)?.call(())?;
                if !closed || global_keys(&ctx) == self.keys {
                    return Ok(closed);
                }
                self.functions.sweep.clone().restore(&ctx)?.call(())
            };
            clean().catch(&ctx).unwrap_or(false)
        })
    }
}

fn global_keys(ctx: &Ctx<'_>) -> usize {
    ctx.globals().own_keys::<rquickjs::Atom<'_>>(Filter::new().string().symbol()).len()
}

fn output(told: &str) -> Result<Output, Fault> {
    let told: Told = serde_json::from_str(told)
        .map_err(|error| Fault::thrown(format!("its output is no sound JSON: {error}")))?;
    if !told.errors.is_empty() {
        let text = told.errors.join("; ");
        // The engine tells both by throwing; only the text says which it was.
        let kind = if text == "threw null" {
            // What the engine throws when there is no room for an error either.
            return Err(Fault { kind: FaultKind::Memory, text: NULL.to_owned(), errors: told.errors });
        } else if text.starts_with("InternalError: out of memory") {
            FaultKind::Memory
        } else if text.starts_with("RangeError: Maximum call stack") {
            FaultKind::Stack
        } else {
            FaultKind::Thrown
        };
        let text = if kind == FaultKind::Memory { Fault::of(kind).text } else { text };
        return Err(Fault { kind, text, errors: told.errors });
    }
    let data = told.data.ok_or_else(|| Fault::thrown("it returned no data"))?;
    let normalized = told.normalized.map(|normalized| normalized.get().to_owned());
    Ok(Output { data: data.get().to_owned(), normalized, warnings: told.warnings })
}

/// The entry points, wherever the script has them.
const ENTRIES: &str = "({decodeUplink: typeof decodeUplink === 'function' ? decodeUplink : undefined, \
                       Decoder: typeof Decoder === 'function' ? Decoder : undefined, \
                       Decode: typeof Decode === 'function' ? Decode : undefined, \
                       normalizeUplink: typeof normalizeUplink === 'function' ? normalizeUplink : undefined})";

fn runtime(limits: &Limits) -> Result<(Runtime, Context, Rc<Guard>), Fault> {
    let failed = |error: rquickjs::Error| Fault::thrown(format!("no context could be made: {error}"));
    let runtime = Runtime::new().map_err(failed)?;
    runtime.set_memory_limit(limits.max_memory);
    runtime.set_max_stack_size(STACK);
    let guard = Rc::new(Guard::default());
    let asked = Rc::clone(&guard);
    runtime.set_interrupt_handler(Some(Box::new(move || asked.must_stop())));
    let context = Context::custom::<Intrinsics>(&runtime).map_err(failed)?;
    Ok((runtime, context, guard))
}

/// Evaluates what codecs find before them; gives the driver.
fn prelude<'js>(ctx: &Ctx<'js>, name: &str, limits: &Limits) -> rquickjs::Result<Object<'js>> {
    let buffer: Function<'js> = ctx.eval_with_options(BUFFER, options("buffer.js"))?;
    buffer.call::<_, ()>(())?;
    let lengths: Function<'js> = ctx.eval_with_options(LENGTHS, options("lengths.js"))?;
    lengths.call::<_, ()>((MOST_LENGTH,))?;
    let make: Function<'js> = ctx.eval_with_options(PRELUDE, options("prelude.js"))?;
    let most = u32::try_from(limits.max_output).unwrap_or(u32::MAX);
    make.call((name, most))
}

fn options(name: &str) -> rquickjs::context::EvalOptions {
    let mut options = rquickjs::context::EvalOptions::default();
    options.strict = false;
    options.filename = Some(name.to_owned());
    options
}

/// How long this thread has run so far: what others of the machine take is not counted.
pub(super) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanoseconds.unwrap_or_default())
}

impl Guard {
    fn arm(&self, limits: &Limits) {
        self.questions_left.set(limits.max_steps.div_ceil(STEPS_PER_QUESTION));
        self.max_time.set(limits.max_time);
        self.deadline.set(None);
        self.stopped.set(None);
    }

    fn must_stop(&self) -> bool {
        let left = self.questions_left.get().saturating_sub(1);
        self.questions_left.set(left);
        let now = thread_time();
        let deadline = self.deadline.get().unwrap_or_else(|| now.saturating_add(self.max_time.get()));
        self.deadline.set(Some(deadline));
        let kind = if left == 0 {
            FaultKind::Steps
        } else if now > deadline {
            FaultKind::Time
        } else {
            return false;
        };
        self.stopped.set(Some(kind));
        true
    }

    fn fault(&self, error: &CaughtError<'_>) -> Fault {
        if let Some(kind) = self.stopped.get() {
            return Fault::of(kind);
        }
        let text = match error {
            CaughtError::Exception(exception) => {
                // An exception for want of memory may have no message of its own.
                let Some(message) = exception.message().filter(|message| !message.is_empty()) else {
                    return Fault::of(FaultKind::Memory);
                };
                if message.contains("out of memory") {
                    return Fault::of(FaultKind::Memory);
                }
                let place = exception.stack().and_then(|stack| {
                    let line = stack.lines().find(|line| line.contains(':'))?;
                    let number = line.trim_end_matches(')').rsplit(':').nth(1)?;
                    number.parse::<u32>().ok()
                });
                let place = place.map(|line| format!(" (line {line})")).unwrap_or_default();
                format!("{}{place}", message.chars().take(400).collect::<String>())
            }
            CaughtError::Value(value) if value.is_null() => return Fault::of(FaultKind::Memory),
            CaughtError::Value(_) => "threw something that is no error".to_owned(),
            CaughtError::Error(error) => error.to_string().chars().take(400).collect(),
        };
        Fault::thrown(text)
    }
}
