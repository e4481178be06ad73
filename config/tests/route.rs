//! Routes: how they are read, what they may not be, and what two of them may not be together.

use crate::tests::testing::{ROUTE, loaded, only_problem, problems, settings};
use crate::{Column, Index, Kind, OnBad, Qos};

fn column<'c>(columns: &'c [Column], name: &str) -> &'c Column {
    columns.iter().find(|column| column.name == name).unwrap()
}

#[test]
fn route_of_the_file_replaces_the_built_in_ones() {
    let routes = settings(ROUTE).routes;
    assert_eq!(routes.len(), 1);
    assert_eq!((routes[0].topic.as_str(), routes[0].qos), ("a/#", Qos::AtLeastOnce));
    let created = Index { name: "idx_a_created".into(), columns: vec!["created_at".into()] };
    assert_eq!(routes[0].indexes, [created]);
    assert!(routes[0].unique.is_empty());
    assert!(settings(&format!("{ROUTE}[route.indexes]\n")).routes[0].indexes.is_empty());
}

#[test]
fn columns_keep_the_order_of_the_file_and_know_their_defaults() {
    let text = "\
[[route]]
topic = 'a'
table = 'a'
qos = 2
unique = ['z', 'm']
[route.columns]
z = 'utc'
m = { type = 'integer', required = true, min = -5, max = 5.5, unit = 'K' }
a = { field = '/deep/0/a~1b', type = 'boolean', on_bad = 'null' }
b = { field = 'one/two~three' }
whole = { field = '', type = 'json' }
[route.columns.last]
type = 'text'
[route.indexes]
idx_z = ['z', 'created_at', 'id']
";
    let route = settings(text).routes.remove(0);
    let names: Vec<_> = route.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["z", "m", "a", "b", "whole", "last"]);
    let z = column(&route.columns, "z");
    assert_eq!((z.pointer.as_str(), z.kind, z.required), ("/utc", Kind::Real, false));
    let m = column(&route.columns, "m");
    assert_eq!((m.pointer.as_str(), m.min, m.max), ("/m", Some(-5.0), Some(5.5)));
    assert_eq!((m.unit.as_deref(), m.on_bad), (Some("K"), OnBad::Quarantine));
    let a = column(&route.columns, "a");
    assert_eq!((a.pointer.as_str(), a.on_bad), ("/deep/0/a~1b", OnBad::Null));
    assert_eq!(column(&route.columns, "b").pointer, "/one~1two~0three");
    assert_eq!(column(&route.columns, "whole").pointer, "");
    assert_eq!(column(&route.columns, "last").kind, Kind::Text);
    assert_eq!((route.qos, route.unique), (Qos::ExactlyOnce, vec!["z".to_owned(), "m".to_owned()]));
    assert_eq!(route.indexes[0].columns, ["z", "created_at", "id"]);
}

/// A route with one line in `[route.columns]`, or more lines after a first good column.
fn with_column(line: &str) -> String {
    format!("{ROUTE}{line}\n")
}

/// Two routes into tables of these names, with these lines as columns.
fn two(tables: [&str; 2], columns: [&str; 2], more: [&str; 2]) -> String {
    [0, 1]
        .map(|i| {
            format!(
                "[[route]]\ntopic = 't{i}'\ntable = '{}'\n{}\n[route.columns]\n{}\n",
                tables[i], more[i], columns[i]
            )
        })
        .concat()
}

#[test]
fn two_routes_may_share_a_table_they_agree_on() {
    let both = ["x = 'x'\ny = { type = 'text' }", "x = { field = 'other', unit = 'K' }"];
    let settings = settings(&two(["a", "a"], both, ["", ""]));
    assert_eq!(settings.routes[0].indexes, settings.routes[1].indexes, "one index, named twice");
}

#[test]
fn too_many_columns_are_refused() {
    let columns: String = (0..501).map(|i| format!("c{i} = 'c'\n")).collect();
    assert!(only_problem(&with_column(&columns)).why.contains("500"));
    let routes: String = (0..501).map(|i| ROUTE.replace("'a/#'", &format!("'{i}'"))).collect();
    assert!(problems(&routes).iter().any(|problem| problem.why.contains("500")));
}

#[test]
fn column_that_looks_like_a_type_is_warned_about() {
    let warnings = loaded(&with_column("y = 'integer'")).warnings;
    assert!(warnings[0].contains("y = { type = \"integer\" }"), "{warnings:?}");
    let warnings = loaded(&ROUTE.replace("table", "unique = ['x']\ntable")).warnings;
    assert!(warnings[0].contains("not required"), "{warnings:?}");
}
