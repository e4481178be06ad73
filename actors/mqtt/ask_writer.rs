//! The one question of the data path: is this batch durable?

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::db_writer::actor::DbWriterActor;
use crate::message::batch::Batch;
use crate::message::write::{Append, Durable};
use crate::supervisor::Link;

/// Pause before the writer is asked again when it is dead or being restarted.
const WRITER_PAUSE: Duration = Duration::from_millis(20);

/// How a question to the writer came back.
pub(crate) type WriterAnswer = Result<Durable, Unanswered>;

/// A question on its way.
pub(crate) type WriterQuestion = Pin<Box<dyn Future<Output = WriterAnswer>>>;

/// The writer died, was not there, or is stopping: the batch stays in flight and is sent again.
#[derive(Debug)]
pub(crate) struct Unanswered;

/// The answer to the outstanding question; never, when there is none.
pub(crate) async fn answer_of(writing: &mut Option<WriterQuestion>) -> WriterAnswer {
    match writing {
        Some(question) => question.as_mut().await,
        None => std::future::pending().await,
    }
}

/// The one question of the data path. A writer that is dead or dies over it answers nothing; the
/// batch keeps its name and is asked for again.
pub(crate) async fn ask(writer: Link<DbWriterActor>, batch: Arc<Batch>) -> WriterAnswer {
    if let Some(address) = writer.get()
        && let Ok(Ok(durable)) = address.send(Append(batch)).await
    {
        return Ok(durable);
    }
    tokio::time::sleep(WRITER_PAUSE).await;
    Err(Unanswered)
}
