//! Configuration: composes the rooms' own settings from files and environment, and reports every mistake at once.

mod codecs;
mod environment;
mod files;
mod origins;
mod reference;
mod secrets;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use config::Value;
use jiff::tz::TimeZone;

use crate::settings::{Problem, Problems, Section, Setting, Span};
use crate::transform::{self, Transform};
use crate::{batch, embedded, http, journal, logging, quarantine, sink, source, stall};

pub use reference::{DEMO_DEVICES, profile_files};
pub use watch::Watch;

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
    pub journal: journal::Config,
    pub quarantine: quarantine::Config,
    pub watch: stall::Config,
    /// One for each connection; none where the section is missing: then the embedded broker is the only way in.
    pub mqtt: Vec<source::Config>,
    /// Nothing where the section is missing.
    pub broker: Option<embedded::Config>,
    pub batch: batch::Config,
    /// Never empty; the first one also takes messages that no route matches.
    pub destinations: Vec<sink::Destination>,
    pub transform: Arc<Transform>,
    /// Each route's topic and destination, in order.
    pub routing: Vec<(String, String)>,
    /// What the configuration was read from: files, and folders of files.
    pub files: Vec<PathBuf>,
    /// How often those are looked at while the service runs; zero: never.
    pub reload_every: Duration,
    /// Every key that the rooms asked for, in that order, with what they got and from where.
    pub settings: Vec<Setting>,
}

impl Config {
    /// The file or folder that a key of the root names; nothing where it is unset.
    pub fn path_of(&self, key: &str) -> Option<PathBuf> {
        let setting = self.settings.iter().find(|setting| setting.key == key)?;
        Some(PathBuf::from(setting.value.as_ref()?.as_str()?))
    }
}

/// Reads the files, later ones over earlier ones, and the environment over all.
/// `environment` is every variable there is; those that begin with `NADIKOTA__` are ours.
pub fn load(
    files: &[PathBuf],
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, Vec<Problem>> {
    let problems = Problems::default();
    let tree = files::read(files, &problems);
    compose(tree, environment, Some(files), problems)
}

/// The configuration inside the binary: what the demo runs with, without any file.
pub fn shipped(environment: impl IntoIterator<Item = (String, String)>) -> Result<Config, Vec<Problem>> {
    let problems = Problems::default();
    let tree = files::shipped(&problems);
    compose(tree, environment, None, problems)
}

fn compose(
    mut tree: Value,
    environment: impl IntoIterator<Item = (String, String)>,
    files: Option<&[PathBuf]>,
    problems: Problems,
) -> Result<Config, Vec<Problem>> {
    environment::apply(&mut tree, environment, &problems);
    secrets::resolve(&mut tree, &problems);
    let origins = origins::Origins::of(&tree);
    let mut root = Section::root(files::table(tree), problems.clone());
    let sources = reference::Sources::take(&mut root, files.is_none());
    let scripts = codecs::Scripts::take(&mut root, files.is_none());
    let time_zone = time_zone(&mut root).unwrap_or(TimeZone::UTC);
    let mqtt = source::Config::read_all(&mut root);
    let broker = root.has("broker").then(|| part(&mut root, "broker", embedded::Config::read));
    let broker = broker.filter(|broker| broker.enabled);
    let destinations = sink::Destination::read_all(&mut root);
    let routes = transform::Config::read(&mut root);
    let routing = check_routing(&root, &routes, &destinations);
    let files = files.into_iter().flatten().cloned().chain(sources.paths()).chain(scripts.path()).collect();
    let reference = sources.read(&time_zone, &problems);
    let codecs = reference.as_ref().map(|reference| Arc::new(scripts.read(&reference.profiles, &problems)));
    let transform = reference.zip(codecs).and_then(|(reference, codecs)| {
        let (catalogue, registry) = (Arc::new(reference.catalogue), Arc::new(reference.registry));
        let made = Transform::new(routes, catalogue, &reference.profiles, registry, time_zone.clone());
        let made = made.map(|made| made.with_codecs(codecs));
        made.map_err(|error| root.problem("routes", error.to_string())).ok()
    });
    let data_dir = root.get("data_dir", PathBuf::from("data"));
    let stop_within = root.get("stop_within", Span(Duration::from_secs(30))).0;
    let reload_every = root.get("reload_every", Span(Duration::from_secs(2))).0;
    let log = part(&mut root, "log", logging::Config::read);
    let http = part(&mut root, "http", http::Config::read);
    let journal = part(&mut root, "journal", journal::Config::read);
    let quarantine = part(&mut root, "quarantine", quarantine::Config::read);
    let watch = part(&mut root, "watch", stall::Config::read);
    let batch = part(&mut root, "batch", batch::Config::read);
    let settings = root.settings();
    root.finish();
    let mut problems = problems.into_vec();
    problems.iter_mut().for_each(|problem| origins.complete(problem));
    match transform.map(Arc::new) {
        Some(transform) if problems.is_empty() => Ok(Config {
            data_dir,
            time_zone,
            stop_within,
            log,
            http,
            journal,
            quarantine,
            watch,
            mqtt,
            broker,
            batch,
            destinations,
            transform,
            routing,
            files,
            reload_every,
            settings,
        }),
        _ => Err(problems),
    }
}

/// Each route's topic with its destination; one that names no destination of the list is a mistake.
fn check_routing(
    root: &Section,
    routes: &transform::Config,
    destinations: &[sink::Destination],
) -> Vec<(String, String)> {
    let mut routing = Vec::new();
    for (index, route) in routes.routes.iter().enumerate() {
        if !destinations.iter().any(|destination| destination.name == route.destination) {
            let known: Vec<_> = destinations.iter().map(|destination| destination.name.as_str()).collect();
            let text =
                format!("\"{}\" is no destination; there are: {}", route.destination, known.join(", "));
            root.problem(&format!("routes[{index}].destination"), text);
        }
        routing.push((route.topic.as_str().to_owned(), route.destination.clone()));
    }
    // Who settles what no route matches may not change unnoticed either.
    if let Some(first) = destinations.first() {
        routing.push((String::new(), first.name.clone()));
    }
    routing
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
