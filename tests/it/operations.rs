//! The page for operators has every part, advice and reason that the program tells, and no number that it does not.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nadikota::mqtt::{Expiry, Whose};
use nadikota::outcome::Reason;
use serde_json::Value;

use super::support::certificates::Ca;
use super::support::http;
use super::support::nadikota::Nadikota;
use super::support::publish::publish;
use super::support::wait::{free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(30);

/// The page with every run of white space as one space, so that line breaks do not matter.
fn page() -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md"))
        .expect("the page");
    one_line(&text)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the source tells operators: part names, and the advice that goes with a state.
#[derive(Debug, Default)]
struct Told {
    parts: BTreeSet<String>,
    advice: BTreeSet<String>,
}

impl Told {
    fn read(source: &str) -> Self {
        let mut told = Self::default();
        for (at, _) in source.match_indices(".part(") {
            let argument = source[at + ".part(".len()..].trim_start();
            if let Some(name) = argument.strip_prefix("format!(").unwrap_or(argument).strip_prefix('"') {
                let name = name.split(['"', '{']).next().unwrap_or_default();
                told.parts.insert(name.trim_end().to_owned());
            }
        }
        for call in [".not_ready(", ".degraded("] {
            for (at, _) in source.match_indices(call) {
                let arguments = arguments(&source[at + call.len()..]);
                // The reason comes first; it may hold literals of its own.
                let (Some(last), true) =
                    (literals(arguments).pop(), arguments.trim_end().ends_with(['"', ',']))
                else {
                    continue;
                };
                told.advice.insert(last);
            }
        }
        for mark in ["what_to_do: \"", "what_to_do = \"", "what_to_do:\n"] {
            for (at, _) in source.match_indices(mark) {
                told.advice.extend(source[at..].split('"').nth(1).map(literal));
            }
        }
        told
    }
}

/// Up to the parenthesis that closes the call.
fn arguments(text: &str) -> &str {
    let (mut depth, mut quoted) = (1, false);
    for (at, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return &text[..at];
                }
            }
            _ => {}
        }
    }
    text
}

/// Literals of one text; none in src that is told to operators holds an escaped quote.
fn literals(text: &str) -> Vec<String> {
    text.split('"').skip(1).step_by(2).map(literal).collect()
}

fn literal(text: &str) -> String {
    one_line(&text.replace("\\\n", " "))
}

fn collect(dir: &Path, told: &mut Told) {
    for entry in fs::read_dir(dir).expect("a readable directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() {
            // What `check` finds is told by `check`, not by health; the demo's database has a board of its own.
            if !matches!(&*name, "tests" | "control" | "demo") {
                collect(&path, told);
            }
        } else if name.ends_with(".rs")
            && !name.starts_with("tests")
            && !matches!(&*name, "inspect.rs" | "testing.rs")
        {
            let text = fs::read_to_string(&path).expect("a readable file");
            let read = Told::read(text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default());
            told.parts.extend(read.parts);
            told.advice.extend(read.advice);
        }
    }
}

#[test]
fn every_part_and_every_advice_of_health_is_explained() {
    let (mut told, page) = (Told::default(), page());
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut told);
    told.advice.extend(
        [Whose::Ca, Whose::Client, Whose::Broker]
            .map(|whose| one_line(Expiry { whose, file: None, at: 0 }.what_to_do())),
    );
    for known in ["journal", "cursor", "quarantine", "broker", "configuration", "destination"] {
        assert!(told.parts.contains(known), "{known} is not found in src any more: {:?}", told.parts);
    }
    assert!(told.advice.len() > 20, "{:?}", told.advice);
    let missing: Vec<_> = told
        .parts
        .iter()
        // A heading, with or without what names the one among several.
        .filter(|part| !["`", " NAME`"].iter().any(|end| page.contains(&format!("### `{part}{end}"))))
        .chain(told.advice.iter().filter(|advice| !page.contains(&format!("**{advice}**"))))
        .collect();
    assert!(missing.is_empty(), "docs/operations.md does not explain: {missing:#?}");
}

#[test]
fn what_the_source_tells_is_found_in_each_of_its_shapes() {
    let told = Told::read(
        "let a = board.part(\"journal\"); let b = board.part(format!(\"destination {name}\"));\n\
         self.part.degraded(format!(\"it (this) ended: {error}\"), \"mend it \\\n   soon\");\n\
         part.not_ready(\n  reason,\n  \"free it\",\n);\n\
         Verdict::Hold { why, what_to_do: \"check it; now\" }\n\
         let what_to_do = \"look\"; self.part.degraded(one, two);",
    );
    let texts = |set: BTreeSet<String>| set.into_iter().collect::<Vec<_>>();
    assert_eq!(texts(told.parts), ["destination", "journal"]);
    assert_eq!(texts(told.advice), ["check it; now", "free it", "look", "mend it soon"]);
}

#[test]
fn every_reason_of_quarantine_and_discard_is_explained_and_no_other() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/quarantine.md");
    let text = fs::read_to_string(path).expect("the page");
    let (_, text) = text.split_once("## Reasons").expect("its list");
    let mut explained = Vec::new();
    for row in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!(cells.len(), 4, "{row}");
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{row}");
        explained.push(cells[0].trim_matches('`'));
    }
    let mut known: Vec<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    explained.sort_unstable();
    known.sort_unstable();
    assert_eq!(explained, known, "docs/quarantine.md (left) and the program (right) differ");
}

#[test]
fn every_number_that_an_alarm_on_the_page_asks_for_is_told_by_metrics() {
    let dir = tempfile::tempdir().expect("a directory");
    let authority = Ca::new(dir.path(), "ca");
    let [broker, own, database] = free_addresses();
    // Nobody answers at either end: every number is told from the start all the same.
    let nadikota = Nadikota::start(&format!(
        "[mqtt]\nurl = \"mqtts://{broker}\"\nca_file = \"{}\"\n[broker]\nlisten = \"{own}\"\n\
         [[destinations]]\nversion = \"1\"\nurl = \"http://{database}\"\ndatabase = \"city\"\n",
        authority.file.display()
    ));
    let names = |text: &str| -> BTreeSet<String> {
        let name = |rest: &str| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        text.match_indices("nadikota_").map(|(at, _)| name(&text[at..])).collect()
    };
    let told_with = |name: &str| {
        poll_until(LIMIT, name, || {
            let told = names(&http::get(nadikota.http(), "/metrics").expect("metrics").body);
            told.contains(name).then_some(told)
        })
    };
    let told = told_with("nadikota_certificate_expiry_seconds");
    // The volume of docker-compose.yml is no number.
    let mut asked = names(&page());
    asked.retain(|name| !name.starts_with("nadikota_nadikota"));
    assert!(asked.len() > 10, "{asked:?}");
    // Room has an end only where something comes in.
    let growing = "nadikota_journal_left_seconds";
    let unknown: Vec<_> = asked.difference(&told).filter(|name| *name != growing).collect();
    assert!(unknown.is_empty(), "docs/operations.md asks for {unknown:?}, which /metrics does not tell");
    publish(own, "device", &[("any/topic".to_owned(), "1")]);
    told_with(growing);
}

#[test]
fn the_age_of_the_oldest_message_is_told_while_the_database_is_away() {
    let [broker, database] = free_addresses();
    let nadikota = Nadikota::start(&format!(
        "[mqtt]\nenabled = false\n[broker]\nlisten = \"{broker}\"\n[[destinations]]\nversion = \"1\"\n\
         url = \"http://{database}\"\ndatabase = \"city\"\n"
    ));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let topic = "city/pasuruan/gadingrejo/wl-welang-01/level".to_owned();
    publish(broker, "device", &[(topic, "{\"level_cm\": 120}".to_owned())]);
    let age = || nadikota.health()?["oldest_unsettled_s"].as_f64();
    let first = poll_until(LIMIT, "it has an age", age);
    poll_until(LIMIT, "it grows", || (age()? > first + 0.1).then_some(()));
}

/// Each field of an answer of `/health`, with the names that differ from service to service as the page has them.
fn fields(told: &Value, path: &str, found: &mut BTreeSet<String>) {
    let Some(object) = told.as_object() else {
        found.insert(path.to_owned());
        return;
    };
    for (name, value) in object {
        let name = if matches!(path, "parts" | "destinations") { "NAME" } else { name };
        let deeper = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        // Reasons are data, not fields.
        let value =
            if deeper.ends_with("by_reason") || deeper == "account.discarded" { &Value::Null } else { value };
        fields(value, &deeper, found);
    }
}

#[test]
fn every_field_of_health_stands_on_the_page() {
    let [broker] = free_addresses();
    let nadikota = Nadikota::start(&format!("[mqtt]\nenabled = false\n[broker]\nlisten = \"{broker}\"\n"));
    let told = poll_until(LIMIT, "there is a destination", || {
        nadikota.health().filter(|told| told["destinations"]["default"].is_object())
    });
    let (mut found, page) = (BTreeSet::new(), page());
    fields(&told, "", &mut found);
    assert!(found.len() > 25, "{found:?}");
    let (_, table) = page.split_once("| field | tells |").expect("its table");
    let table = table.split("### ").next().expect("its end");
    let missing: Vec<_> = found
        .iter()
        .filter(|field| {
            let last = field.rsplit('.').next().unwrap_or_default();
            ![format!("`{field}`"), format!("`.{last}`"), format!("`{last}`")]
                .iter()
                .any(|it| table.contains(it))
        })
        // "and the like"
        .filter(|field| !field.starts_with("destinations.NAME.") || field.contains("time_to_stored"))
        .collect();
    assert!(missing.is_empty(), "docs/operations.md does not explain {missing:?}");
}

#[test]
fn the_command_health_names_what_is_degraded_and_still_says_ready() {
    let [broker, database] = free_addresses();
    let nadikota = Nadikota::start(&format!(
        "[mqtt]\nenabled = false\n[broker]\nlisten = \"{broker}\"\n[[destinations]]\nversion = \"1\"\n\
         url = \"http://{database}\"\ndatabase = \"city\"\n"
    ));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let topic = "city/pasuruan/gadingrejo/wl-welang-01/level".to_owned();
    publish(broker, "device", &[(topic, "{\"level_cm\": 120}".to_owned())]);
    let told = poll_until(LIMIT, "the database is missed", || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nadikota"));
        let output =
            command.args(["health", "--http", &nadikota.http().to_string()]).output().expect("it runs");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && told.starts_with("ready\n"), "{told}");
        told.contains("degraded: ").then_some(told)
    });
    let part = nadikota.health().expect("health")["parts"]["destination default"].clone();
    let advice = part["what_to_do"].as_str().expect("advice");
    assert!(told.contains("degraded: destination default: ") && told.contains(advice), "{told}");
}
