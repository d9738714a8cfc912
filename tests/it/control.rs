//! The control plane as an operator meets it: set-up, `check --connect`, and clear words where something is wrong.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::support::influxdb::InfluxDb;
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::scripted::{Request, Scripted};
use super::support::victoria_metrics::VictoriaMetrics;
use super::support::wait::{free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(60);
pub const ADMIN: &str = "the-admins-own-token";
pub const WRITER: &str = "the-new-writers-token";

/// A finished command with a configuration over the shipped one.
struct Told {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Told {
    fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The only finding that is not ok and begins like this.
    fn finding(&self, about: &str) -> Value {
        let told: Value = serde_json::from_str(&self.stdout).expect("one JSON object");
        let list = told["findings"].as_array().expect("findings").clone();
        let found = list.into_iter().find(|finding| {
            finding["about"].as_str().is_some_and(|text| text.starts_with(about)) && finding["grade"] != "ok"
        });
        found.unwrap_or_else(|| panic!("nothing of {about}: {}", self.stdout))
    }
}

fn command(dir: &Path, config: &str, arguments: &[&str]) -> Command {
    std::fs::write(dir.join("test.toml"), config).expect("the configuration");
    let mut command = Command::new(env!("CARGO_BIN_EXE_nadikota"));
    command
        .args(["--config", concat!(env!("CARGO_MANIFEST_DIR"), "/config/nadikota.toml")])
        .arg("--config")
        .arg(dir.join("test.toml"))
        .args(arguments)
        .env("NADIKOTA__DATA_DIR", dir.join("data"))
        .env("NADIKOTA__HTTP__LISTEN", "127.0.0.1:0")
        .env_remove("INFLUX_ADMIN_TOKEN");
    command
}

fn finish(command: &mut Command) -> Told {
    let Output { status, stdout, stderr } = command.output().expect("nadikota");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Told { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

fn run(config: &str, arguments: &[&str]) -> Told {
    let dir = tempfile::tempdir().expect("a directory");
    finish(&mut command(dir.path(), config, arguments))
}

fn v1(url: &str, database: &str) -> String {
    format!(
        "[[destinations]]\nkind = \"influxdb\"\nversion = \"1\"\nurl = \"{url}\"\ndatabase = \"{database}\"\n"
    )
}

fn v2(url: &str) -> String {
    format!(
        "[[destinations]]\nkind = \"influxdb\"\nurl = \"{url}\"\norg = \"city\"\nbucket = \"telemetry\"\n\
         token = \"{WRITER}\"\n"
    )
}

fn mqtt(address: impl std::fmt::Display) -> String {
    format!("[mqtt]\nurl = \"mqtt://{address}\"\n")
}

/// An InfluxDB 2 that knows one admin; `bucket` says whether the bucket is there, and how long it keeps.
pub fn influxdb2(bucket: Option<u64>) -> Scripted {
    let there = std::sync::Mutex::new(bucket);
    let not_found =
        |what: &str| (404, format!("{{\"code\":\"not found\",\"message\":\"{what} not found\"}}"));
    Scripted::start(move |request: &Request| {
        let mut there = there.lock().expect("one request at a time");
        let path = request.line.as_str();
        let admin = request.token == format!("Token {ADMIN}");
        if path.starts_with("GET /ping") || path.starts_with("GET /ready") {
            return if path.contains("ping") { (204, String::new()) } else { (200, "{}".to_owned()) };
        }
        if !admin && request.token != format!("Token {WRITER}") {
            return (401, "{\"code\":\"unauthorized\",\"message\":\"unauthorized access\"}".to_owned());
        }
        match path {
            "POST /api/v2/orgs" => (201, "{\"id\":\"0a\",\"name\":\"city\"}".to_owned()),
            "POST /api/v2/buckets" => {
                *there = Some(0);
                (201, "{}".to_owned())
            }
            "POST /api/v2/authorizations" => {
                (201, format!("{{\"orgID\":\"0a\",\"permissions\":[],\"token\":\"{WRITER}\"}}"))
            }
            _ if path.starts_with("GET /api/v2/orgs") => not_found("organization"),
            _ if path.starts_with("GET /api/v2/buckets") => match *there {
                None => not_found("bucket"),
                Some(seconds) => {
                    let rule = format!("{{\"type\":\"expire\",\"everySeconds\":{seconds}}}");
                    (
                        200,
                        format!(
                            "{{\"buckets\":[{{\"id\":\"0b\",\"name\":\"telemetry\",\"retentionRules\":[{rule}]}}]}}"
                        ),
                    )
                }
            },
            _ if path.starts_with("POST /api/v2/write") => match *there {
                None => not_found("bucket"),
                Some(_) => (400, "{\"code\":\"invalid\",\"message\":\"writing requires points\"}".to_owned()),
            },
            _ => (403, "{\"code\":\"forbidden\",\"message\":\"insufficient permissions\"}".to_owned()),
        }
    })
}

#[test]
fn set_up_of_influxdb_2_creates_what_is_missing_and_a_token_that_may_only_write() {
    let server = influxdb2(None);
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("writer-token");
    let target = file.to_str().expect("text");
    let arguments = ["database", "setup", "--retention", "365d", "--write-token-to", target];
    let told = finish(command(dir.path(), &v2(&server.url()), &arguments).env("INFLUX_ADMIN_TOKEN", ADMIN));
    assert_eq!(told.code, Some(0), "{}", told.all());
    assert_eq!(std::fs::read_to_string(&file).expect("the token"), format!("{WRITER}\n"));
    assert_eq!(std::fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o600);
    assert!(!told.all().contains(ADMIN) && !told.all().contains(WRITER), "{}", told.all());
    let seen = server.seen();
    let body = |line: &str| {
        let found = seen.iter().find(|request| request.line == line);
        serde_json::from_str::<Value>(&found.unwrap_or_else(|| panic!("no {line}: {seen:?}")).body)
            .expect("JSON")
    };
    assert_eq!(body("POST /api/v2/orgs")["name"], "city");
    assert_eq!(body("POST /api/v2/buckets")["retentionRules"][0]["everySeconds"], 365 * 86_400);
    let permissions = body("POST /api/v2/authorizations")["permissions"].clone();
    let resource = serde_json::json!({ "type": "buckets", "id": "0b", "orgID": "0a" });
    assert_eq!(permissions, serde_json::json!([{ "action": "write", "resource": resource }]));
}

#[test]
fn set_up_that_fails_leaves_no_token_file_and_says_why() {
    let server = influxdb2(None);
    let dir = tempfile::tempdir().expect("a directory");
    let (file, admin) = (dir.path().join("writer-token"), dir.path().join("admin"));
    let target = file.to_str().expect("text");
    let setup = |config: &str, token: &str| {
        std::fs::write(&admin, token).expect("the admin's token");
        let path = admin.to_str().expect("text");
        let arguments = ["database", "setup", "--token-file", path, "--write-token-to", target];
        let told = finish(&mut command(dir.path(), config, &arguments));
        assert_eq!(told.code, Some(1), "{}", told.all());
        told.stderr
    };
    let [nobody] = free_addresses();
    for (url, token, expected) in [
        (server.url(), "not-the-admin", "unauthorized"),
        (format!("http://{nobody}"), ADMIN, "refused"),
        ("https://influx.example".to_owned(), ADMIN, "plain HTTP"),
        (format!("{}/behind/proxy", server.url()), ADMIN, "plain HTTP"),
        (server.url(), "", "admin's token is needed"),
    ] {
        let stderr = setup(&v2(&url), token);
        assert!(stderr.contains(expected), "{url}: {stderr}");
        assert!(token.is_empty() || !stderr.contains(token), "{stderr}");
        assert!(!file.exists());
    }
    // One that is there is somebody's: it is neither overwritten nor removed.
    std::fs::write(&file, "mine").expect("a file");
    assert!(setup(&v2(&server.url()), ADMIN).contains("cannot make"));
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), "mine");
    let told = run(&v2(&server.url()), &["database", "setup"]);
    assert_eq!(told.code, Some(2));
    assert!(told.stderr.contains("--write-token-to"), "{}", told.stderr);
}

#[test]
fn set_up_of_influxdb_1_creates_the_database_once_and_check_finds_its_retention() {
    let (database, broker) = (InfluxDb::start(), Mosquitto::start(""));
    let config = format!("{}{}", mqtt(broker.address()), v1(&database.url(), "pulse\\\" kota"));
    let before = run(&config, &["check", "--connect", "--json"]);
    assert_eq!(before.code, Some(1), "{}", before.all());
    let missing = before.finding("destination default: write");
    assert!(missing["what_to_do"].as_str().expect("text").contains("database setup"), "{missing}");
    for expected in ["created", "already"] {
        let told = run(&config, &["database", "setup", "--retention", "100d"]);
        assert_eq!(told.code, Some(0), "{}", told.all());
        assert!(told.stdout.contains(expected) && told.stdout.contains("users"), "{}", told.stdout);
    }
    let after = run(&config, &["check", "--connect"]);
    assert_eq!(after.code, Some(0), "{}", after.all());
    assert!(after.stdout.contains("InfluxDB 1.6.7") && after.stdout.contains("kept"), "{}", after.stdout);
    let short = format!("{config}[time]\nmax_backfill = \"200d\"\n");
    let warned = run(&short, &["check", "--connect", "--json"]);
    assert_eq!(warned.code, Some(0), "{}", warned.all());
    assert_eq!(warned.finding("destination default: retention")["grade"], "warning");
    assert_eq!(run(&config, &["database", "setup", "--retention", "1h"]).code, Some(2));
}

#[test]
fn check_names_the_field_that_is_there_as_another_type() {
    let (database, broker) = (InfluxDb::start(), Mosquitto::start(""));
    let config = format!("{}{}", mqtt(broker.address()), v1(&database.url(), "city"));
    assert_eq!(database.write("water_level water_level_m=3i,foreign=1i\nweather delay_s=2\n").status, 204);
    let told = run(&config, &["check", "--connect", "--json"]);
    assert_eq!(told.code, Some(0), "{}", told.all());
    let text = told.finding("destination default: field types")["text"].to_string();
    for part in ["water_level: water_level_m", "integer", "float"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!told.stdout.contains("foreign"), "{}", told.stdout);
    // Trap of Mosquitto's defaults, told although it cannot be seen.
    assert!(told.finding("mosquitto")["what_to_do"].to_string().contains("max_queued_messages"));
}

#[test]
fn check_names_the_types_that_kept_names_do_not_fit() {
    let (database, broker) = (InfluxDb::start(), Mosquitto::start(""));
    assert_eq!(database.write("cpu slot=3i,count=1i,load=2\ndisk slot=\"a\"\n").status, 204);
    let route = |measurement: &str| {
        format!(
            "{}{}[[routes]]\ntopic = \"t/{{kind}}\"\nformat = \"json\"\nnames = \"as_sent\"\n\
             measurement = \"{measurement}\"\ntypes = {{ slot = \"integer\" }}\n",
            mqtt(broker.address()),
            v1(&database.url(), "city")
        )
    };
    let constant = run(&route("cpu"), &["check", "--connect"]);
    assert!(constant.stdout.contains("cpu: count is there as integer"), "{}", constant.stdout);
    assert!(
        !constant.stdout.contains("cpu: slot") && !constant.stdout.contains("disk"),
        "{}",
        constant.stdout
    );
    let told_by_topic = run(&route("{kind}"), &["check", "--connect"]);
    assert!(told_by_topic.stdout.contains("disk: slot is there as string"), "{}", told_by_topic.stdout);
}

#[test]
fn check_tells_what_is_wrong_with_an_influxdb_2() {
    let broker = Mosquitto::start("");
    let check = |database: &str| {
        run(&format!("{}{database}", mqtt(broker.address())), &["check", "--connect", "--json"])
    };
    let good = check(&v2(&influxdb2(Some(0)).url()));
    assert_eq!(good.code, Some(0), "{}", good.all());
    assert!(good.stdout.contains("2.7.11") && good.stdout.contains("for ever"), "{}", good.stdout);
    let short = check(&v2(&influxdb2(Some(3600)).url()));
    assert!(short.finding("destination default: retention")["text"].to_string().contains("1h"));
    let missing = check(&v2(&influxdb2(None).url()));
    assert_eq!(missing.code, Some(1));
    assert!(missing.finding("destination default: write").to_string().contains("database setup"));
    let refused = check(&v2(&influxdb2(Some(0)).url()).replace(WRITER, "an-old-token"));
    assert_eq!(refused.code, Some(1));
    assert!(refused.finding("destination default: write").to_string().contains("401"));
    assert!(!refused.all().contains("an-old-token"));
    let [nobody] = free_addresses();
    let nothing = check(&v2(&format!("http://{nobody}")));
    assert_eq!(nothing.code, Some(1));
    assert!(nothing.finding("destination default: server").to_string().contains(&nobody.to_string()));
    let older = check(&v2(&InfluxDb::start().url()));
    assert_eq!(older.code, Some(1));
    assert!(older.finding("destination default: server").to_string().contains("knows no buckets"));
    let victoria = check(&v2(&VictoriaMetrics::start().url()));
    assert_eq!(victoria.code, Some(0), "{}", victoria.all());
    assert!(victoria.finding("destination default: server").to_string().contains("VictoriaMetrics"));
}

/// A broker whose security plug-in lets clients in and refuses every subscription: its ACL files cannot do that.
fn refusing_broker() -> (Mosquitto, TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let plugin = ["x86_64", "aarch64"]
        .map(|cpu| format!("/usr/lib/{cpu}-linux-gnu/mosquitto_dynamic_security.so"))
        .into_iter()
        .find(|path| Path::new(path).exists())
        .expect("Mosquitto's plug-in");
    let rules = dir.path().join("rules.json");
    let text = r#"{"defaultACLAccess":{"publishClientSend":true,"publishClientReceive":true,"subscribe":false,
        "unsubscribe":true},"clients":[],"groups":[{"groupname":"all","roles":[]}],"roles":[],"anonymousGroup":"all"}"#;
    std::fs::write(&rules, text).expect("the rules");
    let extra = format!("plugin {plugin}\nplugin_opt_config_file {}", rules.display());
    (Mosquitto::start(&extra), dir)
}

#[test]
fn check_names_each_filter_that_the_broker_refuses_and_a_broker_that_is_not_there() {
    let (broker, _rules) = refusing_broker();
    let embedded = "[[destinations]]\nkind = \"embedded\"\n";
    for version in ["5", "3.1.1"] {
        let config = format!("{}version = \"{version}\"\n{embedded}", mqtt(broker.address()));
        let told = run(&config, &["check", "--connect", "--json"]);
        assert_eq!(told.code, Some(1), "{}", told.all());
        assert!(told.finding("filter").to_string().contains("city/"), "{}", told.stdout);
    }
    let [nobody] = free_addresses();
    let told = run(&format!("{}{embedded}", mqtt(nobody)), &["check", "--connect", "--json"]);
    assert_eq!(told.code, Some(1));
    assert!(told.finding("broker").to_string().contains(&nobody.to_string()), "{}", told.stdout);
    let strict = Mosquitto::start("allow_anonymous false");
    let told = run(&format!("{}{embedded}", mqtt(strict.address())), &["check", "--connect", "--json"]);
    assert_eq!(told.code, Some(1));
    assert!(told.finding("broker").to_string().contains("password"), "{}", told.stdout);
}

#[test]
fn servers_that_take_the_connection_and_never_answer_hold_check_for_seconds_only() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("an address");
    let begin = std::time::Instant::now();
    let config = format!("{}{}", mqtt(address), v2(&format!("http://{address}")));
    let told = run(&config, &["check", "--connect", "--json"]);
    assert_eq!(told.code, Some(1), "{}", told.all());
    for about in ["broker", "destination default: server"] {
        assert!(told.finding(about).to_string().contains("no answer"), "{}", told.stdout);
    }
    assert!(begin.elapsed() < Duration::from_secs(25), "{:?}", begin.elapsed());
}

#[test]
fn five_mistakes_are_explained_in_one_go() {
    let config = "time_zone = \"Asia/Jakrta\"\n[journal]\nmax_sise = \"1 GiB\"\nkeep_for = \"soon\"\n\
                  [mqtt]\nurl = \"http://broker\"\nversion = \"4\"\n";
    let told = run(config, &["check", "--connect"]);
    assert_eq!(told.code, Some(2));
    for part in [
        "Asia/Jakrta",
        "did you mean \"max_size\"",
        "keep_for",
        "mqtt://",
        "3.1.1",
        "5 mistakes",
        "test.toml",
    ] {
        assert!(told.stdout.contains(part), "{part}: {}", told.stdout);
    }
}

#[test]
fn a_second_process_and_a_port_in_use_are_named() {
    let embedded = "[[destinations]]\nkind = \"embedded\"\n";
    let broker = Mosquitto::start("");
    let config = format!("{}{embedded}", mqtt(broker.address()));
    let first = Nadikota::start(&config);
    let dir = tempfile::tempdir().expect("a directory");
    let mut second = command(dir.path(), &config, &["run"]);
    let told = finish(second.env("NADIKOTA__DATA_DIR", first.data_dir()));
    assert_eq!(told.code, Some(1), "{}", told.all());
    assert!(told.stderr.contains(&format!("pid {}", first.id())), "{}", told.stderr);
    let mut third = command(dir.path(), &config, &["run"]);
    let told = finish(third.env("NADIKOTA__HTTP__LISTEN", first.http().to_string()));
    assert_eq!(told.code, Some(1), "{}", told.all());
    assert!(told.stderr.contains(&first.http().to_string()), "{}", told.stderr);
}

#[test]
fn a_broker_that_is_not_there_is_not_ready_with_its_reason() {
    let [nobody] = free_addresses();
    let nadikota = Nadikota::start(&format!("{}[[destinations]]\nkind = \"embedded\"\n", mqtt(nobody)));
    let reason = poll_until(LIMIT, "the reason is told", || {
        let health = nadikota.health()?.to_string();
        health.contains("refused").then_some(health)
    });
    assert!(!nadikota.ready(), "{reason}");
}

#[test]
fn a_database_that_refuses_the_token_degrades_and_leaves_ready_alone() {
    let broker = Mosquitto::start("");
    let database = influxdb2(Some(0));
    let refused = v2(&database.url()).replace(WRITER, "an-old-token");
    let nadikota = Nadikota::start(&format!("{}{refused}", mqtt(broker.address())));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let publish = || {
        let topic = "city/pasuruan/bugul_kidul/LAEQ-1/laeq";
        let sent = broker.client("mosquitto_pub").args(["-q", "1", "-t", topic, "-m", "55"]).status();
        assert!(sent.expect("mosquitto_pub").success());
    };
    publish();
    let health = poll_until(LIMIT, "the reason is told", || {
        let health = nadikota.health()?;
        let reason = health["parts"]["destination default"]["reason"].as_str()?.to_owned();
        reason.contains("401").then_some(health)
    });
    publish();
    poll_until(LIMIT, "both are received and pending", || {
        let account = nadikota.health()?["account"].clone();
        (account["received"] == 2 && account["pending"] == 2).then_some(())
    });
    assert!(nadikota.ready(), "{health}");
    assert!(
        health.to_string().contains("degraded") && health.to_string().contains("check the token"),
        "{health}"
    );
    assert!(!health.to_string().contains("an-old-token") && !nadikota.output().contains("an-old-token"));
}
