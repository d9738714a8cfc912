//! `nadikota simulate`: a load generator; the demo's devices publish to any broker, and the PUBACKs are timed.

mod options;
mod report;

use std::collections::HashMap;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Failure, on_signal, say, say_json};
use crate::clock::Clock;
use crate::config::DEMO_DEVICES;
use crate::mqtt::publish::PublishError;
use crate::simulate::sender::{self, Break, Happening};
use crate::simulate::{self, City, crowd};
pub(super) use options::Options;
use report::{Measure, Report};

pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let plans = options.plans()?;
    let broker = options.broker()?;
    let stop = CancellationToken::new();
    let signals = tokio::spawn(on_signal(stop.clone()));
    let measure = Arc::new(Mutex::new(Measure::default()));
    let registries = crowd::registries(DEMO_DEVICES, options.devices(), plans.len());
    let registries = registries.map_err(anyhow::Error::new)?;
    let mut senders = JoinSet::new();
    for (number, (plan, registry)) in plans.into_iter().zip(registries).enumerate() {
        let seed = options.seed().wrapping_add(u64::try_from(number).unwrap_or(0));
        let settings = simulate::Options { seed, trouble: false, ..simulate::Options::default() };
        let mut city = City::new(&registry, settings).map_err(anyhow::Error::new)?;
        let mut broker = broker.clone();
        broker.client_id = format!("{}-{number}", broker.client_id);
        let (stop, measure) = (stop.clone(), Arc::clone(&measure));
        senders.spawn(async move {
            let note = record(measure);
            sender::run(|now| city.next(now), &broker, plan, Break::Resend, &Clock::System, &stop, note).await
        });
    }
    let begun = Instant::now();
    let failed = attend(&mut senders, options.length(), &measure, &stop).await;
    signals.abort();
    if let Some(error) = failed {
        return Err(Failure::Failed(anyhow!(error).context(format!("cannot publish to {}", options.to()))));
    }
    let sending = begun.elapsed().min(options.length());
    let measure = measure.lock().unwrap_or_else(PoisonError::into_inner);
    let report = Report::new(&measure, options.rate(), sending);
    if options.json() {
        say_json(&report)?;
    } else {
        say(report.in_words(options.devices(), options.to()))?;
    }
    if report.acknowledged > 0 { Ok(()) } else { Err(Failure::No) }
}

/// Waits for all senders, which are told to stop after so long; an error is that of one that never connected.
async fn attend(
    senders: &mut JoinSet<Result<(), PublishError>>,
    length: Duration,
    measure: &Mutex<Measure>,
    stop: &CancellationToken,
) -> Option<PublishError> {
    let live = std::io::stderr().is_terminal();
    let end = tokio::time::sleep(length);
    tokio::pin!(end);
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let (mut failed, mut before) = (None, 0);
    loop {
        tokio::select! {
            () = &mut end, if !stop.is_cancelled() => stop.cancel(),
            _ = second.tick() => {
                let measure = measure.lock().unwrap_or_else(PoisonError::into_inner);
                if live && measure.acknowledged > 0 {
                    // A terminal that is gone is no reason to end.
                    let _ = write!(std::io::stderr(), "\r\x1b[K{}", measure.progress(before));
                }
                before = measure.acknowledged;
            }
            ended = senders.join_next() => match ended {
                None => break,
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => {
                    failed.get_or_insert(error);
                    stop.cancel();
                }
                // One that panicked has said so; what it left open is counted as unanswered.
                Some(Err(_)) => stop.cancel(),
            }
        }
    }
    if live {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    failed
}

/// Counts what one sender tells. It remembers when each publish was sent until its PUBACK comes: a window's worth.
fn record(measure: Arc<Mutex<Measure>>) -> impl FnMut(Happening<'_>) {
    let mut open: HashMap<u64, Instant> = HashMap::new();
    let mut sent: u64 = 0;
    move |happening| {
        let mut measure = measure.lock().unwrap_or_else(PoisonError::into_inner);
        match happening {
            Happening::Connected => {}
            Happening::Sent(_) => {
                open.insert(sent, Instant::now());
                sent = sent.saturating_add(1);
                measure.sent = measure.sent.saturating_add(1);
            }
            Happening::SentAgain(_) => measure.sent_again = measure.sent_again.saturating_add(1),
            Happening::Acknowledged(ticket) => {
                measure.acknowledged = measure.acknowledged.saturating_add(1);
                // From its first sending on: that is what a device waits.
                if let Some(since) = open.remove(&ticket) {
                    measure.latency.add(since.elapsed());
                }
            }
            Happening::Broken(error) => {
                measure.breaks = measure.breaks.saturating_add(1);
                measure.last_error = Some(error.to_string());
            }
        }
    }
}
