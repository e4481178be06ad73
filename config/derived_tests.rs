//! `[[route.derived]]`: how it is read, and what it may not say.

use crate::testing::{ROUTE, only_problem, settings};
use crate::{Derived, DerivedKind};

/// A route with the numbers x, n and y, the text t, and these derived values.
fn route(derived: &str) -> String {
    format!("{ROUTE}n = {{ type = 'integer' }}\ny = 'y'\nt = {{ type = 'text' }}\n{derived}")
}

fn table(lines: &str) -> String {
    format!("[[route.derived]]\n{lines}\n")
}

#[test]
fn derived_values_keep_their_order_and_know_their_defaults() {
    let text = route(&format!(
        "{}{}{}",
        table("name = 'wind'\nkind = 'counter_rate'\nof = ['n']\nunit = 'm/s'\nper = 1.5"),
        table("name = 'height'\nkind = 'sea_level_pressure'\nof = ['x', 'y']\noffset = 64"),
        table("name = 'a'\nkind = 'scale'\nof = ['y']\nfactor = -2\noffset = 0.5"),
    ));
    let derived = settings(&text).routes.remove(0).derived;
    let with = |name, kind, of: &[&str], unit: Option<&str>| Derived {
        unit: unit.map(str::to_owned),
        ..Derived::new(name, kind, of, "")
    };
    assert_eq!(
        derived,
        [
            Derived { per: 1.5, ..with("wind", DerivedKind::CounterRate, &["n"], Some("m/s")) },
            Derived {
                offset: 64.0,
                ..with("height", DerivedKind::SeaLevelPressure, &["x", "y"], None)
            },
            Derived { factor: -2.0, offset: 0.5, ..with("a", DerivedKind::Scale, &["y"], None) },
        ]
    );
}

/// Lines of a derived value, its wrong key, part of the reason, part of the advice.
type Case = (String, &'static str, &'static str, &'static str);

fn check(cases: &[Case]) {
    for (lines, key, why, instead) in cases {
        let problem = only_problem(&route(&table(lines)));
        assert_eq!(problem.key, format!("route[1].derived[1].{key}"), "{problem}");
        assert!(problem.why.contains(why), "{problem}\n  expected: {why}");
        assert!(problem.instead.contains(instead), "{problem}\n  expected: {instead}");
    }
}

#[test]
fn mistakes_are_told_with_their_remedy() {
    let scale = "kind = 'scale'\nof = ['x']";
    check(&[
        (scale.to_owned(), "name", "lacks it", "name = \"wind_speed\""),
        (format!("name = 'wind speed'\n{scale}"), "name", "letters", "name = \"wind_speed\""),
        (format!("name = 'X'\n{scale}"), "name", "a column of this name (line 5", "\"X_2\""),
        (format!("name = 'created_at'\n{scale}"), "name", "every table has", "created_at_2"),
        ("name = 'a'\nof = ['x']".into(), "kind", "\"counter_rate\", \"counter_delta\"", "kind ="),
        ("name = 'a'\nkind = 'rate'\nof = ['x']".into(), "kind", "\"sea_level_pressure\"", "kind"),
        ("name = 'a'\nkind = 'scale'".into(), "of", "lacks it", "of = ["),
        ("name = 'a'\nkind = 'scale'\nof = 'x'".into(), "of", "a list of names", "of = ["),
        ("name = 'a'\nkind = 'scale'\nof = []".into(), "of", "one column; 0 are", "as many"),
        (
            "name = 'a'\nkind = 'scale'\nof = ['x', 'y']".into(),
            "of",
            "scale follows from one column; 2 are",
            "as many",
        ),
        (
            "name = 'a'\nkind = 'dew_point'\nof = ['x']".into(),
            "of",
            "the temperature in °C and the humidity in %; 1 are",
            "in this order",
        ),
        ("name = 'a'\nkind = 'scale'\nof = ['z']".into(), "of[1]", "no such column", "\"x\""),
        ("name = 'a'\nkind = 'heading'\nof = ['x', 'x']".into(), "of[2]", "already", "once"),
        ("name = 'a'\nkind = 'scale'\nof = ['t']".into(), "of[1]", "of type text", "integer"),
    ]);
}

#[test]
fn numbers_that_mean_nothing_are_told_with_their_remedy() {
    let scale = "kind = 'scale'\nof = ['x']";
    let pressure = "name = 'a'\nkind = 'sea_level_pressure'\nof = ['x', 'y']";
    check(&[
        (format!("name = 'a'\n{scale}\nper = 2"), "per", "means nothing to scale", "remove"),
        (
            "name = 'a'\nkind = 'dew_point'\nof = ['x', 'y']\nfactor = 2".into(),
            "factor",
            "means nothing to dew_point",
            "remove",
        ),
        (
            "name = 'a'\nkind = 'magnitude'\nof = ['x']\noffset = 2".into(),
            "offset",
            "means nothing to magnitude",
            "remove",
        ),
        (
            "name = 'a'\nkind = 'counter_rate'\nof = ['n']\nper = 0".into(),
            "per",
            "above 0",
            "per = 1.5",
        ),
        (format!("name = 'a'\n{scale}\nfactor = 0"), "factor", "the same", "multiplied by"),
        (format!("name = 'a'\n{scale}\nfactor = inf"), "factor", "finite", "factor = "),
        (format!("name = 'a'\n{scale}\noffset = '1'"), "offset", "a text", "offset = 1.0"),
        (pressure.to_owned(), "offset", "height of the barometer", "offset = 64"),
        (format!("{pressure}\noffset = 101325"), "offset", "from -500 to 9000", "offset = 64"),
        (format!("name = 'a'\n{scale}\nfaktor = 2"), "faktor", "no such key", "write: factor"),
    ]);
}

#[test]
fn names_and_number_of_a_route_are_limited() {
    let one = |name: &str| table(&format!("name = '{name}'\nkind = 'scale'\nof = ['x']"));
    let problem = only_problem(&route(&format!("{}{}", one("a"), one("A"))));
    assert_eq!(problem.key, "route[1].derived[2].name");
    assert!(problem.why.contains("another derived value has this name (line 10"), "{problem}");
    let many: String = (0..101).map(|index| one(&format!("a{index}"))).collect();
    assert!(only_problem(&route(&many)).why.contains("at most 100 derived values"));
    assert!(only_problem(&ROUTE.replace("table", "derived = 5\ntable")).why.contains("a list of"));
    assert!(
        only_problem(&ROUTE.replace("table", "derived = [5]\ntable")).why.contains("a list of")
    );
}
