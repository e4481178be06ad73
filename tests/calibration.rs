//! `barograph import-calibration`: what it prints can be pasted, and what it does not understand it says.

use std::fs;
use std::time::Duration;

use crate::support::process::{self, Outcome};
use crate::support::recorder::{barograph, command};
use crate::support::scene::Scene;

const SOON: Duration = Duration::from_secs(20);

/// As the program writes it that recorded before, with a height added, and what nobody knows.
const CALIBRATION: &str = r#"{
    "metadata": { "version": "1.0", "created": "2025-10-04T12:00:00" },
    "calibration": {
        "wind_speed_counts_per_ms": 1.4,
        "temperature_scale": 1.0,
        "temperature_offset_k": 272.65,
        "rain_gauge_mm_per_count": 0.2
    },
    "station": { "altitudeMetres": 64 },
    "coordinate_transformation": { "rotation_x_degrees": 1.5 }
}"#;

fn import(scene: &Scene, text: &str) -> Outcome {
    let file = scene.folder.path("weather_station_calibration.json");
    fs::write(&file, text).expect("our own folder");
    let name = file.to_str().expect("our paths are UTF-8");
    process::outcome(barograph(&["import-calibration", name]), SOON)
}

#[test]
fn what_is_printed_can_be_put_below_the_route() {
    let scene = Scene::new();
    let printed = import(&scene, CALIBRATION);
    assert_eq!(printed.code, Some(0), "{printed:?}");
    for line in [
        "per = 1.4",
        "factor = 0.2",
        "offset = -0.5",
        "offset = 64.0",
        "# calibration.wind_speed_counts_per_ms = 1.4",
        "#   coordinate_transformation.rotation_x_degrees = 1.5: readings cannot be rotated here: mount \
         the sensor straight, or let the sensor rotate them",
        "#   metadata.version = \"1.0\": not used",
    ] {
        assert!(printed.stdout.lines().any(|printed| printed == line), "{line}: {printed:?}");
    }
    let route = "[[route]]\ntopic = \"w/#\"\ntable = \"weather_data\"\n[route.columns]\n\
                 temperature = \"t\"\npressure = \"p\"\n\
                 anemometer_count = { type = \"integer\" }\nrain_gauge_count = { type = \"integer\" }\n";
    let settings = scene.settings().routes(&format!("{route}{}", printed.stdout));
    let checked = command(&["check", "--show"], &settings);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.stdout.contains("name = \"temperature_corrected\""), "{checked:?}");
}

#[test]
fn a_file_that_says_nothing_is_an_error_that_says_why() {
    let scene = Scene::new();
    for (text, why) in [
        ("{", "not JSON"),
        ("[1, 2]", "no object"),
        ("{}", "has no key of a sensor"),
        ("{\"speed\": 12}", "speed = 12: not used"),
    ] {
        let outcome = import(&scene, text);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(65), ""), "{text}: {outcome:?}");
        assert!(outcome.stderr.contains(why), "{text}: {outcome:?}");
        assert!(outcome.stderr.contains("weather_station_calibration.json"), "{outcome:?}");
    }
    let missing = process::outcome(barograph(&["import-calibration", "/no/such.json"]), SOON);
    assert_eq!(missing.code, Some(65), "{missing:?}");
    assert!(missing.stderr.contains("/no/such.json: the file cannot be read"), "{missing:?}");
}
