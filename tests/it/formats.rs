//! Formats: golden messages, what each must become, and the table of them in `docs/formats.md`.
//!
//! One file for each format under `tests/golden/formats`. A message's expectation is reasoned from the format's
//! specification. `NADIKOTA_WRITE_DOCS=1` writes the table anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use nadikota::config;
use nadikota::message::Record;
use nadikota::transform::{Explanation, State};
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
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<PathBuf> = std::fs::read_dir(root.join("tests/golden/formats"))
        .expect("sound")
        .map(|entry| entry.expect("sound").path())
        .collect();
    paths.sort();
    let (mut wrong, mut rows) = (Vec::new(), String::new());
    rows.push_str("| format | golden messages | of them unhappy | covered | not covered | source |\n|--|--|--|--|--|--|\n");
    for path in paths.iter().filter(|path| path.extension().is_some_and(|ending| ending == "toml")) {
        let file: File = toml::from_str(&std::fs::read_to_string(path).expect("sound"))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let unhappy = file.message.iter().filter(|one| one.outcome != "stored" || one.trap).count();
        let count = file.message.len();
        assert!(count >= 8 && unhappy * 2 >= count, "{}: {count} messages, {unhappy} unhappy", file.format);
        let File { format, covered, missing, source, .. } = &file;
        let _ = writeln!(rows, "| `{format}` | {count} | {unhappy} | {covered} | {missing} | {source} |");
        check(&file, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    table(&root.join("docs/formats.md"), &rows);
}

fn check(file: &File, wrong: &mut Vec<String>) {
    let dir = tempfile::tempdir().expect("sound");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let devices = dir.path().join("devices.csv");
    let header = std::fs::read_to_string(shipped.join("devices.csv")).expect("sound");
    let header = header.lines().find(|line| line.starts_with("id,")).expect("sound");
    std::fs::write(&devices, format!("{header}\n{}", file.devices)).expect("sound");
    let own = dir.path().join("own.toml");
    std::fs::write(&own, format!("devices = {:?}\n{}", devices, file.config)).expect("sound");
    let loaded = config::load(&[shipped.join("nadikota.toml"), own], []);
    let loaded = loaded.unwrap_or_else(|error| panic!("{}: {error:?}", file.format));
    let mut states: BTreeMap<&str, State> = BTreeMap::new();
    for message in &file.message {
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
            Some(session) => states.entry(session).or_default(),
            None => &mut fresh,
        };
        let story = loaded.transform.explain(&record, state);
        let _ = loaded.transform.apply(&record, state, &mut Vec::new());
        let place = format!("{}: {}", file.format, message.name);
        compare(message, &story, &place, wrong);
    }
}

fn compare(message: &Message, story: &Explanation, place: &str, wrong: &mut Vec<String>) {
    let decision = &story.decision;
    let reason = decision.reason.map(|reason| format!(" {reason}")).unwrap_or_default();
    let outcome = format!("{}{reason}", decision.outcome);
    let detail = decision.detail.as_deref().unwrap_or_default();
    if outcome != message.outcome || !detail.contains(&message.detail) {
        wrong.push(format!("{place}: {outcome}: {detail:?}, not {} {:?}", message.outcome, message.detail));
    }
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
    if readings != message.readings {
        wrong.push(format!("{place}: readings {readings:#?}, not {:#?}", message.readings));
    }
    let points: Vec<_> = story.points.iter().map(|line| plain(line)).collect();
    if message.points.as_ref().is_some_and(|wanted| *wanted != points) {
        wrong.push(format!("{place}: points {points:#?}, not {:#?}", message.points));
    }
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
