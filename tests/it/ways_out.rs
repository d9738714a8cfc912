//! The ways out: InfluxDB 3 as scripted, buckets that follow from tags, and a token that is changed while we run.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::support::influxdb::InfluxDb;
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::scripted::{Request, Scripted};
use super::support::wait::poll_until;

const LIMIT: Duration = Duration::from_secs(30);
const DEVICES: &str = "id,city,district,site,latitude,longitude,profile,valid_from,time_zone,agency,datum_m\n\
                       a1,pasuruan,purworejo,s,,,,,,,\nb1,kota malang,lowokwaru,s,,,,,,,\n";

/// One route whose topic tells the city, and the given destination.
fn configuration(broker: &Mosquitto, dir: &Path, destination: &str) -> String {
    let devices = dir.join("devices.csv");
    std::fs::write(&devices, DEVICES).expect("the registry");
    format!(
        "time_zone = \"Asia/Jakarta\"\ndevices = \"{}\"\n[mqtt]\nurl = \"mqtt://{}\"\n[[destinations]]\n\
         kind = \"influxdb\"\ngzip = false\n{destination}\n[[routes]]\ntopic = \"in/{{city}}/{{device}}\"\n\
         format = \"value\"\nname = \"v\"\n",
        devices.display(),
        broker.address(),
    )
}

fn publish(broker: &Mosquitto, topic: &str, values: &[&str]) {
    for value in values {
        let sent = broker.client("mosquitto_pub").args(["-q", "1", "-t", topic, "-m", value]).status();
        assert!(sent.expect("mosquitto_pub").success());
    }
}

fn account(nadikota: &Nadikota) -> Value {
    nadikota.health().map(|health| health["account"].clone()).unwrap_or_default()
}

fn settled(nadikota: &Nadikota, count: u64) -> Value {
    poll_until(LIMIT, "every message has its outcome", || {
        let account = account(nadikota);
        (account["received"] == count && account["pending"] == 0).then_some(account)
    })
}

fn command(config: &Path, data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nadikota"));
    command.arg("--config").arg(config).env("NADIKOTA__DATA_DIR", data).env_remove("INFLUX_ADMIN_TOKEN");
    command
}

/// The quarantine's list once it holds so many messages; it shows what the cursor has passed.
fn quarantine(nadikota: &Nadikota, count: usize) -> String {
    poll_until(LIMIT, "the quarantine is written", || {
        let mut list = command(&nadikota.dir().join("nadikota.toml"), &nadikota.data_dir());
        let output = list.args(["quarantine", "list", "--json"]).output().expect("nadikota");
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        (text.lines().count() == count).then_some(text)
    })
}

/// A refused line: its number from 1, its text, and why.
type Bad<'a> = (usize, &'a str, String);
/// How a version answers a request of which it refused some lines.
type Shape = fn(&[Bad<'_>]) -> (u16, Value);

/// Answers as InfluxDB 3 does: a line of a value that `refuse` knows is refused with its reason, the rest is stored.
fn influxdb3(stored: &Arc<Mutex<Vec<String>>>, shape: Shape) -> Scripted {
    let stored = Arc::clone(stored);
    Scripted::start(move |request: &Request| {
        assert!(request.line.starts_with("POST /api/v2/write?bucket=city&precision=ns"), "{}", request.line);
        let mut refused = Vec::new();
        for (place, line) in request.body.lines().enumerate() {
            match why(line) {
                Some(why) => refused.push((place + 1, line, why)),
                None => stored.lock().expect("a list").push(line.to_owned()),
            }
        }
        if refused.is_empty() {
            return (204, String::new());
        }
        let (status, body) = shape(&refused);
        (status, body.to_string())
    })
}

fn why(line: &str) -> Option<String> {
    let why = [
        (
            "v=1001.0",
            "invalid column type for column 'v', expected iox::column_type::field::integer, got iox::column_type::field::float",
        ),
        ("v=1002.0", "Update to schema would exceed number of tables limit of 2000 tables"),
        ("v=1003.0", "Update to schema would exceed number of columns per table limit of 500 columns"),
    ];
    why.iter().find(|(mark, _)| line.contains(mark)).map(|(_, why)| (*why).to_owned())
}

#[test]
fn lines_that_influxdb_3_names_go_to_quarantine_and_the_rest_is_stored() {
    let partial = |refused: &[Bad<'_>]| {
        let data: Vec<_> = refused
            .iter()
            .map(|(number, line, why)| {
                // Later versions cut the line, so only its number says which one is meant.
                json!({ "error_message": why, "line_number": number, "original_line": line.get(..20) })
            })
            .collect();
        let limit = refused.iter().any(|(_, _, why)| why.starts_with("Update to schema"));
        let status = if limit { 422 } else { 400 };
        (status, json!({ "error": "partial write of line protocol occurred", "data": data }))
    };
    let whole = |refused: &[Bad<'_>]| {
        let (number, line, why) = &refused[0];
        let line = json!({ "original_line": line, "line_number": number, "error_message": why });
        (400, json!({ "error": "parsing failed for write_lp endpoint", "data": line }))
    };
    // What its endpoint for clients of 2 makes of a partial write.
    let nameless = |_: &[Bad<'_>]| {
        (500, json!({ "code": "internal error", "message": "partial write of line protocol occurred" }))
    };
    let shapes: [Shape; 3] = [partial, whole, nameless];
    for (shape, named) in shapes.into_iter().zip([true, true, false]) {
        let (broker, dir) = (Mosquitto::start(""), tempfile::tempdir().expect("a directory"));
        let stored = Arc::default();
        let server = influxdb3(&stored, shape);
        let destination = format!("version = \"3\"\nurl = \"{}\"\nbucket = \"city\"", server.url());
        let config = configuration(&broker, dir.path(), &destination);
        // All in one batch, so that good and bad lines share their request.
        let config = format!("{config}[batch]\nmax_age = \"2s\"\n");
        let nadikota = Nadikota::start_alone(&config);
        poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
        publish(&broker, "in/pasuruan/a1", &["1", "1001", "2", "1002", "3", "1003", "4"]);
        let account = settled(&nadikota, 7);
        assert_eq!((&account["stored"], &account["quarantined"]), (&json!(4), &json!(3)), "{account}");
        let list = quarantine(&nadikota, 3);
        assert_eq!(list.matches("refused_by_database").count(), 3, "{list}");
        for part in ["invalid column type", "number of tables", "number of columns"] {
            assert_eq!(list.contains(part), named, "{part}: {list}");
        }
        let mut values: Vec<_> = stored.lock().expect("a list").clone();
        values.sort();
        values.dedup();
        assert_eq!(values.len(), 4, "{values:?}");
        assert!(nadikota.ready());
    }
}

#[test]
fn a_login_that_is_refused_holds_and_a_changed_token_file_is_taken_without_a_restart() {
    let (broker, dir) = (Mosquitto::start(""), tempfile::tempdir().expect("a directory"));
    let refusal = Arc::new(AtomicU16::new(401));
    let status = Arc::clone(&refusal);
    let server = Scripted::start(move |request: &Request| match request.token.as_str() {
        "Token the-new-token" => (204, String::new()),
        _ => (
            status.load(Ordering::SeqCst),
            "{\"code\":\"unauthorized\",\"message\":\"unauthorized access\"}".to_owned(),
        ),
    });
    std::fs::write(dir.path().join("token"), "the-old-token\n").expect("the token");
    let destination = format!(
        "version = \"3\"\nurl = \"{}\"\nbucket = \"city\"\ntoken_file = \"{}\"",
        server.url(),
        dir.path().join("token").display()
    );
    let nadikota = Nadikota::start_alone(&configuration(&broker, dir.path(), &destination));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    publish(&broker, "in/pasuruan/a1", &["1", "2"]);
    let told = |status: &str| {
        poll_until(LIMIT, "the refusal is told", || {
            let part = nadikota.health()?["parts"]["destination default"].clone();
            (part["state"] == "degraded" && part["reason"].as_str()?.contains(status)).then_some(part)
        })
    };
    let part = told("401");
    assert!(part["what_to_do"].as_str().is_some_and(|text| text.contains("token")), "{part}");
    refusal.store(403, Ordering::SeqCst);
    told("403");
    assert_eq!((&account(&nadikota)["pending"], nadikota.ready()), (&json!(2), true));
    refusal.store(401, Ordering::SeqCst);
    std::fs::write(dir.path().join("token"), "the-new-token\n").expect("the token");
    let account = settled(&nadikota, 2);
    assert_eq!(account["stored"], 2, "{account}");
    poll_until(LIMIT, "the part is well again", || {
        (nadikota.health()?["parts"]["destination default"]["state"] == "ok").then_some(())
    });
    for secret in ["the-old-token", "the-new-token"] {
        assert!(!nadikota.output().contains(secret), "{}", nadikota.output());
    }
}

#[test]
fn a_bucket_that_is_missing_holds_only_its_own_points_and_a_strange_city_fills_no_database() {
    let (broker, dir) = (Mosquitto::start(""), tempfile::tempdir().expect("a directory"));
    let missing = Arc::new(AtomicU16::new(404));
    let (status, written) = (Arc::clone(&missing), Arc::<Mutex<Vec<String>>>::default());
    let noted = Arc::clone(&written);
    let server = Scripted::start(move |request: &Request| {
        let bucket = request.line.split("bucket=").nth(1).unwrap_or_default();
        let bucket = bucket.split('&').next().unwrap_or_default().to_owned();
        let status = status.load(Ordering::SeqCst);
        if bucket == "t_kota+malang" && status != 204 {
            return (status, "{\"code\":\"not found\",\"message\":\"bucket not found\"}".to_owned());
        }
        let mut noted = noted.lock().expect("a list");
        noted.extend(request.body.lines().map(|line| format!("{bucket} {line}")));
        (204, String::new())
    });
    let destination =
        format!("version = \"2\"\nurl = \"{}\"\norg = \"o\"\nbucket = \"t_{{city}}\"", server.url());
    let nadikota = Nadikota::start_alone(&configuration(&broker, dir.path(), &destination));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    publish(&broker, "in/kota malang/b1", &["1"]);
    poll_until(LIMIT, "the bucket is named", || {
        let part = nadikota.health()?["parts"]["destination default"].clone();
        part["reason"].as_str()?.contains("\"t_kota malang\": status 404").then_some(())
    });
    publish(&broker, "in/evil/x", &["7"]);
    publish(&broker, "in/pasuruan/a1", &["2", "3"]);
    let lines = || written.lock().expect("a list").clone();
    poll_until(LIMIT, "the other bucket has its points", || (lines().len() == 2).then_some(()));
    assert!(lines().iter().all(|line| line.starts_with("t_pasuruan ")), "{:?}", lines());
    assert!(nadikota.ready());
    // The position waits for the oldest message, so the account moves when the bucket is made.
    missing.store(204, Ordering::SeqCst);
    let account = settled(&nadikota, 4);
    assert_eq!((&account["stored"], &account["quarantined"]), (&json!(3), &json!(1)), "{account}");
    let list = quarantine(&nadikota, 1);
    assert!(list.contains("no_bucket") && list.contains("t_evil"), "{list}");
    assert_eq!(lines().iter().filter(|line| line.starts_with("t_kota+malang ")).count(), 1);
    let requests = server.seen();
    assert!(requests.iter().all(|request| !request.line.contains("evil")), "{requests:?}");
}

#[test]
fn each_city_has_its_database_in_a_real_influxdb_that_set_up_made() {
    let (broker, database) = (Mosquitto::start(""), InfluxDb::start());
    let dir = tempfile::tempdir().expect("a directory");
    let destination = format!("version = \"1\"\nurl = \"{}\"\ndatabase = \"db {{city}}\"", database.url());
    let config = configuration(&broker, dir.path(), &destination);
    let file = dir.path().join("nadikota.toml");
    std::fs::write(&file, &config).expect("the configuration");
    let run = |arguments: &[&str]| {
        let output = command(&file, &dir.path().join("data")).args(arguments).output().expect("nadikota");
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    let (code, before) = run(&["check", "--connect"]);
    assert_eq!(code, Some(1), "{before}");
    for part in ["write of \"db kota malang\"", "write of \"db pasuruan\"", "database setup"] {
        assert!(before.contains(part), "{part}: {before}");
    }
    let (code, made) = run(&["database", "setup", "--retention", "100d"]);
    assert!(code == Some(0) && made.contains("\"db kota malang\" created"), "{made}");
    let (code, after) = run(&["check", "--connect"]);
    assert_eq!(code, Some(0), "{after}");
    assert!(after.contains("2 of 2 take our writes") && after.contains("no_bucket"), "{after}");
    assert!(after.contains("tested with 1.6.7"), "{after}");

    let nadikota = Nadikota::start_alone(&config);
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    publish(&broker, "in/kota malang/b1", &["1", "2"]);
    publish(&broker, "in/pasuruan/a1", &["3"]);
    settled(&nadikota, 3);
    for (name, count) in [("db kota malang", 2), ("db pasuruan", 1), ("city", 0)] {
        let rows = database.query(&format!("SELECT v FROM \"{name}\"..sensor"));
        assert_eq!(rows.len(), count, "{name}: {rows:?}");
    }
}
