//! Commands: what people type, and how the answer becomes an exit code.

mod capture;
mod check;
mod codec;
mod completions;
mod config;
mod database;
mod demo;
mod demo_view;
mod explain;
mod export;
mod health;
mod journal;
mod learn;
mod man;
mod progress;
mod quarantine;
mod reload;
mod reprocess;
mod run;
mod simulate;
mod stop;
mod whole_file;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use serde::Serialize;

pub use stop::on_signal;

use crate::config::Config;
use crate::settings::Span;

const EXIT_CODES: &str = "\
Exit codes:
  0  it worked; for `health`: ready
  1  it failed, or the service is not ready
  2  the command line or the configuration is wrong; nothing was done
  3  `run` stood still and nothing helped: start it again";

/// The exit code of a service that gave itself up.
const STALLED: i32 = 3;

/// Why a data directory may hold nothing.
const DATA_DIR: &str = "data_dir is another: it counts from the folder that nadikota is started in";

/// Takes what street sensors publish over MQTT and makes it a time series people can trust.
#[derive(Debug, Parser)]
#[command(name = "nadikota", version, after_help = EXIT_CODES)]
struct Arguments {
    /// Configuration file; may be given several times, later ones win. Without it: config/nadikota.toml, or
    /// else /etc/nadikota/nadikota.toml.
    #[arg(short, long, global = true, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Ends at once when the process with this id, which started it, ends.
    #[arg(long, global = true, hide = true, value_name = "PID")]
    parent: Option<u32>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The service: reads from the broker and stores, until a signal stops it.
    Run(run::Options),
    /// A simulated city with broker and store built in: needs no set-up, and checks its own books at the end.
    Demo(Box<demo::Options>),
    /// Load for a broker: the demo's devices publish to it, and it tells how fast PUBACKs come.
    Simulate(Box<simulate::Options>),
    /// Tells what would become of one message, or of a capture's, and why.
    Explain(explain::Options),
    /// Listens to the broker for a while and writes what devices publish into a file; disturbs nobody.
    Capture(capture::Options),
    /// Proposes routes, profiles and registry rows for devices that the configuration does not know yet.
    Learn(learn::Options),
    /// Tries vendors' LoRaWAN codecs.
    #[command(subcommand)]
    Codec(codec::Command),
    /// What could not be stored, and why (the dead-letter queue); replays it once the cause is mended.
    #[command(subcommand)]
    Quarantine(quarantine::Command),
    /// What the journal holds, and what became of one message.
    #[command(subcommand)]
    Journal(journal::Command),
    /// Writes stored points, or those of the kept messages, as line protocol, CSV or JSON lines.
    Export(export::Options),
    /// Kept messages through the configuration of today: what was stored is written anew, beside the live flow.
    Reprocess(reprocess::Options),
    /// Prepares the databases of the configuration.
    #[command(subcommand)]
    Database(database::Command),
    /// Finds every mistake in the configuration.
    Check(check::Options),
    /// The configuration as it is read: every value with the file or variable it comes from.
    Config(config::Options),
    /// Asks the running service whether it is ready.
    Health(health::Options),
    /// Writes what a shell needs to complete these commands.
    Completions(completions::Options),
    /// Writes the manual page: `nadikota man | man -l -`.
    Man(man::Options),
}

/// Why a command did not do what it should; each kind has its exit code.
#[derive(Debug)]
pub enum Failure {
    /// The command line or the configuration is wrong (2). Already told.
    Usage,
    /// It was tried and failed (1).
    Failed(anyhow::Error),
    /// The answer is no (1). Already told.
    No,
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// Runs one command line to its end.
pub fn run(line: impl IntoIterator<Item = OsString>) -> Result<(), Failure> {
    let arguments = match Arguments::try_parse_from(line) {
        Ok(arguments) => arguments,
        Err(told) => {
            let asked_for_help = !told.use_stderr();
            told.print().context("cannot write to the terminal")?;
            return if asked_for_help { Ok(()) } else { Err(Failure::Usage) };
        }
    };
    if let Some(parent) = arguments.parent {
        demo::end_with(parent)?;
    }
    let files = files(arguments.config);
    match arguments.command {
        Command::Run(options) => runtime()?.block_on(run::run(&options, &files)),
        Command::Demo(options) => runtime()?.block_on(demo::run(*options)),
        Command::Simulate(options) => runtime()?.block_on(simulate::run(&options)),
        Command::Explain(options) => explain::run(&options, &files),
        Command::Learn(options) => runtime()?.block_on(learn::run(&options, &files)),
        Command::Capture(options) => runtime()?.block_on(capture::run(options, &files)),
        Command::Codec(command) => codec::run(&command),
        Command::Quarantine(command) => quarantine::run(command, &files),
        Command::Export(options) => export::run(options, &files),
        Command::Reprocess(options) => runtime()?.block_on(reprocess::run(&options, &files)),
        Command::Journal(command) => journal::run(command, &files),
        Command::Database(command) => runtime()?.block_on(database::run(command, &files)),
        Command::Check(options) => runtime()?.block_on(check::run(&options, &files)),
        Command::Config(options) => config::run(&options, &files),
        Command::Health(options) => runtime()?.block_on(health::run(&options, &files)),
        Command::Completions(options) => completions::run(&options),
        Command::Man(options) => man::run(&options),
    }
}

/// Threads for files and look-ups of names, beside the workers; a disk or a resolver that hangs may hold some.
const MOST_BLOCKING: usize = 32;

/// Its threads tell by their names what they are for.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let begun = Arc::new(AtomicBool::new(false));
    let named = Arc::clone(&begun);
    let name = move || if named.load(Ordering::Relaxed) { "blocking" } else { "worker" }.to_owned();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().max_blocking_threads(MOST_BLOCKING).thread_name_fn(name);
    let runtime = builder.build().context("cannot start worker threads")?;
    begun.store(true, Ordering::Relaxed);
    Ok(runtime)
}

/// The files the operator named, or the first of the usual ones that is there.
fn files(named: Vec<PathBuf>) -> Vec<PathBuf> {
    if !named.is_empty() {
        return named;
    }
    let usual = ["config/nadikota.toml", "/etc/nadikota/nadikota.toml"].map(PathBuf::from);
    let found = usual.iter().find(|path| path.is_file()).or(usual.first());
    found.cloned().into_iter().collect()
}

/// The configuration of all commands but `check`, which wants to tell the mistakes its own way.
fn configuration(files: &[PathBuf]) -> Result<Config, Failure> {
    crate::config::load(files, environment()).map_err(|problems| {
        for problem in &problems {
            eprintln!("{problem}");
        }
        eprintln!("{} in the configuration; nothing was done", count(problems.len(), "mistake"));
        Failure::Usage
    })
}

/// Variables that are not text cannot be ours: every value of ours is text.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Writes one line of a result to stdout.
fn say(line: impl Display) -> Result<(), Failure> {
    told(writeln!(std::io::stdout().lock(), "{line}"))
}

/// Writes a whole text to stdout as it is.
fn say_bytes(text: &[u8]) -> Result<(), Failure> {
    told(std::io::stdout().lock().write_all(text))
}

/// A reader that has seen enough, such as `head`, is no failure.
fn told(written: std::io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Failed(anyhow::Error::new(error).context("cannot write to stdout")))
        }
        _ => Ok(()),
    }
}

/// Writes one value of a result as JSON, on one line of stdout.
fn say_json(value: &impl Serialize) -> Result<(), Failure> {
    say(serde_json::to_string(value).context("cannot write JSON")?)
}

/// Reads a length of time on the command line.
fn span(text: &str) -> Result<std::time::Duration, String> {
    text.parse::<Span>().map(|span| span.0)
}

fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
