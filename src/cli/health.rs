//! `nadikota health`: asks the running service, for people and for container health checks.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::anyhow;
use serde::Deserialize;

use super::{Failure, configuration, say};
use crate::http::{AskError, ask};
use crate::secret::Secret;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Where the service listens; without it http.listen of the configuration is asked.
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// The whole story of /health as JSON on stdout; the exit code still tells readiness.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(options: &Options, files: &[PathBuf]) -> Result<(), Failure> {
    let (address, token) = match options.http {
        Some(address) => (address, None),
        None => {
            let http = configuration(files)?.http;
            (http.listen, http.token)
        }
    };
    let token = token.as_ref().map(Secret::reveal);
    let ready = ask(address, "/health/ready", token).await.map_err(failed)?;
    if options.json {
        let whole = ask(address, "/health", token).await.map_err(failed)?;
        if whole.status != 200 {
            return Err(Failure::Failed(anyhow!(
                "{address} does not show /health: {}",
                whole.body.trim_end()
            )));
        }
        say(whole.body.trim_end())?;
    } else {
        say(ready.body.trim_end())?;
        // Who may not see the rest is told readiness all the same.
        if let Ok(whole) = ask(address, "/health", token).await {
            for line in degraded(&whole.body) {
                say(&line)?;
            }
        }
    }
    if ready.status == 200 { Ok(()) } else { Err(Failure::No) }
}

/// A line for each part that is degraded; none of what is no story of `/health`.
fn degraded(body: &str) -> Vec<String> {
    let whole: Whole = serde_json::from_str(body).unwrap_or_default();
    let parts = whole.parts.into_iter().filter(|(_, part)| part.state == "degraded");
    parts.map(|(name, part)| format!("degraded: {name}: {}; {}", part.reason, part.what_to_do)).collect()
}

/// What is read of `/health`.
#[derive(Debug, Default, Deserialize)]
struct Whole {
    parts: BTreeMap<String, Part>,
}

#[derive(Debug, Deserialize)]
struct Part {
    state: String,
    reason: String,
    what_to_do: String,
}

fn failed(error: AskError) -> Failure {
    Failure::Failed(anyhow::Error::new(error))
}
