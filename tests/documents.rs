//! The documents: their commands are accepted, their settings load, their links lead somewhere, and they are complete.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use barograph::cli::Cli;
use clap::{CommandFactory, Parser};

use crate::support::recorder::barograph;

/// The documents outside docs/, and the most lines that each may have.
const AT_THE_ROOT: [(&str, usize); 5] = [
    ("README.md", 130),
    ("ARCHITECTURE.md", 250),
    ("CHANGELOG.md", usize::MAX),
    ("CONTRIBUTING.md", usize::MAX),
    ("SECURITY.md", usize::MAX),
];

#[test]
fn every_command_in_the_documents_is_accepted() {
    let mut seen = 0;
    // The changelog names commands without their arguments, and those of the past.
    let today = documents().into_iter().filter(|(path, _)| path != Path::new("CHANGELOG.md"));
    for (path, text) in today {
        for command in commands(&text) {
            seen += 1;
            let parsed = parse(&command);
            assert!(parsed.is_ok(), "{}: `{command}`: {parsed:?}", path.display());
        }
    }
    assert!(seen > 50, "only {seen} commands were found: are they still recognised?");
}

#[test]
fn commands_that_do_not_exist_are_refused() {
    let wrong = ["status --jsom", "frobnicate", "restart-actor", "events --since soon"];
    for arguments in wrong {
        assert!(parse(&format!("barograph {arguments}")).is_err(), "{arguments} was accepted");
    }
    let text = "Use `barograph stop`.\n\n    sudo barograph pause --now | cat   # why\n\n\
                ```\n$ cargo run --release -- demo\n```\n";
    assert_eq!(commands(text), ["barograph stop", "barograph pause --now", "barograph demo"]);
}

#[test]
fn every_toml_example_in_the_documents_is_accepted() {
    let mut seen = 0;
    for (path, text) in documents() {
        for (_, example) in code(&text).into_iter().filter(|(language, _)| language == "toml") {
            seen += 1;
            let problem = problem_of(&example);
            assert_eq!(problem, None, "{}: refused:\n{example}", path.display());
        }
    }
    assert!(seen > 5, "only {seen} examples were found: are they still recognised?");
    let unknown = problem_of("[mqtt]\nurls = \"mqtt://localhost\"\n");
    assert!(unknown.is_some_and(|problem| problem.contains("urls")), "an unknown key is refused");
}

#[test]
fn every_link_in_the_documents_leads_to_a_file_and_a_heading() {
    for (path, text) in documents() {
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in targets.filter(|target| !target.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let beside = path.parent().expect("a file is in a folder").join(file);
            let target = if file.is_empty() { path.clone() } else { beside };
            let from = path.display();
            assert!(root().join(&target).exists(), "{from} links to {link}, which does not exist");
            let exists = heading.is_empty() || headings(&read(&target)).any(|it| it == heading);
            assert!(exists, "{from} links to {link}, and there is no such heading");
        }
    }
}

#[test]
fn every_subcommand_and_every_exit_code_is_documented() {
    let operation = read("docs/operation.md");
    for command in Cli::command().get_subcommands() {
        let row = format!("| `barograph {}", command.get_name());
        assert!(operation.contains(&row), "docs/operation.md has no row that begins with {row}");
    }
    let declared = read("actors/exit_code.rs");
    let codes = declared.lines().filter_map(|line| line.strip_prefix("pub const "));
    for (name, code) in codes.filter_map(|line| line.split_once(" = ")) {
        let row = format!("| `{}` |", code.trim_end_matches(';'));
        assert!(operation.contains(&row), "docs/operation.md has no row {row} for {name}");
    }
}

#[test]
fn readme_and_architecture_stay_short() {
    for (path, lines_max) in AT_THE_ROOT {
        let lines = read(path).lines().count();
        assert!(lines <= lines_max, "{path}: {lines} lines, at most {lines_max}: use docs/");
    }
}

/// Every document, with its path from the root of the repository.
fn documents() -> Vec<(PathBuf, String)> {
    let mut paths = AT_THE_ROOT.map(|(path, _)| PathBuf::from(path)).to_vec();
    for folder in ["docs", "docs/design"] {
        let entries = fs::read_dir(root().join(folder)).expect("a folder of documents").flatten();
        let names = entries.map(|entry| Path::new(folder).join(entry.file_name()));
        paths.extend(names.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    }
    paths.into_iter().map(|path| (path.clone(), read(path))).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Parses a command line as the program does, and does nothing else.
fn parse(command: &str) -> Result<(), String> {
    match Cli::try_parse_from(command.split_whitespace()) {
        Err(error) if error.use_stderr() => Err(error.to_string()),
        // An error that goes to standard output is the text of `help` or `--version`.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// What the built program says to these settings; `None`: it accepts them. Files below /etc/barograph are made for it.
fn problem_of(settings: &str) -> Option<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for named in settings.split("\"/etc/barograph/").skip(1) {
        let name = named.split('"').next().expect("a split text has a first part");
        let path = folder.path().join(name);
        // A password, a token and a URL at once.
        fs::write(&path, format!("https://secret.example/{name}")).expect("the folder is ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("the file is ours");
    }
    let here = format!("\"{}/", folder.path().display());
    let file = folder.path().join("barograph.toml");
    fs::write(&file, settings.replace("\"/etc/barograph/", &here)).expect("the folder is ours");
    // Loads the settings and prints the names of the channels; it connects to nothing.
    let mut command = barograph(&["alert", "list", "--config"]);
    let output = command.arg(&file).current_dir(folder.path()).output().expect("it starts");
    let problem = String::from_utf8_lossy(&output.stderr).into_owned();
    (!output.status.success()).then_some(problem)
}

/// The anchors that GitHub gives to the headings.
fn headings(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter_map(|line| line.strip_prefix('#')).map(|title| {
        let title = title.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

/// Blocks of code, each with the word behind its fence; of an indented block, a line, that is empty.
fn code(text: &str) -> Vec<(String, String)> {
    let mut blocks: Vec<(String, String)> = Vec::new();
    let mut is_fenced = false;
    for line in text.lines() {
        if let Some(language) = line.strip_prefix("```") {
            is_fenced = !is_fenced;
            blocks.extend(is_fenced.then(|| (language.to_owned(), String::new())));
        } else if is_fenced {
            let (_, block) = blocks.last_mut().expect("a fence began a block");
            block.extend([line, "\n"]);
        } else if let Some(code) = line.strip_prefix("    ") {
            blocks.push((String::new(), code.to_owned()));
        }
    }
    blocks
}

/// The program's commands, in code between backticks and in blocks, without what surrounds them on their line.
fn commands(text: &str) -> Vec<String> {
    let prose = text.lines().filter(|line| !line.starts_with("    "));
    let spans = prose.flat_map(|line| line.split('`').skip(1).step_by(2)).map(str::to_owned);
    let lines = code(text).into_iter().map(|(_, block)| block);
    let code = spans.chain(lines).collect::<Vec<_>>().join("\n");
    let commands = code.lines().filter_map(|line| line.split(" #").next());
    let commands = commands.flat_map(|line| line.split([';', '|', '>', '&'])).map(|part| {
        let part = part.trim().trim_start_matches("$ ").trim_start_matches("sudo ");
        part.replace("cargo run --release -- ", "barograph ")
    });
    commands.filter(|command| command.starts_with("barograph ")).collect()
}
