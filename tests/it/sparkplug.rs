//! Sparkplug on the real program: births outlive a kill, and what came without one is replayed after a rebirth.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use nadikota::mqtt::listen::{Heard, Listener};
use nadikota::sink::embedded::{Reader, Value as Stored};
use serde_json::Value;

use super::support::city;
use super::support::http;
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::publish::publish;
use super::support::wait::{free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(60);
const INT16: u64 = 2;

/// Over its own broker; `more` is added to that section.
fn start(more: &str) -> (Nadikota, SocketAddr) {
    let [broker] = free_addresses();
    (start_on(&format!("[mqtt]\nenabled = false\n[broker]\nlisten = \"{broker}\"\n{more}")), broker)
}

fn start_on(ways: &str) -> Nadikota {
    let nadikota = Nadikota::start_alone(&format!(
        "time_zone = \"Asia/Jakarta\"\n{ways}\n[[destinations]]\nkind = \"embedded\"\n\
         [[routes]]\ntopic = \"spBv1.0/#\"\nformat = \"sparkplug_b\"\nmeasurement = \"water_level\"\n"
    ));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    nadikota
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
    let (mut nadikota, broker) = start("");
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

/// A client that hears the commands to all nodes.
struct Node {
    listener: Listener,
    runtime: tokio::runtime::Runtime,
}

impl Node {
    fn subscribed(broker: SocketAddr) -> Self {
        let mut options = city::client(broker, "node");
        options.filters = vec!["spBv1.0/+/NCMD/#".to_owned()];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let listener = runtime.block_on(async { Listener::new(&options) }).expect("a listener");
        let mut node = Self { listener, runtime };
        while !matches!(node.hears(), Heard::Subscribed { refused } if refused.is_empty()) {}
        node
    }

    fn hears(&mut self) -> Heard {
        let heard = async { tokio::time::timeout(LIMIT, self.listener.poll()).await };
        self.runtime.block_on(heard).expect("something is heard").expect("the broker stays")
    }

    /// The next node that is asked for its births.
    fn asked(&mut self) -> String {
        loop {
            if let Heard::Publish { topic, payload, qos, retain } = self.hears() {
                assert_eq!((qos, retain), (0, false));
                // The metric's name, its time, the datatype Boolean, and the value.
                let name = payload.windows(20).position(|part| part == b"Node Control/Rebirth");
                assert!(name.is_some() && payload.ends_with(&[0x20, 11, 0x70, 1]), "{payload:?}");
                return String::from_utf8(topic.to_vec()).expect("text");
            }
        }
    }
}

/// What `/metrics` tells of requests.
fn requests(nadikota: &Nadikota) -> Vec<String> {
    let told = http::get(nadikota.http(), "/metrics").expect("metrics").body;
    told.lines()
        .filter(|line| line.starts_with("nadikota_rebirth_requests_total"))
        .map(str::to_owned)
        .collect()
}

/// A node without a birth is asked once for a hundred messages, and one with a gap; the first answers. Where we have
/// subscribed to commands too, they come back.
fn nodes_are_asked(nadikota: &Nadikota, broker: SocketAddr, source: &str, come_back: u64) {
    let mut node = Node::subscribed(broker);
    let burst: Vec<_> = (1..=100).map(|seq| message("NDATA", "pump-1", seq, &data(1))).collect();
    publish(broker, "pump-1", &burst);
    assert_eq!(node.asked(), "spBv1.0/water/NCMD/pump-1");
    publish(
        broker,
        "pump-1",
        &[message("NBIRTH", "pump-1", 0, &born(5)), message("NDATA", "pump-1", 1, &data(-123))],
    );
    publish(
        broker,
        "pump-2",
        &[message("NBIRTH", "pump-2", 0, &born(7)), message("NDATA", "pump-2", 3, &data(8))],
    );
    // After the first, which was asked once only.
    assert_eq!(node.asked(), "spBv1.0/water/NCMD/pump-2");
    let account = city::settled(nadikota, 104 + come_back, LIMIT);
    assert_eq!((&account["stored"], &account["quarantined"]), (&4.into(), &100.into()), "{account}");
    let levels = stored(nadikota, "level");
    assert_eq!(levels["water/pump-1"], [-123.0, 5.0], "the birth tells name and sign");
    assert_eq!(requests(nadikota), [format!("nadikota_rebirth_requests_total{{source=\"{source}\"}} 2.0")]);
}

fn mosquitto_and_nodes_are_asked(version: &str) {
    let broker = Mosquitto::start("");
    let url = format!("mqtt://{}", broker.address());
    let nadikota = start_on(&format!("[mqtt]\nurl = \"{url}\"\nversion = \"{version}\"\nrebirth = true\n"));
    nodes_are_asked(&nadikota, broker.address(), "mqtt", 2);
}

#[test]
fn nodes_whose_births_are_missing_are_asked_over_mqtt_5() {
    mosquitto_and_nodes_are_asked("5");
}

#[test]
fn nodes_whose_births_are_missing_are_asked_over_mqtt_3_1_1() {
    mosquitto_and_nodes_are_asked("3.1.1");
}

#[test]
fn nodes_whose_births_are_missing_are_asked_by_the_embedded_broker() {
    let (nadikota, broker) = start("rebirth = true");
    nodes_are_asked(&nadikota, broker, "broker", 0);
}

#[test]
fn nobody_is_asked_where_it_is_not_wanted() {
    let broker = Mosquitto::start("");
    let nadikota = start_on(&format!("[mqtt]\nurl = \"mqtt://{}\"\n", broker.address()));
    let mut node = Node::subscribed(broker.address());
    publish(broker.address(), "pump-1", &[message("NDATA", "pump-1", 1, &data(1))]);
    let account = city::settled(&nadikota, 1, LIMIT);
    assert_eq!(account["quarantined_by_reason"]["no_birth"], 1, "{account}");
    assert_eq!(requests(&nadikota), Vec::<String>::new());
    let mut end = broker.client("mosquitto_pub");
    assert!(end.args(["-t", "spBv1.0/g/NCMD/end", "-m", "end"]).status().expect("mosquitto_pub").success());
    let first = std::iter::repeat_with(|| node.hears()).find(|heard| matches!(heard, Heard::Publish { .. }));
    assert!(matches!(first, Some(Heard::Publish { topic, .. }) if topic == "spBv1.0/g/NCMD/end"));
}
