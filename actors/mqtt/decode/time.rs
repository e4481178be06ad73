//! Columns of type time: what devices write for a moment.

use barograph_config::Column;
use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::TimeZone;

use super::convert::{Unfit, parse_number, whole};
use super::tree::Tree;
use crate::message::delivery::UnixMillis;

/// `format` of a column that takes whatever is unambiguous; also without `format`.
const AUTO: &str = "auto";

/// Seconds below this, then milliseconds, microseconds and nanoseconds, each a thousand times further:
/// as seconds it is the year 5138, as milliseconds 1973.
const SECONDS_MAX: i64 = 100_000_000_000;

/// The moment that a value says.
pub(super) fn moment(column: &Column, tree: &Tree<'_>) -> Result<UnixMillis, Unfit> {
    match column.format.as_deref() {
        None | Some(AUTO) => automatic(column, tree),
        Some(format) => {
            let text = tree.plain_text()?.ok_or_else(|| expected(column))?;
            by_pattern(column, format, text.trim())
        }
    }
}

fn expected(column: &Column) -> Unfit {
    Unfit::Type(match column.format.as_deref() {
        None | Some(AUTO) => "a time (RFC 3339, ISO 8601 or Unix time)".into(),
        Some(format) => format!("a time of the form {format:?}").into(),
    })
}

fn automatic(column: &Column, tree: &Tree<'_>) -> Result<UnixMillis, Unfit> {
    match tree {
        Tree::Integer(number) => unix(*number),
        Tree::Real(number) => unix_with_fraction(column, *number),
        Tree::Unsigned(_) | Tree::Vast(_) => Err(Unfit::Size("no time of the years until 9999")),
        Tree::Text(_) | Tree::Bytes(_) => {
            let text = tree.plain_text()?.unwrap_or_default();
            written(column, text.trim())
        }
        Tree::Null | Tree::Boolean(_) | Tree::List(_) | Tree::Map(_) => Err(expected(column)),
    }
}

fn written(column: &Column, text: &str) -> Result<UnixMillis, Unfit> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    if let Ok(number) = text.parse() {
        return unix(number);
    }
    if let Some(number) = parse_number(text) {
        return unix_with_fraction(column, number);
    }
    if let Ok(timestamp) = PARSER.parse_timestamp(text) {
        return Ok(UnixMillis(timestamp.as_millisecond()));
    }
    let local = PARSER.parse_datetime(text).map_err(|_| expected(column))?;
    in_zone(column, zone(column)?.to_timestamp(local))
}

/// Of a number that has no unit, by its size.
fn unix(number: i64) -> Result<UnixMillis, Unfit> {
    let size = number.unsigned_abs();
    let limit = SECONDS_MAX.unsigned_abs();
    let millis = match size {
        _ if size < limit => number * 1_000,
        _ if size < limit * 1_000 => number,
        _ if size < limit * 1_000_000 => number.div_euclid(1_000),
        _ => number.div_euclid(1_000_000),
    };
    Ok(UnixMillis(millis))
}

fn unix_with_fraction(column: &Column, number: f64) -> Result<UnixMillis, Unfit> {
    #[expect(clippy::cast_precision_loss, reason = "1e11 is exact")]
    if number.abs() < SECONDS_MAX as f64 {
        let millis = whole((number * 1_000.0).round(), || expected(column))?;
        return Ok(UnixMillis(millis));
    }
    unix(whole(number.round(), || expected(column))?)
}

fn by_pattern(column: &Column, format: &str, text: &str) -> Result<UnixMillis, Unfit> {
    let parsed = strtime::parse(format, text).map_err(|_| expected(column))?;
    if let Ok(timestamp) = parsed.to_timestamp() {
        return Ok(UnixMillis(timestamp.as_millisecond()));
    }
    let local = parsed.to_datetime().map_err(|_| expected(column))?;
    in_zone(column, zone(column)?.to_timestamp(local))
}

fn in_zone(
    column: &Column,
    timestamp: Result<Timestamp, jiff::Error>,
) -> Result<UnixMillis, Unfit> {
    timestamp.map(|it| UnixMillis(it.as_millisecond())).map_err(|_| expected(column))
}

fn zone(column: &Column) -> Result<TimeZone, Unfit> {
    let Some(name) = column.zone.as_deref() else { return Ok(TimeZone::UTC) };
    let unknown =
        |_| Unfit::Type(format!("in zone {name:?}, which this machine does not know").into());
    TimeZone::get(name).map_err(unknown)
}
