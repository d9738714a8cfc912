//! `nadikota journal show`: one message as it was received, and what became of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use serde::Serialize;

use super::look;
use crate::cli::{Failure, configuration, explain, say, say_json};
use crate::config::Config;
use crate::delivery::poison;
use crate::journal::cursor::{Cursor, Progress};
use crate::journal::disk::RealDisk;
use crate::journal::inspect::{self, Overview};
use crate::message::{EMBEDDED_SOURCE, Record};
use crate::outcome::{Outcome, Reason, Rejection};
use crate::quarantine::{self, Filter};
use crate::snapshot;
use crate::transform::Explanation;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    /// Its sequence number, as logs and the quarantine tell it.
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    seq: u64,
    /// Also what would become of a message of reason poison, which may end this command.
    #[arg(long = "try")]
    try_it: bool,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// The payload is text where it is UTF-8, else hex.
#[derive(Debug, Serialize)]
struct Told<'a> {
    seq: u64,
    received: String,
    /// Our own clock was known to be wrong then.
    clock_suspect: bool,
    topic: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_hex: Option<String>,
    payload_bytes: usize,
    qos: u8,
    retain: bool,
    dup: bool,
    source: String,
    session: u32,
    packet_id: u16,
    redelivery_of: Option<u64>,
    /// What became of it at each destination.
    fates: &'a BTreeMap<String, Fate>,
    /// What the configuration of today would make of it; nothing for one that has killed the process.
    today: Option<&'a Explanation>,
}

/// What is known of a message at one destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Fate {
    Pending,
    /// Its route names another destination.
    Elsewhere,
    /// By a mark of the quarantine, or as the configuration of today decides: the journal keeps no outcomes.
    Stored {
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        as_of_today: bool,
    },
    /// In quarantine for what could not be stored; whether a part of it was stored is known only where the
    /// configuration of today would decide the same.
    Quarantined {
        reason: Reason,
        detail: String,
        partly_stored: Option<bool>,
    },
    Discarded {
        reason: Option<Reason>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        as_of_today: bool,
    },
    /// It is settled and not in quarantine, though today it would be quarantined.
    Changed,
}

pub(in crate::cli) fn run(options: &Options, files: &[PathBuf]) -> Result<(), Failure> {
    let config = configuration(files)?;
    let (dir, overview, cursor) = look(&config)?;
    let held = held(&config.data_dir, options.seq, &cursor)?;
    let moved = quarantine::moves_of(&config.data_dir.join("quarantine"), &RealDisk, options.seq);
    let moved = moved.context("cannot read the quarantine")?;
    let found = inspect::find(&dir, options.seq, &RealDisk).context("cannot read the journal")?;
    let Some(record) = found else {
        return Err(Failure::Failed(anyhow!(missing(options.seq, &overview, !held.is_empty()))));
    };
    let poison = poison::known(&config.data_dir, &RealDisk).context("cannot read the quarantine")?;
    let tried = options.try_it || !poison.contains(options.seq);
    let today = tried.then(|| explain_today(&config, &record));
    let settles = settles(&config, &record);
    let fate_at = |name: &String, progress: &Progress| {
        let settled = options.seq < progress.position;
        let own = settles == Some(name.as_str());
        match (held.get(name), moved.get(name)) {
            (None, _) if own && !settled => Fate::Pending,
            (None, Some(Outcome::Stored)) => Fate::Stored { as_of_today: false },
            (None, Some(Outcome::Discarded(reason))) => {
                Fate::Discarded { reason: Some(*reason), as_of_today: false }
            }
            (held, _) => fate(name, settles, held, today.as_ref()),
        }
    };
    let destinations = cursor.destinations.iter();
    let fates = destinations.map(|(name, progress)| (name.clone(), fate_at(name, progress))).collect();
    let record = config.transform.secrets().shown(&record);
    let told = Told::new(&record, &fates, today.as_ref());
    if options.json { say_json(&told) } else { tell(&told) }
}

/// Why it cannot be shown, and what can be done.
fn missing(seq: u64, overview: &Overview, quarantined: bool) -> String {
    let why = match (overview.first, overview.last) {
        (Some(first), _) if seq < first.seq => {
            format!("the journal no longer keeps it; the oldest it keeps is {}", first.seq)
        }
        (_, Some(last)) if seq > last.seq => {
            format!("it has not been given yet; the newest is {}", last.seq)
        }
        (Some(_), _) => "its record is damaged and cannot be read any more".to_owned(),
        (None, _) => "the journal is empty".to_owned(),
    };
    let hint = if quarantined { format!("; nadikota quarantine show {seq} has it") } else { String::new() };
    format!("message {seq}: {why}{hint}")
}

/// Why it is in quarantine, by destination.
fn held(data_dir: &Path, seq: u64, cursor: &Cursor) -> Result<BTreeMap<String, Rejection>, Failure> {
    let positions = cursor.destinations.iter().map(|(name, progress)| (name.clone(), progress.position));
    let filter = Filter { seq: Some(seq), ..Filter::default() };
    let mut found = BTreeMap::new();
    quarantine::list(&data_dir.join("quarantine"), &RealDisk, &positions.collect(), &filter, |held| {
        found.insert(held.destination, held.rejection);
    })
    .context("cannot read the quarantine")?;
    Ok(found)
}

/// Whose message it is: its route's destination, or the first one where there is no route.
fn settles<'c>(config: &'c Config, record: &Record) -> Option<&'c str> {
    let first = config.destinations.first().map(|destination| destination.name.as_str());
    config.transform.destination_of(&record.message.topic).or(first)
}

/// With the names admitted so far, as the service has them. The values before it are not known any more.
fn explain_today(config: &Config, record: &Record) -> Explanation {
    let destination = config.transform.destination_of(&record.message.topic);
    let saved = destination.and_then(|name| snapshot::load(&config.data_dir, name));
    let state = saved.map(|saved| saved.state.names_only()).unwrap_or_default();
    config.transform.explain(record, &state)
}

/// What became of a message that this destination has settled. The journal keeps no outcomes, so beside the
/// quarantine it is told by what the same code makes of it now. `settles` is whose message it is.
fn fate(name: &str, settles: Option<&str>, held: Option<&Rejection>, today: Option<&Explanation>) -> Fate {
    let decided = today.map(|today| &today.decision);
    if let Some(held) = held {
        let same = decided.filter(|decided| decided.reason == Some(held.reason));
        // What has killed the process was never stored.
        let poison = (held.reason == Reason::Poison).then_some(false);
        return Fate::Quarantined {
            reason: held.reason,
            detail: held.detail.clone(),
            partly_stored: poison.or(same.map(|decided| decided.outcome == "partly_stored")),
        };
    }
    if settles != Some(name) {
        return Fate::Elsewhere;
    }
    match decided.map(|decided| (decided.outcome.as_str(), decided.reason)) {
        Some(("stored", _)) => Fate::Stored { as_of_today: true },
        Some(("discarded", reason)) => Fate::Discarded { reason, as_of_today: true },
        _ => Fate::Changed,
    }
}

impl<'a> Told<'a> {
    fn new(record: &'a Record, fates: &'a BTreeMap<String, Fate>, today: Option<&'a Explanation>) -> Self {
        let message = &record.message;
        let payload = std::str::from_utf8(&message.payload).ok();
        let hex = || message.payload.iter().map(|byte| format!("{byte:02x}")).collect();
        let source = match message.source {
            EMBEDDED_SOURCE => "embedded broker".to_owned(),
            number => format!("broker {number}"),
        };
        Self {
            seq: record.seq,
            received: explain::time(record.received),
            clock_suspect: record.clock_suspect,
            topic: String::from_utf8_lossy(&message.topic).into_owned(),
            payload,
            payload_hex: payload.is_none().then(hex),
            payload_bytes: message.payload.len(),
            qos: message.qos,
            retain: message.retain,
            dup: message.dup,
            source,
            session: message.session,
            packet_id: message.packet_id,
            redelivery_of: message.redelivery_of,
            fates,
            today,
        }
    }
}

fn tell(told: &Told<'_>) -> Result<(), Failure> {
    let suspect = if told.clock_suspect { ", by a clock known to be wrong" } else { "" };
    say(format!("message      {}", told.seq))?;
    say(format!("received     {}{suspect}", told.received))?;
    say(format!("from         {}, session {}, packet {}", told.source, told.session, told.packet_id))?;
    let flags = [(told.retain, ", retained"), (told.dup, ", sent again (DUP)")];
    let flags: String = flags.into_iter().filter_map(|(set, text)| set.then_some(text)).collect();
    say(format!("flags        QoS {}{flags}", told.qos))?;
    if let Some(first) = told.redelivery_of {
        say(format!("redelivery   of message {first}"))?;
    }
    for (name, fate) in told.fates {
        say(format!("at {name}: {}", in_words(fate)))?;
    }
    say(format!("payload      {} bytes", told.payload_bytes))?;
    match (told.payload, &told.payload_hex) {
        (Some(text), _) => say(plain(text))?,
        (None, hex) => say(format!("hex {}", hex.as_deref().unwrap_or_default()))?,
    }
    let Some(today) = told.today else { return say(format!("\n{}", explain::UNTRIED)) };
    say("\nWhat would become of it today:")?;
    explain::tell(today)
}

/// What a device sent must not steer the terminal; quotes stay as they are, so that JSON can be read.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\'' | '\\' => out.push(character),
            _ => out.extend(character.escape_debug()),
        }
    }
    out
}

fn in_words(fate: &Fate) -> String {
    match fate {
        Fate::Pending => "pending".to_owned(),
        Fate::Elsewhere => "passed over; its route names another destination".to_owned(),
        Fate::Stored { as_of_today: false } => "stored".to_owned(),
        Fate::Stored { as_of_today: true } => {
            "stored, as today's configuration decides (it is settled, and not in quarantine)".to_owned()
        }
        Fate::Quarantined { reason, detail, partly_stored } => {
            let stored = match partly_stored {
                Some(true) => ", the rest of it is stored",
                Some(false) => "",
                None => ", some of it may be stored",
            };
            format!("in quarantine{stored}: {reason}: {}", detail.escape_debug())
        }
        Fate::Discarded { reason, as_of_today } => {
            let today = if *as_of_today { ", as today's configuration decides" } else { "" };
            format!("discarded{today}{}", reason.map(|reason| format!(": {reason}")).unwrap_or_default())
        }
        Fate::Changed => {
            "settled; it is not in quarantine, where it would be put today: the configuration was \
             changed, or the quarantine's quota removed it"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::journal::inspect::Edge;
    use crate::message::Message;

    const CONFIG: &str = r#"
        time_zone = "Asia/Jakarta"
        [[destinations]]
        name = "city"
        kind = "embedded"
        [[destinations]]
        name = "water"
        kind = "embedded"
        [[routes]]
        topic = "water/{device}"
        format = "json"
        destination = "water"
        [[routes]]
        topic = "{device}/data"
        format = "json"
        destination = "city"
    "#;

    const STORED: Fate = Fate::Stored { as_of_today: true };

    #[test]
    fn what_only_the_configuration_of_today_says_is_told_as_such() {
        let today = "as today's configuration decides";
        assert!(in_words(&STORED).contains(today));
        assert_eq!(in_words(&Fate::Stored { as_of_today: false }), "stored");
        let discarded = |as_of_today| Fate::Discarded { reason: Some(Reason::Dropped), as_of_today };
        assert_eq!(in_words(&discarded(false)), "discarded: dropped");
        assert_eq!(in_words(&discarded(true)), format!("discarded, {today}: dropped"));
    }

    fn fates(topic: &'static str, payload: &'static str, held: Option<&Rejection>) -> (Fate, Fate) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nadikota.toml");
        std::fs::write(&path, CONFIG).unwrap();
        let config = crate::config::load(&[path], []).unwrap();
        let message = Message {
            topic: Bytes::from_static(topic.as_bytes()),
            payload: Bytes::from_static(payload.as_bytes()),
            qos: 1,
            retain: false,
            dup: false,
            source: 0,
            session: 1,
            packet_id: 1,
            redelivery_of: None,
        };
        let received = 1_800_000_000_000_000_000;
        let record = Record { seq: 1, received, clock_suspect: false, message };
        let today = config.transform.explain(&record, &crate::transform::State::default());
        let settles = settles(&config, &record);
        (fate("city", settles, None, Some(&today)), fate("water", settles, held, Some(&today)))
    }

    #[test]
    fn a_message_is_settled_by_its_own_destination_and_passed_over_by_the_other() {
        assert_eq!(fates("water/a", "{\"v\":1}", None), (Fate::Elsewhere, STORED));
        assert_eq!(fates("a/data", "{\"v\":1}", None), (STORED, Fate::Elsewhere));
        let empty = Fate::Discarded { reason: Some(Reason::Empty), as_of_today: true };
        assert_eq!(fates("water/a", "", None), (Fate::Elsewhere, empty));
        // Without a route it is the first destination's.
        assert_eq!(fates("x", "1", None), (Fate::Changed, Fate::Elsewhere));
    }

    #[test]
    fn what_is_in_quarantine_is_told_from_there_and_never_guessed() {
        let held = Rejection::new(Reason::Malformed, "as it was then");
        let told = |payload, partly_stored| {
            let expected =
                Fate::Quarantined { reason: held.reason, detail: held.detail.clone(), partly_stored };
            assert_eq!(fates("water/a", payload, Some(&held)).1, expected, "{payload}");
        };
        told("{", Some(false));
        told("{\"v\":1}", None);
        assert_eq!(fates("water/a", "{", None).1, Fate::Changed);
    }

    #[test]
    fn why_a_message_is_not_there_is_told() {
        let edge = |seq| Some(Edge { seq, received: 0 });
        let kept = Overview { first: edge(10), last: edge(20), ..Overview::default() };
        let check = |seq, overview: &Overview, expected: &str| {
            let told = missing(seq, overview, false);
            assert!(told.contains(expected) && !told.contains("quarantine"), "{told}");
            assert!(missing(seq, overview, true).contains(&format!("quarantine show {seq}")));
        };
        check(9, &kept, "no longer keeps it; the oldest it keeps is 10");
        check(15, &kept, "damaged");
        check(21, &kept, "not been given yet; the newest is 20");
        check(1, &Overview::default(), "empty");
    }

    #[test]
    fn a_payload_is_readable_and_steers_no_terminal() {
        assert_eq!(plain("{\"a\": 'é \\'}"), "{\"a\": 'é \\'}");
        assert_eq!(plain("\u{1b}[2J\n\u{202e}x"), "\\u{1b}[2J\\n\\u{202e}x");
    }
}
