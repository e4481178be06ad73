//! A source file, read well enough to judge it: comments and texts blanked, tests told from the program.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A Rust file of the workspace.
pub(super) struct Source {
    /// From the root of the workspace.
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// The text with comments and the insides of strings as blanks: same bytes, same lines.
    pub(super) code: String,
}

/// A function: where it begins, its name, how many lines it has.
pub(super) struct Function {
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) lines: usize,
}

/// The root of the workspace.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the workspace whose name ends so, but nothing that a build made.
pub(super) fn files(ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the workspace").flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() {
                let built = name == "target" || (name.starts_with('.') && name != ".ci");
                folders.extend((!built).then_some(path));
            } else if name.ends_with(ending) {
                found.push(path.strip_prefix(root()).expect("below the root").to_path_buf());
            }
        }
    }
    found.sort();
    found
}

/// The text of a file of the workspace.
pub(super) fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every Rust file of the workspace.
pub(super) fn sources() -> Vec<Source> {
    let sources = files(".rs").into_iter().map(|path| {
        let text = read(&path);
        Source { code: blank(&text), path, text }
    });
    sources.collect()
}

/// The files of the program itself; in their code the tests among them are blanks, too.
pub(super) fn program() -> Vec<Source> {
    let mut all = sources();
    let test_modules: Vec<PathBuf> = all.iter().flat_map(Source::test_modules).collect();
    all.retain(|source| {
        let belongs = |module: &PathBuf| {
            source.path.starts_with(module) || source.path.with_extension("") == *module
        };
        !source.is_below("tests")
            && !source.is_below("benches")
            && !test_modules.iter().any(belongs)
    });
    for source in &mut all {
        for range in source.test_items() {
            let gone = hidden(&source.code[range.clone()]);
            source.code.replace_range(range, &gone);
        }
    }
    all
}

impl Source {
    /// Whether it is in this folder of the workspace.
    pub(super) fn is_below(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    /// Lines of code, with their number.
    pub(super) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The functions that have a body.
    pub(super) fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        for (at, _) in self.code.match_indices("fn ") {
            let before = self.code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let rest = &self.code[at + 3..];
            let name: String =
                rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if let Some(body) = body(&self.code, at) {
                let lines = self.code[at..body.end].matches('\n').count() + 1;
                functions.push(Function { line: self.line_of(at), name, lines });
            }
        }
        functions
    }

    /// The structs, enums, unions, traits and type aliases that are defined here, with their line. Not the
    /// associated types of a trait or an implementation.
    pub(super) fn types(&self) -> Vec<(usize, String)> {
        let mut types = Vec::new();
        let mut begin = 0;
        for (index, line) in self.code.split_inclusive('\n').enumerate() {
            let mut words = item(line).split_whitespace();
            let keyword = words.next().unwrap_or_default();
            let name: String =
                words.next().unwrap_or_default().chars().take_while(|c| is_word(*c)).collect();
            let defines = match keyword {
                "struct" | "enum" | "union" | "trait" => true,
                "type" => !is_associated(&self.code[..begin]),
                _ => false,
            };
            if defines && name.starts_with(|c: char| c.is_uppercase()) {
                types.push((index + 1, name));
            }
            begin += line.len();
        }
        types
    }

    fn line_of(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }

    /// The items behind `#[cfg(test)]`.
    fn test_items(&self) -> Vec<Range<usize>> {
        let marks = self.code.match_indices("#[cfg(test)]");
        let end = |at| match body(&self.code, at) {
            Some(body) => body.end,
            None => self.code[at..].find(';').map_or(self.code.len(), |end| at + end),
        };
        marks.map(|(at, _)| at..end(at)).collect()
    }

    /// The modules of test code that are files of their own, without the ending.
    fn test_modules(&self) -> Vec<PathBuf> {
        let folder = self.path.parent().expect("a file is in a folder");
        let stem = self.path.file_stem().expect("a file has a name");
        let is_root = ["lib", "main", "mod"].iter().any(|root| stem == *root);
        let home = if is_root { folder.to_path_buf() } else { folder.join(stem) };
        let marks = self.code.match_indices("#[cfg(test)]");
        let named = marks.filter_map(|(at, mark)| {
            let begin = at + mark.len();
            let end = begin + self.code[begin..].find(';')?;
            let (_, name) = self.code[begin..end].split_once("mod ")?;
            let told = self.text[begin..end].split_once("#[path = \"");
            match told.and_then(|(_, rest)| rest.split_once(".rs\"")) {
                Some((file, _)) => Some(folder.join(file)),
                None => (!name.contains('{')).then(|| home.join(name.trim())),
            }
        });
        named.collect()
    }
}

/// A line from its item's keyword on: without blanks and visibility in front.
fn item(line: &str) -> &str {
    let line = line.trim_start();
    match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => {
            rest.split_once(')').map_or(rest, |(_, rest)| rest.trim_start())
        }
        Some(rest) if rest.starts_with(' ') => rest.trim_start(),
        Some(_) | None => line,
    }
}

/// Whether what follows this code is directly in a trait or an implementation.
fn is_associated(before: &str) -> bool {
    let mut open = 0;
    let brace = before.char_indices().rev().find(|(_, c)| {
        open += i32::from(*c == '{') - i32::from(*c == '}');
        open > 0
    });
    let Some((brace, _)) = brace else { return false };
    let header = before[..brace].rsplit([';', '{', '}']).next().unwrap_or_default();
    header.lines().any(|line| {
        let line = item(line);
        line.starts_with("impl ") || line.starts_with("impl<") || line.starts_with("trait ")
    })
}

/// From the first brace of the item at `from` to the matching one; to the `;` of an item without.
fn body(code: &str, from: usize) -> Option<Range<usize>> {
    let (mut nested, mut braces, mut begin) = (0_i32, 0_i32, None);
    for (at, c) in code[from..].char_indices() {
        match c {
            '(' | '[' => nested += 1,
            ')' | ']' => nested -= 1,
            '{' => {
                begin = begin.or(Some(from + at));
                braces += 1;
            }
            '}' => {
                braces -= 1;
                if braces == 0 {
                    return Some(begin?..from + at + 1);
                }
            }
            ';' if nested == 0 && begin.is_none() => return None,
            _ => {}
        }
    }
    None
}

/// Comments and the insides of strings and characters as blanks.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (shown, length) = match c {
            '/' if rest.starts_with("//") => (0, rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => (0, rest.find("*/").map_or(rest.len(), |end| end + 2)),
            '"' => (1, quoted(rest)),
            'r' if !code.ends_with(is_word) && raw(rest).is_some() => (1, raw(rest).unwrap_or(1)),
            '\'' => (1, character(rest)),
            _ => (c.len_utf8(), c.len_utf8()),
        };
        let (token, behind) = rest.split_at(length);
        code.push_str(&token[..shown]);
        if length > shown {
            let inside = &token[shown..];
            let last = inside.chars().next_back().filter(|c| *c == '"' || *c == '\'');
            code.push_str(&hidden(&inside[..inside.len() - last.map_or(0, char::len_utf8)]));
            code.extend(last.filter(|_| shown == 1).or(last.map(|_| ' ')));
        }
        rest = behind;
    }
    code
}

/// As many blanks as there are bytes; lines stay lines.
fn hidden(text: &str) -> String {
    text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of a string with its quotes.
fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of a raw string, if this is one.
fn raw(rest: &str) -> Option<usize> {
    let hashes = rest[1..].chars().take_while(|c| *c == '#').count();
    rest[1 + hashes..].starts_with('"').then_some(())?;
    let end = format!("\"{}", "#".repeat(hashes));
    let begin = 2 + hashes;
    Some(rest[begin..].find(&end).map_or(rest.len(), |at| begin + at + end.len()))
}

/// The length of a character with its quotes; 1 for the tick of a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => rest[2..].find('\'').map_or(1, |end| {
            // an escaped tick is followed by the closing one
            if rest[2..].starts_with('\'') { 4 } else { end + 3 }
        }),
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 1,
        },
        None => 1,
    }
}

#[test]
fn comments_texts_and_characters_are_blanked_and_nothing_else() {
    let text =
        "let a = \"{ // \\\" \"; // {\nlet b = r#\"}\"#; let c: &'a str = '{'; let d = '\\'';";
    let code = blank(text);
    assert_eq!(code.lines().count(), 2);
    assert!(!code.contains(['{', '}', '/']), "{code}");
    assert!(code.contains("let c: &'a str = "), "{code}");
    assert!(code.trim_end().ends_with(';'), "{code}");
}

#[test]
fn tests_among_the_program_are_found_and_nothing_else() {
    let text = "#[cfg(test)]\nmod apart;\nfn kept() { let a = [0; 2]; }\n\
                #[cfg(test)]\n#[path = \"other.rs\"]\nmod named;\n\
                #[cfg(test)]\nmod inside { fn gone() {} }\nfn kept_too() {}\n";
    let source = Source { path: "actors/ledger.rs".into(), text: text.into(), code: blank(text) };
    let modules = ["actors/ledger/apart", "actors/other"].map(PathBuf::from);
    assert_eq!(source.test_modules(), modules);
    let items = source.test_items().into_iter().map(|range| &text[range]).collect::<String>();
    assert!(items.contains("gone") && !items.contains("kept"), "{items}");
    let names = source.functions().into_iter().map(|function| function.name).collect::<Vec<_>>();
    assert_eq!(names, ["kept", "gone", "kept_too"]);
}

#[test]
fn types_are_found_and_associated_types_are_not() {
    let text = "pub(crate) struct Row<'a>(&'a str);\npub trait Port { type Item; }\n\
                impl<T> Port for Row<'_>\nwhere\n    T: Copy,\n{\n    type Item = u8;\n}\n\
                fn f(of: impl Port) {\n    type Case = u8;\n    let a = [0];\n    enum Kind {}\n}\n\
                // struct Comment;\npub enum Level, as_str { A }\ntype Alias = u8;\n";
    let source = Source { path: "src/a.rs".into(), text: text.into(), code: blank(text) };
    let types = source.types();
    let names = types.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>();
    assert_eq!(names, ["Row", "Port", "Case", "Kind", "Level", "Alias"]);
    assert_eq!(types[2].0, 10);
}
