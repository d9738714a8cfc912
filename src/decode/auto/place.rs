//! Place: what a topic says of its message's format, where a platform prescribes the topic.

use super::Name;
use crate::decode::tasmota;

/// The base topic of Zigbee2MQTT by default.
pub(super) const ZIGBEE: &str = "zigbee2mqtt";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place<'t> {
    Sparkplug,
    Chirpstack,
    ThingsStack,
    /// `SENSOR` and `STATE`.
    Tasmota,
    /// `LWT`.
    TasmotaWill,
    /// `POWER`, `POWER2` and so on.
    TasmotaPower,
    /// Every other message of Tasmota.
    TasmotaAnswer,
    Zigbee,
    /// Of the bridge, a command, an availability: nothing that was measured.
    ZigbeeOther,
    ShellyEvents,
    ShellyRpc,
    /// Such as `switch:0`.
    ShellyComponent,
    /// A component without a number, such as `wifi`.
    ShellySystem(&'t str),
    /// `…/online`; whether the level before is the id of a Shelly.
    Online {
        shelly: bool,
    },
    Ultralight,
    /// Commands and configuration.
    UltralightOther,
    FiwareJson,
    /// `…/attrs`, and nothing says of which of FIWARE's agents.
    Agent,
    OneM2m,
    AirGradient,
    Observations,
    /// Another entity than an observation.
    SensorThings,
    SmartCitizen,
    /// Nobody's convention.
    Free,
}

impl<'t> Place<'t> {
    pub(super) fn of(topic: &'t str) -> Self {
        let levels: Vec<&str> = topic.split('/').take(MOST_LEVELS).collect();
        let prescribed = match levels.as_slice() {
            ["device", "sck", _, ..] | ["device", "inventory"] => Some(Self::SmartCitizen),
            ["v3", _, "devices", _, _, ..] => Some(Self::ThingsStack),
            ["airgradient", "readings", _] => Some(Self::AirGradient),
            ["oneM2M", _, ..] | ["", "oneM2M", _, ..] => Some(Self::OneM2m),
            [ZIGBEE, _, ..] => Some(zigbee(&levels)),
            ["", "ul", _, _, rest @ ..] | ["ul", _, _, rest @ ..] => agent(rest, Self::Ultralight),
            ["", "json", _, _, rest @ ..] | ["json", _, _, rest @ ..] => agent(rest, Self::FiwareJson),
            [.., "application", _, "device", _, "event", _] => Some(Self::Chirpstack),
            [.., "events", "rpc"] => Some(Self::ShellyEvents),
            [.., _, "rpc"] => Some(Self::ShellyRpc),
            [.., _, "status", component] => shelly(component),
            [.., id, "online"] => Some(Self::Online { shelly: id.starts_with("shelly") && id.contains('-') }),
            [.., _, "attrs"] | [.., _, "attrs", _] => Some(Self::Agent),
            _ => None,
        };
        let namespace = levels.iter().position(|level| *level == "spBv1.0");
        if namespace.is_some_and(|at| levels.len().saturating_sub(at) > 2) {
            return Self::Sparkplug;
        }
        prescribed.or_else(|| tasmota(&levels)).or_else(|| sensorthings(topic)).unwrap_or(Self::Free)
    }

    /// The format that the topic is of; nothing where it is nobody's.
    pub(super) const fn format(self) -> Option<Name> {
        Some(match self {
            Self::Sparkplug => "sparkplug_b",
            Self::Chirpstack => "chirpstack",
            Self::ThingsStack => "things_stack",
            Self::Tasmota | Self::TasmotaWill | Self::TasmotaPower | Self::TasmotaAnswer => "tasmota",
            Self::Zigbee | Self::ZigbeeOther => "zigbee2mqtt",
            Self::ShellyEvents | Self::ShellyRpc | Self::ShellyComponent | Self::ShellySystem(_) => "shelly",
            Self::Ultralight | Self::UltralightOther => "ultralight",
            Self::FiwareJson | Self::Agent => "fiware_json",
            Self::OneM2m => "antares",
            Self::AirGradient => "airgradient",
            Self::Observations | Self::SensorThings => "sensorthings",
            Self::SmartCitizen => "smart_citizen",
            Self::Online { .. } | Self::Free => return None,
        })
    }
}

/// Levels that are looked at; no platform prescribes as many.
const MOST_LEVELS: usize = 128;

fn zigbee<'t>(levels: &[&str]) -> Place<'t> {
    let other = match levels {
        [_, "bridge", ..] | [.., "availability" | "set" | "get"] => true,
        [_, _, inner @ ..] => inner.iter().any(|level| matches!(*level, "set" | "get")),
        _ => false,
    };
    if other { Place::ZigbeeOther } else { Place::Zigbee }
}

/// Below the device's level of an agent's topic.
fn agent<'t>(rest: &[&str], measures: Place<'t>) -> Option<Place<'t>> {
    match (rest, measures) {
        (["attrs"] | ["attrs", _], _) => Some(measures),
        (["cmd" | "cmdexe"] | ["configuration", ..], Place::Ultralight) => Some(Place::UltralightOther),
        (["cmd" | "cmdexe"] | ["configuration", ..], _) => Some(measures),
        _ => None,
    }
}

fn shelly(component: &str) -> Option<Place<'_>> {
    match component.split_once(':') {
        Some((kind, number)) => {
            let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            (digits && !kind.is_empty()).then_some(Place::ShellyComponent)
        }
        None => (["sys", "wifi"].contains(&component) || crate::decode::shelly::SYSTEM.contains(&component))
            .then_some(Place::ShellySystem(component)),
    }
}

/// The prefixes of Tasmota may stand before or behind the device.
fn tasmota<'t>(levels: &[&str]) -> Option<Place<'t>> {
    let (last, before) = levels.split_last()?;
    if !before.iter().any(|level| matches!(*level, "tele" | "stat")) {
        return None;
    }
    match *last {
        "SENSOR" | "STATE" => Some(Place::Tasmota),
        "LWT" => Some(Place::TasmotaWill),
        power if power.starts_with("POWER") && tasmota::is_kind(power) => Some(Place::TasmotaPower),
        other => tasmota::is_kind(other).then_some(Place::TasmotaAnswer),
    }
}

/// OData's way to name an entity, `Datastreams(5)`, or the version before a set of them.
fn sensorthings<'t>(topic: &str) -> Option<Place<'t>> {
    const SETS: [&str; 9] = [
        "Observations",
        "Datastreams",
        "MultiDatastreams",
        "Things",
        "Sensors",
        "ObservedProperties",
        "FeaturesOfInterest",
        "Locations",
        "HistoricalLocations",
    ];
    let path = topic.split_once('?').map_or(topic, |(path, _)| path);
    let set = |level: &str| {
        let (name, id) = level.split_once('(').map_or((level, None), |(name, id)| (name, Some(id)));
        (SETS.contains(&name), id.is_some_and(|id| id.ends_with(')')))
    };
    let mut versioned = false;
    let mut named = false;
    for level in path.split('/').take(MOST_LEVELS) {
        let (is_set, has_id) = set(level);
        named |= is_set && (has_id || versioned);
        versioned |= matches!(level, "v1.0" | "v1.1");
    }
    let observation = path.rsplit('/').next() == Some("Observations");
    named.then_some(if observation { Place::Observations } else { Place::SensorThings })
}
