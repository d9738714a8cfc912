//! The shape of JSON: where in it stand the time, the device, and several samples.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;

use super::guess::Confidence;
use super::recognise::{Settings, decoded, named};
use super::words;
use crate::capture::Captured;
use crate::settings::Span;

/// Messages that are looked at.
const LOOKED_AT: usize = 200;
const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;
/// A clock that is right is told within this.
const CLOSE: i64 = 600 * SECOND;
/// 2020-01-01: an earlier number is no time of a device.
const EARLIEST: i64 = 1_577_836_800 * SECOND;

const TIMES: &[&str] = &[
    "timestamp",
    "time",
    "ts",
    "waktu",
    "datetime",
    "tanggal",
    "date",
    "recordedat",
    "measuredat",
    "epoch",
    "unixtime",
    "tsms",
    "timems",
    "jam",
    "tstamp",
    "createdat",
    "observedat",
    "t",
    "dt",
    "at",
];
const DEVICES: &[&str] = &[
    "deviceid",
    "device",
    "devid",
    "dev",
    "iddevice",
    "idalat",
    "alat",
    "kodealat",
    "idperangkat",
    "perangkat",
    "nodeid",
    "node",
    "stationid",
    "station",
    "stasiun",
    "idstasiun",
    "sensorid",
    "idsensor",
    "serial",
    "serialnumber",
    "sn",
    "imei",
    "mac",
    "deveui",
    "eui",
    "kode",
    "id",
    "nama",
];

/// What was found, and why.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub(super) settings: Settings,
    pub(super) notes: Vec<String>,
    /// The payload names its device.
    pub(super) names_device: bool,
    /// Values stand outside of the samples, which only the topic can give a device.
    pub(super) has_outside: bool,
}

/// Looks at messages of one kind.
pub(super) fn shape(messages: &[&Captured], zone: &TimeZone) -> Shape {
    let messages: Vec<&Captured> = messages.iter().copied().take(LOOKED_AT).collect();
    let mut shape = Shape::default();
    if let Some(path) = samples(&messages, zone) {
        shape.notes.push(format!(
            "samples: an array whose objects have a time or a device each (confidence high): {path}"
        ));
        shape.settings.push(("samples", path));
    }
    let names = names(&messages, &shape.settings, zone);
    if let Some((path, confidence, why)) = time(&messages, &shape.settings, &names, zone) {
        shape.notes.push(format!("time: {why} (confidence {})", confidence.word()));
        shape.settings.push(("time", path));
    }
    if let Some((path, confidence, why)) = device(&messages, &shape.settings, &names, zone) {
        shape.notes.push(format!("device: {why} (confidence {})", confidence.word()));
        shape.settings.push(("device", path));
        shape.names_device = true;
    }
    let setting = |wanted| shape.settings.iter().find(|(key, _)| *key == wanted).map(|(_, path)| path);
    if let Some(path) = setting("samples") {
        let inside =
            |name: &String| name.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('.'));
        let told = |name: &String| setting("time") == Some(name) || setting("device") == Some(name);
        let all = self::names(&messages, &Settings::new(), zone);
        shape.has_outside = all.iter().any(|name| !inside(name) && !told(name));
    }
    shape
}

/// Names of values, in order.
fn names(messages: &[&Captured], settings: &Settings, zone: &TimeZone) -> BTreeSet<String> {
    let Some(decoder) = named("json", settings) else { return BTreeSet::new() };
    let samples = messages.iter().filter_map(|message| decoded(&decoder, message, false, zone)).flatten();
    samples.flat_map(|sample| sample.readings).map(|reading| reading.name.into_owned()).collect()
}

/// The path's last name without signs, in small letters.
fn plain(name: &str) -> String {
    let last = name.rsplit('.').next().unwrap_or(name);
    last.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn is_index(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
}

fn rank(list: &[&str], name: &str) -> Option<usize> {
    let plain = plain(name);
    list.iter().position(|known| *known == plain)
}

/// Candidates of a list of usual names: the nearest to the top first, of equal ones the most usual. None is inside an
/// array, where each place would be another.
fn candidates<'n>(list: &[&str], names: &'n BTreeSet<String>) -> Vec<&'n str> {
    let single = |name: &&String| !name.split('.').any(is_index);
    let ranked = |name: &'n String| Some((rank(list, name)?, name.as_str()));
    let mut found: Vec<_> = names.iter().filter(single).filter_map(ranked).collect();
    found.sort_by_key(|(rank, name)| (name.matches('.').count(), *rank, *name));
    found.into_iter().map(|(_, name)| name).collect()
}

/// The path of an array whose objects tell a time or a device each.
fn samples(messages: &[&Captured], zone: &TimeZone) -> Option<String> {
    let mut arrays: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for name in names(messages, &Settings::new(), zone) {
        let parts: Vec<&str> = name.split('.').collect();
        let Some(at) = parts.iter().position(|part| is_index(part)).filter(|at| *at > 0) else { continue };
        let (before, after) = parts.split_at(at);
        let inner = after.get(1..).unwrap_or_default().join(".");
        arrays.entry(before.join(".")).or_default().insert(inner);
    }
    let tells = |inner: &&String| rank(TIMES, inner).is_some() || rank(DEVICES, inner).is_some();
    let apart = |(path, inner): &(&String, &BTreeSet<String>)| {
        let settings = vec![("samples", (*path).clone())];
        let some = names(messages, &settings, zone);
        inner.iter().filter(tells).any(|told| {
            is_time(messages, &settings, told, zone).is_some()
                || is_device(messages, &settings, told, zone, false)
        }) && !some.is_empty()
    };
    arrays.iter().find(apart).map(|(path, _)| path.clone())
}

/// How far behind the receipt the times of this name are; nothing where most are no times.
fn is_time(messages: &[&Captured], settings: &Settings, name: &str, zone: &TimeZone) -> Option<i64> {
    let mut with = settings.clone();
    with.push(("time", name.to_owned()));
    let decoder = named("json", &with)?;
    let (mut behind, mut all) = (Vec::new(), 0_usize);
    for message in messages {
        let Some(samples) = decoded(&decoder, message, false, zone) else {
            all = all.saturating_add(1);
            continue;
        };
        // What stands outside of samples has no time of its own, and none is asked of it.
        let outside = settings.iter().any(|(key, _)| *key == "samples")
            && samples.first().is_some_and(|sample| sample.time.is_none());
        all = all.saturating_add(samples.len().saturating_sub(usize::from(outside)));
        let times = samples.iter().filter_map(|sample| sample.time).filter(|time| *time >= EARLIEST);
        let delays = times.map(|time| message.time.saturating_sub(time));
        behind.extend(delays.filter(|delay| (-DAY..=90 * DAY).contains(delay)));
    }
    behind.sort_unstable();
    let enough = behind.len().saturating_mul(5) >= all.saturating_mul(4);
    behind.get(behind.len() / 2).copied().filter(|_| enough)
}

fn time(
    messages: &[&Captured],
    settings: &Settings,
    names: &BTreeSet<String>,
    zone: &TimeZone,
) -> Option<(String, Confidence, String)> {
    let found = candidates(TIMES, names)
        .into_iter()
        .find_map(|name| is_time(messages, settings, name, zone).map(|behind| (name, behind)));
    let (name, behind) = found?;
    let span = Span(std::time::Duration::from_secs((behind / SECOND).unsigned_abs()));
    let hours = (behind.saturating_add(1800 * SECOND)).div_euclid(3600 * SECOND);
    let whole_hours = (behind - hours * 3600 * SECOND).abs() < CLOSE;
    let (confidence, why) = match behind {
        behind if behind.abs() < CLOSE => (Confidence::High, "it agrees with the time of receipt".to_owned()),
        _ if whole_hours && (-14..=14).contains(&hours) => {
            let way = if behind > 0 { "behind" } else { "ahead of" };
            (
                Confidence::Low,
                format!("it is {hours} h {way} the receipt: is it of another zone than time_zone?"),
            )
        }
        behind if behind > 0 => (Confidence::Medium, format!("it is about {span} behind the receipt")),
        _ => (Confidence::Low, format!("it is {span} ahead of the receipt: its clock is wrong, or the zone")),
    };
    Some((name.to_owned(), confidence, why))
}

/// Whether each message, or each sample, has an id there, and different topics have different ones.
fn is_device(
    messages: &[&Captured],
    settings: &Settings,
    name: &str,
    zone: &TimeZone,
    of_topics: bool,
) -> bool {
    let mut with = settings.clone();
    with.push(("device", name.to_owned()));
    let Some(decoder) = named("json", &with) else { return false };
    let mut of: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let topics: BTreeSet<&str> = messages.iter().map(|message| message.topic.as_str()).collect();
    for message in messages {
        let outside = settings.iter().any(|(key, _)| *key == "samples");
        for (place, sample) in
            decoded(&decoder, message, false, zone).unwrap_or_default().into_iter().enumerate()
        {
            let Some(device) = sample.device else {
                if outside && place == 0 {
                    continue;
                }
                return false;
            };
            of.entry(device.into_owned()).or_default().insert(&message.topic);
        }
    }
    // A number of the message is no device, nor is a text that all share.
    let samples = messages.len();
    let steady = of.len().saturating_mul(2) <= samples || of.len() == 1 || samples <= 2;
    let apart = !of_topics || of.values().all(|topics| topics.len() == 1) || topics.len() == 1;
    !of.is_empty() && steady && apart && of.keys().all(|id| words::state(id).is_none())
}

fn device(
    messages: &[&Captured],
    settings: &Settings,
    names: &BTreeSet<String>,
    zone: &TimeZone,
) -> Option<(String, Confidence, String)> {
    let found = candidates(DEVICES, names);
    let name = found.into_iter().find(|name| is_device(messages, settings, name, zone, true))?;
    let confidence =
        if plain(name) == "id" || plain(name) == "nama" { Confidence::Medium } else { Confidence::High };
    Some((name.to_owned(), confidence, format!("\"{name}\" is steady for each topic or device")))
}
