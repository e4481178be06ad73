//! `barograph import-calibration`: prints the derived values that follow from a `weather_station_calibration.json` of the
//! earlier program. It knows that program's keys, wherever in the file they stand, and an altitude; it lists the others.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use barograph_actors::exit_code;
use barograph_config::Derived;
use barograph_config::DerivedKind::{
    CounterDelta, CounterRate, Magnitude, Scale, SeaLevelPressure,
};
use serde_json::{Map, Value};

use crate::commands::args::ImportArgs;
use crate::exit::Failed;

/// Largest file, in bytes: such files have one or two thousand.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Longest key or text that is repeated, in characters.
const SHOWN_CHARS_MAX: usize = 120;
/// Zero of the Celsius scale, in kelvin: the earlier program had temperatures in kelvin, we have degrees Celsius.
const ZERO_CELSIUS: f64 = 273.15;
const ROTATION: &str =
    "readings cannot be rotated here: mount the sensor straight, or let the sensor rotate them";

/// Prints the tables that follow from a file.
///
/// # Errors
/// The file cannot be read, is not JSON, or has no key that is known.
pub fn import_calibration(args: &ImportArgs) -> Result<i32, Failed> {
    let name = args.file.display();
    let failed = |message: String| Failed { code: exit_code::FILE_UNUSABLE, message };
    let file = read(&args.file).map_err(|why| failed(format!("{name}: {why}")))?;
    let import = Import::of(&file);
    if import.tables.is_empty() && import.unchanged.is_empty() {
        let left: String = import.left().map(|line| format!("\n  {line}")).collect();
        return Err(failed(format!("{name} has no key of a sensor that is known here{left}")));
    }
    print!("{}", import.to_toml(&shown(&name.to_string())));
    Ok(exit_code::OK)
}

fn read(path: &Path) -> Result<Map<String, Value>, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("the file cannot be read: {error}"))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err("the file is larger than 1 MiB, and cannot be a calibration".to_owned());
    }
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
    let value: Value =
        serde_json::from_slice(text).map_err(|error| format!("the file is not JSON: {error}"))?;
    let Value::Object(entries) = value else {
        return Err("the file is JSON, but no object with names and numbers".to_owned());
    };
    Ok(entries)
}

/// What stands in the file under a key; `value` if it is a number.
struct CalibrationEntry {
    /// `path = value`
    source: String,
    value: Option<f64>,
    is_used: bool,
}

/// A table, and what is to be said of it, a line each.
struct CalibrationTable {
    route: &'static str,
    notes: Vec<String>,
    derived: Derived,
}

/// What becomes of a file.
#[derive(Default)]
struct Import {
    /// By the key, without the keys above it.
    entries: BTreeMap<String, CalibrationEntry>,
    tables: Vec<CalibrationTable>,
    /// What needs no table, because it changes nothing.
    unchanged: Vec<String>,
}

impl Import {
    fn of(file: &Map<String, Value>) -> Self {
        let mut import = Self::default();
        import.collect(file, "");
        import.add_tables();
        import
    }

    fn collect(&mut self, entries: &Map<String, Value>, above: &str) {
        for (key, value) in entries {
            let path = format!("{above}{}", shown(key));
            if let Value::Object(entries) = value {
                self.collect(entries, &format!("{path}."));
                continue;
            }
            let source = format!("{path} = {}", shown(&value.to_string()));
            // The second of a key that is there twice is kept under its path, and so is not used.
            let key = if self.entries.contains_key(key) { path } else { key.clone() };
            self.entries
                .insert(key, CalibrationEntry { source, value: value.as_f64(), is_used: false });
        }
    }

    fn add_tables(&mut self) {
        let route = "weather_data";
        let wind = Derived::new("wind_speed", CounterRate, &["anemometer_count"], "m/s");
        self.add(route, wind, ["wind_speed_counts_per_ms", "", ""], "a usual anemometer has 1.5");
        let rain = Derived::new("rain", CounterDelta, &["rain_gauge_count"], "mm");
        self.add(route, rain, ["", "rain_gauge_mm_per_count", ""], "");
        for (column, unit, offset, note) in [
            ("temperature", "°C", "temperature_offset_k", ""),
            ("humidity", "%", "humidity_offset", ""),
            ("irradiance", "W/m²", "irradiance_offset", ""),
            ("pressure", "hPa", "pressure_offset", "a scale near 100 means Pa: divide both by 100"),
        ] {
            let line = Derived::new(&format!("{column}_corrected"), Scale, &[column], unit);
            self.add(route, line, ["", &format!("{column}_scale"), offset], note);
        }
        let of = ["pressure", "temperature"];
        let sea_level = Derived::new("sea_level_pressure", SeaLevelPressure, &of, "hPa");
        let is_short = self.entries.contains_key("altitude_m");
        let altitude = if is_short { "altitude_m" } else { "altitudeMetres" };
        self.add(route, sea_level, ["", "", altitude], "");

        let route = "magnetic_flux_data";
        for axis in ["x", "y", "z"] {
            let line = Derived::new(&format!("flux_{axis}"), Scale, &[axis], "T");
            let [scale, offset] =
                ["scale", "offset"].map(|of| format!("magnetic_flux_{axis}_{of}"));
            self.add(route, line, ["", &scale, &offset], "");
        }
        let strength = Derived::new("magnetic_flux", Magnitude, &["x", "y", "z"], "T");
        let note = "without offsets, and only right if all axes have this scale";
        self.add(route, strength, ["", "magnetic_flux_x_scale", ""], note);
    }

    /// Adds a table if the file has one of its keys (of `per`, `factor` and `offset`; an empty one is none).
    fn add(&mut self, route: &'static str, derived: Derived, keys: [&str; 3], note: &str) {
        let mut notes = Vec::new();
        let mut number = |key: &str, initial: f64| {
            let entry = self.entries.get_mut(key).filter(|_| !key.is_empty());
            let Some(entry) = entry else { return initial };
            let Some(value) = entry.value else { return initial };
            entry.is_used = true;
            notes.push(entry.source.clone());
            if key.ends_with("_k") { tidy(value - ZERO_CELSIUS) } else { value }
        };
        let [per, factor, offset] = keys;
        let (per, factor, offset) = (number(per, 1.0), number(factor, 1.0), number(offset, 0.0));
        if notes.is_empty() {
        } else if derived.kind == Scale && factor == 1.0 && offset == 0.0 {
            self.unchanged.extend(notes);
        } else {
            notes.extend((!note.is_empty()).then(|| note.to_owned()));
            let derived = Derived { per, factor, offset, ..derived };
            self.tables.push(CalibrationTable { route, notes, derived });
        }
    }

    /// What was not taken, and why.
    fn left(&self) -> impl Iterator<Item = String> {
        let left = self.entries.iter().filter(|(_, entry)| !entry.is_used);
        left.map(|(key, entry)| match key.starts_with("rotation") {
            true => format!("{}: {ROTATION}", entry.source),
            false => format!("{}: not used", entry.source),
        })
    }

    /// What is printed: TOML with comments.
    fn to_toml(&self, name: &str) -> String {
        let mut text = format!(
            "# What follows from {name}. Put each table into your settings, below the route that it says,\n\
             # in place of one with the same name; then ask `barograph check`.\n"
        );
        let mut above = "";
        for CalibrationTable { route, notes, derived } in &self.tables {
            if std::mem::replace(&mut above, route) != *route {
                text += &format!("\n# ---- Below the [[route]] with table = \"{route}\": ----\n");
            }
            let notes: String = notes.iter().map(|note| format!("# {note}\n")).collect();
            text += &format!("\n{notes}{}", derived.to_toml());
        }
        let unchanged = ("Changes nothing, and needs no table:", self.unchanged.clone());
        for (title, lines) in [unchanged, ("Not taken:", self.left().collect())] {
            if !lines.is_empty() {
                let lines: String = lines.iter().map(|line| format!("#   {line}\n")).collect();
                text += &format!("\n# {title}\n{lines}");
            }
        }
        text
    }
}

/// A text that can stand in a comment, on its line.
fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().take(SHOWN_CHARS_MAX).map(plain).collect()
}

/// Twelve digits: what a computation adds beyond them is noise.
fn tidy(value: f64) -> f64 {
    format!("{value:.11e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use barograph_config::{Settings, World, load_text};
    use serde_json::json;

    use super::*;

    fn import(file: &Value) -> Import {
        Import::of(file.as_object().unwrap())
    }

    fn derived(import: &Import, route: &str) -> Vec<Derived> {
        let tables = import.tables.iter().filter(|table| table.route == route);
        tables.map(|table| table.derived.clone()).collect()
    }

    /// As the earlier program writes it.
    fn usual() -> Value {
        json!({
            "metadata": { "version": "1.0", "created": "2025-10-04T12:00:00" },
            "calibration": {
                "wind_speed_counts_per_ms": 1.5,
                "temperature_offset_k": 273.15, "temperature_scale": 1.0,
                "humidity_scale": 1.0, "humidity_offset": 0.0,
                "pressure_scale": 1.0, "pressure_offset": 0.0,
                "irradiance_scale": 1.0, "irradiance_offset": 0.0,
                "rain_gauge_mm_per_count": 0.2794,
                "magnetic_flux_x_scale": 9.174e-8, "magnetic_flux_x_offset": 0.0,
                "magnetic_flux_y_scale": 9.174e-8, "magnetic_flux_y_offset": 0.0,
                "magnetic_flux_z_scale": 9.174e-8, "magnetic_flux_z_offset": 0.0
            }
        })
    }

    #[test]
    fn usual_file_comes_to_what_is_built_in() {
        let imported = import(&usual());
        let station = Settings::default_with("attic").routes;
        assert_eq!(derived(&imported, "weather_data")[..], station[0].derived[..2]);
        assert_eq!(derived(&imported, "magnetic_flux_data")[..], station[1].derived[..4]);
        assert_eq!(imported.unchanged.len(), 8, "{:?}", imported.unchanged);
        assert_eq!(imported.left().count(), 2);
    }

    #[test]
    fn every_table_is_one_that_the_settings_take() {
        let mut file = usual();
        file["altitudeMetres"] = json!(64);
        file["calibration"]["temperature_offset_k"] = json!(272.65);
        file["calibration"]["humidity_scale"] = json!(1.02);
        file["calibration"]["pressure_offset"] = json!(-1.2);
        let imported = import(&file);
        let mut settings = Settings::default_with("attic");
        settings.routes[0].derived = derived(&imported, "weather_data");
        settings.routes[1].derived = derived(&imported, "magnetic_flux_data");
        let world =
            World { env: Default::default(), hostname: "attic".into(), ..World::of_this_process() };
        let loaded = load_text(&settings.to_toml(), &world).unwrap().settings;
        assert_eq!(loaded, settings);
        assert_eq!(loaded.routes[0].derived.len(), 6);
        assert_eq!(loaded.routes[0].derived[2].offset, -0.5, "degrees Celsius");
    }

    #[test]
    fn text_says_where_each_number_comes_from() {
        let file =
            json!({ "a\n[[route]]": "x", "rain_gauge_mm_per_count": 0.2, "humidity_scale": 1 });
        let expected = "\
# What follows from a.json. Put each table into your settings, below the route that it says,
# in place of one with the same name; then ask `barograph check`.

# ---- Below the [[route]] with table = \"weather_data\": ----

# rain_gauge_mm_per_count = 0.2
[[route.derived]]
name = \"rain\"
kind = \"counter_delta\"
of = [\"rain_gauge_count\"]
unit = \"mm\"
factor = 0.2
offset = 0.0

# Changes nothing, and needs no table:
#   humidity_scale = 1

# Not taken:
#   a\u{fffd}[[route]] = \"x\": not used
";
        assert_eq!(import(&file).to_toml("a.json"), expected);
    }
}
