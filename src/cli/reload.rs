//! Reloading: on SIGHUP, and when a file of the configuration changes, the running service takes the new one.

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::time::{Interval, MissedTickBehavior};

use super::{count, environment};
use crate::clock::Clock;
use crate::config::{self, Config, Watch};
use crate::pipeline::{ReloadError, Reloader};
use crate::settings::Problem;

/// With `reload_every = "0s"` only a signal counts.
const NEVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Never returns; run it beside the work. A configuration with mistakes changes nothing.
pub(super) async fn keep_up(
    mut reloader: Reloader,
    named: Vec<PathBuf>,
    files: Vec<PathBuf>,
    every: Duration,
    hangup: Signal,
) -> Infallible {
    let mut look = tokio::time::interval(if every.is_zero() { NEVER } else { every });
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut changes = Changes { watch: Watch::new(files), look, hangup };
    loop {
        changes.next().await;
        // A change while an earlier one still waits for a database takes its place.
        loop {
            let config = match config::load(&named, environment()) {
                Ok(config) => config,
                Err(problems) => {
                    tell_mistakes(&reloader, &problems);
                    break;
                }
            };
            changes.watch.follow(config.files.clone());
            tokio::select! {
                () = changes.next() => {}
                done = switch(&mut reloader, &config) => {
                    if let Err(error) = done {
                        tell_refused(&reloader, &error.to_string());
                    }
                    break;
                }
            }
        }
    }
}

/// Whatever asks for the configuration to be read again.
struct Changes {
    watch: Watch,
    look: Interval,
    hangup: Signal,
}

impl Changes {
    async fn next(&mut self) {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => return,
                _ = self.look.tick() => {
                    if self.watch.changed() {
                        return;
                    }
                }
            }
        }
    }
}

async fn switch(reloader: &mut Reloader, config: &Config) -> Result<(), ReloadError> {
    let reloaded = reloader.switch(config, Clock::System.now()).await?;
    tracing::info!(
        from = reloaded.from,
        new_series = reloaded.new_series,
        "the new configuration is in force: routes, registry and profiles"
    );
    if reloaded.new_series > 0 {
        tracing::info!(
            new_series = reloaded.new_series,
            "the edited registry begins new series; what is stored already stays in the old ones"
        );
    }
    if reloaded.at_next_start.is_empty() {
        reloader.part.ok();
    } else {
        let keys = reloaded.at_next_start.join(", ");
        tracing::warn!(keys, "these have changed too, and are taken at the next start only");
        reloader.part.degraded(
            format!("changed in the files, but not in force before the next start: {keys}"),
            "restart nadikota when it suits, or take the change back",
        );
    }
    Ok(())
}

fn tell_mistakes(reloader: &Reloader, problems: &[Problem]) {
    for problem in problems {
        tracing::error!(%problem, "the changed configuration has a mistake");
    }
    let first = problems.first().map(ToString::to_string).unwrap_or_default();
    tell_refused(reloader, &format!("{}, the first: {first}", count(problems.len(), "mistake")));
}

fn tell_refused(reloader: &Reloader, why: &str) {
    tracing::error!(why, "the changed configuration is not taken; the former one stays in force");
    reloader.part.degraded(
        format!("the changed configuration is not taken: {why}"),
        "mend the file; it is read again by itself, or on SIGHUP; `nadikota check` tells all mistakes",
    );
}
