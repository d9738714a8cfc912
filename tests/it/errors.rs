//! What a start that fails says: the thing, and its cause once.

use std::path::Path;
use std::process::Command;

use super::support::wait::free_addresses;

/// Harm done to a fresh data directory, lines over the configuration, and what the program must say of it.
struct Case {
    harm: fn(&Path),
    config: &'static str,
    thing: &'static str,
    cause: &'static str,
}

fn file(path: &Path) {
    std::fs::write(path, "in the way").expect("a file");
}

fn folder(path: &Path) {
    std::fs::create_dir(path).expect("a folder");
}

const CASES: &[Case] = &[
    Case {
        harm: |data| file(&data.join("journal")),
        config: "",
        thing: "data/journal",
        cause: "os error 17",
    },
    Case {
        harm: |data| folder(&data.join("cursor")),
        config: "",
        thing: "data/cursor",
        cause: "os error 21",
    },
    Case {
        harm: |data| file(&data.join("quarantine")),
        config: "",
        thing: "data/quarantine",
        cause: "os error 17",
    },
    Case { harm: |data| folder(&data.join("lock")), config: "", thing: "/data: ", cause: "os error 21" },
    Case {
        harm: |data| folder(&data.join("store.sqlite")),
        config: "",
        thing: "destination \"default\"",
        cause: "unable to open database file",
    },
    Case {
        harm: |_| (),
        config: "[broker]\nlisten = \"192.0.2.1:1883\"\nallow_anonymous = true\n",
        thing: "192.0.2.1:1883",
        cause: "os error 99",
    },
    Case {
        harm: |_| (),
        config: "[http]\nlisten = \"192.0.2.1:8080\"\n",
        thing: "192.0.2.1:8080",
        cause: "os error 99",
    },
];

#[test]
fn a_start_that_fails_names_the_thing_and_says_its_cause_once() {
    for case in CASES {
        let dir = tempfile::tempdir().expect("a directory");
        let data = dir.path().join("data");
        folder(&data);
        (case.harm)(&data);
        let config = dir.path().join("nadikota.toml");
        let [http] = free_addresses();
        let http = if case.config.contains("[http]") {
            String::new()
        } else {
            format!("[http]\nlisten = \"{http}\"\n")
        };
        let text = format!(
            "time_zone = \"UTC\"\ndata_dir = \"{}\"\n{http}{}[[destinations]]\nkind = \"embedded\"\n\
             [[routes]]\ntopic = \"a/{{device}}\"\nformat = \"json\"\n",
            data.display(),
            case.config
        );
        std::fs::write(&config, text).expect("a configuration");
        let output =
            Command::new(env!("CARGO_BIN_EXE_nadikota")).arg("run").arg("--config").arg(&config).output();
        let output = output.expect("nadikota");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{}: {told}", case.thing);
        let last = told
            .lines()
            .rev()
            .find(|line| line.starts_with("nadikota: "))
            .unwrap_or_else(|| panic!("{told}"));
        assert_eq!((last.matches(case.thing).count(), last.matches(case.cause).count()), (1, 1), "{last}");
    }
}
