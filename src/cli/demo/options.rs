//! What the demo's command line says, and the configuration it makes of it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::anyhow;
use url::Url;

use crate::cli::Failure;
use crate::config::Config;
use crate::pipeline::Running;
use crate::secret::Secret;
use crate::sink::{Destination, Influx, Kind, Login, Place, Template};
use crate::{embedded, logging, mqtt, source};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    /// Stop after this long, such as 20s; without it, at Ctrl-C, and with --chaos after 20s.
    #[arg(long = "for", value_name = "TIME", value_parser = super::super::span)]
    pub(super) length: Option<Duration>,
    /// Lets the database vanish for 5 s, kills the service and starts it again, and proves that nothing is lost or
    /// doubled. The service is a process of its own, on free ports.
    #[arg(long, conflicts_with_all = ["mqtt", "http", "broker", "influx"])]
    pub(super) chaos: bool,
    /// One JSON object on the last line of stdout instead of the living view.
    #[arg(long)]
    pub(super) json: bool,
    /// Messages a second.
    #[arg(long, default_value_t = 200)]
    pub(super) rate: u32,
    /// Another seed is another city.
    #[arg(long, default_value_t = 3575)]
    pub(super) seed: u64,
    /// Where the embedded broker listens; port 0 takes any free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1883")]
    mqtt: SocketAddr,
    /// Where health and metrics are; port 0 takes any free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// Keep the data here; without it they go at the end.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Publish to this broker and read from it, instead of the embedded one: mqtt://HOST:PORT.
    #[arg(long, value_name = "URL")]
    pub(super) broker: Option<Url>,
    /// Store in this InfluxDB 1.x instead of the embedded store: http://HOST:8086/?db=NAME. For 2.x:
    /// http://HOST:8086/?org=ORG&bucket=BUCKET, with the token in INFLUX_TOKEN.
    #[arg(long, value_name = "URL")]
    pub(super) influx: Option<Url>,
}

/// A data directory that goes at the end, or one that stays.
pub(super) struct Data {
    path: PathBuf,
    goes: bool,
}

impl Data {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// For who wants to look into it.
    pub(super) fn keep(&mut self) {
        self.goes = false;
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        if self.goes {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

impl Options {
    pub(super) fn data_dir(&self) -> Result<Data, Failure> {
        if let Some(path) = &self.data {
            return Ok(Data { path: path.clone(), goes: false });
        }
        let name = format!("nadikota-demo-{}-{:x}", std::process::id(), fastrand::u32(..));
        Ok(Data { path: std::env::temp_dir().join(name), goes: true })
    }

    /// The city's connection to a broker on this machine.
    pub(super) fn broker_at(&self, address: SocketAddr) -> mqtt::Options {
        let mut options = plain_client("nadikota-demo-city");
        options.host = address.ip().to_string();
        options.port = address.port();
        options
    }

    /// The configuration inside the program, with the demo's own ways in and out.
    pub(super) fn config(&self, data: &Path) -> Result<Config, Failure> {
        let mut config = crate::config::shipped([]).map_err(|problems| {
            let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
            Failure::Failed(anyhow!("the configuration inside the program: {}", told.join("; ")))
        })?;
        config.data_dir = data.to_owned();
        config.http.listen = self.http;
        config.journal.min_free = Some(64 * 1024 * 1024);
        config.broker = None;
        config.mqtt = Vec::new();
        match &self.broker {
            None => {
                config.broker = Some(embedded::Config { listen: self.mqtt, ..embedded::Config::default() })
            }
            Some(_) => {
                let options = self.client("nadikota-demo")?;
                let park = usize::from(options.receive_maximum);
                config.mqtt = vec![source::Config::only(options, park)];
            }
        }
        let kind = match &self.influx {
            None => Kind::Embedded { retention: None },
            Some(url) => Kind::Influx(Box::new(influx(url)?)),
        };
        config.destinations = vec![Destination { name: "default".to_owned(), kind, lanes: 2 }];
        Ok(config)
    }

    /// On a terminal the view has the screen; only what went wrong is logged, to stderr.
    pub(super) fn logging(&self, live: bool) -> logging::Config {
        let level = if live { "off" } else { "warn" };
        logging::Config {
            level: level.to_owned(),
            repeat_after: Duration::ZERO,
            ..logging::Config::default()
        }
    }

    /// The city's connection to whichever broker there is.
    pub(super) fn broker_address(&self, running: &Running) -> Result<mqtt::Options, Failure> {
        match running.mqtt {
            Some(address) => Ok(self.broker_at(address)),
            None => Ok(mqtt::Options {
                version: mqtt::Version::V3,
                session_expiry: Duration::ZERO,
                ..self.client("nadikota-demo-city")?
            }),
        }
    }

    fn client(&self, id: &str) -> Result<mqtt::Options, Failure> {
        let mut options = mqtt::Options {
            version: mqtt::Version::V5,
            session_expiry: Duration::from_secs(3600),
            ..plain_client(id)
        };
        if let Some(url) = &self.broker {
            if url.scheme() != "mqtt" {
                return Err(Failure::Failed(anyhow!("--broker {url}: write it as mqtt://HOST:PORT")));
            }
            options.host = url.host_str().ok_or_else(|| anyhow!("--broker {url}: names no host"))?.to_owned();
            options.port = url.port().unwrap_or(1883);
        }
        Ok(options)
    }
}

/// A client with a clean session, on this machine.
fn plain_client(id: &str) -> mqtt::Options {
    mqtt::Options {
        version: mqtt::Version::V3,
        host: "127.0.0.1".to_owned(),
        port: 1883,
        transport: mqtt::Transport::default(),
        client_id: id.to_owned(),
        login: None,
        keep_alive: Duration::from_secs(30),
        session_expiry: Duration::ZERO,
        receive_maximum: 1000,
        max_packet: 2 * 1024 * 1024,
        filters: Vec::new(),
        stale: Vec::new(),
    }
}

fn influx(url: &Url) -> Result<Influx, Failure> {
    let query =
        |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let place = match (query("db"), query("org"), query("bucket")) {
        (Some(database), None, None) => {
            Place::V1 { database: Template::fixed(database), retention_policy: None }
        }
        (None, Some(org), Some(bucket)) => Place::V2 { org, bucket: Template::fixed(bucket) },
        _ => {
            return Err(Failure::Failed(anyhow!(
                "--influx: give ?db=NAME for 1.x or ?org=ORG&bucket=BUCKET for 2.x"
            )));
        }
    };
    let mut url = url.clone();
    url.set_query(None);
    let login = std::env::var("INFLUX_TOKEN").map_or(Login::None, |token| Login::Token(Secret::new(token)));
    Ok(Influx {
        url,
        place,
        login,
        secret_file: None,
        hold_for: None,
        gzip: true,
        timeout: Duration::from_secs(30),
    })
}
