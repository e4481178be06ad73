//! What the numbers of the file come to: derived values of the built-in station's two routes.

use std::collections::BTreeMap;

use barograph_config::{Derived, DerivedKind};
use serde_json::Value;

use super::words::{AXES, Leaf, Meaning, Reading, Slot, meaning, shown, tidy};

/// A table, and what is to be said of it.
#[derive(Debug, PartialEq)]
pub(super) struct Block {
    /// Where it comes from, and what should be looked at; a line each.
    pub(super) notes: Vec<String>,
    pub(super) derived: Derived,
}

/// Everything that was in the file.
#[derive(Debug, Default)]
pub(super) struct Imported {
    /// Of the route with the weather.
    pub(super) weather: Vec<Block>,
    /// Of the route with the magnetic field.
    pub(super) field: Vec<Block>,
    /// What needs no table, because it changes nothing.
    pub(super) unchanged: Vec<String>,
    /// What was not taken, and why.
    pub(super) left: Vec<String>,
}

/// What was said of one thing.
struct Said {
    value: f64,
    unit: &'static str,
    /// `key = value`
    source: String,
    remark: Option<&'static str>,
}

/// Whether two scales of the magnetometer are the same for all purposes.
const SAME: f64 = 0.01;

/// Goes through the file.
pub(super) fn import(file: &Value) -> Imported {
    let mut imported = Imported::default();
    let mut said: BTreeMap<Slot, Said> = BTreeMap::new();
    for leaf in Leaf::all(file) {
        let source = format!("{} = {}", leaf.path, shown(&leaf.value.to_string()));
        let Meaning { slots, value, unit, remark } = match meaning(&leaf) {
            Ok(meaning) => meaning,
            Err(why) => {
                imported.left.push(format!("{source}: {why}"));
                continue;
            }
        };
        for slot in slots {
            match said.get(&slot) {
                Some(other) if other.value != value || other.unit != unit => {
                    let other = &other.source;
                    imported.left.push(format!("{source}: {other} says something else"));
                }
                Some(_) => {}
                None => {
                    let source = source.clone();
                    said.insert(slot, Said { value, unit, source, remark });
                }
            }
        }
    }
    let mut desk = Desk { said, imported };
    desk.wind();
    desk.rain();
    for reading in [Reading::Temperature, Reading::Humidity, Reading::Irradiance] {
        desk.straight_line(reading);
    }
    desk.pressure();
    desk.sea_level();
    desk.field();
    desk.imported
}

/// A column, and the unit of its readings.
fn column(reading: Reading) -> (&'static str, &'static str) {
    match reading {
        Reading::Temperature => ("temperature", "°C"),
        Reading::Humidity => ("humidity", "%"),
        Reading::Pressure => ("pressure", "hPa"),
        Reading::Irradiance => ("irradiance", "W/m²"),
        Reading::X => ("x", "T"),
        Reading::Y => ("y", "T"),
        Reading::Z => ("z", "T"),
    }
}

/// The work in progress.
struct Desk {
    said: BTreeMap<Slot, Said>,
    imported: Imported,
}

impl Desk {
    /// What was said of this, else the value that changes nothing.
    fn value(&self, slot: Slot, otherwise: f64) -> f64 {
        self.said.get(&slot).map_or(otherwise, |said| said.value)
    }

    /// Takes what was said into the notes.
    fn notes(&self, slots: &[Slot]) -> Vec<String> {
        let said: Vec<&Said> = slots.iter().filter_map(|slot| self.said.get(slot)).collect();
        let mut notes: Vec<String> = said.iter().map(|said| said.source.clone()).collect();
        notes.extend(said.iter().filter_map(|said| said.remark).map(str::to_owned));
        notes.dedup();
        notes
    }

    fn leave(&mut self, slot: Slot, why: &str) {
        if let Some(said) = self.said.remove(&slot) {
            self.imported.left.push(format!("{}: {why}", said.source));
        }
    }

    fn wind(&mut self) {
        let unit = |desk: &Self, slot| desk.said.get(&slot).map(|said| said.unit);
        let (per, factor) = (unit(self, Slot::WindPer), unit(self, Slot::WindFactor));
        if per.is_some() && factor.is_some() {
            self.leave(Slot::WindFactor, "how many counts are a speed is said already");
        }
        let Some(unit) = per.or(factor) else {
            return self.leave(Slot::WindOffset, "how many counts are a speed is not said");
        };
        if unit != "m/s" {
            self.leave(Slot::WindOffset, "it is taken for m/s, and the speed is in another unit");
        }
        let notes = self.notes(&[Slot::WindPer, Slot::WindFactor, Slot::WindOffset]);
        let derived = Derived {
            per: self.value(Slot::WindPer, 1.0),
            factor: self.value(Slot::WindFactor, 1.0),
            offset: self.value(Slot::WindOffset, 0.0),
            ..Derived::new("wind_speed", DerivedKind::CounterRate, &["anemometer_count"], unit)
        };
        self.imported.weather.push(Block { notes, derived });
    }

    fn rain(&mut self) {
        let Some(said) = self.said.get(&Slot::RainFactor) else { return };
        let derived = Derived {
            factor: said.value,
            ..Derived::new("rain", DerivedKind::CounterDelta, &["rain_gauge_count"], said.unit)
        };
        let notes = self.notes(&[Slot::RainFactor]);
        self.imported.weather.push(Block { notes, derived });
    }

    fn straight_line(&mut self, reading: Reading) {
        let factor = self.value(Slot::Scale(reading), 1.0);
        let offset = self.value(Slot::Offset(reading), 0.0);
        self.corrected(reading, factor, offset);
    }

    /// A table, where it would change something.
    fn corrected(&mut self, reading: Reading, factor: f64, offset: f64) {
        let notes = self.notes(&[Slot::Scale(reading), Slot::Offset(reading)]);
        if factor == 1.0 && offset == 0.0 {
            self.imported.unchanged.extend(notes);
            return;
        }
        let (name, unit) = column(reading);
        let name_of_it = format!("{name}_corrected");
        let derived = Derived {
            factor,
            offset,
            ..Derived::new(&name_of_it, DerivedKind::Scale, &[name], unit)
        };
        self.imported.weather.push(Block { notes, derived });
    }

    /// Whether the file is in Pa or in hPa is seen by its scale, if at all.
    fn pressure(&mut self) {
        let (scale, offset) = (Slot::Scale(Reading::Pressure), Slot::Offset(Reading::Pressure));
        let unit = self.said.get(&offset).map_or("", |said| said.unit);
        let (factor, added) = (self.value(scale, 1.0), self.value(offset, 0.0));
        let is_near = |whole: f64| (whole / 2.0..=whole * 2.0).contains(&factor);
        let hundredth = |value: f64| tidy(value / 100.0);
        match unit {
            "hPa" if is_near(1.0) => self.corrected(Reading::Pressure, factor, added),
            "" | "Pa" if is_near(100.0) => {
                self.corrected(Reading::Pressure, hundredth(factor), hundredth(added));
            }
            "Pa" if is_near(1.0) => self.corrected(Reading::Pressure, factor, hundredth(added)),
            "" if is_near(1.0) && added == 0.0 => self.corrected(Reading::Pressure, factor, 0.0),
            "" if is_near(1.0) => {
                self.leave(offset, "whether it is in Pa or in hPa is not said");
                self.corrected(Reading::Pressure, factor, 0.0);
            }
            _ => {
                self.leave(scale, "readings in hPa would become neither hPa nor Pa");
                self.leave(offset, "the unit of the pressure is not known");
            }
        }
    }

    fn sea_level(&mut self) {
        let Some(height) = self.said.get(&Slot::Altitude).map(|said| said.value) else { return };
        let of = ["pressure", "temperature"];
        let derived = Derived {
            offset: height,
            ..Derived::new("sea_level_pressure", DerivedKind::SeaLevelPressure, &of, "hPa")
        };
        let notes = self.notes(&[Slot::Altitude]);
        self.imported.weather.push(Block { notes, derived });
    }

    fn field(&mut self) {
        let mut scales = Vec::new();
        let mut is_shifted = false;
        for axis in AXES {
            let Some(scale) = self.said.get(&Slot::Scale(axis)).map(|said| said.value) else {
                let why = "the scale of this axis is not said, or not understood";
                self.leave(Slot::Offset(axis), why);
                self.leave(Slot::Bias(axis), why);
                continue;
            };
            if self.said.contains_key(&Slot::Offset(axis)) {
                self.leave(Slot::Bias(axis), "there is an offset of this axis, too");
            }
            let bias = self.value(Slot::Bias(axis), 0.0);
            let offset = self.value(Slot::Offset(axis), tidy(-bias * scale));
            is_shifted |= offset != 0.0;
            scales.push(scale);
            let (name, unit) = column(axis);
            let derived = Derived {
                factor: scale,
                offset,
                ..Derived::new(&format!("flux_{name}"), DerivedKind::Scale, &[name], unit)
            };
            let notes = self.notes(&[Slot::Scale(axis), Slot::Offset(axis), Slot::Bias(axis)]);
            self.imported.field.push(Block { notes, derived });
        }
        let alike = scales.iter().all(|scale| (scale / scales[0] - 1.0).abs() < SAME);
        if let [scale, _, _] = scales[..] {
            self.vector(scale, alike, is_shifted);
        } else {
            self.leave(Slot::Declination, "the scales of the three axes are not all said");
        }
    }

    /// Strength and direction of the field, which know one scale and no offsets.
    fn vector(&mut self, scale: f64, alike: bool, is_shifted: bool) {
        let mut notes = Vec::new();
        if is_shifted {
            notes
                .push("computed of the readings as they are: the offsets are not in it".to_owned());
        }
        if alike {
            let derived = Derived {
                factor: scale,
                ..Derived::new("magnetic_flux", DerivedKind::Magnitude, &["x", "y", "z"], "T")
            };
            let mut notes = notes.clone();
            notes.insert(0, "the strength of the field, by the scale of x".to_owned());
            self.imported.field.push(Block { notes, derived });
        } else {
            let why = "the scales of the axes differ, and a magnitude has one";
            self.imported.left.push(format!("the strength of the field: {why}"));
            notes.push("the scales of the axes differ, and are not in it".to_owned());
        }
        let derived = Derived {
            offset: self.value(Slot::Declination, 0.0),
            ..Derived::new("magnetic_heading", DerivedKind::Heading, &["x", "y"], "°")
        };
        notes.splice(0..0, self.notes(&[Slot::Declination]));
        notes.insert(0, "its direction, if x points north and y east".to_owned());
        self.imported.field.push(Block { notes, derived });
    }
}

#[cfg(test)]
mod tests {
    use barograph_config::{Settings, World, load_text};
    use serde_json::json;

    use super::*;

    /// As the older program writes it.
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

    fn derived(blocks: &[Block]) -> Vec<Derived> {
        blocks.iter().map(|block| block.derived.clone()).collect()
    }

    #[test]
    fn usual_file_comes_to_what_is_built_in() {
        let imported = import(&usual());
        let station = Settings::default_with("attic").routes;
        assert_eq!(derived(&imported.weather)[..], station[0].derived[..2]);
        assert_eq!(derived(&imported.field), station[1].derived);
        assert_eq!(imported.unchanged.len(), 8, "{:?}", imported.unchanged);
        assert_eq!(imported.left.len(), 2, "{:?}", imported.left);
    }

    #[test]
    fn corrections_become_straight_lines() {
        let of = |file: Value| {
            let blocks = import(&file).weather;
            blocks
                .into_iter()
                .map(|it| (it.derived.name, it.derived.factor, it.derived.offset))
                .collect::<Vec<_>>()
        };
        let line = |name: &str, factor, offset| vec![(name.to_owned(), factor, offset)];
        let cases = [
            (json!({ "temperature_offset_k": 272.65 }), line("temperature_corrected", 1.0, -0.5)),
            (
                json!({ "humidity": { "slope": 1.1, "intercept": -3 } }),
                line("humidity_corrected", 1.1, -3.0),
            ),
            (
                json!({ "pressure_scale": 100, "pressure_offset": 150 }),
                line("pressure_corrected", 1.0, 1.5),
            ),
            (json!({ "pressure_offset_hpa": 2 }), line("pressure_corrected", 1.0, 2.0)),
            (json!({ "pressure_offset_pa": 200 }), line("pressure_corrected", 1.0, 2.0)),
            (json!({ "pressure_scale": 1.01 }), line("pressure_corrected", 1.01, 0.0)),
            (json!({ "pressure_offset": 150 }), vec![]),
            (json!({ "pressure_scale": 7 }), vec![]),
            (json!({ "altitude": 64 }), line("sea_level_pressure", 1.0, 64.0)),
            (json!({ "irradiance_scale": 1 }), vec![]),
        ];
        for (file, expected) in cases {
            assert_eq!(of(file.clone()), expected, "{file}");
        }
        let left = import(&json!({ "pressure_offset": 150 })).left;
        assert!(
            left[0].contains("pressure_offset = 150: whether it is in Pa or in hPa"),
            "{left:?}"
        );
    }

    #[test]
    fn what_contradicts_or_lacks_something_is_left_and_told() {
        let cases = [
            (
                json!({ "wind_counts_per_ms": 1.5, "old": { "wind_counts_per_ms": 3 } }),
                "says something else",
            ),
            (json!({ "wind_counts_per_ms": 1.5, "wind_factor": 2 }), "is said already"),
            (json!({ "wind_offset": 2 }), "is not said"),
            (json!({ "magnetic_x_offset": 1e-9 }), "the scale of this axis"),
            (json!({ "mag_scale": { "x": 1e-7, "y": 1e-7, "z": 2e-7 } }), "a magnitude has one"),
            (json!({ "declination": 3 }), "not all said"),
            (json!({ "wind_kmh_per_hz": 2.4, "wind_offset": 1 }), "in another unit"),
        ];
        for (file, why) in cases {
            let left = import(&file).left;
            assert!(left.iter().any(|line| line.contains(why)), "{file}: {left:?}");
        }
    }

    #[test]
    fn hard_iron_shifts_each_axis_and_is_said_to_be_missing_in_the_rest() {
        let imported =
            import(&json!({ "magnetometer": { "scale": 1e-7, "hard_iron": [100, 0, -50] } }));
        let offsets: Vec<f64> = imported.field.iter().map(|block| block.derived.offset).collect();
        assert_eq!(offsets, [-1e-5, 0.0, 5e-6, 0.0, 0.0]);
        assert!(imported.field[3].notes.iter().any(|note| note.contains("offsets are not in it")));
    }

    #[test]
    fn every_table_is_one_that_the_settings_take() {
        let mut file = usual();
        file["altitude_m"] = json!(64);
        file["calibration"]["temperature_scale"] = json!(1.02);
        file["calibration"]["pressure_scale"] = json!(100);
        file["calibration"]["pressure_offset"] = json!(-120);
        file["magnetic_declination"] = json!(-4.5);
        let imported = import(&file);
        let mut settings = Settings::default_with("attic");
        settings.routes[0].derived = derived(&imported.weather);
        settings.routes[1].derived = derived(&imported.field);
        let world =
            World { env: Default::default(), hostname: "attic".into(), ..World::of_this_process() };
        let loaded = load_text(&settings.to_toml(), &world).unwrap().settings;
        assert_eq!(loaded, settings);
        assert_eq!(loaded.routes[0].derived.len(), 5);
    }
}
