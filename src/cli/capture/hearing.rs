//! Hearing: listens to the configured broker for a while, within bounds, beside the running service.

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::time::Instant;

use crate::capture::{Captured, MAX_PAYLOAD, Mask};
use crate::cli::progress::Progress;
use crate::cli::{Failure, count, span};
use crate::clock::Clock;
use crate::config::Config;
use crate::mqtt::listen::{self, Listener};
use crate::mqtt::{Options, Transport, Version};
use crate::settings::Span;
use crate::topic::{self, Template};

/// Between two tries to connect again.
const PAUSE: Duration = Duration::from_secs(1);
/// For the first connection and the broker's answer to the subscription.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Hearing {
    /// How long to listen; Ctrl-C ends it earlier, and what came until then is kept.
    #[arg(long = "for", value_name = "TIME", default_value = "10m", value_parser = span)]
    length: Duration,
    /// Ends after so many messages.
    #[arg(long, value_name = "COUNT", default_value_t = 100_000)]
    max_messages: usize,
    /// Ends after so many bytes of topics and payloads.
    #[arg(long, value_name = "SIZE", default_value = "64 MiB")]
    max_size: bytesize::ByteSize,
    /// Leaves out what the broker had kept (retained) from before.
    #[arg(long)]
    no_retained: bool,
    /// The name of the broker, where the configuration has several.
    #[arg(long, value_name = "NAME")]
    broker: Option<String>,
}

/// Why it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Ended {
    Time,
    Stopped,
    Messages,
    Size,
}

/// What came of it.
#[derive(Debug)]
pub(in crate::cli) struct Heard {
    pub(in crate::cli) messages: usize,
    bytes: u64,
    /// Topics that are no topics, payloads that no sensor sends.
    left_out: usize,
    /// How often the connection was lost; what was published meanwhile is not there.
    gaps: usize,
    ended: Ended,
    broker: String,
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.ended {
            Ended::Time => "the time is over",
            Ended::Stopped => "stopped",
            Ended::Messages => "--max-messages is reached",
            Ended::Size => "--max-size is reached",
        };
        write!(f, "{}, {why}", bytesize::ByteSize(self.bytes).display().iec())?;
        if self.left_out > 0 {
            write!(f, "; {} left out (too large, or without a topic)", count(self.left_out, "message"))?;
        }
        if self.gaps > 0 {
            write!(f, "; the connection was lost {}", count(self.gaps, "time"))?;
        }
        Ok(())
    }
}

impl Heard {
    pub(in crate::cli) fn advice(&self, filters: &[String]) -> String {
        format!(
            "{} granted {}: check the filter against what is published (--filter '#' hears all that the user may \
             read), or listen longer with --for",
            self.broker,
            filters.join(", ")
        )
    }
}

impl Hearing {
    /// Gives each message, without secrets, to `keep`, until time, count, size or Ctrl-C end it.
    pub(in crate::cli) async fn hear(
        &self,
        asked: &[String],
        config: &Config,
        mut keep: impl FnMut(Captured) -> anyhow::Result<()>,
    ) -> Result<Heard, Failure> {
        let mut filters = Vec::new();
        for filter in asked {
            match Template::parse(filter) {
                Ok(template) => filters.push(template.filter()),
                Err(wrong) => {
                    eprintln!("--filter: \"{}\" {wrong}", filter.escape_debug());
                    return Err(Failure::Usage);
                }
            }
        }
        let mut options = self.broker(config).map_err(|wrong| {
            eprintln!("{wrong}");
            Failure::Usage
        })?;
        // A filter inside another would bring its messages twice.
        options.filters = topic::cover(filters);
        let broker = format!("the broker at {}:{}", options.host, options.port);
        let mut listener = tokio::time::timeout(PATIENCE, connect(&options))
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {}", Span(PATIENCE))))
            .map_err(|why| anyhow!("{broker}: {why}"))?;
        let (began, mut mask, limit) =
            (Instant::now(), Mask::new(config.transform.secrets()), self.max_size.as_u64());
        let mut progress = Progress::of("messages", true);
        let (messages, bytes, left_out, gaps) = (0, 0, 0, 0);
        let mut heard = Heard { messages, bytes, left_out, gaps, ended: Ended::Time, broker };
        let mut over = std::pin::pin!(tokio::time::sleep(self.length));
        let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
        loop {
            let event = tokio::select! {
                biased;
                () = &mut over => break,
                _ = &mut interrupted => {
                    heard.ended = Ended::Stopped;
                    break;
                }
                event = listener.poll() => event,
            };
            let event = match event {
                Ok(event) => event,
                Err(_) => {
                    heard.gaps = heard.gaps.saturating_add(1);
                    let again = again(&options);
                    tokio::select! {
                        () = &mut over => break,
                        _ = &mut interrupted => {
                            heard.ended = Ended::Stopped;
                            break;
                        }
                        connected = again => listener = connected,
                    }
                    continue;
                }
            };
            let listen::Heard::Publish { topic, payload, qos, retain } = event else { continue };
            if retain && self.no_retained {
                continue;
            }
            let time = Clock::System.now();
            let sound = topic::fault(&topic).is_none() && payload.len() <= MAX_PAYLOAD;
            let topic = String::from_utf8(topic.to_vec()).ok().filter(|_| sound);
            let Some(topic) = topic else {
                heard.left_out = heard.left_out.saturating_add(1);
                continue;
            };
            let size = topic.len().saturating_add(payload.len());
            heard.bytes = heard.bytes.saturating_add(u64::try_from(size).unwrap_or(u64::MAX));
            if heard.bytes > limit {
                heard.ended = Ended::Size;
                break;
            }
            keep(mask.apply(Captured { time, topic, payload, qos, retain })).context("cannot keep it")?;
            heard.messages = heard.messages.saturating_add(1);
            let done = began.elapsed().as_secs_f64() / self.length.as_secs_f64().max(0.001);
            progress.step(u64::try_from(heard.messages).unwrap_or(u64::MAX), done);
            if heard.messages >= self.max_messages {
                heard.ended = Ended::Messages;
                break;
            }
        }
        progress.end();
        Ok(heard)
    }

    /// How to reach the broker that is meant.
    fn broker(&self, config: &Config) -> Result<Options, String> {
        let brokers: Vec<_> = config.mqtt.iter().filter(|mqtt| mqtt.member == 0).collect();
        if let Some(name) = &self.broker {
            let known: Vec<_> = brokers.iter().map(|mqtt| mqtt.name.as_str()).collect();
            let found = brokers.iter().find(|mqtt| mqtt.name == *name);
            let unknown =
                || format!("--broker: there is no [[mqtt]] \"{name}\"; there are: {}", known.join(", "));
            return found.map(|mqtt| mqtt.options.clone()).ok_or_else(unknown);
        }
        match brokers.as_slice() {
            [one] => Ok(one.options.clone()),
            [] => embedded(config).ok_or_else(|| {
                "the configuration names no broker: add [mqtt] with the broker's url, or [broker]".to_owned()
            }),
            several => {
                let names: Vec<_> = several.iter().map(|mqtt| mqtt.name.as_str()).collect();
                Err(format!(
                    "the configuration names several brokers; add --broker with one of: {}",
                    names.join(", ")
                ))
            }
        }
    }
}

/// A listener whose filters the broker has granted.
async fn connect(options: &Options) -> Result<Listener, String> {
    let mut listener = Listener::new(options)?;
    loop {
        if let listen::Heard::Subscribed { refused } = listener.poll().await? {
            return match refused.as_slice() {
                [] => Ok(listener),
                some => Err(format!(
                    "it refuses {}: give the user leave to read it (acl_file of Mosquitto), or ask for less",
                    some.join(", ")
                )),
            };
        }
    }
}

async fn again(options: &Options) -> Listener {
    loop {
        tokio::time::sleep(PAUSE).await;
        if let Ok(Ok(listener)) = tokio::time::timeout(PATIENCE, connect(options)).await {
            return listener;
        }
    }
}

/// The running service's own broker.
fn embedded(config: &Config) -> Option<Options> {
    let broker = config.broker.as_ref()?;
    let mut address = broker.listen;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    Some(Options {
        version: Version::V3,
        host: address.ip().to_string(),
        port: address.port(),
        transport: Transport::default(),
        client_id: "nadikota".to_owned(),
        login: broker.login.clone(),
        keep_alive: Duration::from_secs(30),
        session_expiry: Duration::ZERO,
        receive_maximum: 1000,
        max_packet: 2 * 1024 * 1024,
        filters: Vec::new(),
        stale: Vec::new(),
    })
}
