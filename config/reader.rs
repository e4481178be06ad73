//! Walks the file's tree and collects what is wrong; [`Section`] reads the keys of one table.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::keys::{Key, ROOT, Table, nearest};
use crate::lines::Lines;
use crate::problems::{Complaint, Place, Problem, Spot};
use crate::recovery::Fault;
use crate::section::Section;
use crate::spoken::Spoken;
use crate::syntax::Slip;
use crate::values::wrong_type;

/// One load in progress: the words of all layers, and what has been found wrong with them.
pub(crate) struct Reader<'a> {
    lines: Lines<'a>,
    root: &'a DeTable<'a>,
    spoken: &'a [Spoken<'a>],
    slips: Vec<Slip>,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    /// A reader of a text, its tree and its slips, and of what environment and flags say.
    pub(crate) fn new(
        text: &'a str,
        root: &'a DeTable<'a>,
        faults: &[Fault],
        spoken: &'a [Spoken<'a>],
    ) -> Self {
        let lines = Lines::of(text);
        let slips = Slip::all(faults, &lines);
        let mut reader =
            Self { lines, root, spoken, slips, problems: Vec::new(), warnings: Vec::new() };
        reader.refuse_unknown(root, &ROOT, "");
        reader
    }

    /// One of the top-level tables; absent ones read as empty.
    pub(crate) fn section(&mut self, table: &'static Table) -> Section<'_, 'a> {
        let found = self.root.get(table.name);
        let toml =
            found.and_then(|value| self.expect_table(ROOT.key(table.name), table.name, value));
        Section::new(self, table, toml, table.name.to_owned())
    }

    /// The tables of a list such as `[[route]]` and its place; `None`: the file has none, or something else.
    pub(crate) fn list(&mut self, name: &str) -> Option<(&'a DeArray<'a>, Spot)> {
        let value = self.root.get(name)?;
        let spot = self.spot(name.to_owned(), value.span(), None);
        let list = value.get_ref().as_array();
        if list.is_none() && !self.slipped(&value.span()) {
            self.refuse(&spot, wrong_type(value.get_ref(), ROOT.key(name)));
        }
        list.map(|list| (list, spot))
    }

    /// What environment and flags say about a key, weakest first.
    pub(crate) fn spoken(&self, section: &str, key: &Key) -> Vec<&'a Spoken<'a>> {
        let spoken = self.spoken;
        spoken.iter().filter(|said| said.section == section && said.key == key.name).collect()
    }

    /// The table behind a value, or a problem; `None` also where a slip made it something else.
    pub(crate) fn expect_table(
        &mut self,
        key: &Key,
        path: &str,
        value: &'a Spanned<DeValue<'a>>,
    ) -> Option<&'a DeTable<'a>> {
        let table = value.get_ref().as_table();
        if table.is_none() && !self.slipped(&value.span()) {
            let spot = self.spot(path.to_owned(), value.span(), None);
            self.refuse(&spot, wrong_type(value.get_ref(), key));
        }
        table
    }

    /// One problem for each key of a table that is not declared.
    pub(crate) fn refuse_unknown(&mut self, toml: &DeTable<'_>, table: &'static Table, path: &str) {
        for (name, _) in toml.iter() {
            let name_text: &str = name.get_ref();
            if table.keys.iter().any(|key| key.name == name_text) {
                continue;
            }
            let complaint = unknown(name_text, table, path);
            // Without the value: an unknown key may be a misspelt `password`.
            let spot = self.spot(join(path, name_text), name.span(), None);
            self.refuse(&spot, complaint);
        }
    }

    /// The place of a stretch of the file.
    pub(crate) fn spot(&self, path: String, span: Range<usize>, written: Option<String>) -> Spot {
        let (line, column) = self.lines.position(span.start);
        let dot = if path.ends_with('"') { path.rfind(".\"") } else { path.rfind('.') };
        let name = path[dot.map_or(0, |dot| dot + 1)..].to_owned();
        Spot { place: Place::File { line, column }, path, name, written }
    }

    /// The text of a stretch of the file.
    pub(crate) fn raw(&self, span: Range<usize>) -> &'a str {
        self.lines.slice(span)
    }

    /// Notes a problem.
    pub(crate) fn refuse(&mut self, spot: &Spot, complaint: Complaint) {
        self.problems.push(spot.problem(complaint));
    }

    /// Notes something that is allowed but hardly meant.
    pub(crate) fn warn(&mut self, spot: &Spot, text: &str) {
        self.warnings.push(format!("{} ({}): {text}", spot.path, spot.place));
    }

    /// Notes a warning about a default, which stands nowhere.
    pub(crate) fn warn_of_default(&mut self, text: String) {
        self.warnings.push(text);
    }

    /// Whether the text is not TOML in this stretch.
    pub(crate) fn slipped(&self, span: &Range<usize>) -> bool {
        self.slip_in(span).is_some()
    }

    /// The same, for a value whose key is known: the slip's message will name it.
    pub(crate) fn slipped_at(&mut self, key: &Key, spot: &Spot, span: &Range<usize>) -> bool {
        let raw = self.lines.slice(span.clone());
        let Some(slip) = self.slip_in(span) else { return false };
        self.slips[slip].concerns(key, spot, raw);
        true
    }

    /// The first slip in a stretch or at its end; slips are in the order of the text.
    fn slip_in(&self, span: &Range<usize>) -> Option<usize> {
        let first = self.slips.partition_point(|slip| slip.at < span.start);
        self.slips.get(first).filter(|slip| slip.at <= span.end).map(|_| first)
    }

    /// Whether the whole text is TOML: only then can something be called missing.
    pub(crate) fn is_whole(&self) -> bool {
        self.slips.is_empty()
    }

    /// All problems, and all warnings.
    pub(crate) fn finish(mut self) -> (Vec<Problem>, Vec<String>) {
        self.problems.extend(self.slips.into_iter().map(Slip::into_problem));
        (self.problems, self.warnings)
    }
}

/// `mqtt` and `url` make `mqtt.url`; a name that TOML would quote is quoted.
pub(crate) fn join(path: &str, name: &str) -> String {
    let name = spell_key(name);
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

/// A key as a message shows it.
fn spell_key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(is_bare) {
        crate::redact::shorten(name)
    } else {
        format!("{:?}", crate::redact::shorten(name))
    }
}

fn unknown(name: &str, table: &Table, path: &str) -> Complaint {
    let is_root = table.name.is_empty();
    let in_list = path.starts_with("route[") || path.starts_with("alert[");
    let why = match (is_root, in_list) {
        (true, _) => "there is no table or key of this name".to_owned(),
        (false, true) => format!("there is no such key in `{path}`"),
        (false, false) => format!("there is no such key in [{path}]"),
    };
    if let Some(near) = nearest(name, table.keys.iter().map(|key| key.name)) {
        let key = table.key(near);
        let advice = if is_root { key.example } else { near };
        return Complaint::advise(why, format!("write: {advice}"));
    }
    if let Some(home) = home_of(name).filter(|home| home.name != table.name) {
        return Complaint::advise(why, format!("move it below the line [{}]", home.name));
    }
    let known: Vec<_> = table.keys.iter().map(|key| key.name).collect();
    Complaint::advise(why, format!("remove it; known here: {}", known.join(", ")))
}

/// The only section that knows this key, for one that slid below the wrong header.
fn home_of(name: &str) -> Option<&'static Table> {
    let knows = |table: &&&Table| table.keys.iter().any(|key| key.name == name);
    let mut homes = crate::keys::SECTIONS.iter().filter(knows);
    homes.next().copied().filter(|_| homes.next().is_none())
}
