//! The listener: few connections at a time, and none for long, so that no client can starve the others.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// Connections at one time; more wait in the system's queue.
const CONNECTIONS: usize = 64;
/// A new connection has so long to send the header of its request: one that says nothing must not keep health away
/// from those who ask for it, and these wait 3 s.
const HEADER: Duration = Duration::from_secs(2);
/// No connection lives longer, busy or idle.
const LIFETIME: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Bounded {
    inner: TcpListener,
    slots: Arc<Semaphore>,
}

impl Bounded {
    pub(super) fn new(inner: TcpListener) -> Self {
        Self { inner, slots: Arc::new(Semaphore::new(CONNECTIONS)) }
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // The semaphore is never closed, so a slot always comes.
        let slot = Arc::clone(&self.slots).acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.inner).await;
        let (begun, end) = (Instant::now(), Box::pin(tokio::time::sleep(HEADER)));
        (Connection { stream, begun, end, header: Header::Before, _slot: slot }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

/// One client's connection, with the time it has left.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    begun: Instant,
    header: Header,
    end: Pin<Box<Sleep>>,
    _slot: Option<OwnedSemaphorePermit>,
}

/// How far the header has come; it ends with an empty line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Header {
    Before,
    InLine,
    LineBegins,
    Over,
}

impl Header {
    const fn then(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Over | Self::LineBegins, b'\n') | (Self::Over, _) => Self::Over,
            (Self::InLine, b'\n') => Self::LineBegins,
            (_, b'\r') | (Self::Before, b'\n') => self,
            _ => Self::InLine,
        }
    }
}

impl Connection {
    /// With the header there, the connection has its whole life.
    fn heard(&mut self, bytes: &[u8]) {
        if self.header == Header::Over {
            return;
        }
        self.header = bytes.iter().fold(self.header, |header, byte| header.then(*byte));
        if self.header == Header::Over {
            self.end.as_mut().reset(self.begun + LIFETIME);
        }
    }

    fn expired(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.end.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.expired(context)?;
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.heard(buffer.filled().get(before..).unwrap_or_default());
        // The new end must wake this task too.
        self.expired(context)?;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.expired(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_ends_with_an_empty_line_and_with_nothing_else() {
        let after = |text: &str| text.bytes().fold(Header::Before, Header::then) == Header::Over;
        for whole in ["GET / HTTP/1.1\r\n\r\n", "\r\nGET /\r\nA: b\r\n\r\nbody", "GET /\n\n"] {
            assert!(after(whole), "{whole:?}");
        }
        for part in ["", "\r\n\r\n", "GET / HTTP/1.1\r\n", "GET /\r\nA: b\r\n", "GET /\r\nA: b\r\n\r"] {
            assert!(!after(part), "{part:?}");
        }
    }
}
