//! The page on reliability names the tests that hold its lines: each of them exists.

use std::collections::BTreeSet;
use std::path::Path;

fn read_all(dir: &Path, all: &mut String) {
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read_all(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&std::fs::read_to_string(&path).expect("a file"));
        }
    }
}

/// The names of all tests: rows of the fault matrix, and functions right below a `#[test]` or `#[tokio::test…]`, other attributes aside.
fn tests(source: &str) -> BTreeSet<&str> {
    let (mut found, mut test) = (BTreeSet::new(), false);
    for line in source.lines().map(str::trim) {
        if let Some((name, _)) = line.strip_prefix("both!(").and_then(|row| row.split_once(',')) {
            // A row of the matrix, over both versions of MQTT.
            found.insert(name);
        } else if line == "#[test]" || line.starts_with("#[tokio::test") {
            test = true;
        } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| test) {
            found.insert(rest.split('(').next().unwrap_or_default());
            test = false;
        } else if !line.starts_with("#[") && !line.starts_with("//") {
            test = false;
        }
    }
    found
}

/// The names in the last column of its tables, each with its line.
fn named(page: &str) -> Vec<(&str, Vec<&str>)> {
    let rows = page.lines().filter(|line| line.starts_with('|') && !line.starts_with("|-"));
    let rows = rows.filter(|line| !line.starts_with("| fault |"));
    rows.map(|line| {
        let last = line.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        (line, last.split('`').skip(1).step_by(2).collect())
    })
    .collect()
}

#[test]
fn every_line_of_the_page_is_held_by_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/reliability.md")).expect("the page");
    let mut source = String::new();
    for dir in ["src", "tests/it"] {
        read_all(&root.join(dir), &mut source);
    }
    let (there, rows) = (tests(&source), named(&page));
    assert!(rows.len() > 15, "{} lines", rows.len());
    for (line, names) in rows {
        assert!(!names.is_empty(), "no test holds: {line}");
        for name in names {
            assert!(there.contains(name), "there is no test \"{name}\"");
        }
    }
}
