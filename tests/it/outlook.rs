//! Outage arithmetic against the truth: when the journal is full, and when what waits is stored.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nadikota::mqtt::publish::Publisher;
use serde_json::Value;

use super::support::city;
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::scripted::Scripted;
use super::support::wait::poll_until;

/// How long the journal's room lasts, about: long beside the second between two looks.
const SECONDS: u32 = 30;
const PAYLOAD: usize = 400;
/// Bytes of one message in the journal, about.
const RECORD: u32 = 490;
const LIMIT: Duration = Duration::from_secs(120);

/// Publishes at a steady rate until told to stop.
fn load(broker: SocketAddr, rate: u32, stop: &AtomicBool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut publisher = Publisher::new(&city::client(broker, "load"), 1000);
        let payload = format!("{{\"level_cm\":120,\"note\":\"{}\"}}", "x".repeat(PAYLOAD));
        let (begin, mut sent) = (Instant::now(), 0_u64);
        while !stop.load(Ordering::SeqCst) {
            let due = begin.elapsed().as_secs_f64() * f64::from(rate);
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            while (sent as f64) < due
                && publisher.try_publish(sent, "load/wl-1", payload.clone().into_bytes(), false)
            {
                sent += 1;
            }
            // Nothing to acknowledge is no reason to be late with the next one.
            let acknowledged = tokio::time::timeout(Duration::from_millis(5), publisher.poll()).await;
            if let Ok(acknowledged) = acknowledged {
                acknowledged.expect("the broker stays");
            }
        }
    });
}

fn number(told: &Value, name: &str) -> Option<f64> {
    told["outlook"][name].as_f64()
}

fn near(told: f64, truth: f64, within: f64, what: &str) {
    assert!((told / truth - 1.0).abs() < within, "{what}: told {told:.2}, but it was {truth:.2}");
}

/// One outage at one rate: how long it lasts until the journal is full, and until all is stored afterwards.
fn outage(rate: u32, batch: u32) {
    let room = rate * SECONDS * RECORD;
    let broker = Mosquitto::start("");
    let away = Arc::new(AtomicBool::new(true));
    let gone = Arc::clone(&away);
    // A database that is away answers 503; back again it takes a batch each tenth of a second.
    let database = Scripted::start(move |request| {
        if !request.line.starts_with("POST") {
            return (204, String::new());
        }
        if gone.load(Ordering::SeqCst) {
            return (503, "{}".to_owned());
        }
        std::thread::sleep(Duration::from_millis(100));
        (204, String::new())
    });
    let nadikota = Nadikota::start_alone(&format!(
        "time_zone = \"Asia/Jakarta\"\n[mqtt]\nurl = \"mqtt://{}\"\n\
         [journal]\nmax_size = \"{room} B\"\nsegment_size = \"{} B\"\nmin_free = \"0 B\"\n\
         [batch]\nmax_points = {batch}\nmax_age = \"10ms\"\n\
         [[destinations]]\nkind = \"influxdb\"\nurl = \"{}\"\norg = \"o\"\nbucket = \"b\"\ntoken = \"t\"\nlanes = 1\n\
         [[routes]]\ntopic = \"load/{{device}}\"\nformat = \"json\"\n",
        broker.address(),
        room / 32,
        database.url()
    ));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));

    let stop = Arc::new(AtomicBool::new(false));
    let (address, stopped) = (broker.address(), Arc::clone(&stop));
    let publishing = std::thread::spawn(move || load(address, rate, &stopped));

    // At half of the room it says how long the rest lasts; the truth is when the journal takes no more.
    let (told, asked) = poll_until(LIMIT, "half of the room is used", || {
        let health = nadikota.health()?;
        (number(&health, "left_bytes")? < f64::from(room / 2)).then(|| (health, Instant::now()))
    });
    assert_eq!(told["state"], "degraded", "{told}");
    let hours = number(&told, "hours_left").unwrap_or_else(|| panic!("no estimate: {told}"));
    poll_until(LIMIT, "the journal is full", || (!nadikota.ready()).then_some(()));
    near(hours * 3600.0, asked.elapsed().as_secs_f64(), 0.1, "seconds until the journal is full");
    stop.store(true, Ordering::SeqCst);
    publishing.join().expect("the load");

    // The database is back: with a third stored it says how long the rest takes.
    let pending = |health: &Value| health["account"]["pending"].as_f64();
    let full = pending(&nadikota.health().expect("an answer")).expect("a number");
    away.store(false, Ordering::SeqCst);
    let (told, asked) = poll_until(LIMIT, "a third is stored and the load is gone", || {
        let health = nadikota.health()?;
        let quiet = number(&health, "received_per_s")? < 1.0;
        (quiet && pending(&health)? < full * 0.66).then(|| (health, Instant::now()))
    });
    let left = number(&told, "drained_in_s").unwrap_or_else(|| panic!("no estimate: {told}"));
    // The estimate is of the last whole second, so it is compared with what was waiting then.
    let waited = number(&told, "drain_per_s").expect("a speed") * left;
    poll_until(LIMIT, "all is stored", || (pending(&nadikota.health()?)? == 0.0).then_some(()));
    let truth = asked.elapsed().as_secs_f64() * waited / pending(&told).expect("a number");
    near(left, truth, 0.2, "seconds until all is stored");
}

#[test]
fn the_estimates_of_an_outage_are_near_the_truth_at_three_rates() {
    let others = [(100, 12), (400, 50)].map(|(rate, batch)| std::thread::spawn(move || outage(rate, batch)));
    outage(1600, 200);
    for other in others {
        other.join().expect("a slower one");
    }
}
