//! Recognising: which format a topic's messages have, by the topics that platforms prescribe and by trying decoders.

use std::collections::{BTreeMap, HashMap};

use config::Value;
use jiff::tz::TimeZone;

use super::guess::Confidence;
use crate::capture::Captured;
use crate::decode::{Auto, Decoded, Format, Hints, Limits, Memory};
use crate::reading::{ReadingValue, Sample};
use crate::settings::{Problems, Section};

/// Messages of one topic that are looked at to recognise its format.
const LOOKED_AT: usize = 50;

/// A format's settings, in words of a route.
pub(super) type Settings = Vec<(&'static str, String)>;

/// Topics that a platform prescribes, and what comes there.
pub(super) struct Layout {
    pub(super) topic: &'static str,
    pub(super) format: &'static str,
}

/// The first that fits is taken, if its format reads the messages.
pub(super) const LAYOUTS: &[Layout] = &[
    Layout { topic: "application/{application}/device/{device}/event/{event}", format: "chirpstack" },
    Layout { topic: "v3/{application}/devices/{device}/#", format: "things_stack" },
    Layout { topic: "/ul/+/{device}/#", format: "ultralight" },
    Layout { topic: "ul/+/{device}/#", format: "ultralight" },
    Layout { topic: "/json/+/{device}/#", format: "fiware_json" },
    Layout { topic: "json/+/{device}/#", format: "fiware_json" },
    Layout { topic: "/oneM2M/#", format: "antares" },
    Layout { topic: "oneM2M/#", format: "antares" },
    Layout { topic: "spBv1.0/#", format: "sparkplug_b" },
    Layout { topic: "tele/{device}/+", format: "tasmota" },
    Layout { topic: "zigbee2mqtt/#", format: "zigbee2mqtt" },
    Layout { topic: "airgradient/readings/{device}", format: "airgradient" },
    Layout { topic: "device/sck/+/#", format: "smart_citizen" },
    Layout { topic: "{device}/events/rpc", format: "shelly" },
    Layout { topic: "{device}/status/{component}", format: "shelly" },
    Layout { topic: "v1.1/#", format: "sensorthings" },
    Layout { topic: "v1.0/#", format: "sensorthings" },
];

/// Formats that a payload shows by itself, the strictest first. `json` takes any object, so it comes after those that
/// are JSON too; `value` comes before what takes any text.
const BY_CONTENT: &[&str] = &[
    "chirpstack",
    "things_stack",
    "senml",
    "sensor_community",
    "antares",
    "shelly",
    "json",
    "value",
    "line_protocol",
    "ultralight",
    "csv",
];

/// What `auto` says where nothing else claims a message; settings of their own may say more.
const GENERAL: &[&str] = &["json", "value"];

/// What reads a topic's messages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Recognised {
    pub(super) format: &'static str,
    /// The topic that the platform prescribes, if it was known by that.
    pub(super) layout: Option<&'static str>,
}

/// The format of one topic's messages; nothing where no decoder reads most of them.
pub(super) fn recognise(topic: &str, messages: &[&Captured], zone: &TimeZone) -> Option<Recognised> {
    let matching = |layout: &&Layout| {
        crate::topic::Template::parse(layout.topic).is_ok_and(|template| template.matches(topic.as_bytes()))
    };
    let by_topic = LAYOUTS.iter().filter(matching).map(|layout| (layout.format, Some(layout.topic)));
    // What a topic or a payload says without doubt comes before what merely reads it.
    let sure = surely(messages).ok().filter(|format| !GENERAL.contains(format)).map(|format| (format, None));
    let by_content = BY_CONTENT.iter().map(|format| (*format, None));
    by_topic.chain(sure).chain(by_content).find_map(|(format, layout)| {
        let decoder = named(format, &Settings::new())?;
        let looked_at = messages.len().min(LOOKED_AT);
        let read: Vec<bool> = messages
            .iter()
            .take(LOOKED_AT)
            .filter_map(|message| fits(format, &decoder, message, zone))
            .collect();
        let enough = read.len().saturating_mul(5) >= looked_at.saturating_mul(4);
        // What is no data says nothing of the format, unless the topic does.
        let data = read.iter().any(|holds| *holds);
        (enough && (data || layout.is_some())).then_some(Recognised { format, layout })
    })
}

/// The format that `auto` takes most messages for; else why it takes none.
fn surely(messages: &[&Captured]) -> Result<&'static str, String> {
    let (auto, mut votes, mut doubt) = (Auto::default(), BTreeMap::<&str, usize>::new(), None);
    for message in messages.iter().take(LOOKED_AT) {
        match auto.recognise(&message.topic, &message.payload) {
            Ok(format) => {
                let count = votes.entry(format.name()).or_default();
                *count = count.saturating_add(1);
            }
            Err(refused) => drop(doubt.get_or_insert(refused.detail)),
        }
    }
    let looked_at = messages.len().min(LOOKED_AT);
    let most = votes.into_iter().find(|(_, count)| count.saturating_mul(5) >= looked_at.saturating_mul(4));
    most.map(|(format, _)| format)
        .ok_or_else(|| doubt.unwrap_or_else(|| "its messages have different formats".to_owned()))
}

/// How sure it is that the messages have this format, and what speaks against it.
pub(super) fn confidence(recognised: &Recognised, messages: &[&Captured]) -> (Confidence, Option<String>) {
    if recognised.layout.is_some() {
        return (Confidence::High, None);
    }
    match surely(messages) {
        Ok(format) if format == recognised.format => (Confidence::High, None),
        Ok(format) => (Confidence::Low, Some(format!("format = \"auto\" would take it for {format}"))),
        Err(doubt) => (Confidence::Low, Some(doubt)),
    }
}

/// A format by the name that a route gives it; nothing where this program has none of that name.
pub(super) fn named(format: &str, settings: &Settings) -> Option<Format> {
    let problems = Problems::default();
    let mut values: HashMap<String, Value> = HashMap::new();
    values.insert("format".to_owned(), Value::from(format));
    for (key, text) in settings {
        values.insert((*key).to_owned(), Value::from(text.as_str()));
    }
    let read = Format::read(&mut Section::root(values, problems.clone()));
    read.filter(|_| problems.into_vec().is_empty())
}

/// What a message holds; nothing where it cannot be read. What is no data holds nothing.
pub(super) fn decoded(
    decoder: &Format,
    message: &Captured,
    number_text: bool,
    zone: &TimeZone,
) -> Option<Vec<Sample<'static>>> {
    let limits = Limits::default();
    let hints = Hints { number_text, zone, limits: &limits, now: message.time };
    // Without what earlier messages told: a format that remembers is recognised by its births.
    let samples = match decoder.decode(&message.topic, &message.payload, &hints, &mut Memory::default()) {
        Ok(Decoded::Samples { samples, .. }) => samples,
        // Raw bytes take a codec, which is not guessed.
        Ok(Decoded::Uplink(uplink)) => {
            let mut samples = uplink.decoded.unwrap_or_default();
            for sample in &mut samples {
                (sample.device, sample.model) = (uplink.device.clone(), uplink.model.clone());
                sample.time = sample.time.or(uplink.time);
            }
            samples
        }
        Ok(Decoded::NotData(_)) => Vec::new(),
        Err(_) => return None,
    };
    Some(samples.into_iter().map(Sample::into_owned).collect())
}

/// Whether the message holds a value; nothing where the format does not read it.
fn fits(format: &str, decoder: &Format, message: &Captured, zone: &TimeZone) -> Option<bool> {
    let samples = decoded(decoder, message, false, zone)?;
    let holds = samples.iter().any(|sample| !sample.readings.is_empty());
    // Any text is a value, so only what looks like one counts: a number, a switch, or one word.
    let is_value = format != "value"
        || samples.iter().flat_map(|sample| &sample.readings).all(|reading| match &reading.value {
            ReadingValue::Text(text) => text.chars().all(char::is_alphabetic),
            _ => true,
        });
    is_value.then_some(holds)
}
