//! A stage: tasks of the pipeline that stop together.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
pub(super) struct Stage<T> {
    pub(super) stop: CancellationToken,
    pub(super) tasks: Vec<(String, JoinHandle<T>)>,
}

impl<T: Send + 'static> Stage<T> {
    pub(super) fn new() -> Self {
        Self { stop: CancellationToken::new(), tasks: Vec::new() }
    }

    pub(super) fn spawn(&mut self, name: impl Into<String>, task: impl Future<Output = T> + Send + 'static) {
        self.tasks.push((name.into(), tokio::spawn(task)));
    }

    /// Asks all to stop and waits; one that is late is named and left to the end of the process.
    pub(super) async fn join(self, within: Duration) -> Vec<T> {
        self.stop.cancel();
        let deadline = tokio::time::Instant::now() + within;
        let mut results = Vec::new();
        for (name, task) in self.tasks {
            match tokio::time::timeout_at(deadline, task).await {
                Ok(Ok(result)) => results.push(result),
                Ok(Err(error)) => tracing::error!(task = name, %error, "a task failed"),
                Err(_) => tracing::warn!(task = name, "did not stop in time"),
            }
        }
        results
    }
}
