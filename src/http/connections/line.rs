//! A connection's bytes, with its limits between them and the server.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Admitted, Heard, Peer};

/// What a browser is told whose request is too large; the connection ends with it.
const TOO_LARGE: &[u8] = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\
    content-type: text/plain; charset=utf-8\r\ncontent-length: 46\r\n\r\n\
    the request is too large; do its cookies grow?";

/// Bytes both ways: TCP, TLS over it, a Unix socket.
trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// A connection that keeps account, and ends when it is told to.
pub(in crate::http) struct HttpConnection {
    stream: Box<dyn Stream>,
    connection: Admitted,
    secure: bool,
}

impl HttpConnection {
    pub(in crate::http) fn new(
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        connection: Admitted,
        secure: bool,
    ) -> Self {
        Self { stream: Box::new(stream), connection, secure }
    }

    pub(in crate::http) fn peer(&self) -> Peer {
        Peer::new(Rc::clone(&self.connection.connection), self.secure)
    }

    /// Who looks at all connections wakes this one, if it must end.
    fn pending<T>(&self, cx: &Context<'_>) -> Poll<T> {
        let mut waker = self.connection.waker.borrow_mut();
        match &mut *waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => *waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    fn is_cut(&self) -> io::Result<()> {
        if self.connection.cut.get() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }

    /// Notes what became of something that was to be written.
    fn wrote<T>(&self, written: Poll<io::Result<T>>, cx: &Context<'_>) -> Poll<io::Result<T>> {
        match &written {
            Poll::Ready(Ok(_)) => self.connection.said(Instant::now()),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                self.connection.course.borrow_mut().stalls(Instant::now());
                return self.pending(cx);
            }
        }
        written
    }

    fn refuse(&mut self, heard: Heard, cx: &mut Context<'_>) -> io::Error {
        if heard == Heard::Head && !self.connection.course.borrow().is_in_an_answer() {
            // All of it fits into the socket's buffer, or else it is not said.
            let _best_effort = Pin::new(&mut self.stream).poll_write(cx, TOO_LARGE);
            let _best_effort = Pin::new(&mut self.stream).poll_flush(cx);
        }
        self.connection.cut.set(true);
        io::Error::new(io::ErrorKind::InvalidData, "more was sent than is read")
    }
}

impl AsyncRead for HttpConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.is_cut()?;
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Pending => self.pending(cx),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => {
                let new = buffer.filled().get(before..).unwrap_or_default();
                let heard = self.connection.heard(new, Instant::now());
                match heard {
                    Heard::Fine => Poll::Ready(Ok(())),
                    Heard::Head | Heard::Flood => Poll::Ready(Err(self.refuse(heard, cx))),
                }
            }
        }
    }
}

impl AsyncWrite for HttpConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.is_cut()?;
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(written, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_cut()?;
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Pending => {
                self.connection.course.borrow_mut().stalls(Instant::now());
                self.pending(cx)
            }
            Poll::Ready(flushed) => Poll::Ready(flushed),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.connection.cut.get() {
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut self.stream).poll_shutdown(cx) {
            Poll::Pending => self.pending(cx),
            Poll::Ready(ended) => Poll::Ready(ended),
        }
    }
}
