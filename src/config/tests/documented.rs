//! Holds `docs/configuration.md` and the shipped file against what the rooms really ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{mistakes, shipped_file, write};
use crate::config::load;
use crate::settings::{SECRETS, Setting};

const PAGE: &str = include_str!("../../../docs/configuration.md");

/// One row of a table of the page.
#[derive(Debug)]
struct Row {
    kind: String,
    default: String,
    meaning: String,
}

/// The rows by the pattern of their key, such as `destinations[].url`.
fn page() -> BTreeMap<String, Row> {
    let (mut rows, mut prefix) = (BTreeMap::new(), String::new());
    for line in PAGE.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            let name = heading.trim_matches('`');
            prefix = match (name.strip_prefix("[["), name.strip_prefix('[')) {
                (Some(list), _) => format!("{}[].", list.trim_end_matches(']')),
                (None, Some(section)) => format!("{}.", section.trim_end_matches(']')),
                (None, None) => String::new(),
            };
        }
        let Some(cells) = line.strip_prefix("| `") else { continue };
        let cells: Vec<_> = cells.trim_end_matches(" |").split(" | ").map(str::to_owned).collect();
        let [key, kind, default, meaning] = <[String; 4]>::try_from(cells).expect("four cells in a row");
        let key = format!("{prefix}{}", key.trim_end_matches('`'));
        let row = Row { kind, default, meaning };
        assert!(rows.insert(key.clone(), row).is_none(), "{key} stands twice");
    }
    rows
}

fn read(text: &str) -> Vec<Setting> {
    let folder = tempfile::tempdir().unwrap();
    match load(&[write(&folder, "all.toml", text)], []) {
        Ok(config) => config.settings,
        Err(problems) => panic!("{problems:#?}\n{text}"),
    }
}

/// The words that a key may be, taken from the message that refuses another.
fn choices(text: &str, key: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let told = mistakes(load(&[write(&folder, "wrong.toml", text)], []));
    let told = told.iter().find(|line| line.contains(key) && line.contains("must be")).expect("a refusal");
    told.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Every setting of a configuration with all sections and all kinds of everything.
fn everything() -> BTreeMap<String, Setting> {
    const ZONE: &str = "time_zone = \"Asia/Jakarta\"\n";
    let route =
        |format: &str| format!("[[routes]]\ntopic = \"{format}/{{device}}\"\nformat = \"{format}\"\n");
    let kind = |kind: &str| format!("[[destinations]]\nkind = \"{kind}\"\nurl = \"http://h:1\"\n");
    let influx = |version: &str| {
        let place = if version == "1" { "database = \"d\"" } else { "org = \"o\"\nbucket = \"b\"" };
        format!("{}{place}\nversion = \"{version}\"\n", kind("influxdb"))
    };
    let formats = choices(&format!("{ZONE}{}", route("?")), "format");
    let kinds = choices(&format!("{ZONE}{}", kind("?")), "kind");
    let versions = choices(&format!("{ZONE}{}", influx("?")), "version");
    assert!(
        formats.len() >= 4 && kinds.len() >= 2 && versions.len() >= 2,
        "{formats:?} {kinds:?} {versions:?}"
    );
    let mut texts: Vec<_> = versions.iter().map(|version| influx(version)).collect();
    for other in kinds.iter().filter(|kind| *kind != "influxdb") {
        texts.push(kind(other).replace("url = \"http://h:1\"\n", ""));
    }
    let mut all = BTreeMap::<String, Setting>::new();
    for destination in texts {
        let kept = "[[routes]]\ntopic = \"kept\"\nformat = \"json\"\nnames = \"as_sent\"\nmeasurement = \"m\"\n\
                    tags = { a = \"b\" }\nfields = { a = \"b\" }\ntypes = { a = \"integer\" }\n\
                    [[routes]]\ntopic = \"kit/+\"\nformat = \"smart_citizen\"\n\
                    [[routes.kits]]\ndevice = \"d\"\ntoken = \"t\"\n";
        let routes: String = formats.iter().map(|format| route(format)).collect();
        for setting in read(&format!("{ZONE}{kept}{routes}[mqtt]\n[broker]\n{destination}")) {
            if let Some(known) = all.get(&setting.pattern) {
                assert_eq!(known.default, setting.default, "{}", setting.pattern);
            }
            all.insert(setting.pattern.clone(), setting);
        }
    }
    all
}

#[test]
fn the_page_has_every_key_that_is_read_and_no_other_and_the_defaults_agree() {
    let (mut page, mut wrong) = (page(), Vec::new());
    for (pattern, setting) in everything() {
        let Some(row) = page.remove(&pattern) else {
            wrong.push(format!("{pattern} is not on the page"));
            continue;
        };
        let agrees = match &setting.default {
            _ if setting.required => row.default == "required",
            Some(default) => row.default == format!("`{default}`"),
            // In words: what an unset key means.
            None => !row.default.starts_with("`\"") && row.default != "required",
        };
        if !agrees {
            wrong
                .push(format!("{pattern}: the page says {}, the program {:?}", row.default, setting.default));
        }
        if row.kind.is_empty() || row.default.is_empty() || row.meaning.len() < 10 {
            wrong.push(format!("{pattern}: a cell says nothing"));
        }
        let name = pattern.rsplit('.').next().unwrap();
        if SECRETS.contains(&name) && !row.meaning.contains(&format!("`{name}_file`")) {
            wrong.push(format!("{pattern}: the page does not tell of {name}_file"));
        }
    }
    wrong.extend(page.keys().map(|key| format!("{key} is on the page and nobody reads it")));
    assert!(wrong.is_empty(), "docs/configuration.md: {wrong:#?}");
}

#[test]
fn a_commented_line_of_the_shipped_file_holds_the_default() {
    let written = std::fs::read_to_string(shipped_file()).unwrap();
    let (defaults, mut section, mut compared) = (everything(), String::new(), 0);
    for line in written.lines() {
        let plain = line.strip_prefix('#').unwrap_or(line);
        if let Some(name) = plain.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
            section = section.strip_prefix('[').map_or(format!("{section}."), |list| format!("{list}[]."));
            continue;
        }
        let Some((key, value)) = line.strip_prefix('#').and_then(|line| line.split_once(" = ")) else {
            continue;
        };
        let Some(setting) = defaults.get(&format!("{section}{key}")) else { continue };
        if let Some(default) = &setting.default {
            compared += 1;
            assert_eq!(value, default.to_string(), "{line}");
        }
    }
    assert!(compared > 30, "only {compared} lines were compared");
}

#[test]
fn no_key_is_read_in_a_way_that_this_test_does_not_see() {
    let settings = everything();
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut seen = 0;
    for (name, text) in files {
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for key in keys_read(text) {
            seen += 1;
            let known = settings.keys().any(|pattern| pattern.split(['.', '[']).any(|part| part == key));
            assert!(known, "{name} reads the key \"{key}\" only in a case that this test does not make");
        }
    }
    assert!(seen > 60, "only {seen} reads were found");
}

/// The names in `section.get("name"`, `root.optional::<T>("name"` and the like.
fn keys_read(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for owner in ["section.", "root."] {
        for (at, _) in text.match_indices(owner) {
            let rest = &text[at + owner.len()..];
            let reads = ["get", "optional", "required", "section", "list"];
            let Some(rest) = reads.iter().find_map(|method| rest.strip_prefix(method)) else { continue };
            let Some((between, rest)) = rest.split_once("(\"") else { continue };
            if between.is_empty() || (between.starts_with("::<") && between.ends_with('>')) {
                found.extend(rest.split('"').next().map(str::to_owned));
            }
        }
    }
    found
}

fn collect(dir: &Path, files: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        if path.is_dir() {
            collect(&path, files);
        } else if !name.ends_with("settings.rs") && !name.contains("tests") {
            files.push((name, std::fs::read_to_string(path).unwrap()));
        }
    }
}

#[test]
fn auto_tells_of_every_setting_of_one_format_that_it_takes_none() {
    let route =
        |format: &str| format!("[[routes]]\ntopic = \"{format}/{{device}}\"\nformat = \"{format}\"\n");
    let zone = "time_zone = \"Asia/Jakarta\"\n";
    let formats = choices(&format!("{zone}{}", route("?")), "format");
    let keys = |routes: String| {
        let settings = read(&format!("{zone}{routes}"));
        let key = |setting: Setting| setting.pattern.strip_prefix("routes[].").map(str::to_owned);
        settings.into_iter().filter_map(key).collect::<BTreeSet<_>>()
    };
    let of_auto = keys(route("auto"));
    let of_formats = keys(formats.iter().map(|format| route(format)).collect());
    assert!(of_formats.len() > of_auto.len() + 15, "{of_formats:?}");
    for key in of_formats.difference(&of_auto) {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("{zone}{}{key} = \"x\"\n", route("auto"));
        let told = mistakes(load(&[write(&folder, "wrong.toml", &text)], []));
        assert!(told.len() == 1 && told[0].contains("is a setting of one format"), "{key}: {told:?}");
    }
}
