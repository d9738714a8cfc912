//! Logs: lines that a collector can read, few of them whatever goes wrong, and a count of what was left out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::support::city;
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::publish::publish;
use super::support::scripted::Scripted;
use super::support::wait::poll_until;

const LIMIT: Duration = Duration::from_secs(60);
const REFUSED: &str = "the database does not take points; they are kept";
const LEFT_OUT: &str = "said again and left out";
const SECRET: &str = "rahasia-5521";

#[test]
fn a_flapping_database_and_a_device_that_sends_rubbish_at_rate_leave_few_lines_that_tell_all() {
    let broker = Mosquitto::start("");
    let requests = AtomicU64::new(0);
    // Every second request is refused, so that trouble begins and ends with each batch.
    let database = Scripted::start(move |_| match requests.fetch_add(1, Ordering::SeqCst) % 2 {
        0 => (503, "busy".to_owned()),
        _ => (204, String::new()),
    });
    let mut nadikota = Nadikota::start(&format!(
        "[log]\nformat = \"json\"\nrepeat_after = \"2s\"\n[batch]\nmax_age = \"10ms\"\n\
         [mqtt]\nurl = \"mqtt://{}\"\n[[destinations]]\nkind = \"influxdb\"\nversion = \"2\"\nurl = \"{}\"\n\
         org = \"city\"\nbucket = \"telemetry\"\ntoken = \"{SECRET}\"\nlanes = 1\n",
        broker.address(),
        database.url(),
    ));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let topic = "city/pasuruan/gadingrejo/wl-welang-01/level".to_owned();
    let rubbish: Vec<_> = (0..3000).map(|n| (topic.clone(), format!("{{\"level_cm\": rusak {n}"))).collect();
    publish(broker.address(), "rubbish", &rubbish);
    let mut sent = 3000;
    poll_until(
        LIMIT,
        "the database has refused often, and lines were left out in a period that is over",
        || {
            publish(
                broker.address(),
                "level",
                &[(topic.clone(), format!("{{\"level_cm\":{}}}", 80 + sent % 9))],
            );
            sent += 1;
            (refusals(&database) >= 20 && nadikota.output().contains(LEFT_OUT)).then_some(())
        },
    );
    let account = city::settled(&nadikota, sent, LIMIT);
    assert_eq!(account["quarantined_by_reason"]["malformed"], 3000, "{account}");
    assert!(nadikota.stop(LIMIT).success(), "{}", nadikota.output());

    let output = nadikota.output();
    let lines =
        output.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")));
    let lines: Vec<Value> = lines.collect();
    for line in &lines {
        for field in ["timestamp", "level", "target", "message"] {
            assert!(line[field].is_string(), "{field} lacks: {line}");
        }
    }
    assert!(!output.contains("rusak") && !output.contains(SECRET), "a payload or a secret:\n{output}");
    let said = lines.iter().filter(|line| line["message"] == REFUSED).count();
    let left_out = lines.iter().filter(|line| line["message"] == LEFT_OUT);
    let left_out =
        left_out.filter(|line| line["last"].as_str().is_some_and(|last| last.starts_with(REFUSED)));
    let counted: u64 = left_out.filter_map(|line| line["count"].as_u64()).sum();
    // Every line is either there or counted.
    assert_eq!(u64::try_from(said).expect("a count") + counted, refusals(&database), "{output}");
    assert!(counted > 0 && lines.len() < 60, "{} lines:\n{output}", lines.len());
    println!("{} lines for {sent} messages and {} refusals", lines.len(), refusals(&database));
}

/// Every second write, the first among them.
fn refusals(database: &Scripted) -> u64 {
    let writes = database.seen().iter().filter(|request| request.line.starts_with("POST ")).count();
    u64::try_from(writes.div_ceil(2)).expect("a count")
}
