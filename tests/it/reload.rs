//! Reload: routes, registry and profiles change under load, with bad files among them, and nothing is lost or invented.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nadikota::simulate::Log;
use nadikota::simulate::publisher::Plan;

use super::support::city;
use super::support::influxdb::InfluxDb;
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::publish::publish;
use super::support::scale::scaled;
use super::support::wait::poll_until;

const LIMIT: Duration = Duration::from_secs(60);
const IN_FORCE: &str = "the new configuration is in force";
const REFUSED: &str = "the changed configuration is not taken";

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)
}

fn told(nadikota: &Nadikota, what: &str) -> usize {
    nadikota.output().matches(what).count()
}

/// Asks for a reload and waits until it is taken or refused.
fn reload(nadikota: &Nadikota, what: &str) {
    let before = told(nadikota, what);
    nadikota.hangup();
    poll_until(LIMIT, what, || (told(nadikota, what) > before).then_some(()));
}

#[test]
fn a_hundred_reloads_under_load_lose_nothing_and_invent_nothing() {
    let (broker, database) = (Mosquitto::start(""), InfluxDb::start());
    let dir = tempfile::tempdir().expect("a directory");
    let (devices, profiles) = (dir.path().join("devices.csv"), dir.path().join("profiles"));
    let registry = std::fs::read_to_string(shipped("devices.csv")).expect("the registry");
    std::fs::create_dir(&profiles).expect("a folder");
    // Those of the city's devices.
    for name in ["pasuruan.toml", "lorawan.toml", "sensor_community.toml"] {
        std::fs::copy(shipped("profiles").join(name), profiles.join(name)).expect("the profiles");
    }
    std::fs::write(&devices, &registry).expect("the registry");
    let configuration = |routes: &str| {
        format!(
            "devices = \"{}\"\nprofiles = \"{}\"\nreload_every = \"0s\"\n[log]\nrepeat_after = \"0s\"\n[batch]\nmax_age = \"20ms\"\n\
             [mqtt]\nurl = \"mqtt://{}\"\n[[destinations]]\nkind = \"influxdb\"\nversion = \"1\"\n\
             url = \"{}\"\ndatabase = \"city\"\n{routes}",
            devices.display(),
            profiles.display(),
            broker.address(),
            database.url(),
        )
    };
    let routes = super::support::nadikota::shipped_routes();
    let mut nadikota = Nadikota::start(&configuration(&routes));
    let file = nadikota.dir().join("nadikota.toml");
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));

    let rounds = scaled(25, 100);
    let (address, enough) = (broker.address(), Arc::new(AtomicBool::new(false)));
    let ended = Arc::clone(&enough);
    let publishing = std::thread::spawn(move || {
        let (mut city, mut log, mut count) = (city::city(31), Log::default(), 0);
        let plan = Plan { rate: Some(2000), count: Some(1000), window: 200, patience: LIMIT };
        while !ended.load(Ordering::Relaxed) {
            city::publish(&mut city, &mut log, address, plan);
            count += 1000;
        }
        (log, count)
    });
    poll_until(LIMIT, "messages come in", || (city::received(&nadikota) > 0).then_some(()));
    let other = "[[routes]]\ntopic = \"other/{device}/#\"\nformat = \"json\"\n";
    for round in 0..rounds {
        match round % 5 {
            0 => std::fs::write(&file, configuration(&format!("{routes}{other}"))),
            1 => std::fs::write(&devices, format!("{registry}NEW-{round},pasuruan,X,new,,,,,,,\n")),
            2 => std::fs::write(profiles.join("other.toml"), "[profiles.other.names]\nx = \"rain_mm\"\n"),
            3 => std::fs::write(&file, configuration(&routes)),
            // Neither a broken table nor broken TOML changes anything, and the next round mends it.
            _ if round % 2 == 0 => std::fs::write(&devices, "id,city\n,,,\n"),
            _ => std::fs::write(&file, "routes = [[["),
        }
        .expect("a file");
        if round % 5 == 4 {
            reload(&nadikota, REFUSED);
            let health = nadikota.health().expect("health");
            assert_eq!(health["parts"]["configuration"]["state"], "degraded", "{health}");
            assert!(nadikota.ready(), "the former configuration stays in force");
            std::fs::write(&devices, &registry).expect("the registry");
            std::fs::write(&file, configuration(&routes)).expect("the configuration");
        }
        reload(&nadikota, IN_FORCE);
    }
    let health = nadikota.health().expect("health");
    assert_eq!(health["parts"]["configuration"]["state"], "ok", "{health}");
    enough.store(true, Ordering::Relaxed);
    let (log, count) = publishing.join().expect("the publisher");
    let account = city::settled(&nadikota, count, LIMIT);
    assert_eq!(account["received"], count, "{account}");
    let verdict = city::judge(&log, &database, &nadikota);
    assert!(verdict.agrees(), "{verdict}\n{account}");
    assert!(nadikota.stop(LIMIT).success(), "{}", nadikota.output());
}

#[test]
fn an_edited_registry_begins_as_many_series_as_it_says() {
    let (broker, database) = (Mosquitto::start(""), InfluxDb::start());
    let dir = tempfile::tempdir().expect("a directory");
    let devices = dir.path().join("devices.csv");
    let rows = |edited: bool| {
        let mut text =
            "id,city,district,site,latitude,longitude,profile,valid_from,time_zone,agency,datum_m\n"
                .to_owned();
        for device in 0..10 {
            // Four move, one goes, two come; one gets another agency, which is no tag.
            let site = if edited && device < 4 { "new" } else { "old" };
            let agency = if edited && device == 5 { "DLH" } else { "" };
            if !(edited && device == 9) {
                text.push_str(&format!("d{device},pasuruan,X,{site},,,,,,{agency},\n"));
            }
        }
        if edited {
            text.push_str("d10,pasuruan,X,old,,,,,,,\nd11,pasuruan,X,old,,,,,,,\n");
        }
        text
    };
    std::fs::write(&devices, rows(false)).expect("the registry");
    let nadikota = Nadikota::start_alone(&format!(
        "time_zone = \"Asia/Jakarta\"\ndevices = \"{}\"\nreload_every = \"100ms\"\n[mqtt]\nurl = \"mqtt://{}\"\n\
         [[destinations]]\nkind = \"influxdb\"\nversion = \"1\"\nurl = \"{}\"\ndatabase = \"city\"\n\
         [[routes]]\ntopic = \"w/{{device}}\"\nformat = \"json\"\nmeasurement = \"weather\"\n",
        devices.display(),
        broker.address(),
        database.url(),
    ));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let messages: Vec<_> =
        (0..12).map(|device| (format!("w/d{device}"), r#"{"temperature":28}"#.to_owned())).collect();
    publish(broker.address(), "devices", &messages);
    city::settled(&nadikota, 12, LIMIT);
    let series = || database.query("SHOW SERIES").len();
    assert_eq!(series(), 12);
    // No signal: the file is watched.
    std::fs::write(&devices, rows(true)).expect("the registry");
    poll_until(LIMIT, "the edit is in force", || (told(&nadikota, IN_FORCE) > 0).then_some(()));
    assert!(nadikota.output().contains("new_series=7"), "{}", nadikota.output());
    publish(broker.address(), "devices", &messages);
    city::settled(&nadikota, 24, LIMIT);
    assert_eq!(series(), 12 + 7);
}

#[test]
fn a_reload_waits_for_a_database_that_is_away_and_other_keys_for_the_next_start() {
    let (broker, mut database) = (Mosquitto::start(""), InfluxDb::start());
    let configuration = |name: &str, level: &str| {
        format!(
            "time_zone = \"Asia/Jakarta\"\nreload_every = \"0s\"\n[log]\nlevel = \"{level}\"\n[mqtt]\nurl = \"mqtt://{}\"\n\
             [[destinations]]\nkind = \"influxdb\"\nversion = \"1\"\nurl = \"{}\"\ndatabase = \"city\"\n\
             [[routes]]\ntopic = \"w/{{device}}\"\nformat = \"json\"\nmeasurement = \"{name}\"\n",
            broker.address(),
            database.url(),
        )
    };
    let (before, after) = (configuration("before", "info"), configuration("after", "nadikota=info"));
    let nadikota = Nadikota::start_alone(&before);
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let messages: Vec<_> =
        (0..20).map(|number| (format!("w/d{number}"), r#"{"temperature":28}"#.to_owned())).collect();
    database.kill9();
    publish(broker.address(), "devices", &messages);
    poll_until(LIMIT, "the messages wait", || {
        city::account(&nadikota).filter(|account| account["pending"] == 20).map(|_| ())
    });
    std::fs::write(nadikota.dir().join("nadikota.toml"), after).expect("the configuration");
    nadikota.hangup();
    database.restart();
    poll_until(LIMIT, "the edit is in force", || (told(&nadikota, IN_FORCE) > 0).then_some(()));
    publish(broker.address(), "devices", &messages);
    city::settled(&nadikota, 40, LIMIT);
    for name in ["before", "after"] {
        let rows = database.query(&format!("SELECT * FROM \"{name}\""));
        assert_eq!(rows.len(), 20, "what was received before the edit is judged by what was in force then");
    }
    let health = nadikota.health().expect("health");
    let part = &health["parts"]["configuration"];
    assert_eq!(part["state"], "degraded", "{health}");
    assert!(part["reason"].as_str().is_some_and(|reason| reason.contains("log.level")), "{health}");
}

#[test]
fn a_codec_s_new_version_is_taken_while_it_runs_only_if_it_passes_its_vectors() {
    let (broker, database) = (Mosquitto::start(""), InfluxDb::start());
    let dir = tempfile::tempdir().expect("a directory");
    let (codecs, profiles) = (dir.path().join("codecs"), dir.path().join("profiles"));
    std::fs::create_dir(&codecs).expect("a folder");
    std::fs::create_dir(&profiles).expect("a folder");
    let profile = "[profiles.generic.names]\n[profiles.gauge]\ncodec = \"gauge.js\"\nnames = {}\n";
    std::fs::write(profiles.join("gauge.toml"), profile).expect("the profiles");
    let devices = dir.path().join("devices.csv");
    let columns = "id,city,district,site,latitude,longitude,profile,valid_from,time_zone,agency,datum_m\n";
    std::fs::write(&devices, columns).expect("the registry");
    let script = |level: &str| {
        let text = format!("function decodeUplink(i) {{ return {{ data: {{ level: {level} }} }}; }}\n");
        std::fs::write(codecs.join("gauge.js"), text).expect("the codec");
    };
    let vectors = |level: u32| {
        let text = format!(
            r#"[{{"input": {{"bytes": [5], "fPort": 1}}, "output": {{"data": {{"level": {level}}}}}}}]"#
        );
        std::fs::write(codecs.join("gauge.vectors.json"), text).expect("the vectors");
    };
    script("i.bytes[0]");
    vectors(5);
    let nadikota = Nadikota::start_alone(&format!(
        "time_zone = \"Asia/Jakarta\"\ndevices = \"{}\"\nprofiles = \"{}\"\ncodecs = \"{}\"\nreload_every = \"100ms\"\n\
         [log]\nrepeat_after = \"0s\"\n[mqtt]\nurl = \"mqtt://{}\"\n\
         [[destinations]]\nkind = \"influxdb\"\nversion = \"1\"\nurl = \"{}\"\ndatabase = \"city\"\n\
         [[routes]]\ntopic = \"bin/{{device}}\"\nformat = \"binary\"\nprofile = \"gauge\"\nmeasurement = \"gauge\"\n",
        devices.display(),
        profiles.display(),
        codecs.display(),
        broker.address(),
        database.url(),
    ));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let mut sent = 0;
    let mut level = |device: &str| {
        publish(broker.address(), "gauge", &[(format!("bin/{device}"), vec![7_u8])]);
        sent += 1;
        let account = city::settled(&nadikota, sent, LIMIT);
        assert_eq!(account["stored"], sent, "{account}");
        let rows = database.query(&format!("SELECT level FROM gauge WHERE device = '{device}'"));
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows[0]["level"].as_f64()
    };
    let refused = |what: &str| {
        let health = nadikota.health()?;
        let part = &health["parts"]["configuration"];
        let told = part["reason"].as_str().is_some_and(|reason| reason.contains(what));
        (part["state"] == "degraded" && told).then_some(())
    };
    let taken = |before: usize| {
        poll_until(LIMIT, "the new codec is in force", || (told(&nadikota, IN_FORCE) > before).then_some(()));
        let health = nadikota.health().expect("health");
        assert_eq!(health["parts"]["configuration"]["state"], "ok", "{health}");
    };
    assert_eq!(level("first"), Some(7.0));
    // It fails the vectors that are still those of the former version.
    script("i.bytes[0] * 2");
    poll_until(LIMIT, "the health tells of it", || refused("gauge.js: fails 1 of its 1 vectors"));
    assert!(told(&nadikota, "fails 1 of its 1 vectors") > 0, "{}", nadikota.output());
    assert!(nadikota.ready(), "the former codec stays in force");
    assert_eq!(level("refused"), Some(7.0));
    let before = told(&nadikota, IN_FORCE);
    vectors(10);
    taken(before);
    assert_eq!(level("second"), Some(14.0));
    script("i.bytes[0] *");
    poll_until(LIMIT, "the health tells of it", || refused("gauge.js"));
    assert_eq!(level("broken"), Some(14.0));
    let before = told(&nadikota, IN_FORCE);
    vectors(15);
    script("i.bytes[0] * 3");
    taken(before);
    assert_eq!(level("third"), Some(21.0));
}
