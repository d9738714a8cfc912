//! `nadikota explain`: what would become of one message, told by the very code that `run` uses.

mod capture;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use bytes::Bytes;

use super::{Failure, configuration, say, say_json};
use crate::clock::Clock;
use crate::message::Record;
use crate::transform::{Explanation, ReadingStory, State};

pub(super) use capture::open;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The topic it came on.
    #[arg(long, required_unless_present = "capture", conflicts_with = "capture")]
    topic: Option<String>,
    /// Every message of a file that `nadikota capture` wrote, instead of one.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["payload_file", "retained"])]
    capture: Option<PathBuf>,
    /// Of a capture only what became of its messages, by group, and which names are unknown.
    #[arg(long, requires = "capture")]
    summary: bool,
    /// The payload; without it stdin is read to its end.
    #[arg(long, value_name = "FILE")]
    payload_file: Option<PathBuf>,
    /// As if the broker had kept the message and replayed it.
    #[arg(long)]
    retained: bool,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options, files: &[PathBuf]) -> Result<(), Failure> {
    let transform = configuration(files)?.transform;
    if let Some(file) = &options.capture {
        return capture::run(file, options.summary, options.json, &transform);
    }
    let payload = payload(options.payload_file.as_deref())?;
    let topic = Bytes::copy_from_slice(options.topic.as_deref().unwrap_or_default().as_bytes());
    let record = Record::pasted(topic, payload.into(), Clock::System.now(), options.retained);
    let explanation = transform.explain(&record, &State::default());
    if options.json { say_json(&explanation) } else { tell(&explanation) }
}

fn payload(file: Option<&Path>) -> anyhow::Result<Vec<u8>> {
    match file {
        Some(file) => std::fs::read(file).with_context(|| format!("cannot read {}", file.display())),
        None => {
            let mut payload = Vec::new();
            std::io::stdin().lock().read_to_end(&mut payload).context("cannot read stdin")?;
            Ok(payload)
        }
    }
}

/// Said instead of what would become of a message.
pub(super) const UNTRIED: &str = "What would become of it today is not tried: it has killed the process before. \
                                  --try does, and may end this command.";

pub(super) fn tell(explanation: &Explanation) -> Result<(), Failure> {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    // Topics are outside data: control characters must not reach the terminal.
    say(format!("topic        {}", explanation.topic.escape_debug()))?;
    say(format!("route        {}", or_none(&explanation.route)))?;
    for capture in &explanation.captures {
        say(format!("  {:<10} {}", capture.name, capture.text.escape_debug()))?;
    }
    let recognised = explanation.recognised.as_ref().map(|name| format!(": {name}")).unwrap_or_default();
    say(format!("format       {}{recognised}", or_none(&explanation.format)))?;
    say(format!("destination  {}", or_none(&explanation.destination)))?;
    if let Some(device) = &explanation.device {
        say(format!("device       {}", device.escape_debug()))?;
    }
    for note in &explanation.notes {
        say(format!("note         {}", note.escape_debug()))?;
    }
    for sample in &explanation.samples {
        let registered = if sample.registered { "registered" } else { "not registered" };
        say(format!("sample       {}, profile {}, {registered}", sample.measurement, sample.profile))?;
        if let Some(device) = sample.device.as_ref().filter(|_| sample.device != explanation.device) {
            say(format!("  device     {}", device.escape_debug()))?;
        }
        say(format!("  time       {} ({})", time(sample.time), sample.time_check))?;
        for reading in &sample.readings {
            say(format!("  reading    {}", one_reading(reading)))?;
        }
    }
    for point in &explanation.points {
        say(format!("point        {point}"))?;
    }
    let decision = &explanation.decision;
    let why = match (&decision.reason, &decision.detail) {
        (Some(reason), Some(detail)) => format!(": {reason}: {}", detail.escape_debug()),
        (Some(reason), None) => format!(": {reason}"),
        (None, _) => String::new(),
    };
    say(format!("outcome      {}{why}", decision.outcome))
}

fn one_reading(reading: &ReadingStory) -> String {
    let unit = reading.unit.as_deref().map(|unit| format!(" {}", unit.escape_debug())).unwrap_or_default();
    let mut told = format!("{} = {}{unit}", reading.name.escape_debug(), reading.value);
    if let Some(field) = &reading.field {
        let stored = reading.stored.map_or_else(|| reading.value.clone(), |stored| stored.to_string());
        told.push_str(&format!(" -> {} = {stored}", field.escape_debug()));
    }
    if let Some(flag) = reading.flag {
        told.push_str(&format!(", flag {flag}"));
    }
    if let Some(refused) = &reading.refused {
        told.push_str(&format!(" -> not stored: {}", refused.escape_debug()));
    }
    told
}

pub(super) fn time(nanos: i64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(nanos))
        .map_or_else(|_| nanos.to_string(), |time| time.to_string())
}
