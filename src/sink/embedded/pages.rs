//! Pages: all points of a span of time, some thousand at a time, so that neither memory nor the writer suffers.
//!
//! Each page is a reading of its own: one that lasted as long as an export would keep SQLite from ever shortening
//! its log. What is written meanwhile may be among the points or not.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{OptionalExtension as _, params};

use super::{Reader, packed, parse};
use crate::point::{Field, Name, Point, Tags};

/// Points in one page.
const POINTS: usize = 1_000;

/// Measurement and tags.
type Series = (Arc<str>, Tags);

/// Reads page after page: series after series, each in the order of time.
#[derive(Debug)]
pub struct Pages<'r> {
    reader: &'r Reader,
    from: i64,
    last: i64,
    measurement: Option<String>,
    device: Option<String>,
    /// The last series there is, to tell how far it has come.
    end: i64,
    /// The series that is read.
    at: i64,
    series: Option<Series>,
    /// The time to go on from in it; nothing when it is read.
    next: Option<i64>,
    fields: HashMap<u64, Name>,
    /// Points or values that cannot be read, or whose series or name cannot.
    pub unreadable: u64,
}

impl<'r> Pages<'r> {
    /// Points from `from` to `last`, both included; of one measurement or device, where given.
    pub fn new(
        reader: &'r Reader,
        from: i64,
        last: i64,
        measurement: Option<String>,
        device: Option<String>,
    ) -> rusqlite::Result<Self> {
        let end = reader.0.query_row("SELECT max(id) FROM series", [], |row| row.get::<_, Option<i64>>(0))?;
        let (end, at, series, next) = (end.unwrap_or(0), 0, None, None);
        let (fields, unreadable) = (HashMap::new(), 0);
        Ok(Self { reader, from, last, measurement, device, end, at, series, next, fields, unreadable })
    }

    /// How far it has come, from 0 to 1.
    pub fn progress(&self) -> f64 {
        let whole = |id: i64| Duration::from_secs(u64::try_from(id).unwrap_or(0)).as_secs_f64();
        (whole(self.at) / whole(self.end).max(1.0)).min(1.0)
    }

    /// Appends the points of the next page; false at the end.
    pub fn next_page(&mut self, points: &mut Vec<Point>) -> rusqlite::Result<bool> {
        let mut room = POINTS;
        while room > 0 {
            match (self.next, self.series.clone()) {
                (Some(next), Some(series)) => room = self.read(next, &series, room, points)?,
                _ if self.advance()? => {}
                _ => return Ok(room < POINTS),
            }
        }
        Ok(true)
    }

    /// Goes to the next series that is wanted; false where there is none.
    fn advance(&mut self) -> rusqlite::Result<bool> {
        let mut statement =
            self.reader.0.prepare_cached("SELECT id, text FROM series WHERE id > ? ORDER BY id")?;
        let mut rows = statement.query(params![self.at])?;
        while let Some(row) = rows.next()? {
            self.at = row.get(0)?;
            let Some((measurement, tags)) = parse::series(row.get_ref(1)?.as_str()?) else {
                self.unreadable += 1;
                continue;
            };
            let device = tags.iter().find(|(key, _)| key == "device").map(|(_, device)| device);
            let wanted = self.measurement.as_ref().is_none_or(|wanted| *wanted == measurement)
                && self.device.as_ref().is_none_or(|wanted| Some(wanted) == device);
            if wanted {
                let tags = tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
                (self.series, self.next) = (Some((measurement.into(), tags)), Some(self.from));
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Appends points of the series at hand; gives how much room is left.
    fn read(
        &mut self,
        next: i64,
        (measurement, tags): &Series,
        room: usize,
        points: &mut Vec<Point>,
    ) -> rusqlite::Result<usize> {
        let mut statement = self.reader.0.prepare_cached(
            "SELECT ts, fields FROM points WHERE series = ? AND ts >= ? AND ts <= ? ORDER BY ts LIMIT ?",
        )?;
        let limit = i64::try_from(room).unwrap_or(i64::MAX);
        let mut rows = statement.query(params![self.at, next, self.last, limit])?;
        let (mut left, mut time) = (room, next);
        while let Some(row) = rows.next()? {
            (left, time) = (left - 1, row.get(0)?);
            let mut fields = Vec::new();
            for entry in packed::entries(row.get_ref(1)?.as_blob().unwrap_or(&[0xff])) {
                let name = entry.as_ref().map(|(field, _)| self.field(*field)).transpose()?.flatten();
                match (name, entry) {
                    (Some(name), Some((_, value))) => fields.push(Field::of(name, value)),
                    _ => self.unreadable += 1,
                }
            }
            if !fields.is_empty() {
                points.push(Point { measurement: Arc::clone(measurement), tags: tags.clone(), fields, time });
            }
        }
        // A page that is full may end in the middle of the series.
        self.next = if left == 0 { time.checked_add(1) } else { None };
        Ok(left)
    }

    fn field(&mut self, id: u64) -> rusqlite::Result<Option<Name>> {
        if let Some(known) = self.fields.get(&id) {
            return Ok(Some(known.clone()));
        }
        let mut statement = self.reader.0.prepare_cached("SELECT name FROM fields WHERE id = ?")?;
        let name: Option<String> =
            statement.query_row(params![id.cast_signed()], |row| row.get(0)).optional()?;
        Ok(name.map(|name| self.fields.entry(id).or_insert(name.into()).clone()))
    }
}
