//! Births: what each edge node said that it and its devices will tell, and how its messages were counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::payload::{Metric, Payload, Raw};
use crate::outcome::{Reason, Rejection};

/// The most edge nodes that are remembered.
const MAX_EDGES: usize = 1000;
/// The most nodes, devices, names and aliases together.
const MAX_SIZE: usize = 200_000;

/// Every living edge node, by `group/node`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::decode) struct Births {
    edges: BTreeMap<String, Edge>,
    /// Births and deaths so far: says that something changed.
    changes: u64,
    size: usize,
    /// The last message showed that births of its node are missing, and there is room for them.
    #[serde(skip)]
    wanted: bool,
}

/// One edge node since its birth.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Edge {
    /// Of the session; its death must have the same.
    bd_seq: Option<u64>,
    /// Of the last message that was in order.
    seq: Option<u8>,
    /// Of the same, in milliseconds since 1970.
    time: u64,
    node: Told,
    /// By the device's own name.
    devices: BTreeMap<String, Told>,
}

/// What a birth told of the node, or of a device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    names: BTreeMap<String, u32>,
    aliases: BTreeMap<u64, String>,
}

impl Births {
    /// How many nodes, devices, names and aliases are known.
    pub(in crate::decode) const fn size(&self) -> usize {
        self.size
    }

    /// A number that is another after each birth and death.
    pub(in crate::decode) const fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether the message before this question showed that births of its node are missing. Asked once.
    pub(in crate::decode) const fn take_wanted(&mut self) -> bool {
        std::mem::replace(&mut self.wanted, false)
    }

    /// A message of the node showed that births are missing: of them, or of what changed since.
    pub(super) fn want(&mut self, edge: &str) {
        let room = self.edges.contains_key(edge) || self.edges.len() < MAX_EDGES;
        self.wanted = room && self.size < MAX_SIZE;
    }

    /// What the birth told of the node, or of its device.
    pub(super) fn told(&self, edge: &str, device: Option<&str>) -> Option<&Told> {
        let edge = self.edges.get(edge)?;
        device.map_or(Some(&edge.node), |device| edge.devices.get(device))
    }

    /// How many messages of the node are missing before this one.
    pub(super) fn follow(&mut self, edge: &str, payload: &Payload<'_>) -> Result<u8, Rejection> {
        let seq = sequence(payload)?;
        let known = self.edges.get_mut(edge).zip(seq);
        let missing = known.map_or(0, |(edge, seq)| edge.follow(seq, payload.timestamp));
        if missing > 0 {
            self.want(edge);
        }
        Ok(missing)
    }

    /// A node's birth ends whatever was known of it and its devices.
    pub(super) fn node_born(&mut self, edge: &str, payload: &Payload<'_>) -> Result<(), Rejection> {
        let (node, seq) = (Told::read(&payload.metrics)?, sequence(payload)?);
        let before = self.edges.remove(edge);
        self.changed();
        self.room(&node, 1)?;
        let bd_seq = bd_seq(payload).or(before.and_then(|before| before.bd_seq));
        let time = payload.timestamp.unwrap_or_default();
        let born = Edge { bd_seq, seq, time, node, devices: BTreeMap::new() };
        self.edges.insert(edge.to_owned(), born);
        self.changed();
        Ok(())
    }

    /// The birth of a device says all of it, so that of its node may have been missed.
    pub(super) fn device_born(
        &mut self,
        edge: &str,
        device: &str,
        metrics: &[Metric<'_>],
    ) -> Result<(), Rejection> {
        let told = Told::read(metrics)?;
        self.device_died(edge, device);
        self.room(&told, usize::from(!self.edges.contains_key(edge)))?;
        self.edges.entry(edge.to_owned()).or_default().devices.insert(device.to_owned(), told);
        self.changed();
        Ok(())
    }

    /// The devices that died with the node; nothing where the death is that of an earlier session.
    pub(super) fn node_died(&mut self, edge: &str, payload: &Payload<'_>) -> Option<Vec<String>> {
        let Some(known) = self.edges.get(edge) else { return Some(Vec::new()) };
        let (told, now) = (bd_seq(payload), known.bd_seq);
        if told.is_some() && now.is_some() && told != now {
            return None;
        }
        let dead = self.edges.remove(edge)?;
        self.changed();
        Some(dead.devices.into_keys().collect())
    }

    pub(super) fn device_died(&mut self, edge: &str, device: &str) {
        if self.edges.get_mut(edge).is_some_and(|edge| edge.devices.remove(device).is_some()) {
            self.changed();
        }
    }

    fn changed(&mut self) {
        self.changes = self.changes.wrapping_add(1);
        let told =
            self.edges.values().flat_map(|edge| std::iter::once(&edge.node).chain(edge.devices.values()));
        self.size = told.map(Told::size).sum();
    }

    fn room(&self, told: &Told, edges: usize) -> Result<(), Rejection> {
        let nodes = self.edges.len().saturating_add(edges);
        if nodes > MAX_EDGES || self.size.saturating_add(told.size()) > MAX_SIZE {
            let detail = format!(
                "{nodes} edge nodes with {} names and aliases are known, and there is no room for this birth",
                self.size
            );
            return Err(Rejection::new(Reason::TooManyDevices, detail));
        }
        Ok(())
    }
}

impl Edge {
    /// How many messages are missing. One that is late, or comes a second time, moves nothing.
    fn follow(&mut self, seq: u8, timestamp: Option<u64>) -> u8 {
        let time = timestamp.unwrap_or(self.time.saturating_add(1));
        let expected = self.seq.map(|last| last.wrapping_add(1));
        let missing = expected.map_or(0, |expected| seq.wrapping_sub(expected));
        if missing > 0 && time <= self.time {
            return 0;
        }
        (self.seq, self.time) = (Some(seq), timestamp.unwrap_or(self.time));
        missing
    }
}

impl Told {
    fn read(metrics: &[Metric<'_>]) -> Result<Self, Rejection> {
        let mut told = Self::default();
        for metric in metrics {
            let Some(name) = metric.name else {
                let detail = format!("at byte {}: a birth tells a metric without its name", metric.at);
                return Err(Rejection::new(Reason::Malformed, detail));
            };
            told.names.insert(name.to_owned(), metric.datatype.unwrap_or_default());
            let Some(alias) = metric.alias else { continue };
            if let Some(other) = told.aliases.insert(alias, name.to_owned())
                && other != name
            {
                let detail = format!("at byte {}: the alias {alias} stands for two metrics", metric.at);
                return Err(Rejection::new(Reason::Malformed, detail));
            }
        }
        Ok(told)
    }

    fn size(&self) -> usize {
        self.names.len().saturating_add(self.aliases.len()).saturating_add(1)
    }

    /// Name and datatype.
    pub(super) fn alias(&self, alias: u64) -> Option<(&str, u32)> {
        let name = self.aliases.get(&alias)?;
        Some((name, self.datatype(name)))
    }

    /// 0 where it is not known.
    pub(super) fn datatype(&self, name: &str) -> u32 {
        self.names.get(name).copied().unwrap_or_default()
    }
}

fn bd_seq(payload: &Payload<'_>) -> Option<u64> {
    let metric = payload.metrics.iter().find(|metric| metric.name == Some("bdSeq"))?;
    match metric.value? {
        Raw::Int(number) => Some(number.into()),
        Raw::Long(number) => Some(number),
        _ => None,
    }
}

fn sequence(payload: &Payload<'_>) -> Result<Option<u8>, Rejection> {
    let wrong = |number: u64| {
        Rejection::new(Reason::Malformed, format!("the sequence number {number} is not within 0 to 255"))
    };
    payload.seq.map(|number| u8::try_from(number).map_err(|_| wrong(number))).transpose()
}
