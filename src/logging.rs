//! Logging: what operators read on stderr; stdout is for results only.

mod quiet;
mod repeats;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

use crate::settings::{Section, Span};
pub use quiet::Quiet;

const LONGEST_PERIOD: Duration = Duration::from_secs(86_400);

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    #[default]
    Human,
    Json,
}

/// The section `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a list such as `info,nadikota::sink=debug`.
    pub level: String,
    pub format: Format,
    /// A line that was said is not said again for so long, only counted; zero says everything.
    pub repeat_after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: Format::Human, repeat_after: Duration::from_secs(30) }
    }
}

impl Config {
    pub fn read(section: &mut Section) -> Self {
        let default = Self::default();
        let level = section.get("level", default.level);
        if let Err(error) = EnvFilter::try_new(&level) {
            section.problem("level", format!("\"{level}\" is not a log level: {error}"));
        }
        let format = section.get("format", default.format);
        let repeat_after = section.get("repeat_after", Span(default.repeat_after)).0;
        if repeat_after > LONGEST_PERIOD {
            section.problem("repeat_after", "is longer than a day, which would hide what happens");
        }
        Self { level, format, repeat_after }
    }
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    #[error("\"{level}\" is not a log level")]
    Level { level: String, source: tracing_subscriber::filter::ParseError },
    #[error("logging was set up twice")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// Sends log lines to stderr from now on. Called once, by a command, which from time to time asks what it gives back
/// to tell how many lines were left out.
pub fn start(config: &Config) -> Result<Quiet, LoggingError> {
    let filter = EnvFilter::try_new(&config.level)
        .map_err(|source| LoggingError::Level { level: config.level.clone(), source })?;
    let quiet = Quiet::new(config.repeat_after);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match config.format {
        Format::Human => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    let limit = (!config.repeat_after.is_zero()).then(|| quiet.clone());
    let all = tracing_subscriber::registry().with(filter).with(limit).with(lines);
    all.try_init().map_err(LoggingError::Twice)?;
    Ok(quiet)
}
