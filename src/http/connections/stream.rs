//! The stream under hyper, which records the progress of its connection.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Admitted;

/// Bytes both ways: TCP, TLS over it, a Unix socket.
trait ClientStream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> ClientStream for S {}

/// A stream that records its progress, and fails once [`Connections`](super::Connections) closes it.
pub(in crate::http) struct MeteredStream {
    stream: Box<dyn ClientStream>,
    connection: Arc<Admitted>,
}

impl MeteredStream {
    pub(in crate::http) fn new(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        connection: Arc<Admitted>,
    ) -> Self {
        Self { stream: Box::new(stream), connection }
    }

    /// Records the result of a write.
    fn wrote<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &written {
            Poll::Ready(Ok(_)) => self.connection.wrote(Instant::now()),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.connection.stalls(Instant::now()),
        }
        written
    }
}

impl AsyncRead for MeteredStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.connection.wake_when_closed(cx)?;
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        Poll::Ready(this.connection.read(buffer.filled().len() - before, Instant::now()))
    }
}

impl AsyncWrite for MeteredStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.connection.wake_when_closed(cx)?;
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.wrote(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.connection.wake_when_closed(cx)?;
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, parts);
        this.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.connection.wake_when_closed(cx)?;
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        if flushed.is_pending() {
            this.connection.stalls(Instant::now());
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.connection.wake_when_closed(cx)?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}
