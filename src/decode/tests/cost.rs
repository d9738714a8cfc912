//! Tests of what a hostile payload may cost: one mebibyte of any shape, for each text format.

use std::time::{Duration, Instant};

use super::format;
use crate::decode::{Hints, Limits};
use jiff::tz::TimeZone;

/// Without optimization, on a busy machine; what grows with the square of the size takes minutes.
const MOST: Duration = Duration::from_millis(1500);
const SIZE: usize = 1 << 20;

/// A beginning, then the same again and again.
const SHAPES: &[(&str, &str)] = &[
    ("", "["),
    ("[", "1,"),
    ("[", "{},"),
    ("[", "{\"id\":\"a\",\"type\":\"T\",\"v\":1},"),
    ("{", "\"a\":1,"),
    ("{\"id\":\"a\",\"type\":\"T\",", "\"a\":{\"value\":1,\"observedAt\":\"2026-11-24T00:00:00Z\"},"),
    ("{\"sensordatavalues\":[", "{\"value_type\":\"SDS_P1\",\"value\":\"1\"},"),
    ("{\"m2m:cin\":{\"con\":\"[", "1,"),
    ("{\"m2m:cin\":{\"con\":\"", "\\\"a"),
    ("{\"s\":[", "{\"n\":\"a\",\"v\":1},"),
    ("\"", "x"),
    ("{\"", "x"),
    ("", "\n"),
    ("", ",\n"),
    ("a,b\n", "1,2\n"),
    ("a,b\n", "1,\"2\n"),
    ("", ","),
    ("", "\""),
    ("\"", "\"\""),
    ("", "w,device=a x=1\n"),
    ("", "w,device=a x=\"\n"),
    ("w,device=a x=\"", "\n"),
    ("w", ",a=b"),
    ("w,device=a x=1", ",x=1"),
    ("", "#"),
    ("", "#\n"),
    ("", "w\\ "),
    ("", "t|1|"),
    ("", "t|1#"),
    ("", "|"),
    ("", "é"),
];

#[test]
fn a_mebibyte_of_any_shape_costs_little() {
    let zone = TimeZone::get("Asia/Jakarta").unwrap();
    let limits = Limits::default();
    let formats = [
        "format = \"json\"\ntime = \"t\"\nsamples = \"*.s\"\nentry_name = \"n\"\nentry_value = \"v\"\n",
        "format = \"json\"\nsamples = \"s\"\nentry_name = \"n\"\nentry_value = \"v\"\n",
        "format = \"csv\"\n",
        "format = \"csv\"\ncolumns = [\"a\", \"b\"]\n",
        "format = \"line_protocol\"\n",
        "format = \"ultralight\"\n",
        "format = \"fiware_json\"\n",
        "format = \"antares\"\n",
        "format = \"tasmota\"\n",
        "format = \"sensor_community\"\n",
    ];
    for text in formats {
        let format = format(text);
        for (start, again) in SHAPES {
            let payload = format!("{start}{}", again.repeat((SIZE - start.len()) / again.len()));
            let hints = Hints { number_text: true, zone: &zone, limits: &limits, now: 0 };
            let begun = Instant::now();
            let _ =
                format.decode("city/a", payload.as_bytes(), &hints, &mut crate::decode::Memory::default());
            let took = begun.elapsed();
            assert!(took < MOST, "{text}: {start}{again}…: {took:?}");
        }
    }
}
