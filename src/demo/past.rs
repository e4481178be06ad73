//! The demo's past: the rows that a station of an earlier program would have left, so that there is something
//! to look at. The recorder opens them as it opens every database that was there before it.

use std::path::Path;
use std::time::Duration;

use barograph_actors::message::delivery::UnixMillis;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::station::Station;

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
) -> rusqlite::Result<()> {
    let mut conn = Connection::open(path)?;
    conn.pragma_update(None, "journal_mode", "wal")?;
    let transaction = conn.transaction()?;
    transaction.execute_batch(TABLES)?;
    {
        let weather = "INSERT INTO weather_data(timestamp, sample_interval, temperature, humidity, pressure, \
             irradiance, wind_direction, rain_gauge_count, anemometer_count, created_at) VALUES \
             (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        let mut weather = transaction.prepare(weather)?;
        let field = "INSERT INTO magnetic_flux_data(x, y, z, created_at) VALUES (?1, ?2, ?3, ?4)";
        let mut field = transaction.prepare(field)?;
        for at in times(past, now) {
            let Ok(time) = Timestamp::from_millisecond(at.0) else { continue };
            let reading = station.reading(time);
            let created_at = at.to_string();
            weather.execute(params![
                reading.utc_s,
                reading.sample_interval_ms.cast_signed(),
                reading.temperature_c,
                reading.humidity_percent,
                reading.pressure_hpa,
                reading.irradiance_wpm2,
                reading.wind_direction_deg,
                reading.rain_gauge_count.cast_signed(),
                reading.anemometer_count.cast_signed(),
                created_at
            ])?;
            let [x, y, z] = reading.magnetic_field;
            field.execute(params![x, y, z, created_at])?;
        }
    }
    transaction.commit()
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
