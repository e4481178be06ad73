//! A connection of the operator's socket: requests line by line, and what a client follows.

use std::io::{self, ErrorKind};
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, watch};
use tokio::time::timeout;

use super::protocol::{self, Content, Missed, PlainContent, REQUEST_LEN_MAX};
use crate::os::world;
use crate::wire::refusal::Refusal;

/// A client that does not take a line in this time is gone, or as good as gone.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// A stream on which nothing happens says this often that it lives.
const ALIVE_EVERY: Duration = Duration::from_secs(5);

/// What came in.
pub(super) enum IncomingLine {
    /// The end.
    Nothing,
    /// A line that is too long.
    TooMuch,
    /// A line.
    For(Vec<u8>),
}

/// Both directions of a connection.
pub(super) struct OperatorConnection {
    pub(super) reader: BufReader<OwnedReadHalf>,
    pub(super) write: OwnedWriteHalf,
}

impl OperatorConnection {
    /// The next request.
    pub(super) async fn next(&mut self) -> io::Result<IncomingLine> {
        let mut bytes = Vec::new();
        let limit = REQUEST_LEN_MAX as u64 + 1;
        (&mut self.reader).take(limit).read_until(b'\n', &mut bytes).await?;
        Ok(match bytes.len() {
            0 => IncomingLine::Nothing,
            length if length > REQUEST_LEN_MAX => IncomingLine::TooMuch,
            _ => IncomingLine::For(bytes),
        })
    }

    /// Sends text; a client that does not read it is disconnected, and never waited for.
    pub(super) async fn send(&mut self, text: &str) -> io::Result<()> {
        timeout(WRITE_WITHIN, self.write.write_all(text.as_bytes())).await.unwrap_or_else(|_| {
            let seconds = WRITE_WITHIN.as_secs();
            let message = format!("a client read nothing for {seconds} s and was disconnected");
            Err(io::Error::new(ErrorKind::TimedOut, message))
        })
    }

    /// Sends what a feed brings, until there is a reason to end. `text` makes text of it, a piece at a time;
    /// `missed` says what a client that is too slow misses.
    pub(super) async fn follow<T: Clone, I: Iterator<Item = String>>(
        mut self,
        mut feed: broadcast::Receiver<T>,
        closes: &mut watch::Receiver<bool>,
        missed: fn(u64) -> Missed,
        text: impl Fn(T) -> I,
    ) -> io::Result<()> {
        loop {
            let rest = tokio::select! {
                biased;
                came = feed.recv() => match came {
                    Ok(came) => {
                        self.send_all(text(came)).await?;
                        continue;
                    }
                    Err(RecvError::Lagged(number)) => {
                        self.say(PlainContent::Missed(missed(number))).await?;
                        continue;
                    }
                    Err(RecvError::Closed) => Rest::Closing,
                },
                rest = self.rest(closes) => rest,
            };
            if matches!(rest, Rest::Closing) {
                loop {
                    match feed.try_recv() {
                        Ok(came) => self.send_all(text(came)).await?,
                        Err(TryRecvError::Lagged(number)) => {
                            self.say(PlainContent::Missed(missed(number))).await?;
                        }
                        Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                    }
                }
            }
            if !self.after(rest).await? {
                return Ok(());
            }
        }
    }

    async fn send_all(&mut self, pieces: impl Iterator<Item = String>) -> io::Result<()> {
        for piece in pieces {
            self.send(&piece).await?;
        }
        Ok(())
    }

    /// Between two lines of a stream: completes when there is a reason to do something other than wait
    /// for the next.
    async fn rest(&mut self, closes: &mut watch::Receiver<bool>) -> Rest {
        tokio::select! {
            _ = closes.changed() => Rest::Closing,
            spoke = self.reader.fill_buf() => match spoke {
                Ok(bytes) if !bytes.is_empty() => Rest::Interrupted,
                Ok(_) | Err(_) => Rest::Gone,
            },
            () = tokio::time::sleep(ALIVE_EVERY) => Rest::Idle,
        }
    }

    /// What follows from it; `false`: the stream ends.
    async fn after(&mut self, rest: Rest) -> io::Result<bool> {
        match rest {
            Rest::Idle => {
                self.say(PlainContent::Alive { at: world::now().into() }).await?;
                return Ok(true);
            }
            Rest::Closing => {
                let reason = "the recorder has stopped".to_owned();
                self.say(PlainContent::End { reason }).await?;
            }
            Rest::Interrupted => {
                let message = "a connection that streams takes no further request";
                let refusal = Refusal::new(message, "open another connection");
                self.say(PlainContent::Error(refusal)).await?;
            }
            Rest::Gone => {}
        }
        Ok(false)
    }

    /// Sends a line.
    pub(super) async fn say<T: Serialize>(&mut self, content: Content<T>) -> io::Result<()> {
        self.send(&protocol::line(&content)).await
    }
}

/// Why a stream does not just wait for its next line.
enum Rest {
    /// Nothing happened for a while.
    Idle,
    /// The recorder ends.
    Closing,
    /// The client said something.
    Interrupted,
    /// The client is gone.
    Gone,
}
