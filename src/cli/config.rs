//! `nadikota config`: the configuration as the rooms read it, each value with its origin; secrets are stars.

use std::path::PathBuf;

use serde::Serialize;

use super::{Failure, configuration, say, say_json};
use crate::settings::Setting;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// One JSON object on stdout instead of lines.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Told<'a> {
    settings: &'a [Setting],
}

pub(super) fn run(options: &Options, files: &[PathBuf]) -> Result<(), Failure> {
    let mut settings = configuration(files)?.settings;
    // The keys without a section first, as in a file; each section stays together.
    settings.sort_by_key(|setting| setting.key.contains('.'));
    if options.json {
        return say_json(&Told { settings: &settings });
    }
    let lines: Vec<_> = settings.iter().map(|setting| (line(setting), origin(setting))).collect();
    let width = lines.iter().map(|(line, _)| line.chars().count()).max().unwrap_or(0).min(72);
    for (line, origin) in &lines {
        say(format!("{line:<width$}  # {origin}"))?;
    }
    Ok(())
}

fn line(setting: &Setting) -> String {
    match &setting.value {
        Some(value) => format!("{} = {value}", setting.key),
        None => format!("{} is not set", setting.key),
    }
}

fn origin(setting: &Setting) -> &str {
    setting.origin.as_deref().unwrap_or("default")
}
