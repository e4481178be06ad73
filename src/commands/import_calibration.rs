//! `barograph import-calibration`: what a `weather_station_calibration.json` says of the sensors, as the derived values that
//! follow. It prints, and changes nothing: the file's format was never written down, so a person looks at it first.

mod tables;
mod words;

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use barograph_actors::exit_code;
use serde_json::Value;

use crate::commands::args::ImportArgs;
use crate::exit::Failed;
use tables::{Block, Imported, import};

/// Largest file, in bytes: such files have one or two thousand.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Prints the tables that follow from a file.
///
/// # Errors
/// The file cannot be read, is not JSON, or holds nothing that is known.
pub fn import_calibration(args: &ImportArgs) -> Result<i32, Failed> {
    let name = args.file.display();
    let failed = |message: String| Failed { code: exit_code::FILE_UNUSABLE, message };
    let file = read(&args.file).map_err(|why| failed(format!("{name}: {why}")))?;
    let imported = import(&file);
    if imported.weather.is_empty() && imported.field.is_empty() && imported.unchanged.is_empty() {
        let mut message = format!(
            "{name} says nothing of a sensor that is known here (wind, rain, temperature, humidity, pressure, \
             irradiance, magnetic field, altitude)"
        );
        for line in &imported.left {
            let _always = write!(message, "\n  {line}");
        }
        return Err(failed(message));
    }
    print!("{}", text(&args.file, &imported));
    Ok(exit_code::OK)
}

fn read(path: &Path) -> Result<Value, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("the file cannot be read: {error}"))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err("the file is larger than 1 MiB, and cannot be a calibration".to_owned());
    }
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
    let value: Value = serde_json::from_slice(text)
        .map_err(|error| format!("the file is not JSON, and nothing was taken from it: {error}"))?;
    match value {
        Value::Object(_) => Ok(value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err("the file is JSON, but no object with names and numbers".to_owned())
        }
    }
}

/// What is printed: TOML with comments.
fn text(path: &Path, imported: &Imported) -> String {
    let name = words::shown(&path.display().to_string());
    let mut text = format!(
        "# What follows from {name}. Put each table into your settings, below the route that it says,\n\
         # in place of one with the same name; then ask `barograph check`.\n"
    );
    let routes = [("weather_data", &imported.weather), ("magnetic_flux_data", &imported.field)];
    for (table, blocks) in routes.into_iter().filter(|(_, blocks)| !blocks.is_empty()) {
        let _always = write!(text, "\n# ---- Below the [[route]] with table = \"{table}\": ----\n");
        blocks.iter().for_each(|block| text += &with_notes(block));
    }
    let lists = [
        ("Changes nothing, and needs no table:", &imported.unchanged),
        ("Not taken:", &imported.left),
    ];
    for (title, lines) in lists.into_iter().filter(|(_, lines)| !lines.is_empty()) {
        let _always = write!(text, "\n# {title}\n");
        for line in lines {
            let _always = writeln!(text, "#   {line}");
        }
    }
    text
}

fn with_notes(block: &Block) -> String {
    let notes: String = block.notes.iter().map(|note| format!("# {note}\n")).collect();
    format!("\n{notes}{}", block.derived.to_toml())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_says_where_each_number_comes_from() {
        let file =
            json!({ "note": "x\n[[route]]", "wind_counts_per_ms": 3600, "humidity_scale": 1 });
        let expected = "\
# What follows from a.json. Put each table into your settings, below the route that it says,
# in place of one with the same name; then ask `barograph check`.

# ---- Below the [[route]] with table = \"weather_data\": ----

# wind_counts_per_ms = 3600
# 3600 is what the file holds before anybody has calibrated; a usual anemometer has 1.5: look at it
[[route.derived]]
name = \"wind_speed\"
kind = \"counter_rate\"
of = [\"anemometer_count\"]
unit = \"m/s\"
per = 3600.0
factor = 1.0
offset = 0.0

# Changes nothing, and needs no table:
#   humidity_scale = 1

# Not taken:
#   note = \"x\\n[[route]]\": not a number
";
        assert_eq!(text(Path::new("a.json"), &import(&file)), expected);
    }
}
