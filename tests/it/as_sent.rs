//! Names kept: a city that comes from Telegraf finds its measurement, fields, types and tags again.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::city;
use super::support::influxdb::InfluxDb;
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::publish::publish;
use super::support::wait::poll_until;

const LIMIT: Duration = Duration::from_secs(60);
const COUNT: u32 = 1000;
/// The shipped example, which has the Telegraf settings it stands for in its first lines.
const EXAMPLE: &str = include_str!("../../config/examples/telegraf.toml");

#[test]
fn a_thousand_messages_are_stored_as_telegraf_would_beside_what_it_stored() {
    let (broker, database) = (Mosquitto::start(""), InfluxDb::start());
    // What Telegraf left behind: its field types are the database's law now.
    let old = "cpu,host=edge-1,site=one,topic=telegraf/one/cpu/7,unit_id=u1 \
               load_avg=0.25,slot=7i,status=\"ok\" 1700000000000000000\n";
    assert_eq!(database.write(old).status, 204);
    let example = EXAMPLE
        .replace("mqtt://127.0.0.1:1883", &format!("mqtt://{}", broker.address()))
        .replace("http://127.0.0.1:8086", &database.url())
        .replace("database = \"nadikota\"", "database = \"city\"");
    let mut nadikota = Nadikota::start_alone(&example);
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let first = u32::try_from(jiff::Timestamp::now().as_second()).expect("this century") - COUNT;
    let messages: Vec<_> = (0..COUNT)
        .map(|number| {
            let payload = json!({
                "ts": first + number,
                "load": { "avg": f64::from(number) / 8.0, "per": [number, 2] },
                "unit_id": "u1",
                "status": "busy",
                "note": "text that nobody named",
                "on": true,
            });
            (format!("telegraf/one/cpu/{}", number % 3), payload.to_string())
        })
        .collect();
    publish(broker.address(), "devices", &messages);
    let account = city::settled(&nadikota, COUNT.into(), LIMIT);
    assert_eq!(account["stored"], COUNT, "{account}\n{}", nadikota.output());

    let rows = database.query("SELECT * FROM cpu ORDER BY time");
    assert_eq!(rows.len(), usize::try_from(COUNT).expect("a size") + 1);
    assert_eq!(rows[0]["slot"], 7, "what was there is still there");
    for (row, number) in rows[1..].iter().zip(0..) {
        let slot = number % 3;
        let expected = json!({
            "time": u64::from(first + number) * 1_000_000_000,
            "host": "edge-1",
            "site": "one",
            "topic": format!("telegraf/one/cpu/{slot}"),
            "unit_id": "u1",
            "load_avg": f64::from(number) / 8.0,
            "load_per_0": number,
            "load_per_1": 2,
            "slot": slot,
            "status": "busy",
        });
        let told: Value = row.iter().map(|(name, value)| (name.clone(), whole(value))).collect();
        let expected: Value = expected
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), whole(value)))
            .collect();
        assert_eq!(told, expected);
    }
    let kinds = database.query("SHOW FIELD KEYS FROM cpu");
    let kind = |name: &str| {
        let row = kinds.iter().find(|row| row["fieldKey"] == name);
        row.map(|row| row["fieldType"].clone())
    };
    for (field, expected) in
        [("load_avg", "float"), ("load_per_0", "float"), ("slot", "integer"), ("status", "string")]
    {
        assert_eq!(kind(field), Some(expected.into()), "{field}: {kinds:?}");
    }
    assert_eq!((kinds.len(), kind("note"), kind("on")), (5, None, None), "{kinds:?}");
    let tags = database.query("SHOW TAG KEYS FROM cpu");
    let mut tags: Vec<_> =
        tags.iter().map(|row| row["tagKey"].as_str().expect("a name").to_owned()).collect();
    tags.sort();
    assert_eq!(tags, ["host", "site", "topic", "unit_id"]);
    assert!(nadikota.stop(LIMIT).success(), "{}", nadikota.output());
}

/// JSON of InfluxDB writes 2.0 as 2.
fn whole(value: &Value) -> Value {
    value.as_f64().map_or_else(|| value.clone(), Value::from)
}
