//! The books at the end of a demo: the account, and what the store holds against the publisher's own log.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

use super::GUEST;
use crate::account::Account;
use crate::journal::disk::RealDisk;
use crate::quarantine::{self, Filter};
use crate::simulate::Log;
use crate::simulate::oracle::{self, Held, Row, Tally, Verdict};
use crate::sink::embedded::{Reader, Value};

/// Everything known at the end.
#[derive(Debug)]
pub(super) struct Books {
    account: Account,
    published: usize,
    unacknowledged: usize,
    sent_again: u64,
    /// Nothing where the store is not ours to read, or held something before.
    found: Option<(Verdict, Tally)>,
    /// Every discard that the log expects is in the account.
    discards_agree: bool,
    /// The service received each acknowledged message, and none that was not sent.
    received_agree: bool,
    /// Values and refused messages that are not of the city: somebody else has published here.
    others: u64,
}

/// Where store and quarantine are.
#[derive(Debug)]
pub(super) struct Places {
    /// The directory of the embedded store.
    pub(super) store: PathBuf,
    pub(super) quarantine: PathBuf,
}

impl Places {
    /// Those of one service with the embedded store.
    pub(super) fn of(data: &Path) -> Self {
        Self { store: data.to_owned(), quarantine: data.join("quarantine") }
    }
}

/// The JSON shape.
#[derive(Debug, Serialize)]
pub(super) struct Told<'a> {
    /// What became of the acknowledged messages, by the publisher's log.
    #[serde(flatten)]
    tally: Option<&'a Tally>,
    account: &'a Account,
    balances: bool,
    published: usize,
    unacknowledged: usize,
    /// Publishes repeated because their PUBACK did not come before the connection ended.
    sent_again: u64,
    store_agrees: Option<bool>,
    expected_values: Option<u64>,
    found_values: Option<u64>,
    /// Values and refused messages of others who published here.
    others: u64,
}

/// Closes the books; with places, what they hold is held against the log.
pub(super) fn close(log: &Log, account: Account, places: Option<&Places>) -> anyhow::Result<Books> {
    let (found, others) = match places {
        Some(places) => {
            judge(log, places).map(|(verdict, tally, others)| (Some((verdict, tally)), others))?
        }
        None => (None, 0),
    };
    let expected = log.outcomes().discarded;
    let discards_agree = expected
        .iter()
        .all(|(reason, count)| account.discarded.get(reason).is_some_and(|counted| counted >= count));
    let acknowledged = count(log.len().saturating_sub(log.open()));
    let most = count(log.len()).saturating_add(log.repeats());
    // What is compared begins empty; another account may hold an earlier run's messages, or a broker still have some.
    let most = if others > 0 { u64::MAX } else { most };
    let received_agree = places.is_none() || (acknowledged..=most).contains(&account.received);
    Ok(Books {
        account,
        published: log.len(),
        unacknowledged: log.open(),
        sent_again: log.repeats(),
        found,
        discards_agree,
        received_agree,
        others,
    })
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn judge(log: &Log, places: &Places) -> anyhow::Result<(Verdict, Tally, u64)> {
    let (mut rows, mut others) = (Vec::new(), 0_u64);
    let (devices, topics) = (log.devices(), log.refused_topics());
    let reader = Reader::open(&places.store).context("cannot read the store")?;
    reader
        .each(|row| {
            let tags: BTreeMap<_, _> = row.tags.into_iter().collect();
            let value = match row.value {
                Value::Number(value) => value,
                Value::Text(_) => f64::NAN,
            };
            let device = tags.get("device").map(String::as_str);
            if device.is_some_and(|device| !devices.contains(device)) {
                others = others.saturating_add(u64::from(device != Some(GUEST)));
            } else {
                rows.push(Row {
                    measurement: row.measurement,
                    tags,
                    time: row.time,
                    field: row.field,
                    value,
                });
            }
        })
        .context("cannot read the store")?;
    let mut held = Vec::new();
    quarantine::list(&places.quarantine, &RealDisk, &BTreeMap::new(), &Filter::default(), |message| {
        if !topics.contains(&*message.record.message.topic) {
            others = others.saturating_add(1);
            return;
        }
        held.push(Held {
            topic: message.record.message.topic.to_vec(),
            payload: message.record.message.payload.to_vec(),
            reason: message.rejection.reason,
        });
    })
    .context("cannot read the quarantine")?;
    let tally = oracle::tally(log, &rows, &held);
    Ok((oracle::judge(log, rows, held), tally, others))
}

impl Books {
    /// The account adds up, nothing is pending, and the store holds what the log expects.
    pub(super) fn balance(&self) -> bool {
        self.account.balances()
            && self.account.pending == 0
            && self.discards_agree
            && self.received_agree
            && self
                .found
                .as_ref()
                .is_none_or(|(verdict, tally)| verdict.agrees() && tally.lost == 0 && tally.doubled == 0)
    }

    /// The last line: what became of each acknowledged message. Nothing where the store was not compared.
    pub(super) fn tally(&self) -> String {
        self.found.as_ref().map(|(_, tally)| tally.to_string()).unwrap_or_default()
    }

    pub(super) fn told(&self) -> Told<'_> {
        let verdict = self.found.as_ref().map(|(verdict, _)| verdict);
        Told {
            account: &self.account,
            balances: self.account.balances(),
            published: self.published,
            unacknowledged: self.unacknowledged,
            sent_again: self.sent_again,
            tally: self.found.as_ref().map(|(_, tally)| tally),
            store_agrees: verdict.map(|verdict| verdict.agrees() && self.discards_agree),
            expected_values: verdict.map(|verdict| verdict.expected),
            found_values: verdict.map(|verdict| verdict.found),
            others: self.others,
        }
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let account = &self.account;
        writeln!(
            f,
            "published      {:>8}, {} of them not acknowledged",
            self.published, self.unacknowledged
        )?;
        writeln!(f, "{account}")?;
        if !self.discards_agree {
            writeln!(f, "the account lacks discards that the publisher's log expects")?;
        }
        if !self.received_agree {
            writeln!(f, "the account holds fewer messages than were acknowledged, or more than were sent")?;
        }
        if self.others > 0 {
            writeln!(
                f,
                "not the city's {:>8} values or refused messages, published by somebody else",
                self.others
            )?;
        }
        if let Some((_, tally)) = self.found.as_ref().filter(|_| self.sent_again > 0) {
            writeln!(
                f,
                "sent again     {:>8}, having no PUBACK; {} of them are there twice for want of an own time",
                self.sent_again, tally.repeated
            )?;
        }
        for example in self.found.iter().flat_map(|(_, tally)| &tally.examples) {
            writeln!(f, "{example}")?;
        }
        match self.found.as_ref().map(|(verdict, _)| verdict) {
            None => {
                write!(f, "the store was not compared: it is not the demo's own, or held something before")
            }
            Some(verdict) if verdict.agrees() => {
                write!(f, "the store holds what the publisher's log expects: {verdict}")
            }
            Some(verdict) => write!(f, "THE STORE DIFFERS from the publisher's log: {verdict}"),
        }
    }
}
