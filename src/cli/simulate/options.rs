//! What the command line of `simulate` says: how much load, and how to reach the broker.

use std::path::PathBuf;
use std::time::Duration;

use ::config::Value;
use anyhow::anyhow;

use crate::cli::Failure;
use crate::settings::{Problems, Section};
use crate::simulate::crowd;
use crate::simulate::publisher::Plan;
use crate::{mqtt, source};

/// How long the last PUBACKs may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A password is a line of text.
const LARGEST_PASSWORD: u64 = 64 * 1024;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
User and password may also come from MQTT_USER and MQTT_PASSWORD; a password is never part of the command line.
A publish that finds its connection broken is sent again over the next one.")]
pub(in crate::cli) struct Options {
    /// The broker: mqtt://HOST:PORT, mqtts:// (TLS), ws:// or wss:// (WebSocket, with its path).
    #[arg(long, value_name = "URL")]
    to: String,
    /// Devices; the first 68 are the demo's own, further ones are of the same kinds.
    #[arg(long, value_name = "N", default_value_t = 68, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    devices: u32,
    /// Messages a second, of all devices together.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// For how long, such as 10s.
    #[arg(long = "for", value_name = "DURATION", default_value = "10s", value_parser = super::super::span)]
    length: Duration,
    /// Connections that share the devices; one is a gateway for all of them.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    connections: u16,
    /// Publishes without a PUBACK at one time, on each connection.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    window: u16,
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Who may sign the broker's certificate; without it, whom the system trusts.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Our own certificate, for brokers that ask for one.
    #[arg(long, value_name = "FILE", requires = "client_key_file")]
    client_cert_file: Option<PathBuf>,
    #[arg(long, value_name = "FILE", requires = "client_cert_file")]
    client_key_file: Option<PathBuf>,
    /// Another seed is another city.
    #[arg(long, default_value_t = 3575)]
    seed: u64,
    /// One JSON object on stdout.
    #[arg(long)]
    json: bool,
}

impl Options {
    pub(super) fn to(&self) -> &str {
        &self.to
    }

    pub(super) fn devices(&self) -> usize {
        usize::try_from(self.devices).unwrap_or(usize::MAX)
    }

    pub(super) fn rate(&self) -> u32 {
        self.rate
    }

    pub(super) fn length(&self) -> Duration {
        self.length
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn json(&self) -> bool {
        self.json
    }

    /// One plan for each connection; their rates add up to the asked one.
    pub(super) fn plans(&self) -> Result<Vec<Plan>, Failure> {
        let connections = u32::from(self.connections);
        let least = usize::from(self.connections).saturating_mul(crowd::LEAST);
        if connections > 1 && self.devices() < least {
            return Err(usage(&format!("--connections {connections} needs --devices {least} or more")));
        }
        if self.rate < connections {
            return Err(usage(&format!("--connections {connections} needs --rate {connections} or more")));
        }
        let (share, rest) = (self.rate / connections, self.rate % connections);
        let plan = |number| Plan {
            rate: Some(share.saturating_add(u32::from(number < rest))),
            count: None,
            window: self.window,
            patience: PATIENCE,
        };
        Ok((0..connections).map(plan).collect())
    }

    /// How to connect, read and checked as the service reads its section `[mqtt]`.
    pub(super) fn broker(&self) -> Result<mqtt::Options, Failure> {
        let user = self.user.clone().or_else(|| std::env::var("MQTT_USER").ok());
        let password = match &self.password_file {
            Some(path) => Some(password(path)?),
            None => std::env::var("MQTT_PASSWORD").ok(),
        };
        let path = |path: &Option<PathBuf>| Some(path.as_ref()?.display().to_string());
        // Others may run one too: two clients of one name would throw each other out.
        let client_id = format!("nadikota-simulate-{:08x}", fastrand::u32(..));
        let values = [
            ("url", Some(self.to.clone())),
            ("version", Some("3.1.1".to_owned())),
            ("client_id", Some(client_id)),
            ("session_expiry", Some("0s".to_owned())),
            ("user", user),
            ("password", password),
            ("ca_file", path(&self.ca_file)),
            ("client_cert_file", path(&self.client_cert_file)),
            ("client_key_file", path(&self.client_key_file)),
        ];
        let values = values.into_iter().filter_map(|(key, text)| Some((key.to_owned(), Value::from(text?))));
        let problems = Problems::default();
        let mut section = Section::root(values.collect(), problems.clone());
        let options = source::Config::read(&mut section).options;
        let problems = problems.into_vec();
        if problems.is_empty() {
            return Ok(options);
        }
        for problem in problems {
            let option = if problem.key == "url" { "to".to_owned() } else { problem.key.replace('_', "-") };
            eprintln!("--{option}: {}", problem.text);
        }
        Err(Failure::Usage)
    }
}

fn password(path: &std::path::Path) -> Result<String, Failure> {
    let failed = |why: String| Failure::Failed(anyhow!("--password-file {}: {why}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if size > LARGEST_PASSWORD {
        return Err(failed("is too large for a password".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn usage(text: &str) -> Failure {
    eprintln!("{text}");
    Failure::Usage
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn options(line: &str) -> Options {
        Line::try_parse_from(line.split_whitespace()).unwrap().options
    }

    #[test]
    fn the_rates_of_the_connections_add_up() {
        for (line, rates) in [
            ("s --to x --rate 200", vec![200]),
            ("s --to x --rate 10 --connections 3", vec![4, 3, 3]),
            ("s --to x --rate 5 --connections 5", vec![1; 5]),
        ] {
            let plans = options(line).plans().unwrap();
            assert_eq!(plans.iter().map(|plan| plan.rate.unwrap()).collect::<Vec<_>>(), rates);
        }
        for line in ["s --to x --rate 2 --connections 3", "s --to x --devices 19 --connections 2"] {
            assert!(matches!(options(line).plans(), Err(Failure::Usage)), "{line}");
        }
    }

    #[test]
    fn a_broker_is_read_as_the_service_reads_it() {
        let broker = options("s --to mqtts://broker.example --user city").broker().unwrap();
        assert_eq!((broker.host.as_str(), broker.port), ("broker.example", 8883));
        assert!(broker.transport.tls.is_some() && broker.session_expiry.is_zero());
        assert_eq!(broker.login.unwrap().0, "city");
        for line in ["s --to http://x", "s --to mqtt://u:p@x", "s --to mqtt://x --ca-file ca.pem"] {
            assert!(matches!(options(line).broker(), Err(Failure::Usage)), "{line}");
        }
        assert!(options("s --to mqtt://x --password-file /nowhere/p").broker().is_err());
    }
}
