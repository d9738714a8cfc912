//! The page for a new kind of device: its files and commands, put together as it says, give what it shows.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The text of each fenced block, in order, with its language.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    page.split("```").skip(1).step_by(2).filter_map(|block| block.split_once('\n')).collect()
}

/// The first block after a heading that holds this.
fn block<'p>(page: &'p str, heading: &str, holds: &str) -> &'p str {
    let at = page.find(heading).unwrap_or_else(|| panic!("there is no {heading}"));
    let found = blocks(&page[at..]).into_iter().find(|(_, text)| text.contains(holds));
    found.unwrap_or_else(|| panic!("{heading} has no block with {holds}")).1
}

fn nadikota(dir: &Path, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_nadikota"))
        .args(["--config", "nadikota.toml"])
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("nadikota");
    child.stdin.take().expect("its stdin").write_all(input.as_bytes()).expect("all of it");
    let output = child.wait_with_output().expect("its end");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// How late the reading came depends on when one tries it.
fn without_delay(text: &str) -> Vec<String> {
    let line = |line: &str| match line.split_once(",delay_s=") {
        None => line.to_owned(),
        Some((before, after)) => format!("{before} {}", after.split_once(' ').map_or("", |(_, time)| time)),
    };
    text.lines().map(line).collect()
}

#[test]
fn the_page_gives_what_it_shows() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/onboarding.md")).expect("the page");
    let dir = tempfile::tempdir().expect("a directory");
    let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("a file");
    let shipped =
        |name: &str| fs::read_to_string(Path::new(ROOT).join("config").join(name)).expect("a shipped file");
    fs::create_dir(dir.path().join("profiles")).expect("a folder");
    for name in ["pasuruan", "lorawan", "sensor_community"] {
        let name = format!("profiles/{name}.toml");
        put(&name, &shipped(&name));
    }
    put("devices.csv", &shipped("devices.csv"));
    let mut config = "time_zone = \"Asia/Jakarta\"\ndevices = \"devices.csv\"\nprofiles = \"profiles\"\n\
                      [mqtt]\nenabled = false\n[broker]\nlisten = \"127.0.0.1:0\"\n[[destinations]]\nkind = \"embedded\"\n\
                      [[routes]]\ntopic = \"city/{city}/{district}/{device}/level\"\nformat = \"json\"\n"
        .to_owned();
    put("nadikota.toml", &config);

    let first = block(&page, "## 1.", "message.json");
    let topic = first.lines().find_map(|line| line.strip_prefix("topic=")).expect("the topic");
    let message = first.split('\'').nth(1).expect("the message");
    let explain = || nadikota(dir.path(), &["explain", "--topic", topic], message);
    assert_eq!(explain(), block(&page, "## 2.", "route        none"));

    put("profiles/acme.toml", block(&page, "## 3.", "[profiles."));
    config.push_str(block(&page, "## 4.", "[[routes]]"));
    put("nadikota.toml", &config);
    let shown = block(&page, "## 4.", "the configuration is right");
    let told = nadikota(dir.path(), &["check"], "") + &explain();
    assert_eq!(without_delay(&told), without_delay(shown));

    put("devices.csv", &(shipped("devices.csv") + block(&page, "## 5.", "acme_rg1")));
    let shown = block(&page, "## 5.", "the configuration is right");
    let told = explain();
    let point: String = told.lines().filter(|line| line.contains("point")).collect();
    assert_eq!(without_delay(&(nadikota(dir.path(), &["check"], "") + &point)), without_delay(shown));
}

#[test]
fn the_short_way_gives_what_it_shows() {
    const SHORT: &str = "## The short way";
    let page = fs::read_to_string(Path::new(ROOT).join("docs/onboarding.md")).expect("the page");
    let dir = tempfile::tempdir().expect("a directory");
    let config = "time_zone = \"Asia/Jakarta\"\n[[destinations]]\nkind = \"embedded\"\n\
                  [[routes]]\ntopic = \"city/{city}/{district}/{device}/level\"\nformat = \"json\"\n";
    fs::write(dir.path().join("nadikota.toml"), config).expect("a file");
    fs::write(dir.path().join("seen.jsonl"), block(&page, SHORT, "\"topic\"")).expect("a file");
    nadikota(dir.path(), &["learn", "seen.jsonl", "--out", "learned"], "");
    let written = |name: &str| fs::read_to_string(dir.path().join("learned").join(name)).expect("a file");
    assert!(written("nadikota.toml").ends_with(block(&page, SHORT, "[[routes]]")));
    assert!(written("profiles/learned.toml").ends_with(block(&page, SHORT, "[profiles.")));
    assert_eq!(written("devices.csv"), block(&page, SHORT, "id,city"));
    // What was learned comes after the file that knew nothing, and wins.
    let learned = |command: &[&str]| {
        nadikota(dir.path(), &[&["--config", "learned/nadikota.toml"], command].concat(), "")
    };
    let told = learned(&["check"]) + &learned(&["explain", "--capture", "seen.jsonl", "--summary"]);
    assert_eq!(told, block(&page, SHORT, "the configuration is right"));
    let told = learned(&["run", "--from-capture", "seen.jsonl", "--data", "play"]);
    assert_eq!(told, block(&page, SHORT, "the account balances"));
}

#[test]
fn explain_tells_the_format_that_auto_recognised_and_what_it_considered() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = "time_zone = \"Asia/Jakarta\"\n[[destinations]]\nkind = \"embedded\"\n\
                  [[routes]]\ntopic = \"tele/{device}/+\"\nformat = \"auto\"\n";
    fs::write(dir.path().join("nadikota.toml"), config).expect("a file");
    let explain = |message| nadikota(dir.path(), &["explain", "--topic", "tele/a/SENSOR"], message);
    let told = explain(r#"{"Time":"2026-11-24T07:00:00","AM2301":{"Temperature":22.6},"TempUnit":"C"}"#);
    assert!(told.contains("\nformat       auto: tasmota\n"), "{told}");
    let told = explain(r#"{"temp":22.6}"#);
    assert!(told.contains("\nformat       auto\n"), "{told}");
    let outcome = told.lines().find(|line| line.starts_with("outcome")).expect("an outcome");
    assert!(outcome.contains("quarantined: unknown_format: ") && outcome.contains("tasmota, json"), "{told}");
}
