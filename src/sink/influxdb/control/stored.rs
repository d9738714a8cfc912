//! What an InfluxDB has stored already, read over InfluxQL a stretch at a time.

use std::sync::Arc;

use serde_json::Value;

use super::caller::Caller;
use super::{ControlError, quoted};
use crate::point::{Field, FieldValue, Point, Tags};
use crate::sink::{Influx, Place};

/// Reads points back.
#[derive(Debug)]
pub struct Stored {
    caller: Caller,
    /// Where to select from.
    from: String,
}

impl Stored {
    pub fn new(influx: &Influx) -> Result<Self, ControlError> {
        let policy = match &influx.place {
            Place::V1 { retention_policy: Some(policy), .. } => format!("{}.", quoted(policy)),
            _ => String::new(),
        };
        let caller = Caller::new(influx, influx.login.clone())?;
        Ok(Self { caller, from: format!("{policy}/.*/") })
    }

    /// All points of one device, whatever their series, from `from` to `last`, both included. Whole numbers and
    /// floats are told alike by InfluxQL.
    pub async fn between(
        &self,
        bucket: &str,
        device: Option<&str>,
        from: i64,
        last: i64,
    ) -> Result<Vec<Point>, ControlError> {
        let device = device.map(|device| format!(" AND \"device\" = {}", text(device))).unwrap_or_default();
        let statement =
            format!("SELECT * FROM {} WHERE time >= {from} AND time <= {last}{device} GROUP BY *", self.from);
        let all = self.caller.influxql_ns(bucket, &statement).await?;
        let mut points = Vec::new();
        for series in all {
            let measurement: Arc<str> = series.name.as_str().into();
            // A tag that a series lacks is told as an empty one where another series has it.
            let tags = series.tags.iter().filter(|(_, value)| !value.is_empty());
            let tags: Tags = tags.map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect();
            for row in series.rows() {
                let mut point = Point {
                    measurement: Arc::clone(&measurement),
                    tags: tags.clone(),
                    fields: Vec::new(),
                    time: 0,
                };
                for (name, value) in row {
                    match value {
                        Value::Number(time) if name == "time" => point.time = time.as_i64().unwrap_or(0),
                        Value::Number(number) => {
                            let number = FieldValue::Float(number.as_f64().unwrap_or(f64::NAN));
                            point.fields.push(Field::of(name, number));
                        }
                        Value::Bool(on) => point.fields.push(Field::of(name, FieldValue::Boolean(*on))),
                        Value::String(text) => {
                            point.fields.push(Field::of(name, FieldValue::Text(text.clone())))
                        }
                        _ => {}
                    }
                }
                points.push(point);
            }
        }
        Ok(points)
    }
}

/// A text as InfluxQL takes it.
fn text(text: &str) -> String {
    let inner = quoted(text);
    let inner = inner.get(1..inner.len().saturating_sub(1)).unwrap_or_default();
    format!("'{}'", inner.replace("\\\"", "\"").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn no_name_ends_the_text_it_stands_in() {
        assert_eq!(text("wl-01"), "'wl-01'");
        assert_eq!(text("a' OR 'b\\"), "'a\\' OR \\'b\\\\'");
        assert_eq!(text("say \"x\""), "'say \"x\"'");
    }
}
