//! `rows`: all rows of a range as a file, of any size, in constant memory. A piece is asked for when the one
//! before has been taken: a client that does not read stops it, and one that is gone ends it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::{self, ContentDisposition, DispositionParam, DispositionType};
use actix_web::{Error, HttpRequest, HttpResponse, web};
use bytes::Bytes;

use super::answer::Answer;
use super::query::{ANY_MOMENT, Query};
use super::{is_head, tables};
use crate::http::Tower;
use crate::http::refusal::Refusal;
use crate::sqlite::read::rows::{Form, Place, Wanted};
use crate::sqlite::read::{HistoryError, Pool};

/// How long a piece may take.
const WITHIN: Duration = Duration::from_secs(5);
/// A piece for which there is no turn is asked for again, so often.
const TRIES: u32 = 10;
/// After a pause.
const PAUSE: Duration = Duration::from_millis(500);

/// `rows`
pub(super) async fn rows(request: HttpRequest, tower: web::Data<Tower>) -> Answer {
    let query = Query::of(&request, &["route", "from", "to", "format", "limit"])?;
    let form = match query.text("format") {
        None | Some("csv") => Form::Csv,
        Some("jsonl") => Form::JsonLines,
        Some(other) => {
            let message = format!("format = {other:?} is not known");
            return Err(Refusal::bad(message, "there are: csv, jsonl"));
        }
    };
    let (from, to) = (query.whole("from", ANY_MOMENT)?, query.whole("to", ANY_MOMENT)?);
    let limit = query.whole("limit", 1..=i64::MAX)?;
    let router = tower.sources.router();
    let table = tables::table(&router, query.needed("route")?)?;
    let columns = table.columns().into_iter().map(|column| column.name.clone()).collect();
    let wanted = Wanted {
        table: table.name.to_owned(),
        columns,
        from,
        to,
        limit: limit.and_then(|limit| u64::try_from(limit).ok()),
        form,
    };
    let (kind, ending) = match form {
        Form::Csv => ("text/csv; charset=utf-8", "csv"),
        Form::JsonLines => ("application/jsonl; charset=utf-8", "jsonl"),
    };
    let body = Download::begin(tower.history.clone(), wanted).await?;
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CONTENT_TYPE, kind))
        .insert_header((header::CACHE_CONTROL, "private, no-store"))
        .insert_header(attachment(format!("{}.{ending}", table.name)));
    Ok(if is_head(&request) { response.finish() } else { response.body(body) })
}

fn attachment(name: String) -> ContentDisposition {
    ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename(name)],
    }
}

type Piece = Result<(Place, String), HistoryError>;

/// The body.
struct Download {
    history: Pool,
    wanted: Wanted,
    /// What is to be sent before the next piece.
    ready: Option<String>,
    state: State,
}

enum State {
    At(Place),
    Asked(Pin<Box<dyn Future<Output = Piece>>>),
    Over,
}

impl Download {
    /// With its first piece: what cannot be had at all is said before anything is sent.
    async fn begin(history: Pool, wanted: Wanted) -> Result<Self, HistoryError> {
        let (place, text) = history.first_rows(WITHIN, wanted.clone()).await?;
        Ok(Self { history, wanted, ready: Some(text), state: State::At(place) })
    }
}

async fn next(history: Pool, wanted: Wanted, place: Place) -> Piece {
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

impl MessageBody for Download {
    type Error = Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        let this = &mut *self;
        loop {
            if let Some(text) = this.ready.take().filter(|text| !text.is_empty()) {
                return Poll::Ready(Some(Ok(text.into())));
            }
            match std::mem::replace(&mut this.state, State::Over) {
                State::At(place) if place.done => return Poll::Ready(None),
                State::At(place) => {
                    let piece = next(this.history.clone(), this.wanted.clone(), place);
                    this.state = State::Asked(Box::pin(piece));
                }
                State::Asked(mut piece) => match piece.as_mut().poll(cx) {
                    Poll::Pending => {
                        this.state = State::Asked(piece);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok((place, text))) => {
                        this.state = State::At(place);
                        this.ready = Some(text);
                    }
                    // The connection ends without the last chunk: whoever reads knows that it is not whole.
                    Poll::Ready(Err(error)) => {
                        return Poll::Ready(Some(Err(Refusal::from(error).into())));
                    }
                },
                State::Over => return Poll::Ready(None),
            }
        }
    }
}
