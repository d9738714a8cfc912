//! Reading the store beside its writer.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, params};

use super::parse;
use super::{FILE, StoreError, VERSION};

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Numbers and booleans, which are 0 or 1.
    Number(f64),
    Text(String),
}

/// One stored field.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub measurement: String,
    pub tags: Vec<(String, String)>,
    /// Unix time in nanoseconds.
    pub time: i64,
    pub field: String,
    pub value: Value,
}

/// A read-only connection.
#[derive(Debug)]
pub struct Reader(pub(super) Connection);

const COLUMNS: &str = "SELECT s.text, p.ts, f.name, p.value FROM";
const JOINS: &str = "p JOIN series s ON s.id = p.series JOIN fields f ON f.id = p.field";

impl Reader {
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(&path, flags).and_then(|connection| {
            connection.busy_timeout(Duration::from_secs(5))?;
            let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
            Ok((connection, version))
        });
        match opened {
            Ok((_, found)) if found > VERSION => Err(StoreError::Newer { path, found }),
            Ok((connection, _)) => Ok(Self(connection)),
            Err(cause) => Err(StoreError::Sqlite { path, cause }),
        }
    }

    /// Calls `with` for every field of every point, in the order of time.
    pub fn each(&self, with: impl FnMut(Row)) -> rusqlite::Result<()> {
        self.rows(&format!("{COLUMNS} points {JOINS} ORDER BY p.ts"), [], with)
    }

    /// The newest value of every field of every series.
    pub fn latest(&self, with: impl FnMut(Row)) -> rusqlite::Result<()> {
        self.rows(&format!("{COLUMNS} latest {JOINS} ORDER BY s.text, f.name"), [], with)
    }

    /// Fields from `from` up to but not at `to`, Unix time in nanoseconds.
    pub fn between(&self, from: i64, to: i64, with: impl FnMut(Row)) -> rusqlite::Result<()> {
        let query = format!("{COLUMNS} points {JOINS} WHERE p.ts >= ? AND p.ts < ? ORDER BY p.ts");
        self.rows(&query, params![from, to], with)
    }

    /// How many field values there are.
    pub fn count(&self) -> rusqlite::Result<u64> {
        let count: i64 = self.0.query_row("SELECT count(*) FROM points", [], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    fn rows(
        &self,
        query: &str,
        values: impl rusqlite::Params,
        mut with: impl FnMut(Row),
    ) -> rusqlite::Result<()> {
        let mut statement = self.0.prepare_cached(query)?;
        let mut rows = statement.query(values)?;
        while let Some(row) = rows.next()? {
            let series: String = row.get(0)?;
            let value = value(row.get_ref(3)?);
            let Some((measurement, tags)) = parse::series(&series) else {
                tracing::error!(series, "a series in the embedded store cannot be read");
                continue;
            };
            with(Row { measurement, tags, time: row.get(1)?, field: row.get(2)?, value });
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "whole numbers are flags and counts, far below 2^53")]
fn value(stored: ValueRef<'_>) -> Value {
    match stored {
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Integer(whole) => Value::Number(whole as f64),
        other => Value::Number(other.as_f64().unwrap_or(f64::NAN)),
    }
}
