//! `nadikota run`: the service, until a signal stops it.

mod capture;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Failure, configuration, on_signal, reload};
use crate::clock::Clock;
use crate::{logging, pipeline};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    capture: capture::Play,
}

pub(super) async fn run(options: &Options, files: &[PathBuf]) -> Result<(), Failure> {
    let config = configuration(files)?;
    if let Some(file) = &options.capture.from_capture {
        return capture::run(file, &options.capture, config).await;
    }
    let quiet = logging::start(&config.log).context("cannot start logging")?;
    // From here on a signal is an order, whatever is still starting.
    let stop = CancellationToken::new();
    let signals = tokio::spawn(on_signal(stop.clone()));
    let hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let (within, watched, every) = (config.stop_within, config.files.clone(), config.reload_every);
    let mut running = pipeline::start(config, Clock::System).await.context("nadikota did not start")?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), http = %running.http, "nadikota runs");
    let reloading = running
        .reloader
        .take()
        .map(|reloader| tokio::spawn(reload::keep_up(reloader, files.to_vec(), watched, every, hangup)));
    let telling = async {
        let mut look = tokio::time::interval(Duration::from_secs(1));
        loop {
            look.tick().await;
            quiet.tell();
        }
    };
    let failed = tokio::select! {
        () = telling => false,
        () = stop.cancelled() => false,
        () = running.failed() => true,
        () = running.stalled() => {
            tracing::error!("nadikota stands still and ends at once; what is on disk is kept");
            quiet.tell_all();
            // What stands still may hold a thread for ever, and a tidy end would wait for it.
            std::process::exit(super::STALLED);
        }
    };
    if failed {
        tracing::error!("a part of nadikota has ended; stopping");
    }
    if let Some(reloading) = reloading {
        reloading.abort();
        let _ = reloading.await;
    }
    let account = running.drain(within).await.context("nadikota did not end well")?;
    signals.abort();
    quiet.tell_all();
    tracing::info!(
        received = account.received,
        stored = account.stored,
        pending = account.pending,
        "nadikota has stopped"
    );
    // Whoever supervises us must see that this was no stop that somebody asked for.
    if failed {
        Err(anyhow!("a part of nadikota has ended by itself; the log says which").into())
    } else {
        Ok(())
    }
}
