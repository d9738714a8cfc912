//! History again on the real program: a mended profile over kept messages, compared first, interrupted, run again.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use nadikota::sink::embedded::{Reader, Value as Stored};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::support::city;
use super::support::influxdb::{DATABASE, InfluxDb};
use super::support::nadikota::Nadikota;
use super::support::publish::publish;
use super::support::wait::{free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(120);
/// More than one piece of work.
const COUNT: u64 = 2500;

fn command(nadikota: &Nadikota, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nadikota"));
    command.arg("--config").arg(nadikota.dir().join("nadikota.toml"));
    command.args(["reprocess", "--from", "1h", "--to", "0s", "--json"]).args(arguments);
    command.env("NADIKOTA__DATA_DIR", nadikota.data_dir());
    command
}

fn ask(nadikota: &Nadikota, arguments: &[&str]) -> Value {
    let output = command(nadikota, arguments).output().expect("nadikota");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"))
}

fn profile(nadikota: &Nadikota, unit: &str) {
    let folder = nadikota.dir().join("profiles");
    std::fs::create_dir_all(&folder).expect("a folder");
    let text = format!(
        "[profiles.generic.names]\n[profiles.gauge]\nmeasurement = \"water_level\"\n[profiles.gauge.names]\n\
         lvl = {{ quantity = \"water_level_m\", unit = \"{unit}\" }}\n"
    );
    std::fs::write(folder.join("gauge.toml"), text).expect("a profile");
}

fn configure(nadikota: &Nadikota, head: &str, route: &str) {
    let text = format!(
        "{head}[[routes]]\ntopic = \"gauge/{{device}}/data\"\nformat = \"json\"\nprofile = \"gauge\"\n{route}"
    );
    std::fs::write(nadikota.dir().join("nadikota.toml"), text).expect("the configuration");
}

/// Mends a profile and a place over what was stored; `levels` reads `water_level_m` by time, of the first series.
fn check(destination: &str, levels: impl Fn(&Nadikota) -> BTreeMap<i64, f64>) {
    let [broker] = free_addresses();
    let head = |folder: &str| {
        format!(
            "time_zone = \"Asia/Jakarta\"\nprofiles = \"{folder}\"\nreload_every = \"0s\"\n[mqtt]\nenabled = false\n\
             [broker]\nlisten = \"{broker}\"\n[[destinations]]\n{destination}"
        )
    };
    // The directory is the harness's, so the service starts with the shipped profiles and then gets its own.
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/config/profiles");
    let mut nadikota = Nadikota::start_alone(&head(shipped));
    profile(&nadikota, "cm");
    let head = head("profiles");
    configure(&nadikota, &head, "");
    nadikota.restart();
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let mut messages: Vec<_> = (0..COUNT)
        .map(|level| (format!("gauge/g{}/data", level % 3), format!("{{\"lvl\":{}}}", level % 500)))
        .collect();
    messages.extend((0..10).map(|_| ("nobody/knows".to_owned(), "{\"lvl\":1}".to_owned())));
    publish(broker, "devices", &messages);
    let account = city::settled(&nadikota, COUNT + 10, LIMIT);
    assert_eq!((&account["stored"], &account["quarantined"]), (&COUNT.into(), &10.into()), "{account}");
    let first = levels(&nadikota);
    assert_eq!(first.len(), usize::try_from(COUNT).expect("a size"));

    // The cursor, which says up to where messages are settled, is written a moment later.
    let told = poll_until(LIMIT, "all messages are settled on disk", || {
        let told = ask(&nadikota, &["--dry-run", "--share", "100"]);
        (told["messages"] == COUNT + 10).then_some(told)
    });
    assert_eq!((&told["in_quarantine"], &told["compared"]["same"]), (&10.into(), &COUNT.into()), "{told}");

    profile(&nadikota, "mm");
    let told = ask(&nadikota, &["--dry-run", "--share", "100"]);
    // Zero is zero on any scale.
    let zeros = COUNT / 500;
    assert_eq!(
        (&told["compared"]["same"], &told["compared"]["changed"]),
        (&zeros.into(), &(COUNT - zeros).into())
    );
    let one = ask(&nadikota, &["--dry-run", "--share", "100", "--device", "g1"]);
    assert_eq!(one["messages"].as_u64(), Some((0..COUNT).filter(|level| level % 3 == 1).count() as u64));
    assert_eq!(levels(&nadikota), first, "a dry run changes nothing");

    // Resting nearly all of the time it is caught half-way.
    let child = command(&nadikota, &["--share", "1"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let child = child.expect("nadikota");
    poll_until(LIMIT, "some are written anew", || (levels(&nadikota) != first).then_some(()));
    kill_process(Pid::from_child(&child), Signal::INT).expect("SIGINT to our own child");
    let output = child.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(1));
    let half = levels(&nadikota);
    let mended: BTreeMap<_, _> = first.iter().map(|(time, level)| (*time, level / 10.0)).collect();
    let near = |one: &BTreeMap<i64, f64>| {
        one.len() == mended.len()
            && one.iter().zip(&mended).all(|(a, b)| a.0 == b.0 && (a.1 - b.1).abs() < 1e-9)
    };
    assert!(!near(&half), "it was not caught half-way");
    let told = ask(&nadikota, &["--share", "100"]);
    assert_eq!((&told["stored"], &told["refused"]), (&COUNT.into(), &serde_json::json!({})), "{told}");
    assert!(near(&levels(&nadikota)), "times stay, values are mended");
    assert_eq!(city::account(&nadikota), Some(account), "those messages have their outcome");

    configure(&nadikota, &head, "city = \"pasuruan\"\n");
    let told = ask(&nadikota, &["--dry-run", "--share", "100"]);
    assert_eq!(told["compared"]["in_other_series"], COUNT, "{told}");
    let series = told["compared"]["series"].as_object().expect("series");
    assert_eq!(series.len(), 3, "{told}");
    assert!(
        series.iter().all(|(old, new)| !old.contains("pasuruan")
            && new[0].as_str().is_some_and(|new| new.contains("city=pasuruan"))),
        "{told}"
    );
}

#[test]
fn a_mended_profile_is_applied_to_yesterday_in_the_embedded_store() {
    check("kind = \"embedded\"\n", |nadikota| {
        let mut levels = BTreeMap::new();
        let store = Reader::open(&nadikota.data_dir()).expect("the store");
        store
            .each(|row| {
                if let ("water_level_m", Stored::Number(level)) = (row.field.as_str(), row.value) {
                    levels.insert(row.time, level);
                }
            })
            .expect("the store");
        levels
    });
}

#[test]
fn a_mended_profile_is_applied_to_yesterday_in_influxdb() {
    let database = InfluxDb::start();
    let destination = format!("version = \"1\"\nurl = \"{}\"\ndatabase = \"{DATABASE}\"\n", database.url());
    check(&destination, |_| {
        let rows = database.query("SELECT water_level_m FROM water_level");
        let level = |row: &super::support::influxdb::Row| {
            Some((row["time"].as_i64()?, row["water_level_m"].as_f64()?))
        };
        rows.iter().filter_map(level).collect()
    });
}
