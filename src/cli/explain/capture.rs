//! `nadikota explain --capture`: what would become of each message of a capture, or of all of them in short.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::Context as _;

use super::{tell, time};
use crate::capture::Reader;
use crate::capture::summary::{Name, Summary};
use crate::cli::{Failure, count, say, say_json};
use crate::transform::{State, Transform};

pub(super) fn run(file: &Path, summary: bool, json: bool, transform: &Transform) -> Result<(), Failure> {
    let mut reader = open(file)?;
    let mut state = State::default();
    let mut seen = Summary::default();
    let mut times: Option<(i64, i64)> = None;
    while let Some(message) = reader.next() {
        let message = message.with_context(|| file.display().to_string())?;
        times = Some(times.map_or((message.time, message.time), |(first, last)| {
            (first.min(message.time), last.max(message.time))
        }));
        let number = seen.messages.saturating_add(1);
        let explanation = transform.explain_next(&message.record(number), &mut state);
        seen.add(reader.line(), &explanation, transform);
        match (summary, json) {
            (true, _) => {}
            (false, true) => say_json(&explanation)?,
            (false, false) => {
                say(format!("line         {}, received {}", reader.line(), time(message.time)))?;
                tell(&explanation)?;
                say("")?;
            }
        }
    }
    match (summary, json) {
        (false, _) => Ok(()),
        (true, true) => say_json(&seen),
        (true, false) => in_short(file, times, &seen),
    }
}

/// Opens a capture.
pub(in crate::cli) fn open(file: &Path) -> anyhow::Result<Reader<BufReader<File>>> {
    let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Reader::new(BufReader::new(opened)))
}

fn in_short(file: &Path, times: Option<(i64, i64)>, seen: &Summary) -> Result<(), Failure> {
    let span = times.map(|(first, last)| format!(", {} to {}", time(first), time(last))).unwrap_or_default();
    say(format!("capture      {}: {}{span}", file.display(), many(seen.messages, "message")))?;
    let readings = &seen.readings;
    let measured = readings.all.saturating_sub(readings.empty);
    say(format!(
        "readings     {measured} with a value: {} under a quantity ({}), {} under the device's own name, {} not stored",
        readings.under_a_quantity,
        per_cent(readings.under_a_quantity, measured),
        readings.under_their_own_name,
        readings.not_stored
    ))?;
    for group in seen.sorted() {
        let key = &group.key;
        let or_none = |text: &Option<String>| {
            text.as_deref().map_or_else(|| "none".to_owned(), |text| text.escape_debug().to_string())
        };
        let reason = key.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let messages = many(group.messages, "message");
        let recognised = key.recognised.as_ref().map(|name| format!(": {name}")).unwrap_or_default();
        say(format!("{:<12} {messages}{reason}", key.outcome))?;
        say(format!(
            "  route      {}, format {}{recognised}, profile {}, device {}",
            or_none(&key.route),
            or_none(&key.format),
            or_none(&key.profile),
            or_none(&key.device)
        ))?;
        let detail = group.example.detail.as_ref();
        let detail = detail.map(|detail| format!(": {}", detail.escape_debug())).unwrap_or_default();
        say(format!(
            "  such as    line {}, {}{detail}",
            group.example.line,
            group.example.topic.escape_debug()
        ))?;
    }
    let known = seen.names.iter().filter(|name| name.known && name.field.is_some());
    for ([profile, name, field], Joined { devices, readings, refused, example }) in joined(known) {
        let refused = if refused > 0 { format!(", {refused} refused") } else { String::new() };
        say(format!(
            "quantity     {} -> {}: {readings} times from {}{refused}, such as {} (profile {})",
            plain(name),
            plain(field),
            count(devices, "device"),
            plain(example),
            plain(profile)
        ))?;
    }
    let drift = seen.drift();
    for name in &drift {
        say(format!(
            "unknown      {} of {} -> {}: {} times, such as {} (profile {})",
            plain(&name.name),
            plain(&name.device),
            plain(name.field.as_deref().unwrap_or("nothing")),
            name.readings,
            plain(&name.example),
            plain(&name.profile)
        ))?;
    }
    if !drift.is_empty() {
        say(
            "what is unknown is stored under the device's own name, and text is not stored; a line in the profile \
             gives a name its quantity",
        )?;
    }
    if seen.untold > 0 {
        say(format!("{} more messages and readings are not told apart", seen.untold))?;
    }
    Ok(())
}

/// One name of a profile, over all devices that have it.
struct Joined<'n> {
    devices: usize,
    readings: u64,
    refused: u64,
    example: &'n str,
}

/// By profile, name and field.
fn joined<'n>(names: impl Iterator<Item = &'n Name>) -> BTreeMap<[&'n str; 3], Joined<'n>> {
    let mut joined = BTreeMap::new();
    for name in names {
        let key = [&*name.profile, &*name.name, name.field.as_deref().unwrap_or_default()];
        let none = Joined { devices: 0, readings: 0, refused: 0, example: &name.example };
        let one = joined.entry(key).or_insert(none);
        one.devices = one.devices.saturating_add(1);
        one.readings = one.readings.saturating_add(name.readings);
        one.refused = one.refused.saturating_add(name.refused);
    }
    joined
}

fn many(number: u64, thing: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), thing)
}

/// Outside text for a terminal: control characters must not reach it.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn per_cent(part: u64, all: u64) -> String {
    if all == 0 { "none".to_owned() } else { format!("{:.1} %", part as f64 * 100.0 / all as f64) }
}
