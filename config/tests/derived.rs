//! `[[route.derived]]`: how it is read, and what it may not say.

use crate::tests::testing::{ROUTE, only_problem, settings};
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

#[test]
fn number_of_derived_values_is_limited() {
    let one = |name: usize| table(&format!("name = 'a{name}'\nkind = 'scale'\nof = ['x']"));
    let many: String = (0..101).map(one).collect();
    assert!(only_problem(&route(&many)).why.contains("at most 100 derived values"));
}
