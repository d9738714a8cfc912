//! The publisher: sends the city through a real MQTT client at a rate and keeps the log of what was acknowledged.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{City, Log, Publish};
use crate::clock::Clock;
use crate::mqtt::Options;
use crate::mqtt::publish::{PublishError, Publisher};

/// How often the rate's allowance is topped up.
const TICK: Duration = Duration::from_millis(10);

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
    mut seen: impl FnMut(&Publish),
) -> Result<(), PublishError> {
    let window = plan.window.max(1);
    let mut publisher = Publisher::new(options, window);
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // A poll that is cut off while it connects would begin another connection under the same client id.
    settle(&mut publisher, log).await?;
    let start = Instant::now();
    let mut sent: u64 = 0;
    while !stop.is_cancelled() && plan.count.is_none_or(|count| sent < count) {
        let due = plan.rate.map_or(u64::MAX, |rate| allowance(start.elapsed(), rate));
        let mut room = usize::from(window).saturating_sub(publisher.outstanding());
        while room > 0 && sent < due && plan.count.is_none_or(|count| sent < count) {
            let publish = city.next(clock.now());
            seen(&publish);
            let ticket = log.sent(&publish);
            while !publisher.try_publish(ticket, &publish.topic, publish.payload.clone(), publish.retain) {
                settle(&mut publisher, log).await?;
            }
            sent = sent.saturating_add(1);
            room -= 1;
        }
        tokio::select! {
            settled = settle(&mut publisher, log) => settled?,
            _ = tick.tick() => {}
            () = stop.cancelled() => {}
        }
    }
    let late = Instant::now() + plan.patience;
    while publisher.outstanding() > 0 {
        match tokio::time::timeout_at(late, settle(&mut publisher, log)).await {
            Ok(settled) => settled?,
            // The log says which are open; judging that is not the publisher's job.
            Err(_) => break,
        }
    }
    Ok(())
}

async fn settle(publisher: &mut Publisher, log: &mut Log) -> Result<(), PublishError> {
    if let Some(ticket) = publisher.poll().await? {
        log.acknowledged(ticket);
    }
    Ok(())
}

/// Messages that may have been sent after so long.
fn allowance(elapsed: Duration, rate: u32) -> u64 {
    let messages = elapsed.as_micros().saturating_mul(u128::from(rate)) / 1_000_000;
    u64::try_from(messages).unwrap_or(u64::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests;
