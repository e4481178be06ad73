//! One load in progress: the values of all layers, and the problems found so far.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::declare::key::{Complaint, Key, Table, Wants};
use crate::declare::nearest::{nearest, renamed};
use crate::declare::text::spell_key;
use crate::read::layers::Layered;
use crate::read::problems::LineIndex;
use crate::read::problems::{Origin, SettingProblem, Spot};
use crate::read::recovery::SyntaxFault;
use crate::read::redact::{shorten, written};
use crate::read::syntax_error::SyntaxError;

/// What became of a key that is set.
#[derive(Debug, Clone)]
pub(crate) enum Mark {
    /// The place of the value that counts.
    Good(Spot),
    /// Refused: what depends on it cannot be judged.
    Bad,
}

/// The value of a key in one layer.
pub(crate) struct Given<'a> {
    pub(crate) spot: Spot,
    pub(crate) value: &'a DeValue<'a>,
    /// Whether it is the file's, so that its entries have places of their own.
    pub(crate) is_in_file: bool,
    /// A syntax error lies in it, which is a problem already.
    pub(crate) is_broken: bool,
}

/// The values of all layers, and what has been found wrong with them.
pub(crate) struct SettingsReader<'a> {
    lines: LineIndex<'a>,
    layered: &'a [Layered<'a>],
    sections: Vec<&'static Table>,
    cwd: &'a Path,
    syntax_errors: Vec<SyntaxError>,
    problems: Vec<SettingProblem>,
    warnings: Vec<String>,
    /// By path.
    marks: BTreeMap<String, Mark>,
    /// Paths of keys that are missing only because they are misspelt.
    misspelt: BTreeSet<String>,
}

impl<'a> SettingsReader<'a> {
    /// A reader of a text with these syntax errors, and of what environment and flags set; `sections` are all of a file.
    pub(crate) fn new(
        text: &'a str,
        faults: &[SyntaxFault],
        layered: &'a [Layered<'a>],
        sections: Vec<&'static Table>,
        cwd: &'a Path,
    ) -> Self {
        let lines = LineIndex::of(text);
        let syntax_errors = SyntaxError::all(faults, &lines);
        let (problems, warnings) = (Vec::new(), Vec::new());
        let (marks, misspelt) = (BTreeMap::new(), BTreeSet::new());
        Self { lines, layered, sections, cwd, syntax_errors, problems, warnings, marks, misspelt }
    }

    /// The value of a key that stands in the file.
    pub(crate) fn given(
        &mut self,
        key: &Key,
        path: String,
        value: &'a Spanned<DeValue<'a>>,
    ) -> Given<'a> {
        let raw = self.lines.slice(value.span());
        let written = written(key, value.get_ref(), raw);
        let spot = self.spot(path, value.span(), Some(written));
        let error = self.syntax_error_in(&value.span());
        if let Some(error) = error {
            // The error's message names the key.
            self.syntax_errors[error].concerns(key, &spot, raw);
        }
        Given { spot, value: value.get_ref(), is_in_file: true, is_broken: error.is_some() }
    }

    /// What environment and flags set a key to, weakest first.
    pub(crate) fn layered(&self, path: &str) -> Vec<Given<'a>> {
        let layered = self.layered.iter().filter(|layered| layered.spot.path == path);
        let given = layered.map(|Layered { spot, value }| Given {
            spot: spot.clone(),
            value,
            is_in_file: false,
            is_broken: false,
        });
        given.collect()
    }

    /// A value that is no table, or no list of tables, where the key of this kind must be one.
    pub(crate) fn refuse_other(&mut self, wants: Wants, path: &str, value: &Spanned<DeValue<'_>>) {
        if self.syntax_error_in(&value.span()).is_some() {
            return;
        }
        // Without a text: what stands in the wrong place may be a password.
        let found = match value.get_ref() {
            DeValue::String(_) => "a text".to_owned(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => shorten(self.lines.slice(value.span())),
        };
        let is_list = matches!(wants, Wants::Tables) && !path.ends_with(']');
        let expected = if is_list { "expected a list of tables" } else { "expected a table" };
        let spot = self.spot(path.to_owned(), value.span(), Some(found));
        let advice = format!("write: {}, and its keys in the lines below it", header(wants, path));
        self.refuse(&spot, Complaint::advise(expected, advice));
    }

    /// One problem for each key of a table that is not declared.
    pub(crate) fn refuse_unknown(&mut self, toml: &DeTable<'_>, known: &[&Key], path: &str) {
        let mut names: Vec<&str> = Vec::new();
        // Several types of alerts share a key.
        for key in known {
            if !names.contains(&key.name) {
                names.push(key.name);
            }
        }
        for (name, _) in toml.iter().filter(|(name, _)| !names.contains(&&**name.get_ref())) {
            let text: &str = name.get_ref();
            let why = match path {
                "" => "unknown table or key".to_owned(),
                entry if entry.contains('[') => format!("unknown key in {entry}"),
                section => format!("unknown key in [{section}]"),
            };
            let table = path.split_once('[').map_or(path, |(table, _)| table);
            let near = renamed(table, text).or_else(|| nearest(text, names.iter().copied()));
            let advice = match near {
                Some(near) if path.is_empty() => {
                    let key = known.iter().find(|key| key.name == near);
                    format!("write: {}", header(key.map_or(Wants::Table, |it| it.spec.wants), near))
                }
                Some(near) => {
                    if !toml.contains_key(near) {
                        self.misspelt.insert(join(path, near));
                    }
                    format!("did you mean {near}?")
                }
                None => self.move_or_remove(text, path, &names),
            };
            // Without the value: an unknown key may be a misspelt `password`.
            let spot = self.spot(join(path, text), name.span(), None);
            self.refuse(&spot, Complaint::advise(why, advice));
        }
    }

    /// A key that slid below the wrong header is to be moved, any other removed.
    fn move_or_remove(&self, name: &str, path: &str, known: &[&str]) -> String {
        let mut homes = self.sections.iter().filter(|table| table.has(name));
        let home = homes.next().filter(|home| homes.next().is_none() && home.name != path);
        match home {
            Some(home) => format!("move it below the line [{}]", home.name),
            None => format!("remove it; known here: {}", known.join(", ")),
        }
    }

    /// The place of a stretch of the file.
    pub(crate) fn spot(&self, path: String, span: Range<usize>, written: Option<String>) -> Spot {
        let (line, column) = self.lines.position(span.start);
        let dot = if path.ends_with('"') { path.rfind(".\"") } else { path.rfind('.') };
        let name = path[dot.map_or(0, |dot| dot + 1)..].to_owned();
        Spot { place: Origin::File { line, column }, path, name, written }
    }

    /// A path of the file, from the working directory.
    pub(crate) fn in_cwd(&self, path: &Path) -> PathBuf {
        self.cwd.join(path)
    }

    /// The text of a stretch of the file.
    pub(crate) fn raw(&self, span: Range<usize>) -> &'a str {
        self.lines.slice(span)
    }

    /// Notes a problem.
    pub(crate) fn refuse(&mut self, spot: &Spot, complaint: Complaint) {
        self.problems.push(spot.problem(complaint));
    }

    /// Notes something that is allowed but probably not intended.
    pub(crate) fn warn(&mut self, spot: &Spot, text: &str) {
        self.warnings.push(format!("{} ({}): {text}", spot.path, spot.place));
    }

    /// Notes a warning about a default, which stands nowhere.
    pub(crate) fn warn_of_default(&mut self, text: String) {
        self.warnings.push(text);
    }

    /// Remembers what became of a key.
    pub(crate) fn mark(&mut self, path: String, mark: Mark) {
        self.marks.insert(path, mark);
    }

    /// The place of a good value.
    pub(crate) fn good(&self, path: &str) -> Option<Spot> {
        match self.marks.get(path) {
            Some(Mark::Good(spot)) => Some(spot.clone()),
            Some(Mark::Bad) | None => None,
        }
    }

    /// Whether a value was refused.
    pub(crate) fn is_bad(&self, path: &str) -> bool {
        matches!(self.marks.get(path), Some(Mark::Bad))
    }

    /// Whether a key is missing only because it is misspelt, which is a problem already.
    pub(crate) fn is_misspelt(&self, path: &str) -> bool {
        self.misspelt.contains(path)
    }

    /// The first error in a stretch or at its end; syntax errors are in the order of the text.
    fn syntax_error_in(&self, span: &Range<usize>) -> Option<usize> {
        let first = self.syntax_errors.partition_point(|error| error.at < span.start);
        self.syntax_errors.get(first).filter(|error| error.at <= span.end).map(|_| first)
    }

    /// Whether the whole text is TOML: only then can something be called missing.
    pub(crate) fn is_whole(&self) -> bool {
        self.syntax_errors.is_empty()
    }

    /// All problems, and all warnings.
    pub(crate) fn finish(mut self) -> (Vec<SettingProblem>, Vec<String>) {
        self.problems.extend(self.syntax_errors.into_iter().map(SyntaxError::into_problem));
        (self.problems, self.warnings)
    }
}

/// The header of a table by its path: `[mqtt]`, `[[route]]`, `[route.columns]` of `route[1].columns`.
fn header(wants: Wants, path: &str) -> String {
    let names = path.split('.').map(|name| name.split('[').next().unwrap_or_default());
    let names = names.collect::<Vec<_>>().join(".");
    if matches!(wants, Wants::Tables) { format!("[[{names}]]") } else { format!("[{names}]") }
}

/// `mqtt` and `url` make `mqtt.url`; a name that TOML would quote is quoted.
pub(crate) fn join(path: &str, name: &str) -> String {
    let name = spell_key(&shorten(name));
    if path.is_empty() { name } else { format!("{path}.{name}") }
}
