//! The demo's past: the rows that a station of an earlier program would have left, so that there is something
//! to look at. The recorder opens them as it opens every database that was there before it.

use std::path::Path;
use std::time::Duration;

use barograph_actors::message::batch::Value;
use barograph_actors::message::delivery::UnixMillis;
use jiff::Timestamp;

use super::station::{Station, StationReading};
use crate::sqlite::{DatabaseError, write_past};

/// Between two readings of the past, unless there would be too many.
const STEP_MIN: Duration = Duration::from_secs(5);
/// Readings at most: a year has one every five minutes.
const READINGS_MAX: u32 = 105_120;

/// The station's tables, as they have always been.
const TABLES: &str = "
    CREATE TABLE weather_data(id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp INTEGER NOT NULL,
        sample_interval INTEGER, temperature REAL, humidity REAL, pressure REAL, irradiance REAL,
        wind_direction INTEGER, rain_gauge_count INTEGER, anemometer_count INTEGER,
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
    CREATE TABLE magnetic_flux_data(id INTEGER PRIMARY KEY AUTOINCREMENT, x REAL NOT NULL,
        y REAL NOT NULL, z REAL NOT NULL, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
    CREATE INDEX idx_weather_timestamp ON weather_data(timestamp);
    CREATE INDEX idx_weather_created ON weather_data(created_at);
    CREATE INDEX idx_flux_created ON magnetic_flux_data(created_at);";

/// Writes what the station measured from so long ago until now, into a database that is not there yet.
///
/// # Errors
/// The database could not be made.
pub(super) fn write(
    path: &Path,
    station: &mut Station,
    past: Duration,
    now: UnixMillis,
) -> Result<(), DatabaseError> {
    let weather = "INSERT INTO weather_data(timestamp, sample_interval, temperature, humidity, pressure, \
         irradiance, wind_direction, rain_gauge_count, anemometer_count, created_at) VALUES \
         (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let field = "INSERT INTO magnetic_flux_data(x, y, z, created_at) VALUES (?1, ?2, ?3, ?4)";
    let times = times(past, now);
    let times = times.filter_map(|at| Some((at, Timestamp::from_millisecond(at.0).ok()?)));
    let rows = times.flat_map(|(at, time)| rows(&station.reading(time), &at.to_string()));
    write_past(path, TABLES, &[weather, field], rows)
}

/// The row of each table: its number, and its values.
fn rows(reading: &StationReading, created_at: &str) -> [(usize, Vec<Value>); 2] {
    let created_at = || Value::Text(created_at.to_owned());
    let [x, y, z] = reading.magnetic_field.map(i64::from).map(Value::Integer);
    let weather = vec![
        Value::Integer(reading.utc_s),
        Value::Integer(reading.sample_interval_ms.cast_signed()),
        Value::Real(reading.temperature_c),
        Value::Real(reading.humidity_percent),
        Value::Real(reading.pressure_hpa),
        Value::Real(reading.irradiance_wpm2),
        Value::Integer(i64::from(reading.wind_direction_deg)),
        Value::Integer(reading.rain_gauge_count.cast_signed()),
        Value::Integer(reading.anemometer_count.cast_signed()),
        created_at(),
    ];
    [(0, weather), (1, vec![x, y, z, created_at()])]
}

/// When it measured: the newest time lies one step before now.
fn times(past: Duration, now: UnixMillis) -> impl Iterator<Item = UnixMillis> {
    let step = (past / READINGS_MAX).max(STEP_MIN).as_millis();
    let count = past.as_millis() / step;
    let before = move |steps: u128| i64::try_from(steps * step).unwrap_or(i64::MAX);
    (1..=count).rev().map(move |steps| UnixMillis(now.0.saturating_sub(before(steps))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_past_has_a_reading_every_five_seconds_and_a_long_one_not_too_many() {
        let now = UnixMillis(1_795_000_000_000);
        let of = |seconds| times(Duration::from_secs(seconds), now).map(|at| now.0 - at.0);
        assert_eq!(of(17).collect::<Vec<_>>(), [15_000, 10_000, 5_000]);
        assert_eq!(of(0).count(), 0);
        let year = 365 * 24 * 60 * 60;
        assert_eq!(of(year).count(), READINGS_MAX as usize);
        assert_eq!(of(year).next(), Some(i64::try_from(year).unwrap() * 1000));
    }
}
