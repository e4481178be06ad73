//! A simulated weather station, for the demo and for tests that need believable telemetry.
//!
//! It stands on an invented farm on the tablelands of south-east Australia: frost in July, thirty
//! degrees in January. No clock and no I/O in here: the caller says what time it is. The same seed,
//! station number and sequence of times give the same readings.
//!
//! What changes over days is a `Swell`, what changes faster a `Wander`: both are exact for any
//! step, so a reading every 50 ms and one every hour come from the same weather.

use std::f64::consts::{SQRT_2, TAU};
use std::time::Duration;

use jiff::Timestamp;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// Between two readings, unless [`Station::with_interval`] says otherwise; what the real station
/// does.
const INTERVAL_DEFAULT: Duration = Duration::from_secs(5);

/// Degrees; south is negative.
const LATITUDE_DEG: f64 = -35.6;

/// Hours by which the sun is earlier here than in Greenwich: 149.4 degrees east, at 15 degrees an
/// hour.
const SOLAR_OFFSET_H: f64 = 149.4 / 15.0;

/// Rain that tips the gauge's bucket once, in millimetres.
const RAIN_MM_PER_COUNT: f64 = 0.2794;

/// Counts that the anemometer gives in one second of a wind of one metre per second.
const ANEMOMETER_COUNTS_PER_METRE: f64 = 1.5;

/// Degrees Celsius the thermometer can show.
const TEMPERATURE_RANGE_C: (f64, f64) = (-25.0, 42.0);

/// Per cent the hygrometer can show.
const HUMIDITY_RANGE_PERCENT: (f64, f64) = (5.0, 100.0);

/// Hectopascals the barometer can show.
const PRESSURE_RANGE_HPA: (f64, f64) = (960.0, 1050.0);

/// Metres per second beyond which the mast would be gone.
const WIND_MAX_MPS: f64 = 45.0;

/// What the magnetometer shows in a quiet field, in its own units: x, y, z.
const MAGNETIC_FIELD: [f64; 3] = [1115.0, -558.0, -305.0];

/// One measurement of everything, as the station's two messages carry it.
#[derive(Debug, Clone, PartialEq)]
pub struct StationReading {
    /// Station number, from 0; part of the topics.
    pub station: u32,
    /// Time of measurement in seconds since 1970, UTC.
    pub utc_s: i64,
    /// Nominal time between two readings in milliseconds.
    pub sample_interval_ms: u64,
    /// Air temperature in degrees Celsius, two decimals.
    pub temperature_c: f64,
    /// Relative humidity in per cent, two decimals.
    pub humidity_percent: f64,
    /// Air pressure at sea level in hectopascals, two decimals.
    pub pressure_hpa: f64,
    /// Sunlight on level ground in watts per square metre, two decimals; 0 at night.
    pub irradiance_wpm2: f64,
    /// Where the wind comes from in whole degrees, 0 to 359, clockwise from north.
    pub wind_direction_deg: u16,
    /// Tips of the rain gauge (0.2794 mm each) since it was installed.
    pub rain_gauge_count: u64,
    /// Counts of the anemometer (1.5 per metre of wind) since it was installed.
    pub anemometer_count: u64,
    /// Magnetic field x, y, z in the sensor's units.
    pub magnetic_field: [i32; 3],
}

impl StationReading {
    /// The two MQTT messages of this reading as (topic, payload): weather, then magnetic field.
    pub fn messages(&self) -> [(String, String); 2] {
        let house = match self.station {
            0 => "house".to_owned(),
            number => format!("house{}", u64::from(number) + 1),
        };
        // The trailing slashes are the real station's: an empty last level.
        [
            (format!("backacres/{house}/weatherstation/weathermeters/"), self.weather_payload()),
            (format!("backacres/{house}/weatherstation/magneticfluxsensor/"), self.flux_payload()),
        ]
    }

    /// Written by hand, because the order of the keys is part of the format. `{:?}` writes 61.0 as
    /// JSON does, `{}` as 61.
    fn weather_payload(&self) -> String {
        format!(
            "{{\"utc\":{},\"sampleinterval\":{},\"temperature\":{:?},\"humidity\":{:?},\
             \"pressure\":{:?},\"irradiance\":{:?},\"winddirectionsensor\":{},\
             \"raingaugecount\":{},\"anemometercount\":{}}}",
            self.utc_s,
            self.sample_interval_ms,
            self.temperature_c,
            self.humidity_percent,
            self.pressure_hpa,
            self.irradiance_wpm2,
            self.wind_direction_deg,
            self.rain_gauge_count,
            self.anemometer_count,
        )
    }

    fn flux_payload(&self) -> String {
        let [x, y, z] = self.magnetic_field;
        format!("{{\"x\":{x},\"y\":{y},\"z\":{z}}}")
    }
}

/// A weather station and the weather around it.
#[derive(Debug, Clone)]
pub struct Station {
    number: u32,
    interval: Duration,
    read_at: Option<Timestamp>,
    random: Xoshiro256PlusPlus,
    weather: Weather,
    /// Rain since installation in millimetres.
    rain_mm: f64,
    /// Metres of wind that have passed since installation.
    wind_run_m: f64,
}

impl Station {
    /// A station whose readings are determined by `seed` and `number` (from 0). It has stood for a
    /// while: its counters do not begin at zero.
    pub fn new(seed: u64, number: u32) -> Station {
        // Seeding mixes all bits, so the stations of one seed have nothing in common.
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed ^ (u64::from(number) << 32));
        let weather = Weather::new(&mut random);
        let rain_mm = random.random_range(0.0..100.0);
        let wind_run_m = random.random_range(0.0..1_000_000.0);
        let interval = INTERVAL_DEFAULT;
        Station { number, interval, read_at: None, random, weather, rain_mm, wind_run_m }
    }

    /// Sets the nominal interval that the readings state (in milliseconds); 5 s by default. The
    /// caller keeps to it or not: the weather moves by the times given to [`Station::reading`].
    pub fn with_interval(self, interval: Duration) -> Station {
        Station { interval, ..self }
    }

    /// Measures at `at`. Time should not run backwards; if it does, the weather stands still
    /// meanwhile.
    pub fn reading(&mut self, at: Timestamp) -> StationReading {
        let elapsed_s = match self.read_at {
            Some(before) => at.duration_since(before).as_secs_f64().max(0.0),
            None => self.interval.as_secs_f64(),
        };
        self.read_at = Some(at);
        let sky = Sky::at(at);
        self.weather.pass(at, elapsed_s, &mut self.random);
        self.rain_mm += self.weather.rain_mm_per_h() * elapsed_s / 3600.0;
        self.wind_run_m += self.weather.wind_mps(&sky) * elapsed_s;

        let temperature_c = self.weather.temperature_c(&sky) + 0.05 * normal(&mut self.random);
        let humidity = self.weather.humidity_percent(&sky) + 0.3 * normal(&mut self.random);
        let pressure_hpa = self.weather.pressure_hpa(&sky) + 0.03 * normal(&mut self.random);
        let irradiance = self.weather.irradiance_wpm2(&sky);
        StationReading {
            station: self.number,
            utc_s: at.as_second(),
            sample_interval_ms: u64::try_from(self.interval.as_millis()).unwrap_or(u64::MAX),
            temperature_c: shown(temperature_c, TEMPERATURE_RANGE_C),
            humidity_percent: shown(humidity, HUMIDITY_RANGE_PERCENT),
            pressure_hpa: shown(pressure_hpa, PRESSURE_RANGE_HPA),
            irradiance_wpm2: shown(irradiance, (0.0, f64::MAX)),
            wind_direction_deg: self.weather.wind_direction_deg(),
            rain_gauge_count: (self.rain_mm / RAIN_MM_PER_COUNT) as u64,
            anemometer_count: (self.wind_run_m * ANEMOMETER_COUNTS_PER_METRE) as u64,
            magnetic_field: MAGNETIC_FIELD
                .map(|quiet| (quiet + 2.0 * normal(&mut self.random)).round() as i32),
        }
    }
}

/// Where the sun is: the part of the weather that the calendar determines.
#[derive(Debug, Clone, Copy)]
struct Sky {
    /// Hours since midnight by the sun, 0 to 24.
    hour: f64,
    /// 1 at midsummer (here in January, three weeks after the solstice), -1 at midwinter.
    season: f64,
    /// Sine of the sun's height over the horizon; negative at night.
    sun_height: f64,
}

impl Sky {
    fn at(at: Timestamp) -> Sky {
        let days = at.as_second() as f64 / 86_400.0 + SOLAR_OFFSET_H / 24.0;
        let hour = days.rem_euclid(1.0) * 24.0;
        // Good to a degree, which is all that a show needs. 1970 began ten days after the December
        // solstice.
        let year_angle = TAU * (days + 10.0) / 365.2425;
        let declination = (-23.44_f64).to_radians() * year_angle.cos();
        let hour_angle = TAU * (hour / 24.0 - 0.5);
        let latitude = LATITUDE_DEG.to_radians();
        let sun_height = latitude.sin() * declination.sin()
            + latitude.cos() * declination.cos() * hour_angle.cos();
        let season = (year_angle - TAU * 21.0 / 365.2425).cos();
        Sky { hour, season, sun_height }
    }
}

/// The part of the weather that chance determines.
#[derive(Debug, Clone)]
struct Weather {
    /// Highs (above 0) and lows passing by.
    front: Swell,
    /// Warm and cold air.
    air: Swell,
    /// Clouds that come and go within hours.
    cloud: Wander,
    /// Showers within clouds.
    shower: Wander,
    /// The wind of the day.
    wind: Wander,
    /// Gusts.
    gust: Wander,
    /// Turning of the wind.
    turn: Wander,
    /// Direction of the wind before it turns, in degrees.
    prevailing_deg: f64,
}

impl Weather {
    fn new(random: &mut Xoshiro256PlusPlus) -> Weather {
        let (minute, hour) = (60.0, 3600.0);
        Weather {
            front: Swell::new(random),
            air: Swell::new(random),
            cloud: Wander::new(3.0 * hour, random),
            shower: Wander::new(40.0 * minute, random),
            wind: Wander::new(5.0 * hour, random),
            gust: Wander::new(0.5 * minute, random),
            turn: Wander::new(8.0 * hour, random),
            prevailing_deg: random.random_range(0.0..360.0),
        }
    }

    /// Lets time pass, until `at`.
    fn pass(&mut self, at: Timestamp, elapsed_s: f64, random: &mut Xoshiro256PlusPlus) {
        let Weather { front, air, cloud, shower, wind, gust, turn, prevailing_deg: _ } = self;
        for swell in [front, air] {
            swell.pass(at);
        }
        for wander in [cloud, shower, wind, gust, turn] {
            wander.pass(elapsed_s, random);
        }
    }

    /// 0 clear, 1 overcast. Low pressure brings clouds.
    fn cover(&self) -> f64 {
        1.0 / (1.0 + (1.6 * self.front.value - 1.6 * self.cloud.value + 0.7).exp())
    }

    /// Rains where a shower meets enough cloud.
    fn rain_mm_per_h(&self) -> f64 {
        if self.cover() < 0.6 { 0.0 } else { 2.2 * (self.shower.value - 0.7).max(0.0) }
    }

    fn temperature_c(&self, sky: &Sky) -> f64 {
        let of_the_season = 13.0 + 7.5 * sky.season;
        // Warmest three hours after noon; clouds flatten the day.
        let swing = (5.0 + 1.5 * sky.season) * (1.0 - 0.6 * self.cover());
        let of_the_hour = swing * (TAU * (sky.hour - 15.0) / 24.0).cos();
        of_the_season + of_the_hour + 2.8 * self.air.value
    }

    /// Warm air is dry air; clouds and rain are not.
    fn humidity_percent(&self, sky: &Sky) -> f64 {
        let warmer = self.temperature_c(sky) - (13.0 + 5.0 * sky.season);
        let rain = if self.rain_mm_per_h() > 0.0 { 12.0 } else { 0.0 };
        62.0 - 2.6 * warmer + 14.0 * self.cover() + rain
    }

    /// Fronts, and the tide of the atmosphere: two small highs a day, at ten in the morning and in
    /// the evening.
    fn pressure_hpa(&self, sky: &Sky) -> f64 {
        1014.5 + 7.0 * self.front.value + 0.8 * (TAU * (sky.hour - 10.0) / 12.0).cos()
    }

    /// Clear-sky formula of Haurwitz (1945), less what the clouds take.
    fn irradiance_wpm2(&self, sky: &Sky) -> f64 {
        if sky.sun_height <= 0.0 {
            return 0.0;
        }
        let clear = 1098.0 * sky.sun_height * (-0.057 / sky.sun_height).exp();
        clear * (1.0 - 0.75 * self.cover().powi(3))
    }

    /// Median near 3 m/s, more by day and when a low passes.
    fn wind_mps(&self, sky: &Sky) -> f64 {
        let by_day = 0.25 * (TAU * (sky.hour - 14.0) / 24.0).cos();
        let mean = 3.0 * (0.5 * self.wind.value - 0.2 * self.front.value + by_day).exp();
        (mean * (0.3 * self.gust.value).exp()).min(WIND_MAX_MPS)
    }

    /// Turns slowly, and flutters with the gusts.
    fn wind_direction_deg(&self) -> u16 {
        let degrees = self.prevailing_deg + 70.0 * self.turn.value + 6.0 * self.gust.value;
        degrees.rem_euclid(360.0) as u16 % 360
    }
}

/// A smooth value around 0 with standard deviation 1 and never beyond 3: the sum of some slow
/// waves.
#[derive(Debug, Clone)]
struct Swell {
    /// Period in seconds and phase in radians.
    waves: [(f64, f64); 4],
    value: f64,
}

impl Swell {
    fn new(random: &mut Xoshiro256PlusPlus) -> Swell {
        let waves = [2.3, 3.7, 5.9, 9.7].map(|days: f64| {
            let period_s = days * 86_400.0 * random.random_range(0.9..1.1);
            (period_s, random.random_range(0.0..TAU))
        });
        Swell { waves, value: 0.0 }
    }

    fn pass(&mut self, at: Timestamp) {
        let second = at.as_duration().as_secs_f64();
        let height = |(period_s, phase): (f64, f64)| (TAU * second / period_s + phase).sin();
        // Each of the four waves has a variance of one half.
        self.value = self.waves.into_iter().map(height).sum::<f64>() / SQRT_2;
    }
}

/// A value around 0 with standard deviation 1 that forgets where it was (an Ornstein-Uhlenbeck
/// process).
#[derive(Debug, Clone)]
struct Wander {
    /// Seconds after which a deviation has faded to 1/e.
    memory_s: f64,
    value: f64,
}

impl Wander {
    fn new(memory_s: f64, random: &mut Xoshiro256PlusPlus) -> Wander {
        Wander { memory_s, value: normal(random) }
    }

    fn pass(&mut self, elapsed_s: f64, random: &mut Xoshiro256PlusPlus) {
        let kept = (-elapsed_s / self.memory_s).exp();
        self.value = self.value * kept + (1.0 - kept * kept).sqrt() * normal(random);
    }
}

/// A normally distributed number (Box and Muller), never beyond 8.6 standard deviations.
fn normal(random: &mut Xoshiro256PlusPlus) -> f64 {
    let (a, b): (f64, f64) = (random.random(), random.random());
    // `a` may be 0 and never is 1.
    (-2.0 * (1.0 - a).ln()).sqrt() * (TAU * b).cos()
}

/// What an instrument shows: nothing beyond its range, two decimals.
fn shown(value: f64, (min, max): (f64, f64)) -> f64 {
    // Adding 0 turns -0.0 into 0.0.
    (value.clamp(min, max) * 100.0).round() / 100.0 + 0.0
}

#[cfg(test)]
mod tests;
