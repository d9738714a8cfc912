//! Reading the store beside its writer.

use std::path::Path;

use rusqlite::Connection;

use super::file::{self, StoreError};
use super::pages::Pages;
use crate::point::FieldValue;

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

impl Reader {
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        file::to_read(dir).map(Self)
    }

    /// Calls `with` for every field of every point, series after series, each in the order of time.
    pub fn each(&self, mut with: impl FnMut(Row)) -> rusqlite::Result<()> {
        let mut pages = Pages::new(self, i64::MIN, i64::MAX, None, None)?;
        let mut points = Vec::new();
        while pages.next_page(&mut points)? {
            for point in points.drain(..) {
                let tags = || point.tags.iter().map(|(key, value)| (key.to_string(), value.to_string()));
                for (name, value) in point.stored() {
                    with(Row {
                        measurement: point.measurement.to_string(),
                        tags: tags().collect(),
                        time: point.time,
                        field: name.to_string(),
                        value: value.into(),
                    });
                }
            }
        }
        if pages.unreadable > 0 {
            tracing::error!(values = pages.unreadable, "values in the embedded store cannot be read");
        }
        Ok(())
    }

    /// How many points there are.
    pub fn count(&self) -> rusqlite::Result<u64> {
        let count: i64 = self.0.query_row("SELECT count(*) FROM points", [], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

impl From<FieldValue> for Value {
    #[expect(
        clippy::cast_precision_loss,
        clippy::as_conversions,
        reason = "flags and counts, far below 2^53"
    )]
    fn from(value: FieldValue) -> Self {
        match value {
            FieldValue::Float(number) => Self::Number(number),
            FieldValue::Integer(whole) => Self::Number(whole as f64),
            FieldValue::Boolean(truth) => Self::Number(f64::from(u8::from(truth))),
            FieldValue::Text(text) => Self::Text(text),
        }
    }
}
