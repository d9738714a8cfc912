//! Members: a shallow look at JSON. Which of the members that tell formats apart are there; values are passed over.

mod read;

use std::borrow::Cow;

use super::{Claim, Name};
use crate::decode::malformed;
use crate::outcome::Rejection;

/// What an AirGradient measures; none of them is always there.
pub(super) const AIRGRADIENT: &[&str] = &[
    "rco2",
    "pm01",
    "pm02",
    "pm10",
    "pm003Count",
    "atmp",
    "rhum",
    "tvocIndex",
    "noxIndex",
    "boot",
    "atmpCompensated",
    "rhumCompensated",
    "pm02Compensated",
];
/// Members that mean something here, beside AirGradient's.
const KNOWN: &[&str] = &[
    "deviceInfo",
    "devEUI",
    "applicationID",
    "objectJSON",
    "rxInfo",
    "fPort",
    "fCnt",
    "end_device_ids",
    "Time",
    "TempUnit",
    "PressureUnit",
    "SpeedUnit",
    "ENERGY",
    "Wifi",
    "linkquality",
    "last_seen",
    "method",
    "params",
    "src",
    "result",
    "error",
    "id",
    "type",
    "connected",
    "sta_ip",
    "mac",
    "uptime",
    "rqi",
    "op",
    "rsc",
    "serialno",
    "sensordatavalues",
    "esp8266id",
    "phenomenonTime",
    "data",
    "entities",
    "subscriptionId",
    "notifiedAt",
    "actionType",
    "@context",
    "TimeInstant",
    "dateObserved",
    "observedAt",
    "n",
    "bn",
    "v",
    "vs",
    "vb",
    "vd",
    "s",
    "bv",
];

/// What the payload is.
#[derive(Debug)]
pub(super) enum Look<'a> {
    Object(Members<'a>),
    /// What the elements of an array have in common.
    List(List),
}

/// Of one object.
#[derive(Debug, Default)]
pub(super) struct Members<'a> {
    /// Each once, the first that was told.
    found: Vec<(&'static str, Value<'a, Inner>)>,
    /// A member of oneM2M's primitives with its prefix.
    pub(super) one_m2m: bool,
    /// A member of SensorThings' own, such as `@iot.id`.
    iot: bool,
    /// One is an attribute of NGSI with its value inside.
    attribute: bool,
    /// Labels of SenML alone.
    labels_only: bool,
    empty: bool,
}

#[derive(Debug, Default)]
pub(super) struct List {
    count: usize,
    /// Elements that are no objects.
    others: bool,
    /// There are more elements than were looked at.
    beyond: bool,
    /// One has labels alone, or a name and a value: SenML, or something that looks like it.
    labelled: bool,
    /// Every element has labels alone.
    labels_only: bool,
    named: bool,
    valued: bool,
    claims: Vec<Claim>,
    /// Every element has what an entity has; one that is an entity for sure speaks for all.
    entities: bool,
}

/// A value, of which objects are kept as `O` and arrays by their first element.
#[derive(Debug)]
enum Value<'a, O> {
    Number,
    Text(Cow<'a, str>),
    List(Inner),
    Object(O),
    /// Null and truth values.
    Other,
}

/// Of an object inside, or of the first one in an array inside.
#[derive(Debug, Default, Clone, Copy)]
struct Inner {
    dev_eui: bool,
    value: bool,
    of_attribute: bool,
    id: bool,
    kind: bool,
    recorded_at: bool,
}

/// Reads the whole text, so that what is cut short is told.
pub(super) fn look(text: &str) -> Result<Look<'_>, Rejection> {
    serde_json::from_str(text).map_err(|error| malformed(&error))
}

impl Look<'_> {
    pub(super) const fn is_beyond(&self) -> bool {
        matches!(self, Look::List(list) if list.beyond)
    }

    pub(super) const fn is_objects(&self) -> bool {
        match self {
            Look::Object(_) => true,
            Look::List(list) => !list.others && list.count > 0,
        }
    }

    /// The formats whose members it has, each once.
    pub(super) fn claims(&self) -> Vec<Claim> {
        let mut claims = Vec::new();
        match self {
            Look::Object(object) => object.claims(&mut claims),
            Look::List(list) => {
                claims.clone_from(&list.claims);
                // Only entities, and packs of SenML, come as arrays; others in one are nobody's messages.
                for claim in &mut claims {
                    claim.sure &= claim.format == "fiware_json" && list.entities && !list.others;
                }
                if list.labelled {
                    let sure = list.labels_only && list.named && list.valued && !list.others;
                    claims.push(Claim { format: "senml", sure });
                }
            }
        }
        claims
    }
}

impl Members<'_> {
    fn get(&self, name: &str) -> Option<&Value<'_, Inner>> {
        self.found.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.has(name))
    }

    pub(super) fn is_object(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Value::Object(_)))
    }

    pub(super) fn is_number(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Value::Number))
    }

    pub(super) fn is_text(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Value::Text(_)))
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.empty
    }

    fn text(&self, name: &str) -> &str {
        match self.get(name) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    /// A notification of Shelly's.
    pub(super) fn notifies(&self) -> bool {
        self.text("method").starts_with("Notify")
    }

    fn claims(&self, out: &mut Vec<Claim>) {
        if self.found.is_empty() && !self.one_m2m && !self.iot {
            return;
        }
        let mut claim = |format: Name, sure: bool, perhaps: bool| {
            if (sure || perhaps) && !out.iter().any(|claim| claim.format == format) {
                out.push(Claim { format, sure });
            }
        };
        let inner = |name: &str| match self.get(name) {
            Some(Value::Object(inner) | Value::List(inner)) => *inner,
            _ => Inner::default(),
        };
        let v3 = self.is_text("devEUI");
        claim(
            "chirpstack",
            inner("deviceInfo").dev_eui || v3 && self.any(&["applicationID", "objectJSON"]),
            v3 && self.any(&["rxInfo", "fPort", "fCnt", "data"]),
        );
        claim("things_stack", self.is_object("end_device_ids"), false);
        let units = ["TempUnit", "PressureUnit", "SpeedUnit"];
        claim(
            "tasmota",
            self.has("Time") && self.any(&units),
            self.has("Time") && (self.is_object("ENERGY") || self.is_object("Wifi")),
        );
        claim("zigbee2mqtt", false, self.any(&["linkquality", "last_seen"]));
        let rpc = self.has("src") && self.any(&["result", "error", "method"]);
        claim("shelly", false, rpc || self.notifies());
        claim("antares", self.one_m2m, false);
        let corrected = ["atmpCompensated", "rhumCompensated", "pm02Compensated"];
        let serial = self.has("serialno");
        claim("airgradient", serial && self.any(AIRGRADIENT) || self.any(&corrected), serial);
        let listed = matches!(self.get("sensordatavalues"), Some(Value::List(_)));
        claim("sensor_community", listed, self.any(&["sensordatavalues", "esp8266id"]));
        claim("sensorthings", false, self.iot);
        claim("smart_citizen", false, inner("data").recorded_at);
        let (entity, envelope) = (self.is_entity(), self.is_envelope());
        claim("fiware_json", envelope || entity && self.is_surely_ngsi(), entity);
    }

    fn is_entity(&self) -> bool {
        self.is_text("id") && matches!(self.get("type"), Some(Value::Text(_) | Value::List(_)))
    }

    /// Id and type alone have many; these only entities have.
    fn is_surely_ngsi(&self) -> bool {
        let dated = ["@context", "TimeInstant", "dateObserved", "observedAt"];
        self.attribute || self.text("id").starts_with("urn:ngsi-ld:") || self.any(&dated)
    }

    /// A batch or a notification of entities.
    fn is_envelope(&self) -> bool {
        let entities = |name| match self.get(name) {
            Some(Value::List(first)) => first.id && first.kind,
            _ => false,
        };
        self.any(&["subscriptionId", "notifiedAt"]) && entities("data")
            || self.has("actionType") && entities("entities")
    }
}

impl List {
    fn add(&mut self, object: &Members<'_>) {
        let mut claims = Vec::new();
        object.claims(&mut claims);
        let is_entity = claims.iter().any(|claim| claim.format == "fiware_json");
        self.entities = is_entity && (self.entities || self.count == 0);
        for claim in claims {
            match self.claims.iter_mut().find(|known| known.format == claim.format) {
                Some(known) => known.sure |= claim.sure,
                None => self.claims.push(claim),
            }
        }
        let named = object.is_text("n") || object.is_text("bn");
        let valued = object.any(&["v", "vs", "vb", "vd", "s", "bv"]);
        self.labelled |= object.labels_only || named && valued;
        self.labels_only = object.labels_only && (self.labels_only || self.count == 0);
        self.named |= named;
        self.valued |= valued;
        self.count = self.count.saturating_add(1);
    }
}
