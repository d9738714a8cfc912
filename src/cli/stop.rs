//! Stopping: the first signal asks everybody to finish, the second ends at once.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code of a process that a second signal ended, as shells tell it for Ctrl-C.
const CUT_OFF: i32 = 130;

/// Fires `stop` at the first SIGTERM or Ctrl-C. Never returns; run it beside the work:
/// `tokio::select! { done = work => done, never = on_signal(stop) => never? }`.
pub async fn on_signal(stop: CancellationToken) -> anyhow::Result<std::convert::Infallible> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    either(&mut terminate, &mut interrupt).await;
    tracing::info!("stopping; a second signal ends at once");
    stop.cancel();
    either(&mut terminate, &mut interrupt).await;
    tracing::warn!("a second signal: ended at once; what is on disk is kept");
    std::process::exit(CUT_OFF)
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
