//! `nadikota check`: every mistake in the configuration, at once; with `--connect` also broker and databases.

use std::path::PathBuf;

use serde::Serialize;

use super::{Failure, count, environment, say, say_json};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::finding::{Finding, Grade};
use crate::mqtt::Tls;
use crate::settings::Problem;
use crate::sink::Kind;
use crate::sink::influxdb::control;
use crate::source;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Also connects to the broker and every database, and tells what is wrong there. Changes nothing.
    #[arg(long)]
    connect: bool,
    /// One JSON object on stdout instead of lines.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Told<'a> {
    ok: bool,
    problems: Vec<ToldProblem<'a>>,
    /// What was looked at: certificates, and with `--connect` broker and databases.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<Finding>,
}

#[derive(Debug, Serialize)]
struct ToldProblem<'a> {
    origin: Option<&'a str>,
    key: &'a str,
    text: &'a str,
}

pub(super) async fn run(options: &Options, files: &[PathBuf]) -> Result<(), Failure> {
    let loaded = config::load(files, environment());
    let mut findings = loaded.as_ref().map(certificates).unwrap_or_default();
    if let (Ok(config), true) = (&loaded, options.connect) {
        findings.extend(connect(config).await);
    }
    let wrong = findings.iter().filter(|finding| finding.grade == Grade::Wrong).count();
    let problems = loaded.err().unwrap_or_default();
    if options.json {
        let ok = problems.is_empty() && wrong == 0;
        say_json(&Told { ok, problems: problems.iter().map(ToldProblem::new).collect(), findings })?;
    } else {
        for problem in &problems {
            say(problem)?;
        }
        match problems.len() {
            0 => say("the configuration is right")?,
            some => say(count(some, "mistake"))?,
        }
        for finding in &findings {
            say(finding)?;
        }
    }
    match (problems.is_empty(), wrong) {
        (false, _) => Err(Failure::Usage),
        (true, 0) => Ok(()),
        (true, _) => Err(Failure::No),
    }
}

/// Until when the certificates of our files are valid.
fn certificates(config: &Config) -> Vec<Finding> {
    let now = now();
    let brokers = config.mqtt.iter().filter(|mqtt| mqtt.member == 0);
    let mut findings = Vec::new();
    for tls in brokers.filter_map(|mqtt| mqtt.options.transport.tls.as_ref()) {
        match tls.expiries(now) {
            Ok(all) => findings.extend(all.iter().map(|expiry| expiry.finding(now))),
            Err(error) => findings.push(Finding::wrong("certificates", error.to_string(), "mend the file")),
        }
    }
    findings
}

/// Unix time in seconds.
fn now() -> i64 {
    Clock::System.now().div_euclid(1_000_000_000)
}

/// Broker and destinations in the order of the configuration; each call there has its own time limit.
async fn connect(config: &Config) -> Vec<Finding> {
    let transform = &config.transform;
    let mut findings = Vec::new();
    for mqtt in config.mqtt.iter().filter(|mqtt| mqtt.member == 0) {
        findings.extend(source::inspect(mqtt, transform.filters(), transform.max_payload()).await);
        let shown = mqtt.options.transport.tls.as_ref().and_then(Tls::broker);
        findings.extend(shown.map(|expiry| expiry.finding(now())));
    }
    for destination in &config.destinations {
        let name = &destination.name;
        match &destination.kind {
            Kind::Influx(influx) => {
                let ours = transform.fields_for(name);
                let buckets = influx.place.template().names(&transform.places());
                let oldest = transform.max_backfill();
                findings.extend(control::inspect(name, influx, &buckets, oldest, &ours).await);
            }
            Kind::Embedded { retention: Some(kept) } if *kept < transform.max_backfill() => {
                findings.push(Finding::warning(
                    format!("destination {name}: retention"),
                    "the embedded store drops points that time.max_backfill still lets in",
                    "lengthen its retention or shorten time.max_backfill",
                ));
            }
            Kind::Embedded { .. } => {
                findings.push(Finding::ok(format!("destination {name}"), "the embedded store"));
            }
        }
    }
    findings
}

impl<'a> ToldProblem<'a> {
    fn new(problem: &'a Problem) -> Self {
        Self { origin: problem.origin.as_deref(), key: &problem.key, text: &problem.text }
    }
}
