//! The publisher: sends the city through a real MQTT client at a rate and keeps the log of what was acknowledged.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::sender::{self, Break, Happening};
use super::{City, Log, Publish};
use crate::clock::Clock;
use crate::mqtt::Options;
use crate::mqtt::publish::PublishError;

/// How to publish.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Messages per second; nothing means as fast as the broker acknowledges.
    pub rate: Option<u32>,
    /// Messages in all; nothing means until stopped.
    pub count: Option<u64>,
    /// Publishes without an acknowledgement at one time.
    pub window: u16,
    /// After a stop, how long to wait for the last acknowledgements.
    pub patience: Duration,
}

impl Default for Plan {
    fn default() -> Self {
        Self { rate: Some(200), count: None, window: 100, patience: Duration::from_secs(10) }
    }
}

/// Publishes until the count is reached or `stop` fires, then waits for what is not acknowledged yet.
///
/// `seen` is told of every publish as it is sent. After an error the log stays valid: what was not acknowledged
/// may or may not have arrived, and the city can go on over another connection.
pub async fn run(
    city: &mut City,
    log: &mut Log,
    options: &Options,
    plan: Plan,
    clock: &Clock,
    stop: &CancellationToken,
    seen: impl FnMut(&Publish),
) -> Result<(), PublishError> {
    sender::run(|now| city.next(now), options, plan, Break::End, clock, stop, record(log, seen)).await
}

/// Keeps the log of what a sender tells, and passes each publish on to `seen`.
pub fn record(log: &mut Log, mut seen: impl FnMut(&Publish)) -> impl FnMut(Happening<'_>) {
    // The log may hold another run's publishes before ours.
    let first = u64::try_from(log.len()).unwrap_or(u64::MAX);
    move |happening| match happening {
        Happening::Sent(publish) => {
            seen(publish);
            log.sent(publish);
        }
        Happening::SentAgain(ticket) => log.sent_again(first.saturating_add(ticket)),
        Happening::Acknowledged(ticket) => log.acknowledged(first.saturating_add(ticket)),
        Happening::Connected | Happening::Broken(_) => {}
    }
}

#[cfg(test)]
mod tests;
