//! Start with a full journal, and what a large backlog costs.

use std::time::{Duration, Instant};

use super::Scale;
use super::backlog::fill;
use super::load;
use super::memory::cpu;
use super::report::{Report, short};
use super::sink::Sink;
use super::support::mosquitto::Mosquitto;
use super::support::nadikota::Nadikota;
use super::support::wait::{free_addresses, poll_until};

const LIMIT: Duration = Duration::from_secs(900);

pub fn measure(scale: Scale, report: &mut Report) {
    // About 310 bytes a record on disk.
    let count: u64 = scale.of(5_000, 3_400_000);
    let (broker, dir) = (Mosquitto::start(""), tempfile::tempdir().expect("a directory"));
    let (sink, [nowhere]) = (Sink::start(Duration::ZERO), free_addresses());
    let rest = |address| {
        format!(
            "[journal]\nkeep_size = \"8 GiB\"\n{}{}",
            load::mqtt(broker.address(), "nadikota"),
            load::influx2(address)
        )
    };
    let mut nadikota = Nadikota::start_alone(&load::configuration(dir.path(), 200, &rest(nowhere)));
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    fill(broker.address(), count);
    let number = |nadikota: &Nadikota, name: &str| {
        nadikota.health().and_then(|health| health["account"][name].as_u64()).unwrap_or(0)
    };
    poll_until(LIMIT, "all is received", || (number(&nadikota, "received") >= count).then_some(()));
    let size = journal_size(&nadikota);
    std::fs::write(
        nadikota.dir().join("nadikota.toml"),
        load::configuration(dir.path(), 200, &rest(sink.address)),
    )
    .expect("the configuration");
    let begin = Instant::now();
    nadikota.restart();
    let before = cpu(nadikota.id());
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let ready_backlog = begin.elapsed();
    poll_until(LIMIT, "all is stored", || (number(&nadikota, "pending") == 0).then_some(()));
    let (drain, spent) = (begin.elapsed(), cpu(nadikota.id()) - before);
    assert!(nadikota.stop(LIMIT).success(), "{}", nadikota.output());
    let begin = Instant::now();
    nadikota.restart();
    poll_until(LIMIT, "nadikota is ready", || nadikota.ready().then_some(()));
    let ready_kept = begin.elapsed();
    report.title(
        "Starting",
        &format!("A journal of {} MiB, {} messages.", short(size / 1048576.0), short(count as f64)),
    );
    report.table(
        &["", ""],
        &[
            vec![
                "ready after a kill, all of it undelivered".to_owned(),
                format!("{} s", short(ready_backlog.as_secs_f64())),
            ],
            vec![
                "ready after a stop, all of it delivered and kept".to_owned(),
                format!("{} s", short(ready_kept.as_secs_f64())),
            ],
            vec![
                "delivered from the files".to_owned(),
                format!("{} msg/s", short(count as f64 / drain.as_secs_f64())),
            ],
            vec!["CPU per message of that".to_owned(), format!("{} µs", short(spent * 1e6 / count as f64))],
        ],
    );
}

fn journal_size(nadikota: &Nadikota) -> f64 {
    let entries = std::fs::read_dir(nadikota.data_dir().join("journal")).expect("the journal");
    entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|told| told.len() as f64).sum()
}
