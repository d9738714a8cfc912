//! What `check --connect` and `database setup` say of a database's version, its limits, and bucket templates.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::support::scripted::{Request, Scripted};
use super::support::victoria_metrics::VictoriaMetrics;

const TOKEN: &str = "a-token-of-the-test";
const DEVICES: &str = "id,city,district,site,latitude,longitude,profile,valid_from,time_zone,agency,datum_m\n\
                       a1,pasuruan,purworejo,s,,,,,,,\nb1,malang,lowokwaru,s,,,,,,,\n";

/// Exit code, findings, and everything that was written.
struct Told {
    code: Option<i32>,
    findings: Vec<Value>,
    all: String,
}

impl Told {
    /// The grades of all findings about a thing with their texts.
    fn about(&self, about: &str) -> Vec<(&str, &str)> {
        let text = |finding: &'_ Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        let found = self.findings.iter().filter(|finding| text(finding, "about").ends_with(about));
        found
            .map(|finding| {
                (finding["grade"].as_str().expect("a grade"), finding["text"].as_str().expect("a text"))
            })
            .collect()
    }
}

fn run(dir: &Path, destination: &str, arguments: &[&str]) -> Told {
    let (file, devices) = (dir.join("nadikota.toml"), dir.join("devices.csv"));
    std::fs::write(&devices, DEVICES).expect("the registry");
    let config = format!(
        "time_zone = \"Asia/Jakarta\"\ndevices = \"{}\"\n[mqtt]\nenabled = false\n[[destinations]]\n\
         kind = \"influxdb\"\n{destination}\n[[routes]]\ntopic = \"in/{{device}}\"\nformat = \"value\"\n",
        devices.display()
    );
    std::fs::write(&file, config).expect("the configuration");
    let mut command = Command::new(env!("CARGO_BIN_EXE_nadikota"));
    let output = command
        .args(arguments)
        .args(["--json", "--config"])
        .arg(&file)
        .env("INFLUX_ADMIN_TOKEN", TOKEN)
        .output()
        .expect("nadikota");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_str(&out).unwrap_or_default();
    let findings = told["findings"].as_array().cloned().unwrap_or_default();
    Told { code: output.status.code(), findings, all: format!("{out}{err}") }
}

fn check(destination: &str) -> Told {
    let dir = tempfile::tempdir().expect("a directory");
    run(dir.path(), destination, &["check", "--connect"])
}

/// An InfluxDB 3 that answers an empty write like this. Without a token it tells nothing, not even its version.
fn influxdb3(empty_write: (u16, &'static str)) -> Scripted {
    Scripted::of_version("3.11.0", move |request: &Request| {
        if request.token != format!("Token {TOKEN}") {
            return (401, "{\"error\":\"the request was not authenticated\"}".to_owned());
        }
        let path = request.line.as_str();
        match path.split('?').next().unwrap_or_default() {
            "GET /ping" => {
                (200, "{\"version\":\"3.11.0\",\"revision\":\"a\",\"process_id\":\"b\"}".to_owned())
            }
            "GET /health" => (200, "OK".to_owned()),
            "POST /api/v2/write" => (empty_write.0, empty_write.1.to_owned()),
            "POST /query" => (200, "{\"results\":[{\"statement_id\":0}]}".to_owned()),
            _ => (404, "not found".to_owned()),
        }
    })
}

fn v3(server: &Scripted, bucket: &str, token: &str) -> String {
    format!("version = \"3\"\nurl = \"{}\"\nbucket = \"{bucket}\"\ntoken = \"{token}\"", server.url())
}

#[test]
fn an_influxdb_3_is_told_with_what_is_known_of_it() {
    let empty = "{\"code\":\"invalid\",\"message\":\"write buffer error: the write was empty\"}";
    let server = influxdb3((400, empty));
    let told = check(&v3(&server, "city", TOKEN));
    assert_eq!(told.code, Some(0), "{}", told.all);
    let [(grade, text)] = told.about(": server")[..] else { panic!("{}", told.all) };
    assert!(grade == "ok" && text.contains("3.11.0") && text.contains("was not run with it"), "{text}");
    assert_eq!(told.about(": write")[0].0, "ok", "{}", told.all);
    assert!(
        server.seen().iter().any(|request| request.line == "POST /api/v2/write?bucket=city&precision=ns")
    );

    // Configured as another version, it is told.
    let config = v3(&server, "city", TOKEN).replace("\"3\"", "\"2\"\norg = \"o\"");
    let told = check(&config);
    assert!(told.all.contains("set version = \\\"3\\\""), "{}", told.all);

    // A wrong token, and none.
    for (config, part) in [
        (v3(&server, "city", "an-old-token"), "wrong or has expired"),
        (v3(&server, "city", "x").replace("token = \"x\"", ""), "give a token"),
    ] {
        let told = check(&config);
        assert_eq!(told.code, Some(1), "{}", told.all);
        assert!(told.all.contains(part) && !told.all.contains("an-old-token"), "{}", told.all);
    }

    // A name that it does not take.
    let misnamed = "{\"code\":\"invalid\",\"message\":\"invalid character in database name: must be ASCII\"}";
    let told = check(&v3(&influxdb3((400, misnamed)), "kota", TOKEN));
    assert_eq!((told.code, told.about(": write")[0].0), (Some(1), "wrong"), "{}", told.all);
    // What is not known is neither praised nor blamed.
    let told = check(&v3(&influxdb3((400, "{\"error\":\"nothing there\"}")), "city", TOKEN));
    assert_eq!((told.code, told.about(": write")[0].0), (Some(0), "warning"), "{}", told.all);

    // It needs no set-up, and says so instead of doing something else.
    let dir = tempfile::tempdir().expect("a directory");
    let told = run(dir.path(), &v3(&server, "city", TOKEN), &["database", "setup"]);
    assert!(told.code == Some(0) && told.all.contains("at the first write"), "{}", told.all);
}

#[test]
fn victoria_metrics_is_told_by_its_name_with_its_limits_and_whether_it_merges_repeats() {
    let server = VictoriaMetrics::start();
    let place = "version = \"2\"\norg = \"any\"\nbucket = \"any\"";
    let told = check(&format!("url = \"{}\"\n{place}", server.url()));
    assert_eq!(told.code, Some(0), "{}", told.all);
    let [(warning, limits), (ok, repeats)] = told.about(": server")[..] else { panic!("{}", told.all) };
    assert_eq!((warning, ok), ("warning", "ok"));
    for part in ["VictoriaMetrics", "1.79.5", "milliseconds", "text into 0", "256 KiB"] {
        assert!(limits.contains(part), "{part}: {limits}");
    }
    assert!(repeats.contains("1ms"), "{repeats}");
}

#[test]
fn set_up_makes_a_bucket_for_each_city_of_the_registry_and_one_token_for_all() {
    let there = Mutex::new(Vec::<String>::new());
    let server = Scripted::start(move |request: &Request| {
        let mut there = there.lock().expect("one request at a time");
        let path = request.line.as_str();
        let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        match path.split('?').next().unwrap_or_default() {
            "GET /ping" => (204, String::new()),
            "GET /ready" => (200, "{}".to_owned()),
            "GET /api/v2/orgs" => (200, json!({ "orgs": [{ "id": "0a", "name": "o" }] }).to_string()),
            "POST /api/v2/buckets" => {
                there.push(body["name"].as_str().expect("a name").to_owned());
                (201, "{}".to_owned())
            }
            "GET /api/v2/buckets" => match there.iter().find(|name| path.contains(&format!("name={name}"))) {
                None => (404, "{\"code\":\"not found\",\"message\":\"bucket not found\"}".to_owned()),
                Some(name) => {
                    let bucket = json!({ "id": format!("id-{name}"), "name": name, "retentionRules": [] });
                    (200, json!({ "buckets": [bucket] }).to_string())
                }
            },
            "POST /api/v2/authorizations" => {
                (201, json!({ "orgID": "0a", "permissions": [], "token": "made" }).to_string())
            }
            "POST /api/v2/write" => {
                match there.iter().any(|name| path.contains(&format!("bucket={name}&"))) {
                    true => {
                        (400, "{\"code\":\"invalid\",\"message\":\"writing requires points\"}".to_owned())
                    }
                    false => (404, "{\"code\":\"not found\",\"message\":\"bucket not found\"}".to_owned()),
                }
            }
            "POST /query" => (200, "{\"results\":[{\"statement_id\":0}]}".to_owned()),
            _ => (404, String::new()),
        }
    });
    let dir = tempfile::tempdir().expect("a directory");
    let config = format!("url = \"{}\"\norg = \"o\"\nbucket = \"t_{{city}}\"\ntoken = \"x\"", server.url());
    let before = run(dir.path(), &config, &["check", "--connect"]);
    assert_eq!(before.code, Some(1), "{}", before.all);
    for bucket in ["t_malang", "t_pasuruan"] {
        assert_eq!(before.about(&format!(": write of \"{bucket}\""))[0].0, "wrong", "{}", before.all);
    }
    let file = dir.path().join("writer");
    let target = file.to_str().expect("text");
    let told = run(dir.path(), &config, &["database", "setup", "--write-token-to", target]);
    assert_eq!(told.code, Some(0), "{}", told.all);
    assert_eq!(std::fs::read_to_string(&file).expect("the token"), "made\n");
    let seen = server.seen();
    let tokens: Vec<_> =
        seen.iter().filter(|request| request.line == "POST /api/v2/authorizations").collect();
    let [token] = tokens[..] else { panic!("one token: {tokens:?}") };
    let body: Value = serde_json::from_str(&token.body).expect("JSON");
    let ids: Vec<_> =
        body["permissions"].as_array().expect("a list").iter().map(|it| &it["resource"]["id"]).collect();
    assert_eq!(ids, ["id-t_malang", "id-t_pasuruan"]);
    let after = run(dir.path(), &config, &["check", "--connect"]);
    assert_eq!(after.code, Some(0), "{}", after.all);
    assert!(after.all.contains("2 of 2 take our writes"), "{}", after.all);
}

#[test]
fn a_template_that_no_place_gives_a_name_and_other_braces_are_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let bad = "url = \"http://127.0.0.1:1\"\norg = \"o\"\nbucket = \"t_{device}\"";
    let told = run(dir.path(), bad, &["check"]);
    assert_eq!(told.code, Some(2), "{}", told.all);
    assert!(told.all.contains("destinations[0].bucket") && told.all.contains("{district}"), "{}", told.all);

    let config = dir.path().join("alone.toml");
    let text = "time_zone = \"Asia/Jakarta\"\n[[destinations]]\nkind = \"influxdb\"\nversion = \"1\"\n\
                url = \"http://127.0.0.1:1\"\ndatabase = \"t_{city}\"\n";
    std::fs::write(&config, text).expect("the configuration");
    let mut command = Command::new(env!("CARGO_BIN_EXE_nadikota"));
    let output = command.args(["database", "setup", "--config"]).arg(&config).output().expect("nadikota");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && told.contains("register devices"), "{told}");
}
