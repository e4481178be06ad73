//! The rules of the house that a compiler cannot hold. Each ban names its replacement.

mod imports;
mod source;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use imports::{imports, keep_circles};
use source::{Source, files, program, read, sources};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 60;

/// The folders of the workspace's crates. The tests and benches of the built program name their types for themselves.
const CRATES: [&str; 3] = ["config", "actors", "src"];

/// What does I/O: it belongs into `src`, behind a port of `actors`.
const IO_CRATES: &[&str] = &[
    "actix-web",
    "axum",
    "fslock",
    "hyper",
    "mio",
    "nix",
    "notify",
    "reqwest",
    "rumqttc",
    "rusqlite",
    "rustls",
    "sd-notify",
    "socket2",
    "tempfile",
    "tokio-rustls",
    "tungstenite",
];
const IO_FEATURES_OF_TOKIO: &[&str] = &["full", "fs", "io-std", "net", "process", "signal"];

#[test]
fn no_file_and_no_function_is_too_long_to_be_read_at_once() {
    let mut complaints = Complaints::default();
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            let remedy = "move one of its nouns to a file of its own";
            complaints.add(&source, 1, &format!("{lines} lines, at most {FILE_LINES_MAX}"), remedy);
        }
        for function in source.functions().iter().filter(|f| f.lines > FUNCTION_LINES_MAX) {
            let what = format!(
                "fn {}: {} lines, at most {FUNCTION_LINES_MAX}",
                function.name, function.lines
            );
            complaints.add(&source, function.line, &what, "name its steps, one function each");
        }
    }
    complaints.none();
}

#[test]
fn a_type_name_means_one_thing_in_the_workspace() {
    let sources = sources();
    let mut definitions: BTreeMap<String, Vec<(&Source, usize)>> = BTreeMap::new();
    for source in sources.iter().filter(|source| CRATES.iter().any(|name| source.is_below(name))) {
        for (line, name) in source.types() {
            definitions.entry(name).or_default().push((source, line));
        }
    }
    assert!(definitions.contains_key("Ledger"), "no definition of Ledger is found");
    let mut complaints = Complaints::default();
    for (name, places) in definitions.iter().filter(|(_, places)| places.len() > 1) {
        for (source, line) in places {
            let what = format!("type {name} is defined {} times", places.len());
            let remedy = "give each a name that says what it is there (RowFilter, EventFilter)";
            complaints.add(source, *line, &what, remedy);
        }
    }
    complaints.none();
}

#[test]
fn imports_name_what_they_import() {
    let mut complaints = Complaints::default();
    for source in program() {
        for (number, line) in source.code_lines() {
            let statement = line.trim_start();
            let import = statement.starts_with("use ") || statement.starts_with("pub use ");
            if import && (statement.contains("::*") || statement.contains("{*")) {
                complaints.add(&source, number, line.trim(), "import the names one by one");
            }
        }
    }
    complaints.none();
}

#[test]
fn nothing_outside_tests_unwraps_or_expects_without_a_reason() {
    let mut complaints = Complaints::default();
    for source in program() {
        for (number, line) in source.code_lines() {
            if line.contains(".unwrap()") || line.contains("::unwrap)") {
                let remedy = "return the error, or `expect` with the invariant that makes it true";
                complaints.add(&source, number, line.trim(), remedy);
            }
            if line.contains(".expect(\"\")") {
                let remedy = "say the invariant that makes it true";
                complaints.add(&source, number, line.trim(), remedy);
            }
        }
    }
    complaints.none();
}

#[test]
fn a_test_that_sleeps_says_why() {
    let mut complaints = Complaints::default();
    for source in sources().iter().filter(|source| source.is_below("tests")) {
        for (number, line) in source.text.lines().enumerate() {
            if line.contains("thread::sleep(") && !line.contains("//") && line.contains(");") {
                let remedy = "wait for a condition with a deadline (support::wait), or say in a \
                              comment behind it why time itself is the point";
                complaints.add(source, number + 1, line.trim(), remedy);
            }
        }
    }
    complaints.none();
}

#[test]
fn the_actors_crate_does_no_io() {
    let manifest = read("actors/Cargo.toml");
    let normal = section(&manifest, "[dependencies]");
    for line in normal.lines() {
        let name = line.split([' ', '.', '=']).next().unwrap_or_default();
        assert!(
            !IO_CRATES.contains(&name),
            "actors/Cargo.toml has {name}: give the actors a port (a trait in actors/ports.rs) and \
             implement it in src"
        );
    }
    let workspace = read("Cargo.toml");
    let shared = section(&workspace, "[workspace.dependencies]");
    for line in normal.lines().chain(shared.lines()).filter(|line| line.starts_with("tokio")) {
        for feature in IO_FEATURES_OF_TOKIO {
            assert!(
                !line.contains(&format!("\"{feature}\"")),
                "tokio's feature {feature} is visible to actors: ask for it in the root package only"
            );
        }
    }
    let std_io = ["std::fs", "std::net", "std::process", "std::env"];
    forbid("actors", &std_io, "give the actors a port (a trait in actors/ports.rs)");
}

#[test]
fn the_direction_config_actors_src_is_kept() {
    let manifest = |path| section(&read(path), "[dependencies]");
    let config = manifest("config/Cargo.toml");
    assert!(!config.contains("barograph"), "config imports nothing of ours: move the type there");
    let actors = manifest("actors/Cargo.toml");
    let ours = actors.lines().filter(|line| line.starts_with("barograph"));
    assert_eq!(
        ours.map(|line| line.split([' ', '.']).next().unwrap_or_default()).collect::<Vec<_>>(),
        ["barograph-config"],
        "actors imports config, and nothing else of ours: pass the rest in"
    );
    forbid(
        "actors/supervisor",
        &["mqtt", "weather", "broker", "journal", "sqlite", "route"],
        "supervisor is mechanism: let the domain pass it in as a name, a trait or a closure",
    );
    let apart = "the adapters do not know each other: let src/main.rs (or actors) connect them";
    forbid("src/mqtt", &["crate::sqlite", "rusqlite"], apart);
    forbid("src/sqlite", &["crate::mqtt", "rumqttc"], apart);
}

#[test]
fn only_the_sqlite_folder_speaks_sqlite() {
    let mut complaints = Complaints::default();
    let outside = |source: &Source| source.is_below("src") && !source.is_below("src/sqlite");
    for source in program().iter().filter(|source| outside(source)) {
        for (number, line) in source.code_lines().filter(|(_, line)| line.contains("rusqlite")) {
            let remedy = "ask a question of src/sqlite/read, or add one there";
            complaints.add(source, number, line.trim(), remedy);
        }
    }
    complaints.none();
}

/// From the ground up. An actor may ask one that stands before it.
const ROOMS_OF_ACTORS: [&str; 11] = [
    "message",
    "history",
    "ports",
    "supervisor",
    "status",
    "health",
    "stats",
    "watchtower",
    "db_writer",
    "mqtt",
    "tree",
];

#[test]
fn the_rooms_of_actors_import_downwards() {
    for (place, room) in ROOMS_OF_ACTORS.iter().enumerate().rev().skip(1) {
        let above: Vec<String> =
            ROOMS_OF_ACTORS[place + 1..].iter().map(|room| format!("crate::{room}")).collect();
        let above: Vec<&str> = above.iter().map(String::as_str).collect();
        let remedy = "put what both need into the lower folder, or take a `LinkRecipient`";
        forbid(&format!("actors/{room}"), &above, remedy);
    }
}

#[test]
fn folders_do_not_import_each_other_in_a_circle() {
    let sources = program();
    let mut circles = String::new();
    for root in ["src", "actors"] {
        let mut left = imports(root, &sources);
        assert!(left.len() > 5, "there is little below {root}: has it moved?");
        keep_circles(&mut left);
        for (from, edges) in left {
            for (to, file) in edges {
                let file = file.display();
                writeln!(circles, "{root}: {from} imports {to} ({file})")
                    .expect("a String takes all");
            }
        }
    }
    assert!(
        circles.is_empty(),
        "\n{circles}    instead: move what both need into one of them, or below"
    );
}

#[test]
fn every_event_is_documented_under_its_name() {
    let documented = read("docs/operation.md");
    let declared = read("actors/message/event.rs");
    let constants = declared.lines().filter(|line| line.starts_with("pub const"));
    let names: Vec<&str> =
        constants.filter_map(|line| line.split_once("&str = \"")?.1.split('"').next()).collect();
    assert!(!names.is_empty(), "actors/message/event.rs declares the event names");
    assert_eq!(
        names,
        barograph_actors::message::event::ALL,
        "event::ALL lists every name, in their order"
    );
    for name in names {
        assert!(
            documented.contains(&format!("`{name}`")),
            "event {name} is not in docs/operation.md: say there when it comes and what to do"
        );
    }
}

#[test]
fn every_setting_is_in_the_shipped_file() {
    let shipped = read("config/barograph.toml");
    for key in barograph_config::known_keys() {
        let name = key.name;
        let is_there = shipped.lines().any(|line| {
            let line = line.trim_start_matches(['#', ' ']);
            let assigned =
                line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='));
            let table = line.contains(&format!("[{}.{name}]", key.table));
            assigned || table || line.contains(&format!("{name} = "))
        });
        assert!(
            is_there,
            "{key} is not in config/barograph.toml: add it with its default and a comment that \
             says what it does and in which unit"
        );
    }
}

#[test]
fn no_registry_host_is_named_in_the_tree() {
    let hosts = [
        concat!("crates", ".io"),
        concat!("npmjs", ".org"),
        concat!("pypi", ".org"),
        concat!("debian", ".org"),
        concat!("rust-lang", ".org"),
        concat!("golang", ".org"),
    ];
    for ending in [".rs", ".md", ".toml", ".service", ".conf", "run", "test", ".sh", ".yml"] {
        for path in files(ending) {
            let text = read(&path);
            let named = hosts.iter().find(|host| text.contains(**host));
            assert!(
                named.is_none(),
                "{} names {named:?}: name the package, and leave its source to the client's own \
                 configuration",
                path.display()
            );
        }
    }
}

#[test]
fn documents_cite_names_and_not_line_numbers() {
    for path in files(".md") {
        for line in read(&path).lines() {
            let cited = line
                .split(".rs:")
                .skip(1)
                .any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            let spoken = line
                .split(".rs line ")
                .skip(1)
                .any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            assert!(
                !cited && !spoken,
                "{} cites a line number, which the next edit makes wrong: name the symbol\n  {line}",
                path.display()
            );
        }
    }
}

/// No code below a folder may say any of these words.
fn forbid(folder: &str, words: &[&str], remedy: &str) {
    let mut complaints = Complaints::default();
    let mut seen = 0;
    for source in program().iter().filter(|source| source.is_below(folder)) {
        seen += 1;
        for (number, line) in source.code_lines() {
            let lower = line.to_lowercase();
            if words.iter().any(|word| lower.contains(word)) {
                complaints.add(source, number, line.trim(), remedy);
            }
        }
    }
    assert!(seen > 0, "there is nothing below {folder}: has the folder moved?");
    complaints.none();
}

/// The lines of one section of a manifest.
fn section(manifest: &str, header: &str) -> String {
    let lines = manifest.lines().skip_while(|line| *line != header).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    lines.fold(String::new(), |text, line| text + line + "\n")
}

/// Everything that is wrong, told at once.
#[derive(Default)]
struct Complaints(String);

impl Complaints {
    fn add(&mut self, source: &Source, line: usize, what: &str, remedy: &str) {
        let path = source.path.display();
        writeln!(self.0, "{path}:{line}: {what}\n    instead: {remedy}")
            .expect("a String takes all");
    }

    fn none(&self) {
        assert!(self.0.is_empty(), "\n{}", self.0);
    }
}
