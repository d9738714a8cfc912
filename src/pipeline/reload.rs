//! Reload: the running pipeline takes new routes, registry and profiles, at one message for all destinations.
//!
//! Everything received so far is settled under the old configuration first, however long a database is away; then all
//! deliveries stop at the same message for a moment, what is in flight drains, and they go on with the new one.
//! Sources subscribe anew afterwards. Nothing is lost at any point: what waits is in the journal.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use crate::config::Config;
use crate::delivery::{NewRouting, Order, Standings};
use crate::journal::Journal;
use crate::settings::Setting;
use crate::status::Part;
use crate::transform::Transform;

/// How long deliveries may stand still for the others; then all go on under the old configuration.
const BARRIER: Duration = Duration::from_secs(10);
/// What follows the files while the service runs; keys that begin otherwise are read at start only.
const LIVE: &[&str] =
    &["routes", "transform.", "time.", "time_zone", "catalogue", "profiles", "devices", "codecs", "codec."];

/// Why a configuration cannot be taken while the service runs.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    #[error("the list of destinations has changed; restart nadikota to take it")]
    Destinations,
    #[error("the cursor, which must hold the new routes first, cannot be written")]
    Cursor,
    #[error("the pipeline is stopping")]
    Stopping,
}

/// What a reload changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// The first message judged by the new configuration.
    pub from: u64,
    /// Series that the edited registry begins; the old ones stay.
    pub new_series: usize,
    /// Keys whose new values are taken at the next start only.
    pub at_next_start: Vec<String>,
}

/// The hands on a running pipeline.
#[derive(Debug)]
pub struct Reloader {
    pub(super) orders: watch::Sender<Order>,
    pub(super) routing: mpsc::Sender<NewRouting>,
    pub(super) filters: watch::Sender<Vec<String>>,
    pub(super) standings: Standings,
    pub(super) journal: Journal,
    pub(super) destinations: Vec<String>,
    pub(super) current: Current,
    /// What the process was started with: the rest of it stays until the next start.
    pub(super) started_with: Vec<Setting>,
    pub part: Part,
}

/// What the pipeline works by now.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) transform: Arc<Transform>,
    pub(super) routing: Vec<(String, String)>,
}

impl Reloader {
    /// Switches to `config`. Dropping the future before it is done leaves the old configuration in force.
    pub async fn switch(&mut self, config: &Config, now: i64) -> Result<Reloaded, ReloadError> {
        let names = config.destinations.iter().map(|destination| &destination.name);
        if !names.eq(&self.destinations) {
            return Err(ReloadError::Destinations);
        }
        // Whoever drops this future lets the deliveries go on.
        let _going_on = GoOn { orders: self.orders.clone() };
        let from = self.stop_at_one_message().await;
        if config.routing != self.current.routing {
            let (done, written) = oneshot::channel();
            let routing = NewRouting { routing: config.routing.clone(), done };
            self.routing.send(routing).await.map_err(|_| ReloadError::Stopping)?;
            let written = tokio::time::timeout(BARRIER, written).await;
            written.map_err(|_| ReloadError::Cursor)?.map_err(|_| ReloadError::Stopping)?;
            self.current.routing.clone_from(&config.routing);
        }
        let former = std::mem::replace(&mut self.current.transform, Arc::clone(&config.transform));
        // Every delivery stands still: no count is lost.
        config.transform.follow(&former);
        self.order(u64::MAX);
        self.filters.send_replace(config.transform.filters());
        Ok(Reloaded {
            from,
            new_series: config.transform.new_series(&former, now),
            at_next_start: at_next_start(&self.started_with, &config.settings),
        })
    }

    /// Brings all deliveries to a halt before the same message, and gives its number.
    async fn stop_at_one_message(&self) -> u64 {
        loop {
            self.settled(self.journal.end()).await;
            let halted = tokio::time::timeout(BARRIER, async {
                let order = self.order(0);
                let at = self.all_obeyed(order).await;
                self.order(at);
                self.settled(at).await;
                at
            });
            if let Ok(at) = halted.await {
                return at;
            }
            self.order(u64::MAX);
            self.part.degraded(
                "the new configuration waits until every destination has taken what was received before it",
                "see the destinations; the old configuration stays in force meanwhile",
            );
        }
    }

    /// Tells all deliveries to stop before `until`; gives the order's number.
    fn order(&self, until: u64) -> u64 {
        let transform = Arc::clone(&self.current.transform);
        self.orders.send_modify(|order| {
            *order = Order { number: order.number.saturating_add(1), transform, until };
        });
        self.orders.borrow().number
    }

    /// Waits until every delivery has heard the order; the furthest message that one of them had begun to take.
    async fn all_obeyed(&self, order: u64) -> u64 {
        loop {
            if let Some(next) = self.standings.obeyed(order) {
                return next;
            }
            self.standings.moved().await;
        }
    }

    /// Waits until everything before this message is settled everywhere.
    async fn settled(&self, before: u64) {
        while self.standings.progress().values().any(|progress| progress.position < before) {
            self.standings.moved().await;
        }
    }
}

/// Lets the deliveries go on as before.
struct GoOn {
    orders: watch::Sender<Order>,
}

impl Drop for GoOn {
    fn drop(&mut self) {
        self.orders.send_modify(|order| {
            order.number = order.number.saturating_add(1);
            order.until = u64::MAX;
        });
    }
}

/// Keys with other values than before that the running service does not follow.
fn at_next_start(former: &[Setting], new: &[Setting]) -> Vec<String> {
    let fixed = |setting: &&Setting| !LIVE.iter().any(|live| setting.key.starts_with(live));
    let value_in =
        |all: &[Setting], key: &str| all.iter().find(|one| one.key == key).map(|one| one.value.clone());
    let mut keys: Vec<_> = former.iter().chain(new).filter(fixed).map(|setting| &setting.key).collect();
    keys.sort();
    keys.dedup();
    keys.retain(|key| value_in(former, key) != value_in(new, key));
    keys.into_iter().cloned().collect()
}
