//! What a number of the file means, by the words of its key and of the keys above it. What could mean two things means
//! nothing here, and is told with the question that it leaves open.

use serde_json::Value;

/// Something that can be said of the station.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    /// Counts a second of the anemometer for one unit of speed.
    WindPer,
    /// Speed for one count a second.
    WindFactor,
    /// Speed that is added.
    WindOffset,
    /// Rain for one count.
    RainFactor,
    /// What a reading is multiplied by.
    Scale(Reading),
    /// What is added then, in the unit of the result.
    Offset(Reading),
    /// What is taken away from a reading of the magnetometer, in its own steps.
    Bias(Reading),
    /// Height of the barometer above the sea, in metres.
    Altitude,
    /// Degrees from magnetic to true north.
    Declination,
}

/// A column that a straight line corrects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reading {
    Temperature,
    Humidity,
    Pressure,
    Irradiance,
    X,
    Y,
    Z,
}

/// The axes of the magnetometer.
pub(super) const AXES: [Reading; 3] = [Reading::X, Reading::Y, Reading::Z];

/// What a number means.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Meaning {
    /// More than one where it is said of all axes.
    pub(super) slots: Vec<Slot>,
    pub(super) value: f64,
    /// The unit of a speed, of rain, of what is added to a pressure; empty where none is said.
    pub(super) unit: &'static str,
    /// What was assumed, and should be looked at.
    pub(super) remark: Option<&'static str>,
}

/// Longest key or text that is repeated, in characters.
const SHOWN_CHARS_MAX: usize = 120;

/// A number or a text of the file, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Leaf {
    /// `calibration.wind_speed_counts_per_ms`, fit for a comment.
    pub(super) path: String,
    words: Vec<String>,
    pub(super) value: Value,
}

impl Leaf {
    /// Everything in the file that holds nothing else.
    pub(super) fn all(file: &Value) -> Vec<Self> {
        let mut leaves = Vec::new();
        collect(file, "", &[], &mut leaves);
        leaves
    }

    /// The number, also where it stands in quotes.
    pub(super) fn number(&self) -> Option<f64> {
        let number = match self.value.as_str() {
            Some(text) => text.trim().parse().ok(),
            None => self.value.as_f64(),
        };
        number.filter(|number| number.is_finite())
    }

    fn has(&self, any: &[&str]) -> bool {
        self.words.iter().any(|word| any.contains(&word.as_str()))
    }

    /// Whether a word begins like one of these (`magnetometer`, `magnetic`).
    fn begins(&self, any: &[&str]) -> bool {
        self.words.iter().any(|word| any.iter().any(|start| word.starts_with(start)))
    }

    /// The words on both sides of `per`, or none.
    fn ratio(&self) -> Option<(&str, &[String])> {
        let first = self.words.iter().position(|word| word == "per")?;
        let last = self.words.iter().rposition(|word| word == "per")?;
        Some((self.words[..first].last()?, &self.words[last + 1..]))
    }
}

fn collect(value: &Value, path: &str, words: &[String], leaves: &mut Vec<Leaf>) {
    let below = |name: &str| {
        let words = words.iter().cloned().chain(words_of(name)).collect::<Vec<_>>();
        (if path.is_empty() { shown(name) } else { format!("{path}.{}", shown(name)) }, words)
    };
    match value {
        Value::Object(entries) => {
            for (name, value) in entries {
                let (path, words) = below(name);
                collect(value, &path, &words, leaves);
            }
        }
        Value::Array(entries) => {
            for (index, value) in entries.iter().enumerate() {
                // Three numbers are x, y and z.
                let name = ["x", "y", "z"].get(index).filter(|_| entries.len() == 3);
                let (path, words) = below(name.copied().unwrap_or(&index.to_string()));
                collect(value, &path, &words, leaves);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            leaves.push(Leaf {
                path: path.to_owned(),
                words: words.to_vec(),
                value: value.clone(),
            });
        }
    }
}

/// A text that can stand in a comment, on its line.
pub(super) fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().take(SHOWN_CHARS_MAX).map(plain).collect()
}

/// `windSpeed_counts-per-m/s` is wind, speed, counts, per, m, s.
fn words_of(name: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && before.is_lowercase()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

const SCALE: &[&str] =
    &["scale", "scaling", "factor", "slope", "gain", "multiplier", "sensitivity", "coefficient"];
const OFFSET: &[&str] = &["offset", "offsets", "intercept"];
const COUNTS: &[&str] =
    &["count", "counts", "pulse", "pulses", "tip", "tips", "tick", "ticks", "click", "hz", "lsb"];

/// What a number of the file means; else why nothing is made of it.
pub(super) fn meaning(leaf: &Leaf) -> Result<Meaning, &'static str> {
    let value = leaf.number().ok_or("not a number")?;
    if leaf.begins(&["wind", "anemometer"]) {
        return wind(leaf, value);
    }
    if leaf.begins(&["rain", "precipitation"]) {
        return rain(leaf, value);
    }
    let is_field = leaf.begins(&["magnet", "flux", "compass", "hmc5883", "qmc5883"]);
    if leaf.begins(&["rotation", "declination"]) || is_field || leaf.has(&["mag"]) {
        return of_field(leaf, value);
    }
    // The height of a thermometer above the ground, or of the sun, is another.
    let is_of_another = leaf.begins(&["temp", "humid", "solar", "sun", "irradiance"]);
    let is_height = leaf.has(&["height"]) && leaf.begins(&["sea", "barometer", "pressure"]);
    if (leaf.begins(&["altitude", "elevation"]) || is_height) && !is_of_another {
        return altitude(leaf, value);
    }
    let readings = [
        (&["temperature", "temp", "thermometer"][..], Reading::Temperature),
        (&["humidity", "hygrometer"], Reading::Humidity),
        (&["pressure", "barometer"], Reading::Pressure),
        (&["irradiance", "solar", "pyranometer"], Reading::Irradiance),
    ];
    let reading = readings.into_iter().find(|(words, _)| leaf.begins(words));
    let (_, reading) = reading.ok_or("nothing here goes by it")?;
    straight_line(leaf, reading, value)
}

fn is(slot: Slot, value: f64) -> Meaning {
    Meaning { slots: vec![slot], value, unit: "", remark: None }
}

fn altitude(leaf: &Leaf, value: f64) -> Result<Meaning, &'static str> {
    let metre = if leaf.has(&["ft", "feet", "foot"]) { 0.3048 } else { 1.0 };
    let height = tidy(value * metre);
    if !(-500.0..=9000.0).contains(&height) {
        return Err("no barometer stands there; the height is wanted in metres");
    }
    Ok(is(Slot::Altitude, height))
}

/// The unit of speed that these words begin with.
fn speed(words: &[String]) -> Option<&'static str> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["ms" | "mps", ..] | ["m", "s" | "per", ..] | ["meter" | "metre" | "meters", ..] => {
            Some("m/s")
        }
        ["kmh" | "kph", ..] | ["km", "h", ..] => Some("km/h"),
        ["mph", ..] => Some("mph"),
        ["kn" | "kt" | "kts" | "knot" | "knots", ..] => Some("kn"),
        _ => None,
    }
}

fn wind(leaf: &Leaf, value: f64) -> Result<Meaning, &'static str> {
    if leaf.begins(&["direction", "vane"]) {
        return Err("a direction cannot be turned here: let the sensor say the true one");
    }
    if leaf.has(OFFSET) {
        return Ok(Meaning { unit: "m/s", ..is(Slot::WindOffset, value) });
    }
    if value <= 0.0 {
        return Err("a number above 0 was expected");
    }
    if let Some((left, right)) = leaf.ratio() {
        let is_count = |word: &str| COUNTS.contains(&word);
        if let Some(unit) = speed(right).filter(|_| is_count(left)) {
            // The default of the program that writes such files; no cups turn like this.
            let is_default = value == 3600.0;
            let remark = is_default.then_some(
                "3600 is what the file holds before anybody has calibrated; a usual anemometer has 1.5: look at it",
            );
            return Ok(Meaning { unit, remark, ..is(Slot::WindPer, value) });
        }
        if right.first().is_some_and(|word| is_count(word)) {
            let before: Vec<String> =
                leaf.words.iter().take_while(|it| *it != "per").cloned().collect();
            let unit = (0..before.len()).find_map(|start| speed(&before[start..]));
            let unit = unit.ok_or("the unit of the speed is not said")?;
            return Ok(Meaning { unit, ..is(Slot::WindFactor, value) });
        }
        return Err("neither counts for a speed nor a speed for a count");
    }
    if leaf.has(SCALE) {
        let remark = Some("taken for the speed in m/s at one count a second: look whether it is");
        return Ok(Meaning { unit: "m/s", remark, ..is(Slot::WindFactor, value) });
    }
    Err("nothing here goes by it")
}

fn rain(leaf: &Leaf, value: f64) -> Result<Meaning, &'static str> {
    if value <= 0.0 {
        return Err("a number above 0 was expected");
    }
    let depth = |word: &str| match word {
        "mm" | "millimeter" | "millimeters" | "millimetre" | "millimetres" => Some("mm"),
        "in" | "inch" | "inches" => Some("in"),
        _ => None,
    };
    if let Some((left, right)) = leaf.ratio() {
        let right = right.first().map_or("", String::as_str);
        return match (depth(left), depth(right)) {
            (Some(unit), None) if COUNTS.contains(&right) => {
                Ok(Meaning { unit, ..is(Slot::RainFactor, value) })
            }
            (None, Some(unit)) if COUNTS.contains(&left) => {
                Ok(Meaning { unit, ..is(Slot::RainFactor, tidy(1.0 / value)) })
            }
            _ => Err("neither rain for a count nor counts for rain"),
        };
    }
    if leaf.has(SCALE) {
        let remark = Some("taken for the rain in mm of one count: look whether it is");
        return Ok(Meaning { unit: "mm", remark, ..is(Slot::RainFactor, value) });
    }
    Err("nothing here goes by it")
}

/// Zero of the Celsius scale, in kelvin.
const ZERO_CELSIUS: f64 = 273.15;

fn straight_line(leaf: &Leaf, reading: Reading, value: f64) -> Result<Meaning, &'static str> {
    if leaf.has(OFFSET) {
        // The file's temperature is in kelvin, ours in degrees Celsius.
        let in_kelvin = reading == Reading::Temperature && leaf.has(&["k", "kelvin"]);
        let value = if in_kelvin { tidy(value - ZERO_CELSIUS) } else { value };
        let unit = match reading {
            Reading::Pressure if leaf.has(&["hpa", "mbar", "millibar"]) => "hPa",
            Reading::Pressure if leaf.has(&["pa", "pascal"]) => "Pa",
            Reading::Pressure => "",
            Reading::Temperature | Reading::Humidity | Reading::Irradiance => "",
            Reading::X | Reading::Y | Reading::Z => "T",
        };
        return Ok(Meaning { unit, ..is(Slot::Offset(reading), value) });
    }
    if leaf.has(SCALE) {
        return match value {
            0.0 => Err("times 0 every reading would be the same"),
            value => Ok(is(Slot::Scale(reading), value)),
        };
    }
    Err("neither a scale nor an offset")
}

/// Tesla in one of the unit that is named; none: none is.
fn tesla(leaf: &Leaf) -> Option<f64> {
    let units: [(&[&str], f64); 5] = [
        (&["ut", "microtesla", "µt"], 1e-6),
        (&["nt", "nanotesla"], 1e-9),
        (&["mt", "millitesla"], 1e-3),
        (&["gauss", "g"], 1e-4),
        (&["t", "tesla"], 1.0),
    ];
    units.into_iter().find(|(names, _)| leaf.has(names)).map(|(_, tesla)| tesla)
}

/// Largest number that is taken for tesla where no unit is said: a strong magnet has more, no step of a sensor has.
const TESLA_MAX: f64 = 1e-3;

fn of_field(leaf: &Leaf, value: f64) -> Result<Meaning, &'static str> {
    if leaf.begins(&["rotation"]) {
        return Err(
            "readings cannot be turned here: mount the sensor straight, or let it turn them",
        );
    }
    if leaf.begins(&["declination"]) {
        return Ok(is(Slot::Declination, value));
    }
    let axis = AXES.into_iter().zip(["x", "y", "z"]).find(|(_, name)| leaf.has(&[name]));
    let axes = axis.map_or(AXES.to_vec(), |(axis, _)| vec![axis]);
    let of_axes = |slot: fn(Reading) -> Slot, value: f64, remark| {
        let slots = axes.iter().copied().map(slot).collect();
        Ok(Meaning { slots, value: tidy(value), unit: "T", remark })
    };
    let unit = tesla(leaf).or((value.abs() <= TESLA_MAX).then_some(1.0));
    if leaf.begins(&["bias"]) || leaf.has(&["hard"]) {
        let remark = "taken for steps of the sensor that are taken away: look whether they are";
        return match tesla(leaf) {
            Some(tesla) => of_axes(Slot::Offset, -value * tesla, None),
            None => of_axes(Slot::Bias, value, Some(remark)),
        };
    }
    if leaf.has(OFFSET) {
        let unit = unit.ok_or("the unit of the offset is not said, and tesla it is not")?;
        return of_axes(Slot::Offset, value * unit, None);
    }
    if value == 0.0 {
        return Err("times 0 every reading would be the same");
    }
    let ratio = leaf.ratio().and_then(|(left, right)| Some((left, right.first()?.as_str())));
    match ratio {
        Some((step, _)) if COUNTS.contains(&step) => {
            let unit = tesla(leaf).ok_or("the unit of the field is not said")?;
            of_axes(Slot::Scale, unit / value, None)
        }
        Some((_, step)) if !COUNTS.contains(&step) => {
            Err("neither a field for a step nor steps for a field")
        }
        None if !leaf.has(SCALE) => Err("neither a scale nor an offset"),
        Some(_) | None => {
            let unit = unit.ok_or("the unit of the scale is not said, and tesla it is not")?;
            of_axes(Slot::Scale, value * unit, None)
        }
    }
}

/// Twelve digits: what a computation adds beyond them is noise.
pub(super) fn tidy(value: f64) -> f64 {
    format!("{value:.11e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn meaning_of(key: &str, value: impl Into<Value>) -> Result<Meaning, &'static str> {
        let leaves = Leaf::all(&json!({ key: value.into() }));
        assert_eq!(leaves.len(), 1, "{leaves:?}");
        meaning(&leaves[0])
    }

    #[test]
    fn keys_are_understood_by_their_words() {
        use Reading::{Humidity, Pressure, Temperature, X, Y};
        let cases = [
            ("wind_speed_counts_per_ms", 1.5, vec![Slot::WindPer], 1.5, "m/s"),
            ("anemometerCountsPerMps", 1.5, vec![Slot::WindPer], 1.5, "m/s"),
            ("Anemometer counts per m/s", 1.5, vec![Slot::WindPer], 1.5, "m/s"),
            ("anemometer_pulses_per_second_per_kmh", 0.4, vec![Slot::WindPer], 0.4, "km/h"),
            ("wind_kmh_per_hz", 2.4, vec![Slot::WindFactor], 2.4, "km/h"),
            ("anemometer_mph_per_count", 1.492, vec![Slot::WindFactor], 1.492, "mph"),
            ("wind_factor", 0.667, vec![Slot::WindFactor], 0.667, "m/s"),
            ("wind_offset", 0.2, vec![Slot::WindOffset], 0.2, "m/s"),
            ("rain_gauge_mm_per_count", 0.2794, vec![Slot::RainFactor], 0.2794, "mm"),
            ("RAIN-inches-per-tip", 0.011, vec![Slot::RainFactor], 0.011, "in"),
            ("rain_tips_per_mm", 5.0, vec![Slot::RainFactor], 0.2, "mm"),
            ("rain_scale", 0.2, vec![Slot::RainFactor], 0.2, "mm"),
            ("barometer_height", 64.0, vec![Slot::Altitude], 64.0, ""),
            ("altitude_m", 64.0, vec![Slot::Altitude], 64.0, ""),
            ("station_elevation_ft", 100.0, vec![Slot::Altitude], 30.48, ""),
            ("temperature_offset_k", 273.15, vec![Slot::Offset(Temperature)], 0.0, ""),
            ("temperature_offset", -0.5, vec![Slot::Offset(Temperature)], -0.5, ""),
            ("temp_slope", 1.01, vec![Slot::Scale(Temperature)], 1.01, ""),
            ("humidity_intercept", 2.0, vec![Slot::Offset(Humidity)], 2.0, ""),
            ("pressure_offset_hpa", 2.0, vec![Slot::Offset(Pressure)], 2.0, "hPa"),
            ("solar_scale", 2.0, vec![Slot::Scale(Reading::Irradiance)], 2.0, ""),
            ("magnetic_flux_x_scale", 9.174e-8, vec![Slot::Scale(X)], 9.174e-8, "T"),
            ("magnetic_flux_y_offset", -4e-9, vec![Slot::Offset(Y)], -4e-9, "T"),
            ("mag_scale", 9.174e-8, AXES.map(Slot::Scale).to_vec(), 9.174e-8, "T"),
            ("magnetometer_lsb_per_gauss_x", 1090.0, vec![Slot::Scale(X)], 9.17431192661e-8, "T"),
            ("magnetometer_x_ut_per_lsb", 0.1, vec![Slot::Scale(X)], 1e-7, "T"),
            ("mag_hard_iron_x", 120.0, vec![Slot::Bias(X)], 120.0, "T"),
            ("mag_hard_iron_x_ut", 2.0, vec![Slot::Offset(X)], -2e-6, "T"),
            ("magnetic_declination", 3.5, vec![Slot::Declination], 3.5, ""),
        ];
        for (key, value, slots, expected, unit) in cases {
            let found = meaning_of(key, value).unwrap_or_else(|why| panic!("{key}: {why}"));
            assert_eq!((found.slots, found.unit), (slots, unit), "{key}");
            assert!(
                (found.value - expected).abs() <= expected.abs() * 1e-9,
                "{key}: {}",
                found.value
            );
        }
        assert_eq!(
            meaning_of("wind_counts_per_ms", "1.5").unwrap().value,
            1.5,
            "a number in quotes"
        );
    }

    #[test]
    fn what_could_mean_two_things_means_nothing() {
        for (key, value, why) in [
            ("version", json!("1.0 beta"), "not a number"),
            ("created", json!(null), "not a number"),
            ("wind_counts_per_rotation", json!(2), "neither counts for a speed"),
            ("wind_count_factor_per", json!(2), "neither counts for a speed"),
            ("wind_counts_per_ms", json!(0), "above 0"),
            ("wind_direction_offset", json!(12), "direction"),
            ("wind_height", json!(10), "nothing here goes by it"),
            ("temperature_sensor_height", json!(2), "neither a scale"),
            ("solar_elevation", json!(45), "neither a scale"),
            ("altitude", json!(12_000), "no barometer"),
            ("anemometer", json!(1.5), "nothing here goes by it"),
            ("rain_mm", json!(5), "nothing here goes by it"),
            ("rain_counts_per_hour", json!(5), "neither rain for a count"),
            ("pressure", json!(1013), "neither a scale nor an offset"),
            ("humidity_scale", json!(0), "the same"),
            ("magnetic_x_scale", json!(1090), "the unit of the scale is not said"),
            ("magnetic_x_offset", json!(120), "the unit of the offset is not said"),
            ("mag_lsb_per_unit", json!(1090), "the unit of the field is not said"),
            ("rotation_x_degrees", json!(12), "cannot be turned"),
            ("sample_rate", json!(5), "nothing here goes by it"),
        ] {
            let found = meaning_of(key, value).expect_err(key);
            assert!(found.contains(why), "{key}: {found}");
        }
    }

    #[test]
    fn lists_of_three_are_the_axes_and_keys_above_have_their_say() {
        let leaves =
            Leaf::all(&json!({ "magnetometer": { "hardIron": [1, 2, 3], "scale": 1e-7 } }));
        let paths: Vec<_> = leaves.iter().map(|leaf| leaf.path.as_str()).collect();
        let expected = ["hardIron.x", "hardIron.y", "hardIron.z", "scale"];
        assert_eq!(paths, expected.map(|name| format!("magnetometer.{name}")));
        assert_eq!(meaning(&leaves[1]).unwrap().slots, [Slot::Bias(Reading::Y)]);
        assert_eq!(meaning(&leaves[3]).unwrap().slots.len(), 3);
        let odd = Leaf::all(&json!({ "a\n[[route]]": 1 }));
        assert!(!odd[0].path.contains('\n'), "a key stays on its line of the comment");
    }
}
