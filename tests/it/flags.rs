//! Checks that remember: a restart in the middle of a series, clean or by kill -9, changes no flag.

use std::collections::BTreeMap;
use std::time::Duration;

use nadikota::sink::embedded::{Reader, Value};
use serde_json::json;

use super::support::city;
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::publish::publish;
use super::support::wait::poll_until;

const LIMIT: Duration = Duration::from_secs(60);
const STEPS: i64 = 60;
const DEVICES: [&str; 3] = ["ws-1", "ws-2", "ws-3"];

/// Every seventh value jumps by 5 degrees, which no minute brings, and the next comes back.
fn temperature(device: usize, step: i64) -> f64 {
    let jump = if (step + i64::try_from(device).expect("a small number")) % 7 == 6 { 5.0 } else { 0.0 };
    28.0 + jump
}

fn expected(device: usize, step: i64) -> i64 {
    let jumped = |step| temperature(device, step) > 30.0;
    if step > 0 && jumped(step) != jumped(step - 1) { 3 } else { 1 }
}

/// Sends the series; after each third of it `between` may do what it likes. The flags by device and step.
fn flags(mut between: impl FnMut(&mut Nadikota)) -> BTreeMap<(String, i64), i64> {
    let broker = Mosquitto::start("");
    let config = format!(
        "time_zone = \"Asia/Jakarta\"\n[mqtt]\nurl = \"mqtt://{}\"\n[[destinations]]\nkind = \"embedded\"\n\
         [[routes]]\ntopic = \"w/{{device}}\"\nformat = \"json\"\ntime = \"at\"\n",
        broker.address()
    );
    let mut nadikota = Nadikota::start(&config);
    let begin = jiff::Timestamp::now().as_second() / 60 * 60 - 60 * STEPS;
    let mut sent = 0;
    for part in 0..3 {
        poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
        let steps = part * STEPS / 3..(part + 1) * STEPS / 3;
        let messages: Vec<_> = steps
            .flat_map(|step| DEVICES.iter().enumerate().map(move |(device, id)| (step, device, *id)))
            .map(|(step, device, id)| {
                let payload = json!({ "at": begin + 60 * step, "temperature": temperature(device, step) });
                (format!("w/{id}"), payload.to_string())
            })
            .collect();
        publish(broker.address(), "devices", &messages);
        sent += u64::try_from(messages.len()).expect("a count");
        between(&mut nadikota);
    }
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let account = city::settled(&nadikota, sent, LIMIT);
    assert_eq!(account["stored"], sent, "{account}");
    let mut flags = BTreeMap::new();
    let store = Reader::open(&nadikota.data_dir()).expect("the store");
    store
        .each(|row| {
            if row.field != "air_temperature_c_qc" {
                return;
            }
            let device = row.tags.iter().find(|(key, _)| key == "device").expect("a device").1.clone();
            let Value::Number(flag) = row.value else { panic!("a flag is a number") };
            let step = (row.time / 1_000_000_000 - begin) / 60;
            #[expect(clippy::cast_possible_truncation, reason = "a flag is a small whole number")]
            flags.insert((device, step), flag as i64);
        })
        .expect("the store");
    flags
}

fn all_expected() -> BTreeMap<(String, i64), i64> {
    let of = |(device, id): (usize, &&str)| {
        let id = (*id).to_owned();
        (0..STEPS).map(move |step| ((id.clone(), step), expected(device, step)))
    };
    DEVICES.iter().enumerate().flat_map(of).collect()
}

#[test]
fn flags_are_the_same_undisturbed_after_clean_restarts_and_after_kills() {
    let expected = all_expected();
    assert!(expected.values().filter(|flag| **flag == 3).count() > 40, "the series jumps");
    assert_eq!(flags(|_| {}), expected, "undisturbed");
    let clean = flags(|nadikota| {
        assert!(nadikota.stop(LIMIT).success(), "{}", nadikota.output());
        nadikota.restart();
    });
    assert_eq!(clean, expected, "clean restarts");
    assert_eq!(flags(Nadikota::restart), expected, "kills");
    let damaged = flags(|nadikota| {
        assert!(nadikota.stop(LIMIT).success(), "{}", nadikota.output());
        let state = nadikota.data_dir().join("state.default.json");
        std::fs::write(&state, "nadikota state 1 00000000\n{}\n").expect("the state");
        nadikota.restart();
    });
    assert_eq!(damaged, expected, "the state is lost: it is made again from the journal");
}
