//! SenML, tested: the RFC's examples, what else a pack may hold, what it may not, and any bytes at all.

mod cbor;
mod open;
mod property;
mod refused;
mod rfc;

use jiff::tz::TimeZone;

use super::*;
use crate::decode::Limits;

/// 2026-11-24T05:00:00Z, the time of receipt.
const NOW: i64 = 1_795_496_400_000_000_000;

fn read(text: &str) -> Result<Decoded<'_>, Rejection> {
    read_within(text, &Limits::default())
}

fn read_within<'a>(text: &'a str, limits: &Limits) -> Result<Decoded<'a>, Rejection> {
    decode(text.as_bytes(), &Hints { number_text: false, zone: &TimeZone::UTC, limits, now: NOW })
}

fn shown(value: &ReadingValue<'_>) -> String {
    match value {
        ReadingValue::Number(number) => number.to_string(),
        ReadingValue::Boolean(state) => state.to_string(),
        ReadingValue::Text(text) => format!("'{text}'"),
        ReadingValue::Null => "null".to_owned(),
    }
}

/// A line for each sample: `device @time: name=value unit, ...`; times in seconds, `-` for nothing told.
fn lines(samples: &[Sample<'_>]) -> Vec<String> {
    let line = |sample: &Sample<'_>| {
        let time = sample.time.map_or("now".to_owned(), |time| {
            let text = format!("{}.{:06}", time / 1_000_000_000, time % 1_000_000_000 / 1000);
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        });
        let readings = sample.readings.iter().map(|reading| {
            format!("{}={} {}", reading.name, shown(&reading.value), reading.unit.as_deref().unwrap_or("-"))
        });
        let device = sample.device.as_deref().unwrap_or("-");
        format!("{device} @{time}: {}", readings.collect::<Vec<_>>().join(", "))
    };
    samples.iter().map(line).collect()
}

/// A pack of which nothing is refused. The same in CBOR, in both of its styles, must say the same.
fn told(text: &str) -> Vec<String> {
    let Ok(Decoded::Samples { samples, rest: None }) = read(text) else { panic!("{text}: {:?}", read(text)) };
    let told = lines(&samples);
    for style in [cbor::Style::Short, cbor::Style::Indefinite] {
        assert_eq!(cbor::told(&cbor::written(text, style)), told, "in CBOR ({style:?}): {text}");
    }
    told
}
