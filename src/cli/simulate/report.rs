//! What a load came to: counts, the rate that was kept, and how long PUBACKs took.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::cli::count;
use crate::simulate::latency::Latency;

/// Of a hundred messages that were asked for, so many must be sent for the rate to count as kept.
const KEPT_PER_CENT: f64 = 97.0;

/// Counts of all senders together.
#[derive(Debug, Default)]
pub(super) struct Measure {
    pub(super) sent: u64,
    pub(super) sent_again: u64,
    pub(super) acknowledged: u64,
    /// Connections that ended by themselves, or that could not be made again.
    pub(super) breaks: u64,
    pub(super) last_error: Option<String>,
    pub(super) latency: Latency,
}

/// What is told at the end. Rates are messages a second.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    seconds: f64,
    sent: u64,
    pub(super) acknowledged: u64,
    sent_again: u64,
    unacknowledged: u64,
    /// Connections that ended by themselves, or that could not be made again.
    errors: u64,
    last_error: Option<String>,
    asked_rate: u32,
    sent_rate: f64,
    acknowledged_rate: f64,
    /// Whether messages were sent as fast as asked.
    kept_rate: bool,
    /// Nothing where no PUBACK came.
    puback_ms: Option<Milliseconds>,
}

#[derive(Debug, Serialize)]
struct Milliseconds {
    p50: f64,
    p95: f64,
    p99: f64,
    max: f64,
}

impl Measure {
    /// One line while it goes on; `before` is how many were acknowledged a second ago.
    pub(super) fn progress(&self, before: u64) -> String {
        let Self { sent, acknowledged, breaks, .. } = self;
        let now = acknowledged.saturating_sub(before);
        let p99 = self.latency.per_mille(990).unwrap_or_default();
        let p99 = milliseconds(p99);
        format!(
            "sent {sent}, acknowledged {acknowledged}, now {now}/s, PUBACK p99 {p99:.1} ms, errors {breaks}"
        )
    }
}

impl Report {
    #[expect(clippy::cast_precision_loss, reason = "a rate is told with one digit after the point")]
    pub(super) fn new(measure: &Measure, asked_rate: u32, sending: Duration) -> Self {
        let seconds = sending.as_secs_f64();
        let rate = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        let at = |per_mille| measure.latency.per_mille(per_mille).map(milliseconds);
        let puback_ms = at(500).zip(at(950)).zip(at(990)).map(|((p50, p95), p99)| Milliseconds {
            p50,
            p95,
            p99,
            max: milliseconds(measure.latency.max()),
        });
        Self {
            seconds,
            sent: measure.sent,
            acknowledged: measure.acknowledged,
            sent_again: measure.sent_again,
            unacknowledged: measure.sent.saturating_sub(measure.acknowledged),
            errors: measure.breaks,
            last_error: measure.last_error.clone(),
            asked_rate,
            sent_rate: rate(measure.sent),
            acknowledged_rate: rate(measure.acknowledged),
            kept_rate: rate(measure.sent) * 100.0 >= f64::from(asked_rate) * KEPT_PER_CENT,
            puback_ms,
        }
    }

    pub(super) fn in_words(&self, devices: usize, to: &str) -> String {
        let devices = count(devices, "device");
        let mut text = format!("{devices} to {to}, {:.1} s\n", self.seconds);
        let _ = writeln!(text, "sent           {:>8}  {:.1}/s", self.sent, self.sent_rate);
        let _ = writeln!(text, "acknowledged   {:>8}  {:.1}/s", self.acknowledged, self.acknowledged_rate);
        let _ = writeln!(text, "unacknowledged {:>8}", self.unacknowledged);
        let _ = writeln!(text, "sent again     {:>8}", self.sent_again);
        let last = self.last_error.as_deref().map(|error| format!("  ({error})")).unwrap_or_default();
        let _ = writeln!(text, "errors         {:>8}{last}", self.errors);
        if let Some(Milliseconds { p50, p95, p99, max }) = &self.puback_ms {
            let _ = writeln!(
                text,
                "PUBACK after   p50 {p50:.1} ms, p95 {p95:.1} ms, p99 {p99:.1} ms, max {max:.1} ms"
            );
        }
        let asked = self.asked_rate;
        let kept = if self.kept_rate {
            format!("the asked rate of {asked}/s was kept")
        } else {
            format!(
                "THE ASKED RATE OF {asked}/s WAS NOT KEPT: PUBACKs come too slowly for one window, or this machine \
                 is too slow; try more --connections or a larger --window"
            )
        };
        text.push_str(&kept);
        text
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(sent: u64, acknowledged: u64) -> Report {
        let mut measure = Measure { sent, acknowledged, ..Measure::default() };
        (0..acknowledged).for_each(|_| measure.latency.add(Duration::from_millis(2)));
        Report::new(&measure, 200, Duration::from_secs(10))
    }

    #[test]
    fn a_rate_that_was_not_kept_is_said() {
        let kept = report(1_990, 1_980);
        assert!(kept.kept_rate && kept.in_words(60, "mqtt://x").contains("was kept"));
        assert_eq!((kept.unacknowledged, kept.acknowledged_rate), (10, 198.0));
        let slow = report(1_000, 1_000);
        assert!(!slow.kept_rate && slow.in_words(60, "mqtt://x").contains("NOT KEPT"));
    }

    #[test]
    fn without_a_puback_there_is_no_latency() {
        let none = report(100, 0);
        assert!(none.puback_ms.is_none());
        assert!(!none.in_words(60, "mqtt://x").contains("PUBACK after"));
        assert!((report(1, 1).puback_ms.unwrap().p99 - 2.0).abs() < 0.1);
        assert_eq!(Report::new(&Measure::default(), 1, Duration::ZERO).sent_rate, 0.0);
    }
}
