//! The questions that the page asks of the database. No connection leaves this module.

use std::path::PathBuf;
use std::time::Duration;

use barograph_actors::message::note::Note;

use super::event_log::{LoggedEvent, spooled_beyond};
use super::gap_log::{Gap, with_gaps_beyond};
use super::newest::{NewestRow, last_two};
use super::read_only::ReadOnlyDatabase;
use super::rows::{self, RowCursor};
use super::series::{Question, Series};
use super::{HistoryError, Pool, events, first_at, gaps};

/// Each of these fails where it was not answered within the time: see [`HistoryError`].
impl Pool {
    /// The numbers that a question is about; `then` makes something of them, on a thread that may block.
    pub(crate) async fn series<T: Send + 'static>(
        &self,
        within: Duration,
        question: Question,
        then: impl FnOnce(Series) -> T + Send + 'static,
    ) -> Result<T, HistoryError> {
        self.run(within, move |conn| question.ask(conn).map(then)).await
    }

    /// Events with their numbers, also those that wait in the spool, and then `noted`. A spool that cannot be read hides nothing
    /// else.
    pub(crate) async fn events(
        &self,
        within: Duration,
        wanted: events::EventFilter,
        spool: Option<PathBuf>,
        noted: Vec<LoggedEvent>,
    ) -> Result<Vec<(i64, LoggedEvent)>, HistoryError> {
        let ask = move |conn: &rusqlite::Connection| {
            let spooled = spool
                .and_then(|spool| spooled_beyond(conn, &ReadOnlyDatabase::open(&spool).ok()?).ok());
            let waiting = [spooled.unwrap_or_default(), noted].concat();
            events::events(conn, &wanted, &waiting)
        };
        self.run(within, ask).await
    }

    /// Gaps that overlap a range in milliseconds since 1970, as they will be when the database has taken over the
    /// spool, and then these notes.
    pub(crate) async fn gaps(
        &self,
        within: Duration,
        (from, to): (Option<i64>, Option<i64>),
        spool: Option<PathBuf>,
        waiting: Vec<Note>,
    ) -> Result<Vec<Gap>, HistoryError> {
        let ask = move |conn: &rusqlite::Connection| {
            let spool = spool.and_then(|spool| ReadOnlyDatabase::open(&spool).ok());
            with_gaps_beyond(conn, spool.as_ref(), &waiting, |conn| gaps::gaps(conn, from, to))
        };
        self.run(within, ask).await
    }

    /// The first piece of a download.
    pub(crate) async fn first_rows(
        &self,
        within: Duration,
        wanted: rows::RowQuery,
    ) -> Result<(RowCursor, String), HistoryError> {
        let first = move |conn: &rusqlite::Connection| {
            let (place, head) = rows::begin(conn, &wanted)?;
            if place.done {
                return Ok((place, head));
            }
            let (place, text) = rows::next(conn, &wanted, place)?;
            Ok((place, head + &text))
        };
        self.run(within, first).await
    }

    /// The piece of a download that begins at a place.
    pub(crate) async fn next_rows(
        &self,
        within: Duration,
        wanted: rows::RowQuery,
        place: RowCursor,
    ) -> Result<(RowCursor, String), HistoryError> {
        self.run(within, move |conn| rows::next(conn, &wanted, place)).await
    }

    /// When the first row of a table came, in milliseconds since 1970, and these columns of its last two.
    pub(crate) async fn ends(
        &self,
        within: Duration,
        table: String,
        columns: Vec<String>,
    ) -> Result<(Option<i64>, Vec<NewestRow>), HistoryError> {
        let ask = move |conn: &rusqlite::Connection| {
            Ok((first_at(conn, &table)?, last_two(conn, &table, &columns)?))
        };
        self.run(within, ask).await
    }
}
