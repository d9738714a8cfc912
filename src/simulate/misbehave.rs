//! Sensors that do not behave: what each kind of trouble looks like on the wire, and what must become of it.

use std::sync::Arc;

use super::air::{self, Air};
use super::device::{Device, Kind, SECOND, distinct, tenths, topic};
use super::weather::Weather;
use super::{Expectation, ExpectedTime, Publish, noise, river, river_radar, senml};
use crate::outcome::Reason;

/// The kinds of trouble, in the order in which the city makes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Misbehaviour {
    /// An air temperature of 155.2 °C.
    ImpossibleValue,
    /// An air temperature that can be, but hardly here.
    SuspectValue,
    /// JSON that ends in the middle.
    BrokenJson,
    /// A device whose clock was never set.
    ClockIn1970,
    /// Text where a number belongs.
    TextForNumber,
    /// `NaN` as a number in JSON, which has none.
    NanInJson,
    /// `NaN` as the whole payload.
    BareNan,
    /// A device says nothing for long.
    Silence,
    /// One device publishes many times in a row.
    Burst,
    /// An empty retained message.
    RetainedClear,
    /// A topic that no route matches.
    UnroutedTopic,
    /// A field that the profile does not know.
    UnknownName,
    /// A device that the registry does not know.
    UnregisteredDevice,
    /// Bytes that are no text.
    InvalidUtf8,
    /// SenML with a label that must be understood, and is not.
    NotUnderstood,
    /// A LoRaWAN frame that ends in the middle of a value.
    CutFrame,
    /// Nothing wrong, but no reading: a node joins the network.
    Join,
}

impl Misbehaviour {
    pub const ALL: &'static [Self] = &[
        Self::ImpossibleValue,
        Self::BrokenJson,
        Self::ClockIn1970,
        Self::TextForNumber,
        Self::SuspectValue,
        Self::NanInJson,
        Self::Silence,
        Self::Burst,
        Self::RetainedClear,
        Self::UnroutedTopic,
        Self::UnknownName,
        Self::UnregisteredDevice,
        Self::InvalidUtf8,
        Self::BareNan,
        Self::NotUnderstood,
        Self::CutFrame,
        Self::Join,
    ];

    /// In words, for who watches.
    pub const fn told(self) -> &'static str {
        match self {
            Self::ImpossibleValue => "an air temperature of 155.2 °C: kept as _failed, flag 4",
            Self::SuspectValue => "an air temperature that is doubtful here: flag 3",
            Self::BrokenJson => "JSON that ends in the middle",
            Self::ClockIn1970 => "a clock that was never set: receive time, flag 3",
            Self::TextForNumber => "text where a number belongs",
            Self::NanInJson => "NaN inside JSON",
            Self::BareNan => "NaN as the whole payload",
            Self::Silence => "speaks again after a long silence",
            Self::Burst => "many messages in a row",
            Self::RetainedClear => "an empty retained message",
            Self::UnroutedTopic => "a topic that no route matches",
            Self::UnknownName => "a field that its profile does not know",
            Self::UnregisteredDevice => "a device that the registry does not know",
            Self::InvalidUtf8 => "bytes that are no text",
            Self::NotUnderstood => "SenML with a label that must be understood, and is not",
            Self::CutFrame => "a LoRaWAN frame that is cut off: its codec refuses it",
            Self::Join => "a node joins the network: no reading",
        }
    }

    /// Which kind of device does it.
    pub(super) const fn kind(self) -> Kind {
        match self {
            Self::ImpossibleValue | Self::Join => Kind::Air,
            Self::SuspectValue | Self::TextForNumber => Kind::Weather,
            Self::BrokenJson
            | Self::ClockIn1970
            | Self::NanInJson
            | Self::UnroutedTopic
            | Self::UnknownName
            | Self::InvalidUtf8 => Kind::River,
            Self::Silence | Self::RetainedClear => Kind::Waste,
            Self::NotUnderstood => Kind::Senml,
            Self::CutFrame => Kind::RiverRadar,
            Self::BareNan | Self::Burst | Self::UnregisteredDevice => Kind::Noise,
        }
    }
}

/// The publish with which `device` misbehaves, the city's publish of that `number`. Nothing for silence and burst, which are no single publish.
pub(super) fn publish(
    what: Misbehaviour,
    device: &Device,
    told: i64,
    number: u64,
    rng: &mut fastrand::Rng,
) -> Option<Publish> {
    let seconds = told.div_euclid(SECOND);
    let level = tenths(rng.i32(500..=900));
    let battery = tenths(rng.i32(118..=134));
    let at = ExpectedTime::Told(told);
    let stored = |point| Expectation::Points { points: vec![point], rest: None };
    let (payload, expectation) = match what {
        Misbehaviour::Silence | Misbehaviour::Burst => return None,
        Misbehaviour::ImpossibleValue => {
            let air = Air { temperature: 155.2, ..Air::random(rng) };
            (air.payload(device, told).into_bytes(), stored(air.point(device, told, 4)))
        }
        Misbehaviour::SuspectValue => {
            let temperature = tenths(rng.i32(460..=560));
            let weather = Weather { temperature: temperature.to_string(), ..Weather::random(rng).0 };
            let point = weather.point(device, told).flagged("air_temperature_c", temperature, 3);
            (weather.payload(told).into_bytes(), stored(point))
        }
        Misbehaviour::TextForNumber => {
            let weather = Weather { temperature: r#""panas""#.to_owned(), ..Weather::random(rng).0 };
            let points = vec![weather.point(device, told)];
            let rest = Some(Reason::WrongType);
            (weather.payload(told).into_bytes(), Expectation::Points { points, rest })
        }
        Misbehaviour::BrokenJson => {
            let payload = format!(r#"{{"ts":{seconds},"level_cm":{level},"batt"#);
            (payload.into_bytes(), Expectation::Quarantined(Reason::Malformed))
        }
        Misbehaviour::ClockIn1970 => {
            // No time of its own will tell it from another, so its value does.
            let level = tenths(500 + distinct(number, 4_001));
            let payload = format!(
                r#"{{"ts":{},"level_cm":{level},"battery_v":{battery}}}"#,
                device.made.saturating_add(60)
            );
            let point = river::point(device, ExpectedTime::Receive, level, battery, 3);
            (payload.into_bytes(), stored(point))
        }
        Misbehaviour::NanInJson => {
            let payload = format!(r#"{{"ts":{seconds},"level_cm":NaN,"battery_v":{battery}}}"#);
            (payload.into_bytes(), Expectation::Quarantined(Reason::Malformed))
        }
        Misbehaviour::BareNan => (b"NaN".to_vec(), Expectation::Quarantined(Reason::NotFinite)),
        Misbehaviour::RetainedClear => (Vec::new(), Expectation::Discarded(Reason::Empty)),
        Misbehaviour::UnroutedTopic => {
            let level = tenths(500 + distinct(number, 4_001));
            (level.to_string().into_bytes(), Expectation::Quarantined(Reason::NoRoute))
        }
        Misbehaviour::UnknownName => {
            let sonar = f64::from(rng.i32(900..=1500));
            let payload =
                format!(r#"{{"ts":{seconds},"level_cm":{level},"battery_v":{battery},"sonar_mv":{sonar}}}"#);
            (
                payload.into_bytes(),
                stored(river::point(device, at, level, battery, 1).good("sonar_mv", sonar)),
            )
        }
        Misbehaviour::UnregisteredDevice => {
            let stranger: Arc<str> = "titipan-01".into();
            let (payload, point) = noise::reading(&stranger, number);
            (payload.into_bytes(), stored(point))
        }
        Misbehaviour::InvalidUtf8 => {
            let mut payload = format!(r#"{{"ts":{seconds},"level_cm":{level},"note":""#).into_bytes();
            payload.extend_from_slice(b"\xff\xfe\x1b[2J\"}");
            (payload, Expectation::Quarantined(Reason::Malformed))
        }
        Misbehaviour::NotUnderstood => {
            let payload = senml::not_understood(device, told);
            (payload.into_bytes(), Expectation::Quarantined(Reason::Malformed))
        }
        Misbehaviour::CutFrame => {
            let payload = river_radar::cut_off(device, told, rng);
            (payload.into_bytes(), Expectation::Quarantined(Reason::CodecError))
        }
        Misbehaviour::Join => {
            (air::join(device, told).1.into_bytes(), Expectation::Discarded(Reason::NotData))
        }
    };
    let topic = match what {
        Misbehaviour::UnroutedTopic => format!("{}/raw", device.topic),
        Misbehaviour::UnregisteredDevice => topic("Purworejo", "titipan-01", "laeq"),
        Misbehaviour::Join => air::join(device, told).0,
        _ => device.topic.clone(),
    };
    let retain = what == Misbehaviour::RetainedClear;
    Some(Publish { topic, payload, qos: 1, retain, misbehaviour: Some(what), expectation })
}
