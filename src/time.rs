//! Times: UTC in the database and in JSON, the local zone for people.

use barograph_actors::message::delivery::UnixMillis;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::os::world;

/// A moment as text, in UTC: `YYYY-MM-DD HH:MM:SS.sss`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(pattern = "^-?[0-9]{3,}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{3})?$")]
pub(crate) struct UtcText(pub(crate) String);

impl From<UnixMillis> for UtcText {
    fn from(at: UnixMillis) -> Self {
        Self(at.to_string())
    }
}

/// A moment that was given on the command line.
pub(crate) fn parse_moment(text: &str) -> Result<UnixMillis, String> {
    if let Ok(ago) = humantime::parse_duration(text) {
        let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
        return Ok(UnixMillis(world::now().0.saturating_sub(ago)));
    }
    let local = civil(text).ok_or_else(|| {
        "write how long ago (2h, 7days), or a local time: 2026-11-23, 2026-11-23 16:27 or 2026-11-23 \
         16:27:19"
            .to_owned()
    })?;
    let at = TimeZone::system().to_timestamp(local).map_err(|error| error.to_string())?;
    Ok(UnixMillis(at.as_millisecond()))
}

fn civil(text: &str) -> Option<DateTime> {
    let text = text.trim();
    if let Ok(date) = Date::strptime("%Y-%m-%d", text) {
        return Some(date.to_datetime(jiff::civil::Time::midnight()));
    }
    let forms = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"];
    forms.iter().find_map(|form| DateTime::strptime(form, text).ok())
}

/// A time of the database (`YYYY-MM-DD HH:MM:SS.sss`, UTC).
pub(crate) fn from_database(text: &str) -> Option<UnixMillis> {
    let whole = text.get(..19)?;
    let time = DateTime::strptime("%Y-%m-%d %H:%M:%S", whole).ok()?;
    let seconds = TimeZone::UTC.to_timestamp(time).ok()?.as_millisecond();
    let millis = text.get(20..23).and_then(|millis| millis.parse::<i64>().ok()).unwrap_or(0);
    Some(UnixMillis(seconds + millis))
}

/// `2026-11-23 16:27:19`, in the local zone.
pub(crate) fn shown(at: UnixMillis) -> String {
    let time = Timestamp::from_millisecond(at.0).unwrap_or_default();
    TimeZone::system().to_datetime(time).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// As [`shown`], of a time of the database; as it is where it is none.
pub(crate) fn shown_text(text: &str) -> String {
    from_database(text).map_or_else(|| super::text::glimpse(text.as_bytes(), 23), shown)
}

/// Which zone the printed times are of.
pub(crate) fn zone() -> String {
    let zone = TimeZone::system();
    let name = zone.iana_name().unwrap_or("this machine").to_owned();
    let offset = zone.to_offset(Timestamp::now());
    format!("Times are local, of {name} (now UTC{offset}); the database has UTC.")
}

/// `3 days 4h`, `7 min 5 s`: two units at most.
pub(crate) fn length(milliseconds: i64) -> String {
    let ms = u64::try_from(milliseconds).unwrap_or(0);
    if ms < 1_000 {
        return format!("{ms} ms");
    }
    let seconds = ms / 1_000;
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let (mut rest, mut parts) = (seconds, Vec::new());
    for (size, name) in units {
        if rest >= size && parts.len() < 2 {
            parts.push(format!("{} {name}", rest / size));
        } else if !parts.is_empty() {
            break;
        }
        rest %= size;
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_durations_ago_or_local_times() {
        let now = world::now().0;
        let ago = now - parse_moment("2h").unwrap().0;
        assert!((7_190_000..7_210_000).contains(&ago), "{ago}");
        for text in ["2026-11-23", "2026-11-23 16:27", "2026-11-23 16:27:19", "2026-11-23T16:27"] {
            let at = parse_moment(text).unwrap();
            assert!(shown(at).starts_with(&text.replace('T', " ")), "{text}: {}", shown(at));
        }
        assert!(parse_moment("yesterday").unwrap_err().contains("2026-11-23 16:27"));
    }

    #[test]
    fn times_of_the_database_come_back() {
        let at = UnixMillis(1_759_479_845_007);
        assert_eq!(from_database(&at.to_string()), Some(at));
        assert_eq!(from_database("2025-10-03 08:24:05"), Some(UnixMillis(1_759_479_845_000)));
        assert_eq!(from_database("nonsense"), None);
        assert_eq!(shown_text("non\u{1b}sense"), "non\\u{1b}sense");
    }

    #[test]
    fn lengths_have_two_units_at_most() {
        let table = [
            (7, "7 ms"),
            (59_999, "59 s"),
            (425_000, "7 min 5 s"),
            (3_600_000, "1 h"),
            (273_600_000, "3 d 4 h"),
            (-5, "0 ms"),
        ];
        for (ms, text) in table {
            assert_eq!(length(ms), text);
        }
    }
}
