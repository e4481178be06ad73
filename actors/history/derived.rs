//! Values that follow from a row and the row before it: what `[[route.derived]]` asks for. The page computes
//! the same at its live edge (`page/lib/derived.js`), and both have tests that were computed by hand.
//!
//! Each is a [`Base`], which is what the rollups sum up, and a [`Linear`] part that is applied when it is
//! read: another factor needs no history to be summed up anew.

use barograph_config::{Derived, DerivedKind, Kind, Route};

use crate::message::batch::Value;
use crate::message::delivery::UnixMillis;

/// What a base computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Formula {
    Column,
    Delta,
    Rate,
    Magnitude,
    Heading,
    DewPoint,
    SeaLevelPressure,
}

/// A column, or what follows from columns before factor and offset.
#[derive(Debug, Clone, PartialEq)]
pub struct Base {
    formula: Formula,
    of: Vec<String>,
    /// Degrees that are added to a heading; metres above sea level.
    parameter: f64,
}

/// A counter as it was earlier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Earlier {
    /// What it had counted.
    pub count: f64,
    /// So many milliseconds ago.
    pub ms: i64,
}

impl Base {
    /// The column itself.
    pub fn column(name: &str) -> Self {
        Self { formula: Formula::Column, of: vec![name.to_owned()], parameter: 0.0 }
    }

    /// What a derived value is made of.
    pub fn of(derived: &Derived) -> Self {
        let (formula, parameter) = match derived.kind {
            DerivedKind::CounterRate => (Formula::Rate, 0.0),
            DerivedKind::CounterDelta => (Formula::Delta, 0.0),
            DerivedKind::Scale => (Formula::Column, 0.0),
            DerivedKind::Magnitude => (Formula::Magnitude, 0.0),
            DerivedKind::Heading => (Formula::Heading, derived.offset),
            DerivedKind::DewPoint => (Formula::DewPoint, 0.0),
            DerivedKind::SeaLevelPressure => (Formula::SeaLevelPressure, derived.offset),
        };
        Self { formula, of: derived.of.clone(), parameter }
    }

    /// The name of its series: `temperature`, `delta(rain_gauge_count)`, `heading(x,y,12.5)`.
    pub fn name(&self) -> String {
        let of = self.of.join(",");
        match self.formula {
            Formula::Column => of,
            Formula::Delta => format!("delta({of})"),
            Formula::Rate => format!("rate({of})"),
            Formula::Magnitude => format!("magnitude({of})"),
            Formula::Heading => format!("heading({of},{})", self.parameter),
            Formula::DewPoint => format!("dew_point({of})"),
            Formula::SeaLevelPressure => format!("sea_level_pressure({of},{})", self.parameter),
        }
    }

    /// The columns that it follows from.
    pub fn columns(&self) -> &[String] {
        &self.of
    }

    /// Whether the row before matters.
    pub fn is_of_counter(&self) -> bool {
        matches!(self.formula, Formula::Delta | Formula::Rate)
    }

    /// The value, from those of [`Base::columns`] in their order; `None` where it does not follow.
    pub fn value(&self, of: &[Option<f64>], earlier: Option<Earlier>) -> Option<f64> {
        let (first, second) = (of.first().copied().flatten(), of.get(1).copied().flatten());
        let value = match self.formula {
            Formula::Column => first?,
            Formula::Delta => counted(first?, earlier?.count),
            Formula::Rate => rate(first?, earlier?)?,
            Formula::Magnitude => magnitude(of)?,
            Formula::Heading => heading(first?, second?, self.parameter),
            Formula::DewPoint => dew_point(first?, second?)?,
            Formula::SeaLevelPressure => sea_level_pressure(first?, self.parameter, second?),
        };
        value.is_finite().then_some(value)
    }
}

/// How far a counter went. One that is smaller than before has begun anew at zero.
fn counted(count: f64, before: f64) -> f64 {
    if count >= before { count - before } else { count }
}

/// Counts a second.
#[expect(clippy::cast_precision_loss, reason = "285,000 years of milliseconds are exact")]
fn rate(count: f64, earlier: Earlier) -> Option<f64> {
    let seconds = earlier.ms as f64 / 1000.0;
    (earlier.ms > 0).then(|| counted(count, earlier.count) / seconds)
}

fn magnitude(parts: &[Option<f64>]) -> Option<f64> {
    let squares = parts.iter().map(|part| part.map(|part| part * part));
    squares.sum::<Option<f64>>().map(f64::sqrt)
}

/// Degrees clockwise from north, 0 to 360.
fn heading(north: f64, east: f64, offset: f64) -> f64 {
    (east.atan2(north).to_degrees() + offset).rem_euclid(360.0)
}

/// In °C by the Magnus formula over water (WMO-No. 8, annex 4.B). Good from -45 to 60 °C.
fn dew_point(celsius: f64, humidity_percent: f64) -> Option<f64> {
    const A: f64 = 17.62;
    const B: f64 = 243.12;
    let gamma = (humidity_percent / 100.0).ln() + A * celsius / (B + celsius);
    (humidity_percent > 0.0).then(|| B * gamma / (A - gamma))
}

/// By the barometric formula with the standard atmosphere's lapse rate (ISO 2533; g·M/(R·L) = 5.2559) and
/// the air's own temperature.
fn sea_level_pressure(pressure: f64, metres: f64, celsius: f64) -> f64 {
    let lapse = 0.0065 * metres;
    pressure * (1.0 - lapse / (celsius + lapse + 273.15)).powf(-5.2559)
}

/// What makes a value of its base.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Linear {
    /// What it is multiplied by.
    pub factor: f64,
    /// What is added then.
    pub offset: f64,
}

impl Linear {
    /// The base itself.
    pub const SAME: Self = Self { factor: 1.0, offset: 0.0 };

    fn of(derived: &Derived) -> Self {
        let Derived { per, factor, offset, .. } = *derived;
        match derived.kind {
            DerivedKind::CounterRate => Self { factor: factor / per, offset },
            DerivedKind::CounterDelta | DerivedKind::Scale | DerivedKind::DewPoint => {
                Self { factor, offset }
            }
            DerivedKind::Magnitude => Self { factor, offset: 0.0 },
            // Degrees have no factor, and the offset is in the base: beyond 360 it begins at 0.
            DerivedKind::Heading => Self::SAME,
            DerivedKind::SeaLevelPressure => Self { factor, offset: 0.0 },
        }
    }

    /// The value.
    pub fn apply(self, base: f64) -> f64 {
        base * self.factor + self.offset
    }
}

/// A name that can be asked for, and what is behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// A column's or a derived value's.
    pub name: String,
    /// What is summed up.
    pub base: Base,
    /// What is applied to it.
    pub linear: Linear,
}

impl Reading {
    /// What a derived value is.
    pub fn of(derived: &Derived) -> Self {
        let (base, linear) = (Base::of(derived), Linear::of(derived));
        Self { name: derived.name.clone(), base, linear }
    }
}

/// All numbers of a route: its columns, then its derived values.
pub fn readings(route: &Route) -> Vec<Reading> {
    let is_number = |kind| match kind {
        Kind::Integer | Kind::Real | Kind::Boolean => true,
        Kind::Text | Kind::Json | Kind::Time | Kind::Blob => false,
    };
    let columns = route.columns.iter().filter(|column| is_number(column.kind));
    let columns = columns.map(|column| Reading {
        name: column.name.clone(),
        base: Base::column(&column.name),
        linear: Linear::SAME,
    });
    columns.chain(route.derived.iter().map(Reading::of)).collect()
}

/// A row, when it arrived, and its values in the order of the route's columns.
pub type TimedRow<'a> = (UnixMillis, &'a [Value]);

/// The derived values of a row, in the order of the route's. `before`: the row before it.
pub fn values(route: &Route, row: TimedRow<'_>, before: Option<TimedRow<'_>>) -> Vec<Option<f64>> {
    let number = |values: &[Value], name: &String| {
        let at = route.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
        at.and_then(|at| values.get(at)).and_then(as_number)
    };
    let derived = route.derived.iter().map(Reading::of);
    derived
        .map(|reading| {
            let of = reading.base.columns();
            let numbers: Vec<Option<f64>> = of.iter().map(|name| number(row.1, name)).collect();
            let ms = |before: UnixMillis| row.0.0.saturating_sub(before.0);
            let earlier = before.filter(|before| before.0 <= row.0).and_then(|before| {
                Some(Earlier { count: number(before.1, of.first()?)?, ms: ms(before.0) })
            });
            reading.base.value(&numbers, earlier).map(|base| reading.linear.apply(base))
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "a counter beyond 2^53 is read to some digits")]
fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Real(number) => Some(*number).filter(|number| number.is_finite()),
        Value::Null | Value::Text(_) | Value::Time(_) | Value::Blob(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derived(kind: DerivedKind, of: &[&str]) -> Derived {
        Derived {
            name: "d".to_owned(),
            kind,
            of: of.iter().map(|&name| name.to_owned()).collect(),
            unit: None,
            per: 1.0,
            factor: 1.0,
            offset: 0.0,
        }
    }

    fn near(found: Option<f64>, expected: f64, by: f64) {
        let found = found.unwrap();
        assert!((found - expected).abs() <= by, "{found}, expected {expected}");
    }

    fn value(derived: &Derived, of: &[f64], earlier: Option<(f64, i64)>) -> Option<f64> {
        let of: Vec<Option<f64>> = of.iter().copied().map(Some).collect();
        let earlier = earlier.map(|(count, ms)| Earlier { count, ms });
        let Reading { base, linear, .. } = Reading::of(derived);
        base.value(&of, earlier).map(|base| linear.apply(base))
    }

    /// The same cases as `tests/page/derived.test.mjs`, computed by hand.
    #[test]
    fn counters_go_on_after_a_reset() {
        let delta = derived(DerivedKind::CounterDelta, &["c"]);
        let table =
            [(100.0, 130.0, 30.0), (100.0, 100.0, 0.0), (1_047_952.0, 7.0, 7.0), (5.0, 0.0, 0.0)];
        for (before, after, expected) in table {
            assert_eq!(value(&delta, &[after], Some((before, 5000))), Some(expected));
        }
        assert_eq!(value(&delta, &[4.0], None), None);
        let rain = Derived { factor: 0.2794, ..delta };
        near(value(&rain, &[180.0], Some((170.0, 5000))), 2.794, 1e-12);
        let wind = Derived { per: 1.5, ..derived(DerivedKind::CounterRate, &["c"]) };
        assert_eq!(value(&wind, &[1030.0], Some((1000.0, 5000))), Some(4.0));
        assert_eq!(value(&wind, &[6.0], Some((1000.0, 4000))), Some(1.0), "a reset");
        assert_eq!(value(&wind, &[2.0], Some((1.0, 0))), None, "no time, no rate");
    }

    #[test]
    fn formulas_agree_with_values_computed_by_hand() {
        let dew = derived(DerivedKind::DewPoint, &["t", "h"]);
        for (celsius, percent, expected, by) in
            [(20.0, 50.0, 9.26, 0.01), (25.0, 100.0, 25.0, 1e-9), (-10.0, 80.0, -12.8, 0.1)]
        {
            near(value(&dew, &[celsius, percent], None), expected, by);
        }
        assert_eq!(value(&dew, &[20.0, 0.0], None), None);
        for (pressure, metres, celsius, expected, by) in [
            (898.746, 1000.0, 8.5, 1013.25, 0.05),
            (1000.0, 0.0, 20.0, 1000.0, 0.0),
            (1004.94, 64.0, 5.22, 1012.859, 0.005),
        ] {
            let sea = derived(DerivedKind::SeaLevelPressure, &["p", "t"]);
            let sea = Derived { offset: metres, ..sea };
            near(value(&sea, &[pressure, celsius], None), expected, by);
        }
        let field = derived(DerivedKind::Magnitude, &["x", "y", "z"]);
        let field = Derived { factor: 9.174e-8, ..field };
        near(value(&field, &[1115.0, -558.0, -305.0], None), 1.17757e-4, 1e-9);
        assert_eq!(Base::of(&field).value(&[Some(1.0), None, Some(2.0)], None), None);
        for (x, y, offset, expected) in [
            (1.0, 0.0, 0.0, 0.0),
            (0.0, 1.0, 0.0, 90.0),
            (-1.0, 0.0, 0.0, 180.0),
            (0.0, -1.0, 0.0, 270.0),
            (0.0, -1.0, 100.0, 10.0),
        ] {
            let compass = Derived { offset, ..derived(DerivedKind::Heading, &["x", "y"]) };
            near(value(&compass, &[x, y], None), expected, 1e-9);
        }
        let scale = Derived { factor: -2.0, offset: 5.0, ..derived(DerivedKind::Scale, &["a"]) };
        assert_eq!(value(&scale, &[3.0], None), Some(-1.0));
    }

    #[test]
    fn a_base_is_named_by_all_that_changes_what_is_summed_up() {
        let compass = Derived { offset: 12.5, ..derived(DerivedKind::Heading, &["x", "y"]) };
        assert_eq!(Base::of(&compass).name(), "heading(x,y,12.5)");
        let scale = Derived { factor: 3.0, ..derived(DerivedKind::Scale, &["a"]) };
        assert_eq!(Base::of(&scale), Base::column("a"), "a factor is applied later");
    }

    #[test]
    fn a_row_has_the_derived_values_of_its_route() {
        let mut route = barograph_config::Settings::default_with("test").routes[1].clone();
        let field = Derived { factor: 2.0, ..derived(DerivedKind::Magnitude, &["x", "y", "z"]) };
        let spin = derived(DerivedKind::CounterRate, &["z"]);
        route.derived = vec![field, spin];
        let row = |z| vec![Value::Real(3.0), Value::Integer(4), z];
        let (now, before) = (row(Value::Integer(12)), row(Value::Integer(2)));
        let at = |ms: i64| UnixMillis(1_000_000 + ms);
        let of = |before| values(&route, (at(0), &now[..]), before);
        assert_eq!(of(Some((at(-2000), &before[..]))), [Some(26.0), Some(5.0)]);
        assert_eq!(of(Some((at(2000), &before[..]))), [Some(26.0), None], "it is late");
        assert_eq!(of(None), [Some(26.0), None]);
    }
}
