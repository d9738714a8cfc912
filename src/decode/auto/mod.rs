//! Format `auto`: which format a message has, where topic and payload leave no doubt. It never guesses.
//!
//! A topic that a platform prescribes, and a payload with the members that this platform always sends, are a format
//! together; members that only one format has are one by themselves. Where topic and payload contradict each other,
//! where two formats claim the message, or none, it is refused as `unknown_format` with what was considered. JSON that
//! nothing claims is `json`. Each format is read with its defaults; one that cannot be read without settings (`csv`,
//! `binary`, `cayenne_lpp`, `smart_citizen`) is never taken. One pass over the payload, without a copy of it.

mod members;
mod place;
mod plain;
#[cfg(test)]
mod tests;

use self::members::{Look, Members};
use self::place::Place;
use super::{Format, antares, json, line_protocol, senml, text, value, zigbee2mqtt};
use crate::outcome::{Reason, Rejection};
use crate::settings::Section;

/// Keys of a route that are one format's own.
const OF_FORMATS: [&str; 22] = [
    "base",
    "channel_tag",
    "columns",
    "decimal_comma",
    "device",
    "device_tag",
    "encoding",
    "entry_name",
    "entry_unit",
    "entry_value",
    "kits",
    "measurement_names",
    "model",
    "name",
    "offset",
    "offset_format",
    "port",
    "precision",
    "samples",
    "separator",
    "time",
    "time_format",
];

/// The formats that can be recognised, with their defaults.
#[derive(Debug, Clone)]
pub struct Auto {
    formats: Vec<Format>,
}

impl Auto {
    pub(super) fn read(section: &mut Section) -> Self {
        for key in OF_FORMATS {
            let text =
                "is a setting of one format, and \"auto\" reads each with its defaults: name the format";
            section.refuse(key, text);
        }
        Self::default()
    }

    /// The format of this message.
    pub fn recognise(&self, topic: &str, payload: &[u8]) -> Result<&Format, Rejection> {
        let name = name(topic, payload)?;
        let found = self.formats.iter().find(|format| format.name() == name);
        found.ok_or_else(|| undecided(&[name], "it takes settings of its own"))
    }
}

impl Default for Auto {
    fn default() -> Self {
        let formats = vec![
            Format::Json(Box::new(json::Settings { separator: ".".to_owned(), ..json::Settings::default() })),
            Format::Value(value::Settings { name: "value".to_owned() }),
            Format::Chirpstack,
            Format::ChirpstackProtobuf,
            Format::ThingsStack,
            Format::Senml,
            Format::SparkplugB,
            Format::Zigbee2Mqtt(zigbee2mqtt::Settings { base: place::ZIGBEE.to_owned() }),
            Format::Shelly,
            Format::AirGradient,
            Format::SensorThings,
            Format::LineProtocol(line_protocol::Settings::default()),
            Format::Ultralight,
            Format::FiwareJson,
            Format::Antares(antares::Settings::default()),
            Format::Tasmota,
            Format::SensorCommunity,
        ];
        Self { formats }
    }
}

type Name = &'static str;

/// What a format's members say: it, or something that only its topic or its settings could make sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Claim {
    format: Name,
    sure: bool,
}

fn name(topic: &str, payload: &[u8]) -> Result<Name, Rejection> {
    let place = Place::of(topic);
    match place {
        Place::Sparkplug => return Ok("sparkplug_b"),
        Place::SmartCitizen => {
            let why = "the topic is that of a Smart Citizen kit, and the route's kits must say whose it is";
            return Err(undecided(&["smart_citizen"], why));
        }
        _ => {}
    }
    let first = payload.strip_prefix(b"\xef\xbb\xbf").unwrap_or(payload).trim_ascii_start().first();
    if !matches!(first, Some(b'{' | b'[')) {
        return without_members(place, payload);
    }
    let look = members::look(text(payload)?)?;
    if look.is_beyond() {
        let claims = look.claims();
        let considered: Vec<Name> = claims.iter().map(|claim| claim.format).chain(["json"]).collect();
        return Err(undecided(&considered, "an array of more elements than are looked at"));
    }
    by_members(place, &look)
}

/// JSON objects and arrays.
fn by_members(place: Place<'_>, look: &Look<'_>) -> Result<Name, Rejection> {
    let claims = look.claims();
    let sure: Vec<Name> = claims.iter().filter(|claim| claim.sure).map(|claim| claim.format).collect();
    let mut considered: Vec<Name> = claims.iter().map(|claim| claim.format).collect();
    match place.format() {
        Some(format) => {
            let others = sure.iter().any(|other| *other != format);
            if fits(place, look, &sure) && !others {
                return Ok(format);
            }
            considered.retain(|other| *other != format);
            considered.insert(0, format);
            if !others {
                considered.push("json");
            }
            let why = format!("the topic is one of {format}, and the payload is not, or not only");
            Err(undecided(&considered, &why))
        }
        None => match (considered.as_slice(), sure.as_slice()) {
            ([], _) if look.is_objects() => Ok("json"),
            ([], _) => Err(undecided(&["json"], "an array of something else than objects")),
            ([only], [_]) => Ok(only),
            ([only], []) => {
                let why = format!("members of {only}, which take its topic or its settings to be sure");
                Err(undecided(&[only, "json"], &why))
            }
            _ => Err(undecided(&considered, "members of more than one format")),
        },
    }
}

/// Whether the payload is what the format of the topic sends.
fn fits(place: Place<'_>, look: &Look<'_>, sure: &[Name]) -> bool {
    let Look::Object(object) = look else {
        return matches!(place, Place::FiwareJson | Place::ZigbeeOther | Place::UltralightOther);
    };
    match place {
        Place::Chirpstack => object.is_object("deviceInfo") || object.is_text("devEUI"),
        Place::ThingsStack => object.is_object("end_device_ids"),
        Place::Tasmota => object.has("Time"),
        Place::ShellyEvents => object.notifies() && object.has("params"),
        Place::ShellyRpc => object.has("src") && object.any(&["result", "error", "method"]),
        Place::ShellyComponent => object.is_number("id"),
        Place::ShellySystem(system) => of_system(system, object),
        Place::Agent => sure.contains(&"fiware_json"),
        Place::OneM2m => object.one_m2m || object.has("rqi") && object.any(&["op", "rsc"]),
        Place::AirGradient => object.has("serialno") || object.any(members::AIRGRADIENT),
        Place::Observations => object.any(&["result", "phenomenonTime"]),
        Place::TasmotaAnswer
        | Place::Zigbee
        | Place::ZigbeeOther
        | Place::UltralightOther
        | Place::FiwareJson
        | Place::SensorThings => true,
        _ => false,
    }
}

/// What Shelly's components without a number always tell.
fn of_system(system: &str, object: &Members<'_>) -> bool {
    match system {
        "cloud" | "mqtt" | "ws" => object.has("connected"),
        "wifi" => object.has("sta_ip"),
        "sys" => object.any(&["mac", "uptime"]),
        _ => object.is_empty(),
    }
}

/// Everything but JSON objects and arrays.
fn without_members(place: Place<'_>, payload: &[u8]) -> Result<Name, Rejection> {
    if place == Place::Chirpstack {
        return match super::chirpstack::protobuf::recognised(payload) {
            true => Ok("chirpstack_protobuf"),
            false => Err(undecided(
                &["chirpstack", "chirpstack_protobuf"],
                "the topic is ChirpStack's, and the payload neither its JSON nor an event of v4",
            )),
        };
    }
    let word = || text(payload).map(str::trim).unwrap_or_default();
    match place {
        Place::Free | Place::Agent => {}
        Place::Online { shelly } if matches!(word(), "true" | "false") => {
            let why = "true and false on a topic \"online\" are a Shelly's, or bare values";
            return if shelly { Ok("shelly") } else { Err(undecided(&["shelly", "value"], why)) };
        }
        Place::Online { .. } => {}
        Place::TasmotaPower if matches!(word(), "ON" | "OFF" | "TOGGLE" | "HOLD") => return Ok("tasmota"),
        Place::TasmotaWill if matches!(word(), "Online" | "Offline") => return Ok("tasmota"),
        Place::Ultralight | Place::UltralightOther => return Ok("ultralight"),
        Place::FiwareJson => return Ok("fiware_json"),
        Place::ZigbeeOther => return Ok("zigbee2mqtt"),
        _ => {
            let format = place.format().unwrap_or("value");
            let why = format!("the topic is one of {format}, and the payload is none of its messages");
            return Err(undecided(&[format], &why));
        }
    }
    if senml::is_pack_in_cbor(payload) {
        return Ok("senml");
    }
    let Ok(text) = text(payload) else {
        let why = "bytes that are no text: frames of devices look alike";
        return Err(undecided(&["senml", "binary", "cayenne_lpp", "chirpstack_protobuf"], why));
    };
    if place == Place::Agent && !text.contains('|') {
        let why = "a topic of FIWARE's agents, without the level \"ul\" or \"json\" that says which";
        return Err(undecided(&["ultralight", "fiware_json", "value"], why));
    }
    plain::name(text)
}

fn undecided(considered: &[Name], why: &str) -> Rejection {
    let detail = format!("{why}; considered: {}; name the format in the route", considered.join(", "));
    Rejection::new(Reason::UnknownFormat, detail)
}
