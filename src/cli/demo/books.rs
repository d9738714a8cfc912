//! The books at the end of a demo: the account, and what the store holds against the publisher's own log.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use super::GUEST;
use crate::account::Account;
use crate::journal::disk::RealDisk;
use crate::quarantine::{self, Filter};
use crate::simulate::Log;
use crate::simulate::oracle::{self, Held, Row, Verdict};
use crate::sink::embedded::{Reader, Value};

/// Everything known at the end.
#[derive(Debug)]
pub(super) struct Books {
    account: Account,
    published: usize,
    unacknowledged: usize,
    /// Nothing where the store is not ours to read, or held something before.
    verdict: Option<Verdict>,
    /// Discards that the log expects and the account lacks.
    discards_agree: bool,
}

/// The JSON shape.
#[derive(Debug, Serialize)]
pub(super) struct Told<'a> {
    account: &'a Account,
    balances: bool,
    published: usize,
    unacknowledged: usize,
    store_agrees: Option<bool>,
    expected_values: Option<u64>,
    found_values: Option<u64>,
}

/// Closes the books; `compare` says whether the store can be held against the log.
pub(super) fn close(log: &Log, account: Account, compare: bool, data: &Path) -> anyhow::Result<Books> {
    let verdict = if compare { Some(judge(log, data)?) } else { None };
    let expected = log.outcomes().discarded;
    let discards_agree = expected
        .iter()
        .all(|(reason, count)| account.discarded.get(reason).is_some_and(|counted| counted >= count));
    Ok(Books { account, published: log.len(), unacknowledged: log.open(), verdict, discards_agree })
}

fn judge(log: &Log, data: &Path) -> anyhow::Result<Verdict> {
    let mut rows = Vec::new();
    let reader = Reader::open(data).context("cannot read the store")?;
    reader
        .each(|row| {
            let tags: BTreeMap<_, _> = row.tags.into_iter().collect();
            let value = match row.value {
                Value::Number(value) => value,
                Value::Text(_) => f64::NAN,
            };
            if tags.get("device").is_none_or(|device| device != GUEST) {
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
    let dir = data.join("quarantine");
    quarantine::list(&dir, &RealDisk, &BTreeMap::new(), &Filter::default(), |message| {
        held.push(Held {
            topic: message.record.message.topic.to_vec(),
            payload: message.record.message.payload.to_vec(),
            reason: message.rejection.reason,
        });
    })
    .context("cannot read the quarantine")?;
    Ok(oracle::judge(log, rows, held))
}

impl Books {
    /// The account adds up, nothing is pending, and the store holds what the log expects.
    pub(super) fn balance(&self) -> bool {
        self.account.balances()
            && self.account.pending == 0
            && self.discards_agree
            && self.verdict.as_ref().is_none_or(Verdict::agrees)
    }

    pub(super) fn told(&self) -> Told<'_> {
        Told {
            account: &self.account,
            balances: self.account.balances(),
            published: self.published,
            unacknowledged: self.unacknowledged,
            store_agrees: self.verdict.as_ref().map(|verdict| verdict.agrees() && self.discards_agree),
            expected_values: self.verdict.as_ref().map(|verdict| verdict.expected),
            found_values: self.verdict.as_ref().map(|verdict| verdict.found),
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
        writeln!(f, "received       {:>8}", account.received)?;
        writeln!(f, "stored         {:>8}", account.stored)?;
        writeln!(f, "partly stored  {:>8}", account.partly_stored)?;
        writeln!(f, "quarantined    {:>8}{}", account.quarantined, reasons(&account.quarantined_by_reason))?;
        writeln!(f, "discarded      {:>8}{}", account.discarded_total(), reasons(&account.discarded))?;
        writeln!(f, "pending        {:>8}", account.pending)?;
        writeln!(f, "the account {}", if account.balances() { "balances" } else { "DOES NOT BALANCE" })?;
        if !self.discards_agree {
            writeln!(f, "the account lacks discards that the publisher's log expects")?;
        }
        match &self.verdict {
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

fn reasons<R: fmt::Display>(reasons: &BTreeMap<R, u64>) -> String {
    let told: Vec<_> = reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    if told.is_empty() { String::new() } else { format!("  ({})", told.join(", ")) }
}
