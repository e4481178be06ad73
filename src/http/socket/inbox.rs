//! What one client says, within bounds: a client that floods us goes.

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::Instant;

use super::close_reason::{CloseReason, POLICY};
use super::rate::Rate;
use super::reader::{ClientFrame, FrameReader};

/// Frames of any kind that a client may send in a second.
const FRAMES_A_SECOND_MAX: usize = 20;
/// Bytes that are read at a time.
const PIECE: usize = 1 << 10;

/// The receiving side of a connection.
pub(super) struct Inbox<S> {
    stream: S,
    reader: FrameReader,
    rate: Rate,
}

impl<S: AsyncRead + Unpin> Inbox<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, reader: FrameReader::default(), rate: Rate::of(FRAMES_A_SECOND_MAX) }
    }

    /// What was said next; `None`: the client is gone. Nothing is lost when it is not awaited to the end.
    pub(super) async fn next(&mut self) -> Result<Option<ClientFrame>, CloseReason> {
        loop {
            if let Some(said) = self.reader.next()? {
                if !self.rate.admits(Instant::now()) {
                    let reason = format!("more than {FRAMES_A_SECOND_MAX} frames in a second");
                    return Err(CloseReason::new(POLICY, reason));
                }
                return Ok(Some(said));
            }
            if !self.read().await {
                return Ok(None);
            }
        }
    }

    /// Reads more; `false`: the client is gone.
    async fn read(&mut self) -> bool {
        self.reader.bytes.reserve(PIECE);
        self.stream.read_buf(&mut self.reader.bytes).await.is_ok_and(|read| read > 0)
    }

    /// Completes when the client has said goodbye, too, or is gone. What else it says is thrown away.
    pub(super) async fn goodbye(&mut self) {
        let mut is_understood = true;
        loop {
            while is_understood {
                match self.reader.next() {
                    Ok(Some(ClientFrame::Close(_))) => return,
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => is_understood = false,
                }
            }
            if !is_understood {
                self.reader.bytes.clear();
            }
            if !self.read().await {
                return;
            }
        }
    }
}
