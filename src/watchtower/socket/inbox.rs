//! What one client says, within bounds: a client that floods us goes.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use actix_web::body::{BodyStream, MessageBody};
use actix_web::web::Payload;
use tokio::time::Instant;

use super::frames::{Reader, Said};
use super::goodbye::{Goodbye, POLICY};

/// Frames of any kind that a client may send in a second.
const FRAMES_A_SECOND_MAX: usize = 20;
/// The second.
const A_SECOND: Duration = Duration::from_secs(1);

/// The receiving side of a connection.
pub(super) struct Inbox {
    bytes: Pin<Box<BodyStream<Payload>>>,
    reader: Reader,
    flood: Flood,
}

impl Inbox {
    pub(super) fn new(bytes: Payload) -> Self {
        let bytes = Box::pin(BodyStream::new(bytes));
        Self { bytes, reader: Reader::default(), flood: Flood::default() }
    }

    /// What was said next; `None`: the client is gone. Nothing is lost when it is not awaited to the end.
    pub(super) async fn next(&mut self) -> Result<Option<Said>, Goodbye> {
        loop {
            if let Some(said) = self.reader.next()? {
                self.flood.count(Instant::now())?;
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

/// Counts frames.
#[derive(Debug, Default)]
struct Flood {
    came: VecDeque<Instant>,
}

impl Flood {
    fn count(&mut self, now: Instant) -> Result<(), Goodbye> {
        while self.came.front().is_some_and(|at| now.duration_since(*at) >= A_SECOND) {
            self.came.pop_front();
        }
        self.came.push_back(now);
        if self.came.len() <= FRAMES_A_SECOND_MAX {
            return Ok(());
        }
        let reason = format!("more than {FRAMES_A_SECOND_MAX} frames in a second");
        Err(Goodbye::new(POLICY, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_frames_as_are_allowed_may_come_each_second() {
        let (mut flood, start) = (Flood::default(), Instant::now());
        for second in 0..3 {
            for frame in 0..FRAMES_A_SECOND_MAX as u32 {
                let at = start + A_SECOND * second + Duration::from_millis(1) * frame;
                assert_eq!(flood.count(at), Ok(()));
            }
        }
        let late = start + A_SECOND * 2 + Duration::from_millis(900);
        assert_eq!(flood.count(late).unwrap_err().code, POLICY);
    }
}
