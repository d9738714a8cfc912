//! Numbers: everything health and metrics tell, read where it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::watch;

use crate::catalogue::Heard;
use crate::clock::Clock;
use crate::delivery::{Order, Standings};
use crate::http::{self, Number};
use crate::journal::Journal;
use crate::mqtt;
use crate::quarantine::Quarantine;
use crate::sink::{Meter, Sink};
use crate::source::{Counts, Rebirths};

pub(super) struct Numbers {
    pub(super) standings: Standings,
    pub(super) journal: Journal,
    pub(super) quarantine: Quarantine,
    pub(super) sinks: BTreeMap<String, Arc<Sink>>,
    pub(super) overwritten: Arc<AtomicU64>,
    /// Of each source, by its name.
    pub(super) counts: Vec<(String, Arc<Counts>)>,
    pub(super) rebirths: Rebirths,
    /// What is in force.
    pub(super) orders: watch::Receiver<Order>,
    pub(super) certificates: Vec<mqtt::Expiries>,
    pub(super) stalls: super::watching::Stalls,
    pub(super) clock: Clock,
    /// Unix time in nanoseconds.
    pub(super) started: i64,
}

impl Numbers {
    pub(super) fn snapshot(&self) -> http::Snapshot {
        let oldest = self.standings.oldest_received().map(|received| {
            let age = self.clock.now().saturating_sub(received);
            Duration::from_nanos(u64::try_from(age).unwrap_or(0))
        });
        let mut moved = self.quarantine.moved();
        let destinations = self.standings.progress().into_iter().map(|(name, progress)| {
            let moved = moved.remove(&name).unwrap_or_default();
            let (position, outcomes) = (progress.position, progress.outcomes);
            (name, http::Destination { position, outcomes, moved })
        });
        let quarantine = self.quarantine.counts();
        let started = Duration::from_nanos(u64::try_from(self.started).unwrap_or(0)).as_secs_f64();
        let mut numbers = vec![
            Number::gauge("start_time_seconds", "When the process began, Unix time", started),
            Number::gauge("quarantine_size_bytes", "Bytes in quarantine", float(quarantine.bytes)),
            Number::gauge("quarantine_held_messages", "Messages in quarantine now", float(quarantine.held)),
            Number::gauge(
                "quarantine_damaged_files",
                "Damaged stretches and files of the quarantine that are set aside, until a human moves them away",
                float(
                    u64::try_from(self.quarantine.damage(false).map_or(0, |damage| damage.files))
                        .unwrap_or(0),
                ),
            ),
            Number::counter(
                "quarantine_expired_messages",
                "Messages that the quarantine's quota removed",
                float(quarantine.expired),
            ),
            Number::counter(
                "overwritten_points",
                "Points that a later one of the same device and time replaced with other values",
                float(self.overwritten.load(Relaxed)),
            ),
        ];
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let help = "Asynchronous tasks alive; one or two for each connection, destination and watch";
            let alive = u64::try_from(runtime.metrics().num_alive_tasks()).unwrap_or(u64::MAX);
            numbers.push(Number::gauge("tasks", help, float(alive)));
        }
        numbers.extend(of_the_journal(&self.journal));
        numbers.extend(self.counts.iter().flat_map(|(name, counts)| of_a_source(name, counts)));
        numbers.extend(self.rebirths.requests().into_iter().map(|(source, requests)| {
            let help = "How often a Sparkplug node was asked for its births";
            Number::counter("rebirth_requests", help, float(requests)).label("source", source)
        }));
        numbers.extend(self.stalls.iter().map(|(part, stalls)| {
            let help = "How often it was begun anew because it stood still";
            Number::counter("stalls", help, float(stalls.load(Relaxed))).label("part", part)
        }));
        let transform = Arc::clone(&self.orders.borrow().transform);
        numbers.extend(transform.heard().into_iter().flat_map(of_a_profile));
        for (broker, certificate, left) in self.certificates.iter().flat_map(mqtt::Expiries::left) {
            let help = "How long the certificate is still valid; below zero when it has expired";
            #[expect(clippy::cast_precision_loss, reason = "Prometheus has floats only")]
            let number = Number::gauge("certificate_expiry_seconds", help, left as f64);
            numbers.push(number.label("broker", &*broker).label("certificate", certificate));
        }
        numbers.extend(self.sinks.iter().flat_map(|(name, sink)| of_a_destination(name, sink.meter())));
        http::Snapshot {
            account: self.standings.account(),
            oldest_unsettled: oldest,
            destinations: destinations.collect(),
            journal: {
                let stats = self.journal.stats();
                http::Journal { size: stats.bytes, written: stats.written, left: stats.space_left }
            },
            numbers,
        }
    }
}

fn of_the_journal(journal: &Journal) -> [Number; 6] {
    let stats = journal.stats();
    let damage = journal.damage(false).unwrap_or_default();
    let lost = damage.lost.iter().map(|lost| lost.last.saturating_sub(lost.first).saturating_add(1)).sum();
    let foreign = damage.foreign.len();
    [
        Number::gauge("journal_size_bytes", "Bytes of all journal segments", float(stats.bytes)),
        Number::gauge(
            "journal_left_bytes",
            "How many bytes more the journal takes before it stops accepting",
            float(stats.space_left),
        ),
        Number::gauge(
            "journal_lost_messages",
            "Messages lost to damage that are on record, until a human moves the record away",
            float(lost),
        ),
        Number::gauge(
            "journal_damaged_files",
            "Stretches of damaged bytes that are set aside, and files that this version cannot read",
            float(u64::try_from(damage.files.saturating_add(foreign)).unwrap_or(u64::MAX)),
        ),
        Number::gauge(
            "journal_torn_bytes",
            "Bytes of a write that was cut off, found at the start; never acknowledged",
            float(stats.torn),
        ),
        Number::histogram(
            "journal_sync_seconds",
            "How long appending and syncing a group of messages took",
            journal.syncs(),
        ),
    ]
}

fn of_a_source(name: &str, counts: &Counts) -> [Number; 4] {
    let count = |count: &AtomicU64| float(count.load(Relaxed));
    let subscribed = f64::from(u8::from(counts.subscribed.load(Relaxed)));
    [
        Number::gauge("mqtt_connected", "1 while it is connected and subscribed", subscribed),
        Number::counter("mqtt_connections", "Connections made to the broker", count(&counts.connections)),
        Number::counter(
            "mqtt_redelivered_messages",
            "Messages that the broker sent again",
            count(&counts.redelivered),
        ),
        Number::counter(
            "no_room_messages",
            "QoS 0 messages that found a full journal",
            count(&counts.no_room),
        ),
    ]
    .map(|number| number.label("source", name))
}

fn of_a_profile((name, heard): (&str, &Heard)) -> [Number; 2] {
    [
        Number::counter(
            "codec_warnings",
            "What codecs warned of, by the profile of the device",
            float(heard.warnings()),
        ),
        Number::counter(
            "unknown_names",
            "Values under names that the profile of the device lacks",
            float(heard.unknown_names()),
        ),
    ]
    .map(|number| number.label("profile", name))
}

fn of_a_destination(name: &str, meter: &Meter) -> [Number; 4] {
    [
        Number::counter("sink_requests", "Requests to the database", float(meter.requests())),
        Number::counter("sink_retries", "Requests that must be made again", float(meter.retries())),
        Number::histogram(
            "sink_write_seconds",
            "From sending a request to the verdict on its points",
            meter.answered.read(),
        ),
        Number::histogram("sink_batch_points", "Points in each batch", meter.batches.read()),
    ]
    .map(|number| number.label("destination", name))
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has floats only")]
const fn float(number: u64) -> f64 {
    number as f64
}
