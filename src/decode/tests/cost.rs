//! Tests of what a hostile payload may cost, whatever its shape, for each decoder. The bench has the figures.

use std::time::{Duration, Instant};

use super::format;
use super::shapes::{FORMATS, SHAPES, SIZE, payload, told};
use crate::decode::{Hints, Limits, Memory};
use jiff::tz::TimeZone;

/// For a quarter of the size, without optimization, on a busy machine; what grows with its square takes minutes.
const MOST: Duration = Duration::from_millis(1500);

#[test]
fn a_payload_of_any_shape_costs_little() {
    let zone = TimeZone::get("Asia/Jakarta").unwrap();
    let limits = Limits::default();
    let payloads: Vec<_> = SHAPES.iter().map(|shape| (*shape, payload(*shape, SIZE / 4))).collect();
    for (topic, text) in FORMATS {
        let format = format(text);
        for (shape, payload) in &payloads {
            let hints = Hints { number_text: true, zone: &zone, limits: &limits, now: 0 };
            let begun = Instant::now();
            let _ = format.decode(topic, payload, &hints, &mut Memory::default());
            let took = begun.elapsed();
            assert!(took < MOST, "{text}: {}: {took:?}", told(*shape));
        }
    }
}
