//! The embedded store: SQLite in the data directory, for a demo, a trial, or one small site.
//!
//! One row for each field of a point, keyed by time, series and field, so writing twice is writing once. `latest`
//! is kept in the same transaction and never goes back in time. The journal stands behind it: a write that is cut
//! off is made again.

mod pages;
mod parse;
mod read;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ToSql, params};
use tokio_util::sync::CancellationToken;

use super::{LineVerdict, Meter, Stopped};
use crate::backoff::Backoff;
use crate::batch::Batch;
use crate::clock::Clock;
use crate::outcome::{Reason, Rejection};
use crate::point::FieldValue;
use crate::status::Part;

pub use pages::Pages;
pub use parse::{pairs, parts, point, series, unescape};
pub use read::{Reader, Row, Value};

/// The file's name in the data directory.
pub const FILE: &str = "store.sqlite";
const VERSION: i64 = 1;
/// How often old points are looked for, and how many go at once.
const CLEAN_EVERY: Duration = Duration::from_secs(60);
const CLEAN_ROWS: i64 = 20_000;

const SCHEMA: &str = "
    CREATE TABLE series (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
    CREATE TABLE fields (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE points (
        ts INTEGER NOT NULL, series INTEGER NOT NULL, field INTEGER NOT NULL, value,
        PRIMARY KEY (ts, series, field)
    ) WITHOUT ROWID;
    CREATE TABLE latest (
        series INTEGER NOT NULL, field INTEGER NOT NULL, ts INTEGER NOT NULL, value,
        PRIMARY KEY (series, field)
    ) WITHOUT ROWID;
    PRAGMA user_version = 1;
";

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{}: {cause}", path.display())]
    Sqlite { path: PathBuf, cause: rusqlite::Error },
    #[error("{}: written by a later version of nadikota (store version {found}); run that one", path.display())]
    Newer { path: PathBuf, found: i64 },
}

/// Writes to the store; one batch at a time.
#[derive(Debug)]
pub struct Store {
    inner: Arc<Mutex<Inner>>,
    part: Part,
    pub meter: Meter,
}

#[derive(Debug)]
struct Inner {
    connection: Connection,
    series: HashMap<String, i64>,
    fields: HashMap<String, i64>,
    retention: Option<Duration>,
    clock: Clock,
    cleaned: Instant,
}

impl Store {
    /// Opens or makes the store in the data directory. `retention`: older points go.
    pub fn open(
        dir: &Path,
        retention: Option<Duration>,
        clock: Clock,
        part: Part,
    ) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        let failed = |cause| StoreError::Sqlite { path: path.clone(), cause };
        let connection = Connection::open(&path).map_err(failed)?;
        connection.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
        let found = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
        match found {
            0 => connection.execute_batch(&format!("BEGIN; {SCHEMA} COMMIT;")).map_err(failed)?,
            VERSION => {}
            _ => return Err(StoreError::Newer { path, found }),
        }
        part.ok();
        let inner = Inner {
            connection,
            series: HashMap::new(),
            fields: HashMap::new(),
            retention,
            clock,
            cleaned: Instant::now(),
        };
        Ok(Self { inner: Arc::new(Mutex::new(inner)), part, meter: Meter::new() })
    }

    /// Returns when every line is stored or refused; tries until the disk takes it, or until stopped.
    pub async fn deliver(
        &self,
        batch: &Batch,
        stop: &CancellationToken,
    ) -> Result<Vec<LineVerdict>, Stopped> {
        let batch = Arc::new(batch.clone());
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
        loop {
            let (inner, lines) = (Arc::clone(&self.inner), Arc::clone(&batch));
            let started = Instant::now();
            self.meter.sent();
            let written = tokio::task::spawn_blocking(move || {
                let mut inner = inner.lock().unwrap_or_else(PoisonError::into_inner);
                inner.write(&lines).map_err(|error| error.to_string())
            });
            let why = match written.await {
                Ok(Ok(verdicts)) => {
                    self.part.ok();
                    self.meter.answered(started.elapsed());
                    return Ok(verdicts);
                }
                Ok(Err(why)) => why,
                Err(error) => error.to_string(),
            };
            self.meter.failed();
            tracing::warn!(why, "the embedded store cannot be written; points are kept");
            self.part.degraded(
                format!("the embedded store cannot be written: {why}"),
                "free disk space, or end the program that locks the store; it tries again by itself",
            );
            tokio::select! {
                () = stop.cancelled() => return Err(Stopped),
                () = tokio::time::sleep(backoff.next_wait()) => {}
            }
        }
    }
}

impl Inner {
    fn write(&mut self, batch: &Batch) -> rusqlite::Result<Vec<LineVerdict>> {
        let result = self.write_all(batch);
        if result.is_err() {
            // Numbers given in a transaction that was rolled back are not there.
            self.series.clear();
            self.fields.clear();
        }
        result
    }

    fn write_all(&mut self, batch: &Batch) -> rusqlite::Result<Vec<LineVerdict>> {
        let transaction = self.connection.transaction()?;
        let mut verdicts = Vec::with_capacity(batch.len());
        {
            let mut point = transaction.prepare_cached(
                "INSERT OR REPLACE INTO points (ts, series, field, value) VALUES (?, ?, ?, ?)",
            )?;
            let mut latest = transaction.prepare_cached(
                "INSERT INTO latest (series, field, ts, value) VALUES (?, ?, ?, ?) ON CONFLICT (series, field) \
                 DO UPDATE SET ts = excluded.ts, value = excluded.value WHERE excluded.ts >= latest.ts",
            )?;
            for index in 0..batch.len() {
                let text = std::str::from_utf8(batch.line(index)).unwrap_or_default();
                let Some(line) = parse::line(text) else {
                    let detail = "the embedded store cannot read the line";
                    verdicts.push(LineVerdict::Refused(Rejection::new(Reason::RefusedByDatabase, detail)));
                    continue;
                };
                let series = number(&transaction, &mut self.series, "series", "text", line.series)?;
                for (name, value) in &line.fields {
                    let field = number(&transaction, &mut self.fields, "fields", "name", name)?;
                    let value: &dyn ToSql = match value {
                        FieldValue::Float(number) => number,
                        // Kept apart from floats: a database that takes an export knows the two as types.
                        FieldValue::Integer(number) => number,
                        FieldValue::Boolean(true) => &1.0,
                        FieldValue::Boolean(false) => &0.0,
                        FieldValue::Text(text) => text,
                    };
                    point.execute(params![line.time, series, field, value])?;
                    latest.execute(params![series, field, line.time, value])?;
                }
                verdicts.push(LineVerdict::Stored);
            }
        }
        if let Some(retention) = self.retention
            && self.cleaned.elapsed() >= CLEAN_EVERY
        {
            let age = i64::try_from(retention.as_nanos()).unwrap_or(i64::MAX);
            let before = self.clock.now().saturating_sub(age);
            let removed = transaction.execute(
                "DELETE FROM points WHERE (ts, series, field) IN \
                 (SELECT ts, series, field FROM points WHERE ts < ? ORDER BY ts LIMIT ?)",
                params![before, CLEAN_ROWS],
            )?;
            // A full step means that there is more to do: go on with the next batch.
            if i64::try_from(removed).unwrap_or(i64::MAX) < CLEAN_ROWS {
                self.cleaned = Instant::now();
            }
        }
        transaction.commit()?;
        Ok(verdicts)
    }
}

/// The number of a series or field, given at its first appearance.
fn number(
    transaction: &rusqlite::Transaction<'_>,
    known: &mut HashMap<String, i64>,
    table: &str,
    column: &str,
    text: &str,
) -> rusqlite::Result<i64> {
    if let Some(id) = known.get(text) {
        return Ok(*id);
    }
    transaction
        .prepare_cached(&format!("INSERT OR IGNORE INTO {table} ({column}) VALUES (?)"))?
        .execute(params![text])?;
    let id = transaction
        .prepare_cached(&format!("SELECT id FROM {table} WHERE {column} = ?"))?
        .query_row(params![text], |row| row.get(0))?;
    known.insert(text.to_owned(), id);
    Ok(id)
}

#[cfg(test)]
mod tests;
