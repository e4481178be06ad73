//! Routes: how they are read, what they may not be, and what two of them may not be together.

use crate::testing::{ROUTE, loaded, only_problem, problems, settings};
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

#[test]
fn bad_columns_are_told_with_their_remedy() {
    let cases = [
        ("y = 5", "y", "name of a field", "y = { field = \"y\""),
        ("y = { type = 'float' }", "y.type", "\"integer\", \"real\"", "type = \"real\""),
        ("y = { typ = 'real' }", "y.typ", "no such key in `route[1].columns.y`", "write: type"),
        ("y = { min = 2, max = 1 }", "y.min", "greater than max (1.0)", "min = 1.0"),
        ("y = { type = 'text', min = 2 }", "y.min", "type text has no bounds", "remove it"),
        ("y = { type = 'json', max = 2 }", "y.max", "type json has no bounds", "remove it"),
        ("y = { min = nan }", "y.min", "finite", "-60"),
        ("y = { min = 1e999 }", "y.min", "finite", "-60"),
        ("y = { max = 9007199254740993 }", "y.max", "exactly", "60"),
        ("y = { min = '5' }", "y.min", "a text stands here", "min = 5.0"),
        ("y = { required = 'true' }", "y.required", "a text stands", "write: required = true"),
        ("y = { required = 'yes' }", "y.required", "true or false", "required = true"),
        (
            "y = { required = true, on_bad = 'null' }",
            "y.on_bad",
            "cannot become NULL",
            "quarantine",
        ),
        ("y = { on_bad = 'drop' }", "y.on_bad", "\"quarantine\", \"null\"", "on_bad ="),
        ("y = { field = '/a~' }", "y.field", "`~` is written ~0", "escape"),
        ("y = '/a~2'", "y", "`~` is written ~0", "escape"),
        ("y = { unit = '' }", "y.unit", "empty", "°C"),
        ("y = { stuck_after = 1 }", "y.stuck_after", "from 2 to 1000000", "stuck_after = 100"),
        ("y = { stuck_after = '5min' }", "y.stuck_after", "a whole number", "stuck_after = 100"),
        ("id = 'x'", "id", "already", "x_id = { field = \"id\""),
        ("Created_At = 'x'", "Created_At", "already", "x_Created_At"),
        ("X = 'x'", "X", "SQLite takes this for `x` (line 5, column 1)", "X_2"),
        ("order = 'x'", "order", "word of the SQL language", "x_order"),
        ("barograph_x = 'x'", "barograph_x", "taken", "write: x = {"),
        (
            "'wind speed' = 'x'",
            "\"wind speed\"",
            "letters",
            "wind_speed = { field = \"wind speed\"",
        ),
    ];
    for (line, key, why, instead) in cases {
        let problem = only_problem(&with_column(line));
        assert_eq!(problem.key, format!("route[1].columns.{key}"), "{problem}");
        assert!(problem.why.contains(why), "{problem}\n  expected: {why}");
        assert!(problem.instead.contains(instead), "{problem}\n  expected: {instead}");
    }
}

#[test]
fn bad_routes_are_told_with_their_remedy() {
    let columns = "[route.columns]\nx = 'x'\n";
    let head = "[[route]]\ntopic = 'a'\ntable = 'a'\n";
    let cases = [
        (format!("[[route]]\ntable = 'a'\n{columns}"), "topic", "lacks", "write: topic ="),
        (format!("[[route]]\ntopic = 'a'\n{columns}"), "table", "lacks", "write: table ="),
        (head.to_owned(), "columns", "no columns", "[route.columns]"),
        (format!("{head}[route.columns]\n"), "columns", "no columns", "[route.columns]"),
        (format!("{head}columns = 5\n"), "columns", "a table is wanted", "columns ="),
        (format!("{head}qos = 3\n{columns}"), "qos", "from 0 to 2", "qos = 1"),
        (format!("{head}unique = 'x'\n{columns}"), "unique", "list of names", "[\"timestamp\"]"),
        (format!("{head}unique = [1]\n{columns}"), "unique[1]", "a text, in quotes", "["),
        (format!("{head}time_column = 'y'\n{columns}"), "time_column", "no column", "\"x\""),
        (format!("{head}time_column = 5\n{columns}"), "time_column", "a text", "\"5\""),
        (
            format!("{head}time_column = 'x'\n[route.columns]\nx = {{ type = 'text' }}\n"),
            "time_column",
            "of type text",
            "type integer",
        ),
        (format!("{head}unique = ['y']\n{columns}"), "unique[1]", "no such column", "\"x\""),
        (format!("{head}unique = ['id']\n{columns}"), "unique[1]", "no such column", ""),
        (format!("{head}unique = ['x','x']\n{columns}"), "unique[2]", "already", "once"),
        (format!("{head}{columns}[route.indexes]\ni = []"), "indexes.i", "needs a column", "["),
        (format!("{head}{columns}[route.indexes]\ni = ['y']"), "indexes.i[1]", "no such", "\"x\""),
        (format!("{head}{columns}[route.indexes]\n2i = ['x']"), "indexes.2i", "letters", "x_2i"),
        (format!("{head}{columns}[route.indexes]\nA = ['x']"), "indexes.A", "a table", "idx_A"),
        (format!("{head}index = 1\n{columns}"), "index", "`route[1]`", "write: indexes"),
    ];
    for (text, key, why, instead) in cases {
        let problem = only_problem(&text);
        assert_eq!(problem.key, format!("route[1].{key}"), "{problem}");
        assert!(problem.why.contains(why), "{problem}\n  expected: {why}");
        assert!(problem.instead.contains(instead), "{problem}\n  expected: {instead}");
    }
    for (topic, instead) in [("a/#/b", "a/#"), ("a+", "+"), ("$share/g/a", "\"a\""), ("", "+/+/")] {
        let problem = only_problem(&ROUTE.replace("a/#", topic));
        assert_eq!(problem.key, "route[1].topic");
        assert!(problem.instead.contains(instead), "{problem}");
    }
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
fn overlapping_filters_are_refused() {
    let text = format!("{ROUTE}{}", ROUTE.replace("'a/#'", "'+/b'"));
    let problem = only_problem(&text);
    assert_eq!(problem.key, "route[2].topic");
    assert!(problem.why.contains("`a/#` (line 2, column 9)"), "{problem}");
}

#[test]
fn two_routes_may_share_a_table_they_agree_on() {
    let both = ["x = 'x'\ny = { type = 'text' }", "x = { field = 'other', unit = 'K' }"];
    let settings = settings(&two(["a", "a"], both, ["", ""]));
    assert_eq!(settings.routes[0].indexes, settings.routes[1].indexes, "one index, named twice");
}

#[test]
fn two_routes_that_disagree_about_a_table_are_refused() {
    let x = ["x = 'x'", "x = 'x'"];
    let required = "y = { required = true }";
    let cases = [
        (two(["a", "A"], x, ["", ""]), "table", "takes this for the table `a`"),
        (two(["a", "a"], ["x = 'x'", "X = 'x'"], ["", ""]), "columns.X", "spells it `x`"),
        (two(["a", "a"], ["x = 'x'", "x = { type = 'text' }"], ["", ""]), "columns.x", "text here"),
        (
            two(["a", "a"], ["x = 'x'", "x = { required = true }"], ["", ""]),
            "columns.x",
            "required is true here",
        ),
        (
            two(["a", "a"], ["x = 'x'", &format!("x = 'x'\n{required}")], ["", ""]),
            "columns.y",
            "route[1] stores into the same table without it",
        ),
        (two(["a", "a"], [&format!("x = 'x'\n{required}"), "x = 'x'"], ["", ""]), "", "without it"),
        (two(["a", "a"], x, ["unique = ['x']", ""]), "", "one natural key"),
        (two(["a", "a"], x, ["", "unique = ['x']"]), "unique", "one natural key"),
        (
            two(["a", "b"], x, ["indexes = { i = ['x'] }", "indexes = { I = ['x'] }"]),
            "indexes.I",
            "an index `i` already",
        ),
        (
            two(["a", "idx_a_created"], x, ["", "indexes = {}"]),
            "indexes",
            "`idx_a_created` is a table already",
        ),
    ];
    for (text, key, why) in cases {
        let problem = only_problem(&text);
        assert!(problem.key.ends_with(key), "{problem}");
        assert!(problem.why.contains(why), "{problem}\n  expected: {why}");
    }
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
