//! Readings: as they come, in the units that were chosen, and what is derived from them.

use std::time::Duration;

use super::{SOON, console_is_clean, fetched, looking_at, number};

/// A card's value.
fn value_of(reading: &str) -> String {
    format!("[data-reading=\"{reading}\"] .value")
}

#[test]
fn a_reading_is_on_the_page_within_a_second_of_being_published() {
    let Some((watched, browser)) = looking_at("#/now") else { return };
    let temperature = value_of("weather_data.temperature");
    watched.publish_weather(20.0, 1, 1);
    browser.says(&temperature, "20.0");
    // The page notes for itself when it shows what: asking it takes time, too.
    browser.run(&format!(
        "window.shown = {{}}; const note = () => {{ const text = document.querySelector('{}').textContent; \
         window.shown[text] ??= Date.now(); requestAnimationFrame(note); }}; note();",
        temperature.replace('\'', "\\'")
    ));
    let mut worst = 0;
    for degrees in [21.25, 22.5, 23.75] {
        let before = jiff::Timestamp::now().as_millisecond();
        watched.publish_weather(degrees, 1, 1);
        let text = browser.until(&temperature, SOON, |text| {
            number(text).is_some_and(|n| (n - degrees).abs() < 0.06)
        });
        let shown = browser.run(&format!("return window.shown['{text}']")).as_f64().expect("noted");
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970")]
        let took = shown as i64 - before;
        worst = worst.max(took);
    }
    assert!(worst < 1_000, "a reading took {worst} ms");
    console_is_clean(&browser);
}

#[test]
fn derived_values_are_those_that_a_person_computes() {
    let Some((watched, browser)) = looking_at("#/now") else { return };
    watched.publish_weather(20.0, 100, 1000);
    browser.says(&value_of("weather_data.temperature"), "20.0");
    // Magnus at 20 °C and 50 %: ln 0.5 + 17.62·20/263.12 = 0.64618; 243.12·0.64618/(17.62 − 0.64618) = 9.255 °C.
    let dew =
        browser.until(&value_of("weather_data.dew_point"), SOON, |text| number(text).is_some());
    assert!((number(&dew).expect("just seen") - 9.255).abs() < 0.06, "{dew}");
    let first = fetched(&browser, "api/v1/latest")["routes"][0]["received_at_ms"].as_f64();
    std::thread::sleep(Duration::from_secs(2)); // the time between two readings is the thing measured
    // Three tips of 0.2794 mm, 30 counts.
    watched.publish_weather(20.5, 103, 1030);
    browser.says(&value_of("weather_data.temperature"), "20.5");
    let latest = fetched(&browser, "api/v1/latest");
    let weather = &latest["routes"][0];
    let seconds =
        (weather["received_at_ms"].as_f64().expect("a row") - first.expect("a row")) / 1000.0;
    let wind = weather["derived"]["wind_speed"].as_f64().expect("two rows");
    assert!((wind - 30.0 / seconds / 1.5).abs() < 0.001, "{wind} m/s in {seconds} s");
    let shown = browser.until(&value_of("weather_data.wind_speed"), SOON, |text| {
        number(text).is_some_and(|shown| (shown - wind).abs() < 0.06)
    });
    assert!(number(&shown).is_some());
    let rain = weather["derived"]["rain"].as_f64().expect("two rows");
    assert!((rain - 0.8382).abs() < 1e-9, "{rain} mm");
    // |(300, 400, 1200)| = 1300 LSB of 91.74 nT = 119.262 µT; 53.13° east of north.
    watched.publish_field(300, 400, 1200);
    let strength = value_of("magnetic_flux_data.magnetic_flux");
    browser.until(&strength, SOON, |text| number(text).is_some_and(|n| (n - 119.262).abs() < 0.06));
    console_is_clean(&browser);
}

#[test]
fn units_are_converted_on_the_page_and_kept() {
    let Some((watched, browser)) = looking_at("#/now?units=°F,inHg") else { return };
    watched.publish_weather(21.5, 1, 1);
    // 21.5 °C = 70.7 °F; 1013.25 hPa = 29.921 inHg.
    browser.until(&value_of("weather_data.temperature"), SOON, |text| number(text) == Some(70.7));
    browser.says("[data-reading=\"weather_data.temperature\"] .unit", "°F");
    browser.until(&value_of("weather_data.pressure"), SOON, |text| text.starts_with("29.92"));
    browser.click("#units-button");
    browser.has("dialog select[name=\"temperature\"]");
    browser.run(
        "const choice = document.querySelector('dialog select[name=\"temperature\"]'); choice.value = '°C'; \
         choice.dispatchEvent(new Event('change', { bubbles: true }))",
    );
    browser.until(&value_of("weather_data.temperature"), SOON, |text| number(text) == Some(21.5));
    browser.open("about:blank");
    browser.open(&watched.url("#/now"));
    browser.until(&value_of("weather_data.pressure"), SOON, |text| text.starts_with("29.92"));
    console_is_clean(&browser);
}
