//! Writing a batch to the store, in one transaction.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::file::{self, StoreError};
use super::packed::Packer;
use super::parse;
use crate::batch::Batch;
use crate::clock::Clock;
use crate::outcome::{Reason, Rejection};
use crate::sink::LineVerdict;

/// How often old points are looked for; how many series are looked at, and about how many points go, at once.
pub(super) const CLEAN_EVERY: Duration = Duration::from_secs(60);
const CLEAN_SERIES: i64 = 500;
const CLEAN_ROWS: usize = 5_000;
/// Numbers kept in memory; beyond it they are looked up in the file again.
const KNOWN: usize = 50_000;

#[derive(Debug)]
pub(super) struct Writer {
    pub(super) connection: Connection,
    series: Numbers,
    fields: Numbers,
    packer: Packer,
    retention: Option<Duration>,
    clock: Clock,
    pub(super) cleaned: Instant,
    /// The last series that the cleaning under way was through with.
    clean_after: i64,
}

/// What texts are called in a table.
#[derive(Debug)]
struct Numbers {
    insert: &'static str,
    select: &'static str,
    /// By the text as it stands in a line, escaped.
    known: HashMap<String, i64>,
}

impl Writer {
    pub(super) fn open(dir: &Path, retention: Option<Duration>, clock: Clock) -> Result<Self, StoreError> {
        let series = Numbers {
            insert: "INSERT OR IGNORE INTO series (text) VALUES (?)",
            select: "SELECT id FROM series WHERE text = ?",
            known: HashMap::new(),
        };
        let fields = Numbers {
            insert: "INSERT OR IGNORE INTO fields (name) VALUES (?)",
            select: "SELECT id FROM fields WHERE name = ?",
            known: HashMap::new(),
        };
        let (connection, packer) = (file::to_write(dir)?, Packer::default());
        let (cleaned, clean_after) = (Instant::now(), 0);
        Ok(Self { connection, series, fields, packer, retention, clock, cleaned, clean_after })
    }

    /// All of it is on the disk when this returns, or nothing.
    pub(super) fn write(&mut self, batch: &Batch) -> rusqlite::Result<Vec<LineVerdict>> {
        let result = self.write_all(batch);
        if result.is_err() {
            // Numbers given in a transaction that was rolled back are not there.
            self.series.known.clear();
            self.fields.known.clear();
        }
        result
    }

    fn write_all(&mut self, batch: &Batch) -> rusqlite::Result<Vec<LineVerdict>> {
        let transaction = self.connection.transaction()?;
        let mut verdicts = Vec::with_capacity(batch.len());
        for index in 0..batch.len() {
            let text = std::str::from_utf8(batch.line(index)).unwrap_or_default();
            let packer = &mut self.packer;
            packer.clear();
            let Some((series, time)) = pack(&transaction, &mut self.fields, text, packer)? else {
                let detail = "the embedded store cannot read the line";
                verdicts.push(LineVerdict::Refused(Rejection::new(Reason::RefusedByDatabase, detail)));
                continue;
            };
            let series = self.series.of(&transaction, series, str::to_owned)?;
            put(&transaction, series, time, packer)?;
            verdicts.push(LineVerdict::Stored);
        }
        if let Some(retention) = self.retention
            && self.cleaned.elapsed() >= CLEAN_EVERY
        {
            let age = i64::try_from(retention.as_nanos()).unwrap_or(i64::MAX);
            let before = self.clock.now().saturating_sub(age);
            match clean(&transaction, before, self.clean_after)? {
                Some(after) => self.clean_after = after,
                None => (self.clean_after, self.cleaned) = (0, Instant::now()),
            }
        }
        transaction.commit()?;
        Ok(verdicts)
    }
}

/// Packs the fields of a line; gives its series and time, or nothing where it cannot be read.
fn pack<'l>(
    transaction: &Transaction<'_>,
    numbers: &mut Numbers,
    line: &'l str,
    packer: &mut Packer,
) -> rusqlite::Result<Option<(&'l str, i64)>> {
    let Some((series, fields, time)) = parse::parts(line) else { return Ok(None) };
    for field in parse::fields(fields) {
        let Some((name, Some(value))) = field.map(|(name, value)| (name, parse::value(value))) else {
            return Ok(None);
        };
        let number = numbers.of(transaction, name, parse::unescape)?;
        packer.push(number.cast_unsigned(), &value);
    }
    Ok(Some((series, time)))
}

/// Stores a point; where there is one of its series and time, the fields of both stay, and the new values.
fn put(transaction: &Transaction<'_>, series: i64, time: i64, packer: &mut Packer) -> rusqlite::Result<()> {
    let mut insert = transaction
        .prepare_cached("INSERT INTO points (series, ts, fields) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")?;
    if insert.execute(params![series, time, packer.pack()])? > 0 {
        return Ok(());
    }
    let former: Vec<u8> = transaction
        .prepare_cached("SELECT fields FROM points WHERE series = ? AND ts = ?")?
        .query_row(params![series, time], |row| row.get(0))?;
    if !packer.push_former(&former) {
        tracing::error!(series, time, "fields in the embedded store cannot be read; they are replaced");
    }
    transaction
        .prepare_cached("UPDATE points SET fields = ? WHERE series = ? AND ts = ?")?
        .execute(params![packer.pack(), series, time])?;
    Ok(())
}

/// Removes points before this time from the next series; gives the last of these, or nothing when it was through.
fn clean(transaction: &Transaction<'_>, before: i64, after: i64) -> rusqlite::Result<Option<i64>> {
    let mut next = transaction.prepare_cached("SELECT id FROM series WHERE id > ? ORDER BY id LIMIT ?")?;
    let ids = next.query_map(params![after, CLEAN_SERIES], |row| row.get::<_, i64>(0))?;
    let mut remove = transaction.prepare_cached(
        "DELETE FROM points WHERE series = ?1 AND ts <= \
         (SELECT max(ts) FROM (SELECT ts FROM points WHERE series = ?1 AND ts < ?2 ORDER BY ts LIMIT ?3))",
    )?;
    let (mut room, mut seen) = (CLEAN_ROWS, 0);
    for id in ids {
        let id = id?;
        let removed = remove.execute(params![id, before, i64::try_from(room).unwrap_or(i64::MAX)])?;
        room = room.saturating_sub(removed);
        if room == 0 {
            // There may be more of this one.
            return Ok(Some(id.saturating_sub(1)));
        }
        seen = id;
    }
    Ok(Some(seen).filter(|seen| *seen > 0))
}

impl Numbers {
    /// The number of a text, given at its first appearance; `plain` makes of it what the table holds.
    fn of(
        &mut self,
        transaction: &Transaction<'_>,
        text: &str,
        plain: impl Fn(&str) -> String,
    ) -> rusqlite::Result<i64> {
        if let Some(id) = self.known.get(text) {
            return Ok(*id);
        }
        let written = plain(text);
        let mut select = transaction.prepare_cached(self.select)?;
        let mut find = || select.query_row(params![written], |row| row.get(0)).optional();
        let id = match find()? {
            Some(id) => id,
            None => {
                transaction.prepare_cached(self.insert)?.execute(params![written])?;
                transaction.last_insert_rowid()
            }
        };
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        self.known.insert(text.to_owned(), id);
        Ok(id)
    }
}
