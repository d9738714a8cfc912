//! Configuration: composes the rooms' own settings from files and environment, and reports every mistake at once.

mod environment;
mod files;
mod origins;
mod secrets;

use std::path::PathBuf;
use std::time::Duration;

use config::Value;
use jiff::tz::TimeZone;

use crate::settings::{Problem, Problems, Section, Span};
use crate::{http, logging};

/// What the program needs to run. It cannot be invalid: only [`load`] makes it.
#[derive(Debug, Clone)]
pub struct Config {
    /// Journal, quarantine, cursor and embedded store.
    pub data_dir: PathBuf,
    /// The zone of local times that a payload tells without one.
    pub time_zone: TimeZone,
    /// How long a stop may take before it says who is late and ends.
    pub stop_within: Duration,
    pub log: logging::Config,
    pub http: http::Config,
}

/// Reads the files, later ones over earlier ones, and the environment over all.
/// `environment` is every variable there is; those that begin with `NADIKOTA__` are ours.
pub fn load(
    files: &[PathBuf],
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, Vec<Problem>> {
    let problems = Problems::default();
    let tree = files::read(files, &problems);
    compose(tree, environment, problems)
}

/// The configuration inside the binary: what the demo runs with, without any file.
pub fn shipped(environment: impl IntoIterator<Item = (String, String)>) -> Result<Config, Vec<Problem>> {
    let problems = Problems::default();
    let tree = files::shipped(&problems);
    compose(tree, environment, problems)
}

fn compose(
    mut tree: Value,
    environment: impl IntoIterator<Item = (String, String)>,
    problems: Problems,
) -> Result<Config, Vec<Problem>> {
    environment::apply(&mut tree, environment, &problems);
    secrets::resolve(&mut tree, &problems);
    let origins = origins::Origins::of(&tree);
    let mut root = Section::root(files::table(tree), problems.clone());
    let time_zone = time_zone(&mut root);
    let config = Config {
        time_zone: time_zone.unwrap_or(TimeZone::UTC),
        data_dir: root.get("data_dir", PathBuf::from("data")),
        stop_within: root.get("stop_within", Span(Duration::from_secs(30))).0,
        log: part(&mut root, "log", logging::Config::read),
        http: part(&mut root, "http", http::Config::read),
    };
    root.finish();
    let mut problems = problems.into_vec();
    problems.iter_mut().for_each(|problem| origins.complete(problem));
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

/// Nothing where it is unset or wrong, which is a problem on record then: no city's times are guessed.
fn time_zone(root: &mut Section) -> Option<TimeZone> {
    let name = root.required::<String>("time_zone")?;
    let found = TimeZone::get(&name).ok();
    if found.is_none() {
        root.problem("time_zone", format!("\"{name}\" is not a time zone; write it as Asia/Jakarta"));
    }
    found
}

/// One room's settings, read by the room itself.
fn part<T>(root: &mut Section, key: &str, read: impl FnOnce(&mut Section) -> T) -> T {
    let mut section = root.section(key);
    let config = read(&mut section);
    section.finish();
    config
}

#[cfg(test)]
mod tests;
