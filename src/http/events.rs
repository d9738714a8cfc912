//! Server-sent events: the pulse, streamed to a bounded number of listeners.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::io::ReaderStream;
use tokio_util::sync::CancellationToken;

use super::App;

/// Fewer than the listener's connections, so that pages that stay open never keep health away.
const LISTENERS: usize = 24;
/// A stream ends by itself before the listener would cut it; whoever still looks asks again.
const LENGTH: Duration = Duration::from_secs(25);

/// The places there are, and what ends all streams.
#[derive(Debug, Clone)]
pub(super) struct Listeners {
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Listeners {
    pub(super) fn new(stop: CancellationToken) -> Self {
        Self { places: Arc::new(Semaphore::new(LISTENERS)), stop }
    }
}

pub(super) async fn stream(State(app): State<App>) -> Response {
    let Listeners { places, stop } = app.listeners;
    let Ok(place) = places.try_acquire_owned() else {
        let told = format!("{LISTENERS} pages are open already; close one, or try again in a moment\n");
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], told).into_response();
    };
    let frames = Frames {
        next: Box::pin(next(app.pulse.listen(), stop, Instant::now() + LENGTH)),
        left: Bytes::new(),
        _place: place,
    };
    let body = Body::from_stream(ReaderStream::new(frames));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

type Next = Option<(Bytes, watch::Receiver<Bytes>, CancellationToken, Instant)>;

/// The next frame with what the one after it needs; nothing when the stream is over.
async fn next(mut frames: watch::Receiver<Bytes>, stop: CancellationToken, end: Instant) -> Next {
    tokio::select! {
        () = stop.cancelled() => return None,
        changed = timeout_at(end, frames.changed()) => changed.ok()?.ok()?,
    }
    let frame = frames.borrow_and_update().clone();
    Some((frame, frames, stop, end))
}

/// Frames as bytes to read. A client that does not read holds one frame and its place, and is cut off at the end.
struct Frames {
    next: Pin<Box<dyn Future<Output = Next> + Send>>,
    left: Bytes,
    _place: OwnedSemaphorePermit,
}

impl AsyncRead for Frames {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left.is_empty() {
            match self.next.as_mut().poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => {
                    // Asked again, it is still over.
                    self.next = Box::pin(std::future::ready(None));
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Some((frame, frames, stop, end))) => {
                    self.left = frame;
                    self.next = Box::pin(next(frames, stop, end));
                }
            }
        }
        let fits = self.left.len().min(buffer.remaining());
        buffer.put_slice(self.left.get(..fits).unwrap_or_default());
        self.left.advance(fits);
        Poll::Ready(Ok(()))
    }
}
