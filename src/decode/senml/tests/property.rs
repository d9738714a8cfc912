//! Any bytes have one decision in bounded time, and a pack written from a model is read as that model.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

/// One measurement as it should be read.
#[derive(Debug, Clone)]
struct Measured {
    device: usize,
    name: &'static str,
    /// In milliseconds from the receipt, or from the epoch.
    time: Time,
    value: Kind,
    unit: Option<&'static str>,
    /// In thousandths.
    sum: Option<i32>,
}

#[derive(Debug, Clone, Copy)]
enum Time {
    Now,
    Relative(i32),
    Absolute(i64),
}

#[derive(Debug, Clone)]
enum Kind {
    /// In thousandths.
    Number(i32),
    Text(String),
    Boolean(bool),
    Nothing,
}

/// Which base fields the writer makes use of for a record.
#[derive(Debug, Clone)]
struct Style {
    base_name: bool,
    base_time: bool,
    base_unit: bool,
    base_value: Option<i32>,
    base_sum: Option<i32>,
}

const DEVICES: [&str; 4] = ["ws-07", "urn:dev:ow:10e2073a01080063", "2001:db8::2", "meter/7"];

fn thousandths(number: i64) -> f64 {
    format!("{number}e-3").parse().unwrap()
}

fn measured() -> impl Strategy<Value = Measured> {
    let kind = prop_oneof![
        4 => (-1_000_000..1_000_000).prop_map(Kind::Number),
        1 => ".{0,6}".prop_map(Kind::Text),
        1 => any::<bool>().prop_map(Kind::Boolean),
        1 => Just(Kind::Nothing),
    ];
    let time = prop_oneof![
        Just(Time::Now),
        (-100_000..100_000).prop_filter("now has its own", |time| *time != 0).prop_map(Time::Relative),
        (268_435_456_000_i64..2_000_000_000_000).prop_map(Time::Absolute),
    ];
    let name = prop::sample::select(vec!["temperature", "hum", "pm2.5", "a_b-c"]);
    let unit = prop::option::of(prop::sample::select(vec!["Cel", "%RH", "ug/m3", "/"]));
    (0..DEVICES.len(), name, time, kind, unit, prop::option::of(-9_999..9_999))
        .prop_map(|(device, name, time, value, unit, sum)| Measured { device, name, time, value, unit, sum })
}

fn style() -> impl Strategy<Value = Style> {
    let base = || prop::option::weighted(0.3, -5_000..5_000);
    (any::<bool>(), any::<bool>(), any::<bool>(), base(), base()).prop_map(
        |(base_name, base_time, base_unit, base_value, base_sum)| Style {
            base_name,
            base_time,
            base_unit,
            base_value,
            base_sum,
        },
    )
}

/// Writes a pack: every record either renews a base field or goes by the one in force.
fn write(model: &[(Measured, Style)]) -> String {
    let (mut name, mut time, mut unit) = (String::new(), 0_i64, None);
    let (mut value, mut sum) = (None::<i32>, None::<i32>);
    let mut records = Vec::new();
    for (measured, style) in model {
        let mut record = Map::new();
        let mut put = |label: &str, member: Value| drop(record.insert(label.to_owned(), member));
        let separator = if measured.device == 3 { '/' } else { ':' };
        // An address goes on with a slash, or it would be another address.
        let separator = if measured.device == 2 { '/' } else { separator };
        let device = format!("{}{separator}", DEVICES[measured.device]);
        if style.base_name && name != device {
            put("bn", json!(device));
            name = device.clone();
        }
        let full = format!("{device}{}", measured.name);
        match full.strip_prefix(&name) {
            Some(own) => put("n", json!(own)),
            None => {
                put("bn", json!(""));
                name.clear();
                put("n", json!(full));
            }
        }
        let at = match measured.time {
            Time::Now => 0,
            Time::Relative(at) => i64::from(at),
            Time::Absolute(at) => at,
        };
        if style.base_time {
            time = at - 250;
            put("bt", json!(thousandths(time)));
        }
        if at != time {
            put("t", json!(thousandths(at - time)));
        }
        if style.base_unit {
            unit = measured.unit;
            put("bu", json!(unit.unwrap_or_default()));
        }
        if measured.unit != unit {
            put("u", json!(measured.unit.unwrap_or_default()));
        }
        if let Some(base) = style.base_value {
            value = Some(base);
            put("bv", json!(thousandths(base.into())));
        }
        if let Some(base) = style.base_sum {
            sum = Some(base);
            put("bs", json!(thousandths(base.into())));
        }
        match &measured.value {
            Kind::Number(number) => put("v", json!(thousandths(i64::from(number - value.unwrap_or(0))))),
            Kind::Text(text) => put("vs", json!(text)),
            Kind::Boolean(truth) => put("vb", json!(truth)),
            Kind::Nothing => put("vs", Value::Null),
        }
        if let Some(own) = measured.sum {
            put("s", json!(thousandths(i64::from(own - sum.unwrap_or(0)))));
        } else if matches!(measured.value, Kind::Number(_)) && sum.is_some() {
            // Taken back to what the model says: none can be told any more, so it is 0.
            put("s", json!(thousandths(i64::from(-sum.unwrap_or(0)))));
        }
        records.push(Value::Object(record));
    }
    Value::Array(records).to_string()
}

/// Readings by device, moment and whether that was told.
type Expected = BTreeMap<(String, i64, bool), Vec<(String, String, Option<String>)>>;

fn expected(model: &[(Measured, Style)]) -> Expected {
    let mut all = Expected::new();
    let mut based = false;
    for (measured, style) in model {
        based |= style.base_sum.is_some();
        let (time, told) = match measured.time {
            Time::Now => (NOW, false),
            Time::Relative(at) => (NOW + i64::from(at) * 1_000_000, true),
            Time::Absolute(at) => (at * 1_000_000, true),
        };
        let unit = measured.unit.map(str::to_owned);
        let key = (DEVICES[measured.device].to_owned(), time, told);
        let readings = all.entry(key).or_default();
        let number = matches!(measured.value, Kind::Number(_));
        if let Some(sum) = measured.sum.or((number && based).then_some(0)) {
            let unit = unit.as_ref().map(|unit| format!("{unit}.s"));
            readings.push((format!("{}.sum", measured.name), thousandths(sum.into()).to_string(), unit));
        }
        let value = match &measured.value {
            Kind::Number(number) => thousandths((*number).into()).to_string(),
            Kind::Text(text) => format!("'{text}'"),
            Kind::Boolean(truth) => truth.to_string(),
            Kind::Nothing => "null".to_owned(),
        };
        readings.push((measured.name.to_owned(), value, unit));
    }
    all
}

fn got(samples: &[Sample<'_>]) -> Expected {
    let mut all = Expected::new();
    for sample in samples {
        let key = (
            sample.device.as_deref().unwrap_or_default().to_owned(),
            sample.time.unwrap_or(NOW),
            sample.time.is_some(),
        );
        let readings = sample.readings.iter().map(|reading| {
            (reading.name.to_string(), shown(&reading.value), reading.unit.as_deref().map(str::to_owned))
        });
        assert!(all.insert(key, readings.collect()).is_none(), "one sample for each device and moment");
    }
    all
}

/// One decision: samples, or a reason. Every reading is one that can be stored or refused by name.
fn decided(text: &str) -> Result<(), TestCaseError> {
    match read(text) {
        Err(rejection) => prop_assert!(!rejection.detail.is_empty()),
        Ok(Decoded::Uplink(_)) => panic!("SenML holds no frame"),
        Ok(Decoded::NotData(what)) => prop_assert!(false, "{}", what),
        Ok(Decoded::Samples { samples, .. }) => {
            for sample in &samples {
                prop_assert!(!sample.readings.is_empty());
                for reading in &sample.readings {
                    prop_assert!(!reading.name.is_empty());
                }
            }
            let times = samples
                .iter()
                .map(|sample| (sample.device.clone(), sample.time.unwrap_or(NOW), sample.time.is_some()));
            prop_assert!(times.is_sorted());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn a_pack_written_from_a_model_is_read_as_that_model(
        model in prop::collection::vec((measured(), style()), 1..12),
    ) {
        let pack = write(&model);
        match read(&pack) {
            Ok(Decoded::Samples { samples, rest: None }) => prop_assert_eq!(got(&samples), expected(&model), "{}", pack),
            other => prop_assert!(false, "{}: {:?}", pack, other),
        }
    }

    #[test]
    fn any_bytes_have_one_decision(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        decided(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn any_text_that_looks_like_a_pack_has_one_decision(
        text in r#"\[(\{("(bn|bt|bu|bv|bs|bver|n|u|v|vs|vb|vd|s|t|ut|x|x_)":("[a:/_ -]{0,3}"|-?[0-9]{1,3}(\.5|e9|e99)?|true|null|\[\]|\{\}),?){0,4}\},?){0,4}\]"#,
    ) {
        // The pattern leaves commas where JSON has none.
        decided(&text)?;
        decided(&text.replace(",}", "}").replace(",]", "]"))?;
    }

    #[test]
    fn a_pack_with_bytes_changed_has_one_decision(
        model in prop::collection::vec((measured(), style()), 1..4),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = write(&model).into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        decided(&String::from_utf8_lossy(&bytes))?;
    }
}

/// A mebibyte of the worst we could think of. Generous: a debug build on a busy machine takes tens of milliseconds.
#[test]
fn a_large_payload_takes_bounded_time() {
    let fill = |one: &str, least: usize| vec![one; least / one.len() + 1].join(",");
    let size = 1 << 20;
    for pack in [
        format!("[{}]", fill("{}", size)),
        format!("[{}]", fill(r#"{"n":"a","v":1}"#, size)),
        format!("[{{\"n\":\"a\",\"v\":1,\"x\":{}1{}}}]", "[".repeat(size / 2), "]".repeat(size / 2)),
        format!(
            "[{}]",
            (0..9_999)
                .map(|at| format!(r#"{{"n":"d{}:x","t":-{at},"v":1}}"#, at % 97))
                .collect::<Vec<_>>()
                .join(",")
        ),
        format!(r#"[{{"bn":"{}","n":"a","v":1}}]"#, "a".repeat(size)),
        format!(r#"[{{"bu":"{}\n"}},{}]"#, "m".repeat(size / 2), fill(r#"{"n":"a","v":1}"#, size / 2)),
        format!("[{{{}}}]", (0..50_000).map(|at| format!(r#""x{at}":{at}"#)).collect::<Vec<_>>().join(",")),
        "[".repeat(size),
        "[{\"n\":".repeat(size / 6),
    ] {
        let start = Instant::now();
        let decided = read(&pack);
        assert!(start.elapsed() < Duration::from_secs(5), "{:?} for {:.60}", start.elapsed(), pack);
        if let Ok(Decoded::Samples { samples, .. }) = &decided {
            assert!(samples.len() <= Limits::default().max_values);
        }
    }
}
