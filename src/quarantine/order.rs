//! What can be asked of the quarantine, and what came of it: the words that commands and HTTP share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Filter;
use crate::outcome::Reason;
use crate::topic::Template;

/// What is to be done with the messages that are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Through the configuration of today, again.
    Replay,
    /// Away with them.
    Drop,
}

/// A piece of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub action: Action,
    /// Only tells what would be.
    #[serde(default)]
    pub dry_run: bool,
    #[serde(default)]
    pub wanted: Wanted,
}

/// The messages that are meant, as people say it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wanted {
    pub seq: Option<u64>,
    pub reason: Option<Reason>,
    /// An MQTT filter.
    pub topic: Option<String>,
    pub device: Option<String>,
    /// Unix time in nanoseconds.
    pub from: Option<i64>,
    pub to: Option<i64>,
}

impl Wanted {
    /// Whether messages that have killed the process are meant by name.
    pub fn asks_for_poison(&self) -> bool {
        self.seq.is_some() || self.reason == Some(Reason::Poison)
    }

    /// All but the device, which needs the routes to be found.
    pub fn filter(&self) -> Result<Filter, String> {
        let topic = self.topic.as_deref().map(Template::parse).transpose();
        let topic = topic.map_err(|wrong| format!("topic: {wrong}"))?;
        Ok(Filter { seq: self.seq, reason: self.reason, topic, from: self.from, to: self.to })
    }
}

/// How a piece of work stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// None was asked for since the start.
    #[default]
    Idle,
    Running,
    Done,
    /// Stopped half-way, on request: what was done is done.
    Stopped,
    Failed,
}

/// What came of a piece of work so far. With a dry run: what would.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// Counts the pieces of work since the start.
    pub number: u64,
    pub standing: Standing,
    pub dry_run: bool,
    /// Messages that were meant, so far.
    pub messages: u64,
    pub points: u64,
    pub stored: u64,
    /// Stay in quarantine for the rest of them.
    pub partly_stored: u64,
    pub discarded: BTreeMap<Reason, u64>,
    /// Stay in quarantine, by today's reason.
    pub stay: BTreeMap<Reason, u64>,
    /// Of reason poison, and not asked for by number or reason: they were left alone.
    pub passed_over: u64,
    /// Which share of the quarantine was looked at.
    pub share: f64,
    /// Why it failed, or what it waits for.
    pub trouble: Option<String>,
}
