//! `nadikota database`: prepares the databases of the configuration.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use serde::Serialize;

use super::{Failure, configuration, say, say_json};
use crate::finding::Finding;
use crate::registry::Place;
use crate::secret::Secret;
use crate::settings::Span;
use crate::sink::influxdb::control;
use crate::sink::{self, Destination, Influx, Kind};

const TOKEN_VARIABLE: &str = "INFLUX_ADMIN_TOKEN";

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Creates organisation, bucket or database where missing, and a token that may only write there.
    Setup(Options),
}

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Only this destination; without it, every InfluxDB of the configuration.
    #[arg(long, value_name = "NAME")]
    destination: Option<String>,
    /// Holds the admin's token (1.x: user:password). Without it the variable INFLUX_ADMIN_TOKEN is read.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Where the new token goes; the file is made, readable by its owner only, and must not be there yet.
    #[arg(long, value_name = "FILE")]
    write_token_to: Option<PathBuf>,
    /// Writes the new token to stdout, alone on a line.
    #[arg(long, conflicts_with_all = ["write_token_to", "json"])]
    print_token: bool,
    /// How long a new bucket or database keeps points, such as 365d; without it, for ever.
    #[arg(long, value_name = "SPAN", value_parser = super::span)]
    retention: Option<std::time::Duration>,
    /// What was done as one JSON object on stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Told {
    ok: bool,
    findings: Vec<Finding>,
}

pub(super) async fn run(command: Command, files: &[PathBuf]) -> Result<(), Failure> {
    let Command::Setup(options) = command;
    let config = configuration(files)?;
    let chosen = choose(&config.destinations, &options)?;
    if let Some(retention) = options.retention.filter(|span| *span < config.transform.max_backfill()) {
        let retention = Span(retention);
        let backfill = Span(config.transform.max_backfill());
        eprintln!(
            "--retention {retention} is shorter than time.max_backfill ({backfill}): the database would refuse what we accept"
        );
        return Err(Failure::Usage);
    }
    let admin = admin_token(&options)?;
    // Before anything is made: a token that cannot be kept is lost.
    let file = options.write_token_to.as_deref().map(create).transpose()?;
    let result = set_up(&options, &chosen, &config.transform.places(), admin, file).await;
    if let (Err(_), Some(path)) = (&result, &options.write_token_to) {
        let _ = std::fs::remove_file(path);
    }
    result
}

fn choose<'d>(all: &'d [Destination], options: &Options) -> Result<Vec<(&'d str, &'d Influx)>, Failure> {
    let wanted = |name: &str| options.destination.as_deref().is_none_or(|wanted| wanted == name);
    let chosen: Vec<_> = all
        .iter()
        .filter_map(|destination| match &destination.kind {
            Kind::Influx(influx) if wanted(&destination.name) => Some((destination.name.as_str(), &**influx)),
            _ => None,
        })
        .collect();
    let with_tokens =
        chosen.iter().filter(|(_, influx)| matches!(influx.place, sink::Place::V2 { .. })).count();
    let told = match (chosen.len(), with_tokens) {
        (0, _) => "there is no such InfluxDB among the destinations",
        (_, 1) if options.write_token_to.is_none() && !options.print_token => {
            "say where the new token goes: --write-token-to FILE, or --print-token"
        }
        (_, 0 | 1) => return Ok(chosen),
        _ => "several destinations get a token each: name one at a time with --destination",
    };
    eprintln!("{told}");
    Err(Failure::Usage)
}

fn admin_token(options: &Options) -> Result<Option<Secret>, Failure> {
    let text = match &options.token_file {
        Some(path) => {
            Some(std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?)
        }
        None => std::env::var(TOKEN_VARIABLE).ok(),
    };
    Ok(text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).map(Secret::new))
}

fn create(path: &Path) -> Result<File, Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    Ok(file.with_context(|| format!("cannot make {}", path.display()))?)
}

async fn set_up(
    options: &Options,
    chosen: &[(&str, &Influx)],
    places: &BTreeSet<Place>,
    admin: Option<Secret>,
    mut file: Option<File>,
) -> Result<(), Failure> {
    let mut findings = Vec::new();
    for (name, influx) in chosen {
        if admin.is_none() && matches!(influx.place, sink::Place::V2 { .. }) {
            return Err(Failure::Failed(anyhow!(
                "destination {name}: an admin's token is needed: give --token-file FILE or set {TOKEN_VARIABLE}"
            )));
        }
        let buckets = influx.place.template().names(places);
        let done = control::setup(influx, &buckets, admin.clone(), options.retention)
            .await
            .with_context(|| format!("destination {name}"))?;
        for mut finding in done.findings {
            finding.about = format!("destination {name}: {}", finding.about);
            // Stdout is the token's where it was asked for.
            match (options.json, options.print_token) {
                (true, _) => {}
                (false, true) => eprintln!("{finding}"),
                (false, false) => say(&finding)?,
            }
            findings.push(finding);
        }
        if let Some(token) = done.token {
            match &mut file {
                Some(file) => {
                    writeln!(file, "{}", token.reveal()).context("cannot write the token's file")?;
                    file.sync_all().context("cannot write the token's file")?;
                }
                None => say(token.reveal())?,
            }
        }
    }
    if options.json { say_json(&Told { ok: true, findings }) } else { Ok(()) }
}
