//! What one client says, within bounds: a client that floods us goes.

use std::future::poll_fn;
use std::pin::Pin;

use actix_web::body::{BodyStream, MessageBody};
use actix_web::web::Payload;
use tokio::time::Instant;

use super::close_reason::{CloseReason, POLICY};
use super::frames::{Reader, Said};
use super::rate::Rate;

/// Frames of any kind that a client may send in a second.
const FRAMES_A_SECOND_MAX: usize = 20;

/// The receiving side of a connection.
pub(super) struct Inbox {
    bytes: Pin<Box<BodyStream<Payload>>>,
    reader: Reader,
    rate: Rate,
}

impl Inbox {
    pub(super) fn new(bytes: Payload) -> Self {
        let bytes = Box::pin(BodyStream::new(bytes));
        Self { bytes, reader: Reader::default(), rate: Rate::of(FRAMES_A_SECOND_MAX) }
    }

    /// What was said next; `None`: the client is gone. Nothing is lost when it is not awaited to the end.
    pub(super) async fn next(&mut self) -> Result<Option<Said>, CloseReason> {
        loop {
            if let Some(said) = self.reader.next()? {
                if !self.rate.admits(Instant::now()) {
                    let reason = format!("more than {FRAMES_A_SECOND_MAX} frames in a second");
                    return Err(CloseReason::new(POLICY, reason));
                }
                return Ok(Some(said));
            }
            match poll_fn(|cx| self.bytes.as_mut().poll_next(cx)).await {
                Some(Ok(bytes)) => self.reader.take(&bytes),
                Some(Err(_)) | None => return Ok(None),
            }
        }
    }

    /// Completes when the client has said goodbye, too, or is gone. What else it says is thrown away.
    pub(super) async fn goodbye(&mut self) {
        let mut is_understood = true;
        loop {
            while is_understood {
                match self.reader.next() {
                    Ok(Some(Said::Close(_))) => return,
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => is_understood = false,
                }
            }
            match poll_fn(|cx| self.bytes.as_mut().poll_next(cx)).await {
                Some(Ok(bytes)) if is_understood => self.reader.take(&bytes),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            }
        }
    }
}
