//! RFC 8428: its examples, and what it forbids.

use jiff::tz::TimeZone;

use super::*;
use crate::decode::Limits;

const NOW: i64 = 1_795_496_400_000_000_000;

fn read(text: &str) -> Result<Decoded<'_>, Rejection> {
    let (zone, limits) = (TimeZone::UTC, Limits::default());
    decode(text, &Hints { number_text: false, zone: &zone, limits: &limits, now: NOW })
}

/// `device; time: name=value unit, ...; ...`, times in seconds.
fn told(text: &str) -> String {
    let Decoded::Samples { device, samples, rest: None } = read(text).unwrap() else { panic!("{text}") };
    let mut out = device.unwrap_or_default().into_owned();
    for sample in samples {
        let time = sample.time.map_or("now".to_owned(), |time| (time as f64 / 1e9).to_string());
        let readings = sample.readings.iter().map(|reading| {
            let value = match &reading.value {
                ReadingValue::Number(number) => number.to_string(),
                ReadingValue::Boolean(state) => state.to_string(),
                ReadingValue::Text(text) => format!("'{text}'"),
                ReadingValue::Null => "null".to_owned(),
            };
            format!("{}={value} {}", reading.name, reading.unit.as_deref().unwrap_or("-"))
        });
        out.push_str(&format!("; {time}: {}", readings.collect::<Vec<_>>().join(", ")));
    }
    out
}

#[test]
fn the_examples_of_the_rfc_are_read_as_it_says() {
    for (text, expected) in [
        // 5.1.1: a single data point.
        (
            r#"[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]"#,
            "urn:dev:ow:10e2073a01080063; now: Cel=23.1 Cel",
        ),
        // 5.1.2: several data points.
        (
            r#"[{"bn":"urn:dev:ow:10e2073a01080063:","n":"voltage","u":"V","v":120.1},{"n":"current","u":"A","v":1.2}]"#,
            "urn:dev:ow:10e2073a01080063; now: voltage=120.1 V, current=1.2 A",
        ),
        (
            r#"[{"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5,"n":"voltage","u":"V","v":120.1},
                {"n":"current","t":-5,"v":1.2},{"n":"current","t":-4,"v":1.3}]"#,
            "urn:dev:ow:10e2073a0108006; 1276020076.001: voltage=120.1 V; 1276020071.001: current=1.2 A; 1276020072.001: current=1.3 A",
        ),
        // 5.1.3: names that are units.
        (
            r#"[{"bn":"urn:dev:ow:10e2073a01080063","bt":1.320067464e+09,"bu":"%RH","v":20},
                {"u":"lon","v":24.30621},{"u":"lat","v":60.07965},{"t":60,"v":20.3}]"#,
            "urn:dev:ow:10e2073a01080063; 1320067464: %RH=20 %RH, lon=24.30621 lon, lat=60.07965 lat; 1320067524: %RH=20.3 %RH",
        ),
        // 5.1.5: several types.
        (
            r#"[{"bn":"urn:dev:ow:10e2073a01080063:","n":"temp","u":"Cel","v":23.1},{"n":"label","vs":"Machine Room"},{"n":"open","vb":false}]"#,
            "urn:dev:ow:10e2073a01080063; now: temp=23.1 Cel, label='Machine Room' -, open=false -",
        ),
        // Sums, base value and relative time.
        (
            r#"[{"bn":"meter/7/","bs":100,"bv":5,"n":"energy","u":"kWh","s":2,"v":1,"t":-10}]"#,
            "meter/7; 1795496390: energy=6 kWh, energy.sum=102 -",
        ),
        (r#"[{"bn":"a/","bt":1320067464},{"n":"x","v":1}]"#, "a; 1320067464: x=1 -"),
        (r#"[{"n":"x","v":1,"unknown":[1,{"a":2}],"ut":30}]"#, "; now: x=1 -"),
        ("[]", ""),
    ] {
        assert_eq!(told(text), expected, "{text}");
    }
}

#[test]
fn what_the_rfc_forbids_is_refused_whole() {
    for (text, reason) in [
        (r#"[{"n":"x","v":1,"must_":1}]"#, Reason::Malformed),
        (r#"[{"n":"x","v":1,"bver":11}]"#, Reason::Malformed),
        (r#"[{"n":"x","v":1,"vs":"y"}]"#, Reason::Malformed),
        (r#"[{"n":"x y","v":1}]"#, Reason::Malformed),
        (r#"[{"n":"-x","v":1}]"#, Reason::Malformed),
        (r#"[{"v":1}]"#, Reason::Malformed),
        (r#"[{"n":"x","vd":"aGkgCg"}]"#, Reason::Malformed),
        (r#"[{"n":"x","v":"1"}]"#, Reason::Malformed),
        (r#"[{"n":"x","v":1e999}]"#, Reason::NotFinite),
        (r#"[{"n":"x","v":1,"t":1e300}]"#, Reason::InvalidTime),
        (r#"[{"bn":"a/","n":"x","v":1},{"bn":"b/","n":"x","v":1}]"#, Reason::Malformed),
        (r#"{"n":"x","v":1}"#, Reason::Malformed),
        (r#"[{"n":"x","v":1}"#, Reason::Malformed),
    ] {
        assert_eq!(read(text).unwrap_err().reason, reason, "{text}");
    }
}
