//! Codecs: vendors' JavaScript decoders of LoRaWAN uplinks, run as published (LoRa Alliance TS013 and its relatives).
//!
//! A script is evaluated as a plain, sloppy script in which `exports`, `module`, `Buffer` and `console` are there. Its
//! entry point is `decodeUplink(input)`, or one of its forerunners `Decoder(bytes, port)` and
//! `Decode(fPort, bytes, variables)`; what `normalizeUplink` makes of the result is preferred. There is no file, no
//! network, and no clock but `recvTime`, in UTC. Steps, memory, stack and output are limited the same on every machine;
//! a limit of time stands behind them. Nothing of one uplink is left for the next.

mod call;
mod calling;
mod compare;
mod engine;
mod engines;
#[cfg(test)]
mod tests;
mod threads;
pub mod vectors;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use self::call::Call;
pub use self::calling::Calling;
pub use self::threads::{Answer, Handed, Threads};

use crate::settings::{Section, Size, Span};

/// The longest script: published ones have 70 kB.
const MAX_SCRIPT: usize = 1024 * 1024;

/// What a codec may use for one uplink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Jumps and calls, so that a bare loop takes two for each round; counted, so the same everywhere.
    pub max_steps: u64,
    /// Bytes, with the engine's own.
    pub max_memory: usize,
    /// Characters of the output as JSON.
    pub max_output: usize,
    /// Behind the others: what takes longer is stopped.
    pub max_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_steps: 2_000_000,
            max_memory: 16 * 1024 * 1024,
            max_output: 64 * 1024,
            max_time: Duration::from_millis(100),
        }
    }
}

impl Limits {
    /// For what costs no message, on a machine that may be busy.
    fn patient(self) -> Self {
        Self { max_time: self.max_time.saturating_mul(20), ..self }
    }

    pub fn read(section: &mut Section) -> Self {
        let default = Self::default();
        let size = |size: usize| Size(u64::try_from(size).unwrap_or(u64::MAX));
        let bytes = |size: Size| usize::try_from(size.0).unwrap_or(usize::MAX);
        let limits = Self {
            max_steps: section.get("max_steps", default.max_steps),
            max_memory: bytes(section.get("max_memory", size(default.max_memory))),
            max_output: bytes(section.get("max_output", size(default.max_output))),
            max_time: section.get("max_time", Span(default.max_time)).0,
        };
        if limits.max_memory < 2 * 1024 * 1024 {
            section.problem("max_memory", "must be at least \"2 MiB\": the engine itself needs some");
        }
        if limits.max_steps == 0 || limits.max_time.is_zero() {
            section.problem("max_steps", "max_steps and max_time must be more than nothing");
        }
        limits
    }
}

/// One uplink as a codec sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Input<'i> {
    pub bytes: &'i [u8],
    pub port: u16,
    /// When the network received it, Unix time in milliseconds.
    pub received_ms: f64,
    /// Settings of the device as a JSON object of texts; may be empty.
    pub variables: &'i str,
}

/// What a codec made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// JSON.
    pub data: String,
    /// JSON; what `normalizeUplink` made of it.
    pub normalized: Option<String>,
    pub warnings: Vec<String>,
}

/// Why a codec gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    pub text: String,
    /// As the codec told them.
    pub errors: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// It threw, or told errors, or returned what it should not.
    Thrown,
    Steps,
    Memory,
    Stack,
    Time,
}

impl Fault {
    fn thrown(text: impl Into<String>) -> Self {
        Self { kind: FaultKind::Thrown, text: text.into(), errors: Vec::new() }
    }

    fn of(kind: FaultKind) -> Self {
        let text = match kind {
            FaultKind::Thrown => "it threw",
            FaultKind::Steps => "it ran for more steps than codec.max_steps",
            FaultKind::Memory => "it needed more memory than codec.max_memory",
            FaultKind::Stack => "it called itself too deep",
            FaultKind::Time => "it ran for longer than codec.max_time",
        };
        Self { kind, text: text.to_owned(), errors: Vec::new() }
    }
}

/// A script that can run.
#[derive(Debug)]
struct Source {
    name: Arc<str>,
    text: String,
    /// It adds to `String.prototype` and the like: such a context serves one uplink only.
    changes_built_ins: bool,
}

/// All codecs by the names of their files.
#[derive(Debug, Default)]
pub struct Codecs {
    sources: BTreeMap<String, Arc<Source>>,
    limits: Limits,
    calls: AtomicU64,
}

impl Codecs {
    pub fn new(limits: Limits) -> Self {
        Self { sources: BTreeMap::new(), limits, calls: AtomicU64::new(0) }
    }

    /// Takes a script; tells what is wrong with it. One of the same name is replaced.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), String> {
        if text.len() > MAX_SCRIPT {
            return Err(format!("{name}: {} bytes; a codec has at most {MAX_SCRIPT}", text.len()));
        }
        let patient = self.limits.patient();
        let text = text.trim_start_matches('\u{feff}');
        let changes_built_ins = engine::Engine::inspect(name, text, &patient)
            .map_err(|fault| format!("{name}: {}", fault.text))?;
        let source = Source { name: name.into(), text: text.to_owned(), changes_built_ins };
        self.sources.insert(name.to_owned(), Arc::new(source));
        Ok(())
    }

    pub fn contains(&self, name: &str) -> bool {
        self.sources.contains_key(name)
    }

    /// The names of all.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sources.keys().map(String::as_str)
    }

    /// The same as [`Self::call`], with more time: for trying a codec.
    fn call_patiently(&self, name: &str, input: &Input<'_>) -> Result<Output, Fault> {
        let source = self.sources.get(name).ok_or_else(|| Fault::thrown("there is no such codec"))?;
        engines::call(source, input, &self.limits.patient())
    }

    /// Runs one codec on one uplink, on the calling thread.
    pub fn call(&self, name: &str, input: &Input<'_>) -> Result<Output, Fault> {
        self.call_as(name, input, &mut Calling::Here)
    }

    /// The same, where and for how long `calling` says.
    pub fn call_as(&self, name: &str, input: &Input<'_>, calling: &mut Calling<'_>) -> Result<Output, Fault> {
        let source = self.sources.get(name).ok_or_else(|| Fault::thrown("there is no such codec"))?;
        self.calls.fetch_add(1, Ordering::Relaxed);
        calling.call(source, input, &self.limits)
    }

    /// Does on this thread what the first call of each would have to do before: it takes as long as some hundred
    /// uplinks.
    pub fn warm(&self) {
        for source in self.sources.values() {
            engines::warm(source, &self.limits);
        }
    }

    /// How often they were asked; of an uplink that takes long more than once.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}
