//! Logging: what operators read on stderr; stdout is for results only.

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use crate::settings::Section;

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
}

impl Default for Config {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: Format::Human }
    }
}

impl Config {
    pub fn read(section: &mut Section) -> Self {
        let default = Self::default();
        let level = section.get("level", default.level);
        if let Err(error) = EnvFilter::try_new(&level) {
            section.problem("level", format!("\"{level}\" is not a log level: {error}"));
        }
        Self { level, format: section.get("format", default.format) }
    }
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    #[error("\"{level}\" is not a log level")]
    Level { level: String, source: tracing_subscriber::filter::ParseError },
    #[error("logging was set up twice")]
    Twice(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Sends log lines to stderr from now on. Called once, by a command.
pub fn start(config: &Config) -> Result<(), LoggingError> {
    let filter = EnvFilter::try_new(&config.level)
        .map_err(|source| LoggingError::Level { level: config.level.clone(), source })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.format {
        Format::Human => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(LoggingError::Twice)
}
