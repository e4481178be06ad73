//! `series`: numbers of a route over any range, in buckets.

use std::ops::RangeInclusive;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::answer::{Answer, json_answer, json_text, text_answer};
use super::history::WITHIN;
use super::query::{ANY_MOMENT, Query};
use super::tables::{self, RouteTable};
use crate::http::Tower;
use crate::http::refusal::HttpRefusal;
use crate::os::world;
use crate::sqlite::read::{Buckets, EARLIEST_MS, Question, Senseless, Series, Stat};

/// Columns of an answer.
const COLUMNS_MAX: usize = 32;
/// Most that `points` may be, and its default.
const POINTS_MAX: i64 = 5_000;
const POINTS: i64 = 500;
/// What `bucket_ms` may be: a second to a year.
const WIDTHS: RangeInclusive<i64> = 1_000..=31_622_400_000;
/// Buckets of an answer, where their width is given: a year of quarters of an hour.
const BUCKETS_MAX: i64 = 35_200;
/// Buckets of all columns together.
const CELLS_MAX: i64 = POINTS_MAX * COLUMNS_MAX as i64;
/// 9000-01-01: nothing was recorded after it, and no sum of times overflows before.
const LATEST_MS: i64 = 221_845_392_000_000;

/// `series`
pub(super) async fn series(request: Parts, State(tower): State<Tower>) -> Answer {
    let known = ["route", "columns", "from", "to", "points", "bucket_ms", "stats"];
    let query = Query::of(&request, &known)?;
    let from = query.needed_whole("from", ANY_MOMENT)?;
    let to = query.needed_whole("to", ANY_MOMENT)?;
    let buckets = buckets(&query)?;
    query.needed("columns")?;
    let (columns, stats) = (query.list("columns", COLUMNS_MAX)?, stats(&query)?);
    let router = tower.sources.router();
    let table = tables::table(&router, query.needed("route")?)?;
    let range = range(&tower, &table, (from, to), buckets, columns.len()).await?;
    let Some(range) = range else {
        return Ok(json_answer(&request, &nothing(&table, from, to, buckets)));
    };
    let question = Question::new(&table.route(), &columns, range, buckets, &stats, world::now().0)
        .map_err(|senseless| refusal(&senseless))?;
    let json = move |answer| json_text(&Series { from_ms: from, to_ms: to, ..answer });
    Ok(text_answer(&request, tower.history.series(WITHIN, question, json).await?))
}

/// A width says more than a number.
fn buckets(query: &Query) -> Result<Buckets, HttpRefusal> {
    let (points, width) =
        (query.whole("points", 1..=POINTS_MAX)?, query.whole("bucket_ms", WIDTHS)?);
    Ok(match width {
        Some(width) => Buckets::Width(width),
        None => Buckets::Points(points.unwrap_or(POINTS)),
    })
}

fn stats(query: &Query) -> Result<Vec<Stat>, HttpRefusal> {
    let words = query.list("stats", Stat::ALL.len())?;
    let stat = |word: &String| {
        Stat::from_word(word).ok_or_else(|| {
            let known = Stat::ALL.map(Stat::word).join(", ");
            HttpRefusal::bad(format!("stats: {word:?} is not known"), format!("there are: {known}"))
        })
    };
    words.iter().map(stat).collect()
}

/// The range that is looked at; `None`: there can be nothing in it. Where it has too many buckets of the width
/// that is wanted, only what has been recorded of it counts.
async fn range(
    tower: &Tower,
    table: &RouteTable<'_>,
    (from, to): (i64, i64),
    buckets: Buckets,
    columns: usize,
) -> Result<Option<(i64, i64)>, HttpRefusal> {
    let (mut from, mut to) = (from.max(EARLIEST_MS), to.min(LATEST_MS));
    if let Buckets::Width(width) = buckets {
        let columns = i64::try_from(columns).unwrap_or(i64::MAX);
        let most = BUCKETS_MAX.min(CELLS_MAX / columns.max(1));
        let is_too_much = |from: i64, to: i64| (to - from) / width >= most;
        if from < to && is_too_much(from, to) {
            let ends = tower.memory.ends(&tower.history, table).await;
            let now = world::now().0.saturating_add(1);
            let last = ends.last.first().map_or(now, |(at, _)| now.max(at.0.saturating_add(1)));
            from = from.max(ends.first_at.unwrap_or(now));
            to = to.min(last);
            if from < to && is_too_much(from, to) {
                return Err(HttpRefusal::bad(
                    format!("this range has more than {most} buckets of {width} ms"),
                    "ask for wider buckets, a shorter range, or fewer columns; or give points",
                ));
            }
        }
    }
    Ok((from < to).then_some((from, to)))
}

fn refusal(senseless: &Senseless) -> HttpRefusal {
    let message = senseless.to_string();
    match senseless {
        Senseless::NoSuchNumber { .. } => {
            let hint =
                "api/v1/routes has their names: columns that are numbers, and derived values";
            HttpRefusal::new(StatusCode::NOT_FOUND, message, hint)
        }
        Senseless::NoRange | Senseless::Buckets => {
            HttpRefusal::bad(message, "ask for another range, or wider buckets")
        }
    }
}

fn nothing(table: &RouteTable<'_>, from_ms: i64, to_ms: i64, buckets: Buckets) -> Series {
    let bucket_ms = match buckets {
        Buckets::Width(width) => width,
        Buckets::Points(_) => *WIDTHS.start(),
    };
    let (route, t, columns) = (table.name.to_owned(), Vec::new(), Vec::new());
    Series { route, from_ms, to_ms, bucket_ms, t, columns, unfinished: None }
}
