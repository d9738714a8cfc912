//! Numbers: everything health and metrics tell, read where it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::clock::Clock;
use crate::delivery::Standings;
use crate::http;
use crate::journal::Journal;
use crate::mqtt;
use crate::quarantine::Quarantine;
use crate::sink::Sink;
use crate::source::Counts;

pub(super) struct Numbers {
    pub(super) standings: Standings,
    pub(super) journal: Journal,
    pub(super) quarantine: Quarantine,
    pub(super) sinks: BTreeMap<String, Arc<Sink>>,
    pub(super) overwritten: Arc<AtomicU64>,
    pub(super) counts: Vec<Arc<Counts>>,
    pub(super) certificates: Vec<mqtt::Expiries>,
    pub(super) clock: Clock,
}

impl Numbers {
    pub(super) fn snapshot(&self) -> http::Snapshot {
        let oldest = self.standings.oldest_received().map(|received| {
            let age = self.clock.now().saturating_sub(received);
            Duration::from_nanos(u64::try_from(age).unwrap_or(0))
        });
        let destinations = self.standings.progress().into_iter().map(|(name, progress)| {
            (name, http::Destination { position: progress.position, outcomes: progress.outcomes })
        });
        #[expect(clippy::cast_precision_loss, reason = "Prometheus has floats only")]
        let float = |number: u64| number as f64;
        let (journal, quarantine) = (self.journal.stats(), self.quarantine.counts());
        let mut numbers = vec![
            http::Number::gauge("journal_size_bytes", "Bytes of all journal segments", float(journal.bytes)),
            http::Number::gauge(
                "journal_last_sync_seconds",
                "How long the last sync of the journal took",
                journal.last_sync.as_secs_f64(),
            ),
            http::Number::gauge("quarantine_size_bytes", "Bytes in quarantine", float(quarantine.bytes)),
            http::Number::counter(
                "quarantine_expired_messages",
                "Messages that the quarantine's quota removed",
                float(quarantine.expired),
            ),
            http::Number::counter(
                "overwritten_points",
                "Points that a later one of the same device and time replaced with other values",
                float(self.overwritten.load(Relaxed)),
            ),
        ];
        let sum = |count: fn(&Counts) -> &AtomicU64| {
            float(self.counts.iter().map(|counts| count(counts).load(Relaxed)).sum())
        };
        if !self.counts.is_empty() {
            numbers.extend([
                http::Number::counter(
                    "mqtt_connections",
                    "Connections made to brokers",
                    sum(|counts| &counts.connections),
                ),
                http::Number::counter(
                    "mqtt_redelivered_messages",
                    "Messages that brokers sent again",
                    sum(|counts| &counts.redelivered),
                ),
                http::Number::counter(
                    "no_room_messages",
                    "QoS 0 messages that found a full journal",
                    sum(|counts| &counts.no_room),
                ),
            ]);
        }
        for (broker, certificate, left) in self.certificates.iter().flat_map(mqtt::Expiries::left) {
            let help = "How long the certificate is still valid; below zero when it has expired";
            #[expect(clippy::cast_precision_loss, reason = "Prometheus has floats only")]
            let number = http::Number::gauge("certificate_expiry_seconds", help, left as f64);
            numbers.push(number.label("broker", &*broker).label("certificate", certificate));
        }
        for (name, sink) in &self.sinks {
            for (what, help, value) in sink.numbers() {
                numbers.push(http::Number::counter(what, help, value).label("destination", name));
            }
        }
        http::Snapshot {
            account: self.standings.account(),
            oldest_unsettled: oldest,
            destinations: destinations.collect(),
            journal: http::Journal {
                size: journal.bytes,
                written: journal.written,
                left: self.journal.left(),
            },
            numbers,
        }
    }
}
