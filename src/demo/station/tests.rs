use super::*;

const STEP_S: i64 = 600;
const YEAR_S: i64 = 365 * 86_400;
const START_S: i64 = 1_759_479_845;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn year_of(seed: u64) -> Vec<StationReading> {
    let mut station = Station::new(seed, 0);
    (0..YEAR_S / STEP_S).map(|step| station.reading(at(START_S + step * STEP_S))).collect()
}

/// By the sun, 0 to 24.
fn hour(reading: &StationReading) -> f64 {
    (reading.utc_s as f64 / 3600.0 + SOLAR_OFFSET_H).rem_euclid(24.0)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

#[test]
fn year_stays_within_what_weather_does() {
    for seed in 0..4 {
        let year = year_of(seed);
        for reading in &year {
            assert!((-25.0..=42.0).contains(&reading.temperature_c), "{reading:?}");
            assert!((5.0..=100.0).contains(&reading.humidity_percent), "{reading:?}");
            assert!((960.0..=1050.0).contains(&reading.pressure_hpa), "{reading:?}");
            assert!((0.0..1200.0).contains(&reading.irradiance_wpm2), "{reading:?}");
            assert!(reading.irradiance_wpm2.is_sign_positive(), "never -0.0");
            assert!(reading.wind_direction_deg < 360, "{reading:?}");
            if !(3.0..21.0).contains(&hour(reading)) {
                assert_eq!(reading.irradiance_wpm2, 0.0, "{reading:?}");
            }
            for (value, quiet) in reading.magnetic_field.iter().zip(MAGNETIC_FIELD) {
                assert!((f64::from(*value) - quiet).abs() < 20.0, "{reading:?}");
            }
        }
        for pair in year.windows(2) {
            assert!(pair[1].rain_gauge_count >= pair[0].rain_gauge_count);
            assert!(pair[1].anemometer_count >= pair[0].anemometer_count);
        }
    }
}

#[test]
fn year_has_the_weather_of_the_place() {
    for seed in 0..4 {
        let year = year_of(seed);
        let (first, last) = (&year[0], &year[year.len() - 1]);
        let rain_counts = last.rain_gauge_count - first.rain_gauge_count;
        let rain_mm = rain_counts as f64 * RAIN_MM_PER_COUNT;
        assert!((300.0..1500.0).contains(&rain_mm), "{rain_mm} mm in a year");
        let wind_counts = last.anemometer_count - first.anemometer_count;
        let wind_mps = wind_counts as f64 / ANEMOMETER_COUNTS_PER_METRE / YEAR_S as f64;
        assert!((2.0..6.0).contains(&wind_mps), "{wind_mps} m/s on average");

        let noon = year.iter().filter(|reading| (11.9..12.1).contains(&hour(reading)));
        assert!(noon.clone().all(|reading| reading.irradiance_wpm2 > 30.0));
        assert!(mean(noon.map(|reading| reading.irradiance_wpm2)) > 300.0);
        let coldest = year.iter().map(|reading| reading.temperature_c).fold(99.0, f64::min);
        let warmest = year.iter().map(|reading| reading.temperature_c).fold(-99.0, f64::max);
        assert!(coldest < 2.0 && warmest > 28.0, "{coldest} to {warmest}");
    }
}

#[test]
fn day_is_warmer_and_drier_than_night() {
    let year = year_of(7);
    let between = |from: f64, to: f64| {
        let hours = move |reading: &&StationReading| (from..to).contains(&hour(reading));
        let temperature = mean(year.iter().filter(hours).map(|reading| reading.temperature_c));
        let humidity = mean(year.iter().filter(hours).map(|reading| reading.humidity_percent));
        (temperature, humidity)
    };
    let (day, night) = (between(12.0, 18.0), between(0.0, 6.0));
    assert!(day.0 > night.0 + 4.0, "{day:?} {night:?}");
    assert!(day.1 < night.1 - 10.0, "{day:?} {night:?}");
}

#[test]
fn humidity_falls_as_temperature_rises() {
    let year = year_of(3);
    let temperature_mean = mean(year.iter().map(|reading| reading.temperature_c));
    let humidity_mean = mean(year.iter().map(|reading| reading.humidity_percent));
    let covariance = mean(year.iter().map(|reading| {
        (reading.temperature_c - temperature_mean) * (reading.humidity_percent - humidity_mean)
    }));
    assert!(covariance < -20.0, "{covariance}");
}

#[test]
fn same_seed_and_number_give_the_same_sequence_and_others_do_not() {
    let run = |seed, number| {
        let mut station = Station::new(seed, number);
        let readings = (0..100).map(|step| station.reading(at(START_S + 5 * step)));
        readings.map(|reading| reading.weather_payload()).collect::<Vec<String>>()
    };
    assert_eq!(run(1, 0), run(1, 0));
    assert_ne!(run(1, 0), run(2, 0));
    assert_ne!(run(1, 0), run(1, 1));
}

#[test]
fn counters_follow_the_wind_and_stand_still_when_time_does() {
    let mut station = Station::new(1, 0);
    let before = station.reading(at(START_S));
    for back in 0..100 {
        let reading = station.reading(at(START_S - back));
        assert_eq!(reading.anemometer_count, before.anemometer_count);
    }
    let after = station.reading(at(START_S + 3600));
    assert!(after.anemometer_count > before.anemometer_count + 500);
}

#[test]
fn messages_have_the_form_of_the_real_station() {
    let reading = StationReading {
        station: 0,
        utc_s: 1_759_479_845,
        sample_interval_ms: 5000,
        temperature_c: 5.22,
        humidity_percent: 61.5,
        pressure_hpa: 1004.94,
        irradiance_wpm2: 0.83,
        wind_direction_deg: 96,
        rain_gauge_count: 170,
        anemometer_count: 1_047_952,
        magnetic_field: [1115, -558, -305],
    };
    let weather = "{\"utc\":1759479845,\"sampleinterval\":5000,\"temperature\":5.22,\
         \"humidity\":61.5,\"pressure\":1004.94,\"irradiance\":0.83,\"winddirectionsensor\":96,\
         \"raingaugecount\":170,\"anemometercount\":1047952}";
    let topics = ["weathermeters", "magneticfluxsensor"]
        .map(|sensor| format!("backacres/house/weatherstation/{sensor}/"));
    let flux = r#"{"x":1115,"y":-558,"z":-305}"#;
    let [weather_topic, flux_topic] = topics;
    let expected = [(weather_topic, weather.to_owned()), (flux_topic, flux.to_owned())];
    assert_eq!(reading.messages(), expected);

    let fourth = StationReading { station: 3, ..reading };
    let [(topic, _), _] = fourth.messages();
    assert_eq!(topic, "backacres/house4/weatherstation/weathermeters/");
}

#[test]
fn payloads_are_json_with_two_decimals_at_most() {
    let mut station = Station::new(5, 2).with_interval(Duration::from_millis(250));
    for step in 0..2000 {
        let [(_, weather), (_, flux)] = station.reading(at(START_S + 977 * step)).messages();
        let weather: serde_json::Value = serde_json::from_str(&weather).unwrap();
        assert_eq!(weather["sampleinterval"], 250);
        for key in ["temperature", "humidity", "pressure", "irradiance"] {
            let text = weather[key].as_f64().unwrap().to_string();
            let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
            assert!(weather[key].is_f64() && decimals <= 2, "{key}: {text}");
        }
        let flux: serde_json::Value = serde_json::from_str(&flux).unwrap();
        assert!(["x", "y", "z"].iter().all(|axis| flux[axis].is_i64()));
    }
}
