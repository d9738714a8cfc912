//! Comparing points with what is stored: new, the same, changed, or in other series than before.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context as _, anyhow};
use serde::Serialize;

use crate::cli::export::as_stored;
use crate::cli::{Failure, say};
use crate::config::Config;
use crate::delivery::Placed;
use crate::point::{FieldValue, Point};
use crate::sink::Kind;
use crate::sink::embedded::{FILE, Pages, Reader, Value};
use crate::sink::influxdb::control::{ControlError, Stored};

/// Series that are named; more are only counted.
const MOST_NAMED: usize = 100;
/// Points further apart are asked for apart: what lies between is not wanted.
const GAP: i64 = 600_000_000_000;

/// What would change.
#[derive(Debug, Default, Serialize)]
pub(super) struct Compared {
    new: u64,
    same: u64,
    changed: u64,
    /// The device has a point at that time in another series, which stays there.
    in_other_series: u64,
    /// New series by the old ones that stay.
    series: BTreeMap<String, BTreeSet<String>>,
    /// Pairs of series that are not named any more.
    unnamed: u64,
}

#[derive(Debug)]
enum Store {
    /// Nothing was stored yet.
    Empty,
    Embedded(Reader),
    Influx {
        stored: Stored,
        name: String,
    },
}

#[derive(Debug)]
pub(super) struct Compare {
    stores: BTreeMap<String, Store>,
    compared: Compared,
}

/// What is stored at one time: each series with its device and values.
type Found = HashMap<i64, Vec<Row>>;

#[derive(Debug)]
struct Row {
    series: String,
    device: Option<String>,
    fields: Vec<(String, FieldValue)>,
}

impl Compare {
    pub(super) fn new(config: &Config) -> Result<Self, Failure> {
        let mut stores = BTreeMap::new();
        for destination in &config.destinations {
            let failed = || format!("destination \"{}\": cannot read what is stored", destination.name);
            let store = match &destination.kind {
                Kind::Embedded { .. } if config.data_dir.join(FILE).is_file() => {
                    Store::Embedded(Reader::open(&config.data_dir).with_context(failed)?)
                }
                Kind::Embedded { .. } => Store::Empty,
                Kind::Influx(influx) => {
                    let name = influx.place.template().as_str().to_owned();
                    Store::Influx { stored: Stored::new(influx).with_context(failed)?, name }
                }
            };
            stores.insert(destination.name.clone(), store);
        }
        Ok(Self { stores, compared: Compared::default() })
    }

    pub(super) fn done(self) -> Compared {
        self.compared
    }

    /// Points that come twice at one identity count as the last of them, which is what would stand there.
    pub(super) async fn add(&mut self, points: &[Placed]) -> Result<(), Failure> {
        let mut groups = BTreeMap::<_, BTreeMap<(i64, String), Point>>::new();
        for placed in points {
            let Some(point) = as_stored(&placed.point) else { continue };
            let device = device(&point).map(str::to_owned);
            let group =
                groups.entry((placed.destination.clone(), placed.bucket.clone(), device)).or_default();
            group.insert((point.time, series(&point)), point);
        }
        for ((destination, bucket, device), points) in groups {
            let Some(store) = self.stores.get(&destination) else { continue };
            let failed = || format!("destination \"{destination}\": cannot read what is stored");
            let times: BTreeSet<_> = points.keys().map(|(time, _)| *time).collect();
            let times: Vec<_> = times.into_iter().collect();
            let mut found = Found::new();
            for stretch in times.chunk_by(|one, next| next.saturating_sub(*one) <= GAP) {
                store
                    .read(bucket.as_deref(), device.as_deref(), stretch, &mut found)
                    .await
                    .with_context(failed)?;
            }
            for ((time, series), point) in &points {
                self.compared.judge(series, point, found.get(time).map_or(&[], Vec::as_slice));
            }
        }
        Ok(())
    }
}

impl Store {
    /// What is stored of a device at these times, which are sorted.
    async fn read(
        &self,
        bucket: Option<&str>,
        device: Option<&str>,
        times: &[i64],
        found: &mut Found,
    ) -> anyhow::Result<()> {
        match self {
            Self::Empty => {}
            Self::Embedded(reader) => {
                let (Some(first), Some(last)) = (times.first(), times.last()) else { return Ok(()) };
                let mut pages = Pages::new(reader, *first, *last, None, device.map(str::to_owned))?;
                let mut points = Vec::new();
                while pages.next_page(&mut points)? {
                    for point in points.drain(..).filter(|point| times.binary_search(&point.time).is_ok()) {
                        let value = |value: FieldValue| match Value::from(value) {
                            Value::Number(number) => FieldValue::Float(number),
                            Value::Text(text) => FieldValue::Text(text),
                        };
                        let fields = point.stored();
                        let row = Row {
                            series: series(&point),
                            device: self::device(&point).map(str::to_owned),
                            fields: fields.map(|(name, told)| (name.to_owned(), value(told))).collect(),
                        };
                        found.entry(point.time).or_default().push(row);
                    }
                }
            }
            Self::Influx { stored, name } => {
                let mut waiting = vec![times];
                while let Some(times) = waiting.pop() {
                    let (Some(first), Some(last)) = (times.first(), times.last()) else { continue };
                    match stored.between(bucket.unwrap_or(name), device, *first, *last).await {
                        Ok(points) => points.into_iter().for_each(|point| {
                            let row = Row {
                                series: series(&point),
                                device: self::device(&point).map(str::to_owned),
                                fields: point
                                    .stored()
                                    .map(|(name, value)| (name.to_owned(), value))
                                    .collect(),
                            };
                            found.entry(point.time).or_default().push(row);
                        }),
                        // An answer too large to read: by halves.
                        Err(ControlError::Unexpected { .. }) if times.len() > 1 => {
                            let (one, two) = times.split_at(times.len() / 2);
                            waiting.extend([one, two]);
                        }
                        Err(error) => {
                            return Err(anyhow!(error).context(
                                "a comparison needs a database that answers InfluxQL, and a login that may read",
                            ));
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

impl Compared {
    fn judge(&mut self, series: &str, point: &Point, rows: &[Row]) {
        if let Some(row) = rows.iter().find(|row| row.series == series) {
            let same = |(name, value): (&str, FieldValue)| {
                let stored = row.fields.iter().find(|(stored, _)| stored == name);
                stored.is_some_and(|(_, stored)| equal(stored, &value))
            };
            let same = point.stored().all(same);
            *(if same { &mut self.same } else { &mut self.changed }) += 1;
            return;
        }
        let device = device(point);
        let others: Vec<_> =
            rows.iter().filter(|row| row.device.as_deref() == device && device.is_some()).collect();
        if others.is_empty() {
            self.new += 1;
            return;
        }
        self.in_other_series += 1;
        for other in others {
            let known = self.series.get(&other.series).is_some_and(|new| new.contains(series));
            if known {
                continue;
            }
            if self.series.values().map(BTreeSet::len).sum::<usize>() >= MOST_NAMED {
                self.unnamed += 1;
            } else {
                self.series.entry(other.series.clone()).or_default().insert(series.to_owned());
            }
        }
    }

    pub(super) fn tell(&self, points: u64) -> Result<(), Failure> {
        say(format!(
            "{points} points: {} would be new, {} the same, {} changed, {} in other series than before",
            self.new, self.same, self.changed, self.in_other_series
        ))?;
        for (old, new) in &self.series {
            for new in new {
                say(format!("  {} stays, now {}", old.escape_debug(), new.escape_debug()))?;
            }
        }
        if self.unnamed > 0 {
            say("  and more series")?;
        }
        Ok(())
    }
}

/// As databases keep them: booleans may be numbers, whole numbers may be floats.
fn equal(one: &FieldValue, other: &FieldValue) -> bool {
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one.to_bits() == other.to_bits() || one == other,
        _ => one == other,
    }
}

#[expect(clippy::cast_precision_loss, reason = "whole numbers are flags and counts, far below 2^53")]
const fn number(value: &FieldValue) -> Option<f64> {
    match value {
        FieldValue::Float(number) => Some(*number),
        FieldValue::Integer(number) => Some(*number as f64),
        FieldValue::Boolean(on) => Some(if *on { 1.0 } else { 0.0 }),
        FieldValue::Text(_) => None,
    }
}

fn device(point: &Point) -> Option<&str> {
    point.tags.iter().find(|(key, _)| &**key == "device").map(|(_, device)| &**device)
}

fn series(point: &Point) -> String {
    text(&point.measurement, point.tags.iter().map(|(key, value)| (&**key, &**value)))
}

/// Sorted by key, whatever order a database tells.
fn text<'t>(measurement: &str, tags: impl Iterator<Item = (&'t str, &'t str)>) -> String {
    let mut tags: Vec<_> = tags.collect();
    tags.sort_unstable();
    let tags: String = tags.into_iter().map(|(key, value)| format!(",{key}={value}")).collect();
    format!("{measurement}{tags}")
}
