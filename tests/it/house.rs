//! The rules of the house, held over every file in src: layout, import direction, one owner per library.

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms that know nothing but each other.
const VOCABULARY: &[&str] = &[
    "message",
    "reading",
    "quantity",
    "unit",
    "escape",
    "point",
    "topic",
    "quality",
    "outcome",
    "account",
    "status",
    "clock",
    "backoff",
    "secret",
    "settings",
    "logging",
    "finding",
    "decimal",
    "histogram",
    "hashing",
    "stall",
];

/// The other rooms, top to bottom: each may use the vocabulary and the rooms above it. docs/architecture.md tells why.
const ROOMS: &[&str] = &[
    // pure stages
    "catalogue",
    "registry",
    "codec",
    "decode",
    "check",
    "derive",
    "line_protocol",
    "transform",
    "capture",
    "learn",
    // storage
    "journal",
    "quarantine",
    "snapshot",
    // edges
    "mqtt",
    "source",
    "batch",
    "sink",
    "fleet",
    "live",
    "http",
    "embedded",
    // wiring
    "delivery",
    "config",
    "pipeline",
    "simulate",
    "cli",
    TESTING,
];

/// Not a room of the program: what unit tests share.
const TESTING: &str = "testing";

/// A library, and the only places in src that may name it.
const OWNERS: &[(&str, &[&str])] = &[
    ("rumqttc", &["mqtt/", "mqtt.rs"]),
    ("reqwest", &["sink/influxdb/", "sink/influxdb.rs"]),
    ("influxdb2", &["sink/influxdb/"]),
    ("axum", &["http/", "http.rs"]),
    ("mqtt5", &["embedded/", "embedded.rs"]),
    ("rusqlite", &["sink/embedded/", "sink/embedded.rs"]),
    ("rquickjs", &["codec/"]),
];

const MOST_LINES: usize = 400;

#[test]
fn every_file_keeps_the_rules_of_the_house() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&src, &mut files);
    files.sort();
    assert!(files.len() > 2, "found no files in {}", src.display());
    let broken: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let name = file.strip_prefix(&src).expect("a file in src").to_string_lossy().into_owned();
            let text = fs::read_to_string(file).expect("a readable file");
            violations(&name, &text).into_iter().map(move |rule| format!("src/{name}: {rule}"))
        })
        .collect();
    assert!(broken.is_empty(), "rules of the house are broken:\n{}", broken.join("\n"));
}

#[test]
fn each_rule_is_noticed_when_it_is_broken() {
    let check = |name: &str, text: &str, expected: &str| {
        let found = violations(name, text).join("; ");
        match expected {
            "" => assert_eq!(found, "", "{name}: {text}"),
            _ => assert!(found.contains(expected), "{name}: {text}: expected {expected}, found {found}"),
        }
    };
    check("journal/mod.rs", "//! A.\nuse crate::message::Message;", "");
    check("journal/mod.rs", "//! A.\nuse crate::journal::record;", "");
    check("point.rs", "//! A.\nuse crate::quality::Flag;", "");
    check("main.rs", "//! A.\nuse crate::cli;", "");
    check("journal/mod.rs", "//! A.\n// not rumqttc, not crate::sink", "");
    check("mqtt/client.rs", "//! A.\nuse rumqttc::Event;", "");
    check("clock.rs", "//! A.\nlet reqwestish = 1;", "");
    check("clock.rs", "use std::fmt;", "//!");
    check("clock.rs", &format!("//! A.\n{}", "\n".repeat(MOST_LINES)), "401 lines");
    check("clock.rs", "//! A.\nuse crate::journal::Journal;", "may not use `journal`");
    check("journal/mod.rs", "//! A.\nuse crate::sink::Sink;", "may not use `sink`");
    check("journal/mod.rs", "//! A.\nlet x = crate::http::serve();", "may not use `http`");
    check(
        "journal/mod.rs",
        "//! A.\nuse crate::{message::Message, sink::{Sink, Batch}};",
        "may not use `sink`",
    );
    check("journal/mod.rs", "//! A.\nuse crate::{\n    message,\n    sink,\n};", "may not use `sink`");
    check("journal/mod.rs", "//! A.\nuse super::super::sink::Sink;", "`super::super`");
    check("helpers/mod.rs", "//! A.", "not a room");
    check("journal/mod.rs", "//! A.\nuse crate::helpers::x;", "not a room");
    check("source/mod.rs", "//! A.\nuse rumqttc::Event;", "only mqtt/");
    check("sink/mod.rs", "//! A.\nlet c = reqwest::Client::new();", "only sink/influxdb/");
    check(
        "clock.rs",
        "//! A.\n#[error(\"{path}: {source}\")]\nA { path: String, source: Error },",
        "printed twice",
    );
    check("clock.rs", "//! A.\n#[error(\"a: {0}\")]\nA(#[from] Error),", "printed twice");
    check("clock.rs", "//! A.\n#[error(\n    \"a: {0}\"\n)]\nA(#[source] Error),", "printed twice");
    check(
        "clock.rs",
        "//! A.\n#[error(\"a: {0}\")]\nA(Error),\n#[error(transparent)]\nB(#[from] Error),",
        "",
    );
    check(
        "clock.rs",
        "//! A.\n#[error(\"a: {cause}\")]\nA { cause: Error },\n#[error(\"b\")]\nB { source: Error },",
        "",
    );
}

#[test]
fn every_direct_dependency_has_its_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| fs::read_to_string(root.join(name)).expect("a readable file");
    let manifest: toml::Table = read("Cargo.toml").parse().expect("TOML");
    let direct = |section| {
        let table = manifest.get(section).and_then(toml::Value::as_table);
        table.into_iter().flat_map(|table| table.keys().cloned()).collect::<Vec<String>>()
    };
    let shipped = direct("dependencies");
    assert!(shipped.len() < 40, "{} direct dependencies", shipped.len());
    let mut used = [shipped, direct("dev-dependencies")].concat();
    used.sort();
    used.dedup();
    let page = read("docs/decisions/002-dependencies.md");
    let mut explained: Vec<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next().map(str::to_owned))
        .collect();
    explained.sort();
    assert_eq!(used, explained, "Cargo.toml (left) and docs/decisions/002-dependencies.md (right) differ");
}

/// Every rule that one file breaks.
fn violations(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !text.starts_with("//! ") {
        found.push("the first line must start with `//!` and say the file's one job".to_owned());
    }
    let lines = text.lines().count();
    if lines > MOST_LINES {
        found.push(format!("{lines} lines, more than {MOST_LINES}: split it"));
    }
    let code = without_comments(text);
    // Whoever prints an error prints its sources too, so a text that holds one says it twice.
    let twice = text.split("#[error(").skip(1).any(|error| {
        let is_source = error.contains("#[from]") || error.contains("#[source]");
        let said = error.split(")]").next().unwrap_or_default();
        said.contains("{source") || (is_source && said.contains("{0"))
    });
    if twice {
        found.push(
            "an error's text holds its source, which is printed twice then; name it `cause`".to_owned(),
        );
    }
    for (library, owners) in OWNERS {
        if names(&code, library) && !owners.iter().any(|owner| name.starts_with(owner)) {
            found.push(format!("names {library}, which only {} may", owners[0]));
        }
    }
    // main.rs and lib.rs stand outside the house: they open its doors.
    let room = name.split(['/', '.']).next().unwrap_or_default();
    if matches!(room, "main" | "lib") {
        return found;
    }
    if place(room).is_none() {
        found.push(format!(
            "`{room}` is not a room; give it a place in tests/it/house.rs and the architecture"
        ));
    }
    // A path that climbs further than its own room would hide from the direction rule.
    if code.contains("super::super::") && name.matches('/').count() < 2 {
        found.push("climbs out of its room with `super::super`; write `crate::`".to_owned());
    }
    // Help for unit tests is compiled for them only, so every room's tests may use it.
    for used in used_rooms(&code).into_iter().filter(|used| used != TESTING) {
        match (place(room), place(&used)) {
            (_, None) => found.push(format!("uses `{used}`, which is not a room")),
            (Some(own), Some(other)) if other > own => {
                found.push(format!("`{room}` may not use `{used}`, which stands below it"));
            }
            _ => {}
        }
    }
    found
}

/// How far down a room stands; all vocabulary stands at the top together.
fn place(room: &str) -> Option<usize> {
    if VOCABULARY.contains(&room) {
        return Some(0);
    }
    ROOMS.iter().position(|known| *known == room).map(|index| index + 1)
}

/// The first names after each `crate::`, also within braces.
fn used_rooms(code: &str) -> Vec<String> {
    let mut used = Vec::new();
    for (at, found) in code.match_indices("crate::") {
        // `$crate::` is also a path of ours, but `my_crate::` is not.
        if code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_') {
            continue;
        }
        let rest = &code[at + found.len()..];
        match rest.strip_prefix('{') {
            Some(group) => used.extend(heads_of_group(group)),
            None => used.push(leading_name(rest)),
        }
    }
    used.retain(|name| !name.is_empty());
    used
}

/// The leading name of each item of a brace group at its outermost level.
fn heads_of_group(group: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let mut depth = 0_usize;
    let mut item = String::new();
    for character in group.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.push(leading_name(&std::mem::take(&mut item))),
            _ if depth == 0 => item.push(character),
            _ => {}
        }
    }
    heads.push(leading_name(&item));
    heads
}

fn leading_name(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Whether `word` stands in `code` on its own, not as a part of a longer name.
fn names(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        !code[..at].ends_with(part) && !code[at + word.len()..].starts_with(part)
    })
}

/// The text without its line comments; a `//` within a string ends that line early, which hides no import.
fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a readable directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
