//! `rows`: all rows of a range as a file, of any size, in constant memory. A piece is asked for when the one
//! before has been taken: a client that does not read stops it, and one that is gone ends it.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use bytes::Bytes;
use futures_util::stream::try_unfold;

use super::answer::Answer;
use super::query::{ANY_MOMENT, Query};
use super::{is_head, tables};
use crate::http::Tower;
use crate::http::refusal::HttpRefusal;
use crate::sqlite::read::rows::{RowCursor, RowFormat, RowQuery};
use crate::sqlite::read::{HistoryError, Pool};

/// How long a piece may take.
const WITHIN: Duration = Duration::from_secs(5);
/// A piece for which there is no turn is asked for again, so often.
const TRIES: u32 = 10;
/// After a pause.
const PAUSE: Duration = Duration::from_millis(500);

/// `rows`
pub(super) async fn rows(request: Parts, State(tower): State<Tower>) -> Answer {
    let query = Query::of(&request, &["route", "from", "to", "format", "limit"])?;
    let form = match query.text("format") {
        None | Some("csv") => RowFormat::Csv,
        Some("jsonl") => RowFormat::JsonLines,
        Some(other) => {
            let message = format!("format = {other:?} is not known");
            return Err(HttpRefusal::bad(message, "there are: csv, jsonl"));
        }
    };
    let (from, to) = (query.whole("from", ANY_MOMENT)?, query.whole("to", ANY_MOMENT)?);
    let limit = query.whole("limit", 1..=i64::MAX)?;
    let router = tower.sources.router();
    let table = tables::table(&router, query.needed("route")?)?;
    let columns = table.columns().into_iter().map(|column| column.name.clone()).collect();
    let wanted = RowQuery {
        table: table.name.to_owned(),
        columns,
        from,
        to,
        limit: limit.and_then(|limit| u64::try_from(limit).ok()),
        form,
    };
    let (kind, ending) = match form {
        RowFormat::Csv => ("text/csv; charset=utf-8", "csv"),
        RowFormat::JsonLines => ("application/jsonl; charset=utf-8", "jsonl"),
    };
    let download = Download::begin(tower.history.clone(), wanted).await?;
    let attachment = format!("attachment; filename=\"{}.{ending}\"", table.name);
    let head = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "private, no-store"),
        (header::CONTENT_DISPOSITION, attachment.as_str()),
    ];
    // Where a piece fails, the connection ends without the last chunk: the client sees that the download is incomplete.
    let body = || Body::from_stream(try_unfold(download, Download::next));
    let body = if is_head(&request) { Body::empty() } else { body() };
    Ok((head, body).into_response())
}

/// What is sent, piece by piece.
struct Download {
    history: Pool,
    wanted: RowQuery,
    /// What is to be sent before the next piece.
    ready: Option<String>,
    place: RowCursor,
}

impl Download {
    /// With its first piece: what cannot be read at all is refused before anything is sent.
    async fn begin(history: Pool, wanted: RowQuery) -> Result<Self, HistoryError> {
        let (place, text) = history.first_rows(WITHIN, wanted.clone()).await?;
        Ok(Self { history, wanted, ready: Some(text), place })
    }

    /// The next piece, and what follows it; `None`: that was all.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, HistoryError> {
        loop {
            if let Some(text) = self.ready.take().filter(|text| !text.is_empty()) {
                return Ok(Some((text.into(), self)));
            }
            if self.place.done {
                return Ok(None);
            }
            let (place, text) = asked(&self.history, &self.wanted, &self.place).await?;
            (self.place, self.ready) = (place, Some(text));
        }
    }
}

async fn asked(
    history: &Pool,
    wanted: &RowQuery,
    place: &RowCursor,
) -> Result<(RowCursor, String), HistoryError> {
    let mut tried = 1;
    loop {
        let piece = history.next_rows(WITHIN, wanted.clone(), place.clone()).await;
        match piece {
            Err(HistoryError::Busy | HistoryError::Database(_)) if tried < TRIES => {
                tried += 1;
                tokio::time::sleep(PAUSE).await;
            }
            piece => return piece,
        }
    }
}
