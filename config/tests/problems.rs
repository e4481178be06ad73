//! Problems as a whole; `cases/` has those of single keys.

use proptest::prelude::*;

use crate::alert::channel::ChannelKind;
use crate::read::problems::Origin;
use crate::tests::testing::{ROUTE, only_problem, problems, problems_of, world, world_with};
use crate::word::Word;
use crate::{known_keys, load_text};

#[test]
fn problems_are_listed_below_what_has_them() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("barograph.toml"), "[log]\nlevel = 'loud'\n").unwrap();
    let mut world = crate::World { cwd: dir.path().to_owned(), ..world() };
    let told = |world: &crate::World| {
        problems_of(crate::load(world, &crate::Overrides::default())).to_string()
    };
    let level =
        "log.level: expected one of \"error\", \"warn\", \"info\", \"debug\", \"trace\", found";
    let in_file = format!("line 2, column 9: {level} 'loud'; write: level = \"info\"\n");
    assert_eq!(told(&world), format!("barograph.toml has 1 problem:\n  {in_file}"));
    world.env.insert("BAROGRAPH_LOG__LEVEL".to_owned(), crate::Secret::new("x"));
    let expected = format!(
        "the settings have 2 problems:\n  barograph.toml, {in_file}  environment variable \
         BAROGRAPH_LOG__LEVEL: {level} x; write: BAROGRAPH_LOG__LEVEL=info\n"
    );
    assert_eq!(told(&world), expected);
}

#[test]
fn file_that_is_something_else_does_not_flood_the_log() {
    let text: String = (0..130).map(|line| format!("k{line} = 1\n")).collect();
    let problems = problems(&text);
    assert_eq!(problems.iter().count(), 130);
    assert!(problems.to_string().ends_with("\n  and 30 more\n"), "{problems}");
}

#[test]
fn numbers_of_routes_columns_alerts_and_derived_values_are_limited() {
    let many =
        |count: usize, one: &dyn Fn(usize) -> String| (0..count).map(one).collect::<String>();
    let columns = many(501, &|i| format!("c{i} = 'c'\n"));
    let routes = many(10_001, &|i| ROUTE.replace("'a/#'", &format!("'{i}'")));
    let derived =
        many(101, &|i| format!("[[route.derived]]\nname = 'a{i}'\nkind = 'scale'\nof = ['x']\n"));
    for (text, limit) in [
        (format!("{ROUTE}{columns}"), "at most 500 columns"),
        (routes, "at most 10000 routes"),
        (format!("{ROUTE}{derived}"), "at most 100 derived values"),
        ("[[alert]]\n".repeat(101), "at most 100 alerts"),
    ] {
        assert!(only_problem(&text).text.contains(limit), "{limit}");
    }
}

#[test]
fn every_known_key_refuses_a_value_of_another_type() {
    for key in known_keys() {
        let route = "[[route]]\ntopic = 'a'\ntable = 'a'\n[route.columns]\n";
        let kind = ChannelKind::VARIANTS.iter().find(|kind| kind.table().has(key.name));
        let kind = kind.map(|kind| format!("type = '{}'\n", kind.word())).unwrap_or_default();
        let text = match key.table {
            "alert" => format!("[[alert]]\n{kind}{} = 1979-05-27\n", key.name),
            "route" => format!("[[route]]\n{} = 1979-05-27\n", key.name),
            "route.when" => format!("{route}x = 'x'\n[[route.when]]\n{} = 1979-05-27\n", key.name),
            "route.derived" => {
                format!("{route}x = 'x'\n[[route.derived]]\n{} = 1979-05-27\n", key.name)
            }
            "route.columns.*" => format!("{route}x = {{ {} = 1979-05-27 }}\n", key.name),
            section => format!("[{section}]\n{} = 1979-05-27\n", key.name),
        };
        let problems = problems(&text);
        let told = problems.iter().any(|problem| {
            problem.text.contains(&format!(".{}: ", key.name)) && problem.text.contains("expected")
        });
        assert!(told, "{key}: {problems}");
    }
}

#[test]
fn foreign_bytes_are_told_and_the_rest_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("barograph.toml");
    std::fs::write(&path, b"# gr\xfc\xdf\n[log]\nlevel = 5\n").unwrap();
    let world = crate::World { cwd: dir.path().to_owned(), ..world() };
    let problems = problems_of(crate::load(&world, &crate::Overrides::default()));
    let places: Vec<_> = problems.iter().map(|problem| problem.place.clone()).collect();
    assert_eq!(
        places,
        [Origin::File { line: 1, column: 5 }, Origin::File { line: 3, column: 9 }],
        "{problems}"
    );
}

/// What no case has, or few.
const ODD_PIECES: [&str; 12] = [
    "\"\"\"",
    "'mqtt://u:p@h'",
    "[mqtt.url]\n",
    "nan",
    "1e999",
    "1979-05-27",
    "'18446744073709551615s 1000ms'",
    "'99999999999999999999 EiB'",
    "\u{feff}",
    "\0",
    "\r\n",
    "\\u",
];

/// Pieces of the cases, which make deep and nearly good files far more often than random characters would.
fn fragment() -> impl Strategy<Value = String> {
    let cases = [include_str!("../cases/alerts.txt"), include_str!("../cases/routes.txt")];
    let lines: Vec<&str> = cases.into_iter().flat_map(|case| case.split_inclusive('\n')).collect();
    let signs = [' ', '=', '\'', '"', '[', ']', '{', '}', ',', '.', '#'];
    let tokens: Vec<&str> =
        lines.iter().copied().flat_map(|line| line.split_inclusive(signs)).collect();
    let known: Vec<String> = known_keys().map(|key| key.name.to_owned()).collect();
    prop_oneof![
        proptest::sample::select(lines).prop_map(str::to_owned),
        proptest::sample::select(tokens).prop_map(str::to_owned),
        proptest::sample::select(ODD_PIECES.to_vec()).prop_map(str::to_owned),
        proptest::sample::select(known),
        ".{0,6}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1500) })]

    #[test]
    fn no_text_makes_loading_panic(fragments in proptest::collection::vec(fragment(), 0..40)) {
        let text = fragments.concat();
        if let Err(error) = load_text(&text, &world()) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn no_value_of_any_key_makes_loading_panic(
        key in proptest::sample::select(known_keys().collect::<Vec<_>>()),
        value in "[0-9 .a-zµ:/@#+\\-\\[\\]]{0,40}|.{0,20}",
    ) {
        let quoted = crate::declare::text::quote(&value);
        let text = format!("[{}]\n{} = {quoted}\n{} = {value}\n", key.table, key.name, key.name);
        let _ = load_text(&text, &world());
        let kind = ChannelKind::VARIANTS.iter().find(|kind| kind.table().has(key.name));
        if let Some(kind) = kind {
            let head = format!("[[alert]]\nname = 'a'\ntype = '{}'\n", kind.word());
            let _ = load_text(&format!("{head}{} = {quoted}\n", key.name), &world());
            let _ = load_text(&format!("{head}{} = {value}\n", key.name), &world());
        }
        if let Some(name) = key.variable() {
            let _ = load_text("", &world_with(&name, &value));
        }
    }
}
