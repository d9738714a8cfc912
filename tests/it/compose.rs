//! The containers as shipped: `docker-compose` checks the file by its schema, and what it must promise is held here.
//!
//! Nothing is started. The settings that compose gives to nadikota are read by the real program.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::control::{ADMIN, WRITER, influxdb2};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The file, which must be correct by the schema; merged, and with its variables as they stand there.
fn compose() -> Value {
    let output = Command::new("docker-compose")
        .args(["-f", "docker-compose.yml", "config", "-q"])
        .current_dir(ROOT)
        .output()
        .expect("docker-compose; ./tests/run installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    json(read("docker-compose.yml").as_bytes())
}

/// YAML as JSON, by the library that Debian's docker-compose itself reads with.
fn json(yaml: &[u8]) -> Value {
    let script = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)";
    let mut child = Command::new("/usr/bin/python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3; docker-compose needs it too");
    std::io::Write::write_all(&mut child.stdin.take().expect("its stdin"), yaml).expect("a whole file");
    let output = child.wait_with_output().expect("its answer");
    assert!(output.status.success(), "the file is no YAML");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn services(file: &Value) -> impl Iterator<Item = (&String, &Value)> {
    file["services"].as_object().expect("services").iter()
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Source, target and mode of each mount.
fn mounts(service: &Value) -> Vec<(&str, &str, &str)> {
    let parts = |text| {
        let mut parts = str::split(text, ':');
        let mut next = || parts.next().unwrap_or_default();
        (next(), next(), next())
    };
    texts(&service["volumes"]).into_iter().map(parts).collect()
}

/// What is broken of the promises about every service.
fn violations(file: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (name, service) in services(file) {
        let mut wrong = |what: &str| found.push(format!("{name}: {what}"));
        let image = service["image"].as_str().unwrap_or_default();
        let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
        if service["build"].is_null()
            && tag.trim_start_matches('v').split('.').filter(|part| part.parse::<u32>().is_ok()).count() < 3
        {
            wrong("its image is not pinned to a release");
        }
        let user = service["user"].as_str().unwrap_or_default();
        // Its image has no user, so its volume is root's; it is held by what follows.
        let volume_of_root = name == "metrics" && service["read_only"] == true;
        if service["build"].is_null()
            && !volume_of_root
            && user.split(':').next().is_none_or(|id| matches!(id, "" | "0" | "root"))
        {
            wrong("may run as root");
        }
        if !texts(&service["security_opt"]).contains(&"no-new-privileges:true") {
            wrong("may gain privileges");
        }
        if texts(&service["cap_drop"]) != ["ALL"] {
            wrong("keeps capabilities");
        }
        if service["logging"]["options"]["max-size"].is_null()
            || service["logging"]["options"]["max-file"].is_null()
        {
            wrong("its log grows for ever");
        }
        let limits = &service["deploy"]["resources"]["limits"];
        if limits["memory"].is_null() || limits["cpus"].is_null() {
            wrong("takes all of the machine");
        }
        let once = service["restart"] == "no";
        if !once && service["restart"] != "unless-stopped" {
            wrong("is not started again");
        }
        if !once && service["healthcheck"]["test"].is_null() {
            wrong("has no health check");
        }
        for port in texts(&service["ports"]) {
            if !port.starts_with("127.0.0.1:") && !port.starts_with("${MQTT_BIND:-127.0.0.1}:") {
                wrong("opens a port to the network");
            }
        }
        for (source, target, mode) in mounts(service) {
            let declared = file["volumes"].get(source).is_some();
            if !declared && (!source.starts_with("./") || mode != "ro") {
                wrong(&format!("{target} is neither a named volume nor read-only"));
            }
        }
        for secret in texts(&service["secrets"]) {
            if file["secrets"][secret]["file"].is_null() {
                wrong(&format!("the secret {secret} is no file"));
            }
        }
        for (key, value) in service["environment"].as_object().into_iter().flatten() {
            let secret = ["PASSWORD", "TOKEN"].iter().any(|word| key.ends_with(word));
            if secret && !value.is_null() {
                wrong(&format!("{key} holds a secret; name its file"));
            }
        }
        for (other, condition) in service["depends_on"].as_object().into_iter().flatten() {
            if condition["condition"] == "service_started" || condition["condition"].is_null() {
                wrong(&format!("does not wait until {other} is well"));
            }
        }
    }
    found
}

#[test]
fn the_file_is_correct_by_the_schema_and_keeps_every_promise() {
    let file = compose();
    assert_eq!(violations(&file), Vec::<String>::new());
    let nadikota = &file["services"]["nadikota"];
    assert_eq!(nadikota["read_only"], true);
    assert_eq!(texts(&nadikota["healthcheck"]["test"]), ["CMD", "nadikota", "health"]);
    assert_eq!(nadikota["depends_on"].as_object().expect("a list").len(), 2);
}

#[test]
fn no_service_is_left_to_fetch_from_or_report_to_other_machines() {
    let file = compose();
    for (service, key, value) in [
        ("influxdb", "INFLUXD_REPORTING_DISABLED", "true"),
        ("grafana", "GF_PLUGINS_PREINSTALL_DISABLED", "true"),
        ("grafana", "GF_PLUGINS_PREINSTALL_AUTO_UPDATE", "false"),
        ("grafana", "GF_ANALYTICS_REPORTING_ENABLED", "false"),
        ("grafana", "GF_ANALYTICS_CHECK_FOR_UPDATES", "false"),
        ("grafana", "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES", "false"),
    ] {
        assert_eq!(file["services"][service]["environment"][key], value, "{service}: {key}");
    }
}

#[test]
fn each_promise_is_noticed_when_it_is_broken() {
    let good = compose();
    let check = |path: &str, value: Value, expected: &str| {
        let mut file = good.clone();
        *file.pointer_mut(path).unwrap_or_else(|| panic!("{path} is not there")) = value;
        let found = violations(&file).join("; ");
        assert!(found.contains(expected), "{path}: expected {expected}, found {found}");
    };
    check("/services/mosquitto/image", "eclipse-mosquitto:2".into(), "not pinned");
    check("/services/influxdb/image", "influxdb".into(), "not pinned");
    check("/services/influxdb/user", Value::Null, "as root");
    check("/services/mosquitto/user", "0:0".into(), "as root");
    check("/services/nadikota/security_opt", Value::Null, "privileges");
    check("/services/influxdb/cap_drop", Value::Null, "capabilities");
    check("/services/influxdb/logging/options/max-file", Value::Null, "log grows");
    check("/services/nadikota/deploy/resources/limits/memory", Value::Null, "all of the machine");
    check("/services/nadikota/restart", "always".into(), "not started again");
    check("/services/influxdb/healthcheck", Value::Null, "health check");
    check("/services/nadikota/ports/0", "8080:8080".into(), "opens a port");
    check("/services/mosquitto/ports/0", "0.0.0.0:1883:1883".into(), "opens a port");
    check("/volumes", serde_json::json!({}), "named volume");
    check("/services/nadikota/volumes/0", "./config:/etc/nadikota:rw".into(), "read-only");
    check("/secrets/http-token", Value::Null, "is no file");
    check("/services/nadikota/environment", serde_json::json!({"A_TOKEN": "x"}), "holds a secret");
    check("/services/nadikota/depends_on/mosquitto/condition", "service_started".into(), "wait until");
}

#[test]
fn a_file_that_is_wrong_by_the_schema_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("docker-compose.yml");
    fs::write(&file, read("docker-compose.yml").replace("read_only: true", "readonly: true"))
        .expect("a file");
    let output = Command::new("docker-compose").arg("-f").arg(&file).args(["config", "-q"]).output();
    let output = output.expect("docker-compose");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("readonly"), "{told}");
}

#[test]
fn every_variable_is_explained_and_every_secret_is_made_by_the_readme() {
    let text = read("docker-compose.yml");
    let code = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let code: String = code.flat_map(|line| [line, "\n"]).collect();
    let used: BTreeSet<_> = code
        .replace("$$", "")
        .match_indices("${")
        .map(|(at, _)| {
            code.replace("$$", "")[at + 2..].split(['}', ':', '-', '?']).next().unwrap_or("").to_owned()
        })
        .collect();
    let example = read(".env.example");
    let mut explained: BTreeSet<_> = example
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('=').map(|(name, _)| name.to_owned()))
        .collect();
    // Compose itself reads this one.
    assert!(explained.remove("COMPOSE_PROJECT_NAME"));
    assert_eq!(used, explained, "docker-compose.yml (left) and .env.example (right) differ");
    let (readme, ignored) = (read("README.md"), read(".gitignore"));
    assert!(ignored.lines().any(|line| line == "/secrets") && ignored.lines().any(|line| line == "/.env"));
    for (name, secret) in compose()["secrets"].as_object().expect("secrets") {
        assert!(readme.contains(name.as_str()), "README.md does not make the secret {name}");
        assert_eq!(secret["file"], format!("./secrets/{name}"));
    }
}

/// A command of the program as a service would give it.
fn command(service: &Value, dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nadikota"));
    command.args(["--config", "config/nadikota.toml"]).args(arguments).current_dir(ROOT);
    command.env("NADIKOTA__DATA_DIR", dir.join("data")).envs(environment(service, dir));
    command
}

/// The environment that compose gives to a service, with secrets and token where the test has them.
fn environment(service: &Value, dir: &Path) -> Vec<(String, String)> {
    let here = |path: &str| {
        let name =
            path.strip_prefix("/run/secrets/").or_else(|| path.strip_prefix("/var/lib/nadikota-token/"));
        name.map_or_else(|| path.to_owned(), |name| dir.join(name).display().to_string())
    };
    let variables = service["environment"].as_object().expect("an environment").iter();
    variables.map(|(key, value)| (key.clone(), here(value.as_str().expect("text")))).collect()
}

#[test]
fn the_settings_that_compose_gives_are_read_by_nadikota_without_a_mistake() {
    let (file, dir) = (compose(), tempfile::tempdir().expect("a directory"));
    for (name, service) in
        services(&file).filter(|(name, _)| matches!(&***name, "nadikota" | "database-setup"))
    {
        for secret in texts(&service["secrets"]) {
            fs::write(dir.path().join(secret), format!("value-of-{secret}\n")).expect("a file");
        }
        fs::write(dir.path().join("token"), "value-of-the-token\n").expect("a file");
        let checked = command(service, dir.path(), &["check"]).output().expect("nadikota");
        let told =
            String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{name}: {told}");
        let shown = command(service, dir.path(), &["config"]).output().expect("nadikota");
        let told = String::from_utf8_lossy(&shown.stdout).into_owned();
        for expected in ["mqtt://mosquitto:1883", "http://influxdb:8086", "0.0.0.0:8080", "city", "telemetry"]
        {
            assert!(told.contains(expected), "{name}: {expected} is not in\n{told}");
        }
        assert!(!told.contains("value-of"), "{name} shows a secret");
        let mounted: BTreeSet<_> =
            mounts(service).into_iter().map(|(_, target, _)| target.to_owned()).collect();
        assert!(
            mounted.contains("/etc/nadikota") && mounted.contains("/var/lib/nadikota-token"),
            "{mounted:?}"
        );
    }
}

#[test]
fn the_set_up_makes_a_token_once_and_makes_it_again_where_the_first_try_was_cut_off() {
    let (file, server) = (compose(), influxdb2(None));
    let dir = tempfile::tempdir().expect("a directory");
    let service = &file["services"]["database-setup"];
    for secret in texts(&service["secrets"]) {
        fs::write(dir.path().join(secret), "value").expect("a file");
    }
    fs::write(dir.path().join("influxdb-admin-token"), ADMIN).expect("a file");
    // Where the program finds its configuration and the shell the program.
    let link = |from: &str, to: &str| std::os::unix::fs::symlink(from, dir.path().join(to)).expect("a link");
    link(&format!("{ROOT}/config"), "config");
    link(env!("CARGO_BIN_EXE_nadikota"), "nadikota");
    let [shell, flag] = texts(&service["entrypoint"])[..] else { panic!("{service}") };
    let here = dir.path().display().to_string();
    let words = texts(&service["command"])[0]
        .replace("/var/lib/nadikota-token", &here)
        .replace("/run/secrets", &here);
    let run = || {
        let path = format!("{here}:{}", std::env::var("PATH").unwrap_or_default());
        let output = Command::new(shell)
            .args([flag, &words])
            .envs(environment(service, dir.path()))
            .env("PATH", path)
            .env("NADIKOTA__DESTINATIONS__0__URL", server.url())
            .output()
            .expect("a shell");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read_to_string(dir.path().join("token")).expect("the token")
    };
    assert_eq!(run(), format!("{WRITER}\n"));
    let asked = server.seen().len();
    assert_eq!(run(), format!("{WRITER}\n"));
    assert_eq!(server.seen().len(), asked);
    fs::write(dir.path().join("token"), "").expect("a file");
    assert_eq!(run(), format!("{WRITER}\n"));
    assert!(server.seen().len() > asked);
}

#[test]
fn the_image_runs_as_a_user_of_its_own_and_is_built_with_the_compiler_that_the_project_names() {
    let text = read("Dockerfile");
    let lines: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let toolchain: toml::Table = read("rust-toolchain.toml").parse().expect("TOML");
    let channel = toolchain["toolchain"]["channel"].as_str().expect("a version");
    let from: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix("FROM ")).collect();
    assert!(from.len() == 2 && from[0].starts_with(&format!("rust:{channel}-slim")), "{from:?}");
    let user = lines.iter().rposition(|line| *line == "USER nadikota").expect("a user");
    let start = lines.iter().rposition(|line| line.starts_with("ENTRYPOINT")).expect("an entry point");
    assert!(user < start);
    // A named volume takes its owner from the folder of the image, or the user could not write there.
    let file = compose();
    for (_, target, mode) in
        mounts(&file["services"]["nadikota"]).iter().chain(&mounts(&file["services"]["database-setup"]))
    {
        let made = lines.iter().any(|line| line.contains("install -d -o nadikota") && line.contains(target));
        assert!(*mode == "ro" || made, "{target}");
    }
}

/// Files that the program holds within itself, other than for its unit tests.
fn included(dir: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(dir).expect("a readable directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            included(&path, found);
            continue;
        }
        // A folder named tests above the checkout is none of ours.
        let inside =
            path.strip_prefix(Path::new(ROOT).canonicalize().expect("the root")).expect("a file in src");
        if inside.iter().any(|part| part.to_string_lossy().starts_with("tests")) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for mark in ["include_str!(\"", "include_bytes!(\""] {
            for (at, _) in code.match_indices(mark) {
                let name = code[at + mark.len()..].split('"').next().unwrap_or_default();
                found.push(dir.join(name).canonicalize().unwrap_or_else(|error| panic!("{name}: {error}")));
            }
        }
    }
}

#[test]
fn whatever_the_program_includes_is_copied_into_the_build_of_the_image() {
    let root = Path::new(ROOT).canonicalize().expect("the root");
    let (dockerfile, allowed) = (read("Dockerfile"), read(".dockerignore"));
    let mut found = Vec::new();
    included(&root.join("src"), &mut found);
    assert!(found.len() > 3, "{found:?}");
    for file in found {
        let inside = file.strip_prefix(&root).expect("a file of the project");
        let folder = inside.iter().next().expect("a folder").to_string_lossy().into_owned();
        let copied = dockerfile.contains(&format!("\nCOPY {folder} ./{folder}\n"));
        let sent = allowed.lines().any(|line| line == format!("!{folder}"));
        assert!(copied && sent, "{}: Dockerfile or .dockerignore leaves it out", inside.display());
    }
}
