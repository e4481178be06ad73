//! One load in progress: the values of all layers, and the problems found so far.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

use crate::declare::key::{Complaint, Key, Table};
use crate::declare::nearest::{nearest, renamed};
use crate::declare::text::spell_key;
use crate::read::layers::Layered;
use crate::read::lines::Lines;
use crate::read::problems::{Place, Problem, Spot};
use crate::read::recovery::Fault;
use crate::read::redact::shorten;
use crate::read::syntax_error::SyntaxError;

/// The tables that are lists: `[[alert]]` and `[[route]]`.
const LISTS: [&str; 2] = ["alert", "route"];

/// What became of a key that is set.
#[derive(Debug, Clone)]
pub(crate) enum Mark {
    /// The place of the value that counts.
    Good(Spot),
    /// Refused: what depends on it cannot be judged.
    Bad,
}

/// The values of all layers, and what has been found wrong with them.
pub(crate) struct Reader<'a> {
    lines: Lines<'a>,
    root: &'a DeTable<'a>,
    layered: &'a [Layered<'a>],
    tables: &'static [&'static Table],
    cwd: &'a Path,
    syntax_errors: Vec<SyntaxError>,
    problems: Vec<Problem>,
    warnings: Vec<String>,
    /// By path.
    marks: BTreeMap<String, Mark>,
    /// Paths of keys that are missing only because they are misspelt.
    misspelt: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    /// A reader of a text, its tree and its syntax errors, and of what environment and flags set.
    pub(crate) fn new(
        text: &'a str,
        root: &'a DeTable<'a>,
        faults: &[Fault],
        layered: &'a [Layered<'a>],
        tables: &'static [&'static Table],
        cwd: &'a Path,
    ) -> Self {
        let lines = Lines::of(text);
        let syntax_errors = SyntaxError::all(faults, &lines);
        let mut reader = Self {
            lines,
            root,
            layered,
            tables,
            cwd,
            syntax_errors,
            problems: Vec::new(),
            warnings: Vec::new(),
            marks: BTreeMap::new(),
            misspelt: BTreeSet::new(),
        };
        reader.refuse_unknown_tables();
        reader
    }

    /// A table of the file itself; absent ones read as empty.
    pub(crate) fn section(&mut self, name: &'static str) -> Option<&'a DeTable<'a>> {
        let value = self.root.get(name)?;
        self.expect_table(name, value, &header(name))
    }

    /// The same, without a problem if it is something else.
    pub(crate) fn peek(&self, name: &str) -> Option<&'a DeTable<'a>> {
        self.root.get(name)?.get_ref().as_table()
    }

    /// The tables of a list such as `[[route]]` and its place; `None`: the file has none, or something else.
    pub(crate) fn list(&mut self, name: &str) -> Option<(&'a DeArray<'a>, Spot)> {
        let value = self.root.get(name)?;
        self.expect_list(name, value, &header(name))
    }

    /// The list of tables that a value is, or a problem.
    pub(crate) fn expect_list(
        &mut self,
        path: &str,
        value: &'a Spanned<DeValue<'a>>,
        header: &str,
    ) -> Option<(&'a DeArray<'a>, Spot)> {
        let list = value.get_ref().as_array();
        let spot = self.spot(path.to_owned(), value.span(), None);
        if list.is_none() {
            self.refuse_other(path, value, "expected a list of tables", header);
        }
        list.map(|list| (list, spot))
    }

    /// The table that a value is, or a problem; `None` also where an error made it something else.
    pub(crate) fn expect_table(
        &mut self,
        path: &str,
        value: &'a Spanned<DeValue<'a>>,
        header: &str,
    ) -> Option<&'a DeTable<'a>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.refuse_other(path, value, "expected a table", header);
        }
        table
    }

    fn refuse_other(&mut self, path: &str, value: &Spanned<DeValue<'_>>, why: &str, header: &str) {
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
            | DeValue::Datetime(_) => shorten(self.raw(value.span())),
        };
        let spot = self.spot(path.to_owned(), value.span(), Some(found));
        let advice = format!("write: {header}, and its keys in the lines below it");
        self.refuse(&spot, Complaint::advise(why, advice));
    }

    /// What environment and flags set a key to, weakest first.
    pub(crate) fn layered(&self, path: &str) -> Vec<&'a Layered<'a>> {
        self.layered.iter().filter(|layered| layered.path == path).collect()
    }

    fn refuse_unknown_tables(&mut self) {
        let known: Vec<&str> = self.tables.iter().map(|table| table.name).chain(LISTS).collect();
        for (name, _) in self.root.iter().filter(|(name, _)| !known.contains(&&**name.get_ref())) {
            let text: &str = name.get_ref();
            let why = "unknown table or key";
            let complaint = match nearest(text, known.iter().copied()) {
                Some(near) => Complaint::advise(why, format!("write: {}", header(near))),
                None => self.move_or_remove(why, text, "", &known),
            };
            let spot = self.spot(join("", text), name.span(), None);
            self.refuse(&spot, complaint);
        }
    }

    /// One problem for each key of a table that is not declared.
    pub(crate) fn refuse_unknown(&mut self, toml: &DeTable<'_>, known: &[&str], path: &str) {
        for (name, _) in toml.iter().filter(|(name, _)| !known.contains(&&**name.get_ref())) {
            let text: &str = name.get_ref();
            let place = if path.contains('[') { path.to_owned() } else { format!("[{path}]") };
            let why = format!("unknown key in {place}");
            let missing = |near: &&str| !toml.contains_key(*near);
            let table = path.split_once('[').map_or(path, |(table, _)| table);
            let other = renamed(table, text);
            let complaint = match other.or_else(|| nearest(text, known.iter().copied())) {
                Some(near) => {
                    if missing(&near) {
                        self.misspelt.insert(join(path, near));
                    }
                    Complaint::advise(why, format!("did you mean {near}?"))
                }
                None => self.move_or_remove(&why, text, path, known),
            };
            // Without the value: an unknown key may be a misspelt `password`.
            let spot = self.spot(join(path, text), name.span(), None);
            self.refuse(&spot, complaint);
        }
    }

    /// A key that slid below the wrong header is to be moved, any other removed.
    fn move_or_remove(&self, why: &str, name: &str, path: &str, known: &[&str]) -> Complaint {
        let knows = |table: &&&Table| table.keys().any(|key| key.name == name);
        let mut homes = self.tables.iter().filter(knows);
        let home = homes.next().filter(|home| homes.next().is_none() && home.name != path);
        let advice = match home {
            Some(home) => format!("move it below the line [{}]", home.name),
            None => format!("remove it; known here: {}", known.join(", ")),
        };
        Complaint::advise(why, advice)
    }

    /// The place of a stretch of the file.
    pub(crate) fn spot(&self, path: String, span: Range<usize>, written: Option<String>) -> Spot {
        let (line, column) = self.lines.position(span.start);
        let dot = if path.ends_with('"') { path.rfind(".\"") } else { path.rfind('.') };
        let name = path[dot.map_or(0, |dot| dot + 1)..].to_owned();
        Spot { place: Place::File { line, column }, path, name, written }
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

    /// Whether the text is not TOML in this stretch; the error's message names the key.
    pub(crate) fn is_broken_at(&mut self, key: &Key, spot: &Spot, span: &Range<usize>) -> bool {
        let raw = self.lines.slice(span.clone());
        let Some(error) = self.syntax_error_in(span) else { return false };
        self.syntax_errors[error].concerns(key, spot, raw);
        true
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
    pub(crate) fn finish(mut self) -> (Vec<Problem>, Vec<String>) {
        self.problems.extend(self.syntax_errors.into_iter().map(SyntaxError::into_problem));
        (self.problems, self.warnings)
    }
}

/// `[mqtt]`, `[[route]]`
fn header(name: &str) -> String {
    if LISTS.contains(&name) { format!("[[{name}]]") } else { format!("[{name}]") }
}

/// `mqtt` and `url` make `mqtt.url`; a name that TOML would quote is quoted.
pub(crate) fn join(path: &str, name: &str) -> String {
    let name = spell_key(&shorten(name));
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

/// The entries of a table in the order of the file; the parser sorts them by name.
pub(crate) fn in_order<'a>(
    table: &'a DeTable<'a>,
) -> Vec<(&'a Spanned<DeString<'a>>, &'a Spanned<DeValue<'a>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}
