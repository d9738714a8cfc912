//! A point: what is stored. Its identity is measurement, tags and time.

use std::sync::Arc;

/// One value of a field. Numbers from devices are always floats; integers are flags and counts of ours.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldValue {
    Float(f64),
    Integer(i64),
    Boolean(bool),
    Text(String),
}

/// One point. Tags and measurement are shared with the registry, so a point costs no copy of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub measurement: Arc<str>,
    /// Sorted by key, no empty value.
    pub tags: Arc<[(Arc<str>, Arc<str>)]>,
    /// In a stable order; never empty in a point that is written.
    pub fields: Vec<(Arc<str>, FieldValue)>,
    /// Unix time in nanoseconds.
    pub time: i64,
}
