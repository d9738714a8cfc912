//! The desk: does the work on the quarantine that is asked for while the service runs, one piece after another.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::batch;
use crate::delivery::{Order, Replay};
use crate::http::{Clerk, Job};
use crate::quarantine::{Quarantine, Report, Standing};
use crate::sink::Sink;
use crate::status::{Board, State};

/// How often the quota is kept where no message comes.
const TIDY: Duration = Duration::from_secs(60);
/// How often it is looked at what the work waits for.
const LOOK: Duration = Duration::from_millis(500);

pub(super) struct Work {
    pub(super) clerk: Clerk,
    /// The data directory.
    pub(super) dir: PathBuf,
    pub(super) board: Board,
    pub(super) quarantine: Quarantine,
    /// Whose transform is the one in use.
    pub(super) orders: watch::Receiver<Order>,
    pub(super) sinks: BTreeMap<String, Arc<Sink>>,
    pub(super) batch: batch::Config,
}

impl Work {
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut tidy = tokio::time::interval(TIDY);
        loop {
            let job = tokio::select! {
                () = stop.cancelled() => return,
                _ = tidy.tick() => None,
                job = self.clerk.jobs.recv() => job,
            };
            match job {
                Some(job) => self.work(job, &stop).await,
                None => {
                    let quarantine = self.quarantine.clone();
                    let _ = tokio::task::spawn_blocking(move || quarantine.tidy()).await;
                }
            }
        }
    }

    async fn work(&self, job: Job, stop: &CancellationToken) {
        let number = job.number;
        let replay = Replay {
            quarantine: self.quarantine.clone(),
            transform: Arc::clone(&self.orders.borrow().transform),
            sinks: self.sinks.clone(),
            batch: self.batch,
        };
        let first =
            Report { number, standing: Standing::Running, dry_run: job.order.dry_run, ..Report::default() };
        self.clerk.reports.send_replace(first);
        tracing::info!(number, order = ?job.order, "work on the quarantine begins");
        let tell = |report: &Report| {
            self.clerk.reports.send_replace(Report { number, ..report.clone() });
        };
        let mut running = std::pin::pin!(replay.run(&job.order, &self.dir, tell, &job.stop));
        let mut look = tokio::time::interval(LOOK);
        let done = loop {
            tokio::select! {
                done = &mut running => break done,
                () = stop.cancelled(), if !job.stop.is_cancelled() => job.stop.cancel(),
                _ = look.tick() => self.clerk.reports.send_modify(|report| report.trouble = self.trouble()),
            }
        };
        let report = done.unwrap_or_else(|error| {
            tracing::error!(number, %error, "work on the quarantine failed");
            let trouble = Some(error.to_string());
            Report { standing: Standing::Failed, trouble, ..self.clerk.reports.borrow().clone() }
        });
        let (standing, stored, stay) = (report.standing, report.stored, report.stay.values().sum::<u64>());
        tracing::info!(
            number,
            ?standing,
            messages = report.messages,
            stored,
            stay,
            "work on the quarantine ends"
        );
        self.clerk.reports.send_replace(Report { number, ..report });
    }

    /// What keeps a database from answering.
    fn trouble(&self) -> Option<String> {
        let parts = self.board.parts();
        let mut away = parts
            .iter()
            .filter(|(name, part)| name.starts_with("destination") && part.state == State::Degraded);
        away.next().map(|(name, part)| format!("{name}: {}; {}", part.reason, part.what_to_do))
    }
}
