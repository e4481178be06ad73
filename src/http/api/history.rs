//! What the database remembers of the recorder: events and gaps.

use std::path::PathBuf;
use std::time::Duration;

use axum::extract::State;
use axum::http::request::Parts;

use super::answer::{Answer, json_answer};
use super::query::{ANY_MOMENT, Query};
use crate::http::Tower;
use crate::http::refusal::HttpRefusal;
use crate::sqlite::read::events as of_events;
use crate::sqlite::{LoggedEvent, spool_path};
use crate::wire::history::PageEvent;
use crate::wire::page::{Events, Gaps};

/// How long a question may take.
pub(super) const WITHIN: Duration = Duration::from_secs(5);
/// Events of an answer: by default, and at most.
const EVENTS: usize = 100;
const EVENTS_MAX: i64 = 1_000;
/// Names behind `except`.
const EXCEPT_MAX: usize = 64;
/// Characters of a name.
const NAME_LEN_MAX: usize = 100;

/// `events`
pub(super) async fn events(request: Parts, State(tower): State<Tower>) -> Answer {
    let known = ["limit", "before", "since", "until", "actor", "event", "except"];
    let query = Query::of(&request, &known)?;
    let limit = query.whole("limit", 1..=EVENTS_MAX)?;
    let wanted = of_events::EventFilter {
        limit: limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(EVENTS),
        before: query.whole("before", ANY_MOMENT)?,
        since: query.whole("since", ANY_MOMENT)?,
        until: query.whole("until", ANY_MOMENT)?,
        actor: name(&query, "actor")?,
        event: name(&query, "event")?,
        except: query.list("except", EXCEPT_MAX)?,
    };
    let events = tower.history.events(WITHIN, wanted, spool(&tower), noted(&tower)).await?;
    let events = events.into_iter().map(|(id, event)| PageEvent::new(id, event)).collect();
    Ok(json_answer(&request, &Events { events }))
}

/// The spool, if there is one.
fn spool(tower: &Tower) -> Option<PathBuf> {
    let settings = tower.sources.in_force.now();
    let path = spool_path(&settings.spool.dir, &settings.database.path);
    path.exists().then_some(path)
}

/// Events that are not even there yet.
fn noted(tower: &Tower) -> Vec<LoggedEvent> {
    tower.sources.published.waiting_events().into_iter().map(LoggedEvent::from).collect()
}

fn name(query: &Query, parameter: &str) -> Result<Option<String>, HttpRefusal> {
    match query.text(parameter) {
        Some(name) if name.is_empty() || name.chars().count() > NAME_LEN_MAX => {
            let message = format!("{parameter} is no name: 1 to {NAME_LEN_MAX} characters are");
            Err(HttpRefusal::bad(message, "leave it out, or name one"))
        }
        name => Ok(name.map(str::to_owned)),
    }
}

/// `gaps`
pub(super) async fn gaps(request: Parts, State(tower): State<Tower>) -> Answer {
    let query = Query::of(&request, &["from", "to"])?;
    let (from, to) = (query.whole("from", ANY_MOMENT)?, query.whole("to", ANY_MOMENT)?);
    let waiting = tower.sources.published.waiting_notes();
    let gaps = tower.history.gaps(WITHIN, (from, to), spool(&tower), waiting).await?;
    Ok(json_answer(&request, &Gaps { gaps }))
}
