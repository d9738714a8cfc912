//! Metrics: the account, the board and the rooms' numbers as Prometheus text, derived at each scrape.

use std::collections::BTreeMap;
use std::fmt;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::App;
use super::view::{Number, Snapshot, Value};
use crate::live::{Delays, Forecast};
use crate::outcome::Outcomes;
use crate::status::{Board, State as PartState};

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The page `/metrics`.
pub(super) async fn text(State(app): State<App>) -> Response {
    let mut registry = Registry::with_prefix("nadikota");
    registry.register_collector(Box::new(Scrape(app)));
    let mut told = String::new();
    match prometheus_client::encoding::text::encode(&mut told, &registry) {
        Ok(()) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], told).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[derive(Debug)]
struct Scrape(App);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let App { view, pulse, .. } = &self.0;
        let snapshot = view.snapshot();
        let mut numbers = of_the_board(&view.board);
        numbers.extend(of_the_outlook(&pulse.forecast()));
        numbers.extend(of_the_delays(&view.live.delays()));
        numbers.extend(of_the_account(&snapshot));
        numbers.extend(snapshot.numbers);
        // A family is told once, with all its series.
        let mut families: BTreeMap<&str, Vec<Number>> = BTreeMap::new();
        for number in numbers {
            families.entry(number.name).or_default().push(number);
        }
        for (name, series) in families {
            write_family(&mut encoder, name, &series)?;
        }
        Ok(())
    }
}

fn of_the_delays(delays: &BTreeMap<String, Delays>) -> impl Iterator<Item = Number> {
    let help = "From the receipt of a message to the database's answer for all of it";
    delays.iter().map(move |(name, delays)| {
        Number::histogram("time_to_stored_seconds", help, delays.histogram()).label("destination", name)
    })
}

/// What cannot be said is left out.
fn of_the_outlook(told: &Forecast) -> Vec<Number> {
    let seconds_left = told.hours_left.map(|hours| hours * 3600.0);
    let mut numbers = vec![
        Number::gauge(
            "journal_fill_bytes_per_second",
            "How fast the journal was written in the last minute",
            told.fill_bytes_per_s,
        ),
        Number::gauge(
            "drain_messages_per_second",
            "How fast a backlog was worked through when there last was one; 0 before the first",
            told.drain_per_s.unwrap_or_default(),
        ),
    ];
    let said = [
        ("journal_left_seconds", "How long that lasts at the last minute's rate", seconds_left),
        (
            "drain_left_seconds",
            "When all that waits is stored, at that speed and the present load",
            told.drained_in_s,
        ),
    ];
    numbers
        .extend(said.into_iter().filter_map(|(name, help, value)| Some(Number::gauge(name, help, value?))));
    numbers
}

fn write_family(encoder: &mut DescriptorEncoder<'_>, name: &str, series: &[Number]) -> fmt::Result {
    let Some(first) = series.first() else { return Ok(()) };
    let kind = match first.value {
        Value::Counter(_) => MetricType::Counter,
        Value::Gauge(_) => MetricType::Gauge,
        Value::Histogram(_) => MetricType::Histogram,
    };
    let mut family = encoder.encode_descriptor(name, first.help, None, kind)?;
    if let [only] = series
        && only.labels.is_empty()
    {
        return write_value(only, family);
    }
    for number in series {
        write_value(number, family.encode_family(&number.labels)?)?;
    }
    Ok(())
}

fn write_value(number: &Number, mut metric: MetricEncoder<'_>) -> fmt::Result {
    match &number.value {
        Value::Counter(value) => ConstCounter::new(*value).encode(metric),
        Value::Gauge(value) => ConstGauge::new(*value).encode(metric),
        Value::Histogram(reading) => {
            // The encoder adds the buckets up.
            let buckets = reading.buckets.iter();
            let buckets = buckets.map(|(bound, count)| (bound.unwrap_or(f64::INFINITY), *count));
            let buckets: Vec<_> = buckets.collect();
            metric.encode_histogram::<NoLabelSet>(reading.sum, reading.count(), &buckets, None)
        }
    }
}

fn of_the_board(board: &Board) -> Vec<Number> {
    let mut numbers = vec![
        Number::gauge("build_info", "Always 1; the version is a label", 1.0)
            .label("version", env!("CARGO_PKG_VERSION")),
        Number::gauge("ready", "1 when a message that arrives now can be kept for good", {
            f64::from(u8::from(board.worst() != PartState::NotReady))
        }),
    ];
    for (name, part) in board.parts() {
        let state = match part.state {
            PartState::Ok => 0.0,
            PartState::Degraded => 1.0,
            PartState::NotReady => 2.0,
        };
        numbers.push(
            Number::gauge("part_state", "0 ok, 1 degraded, 2 not ready; /health says why", state)
                .label("part", name),
        );
    }
    numbers
}

fn of_the_account(snapshot: &Snapshot) -> Vec<Number> {
    let account = &snapshot.account;
    let waited = snapshot.oldest_unsettled.unwrap_or_default().as_secs_f64();
    let mut numbers = vec![
        Number::counter(
            "received_messages",
            "Messages in the journal since it was made",
            float(account.received),
        ),
        Number::gauge("pending_messages", "Messages on disk without an outcome yet", float(account.pending)),
        Number::gauge("oldest_unsettled_seconds", "How long the oldest pending message has waited", waited),
        Number::gauge("account_balances", "1 while every received message is in exactly one place", {
            f64::from(u8::from(account.balances()))
        }),
    ];
    for (name, destination) in &snapshot.destinations {
        let position = float(destination.position);
        numbers.push(
            Number::gauge("destination_position", "The next sequence number it settles", position)
                .label("destination", name),
        );
        numbers.extend(of_outcomes(name, &destination.outcomes));
        numbers.extend(of_moved(name, &destination.moved.to));
    }
    numbers
}

fn of_moved(destination: &str, to: &Outcomes) -> [Number; 3] {
    let help = "Messages of the quarantine that have another outcome by now";
    let discarded = to.discarded_total();
    [("stored", to.stored), ("partly_stored", to.partly_stored), ("discarded", discarded)].map(
        |(outcome, count)| {
            Number::counter("quarantine_moved_messages", help, float(count))
                .label("destination", destination)
                .label("outcome", outcome)
        },
    )
}

fn of_outcomes(destination: &str, outcomes: &Outcomes) -> Vec<Number> {
    let number = |outcome: &str, count: u64| {
        Number::counter("settled_messages", "Messages with their first outcome", float(count))
            .label("destination", destination)
            .label("outcome", outcome)
    };
    let mut numbers =
        vec![number("stored", outcomes.stored), number("partly_stored", outcomes.partly_stored)];
    for (reason, count) in &outcomes.quarantined {
        numbers.push(number("quarantined", *count).label("reason", reason.code()));
    }
    for (reason, count) in &outcomes.discarded {
        numbers.push(number("discarded", *count).label("reason", reason.code()));
    }
    numbers
}

/// Counts stay exact up to 2^53, which a city needs ten thousand years for.
#[expect(clippy::cast_precision_loss, reason = "Prometheus numbers are floats")]
const fn float(count: u64) -> f64 {
    count as f64
}
