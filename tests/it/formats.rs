//! Formats: golden messages, what each must become, and the table of them in `docs/formats.md`.
//!
//! One file for each format under `tests/golden/formats`. A message's expectation is reasoned from the format's
//! specification. `NADIKOTA_WRITE_DOCS=1` writes the table anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nadikota::config;
use nadikota::message::Record;
use nadikota::outcome::Reason;
use nadikota::transform::{Explanation, State, Transform};
use serde::Deserialize;

const BEGIN: &str = "<!-- table: begin -->\n";
const END: &str = "<!-- table: end -->";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    /// Where the format is specified.
    source: String,
    covered: String,
    missing: String,
    /// `[[routes]]`, and what else is configured.
    config: String,
    /// Lines of `devices.csv` below its header.
    #[serde(default)]
    devices: String,
    message: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    name: String,
    topic: String,
    text: Option<String>,
    hex: Option<String>,
    #[serde(default)]
    retained: bool,
    /// RFC 3339.
    received: Option<String>,
    /// Messages of one session share what is remembered, in the order written.
    session: Option<String>,
    /// `stored`, or the outcome with its reason: `quarantined malformed`.
    outcome: String,
    /// What the reason's text must hold.
    #[serde(default)]
    detail: String,
    /// `device time name=value unit`; a dash where the payload does not tell.
    #[serde(default)]
    readings: Vec<String>,
    /// `measurement[,channel=c] field=value …`, without flags and delay.
    points: Option<Vec<String>>,
    /// Stored, and yet one of the format's traps.
    #[serde(default)]
    trap: bool,
}

#[test]
fn golden_messages_become_what_their_specification_says() {
    let (mut wrong, mut rows) = (Vec::new(), String::new());
    rows.push_str("| format | golden messages | of them unhappy | covered | not covered | source |\n|--|--|--|--|--|--|\n");
    for file in files() {
        let unhappy = file.message.iter().filter(|one| one.outcome != "stored" || one.trap).count();
        let count = file.message.len();
        assert!(count >= 8 && unhappy * 2 >= count, "{}: {count} messages, {unhappy} unhappy", file.format);
        let File { format, covered, missing, source, .. } = &file;
        let _ = writeln!(rows, "| `{format}` | {count} | {unhappy} | {covered} | {missing} | {source} |");
        check(&file, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    table(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/formats.md"), &rows);
}

/// In the order of their names.
fn files() -> Vec<File> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats");
    let entries = std::fs::read_dir(dir).expect("sound");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("sound").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    paths.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).expect("sound");
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    paths.iter().map(read).collect()
}

fn check(file: &File, wrong: &mut Vec<String>) {
    let transform = transform(file, &file.config);
    for (message, story) in file.message.iter().zip(stories(file, &transform)) {
        compare(message, &story, &format!("{}: {}", file.format, message.name), wrong);
    }
}

/// What the shipped configuration makes of the file's devices, with these routes.
fn transform(file: &File, routes: &str) -> Arc<Transform> {
    let dir = tempfile::tempdir().expect("sound");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let devices = dir.path().join("devices.csv");
    let header = std::fs::read_to_string(shipped.join("devices.csv")).expect("sound");
    let header = header.lines().find(|line| line.starts_with("id,")).expect("sound");
    std::fs::write(&devices, format!("{header}\n{}", file.devices)).expect("sound");
    let own = dir.path().join("own.toml");
    std::fs::write(&own, format!("devices = {:?}\n{}", devices, routes)).expect("sound");
    let loaded = config::load(&[shipped.join("nadikota.toml"), own], []);
    loaded.unwrap_or_else(|error| panic!("{}: {error:?}", file.format)).transform
}

/// What becomes of each message of the file.
fn stories(file: &File, transform: &Transform) -> Vec<Explanation> {
    let mut states: BTreeMap<String, State> = BTreeMap::new();
    let story = |message: &Message| {
        let received = message.received.as_deref().unwrap_or("2026-11-24T00:00:00Z");
        let received: jiff::Timestamp = received.parse().expect("sound");
        let payload = match (&message.text, &message.hex) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(hex)) => unhex(hex),
            _ => panic!("{}: one of text and hex", message.name),
        };
        let received = i64::try_from(received.as_nanosecond()).expect("sound");
        let topic = message.topic.clone().into_bytes();
        let record = Record::pasted(topic.into(), payload.into(), received, message.retained);
        let mut fresh = State::default();
        let state = match &message.session {
            Some(session) => states.entry(session.clone()).or_default(),
            None => &mut fresh,
        };
        transform.explain_next(&record, state)
    };
    file.message.iter().map(story).collect()
}

/// A profile that nobody tries may map names that no device sends, or to the wrong quantity.
#[test]
fn every_shipped_profile_is_in_use_by_a_golden_message_that_tells_its_points() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/profiles");
    // Of each profile the one that it extends.
    let mut profiles = BTreeMap::new();
    for entry in std::fs::read_dir(dir).expect("sound") {
        let text = std::fs::read_to_string(entry.expect("sound").path()).expect("sound");
        let file: toml::Table = text.parse().expect("sound");
        for (name, profile) in file.get("profiles").and_then(toml::Value::as_table).expect("profiles") {
            let extends = profile.get("extends").and_then(toml::Value::as_str).map(str::to_owned);
            profiles.insert(name.clone(), extends);
        }
    }
    assert!(profiles.len() > 30, "{profiles:?}");
    let mut unused = profiles.clone();
    for file in files() {
        let stories = stories(&file, &transform(&file, &file.config));
        let told = file.message.iter().zip(&stories).filter(|(message, _)| message.points.is_some());
        for sample in told.flat_map(|(_, story)| &story.samples) {
            if sample.readings.iter().any(|reading| reading.known && reading.field.is_some()) {
                let mut used = Some(&sample.profile);
                while let Some(name) = used {
                    unused.remove(name);
                    used = profiles.get(name).and_then(Option::as_ref);
                }
            }
        }
    }
    assert!(unused.is_empty(), "no golden message tells points of {:?}", unused.keys());
}

/// What `auto` must never take: nothing in a message of theirs says what it is.
const NOT_RECOGNISED: &[&str] = &["binary", "cayenne_lpp", "csv", "smart_citizen"];

/// Messages that their own format refuses because they are another's, which `auto` takes them for.
const OF_OTHERS: &[(&str, &str)] = &[
    // Any object is JSON; only a route that names Antares can miss its primitives.
    ("antares", "no primitive at all"),
    ("chirpstack_protobuf", "JSON on the topic of protobuf"),
    // Its bare values are `value`, as docs/formats.md says.
    ("shelly", "a topic of the first generation"),
    // No component of Shelly's is called so, and what any other device calls its topics is its own affair.
    ("shelly", "a component whose name is a bomb for every reading"),
];

#[test]
fn auto_reads_a_golden_message_as_its_own_format_does_or_refuses_it() {
    let (mut wrong, mut others) = (Vec::<String>::new(), Vec::new());
    for file in files() {
        let own = stories(&file, &transform(&file, &plain_routes(&file, &file.format)));
        let auto = stories(&file, &transform(&file, &plain_routes(&file, "auto")));
        let mut recognised = 0;
        for ((message, own), auto) in file.message.iter().zip(own).zip(auto) {
            let (mine, place) = (auto.decision.reason, format!("{}: {}", file.format, message.name));
            if auto.recognised.as_deref() == Some(&file.format) {
                recognised += 1;
            }
            if mine == Some(Reason::UnknownFormat) {
                let detail = auto.decision.detail.as_deref().unwrap_or_default();
                if !detail.contains("considered: ") || !detail.contains("name the format") {
                    wrong.push(format!("{place}: {detail}"));
                }
            } else if NOT_RECOGNISED.contains(&file.format.as_str()) {
                wrong.push(format!("{place}: taken for {:?}", auto.recognised));
            } else if outcome(&auto) != outcome(&own) || readings(&auto) != readings(&own) {
                let known =
                    OF_OTHERS.iter().find(|(format, name)| file.format == *format && message.name == *name);
                match known {
                    // Nothing of it is stored by its own format, so nothing is read in another way.
                    Some(known) if readings(&own).is_empty() => others.push(*known),
                    _ => wrong.push(format!("{place}: by {:?} {auto:#?}, not {own:#?}", auto.recognised)),
                }
            }
        }
        let never = NOT_RECOGNISED.contains(&file.format.as_str());
        if recognised < 4 && !never {
            wrong.push(format!("{}: recognised {recognised} times", file.format));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(others, OF_OTHERS, "auto no longer takes them for another's: strike them from the list");
}

fn outcome(story: &Explanation) -> (&str, Option<Reason>, &[String]) {
    (&story.decision.outcome, story.decision.reason, &story.points)
}

/// The file's routes, all in one format with its defaults.
fn plain_routes(file: &File, format: &str) -> String {
    let mut config: toml::Table = file.config.parse().expect("sound");
    let routes = config.get_mut("routes").and_then(toml::Value::as_array_mut).expect("routes");
    for route in routes.iter_mut().filter_map(toml::Value::as_table_mut) {
        route.retain(|key, _| matches!(key, "topic" | "profile" | "measurement"));
        route.insert("format".to_owned(), format.into());
    }
    toml::to_string(&config).expect("sound")
}

fn compare(message: &Message, story: &Explanation, place: &str, wrong: &mut Vec<String>) {
    let decision = &story.decision;
    let reason = decision.reason.map(|reason| format!(" {reason}")).unwrap_or_default();
    let outcome = format!("{}{reason}", decision.outcome);
    let detail = decision.detail.as_deref().unwrap_or_default();
    if outcome != message.outcome || !detail.contains(&message.detail) {
        wrong.push(format!("{place}: {outcome}: {detail:?}, not {} {:?}", message.outcome, message.detail));
    }
    let readings = readings(story);
    if readings != message.readings {
        wrong.push(format!("{place}: readings {readings:#?}, not {:#?}", message.readings));
    }
    let points: Vec<_> = story.points.iter().map(|line| plain(line)).collect();
    if message.points.as_ref().is_some_and(|wanted| *wanted != points) {
        wrong.push(format!("{place}: points {points:#?}, not {:#?}", message.points));
    }
}

/// As they stand in the golden files.
fn readings(story: &Explanation) -> Vec<String> {
    let mut readings = Vec::new();
    for sample in &story.samples {
        let device = sample.device.as_deref().unwrap_or("-");
        let time = sample.told_time.map(|time| jiff::Timestamp::from_nanosecond(time.into()).expect("sound"));
        let time = time.map_or("-".to_owned(), |time| time.to_string());
        readings.extend(sample.readings.iter().map(|reading| {
            let unit = reading.unit.as_ref().map(|unit| format!(" {unit}")).unwrap_or_default();
            format!("{device} {time} {}={}{unit}", reading.name, reading.value)
        }));
    }
    readings
}

/// A line without place, time, flags and delay; what is tested holds no blanks and commas in names.
fn plain(line: &str) -> String {
    let mut parts = line.split(' ');
    let mut series = parts.next().expect("sound").split(',');
    let mut plain = series.next().expect("sound").to_owned();
    series.filter(|tag| tag.starts_with("channel=")).for_each(|tag| plain.extend([",", tag]));
    let fields = parts.next().expect("sound").split(',');
    let shown = fields.filter(|field| !field.contains("_qc=") && !field.starts_with("delay_s="));
    shown.for_each(|field| plain.extend([" ", field]));
    plain
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<_> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).expect("sound")).collect();
    assert_eq!(digits.len() % 2, 0, "{text}");
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).expect("sound")).collect()
}

fn table(path: &Path, rows: &str) {
    let page = std::fs::read_to_string(path).expect("sound");
    let (head, rest) = page.split_once(BEGIN).expect("the mark where the table begins");
    let (now, tail) = rest.split_once(END).expect("the mark where it ends");
    if std::env::var_os("NADIKOTA_WRITE_DOCS").is_some() {
        std::fs::write(path, format!("{head}{BEGIN}{rows}{END}{tail}")).expect("sound");
    } else {
        assert_eq!(now, rows, "docs/formats.md: write the table anew with NADIKOTA_WRITE_DOCS=1");
    }
}
