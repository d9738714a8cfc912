//! `nadikota check`: every mistake in the configuration, at once.

use std::path::PathBuf;

use serde::Serialize;

use super::{Failure, count, environment, say, say_json};
use crate::config;
use crate::settings::Problem;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// One JSON object on stdout instead of lines.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Told<'a> {
    ok: bool,
    problems: Vec<ToldProblem<'a>>,
}

#[derive(Debug, Serialize)]
struct ToldProblem<'a> {
    origin: Option<&'a str>,
    key: &'a str,
    text: &'a str,
}

pub(super) fn run(options: &Options, files: &[PathBuf]) -> Result<(), Failure> {
    let problems = config::load(files, environment()).err().unwrap_or_default();
    if options.json {
        let told =
            Told { ok: problems.is_empty(), problems: problems.iter().map(ToldProblem::new).collect() };
        say_json(&told)?;
    } else {
        for problem in &problems {
            say(problem)?;
        }
        match problems.len() {
            0 => say("the configuration is right")?,
            some => say(count(some, "mistake"))?,
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Failure::Usage) }
}

impl<'a> ToldProblem<'a> {
    fn new(problem: &'a Problem) -> Self {
        Self { origin: problem.origin.as_deref(), key: &problem.key, text: &problem.text }
    }
}
