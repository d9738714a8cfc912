//! Decoders: from a payload to readings. One file for each format; this one picks it.

mod airgradient;
pub mod antares;
mod auto;
pub mod binary;
mod bytes;
mod cayenne_lpp;
mod chirpstack;
pub mod csv;
mod few;
mod fiware;
mod flatten;
mod frames;
pub mod json;
pub mod line_protocol;
mod memory;
pub mod path;
mod pick;
mod protobuf;
mod senml;
mod sensor_community;
mod sensorthings;
mod shelly;
pub mod smart_citizen;
mod sparkplug_b;
mod tasmota;
mod template;
mod things_stack;
pub mod told;
mod tree;
pub mod value;
pub mod zigbee2mqtt;

use jiff::tz::TimeZone;

use crate::outcome::{Reason, Rejection};
use crate::settings::{Section, nearest};

pub use self::auto::Auto;
pub use self::bytes::Encoding;
pub use self::frames::{Frame, decode as decode_frame};
pub use self::memory::Memory;
pub use self::sparkplug_b::rebirth;
pub use self::template::Source;
pub use crate::reading::Decoded;

/// A format with its settings.
#[derive(Debug, Clone)]
pub enum Format {
    Json(Box<json::Settings>),
    Value(value::Settings),
    Chirpstack,
    ChirpstackProtobuf,
    ThingsStack,
    CayenneLpp(Encoding),
    Binary(binary::Settings),
    Senml,
    SparkplugB,
    Zigbee2Mqtt(zigbee2mqtt::Settings),
    Shelly,
    AirGradient,
    SensorThings,
    SmartCitizen(smart_citizen::Settings),
    Csv(csv::Settings),
    LineProtocol(line_protocol::Settings),
    Ultralight,
    FiwareJson,
    Antares(antares::Settings),
    Tasmota,
    SensorCommunity,
    /// Another one for each message.
    Auto(Auto),
}

/// What a route may name.
const NAMES: &[&str] = &[
    "json",
    "value",
    "chirpstack",
    "chirpstack_protobuf",
    "things_stack",
    "cayenne_lpp",
    "binary",
    "senml",
    "sparkplug_b",
    "zigbee2mqtt",
    "shelly",
    "airgradient",
    "sensorthings",
    "smart_citizen",
    "csv",
    "line_protocol",
    "ultralight",
    "fiware_json",
    "antares",
    "tasmota",
    "sensor_community",
    "auto",
];

/// What a decoder must know beside the payload.
#[derive(Debug)]
pub struct Hints<'h> {
    /// Numbers may come as text.
    pub number_text: bool,
    /// The zone of local times.
    pub zone: &'h TimeZone,
    pub limits: &'h Limits,
    /// When the message was received, Unix time in nanoseconds: what relative times count from.
    pub now: i64,
}

/// What a payload may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Objects and arrays inside each other.
    pub max_depth: usize,
    /// Values in one payload.
    pub max_values: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_depth: 16, max_values: 10_000 }
    }
}

impl Format {
    /// Reads `format` and its own keys; nothing where that is wrong, which is a problem on record then.
    pub fn read(section: &mut Section) -> Option<Self> {
        let name = section.required::<String>("format")?;
        match name.as_str() {
            "json" => Some(Self::Json(Box::new(json::Settings::read(section)))),
            "value" => Some(Self::Value(value::Settings::read(section))),
            "chirpstack" => Some(Self::Chirpstack),
            "chirpstack_protobuf" => Some(Self::ChirpstackProtobuf),
            "things_stack" => Some(Self::ThingsStack),
            "cayenne_lpp" => Some(Self::CayenneLpp(section.get("encoding", Encoding::default()))),
            "binary" => Some(binary::Settings::read(section)),
            "senml" => Some(Self::Senml),
            "sparkplug_b" => Some(Self::SparkplugB),
            "zigbee2mqtt" => Some(Self::Zigbee2Mqtt(zigbee2mqtt::Settings::read(section))),
            "shelly" => Some(Self::Shelly),
            "airgradient" => Some(Self::AirGradient),
            "sensorthings" => Some(Self::SensorThings),
            "smart_citizen" => Some(Self::SmartCitizen(smart_citizen::Settings::read(section))),
            "csv" => Some(Self::Csv(csv::Settings::read(section))),
            "line_protocol" => Some(Self::LineProtocol(line_protocol::Settings::read(section))),
            "ultralight" => Some(Self::Ultralight),
            "fiware_json" => Some(Self::FiwareJson),
            "antares" => Some(Self::Antares(antares::Settings::read(section))),
            "tasmota" => Some(Self::Tasmota),
            "sensor_community" => Some(Self::SensorCommunity),
            "auto" => Some(Self::Auto(Auto::read(section))),
            _ => {
                let near = nearest(&name, NAMES.iter().copied());
                section.problem("format", format!("must be one of \"{}\"{near}", NAMES.join("\", \"")));
                None
            }
        }
    }

    pub const fn name(&self) -> &'static str {
        match self {
            Self::Json(_) => "json",
            Self::Value(_) => "value",
            Self::Chirpstack => "chirpstack",
            Self::ChirpstackProtobuf => "chirpstack_protobuf",
            Self::ThingsStack => "things_stack",
            Self::CayenneLpp(_) => "cayenne_lpp",
            Self::Binary(_) => "binary",
            Self::Senml => "senml",
            Self::SparkplugB => "sparkplug_b",
            Self::Zigbee2Mqtt(_) => "zigbee2mqtt",
            Self::Shelly => "shelly",
            Self::AirGradient => "airgradient",
            Self::SensorThings => "sensorthings",
            Self::SmartCitizen(_) => "smart_citizen",
            Self::Csv(_) => "csv",
            Self::LineProtocol(_) => "line_protocol",
            Self::Ultralight => "ultralight",
            Self::FiwareJson => "fiware_json",
            Self::Antares(_) => "antares",
            Self::Tasmota => "tasmota",
            Self::SensorCommunity => "sensor_community",
            Self::Auto(_) => "auto",
        }
    }

    /// Whether a message says more to who knows the earlier ones; then it must be decoded once.
    pub const fn remembers(&self) -> bool {
        matches!(self, Self::SparkplugB)
    }

    /// The device that the topic names by a rule of the format's own.
    pub fn device_in(&self, topic: &str) -> Option<String> {
        match self {
            Self::SparkplugB | Self::Auto(_) => sparkplug_b::device(topic),
            _ => None,
        }
    }

    /// The format of this message: itself, or the one that `auto` recognises.
    pub fn recognise(&self, topic: &str, payload: &[u8]) -> Result<&Self, Rejection> {
        match self {
            Self::Auto(auto) => auto.recognise(topic, payload),
            other => Ok(other),
        }
    }

    /// Decodes one message; `memory` is that of the messages before it.
    pub fn decode<'a>(
        &'a self,
        topic: &'a str,
        payload: &'a [u8],
        hints: &Hints<'_>,
        memory: &mut Memory,
    ) -> Result<Decoded<'a>, Rejection> {
        match self {
            Self::Json(settings) => json::decode(settings, text(payload)?, hints),
            Self::Value(settings) => value::decode(settings, text(payload)?),
            Self::Chirpstack => chirpstack::decode(topic, text(payload)?, hints),
            Self::ChirpstackProtobuf => chirpstack::protobuf::decode(topic, payload, hints),
            Self::ThingsStack => things_stack::decode(text(payload)?, hints),
            Self::CayenneLpp(encoding) => {
                let sample = cayenne_lpp::decode(&encoding.read(payload)?, hints.limits.max_values)?;
                Ok(Decoded::Samples { samples: vec![sample], rest: None })
            }
            Self::Binary(settings) => binary::decode(settings, payload),
            Self::Senml => senml::decode(payload, hints),
            Self::SparkplugB => sparkplug_b::decode(topic, payload, hints, &mut memory.births),
            Self::Zigbee2Mqtt(settings) => zigbee2mqtt::decode(settings, topic, text(payload)?, hints),
            Self::Shelly => shelly::decode(topic, text(payload)?, hints),
            Self::AirGradient => airgradient::decode(text(payload)?, hints),
            Self::SensorThings => sensorthings::decode(topic, text(payload)?, hints),
            Self::SmartCitizen(settings) => smart_citizen::decode(settings, topic, payload, hints),
            Self::Csv(settings) => csv::decode(settings, text(payload)?, hints),
            Self::LineProtocol(settings) => line_protocol::decode(settings, text(payload)?, hints),
            Self::Ultralight => fiware::ultralight::decode(topic, text(payload)?, hints),
            Self::FiwareJson => fiware::json::decode(topic, text(payload)?, hints),
            Self::Antares(settings) => antares::decode(settings, text(payload)?, hints),
            Self::Tasmota => tasmota::decode(topic, text(payload)?, hints),
            Self::SensorCommunity => sensor_community::decode(text(payload)?, hints),
            Self::Auto(auto) => auto.recognise(topic, payload)?.decode(topic, payload, hints, memory),
        }
    }
}

/// The payload of a format that is text.
fn text(payload: &[u8]) -> Result<&str, Rejection> {
    let text = std::str::from_utf8(payload).map_err(|error| {
        let detail = format!("not valid UTF-8 from byte {} on", error.valid_up_to());
        Rejection::new(Reason::Malformed, detail)
    })?;
    // A byte order mark says nothing here.
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The same refusal with the place where it went wrong.
fn at(place: impl std::fmt::Display) -> impl FnOnce(Rejection) -> Rejection {
    move |Rejection { reason, detail }| Rejection::new(reason, format!("{place}: {detail}"))
}

/// The beginning of what a payload holds, for a reason's text.
fn shown(text: &str) -> String {
    text.chars().take(40).collect::<String>().escape_debug().to_string()
}

/// Why JSON text is not what it should be, with the place. What stands there may be quoted, so not at any length.
fn malformed(error: &serde_json::Error) -> Rejection {
    const MOST: usize = 160;
    let text = error.to_string();
    let too_large = error.is_syntax() && text.starts_with("number out of range");
    let too_many = error.is_data() && text.starts_with(few::TOO_MANY);
    let reason = match (too_large, too_many) {
        (true, _) => Reason::NotFinite,
        (_, true) => Reason::TooComplex,
        _ => Reason::Malformed,
    };
    if text.chars().nth(MOST).is_none() {
        return Rejection::new(reason, text);
    }
    let start: String = text.chars().take(MOST).collect();
    Rejection::new(reason, format!("{start}… at line {} column {}", error.line(), error.column()))
}

#[cfg(test)]
mod tests;
