//! Pages: all points of a span of time, some thousands at a time, so that neither memory nor the writer suffers.
//!
//! Each page is a reading of its own: one that lasted as long as an export would keep SQLite from ever shortening
//! its log. What is written meanwhile may be among the points or not.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::params;
use rusqlite::types::ValueRef;

use super::{Reader, parse};
use crate::point::{FieldValue, Point};

/// Field values in one page.
const ROWS: usize = 10_000;

/// Measurement and tags.
type Series = (Arc<str>, Arc<[(Arc<str>, Arc<str>)]>);

/// Reads page after page.
#[derive(Debug)]
pub struct Pages<'r> {
    reader: &'r Reader,
    /// What was read last: time, series, field.
    after: (i64, i64, i64),
    /// The last time to read.
    last: i64,
    ended: bool,
    /// A point whose fields may go on in the next page, and its series.
    open: Option<(i64, Point)>,
    measurement: Option<String>,
    device: Option<String>,
    /// Nothing for those that are not wanted.
    series: HashMap<i64, Option<Series>>,
    fields: HashMap<i64, Arc<str>>,
    /// Values whose series or name cannot be read.
    pub unreadable: u64,
    /// The first and the last time there is, to tell how far it has come.
    span: (i64, i64),
}

impl<'r> Pages<'r> {
    /// Points from `from` to `last`, both included, in the order of time; of one measurement or device, where given.
    pub fn new(
        reader: &'r Reader,
        from: i64,
        last: i64,
        measurement: Option<String>,
        device: Option<String>,
    ) -> rusqlite::Result<Self> {
        let edge = |query: &str| {
            let found = reader.0.query_row(query, params![from, last], |row| row.get::<_, Option<i64>>(0));
            found.map(|edge| edge.unwrap_or(from))
        };
        let span = (
            edge("SELECT min(ts) FROM points WHERE ts >= ?1 AND ts <= ?2")?,
            edge("SELECT max(ts) FROM points WHERE ts >= ?1 AND ts <= ?2")?,
        );
        let (after, series, fields) = ((from, i64::MIN, i64::MIN), HashMap::new(), HashMap::new());
        let (ended, open, unreadable) = (false, None, 0);
        Ok(Self { reader, after, last, ended, open, measurement, device, series, fields, unreadable, span })
    }

    /// How far it has come, from 0 to 1.
    pub fn progress(&self) -> f64 {
        let (first, last) = self.span;
        let whole = last.abs_diff(first).max(1);
        let done = self.after.0.clamp(first, last).abs_diff(first);
        seconds(done) / seconds(whole)
    }

    /// Appends the points of the next page; false at the end.
    pub fn next_page(&mut self, points: &mut Vec<Point>) -> rusqlite::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let mut statement = self.reader.0.prepare_cached(
            "SELECT ts, series, field, value FROM points WHERE (ts, series, field) > (?1, ?2, ?3) AND ts <= ?4 \
             ORDER BY ts, series, field LIMIT ?5",
        )?;
        let (time, series, field) = self.after;
        let mut rows = statement.query(params![time, series, field, self.last, i64::try_from(ROWS).ok()])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += 1;
            self.after = (row.get(0)?, row.get(1)?, row.get(2)?);
            self.take(row.get_ref(3)?, points)?;
        }
        if count < ROWS {
            self.ended = true;
            points.extend(self.open.take().map(|(_, point)| point));
        }
        Ok(true)
    }

    /// One value of the row just read.
    fn take(&mut self, stored: ValueRef<'_>, points: &mut Vec<Point>) -> rusqlite::Result<()> {
        let (time, series, field) = self.after;
        let value = match stored {
            ValueRef::Real(number) => FieldValue::Float(number),
            ValueRef::Integer(number) => FieldValue::Integer(number),
            ValueRef::Text(text) => FieldValue::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Null | ValueRef::Blob(_) => {
                self.unreadable += 1;
                return Ok(());
            }
        };
        let begins = self.open.as_ref().is_none_or(|(open, point)| (point.time, *open) != (time, series));
        if begins {
            points.extend(self.open.take().map(|(_, point)| point));
        }
        let Some((measurement, tags)) = self.series(series)? else { return Ok(()) };
        let Some(name) = self.field(field)? else { return Ok(()) };
        let begin = || (series, Point { measurement, tags, fields: Vec::new(), time });
        self.open.get_or_insert_with(begin).1.fields.push((name, value));
        Ok(())
    }

    fn series(&mut self, id: i64) -> rusqlite::Result<Option<Series>> {
        if let Some(known) = self.series.get(&id) {
            return Ok(known.clone());
        }
        let Some((measurement, tags)) =
            self.text("series", "text", id)?.and_then(|text| parse::series(&text))
        else {
            self.unreadable += 1;
            return Ok(None);
        };
        let device = tags.iter().find(|(key, _)| key == "device").map(|(_, device)| device);
        let wanted = self.measurement.as_ref().is_none_or(|wanted| *wanted == measurement)
            && self.device.as_ref().is_none_or(|wanted| Some(wanted) == device);
        let series = wanted.then(|| {
            let tags = tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
            (measurement.into(), tags)
        });
        self.series.insert(id, series.clone());
        Ok(series)
    }

    fn field(&mut self, id: i64) -> rusqlite::Result<Option<Arc<str>>> {
        if let Some(known) = self.fields.get(&id) {
            return Ok(Some(Arc::clone(known)));
        }
        let Some(name) = self.text("fields", "name", id)? else {
            self.unreadable += 1;
            return Ok(None);
        };
        let name: Arc<str> = name.into();
        self.fields.insert(id, Arc::clone(&name));
        Ok(Some(name))
    }

    fn text(&self, table: &str, column: &str, id: i64) -> rusqlite::Result<Option<String>> {
        let mut statement =
            self.reader.0.prepare_cached(&format!("SELECT {column} FROM {table} WHERE id = ?"))?;
        let mut rows = statement.query(params![id])?;
        rows.next()?.map(|row| row.get(0)).transpose()
    }
}

fn seconds(nanos: u64) -> f64 {
    std::time::Duration::from_nanos(nanos).as_secs_f64()
}
