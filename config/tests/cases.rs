//! Every bad file in `cases/` gets exactly the problems that stand below it.
//!
//! A case is a settings file, a line `----`, and what the operator reads; cases are divided by `====`. After an
//! intended change, `BAROGRAPH_BLESS=1 cargo test -p barograph-config` writes the files anew: review their difference.

use std::path::Path;

use crate::tests::testing::problems;

/// The cases of a file, each with its problems as they are now.
fn judged(cases: &str) -> String {
    let judged = cases.split("====\n").map(|case| {
        let (text, _) = case.split_once("----\n").expect("a case has a line of four dashes");
        let problems = problems(text);
        let lines = problems.iter().map(|problem| format!("{problem}\n"));
        format!("{text}----\n{}", lines.collect::<String>())
    });
    judged.collect::<Vec<_>>().join("====\n")
}

#[test]
fn bad_files_get_the_problems_that_stand_below_them() {
    for name in ["alerts", "routes", "sections", "syntax"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(format!("{name}.txt"));
        let expected = std::fs::read_to_string(&path).unwrap();
        let found = judged(&expected);
        if std::env::var_os("BAROGRAPH_BLESS").is_some() {
            std::fs::write(&path, &found).unwrap();
            continue;
        }
        for (found, expected) in found.split("====\n").zip(expected.split("====\n")) {
            assert_eq!(found, expected, "in {}", path.display());
        }
    }
}
