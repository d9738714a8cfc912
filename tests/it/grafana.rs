//! Grafana: what the dashboards name exists, and what they ask gives rows from real servers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use nadikota::simulate::{Log, publisher::Plan, river};
use serde_json::Value;

use super::support::certificates::Ca;
use super::support::dashboards::{Dashboard, Language, all, root};
use super::support::http;
use super::support::influxdb::InfluxDb;
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::process::Process;
use super::support::victoria_metrics::VictoriaMetrics;
use super::support::wait::{free_addresses, poll_until};
use super::support::{city, publish};

const LIMIT: Duration = Duration::from_secs(60);
const TAGS: &[&str] = &["city", "district", "site", "device", "channel"];

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).expect("a readable file")
}

#[test]
fn dashboards_are_found_by_stable_names_and_each_panel_says_what_it_shows() {
    let dashboards = all();
    let uids: Vec<&str> = dashboards.iter().map(Dashboard::uid).collect();
    assert_eq!(uids, ["nadikota-ingestion", "nadikota-river"]);
    let provisioned = read("config/grafana/provisioning/datasources/nadikota.yaml");
    let sources: BTreeSet<&str> =
        provisioned.lines().filter_map(|line| line.trim().strip_prefix("uid: ")).collect();
    for dashboard in &dashboards {
        let (uid, json) = (dashboard.uid(), &dashboard.json);
        assert_eq!(json["timezone"], "Asia/Jakarta", "{uid}");
        assert!(json["schemaVersion"].as_u64().is_some_and(|version| version >= 36), "{uid}");
        let variables: Vec<&str> = dashboard.variables().map(|(name, _)| name).collect();
        assert_eq!(variables, ["city", "district", "device"], "{uid}");
        for link in json["links"].as_array().expect("links") {
            let to = link["url"].as_str().and_then(|url| url.strip_prefix("/d/")).expect("a dashboard");
            assert!(uids.contains(&to) && to != uid, "{uid} links to {to}");
        }
        let mut ids = BTreeSet::new();
        for panel in dashboard.panels() {
            let title = panel["title"].as_str().filter(|title| !title.is_empty()).expect("a title");
            assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{uid}, {title}: its id is another's");
            let unit = panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap_or_default();
            assert!(!unit.is_empty(), "{uid}, {title}: no unit");
            assert!(panel["description"].as_str().is_some_and(|text| text.len() > 20), "{uid}, {title}");
        }
        let own_source = json.pointer("/templating/list").into_iter().flat_map(|list| list.as_array());
        let named = dashboard.queries().into_iter().map(|query| query.source);
        let named: BTreeSet<String> =
            named.chain(own_source.flatten().map(|it| it["datasource"]["uid"].to_string())).collect();
        for source in named {
            assert!(sources.contains(source.trim_matches('"')), "{uid}: no data source {source}");
        }
        overlaps(dashboard);
    }
}

/// No panel covers another.
fn overlaps(dashboard: &Dashboard) {
    let mut taken = BTreeMap::new();
    for panel in dashboard.panels() {
        let at = |key: &str| panel["gridPos"][key].as_u64().expect("a position");
        assert!(at("x") + at("w") <= 24, "{panel}");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                let other = taken.insert((x, y), &panel["title"]);
                assert_eq!(other, None, "{} covers it", panel["title"]);
            }
        }
    }
}

/// What can be stored: each measurement of the shipped profiles with its quantities.
fn stored() -> BTreeMap<String, BTreeSet<String>> {
    let (catalogue, profiles) = (read("config/catalogue.toml"), read("config/profiles/pasuruan.toml"));
    let catalogue: toml::Table = catalogue.parse().expect("TOML");
    let profiles: toml::Table = profiles.parse().expect("TOML");
    let mut stored = BTreeMap::<String, BTreeSet<String>>::new();
    for (name, profile) in profiles["profiles"].as_table().expect("profiles") {
        let Some(measurement) = profile.get("measurement").and_then(toml::Value::as_str) else { continue };
        for quantity in profile["names"].as_table().expect("names").values() {
            let quantity = quantity.get("quantity").unwrap_or(quantity).as_str().expect("a quantity");
            assert!(catalogue["quantities"].get(quantity).is_some(), "{name}: {quantity}");
            stored.entry(measurement.to_owned()).or_default().insert(quantity.to_owned());
        }
    }
    stored
}

/// Each name in quotes that nothing stored has.
fn unknown_names(query: &str, stored: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let (mut measurements, mut others, mut after_from, mut before) = (vec![], vec![], false, "");
    for (at, part) in query.split('"').enumerate() {
        if at % 2 == 0 {
            after_from = part.trim_end().ends_with("FROM") || (after_from && part.trim() == ",");
            before = part;
        } else if after_from {
            measurements.push(part);
        } else if !before.trim_end().ends_with("AS") && !before.ends_with("KEY = ") {
            others.push(part);
        }
    }
    let known = |name: &str| {
        let name = name.trim_end_matches("_qc").trim_end_matches("_failed");
        TAGS.contains(&name)
            || name == "delay_s"
            || measurements.iter().any(|one| stored.get(*one).is_some_and(|fields| fields.contains(name)))
    };
    let keys = query.split("KEY = \"").skip(1).filter_map(|rest| rest.split('"').next());
    let wrong = measurements.iter().copied().filter(|name| !stored.contains_key(*name));
    let wrong = wrong.chain(others.iter().copied().filter(|name| !known(name)));
    wrong.chain(keys.filter(|key| !TAGS.contains(key))).map(str::to_owned).collect()
}

#[test]
fn every_measurement_field_and_tag_is_one_that_the_shipped_profiles_store() {
    let stored = stored();
    let mut seen = 0;
    for dashboard in all() {
        let queries = dashboard.queries().into_iter().filter(|query| query.language == Language::InfluxQl);
        for query in queries {
            seen += 1;
            assert_eq!(unknown_names(&query.text, &stored), Vec::<String>::new(), "{}", query.text);
        }
    }
    assert!(seen > 15, "{seen}");
    for (query, wrong) in [
        (r#"SELECT max("water_level_cm") FROM "water_level""#, "water_level_cm"),
        (r#"SELECT max("water_level_m") FROM "waterlevel""#, "waterlevel"),
        (r#"SELECT max("water_level_m") FROM "weather", "water_levels""#, "water_levels"),
        (r#"SELECT "rain_mm" FROM "weather" WHERE "town" = 'x'"#, "town"),
        (r#"SELECT "rain_mm" FROM "water_level""#, "rain_mm"),
        (r#"SHOW TAG VALUES WITH KEY = "town""#, "town"),
    ] {
        assert!(unknown_names(query, &stored).contains(&wrong.to_owned()), "{query}");
    }
}

#[test]
fn every_river_station_has_its_own_bands_which_rise() {
    let devices = read("config/devices.csv");
    let stations = devices.lines().filter(|line| line.contains(",pasuruan_river,"));
    let stations: Vec<&str> = stations.filter_map(|line| line.split(',').next()).collect();
    assert!(stations.len() > 3);
    let river = all().into_iter().find(|dashboard| dashboard.uid() == "nadikota-river").expect("River");
    let bands = |value: &Value| -> Vec<f64> {
        let steps = value["steps"].as_array().expect("steps");
        steps.iter().filter_map(|step| step["value"].as_f64()).collect()
    };
    let mut panels = 0;
    for panel in river.panels() {
        let overrides = panel["fieldConfig"]["overrides"].as_array().expect("overrides");
        if !overrides.iter().any(|own| own["matcher"]["options"] == stations[0]) {
            continue;
        }
        panels += 1;
        let simulated = [river::KUNING_CM / 100.0, river::MERAH_CM / 100.0];
        assert_eq!(bands(&panel["fieldConfig"]["defaults"]["thresholds"]), simulated);
        for station in &stations {
            let own = overrides.iter().find(|own| own["matcher"]["options"] == *station);
            let own = own.unwrap_or_else(|| panic!("{}: no bands of {station}", panel["title"]));
            let own = bands(&own["properties"][0]["value"]);
            assert!(own.len() > 1 && own.is_sorted_by(|low, high| low < high), "{station}: {own:?}");
        }
    }
    assert_eq!(panels, 2, "level now, and level over time");
}

/// Name as its samples have it, type and labels of each family in Prometheus text.
fn told(text: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let (mut types, mut all) = (BTreeMap::new(), BTreeSet::new());
    let mut found = BTreeMap::<String, (String, BTreeSet<String>)>::new();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            types.insert(name.to_owned(), kind.to_owned());
        }
        if line.starts_with('#') {
            continue;
        }
        let (series, _) = line.rsplit_once(' ').expect("a value");
        assert!(all.insert(series), "{series} is told twice, which Prometheus refuses");
        let sample = line.split(['{', ' ']).next().expect("a name");
        let base = ["_total", "_bucket", "_sum", "_count"].iter().find_map(|end| sample.strip_suffix(end));
        let family = base.filter(|base| types.contains_key(*base)).unwrap_or(sample);
        let kind = types.get(family).unwrap_or_else(|| panic!("{family} has no type"));
        let name = if kind == "histogram" { family } else { sample };
        let entry = found.entry(name.to_owned()).or_insert_with(|| (kind.clone(), BTreeSet::new()));
        let labels = line.split_once('{').and_then(|(_, rest)| rest.rsplit_once("} "));
        let labels = labels.map_or("", |(labels, _)| labels);
        // A label's name stands before `="`; no value of ours holds that.
        let names = labels.split("=\"").filter_map(|part| part.rsplit(['"', ',']).next());
        let names: Vec<&str> = names.collect();
        let names = names.iter().take(names.len().saturating_sub(1));
        entry.1.extend(names.filter(|name| **name != "le").map(|name| (*name).to_owned()));
    }
    found
}

/// The same from the page: rows of five cells.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let page = read("docs/metrics.md");
    let rows = page.lines().filter(|line| line.starts_with("| `nadikota_") && line.matches('|').count() == 6);
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert!(cells.iter().enumerate().all(|(at, cell)| at == 2 || !cell.is_empty()), "{row}");
        let labels = cells[2].split(',').map(|label| label.trim().trim_matches('`').to_owned());
        let labels = labels.filter(|label| !label.is_empty()).collect();
        (cells[0].trim_matches('`').to_owned(), (cells[1].to_owned(), labels))
    })
    .collect()
}

fn metrics(address: std::net::SocketAddr) -> BTreeMap<String, (String, BTreeSet<String>)> {
    told(&http::get(address, "/metrics").expect("metrics").body)
}

#[test]
fn every_metric_of_the_demo_is_on_the_page_as_it_is() {
    let [mqtt, http_address] = free_addresses();
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_nadikota"));
    command.args(["demo", "--for", "60s", "--json", "--mqtt", &mqtt.to_string()]);
    command.args(["--http", &http_address.to_string()]);
    let _demo = Process::start("demo", &mut command, dir.path());
    let found = poll_until(LIMIT, "the demo has settled messages of every kind", || {
        let answer = http::get(http_address, "/metrics").ok()?.body;
        ["quarantined", "discarded", "partly_stored\"} 1"]
            .iter()
            .all(|kind| answer.contains(kind))
            .then_some(answer)
    });
    let page = documented();
    for (name, is) in told(&found) {
        assert_eq!(page.get(&name), Some(&is), "{name}");
    }
}

/// A broker with TLS, a database and a metrics server around one nadikota that has carried the simulated city.
struct City {
    database: InfluxDb,
    numbers: VictoriaMetrics,
    nadikota: Nadikota,
    broker: Mosquitto,
}

fn city_with_everything(dir: &Path) -> City {
    let ca = Ca::new(dir, "ca");
    let server = ca.sign_for_days(dir, "localhost", 400);
    let [secure] = free_addresses();
    let broker = Mosquitto::start(&format!(
        "listener {} 127.0.0.1\nallow_anonymous true\ncafile {}\ncertfile {}\nkeyfile {}\n",
        secure.port(),
        ca.file.display(),
        server.certificate.display(),
        server.key.display(),
    ));
    let database = InfluxDb::start();
    let nadikota = Nadikota::start(&format!(
        "[mqtt]\nurl = \"mqtts://localhost:{}\"\nca_file = \"{}\"\nrebirth = true\n\
         [[destinations]]\nkind = \"influxdb\"\nversion = \"1\"\nurl = \"{}\"\ndatabase = \"city\"\n",
        secure.port(),
        ca.file.display(),
        database.url(),
    ));
    let numbers = VictoriaMetrics::scraping(&read("config/grafana/scrape.yml"), nadikota.http());
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let (mut city, mut log) = (city::city(7), Log::default());
    let plan = Plan { rate: None, count: Some(8000), window: 200, patience: LIMIT };
    city::publish(&mut city, &mut log, broker.address(), plan);
    // A level of 16 m is hardly one of these rivers, one of 1,000 m cannot be.
    publish::publish(broker.address(), "river", &[level(1600), level(100_000)]);
    city::settled(&nadikota, 8002, LIMIT);
    City { database, numbers, nadikota, broker }
}

fn level(cm: u32) -> (String, String) {
    let topic = "city/pasuruan/gadingrejo/wl-welang-01/level";
    (topic.to_owned(), format!(r#"{{"level_cm":{cm},"battery_v":12.5}}"#))
}

#[test]
fn every_query_gives_rows_from_real_servers_and_the_page_of_metrics_is_whole() {
    let dir = tempfile::tempdir().expect("a directory");
    let city = city_with_everything(dir.path());
    let page = documented();
    // Estimates are made once a second: the last one may be from before the city was settled.
    let (begin, mut told) = (Instant::now(), metrics(city.nadikota.http()));
    while told != page && begin.elapsed() < Duration::from_secs(5) {
        told = metrics(city.nadikota.http());
    }
    assert_eq!(told, page, "/metrics (left) and docs/metrics.md (right) differ");

    let (mut influx, mut prometheus) = (0, 0);
    for dashboard in all() {
        for query in dashboard.queries() {
            let place = format!("{}, {}: {}", dashboard.uid(), query.panel, query.text);
            match query.language {
                Language::InfluxQl => {
                    influx += 1;
                    for text in [query.with_all(), query.with_chosen()] {
                        assert!(!city.database.query(&text).is_empty(), "{place}\nas {text}");
                    }
                }
                Language::PromQl => {
                    prometheus += 1;
                    for name in query.metrics() {
                        let known =
                            ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
                        let known = known.unwrap_or(name);
                        assert!(page.contains_key(name) || page.contains_key(known), "{place}: {name}");
                    }
                    let text = query.with_all();
                    poll_until(LIMIT, &place, || {
                        let found = city.numbers.query(&text) > 0;
                        if !found {
                            // A rate needs something that happens between two scrapes.
                            publish::publish(city.broker.address(), "river", &[level(120)]);
                        }
                        found.then_some(())
                    });
                }
            }
        }
    }
    assert!(influx > 15 && prometheus > 20, "{influx} and {prometheus} queries");
    // The alarms on the page are expressions that the server understands.
    let page = read("docs/metrics.md");
    let alarms = page.lines().skip_while(|line| !line.starts_with("## Some alarms"));
    let alarms = alarms.filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    for alarm in alarms {
        city.numbers.query(alarm);
    }
}

/// Each text between two marks.
fn between<'t>(text: &'t str, open: &str, close: char) -> impl Iterator<Item = &'t str> {
    text.split(open).skip(1).filter_map(move |rest| rest.split(close).next())
}

#[test]
fn compose_gives_grafana_what_its_sources_ask_for_and_mounts_what_exists() {
    let compose = read("docker-compose.yml");
    let sources = read("config/grafana/provisioning/datasources/nadikota.yaml");
    let grafana = &compose[compose.find("\n  grafana:").expect("a service")..];
    for variable in between(&sources, "${", '}') {
        // A secret comes from its file, at the start.
        let set = [format!("\n      {variable}: "), format!("{variable}=$$(cat /run/secrets/")];
        assert!(set.iter().any(|set| grafana.contains(set)), "{variable} is not set for Grafana");
    }
    let mut mounts = 0;
    for path in between(&compose, "- ./", ':') {
        mounts += 1;
        assert!(root().join(path).exists(), "{path} is mounted and does not exist");
    }
    assert!(mounts > 3, "{mounts}");
    let provider = read("config/grafana/provisioning/dashboards/nadikota.yaml");
    let path = provider.split("path: ").nth(1).expect("a path").trim();
    assert!(grafana.contains(&format!("./config/grafana/dashboards:{path}:ro")), "{path} is not mounted");
    let target = read("config/grafana/scrape.yml").contains("\"nadikota:8080\"");
    assert!(target && compose.contains("NADIKOTA__HTTP__LISTEN: 0.0.0.0:8080"), "scraped where it listens");
}
