//! The sender: publishes a load at a rate, and after a break connects anew and sends again what has no PUBACK.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::Publish;
use super::publisher::Plan;
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::mqtt::Options;
use crate::mqtt::publish::{PublishError, Publisher};

/// How often the rate's allowance is topped up.
const TICK: Duration = Duration::from_millis(10);
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// What to do when a connection ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// End with its error.
    End,
    /// Once there was a connection: connect again and send again what has no PUBACK, as devices do.
    Resend,
}

/// What happens while sending. Tickets count from 0 in the order of the publishes.
#[derive(Debug)]
pub enum Happening<'p> {
    Connected,
    /// Made and handed to the connection for the first time.
    Sent(&'p Publish),
    /// One more connection carried it: the broker may have seen it before. Told when that connection ended, or just
    /// before its PUBACK.
    SentAgain(u64),
    /// Its PUBACK came.
    Acknowledged(u64),
    /// The connection ended; the next one follows.
    Broken(&'p PublishError),
}

/// A publish without its PUBACK.
#[derive(Debug)]
struct Open {
    publish: Publish,
    /// The present connection has it.
    handed: bool,
    /// How many earlier connections may have carried it to the broker.
    carried: u32,
}

/// One run of a load.
struct Sender<'s, N, F> {
    next: N,
    plan: Plan,
    clock: &'s Clock,
    stop: &'s CancellationToken,
    tell: F,
    /// At most the plan's window of them.
    open: BTreeMap<u64, Open>,
    sent: u64,
    /// When to stop waiting for PUBACKs; set once nothing new is sent.
    late: Option<Instant>,
}

/// Publishes what `next` makes at a time in Unix nanoseconds, until the plan's count is reached or `stop` fires, then
/// waits for what is not acknowledged yet.
///
/// A broker that cannot be reached at the very beginning is an error whatever `on_break` says.
pub async fn run(
    next: impl FnMut(i64) -> Publish,
    options: &Options,
    plan: Plan,
    on_break: Break,
    clock: &Clock,
    stop: &CancellationToken,
    tell: impl FnMut(Happening<'_>),
) -> Result<(), PublishError> {
    let plan = Plan { window: plan.window.max(1), ..plan };
    let mut sender = Sender { next, plan, clock, stop, tell, open: BTreeMap::new(), sent: 0, late: None };
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    let mut ever = false;
    loop {
        let mut publisher = Publisher::new(options, plan.window);
        let mut up = false;
        let ended = sender.converse(&mut publisher, &mut up).await;
        ever |= up;
        sender.close(&publisher);
        let Err(error) = ended else { return Ok(()) };
        if on_break == Break::End || !ever {
            return Err(error);
        }
        (sender.tell)(Happening::Broken(&error));
        if up {
            backoff.reset();
        }
        let wait = Instant::now() + backoff.next_wait();
        if sender.over() {
            // What is left open the caller's records say.
            if sender.open.is_empty() || sender.late().is_some_and(|late| wait >= late) {
                return Ok(());
            }
            tokio::time::sleep_until(wait).await;
        } else {
            tokio::select! {
                () = tokio::time::sleep_until(wait) => {}
                () = stop.cancelled() => {}
            }
        }
    }
}

impl<N: FnMut(i64) -> Publish, F: FnMut(Happening<'_>)> Sender<'_, N, F> {
    /// One connection, from its beginning to its end; fine when everything is sent and answered, or too late.
    async fn converse(&mut self, publisher: &mut Publisher, up: &mut bool) -> Result<(), PublishError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // A poll that is cut off while it connects would begin another connection under the same client id.
        self.settle(publisher).await?;
        *up = true;
        (self.tell)(Happening::Connected);
        self.resend(publisher).await?;
        // A new schedule: what was not sent during a break is not caught up with in one burst.
        let (start, before, stop) = (Instant::now(), self.sent, self.stop);
        while !self.over() {
            let due = self.plan.rate.map_or(u64::MAX, |rate| allowance(start.elapsed(), rate));
            let mut room = usize::from(self.plan.window).saturating_sub(publisher.outstanding());
            while room > 0 && !self.over() && self.sent.saturating_sub(before) < due {
                self.send(publisher).await?;
                room -= 1;
            }
            tokio::select! {
                settled = self.settle(publisher) => settled?,
                _ = tick.tick() => {}
                () = stop.cancelled() => {}
            }
        }
        let late = self.late();
        while publisher.outstanding() > 0 {
            let settled = self.settle(publisher);
            match late {
                Some(late) => match tokio::time::timeout_at(late, settled).await {
                    Ok(settled) => settled?,
                    Err(_) => break,
                },
                None => settled.await?,
            }
        }
        Ok(())
    }

    async fn send(&mut self, publisher: &mut Publisher) -> Result<(), PublishError> {
        let publish = (self.next)(self.clock.now());
        let ticket = self.sent;
        self.sent = self.sent.saturating_add(1);
        (self.tell)(Happening::Sent(&publish));
        let (topic, payload) = (publish.topic.clone(), publish.payload.clone());
        let retain = publish.retain;
        // It is on record before it is handed over: an error below must not make it forgotten.
        self.open.insert(ticket, Open { publish, handed: false, carried: 0 });
        while !publisher.try_publish(ticket, &topic, payload.clone(), retain) {
            self.settle(publisher).await?;
        }
        self.handed(ticket);
        Ok(())
    }

    /// In the order of their first sending, before anything new.
    async fn resend(&mut self, publisher: &mut Publisher) -> Result<(), PublishError> {
        let tickets: Vec<u64> = self.open.keys().copied().collect();
        for ticket in tickets {
            let Some(open) = self.open.get(&ticket) else { continue };
            let publish = open.publish.clone();
            while !publisher.try_publish(ticket, &publish.topic, publish.payload.clone(), publish.retain) {
                self.settle(publisher).await?;
            }
            self.handed(ticket);
        }
        Ok(())
    }

    fn handed(&mut self, ticket: u64) {
        if let Some(open) = self.open.get_mut(&ticket) {
            open.handed = true;
        }
    }

    /// A connection has ended: what it carried may have arrived, what it never wrote cannot have.
    fn close(&mut self, publisher: &Publisher) {
        let unwritten: BTreeSet<u64> = publisher.unwritten().collect();
        for (ticket, open) in &mut self.open {
            if std::mem::take(&mut open.handed) && !unwritten.contains(ticket) {
                open.carried = open.carried.saturating_add(1);
                if open.carried > 1 {
                    (self.tell)(Happening::SentAgain(*ticket));
                }
            }
        }
    }

    async fn settle(&mut self, publisher: &mut Publisher) -> Result<(), PublishError> {
        if let Some(ticket) = publisher.poll().await? {
            if self.open.remove(&ticket).is_some_and(|open| open.carried > 0) {
                (self.tell)(Happening::SentAgain(ticket));
            }
            (self.tell)(Happening::Acknowledged(ticket));
        }
        Ok(())
    }

    /// Nothing new is sent any more.
    fn over(&self) -> bool {
        self.stop.is_cancelled() || self.plan.count.is_some_and(|count| self.sent >= count)
    }

    /// The end of patience, which begins when nothing new is sent. Nothing where it is beyond all time.
    fn late(&mut self) -> Option<Instant> {
        if self.late.is_none() {
            self.late = Instant::now().checked_add(self.plan.patience);
        }
        self.late
    }
}

/// Messages that may have been sent after so long.
fn allowance(elapsed: Duration, rate: u32) -> u64 {
    let messages = elapsed.as_micros().saturating_mul(u128::from(rate)) / 1_000_000;
    u64::try_from(messages).unwrap_or(u64::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests;
