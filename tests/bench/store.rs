//! The embedded store: how fast it takes points, and how fast it gives a day of one series out of many points.

use std::time::{Duration, Instant};

use nadikota::mqtt::publish::Publisher;

use super::Scale;
use super::load::{self, Load};
use super::report::{Report, short};
use super::support::nadikota::Nadikota;
use super::support::wait::{free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(600);

pub fn measure(scale: Scale, report: &mut Report) {
    let (count, devices) = (scale.of(5_000_u64, 1_250_000), 1_000);
    let dir = tempfile::tempdir().expect("a directory");
    let [listen] = free_addresses();
    let rest = format!("[broker]\nlisten = \"{listen}\"\n[[destinations]]\nkind = \"embedded\"\n");
    let nadikota = Nadikota::start_alone(&load::configuration(dir.path(), devices, &rest));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let begin = Instant::now();
    publish(listen, count, devices);
    poll_until(LIMIT, "all is stored", || {
        let stored = nadikota.health()?["account"]["stored"].as_u64()?;
        (stored >= count).then_some(())
    });
    let seconds = begin.elapsed().as_secs_f64();
    let store = rusqlite::Connection::open_with_flags(
        nadikota.data_dir().join("store.sqlite"),
        rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
    )
    .expect("the store");
    let sql = "SELECT count(*), sum(p.value) FROM points p WHERE p.ts BETWEEN ?1 AND ?2 \
               AND p.series = (SELECT id FROM series WHERE text LIKE '%device=AQ-0500%') \
               AND p.field = (SELECT id FROM fields WHERE name = 'pm25_ugm3')";
    let now = jiff::Timestamp::now().as_nanosecond() as i64;
    let day = 24 * 3_600_000_000_000;
    let begin = Instant::now();
    let found: i64 = store.query_row(sql, [now - 2 * day, now], |row| row.get(0)).expect("a day");
    let read = begin.elapsed();
    assert!(found > 0, "the series is there");
    report.title(
        "The embedded store",
        "One client publishes to the embedded broker, 8 values a message, each stored with its flag.",
    );
    report.table(
        &["", ""],
        &[
            vec![
                "from the first publish to the last stored".to_owned(),
                format!("{} msg/s", short(count as f64 / seconds)),
            ],
            vec![
                format!("one series of {devices} ({found} values) out of {} messages", short(count as f64)),
                format!("{} ms", short(read.as_secs_f64() * 1000.0)),
            ],
        ],
    );
}

/// Over four connections: one would be limited by its window, not by the store.
fn publish(broker: std::net::SocketAddr, count: u64, devices: usize) {
    let clients = 4;
    let threads: Vec<_> = (0..clients)
        .map(|client| {
            std::thread::spawn(move || {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(async {
                    let options = super::support::city::client(broker, &format!("load-{client}"));
                    let mut publisher = Publisher::new(&options, 1000);
                    let mut load = Load::new(devices);
                    for number in 0..count {
                        let (topic, payload) = load.message();
                        if number % clients != client {
                            continue;
                        }
                        let mut payload = payload.into_bytes();
                        while publisher.outstanding() >= 1000
                            || !publisher.try_publish(number, &topic, std::mem::take(&mut payload), false)
                        {
                            publisher.poll().await.expect("the broker stays");
                        }
                    }
                    while publisher.outstanding() > 0 {
                        publisher.poll().await.expect("the broker stays");
                    }
                });
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("a client"));
}
