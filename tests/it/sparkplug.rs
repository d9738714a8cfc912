//! Sparkplug on the real program: births outlive a kill, and what came without one is replayed after a rebirth.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use nadikota::sink::embedded::{Reader, Value as Stored};
use serde_json::Value;

use super::support::city;
use super::support::nadikota::Nadikota;
use super::support::publish::publish;
use super::support::wait::{free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(60);
const INT16: u64 = 2;

fn start() -> (Nadikota, SocketAddr) {
    let [broker] = free_addresses();
    let nadikota = Nadikota::start_alone(&format!(
        "time_zone = \"Asia/Jakarta\"\n[mqtt]\nenabled = false\n[broker]\nlisten = \"{broker}\"\n\
         [[destinations]]\nkind = \"embedded\"\n\
         [[routes]]\ntopic = \"spBv1.0/#\"\nformat = \"sparkplug_b\"\nmeasurement = \"water_level\"\n"
    ));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    (nadikota, broker)
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number > 0x7f {
        out.push(u8::try_from(number & 0x7f).expect("seven bits") | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).expect("seven bits"));
    out
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn bytes(field: u64, content: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

/// The metric `level` with the alias 2, as a birth tells it: name, alias and datatype.
fn born(level: i16) -> Vec<u8> {
    let value = number(10, u64::from(level.cast_unsigned()));
    bytes(2, &[bytes(1, b"level"), number(2, 2), number(4, INT16), value].concat())
}

/// The same in data: the alias alone, and a number whose sign only the birth tells.
fn data(level: i16) -> Vec<u8> {
    bytes(2, &[number(2, 2), number(10, u64::from(level.cast_unsigned()))].concat())
}

fn payload(seq: u64, metric: &[u8]) -> Vec<u8> {
    let now = u64::try_from(jiff::Timestamp::now().as_millisecond()).expect("after 1970");
    // Two of one millisecond would be one point.
    [number(1, now + 10 * seq), metric.to_vec(), number(3, seq)].concat()
}

fn message(kind: &str, node: &str, seq: u64, metric: &[u8]) -> (String, Vec<u8>) {
    (format!("spBv1.0/water/{kind}/{node}"), payload(seq, metric))
}

/// The values of `field` by device.
fn stored(nadikota: &Nadikota, field: &str) -> BTreeMap<String, Vec<f64>> {
    let mut values = BTreeMap::<String, Vec<f64>>::new();
    let store = Reader::open(&nadikota.data_dir()).expect("the store");
    store
        .each(|row| {
            let device = row.tags.iter().find(|(key, _)| key == "device").map(|(_, device)| device.clone());
            if let (Stored::Number(value), Some(device)) = (row.value, device)
                && row.field == field
            {
                values.entry(device).or_default().push(value);
            }
        })
        .expect("the store");
    values.values_mut().for_each(|values| values.sort_by(f64::total_cmp));
    values
}

fn ask(nadikota: &Nadikota, arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nadikota"));
    command.arg("--config").arg(nadikota.dir().join("nadikota.toml")).arg("quarantine").args(arguments);
    let output = command.env("NADIKOTA__DATA_DIR", nadikota.data_dir()).output().expect("nadikota");
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn births_outlive_a_kill_and_what_came_without_one_is_replayed_after_a_rebirth() {
    let (mut nadikota, broker) = start();
    publish(broker, "node", &[message("NBIRTH", "pump-1", 0, &born(5))]);
    city::settled(&nadikota, 1, LIMIT);
    nadikota.restart();
    poll_until(LIMIT, "it is back", || nadikota.ready().then_some(()));
    // The next in order, then one after a gap of two; and a node whose birth was never seen.
    publish(
        broker,
        "node",
        &[
            message("NDATA", "pump-1", 1, &data(-123)),
            message("NDATA", "pump-1", 4, &data(-120)),
            message("NDATA", "pump-2", 9, &data(-7)),
        ],
    );
    let account = city::settled(&nadikota, 4, LIMIT);
    assert_eq!((&account["stored"], &account["quarantined"]), (&3.into(), &1.into()), "{account}");
    let pump = |name: &str| format!("water/{name}");
    assert_eq!(stored(&nadikota, "level"), BTreeMap::from([(pump("pump-1"), vec![-123.0, -120.0, 5.0])]));
    assert_eq!(stored(&nadikota, "lost_count"), BTreeMap::from([(pump("pump-1"), vec![2.0])]));

    // Killed again with the message held; without a birth a replay leaves it where it is.
    nadikota.restart();
    poll_until(LIMIT, "it is back", || nadikota.ready().then_some(()));
    let told = poll_until(LIMIT, "it is listed", || {
        let told = ask(&nadikota, &["replay", "--json"]);
        (told["messages"] == 1).then_some(told)
    });
    assert_eq!((&told["stored"], &told["stay"]["no_birth"]), (&0.into(), &1.into()), "{told}");

    // The rebirth; a second later the copy of what is known is behind the cursor, and the replay reads it.
    let mut seq = 0;
    poll_until(LIMIT, "the replay knows the birth", || {
        let kind = if seq == 0 { ("NBIRTH", born(1)) } else { ("NDATA", data(2)) };
        publish(broker, "node", &[message(kind.0, "pump-2", seq, &kind.1)]);
        seq += 1;
        (ask(&nadikota, &["replay", "--json"])["stored"] == 1).then_some(())
    });
    assert_eq!(stored(&nadikota, "level")[&pump("pump-2")][0], -7.0);
    let account = city::settled(&nadikota, 4, LIMIT);
    assert_eq!(account["quarantined"].as_u64(), Some(0), "{account}");
}
