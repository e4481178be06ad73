//! One table of the file and what the stronger layers set its keys to.

use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::declare::key::{Complaint, Key, Wants};
use crate::declare::text::{print_duration, quote};
use crate::declare::values::{Scalar, unexpected};
use crate::read::problems::Spot;
use crate::read::reader::{Given, Mark, SettingsReader, join};
use crate::read::redact::written;

/// Most entries of a list; SQLite takes no index of more than 2000 columns, and a route has no more than 500.
const NAMES_MAX: usize = 500;

/// A table of the file, with the reader that collects its problems.
pub(crate) struct Section<'r, 'a> {
    pub(crate) reader: &'r mut SettingsReader<'a>,
    toml: Option<&'a DeTable<'a>>,
    pub(crate) path: String,
    /// Where a missing key is reported.
    pub(crate) header: Spot,
}

/// An entry of a table or list.
pub(crate) struct Entry<'a> {
    /// The key of the table or list.
    pub(crate) key: &'static Key,
    /// Its key; empty in a list.
    pub(crate) name: &'a str,
    /// Its place, without its value.
    pub(crate) spot: Spot,
    pub(crate) value: &'a Spanned<DeValue<'a>>,
}

impl<'r, 'a> Section<'r, 'a> {
    /// The file itself.
    pub(crate) fn root(
        reader: &'r mut SettingsReader<'a>,
        toml: &'a DeTable<'a>,
        known: impl Iterator<Item = &'static Key>,
    ) -> Self {
        let header = reader.spot(String::new(), 0..0, None);
        Self::open(reader, known, Some(toml), header)
    }

    /// Opens a table and refuses the keys it does not know.
    fn open(
        reader: &'r mut SettingsReader<'a>,
        known: impl Iterator<Item = &'static Key>,
        toml: Option<&'a DeTable<'a>>,
        header: Spot,
    ) -> Self {
        if let Some(toml) = toml {
            reader.refuse_unknown(toml, &known.collect::<Vec<_>>(), &header.path);
        }
        Self { reader, toml, path: header.path.clone(), header }
    }

    /// A table below this one; an absent one reads as empty, because the environment may set its keys.
    pub(crate) fn open_section(
        &mut self,
        key: &Key,
        known: impl Iterator<Item = &'static Key>,
    ) -> Section<'_, 'a> {
        let value = self.value(key.name);
        let toml = value.and_then(|value| value.get_ref().as_table());
        if let Some(value) = value.filter(|_| toml.is_none()) {
            self.reader.refuse_other(key.spec.wants, &join(&self.path, key.name), value);
        }
        // What is missing in a section is reported at the beginning of the file.
        let header = self.reader.spot(join(&self.path, key.name), 0..0, None);
        Section::open(self.reader, known, toml, header)
    }

    /// An entry of a list that is a table, or a problem.
    pub(crate) fn open_entry(
        &mut self,
        entry: Entry<'a>,
        known: impl Iterator<Item = &'static Key>,
    ) -> Option<Section<'_, 'a>> {
        let Some(toml) = entry.value.get_ref().as_table() else {
            self.reader.refuse_other(entry.key.spec.wants, &entry.spot.path, entry.value);
            return None;
        };
        Some(Section::open(self.reader, known, Some(toml), entry.spot))
    }

    /// A table of a list that has been read, for checks that look at its neighbours.
    pub(crate) fn reopen_entry(&mut self, name: &str, index: usize) -> Option<Section<'_, 'a>> {
        let value = self.value(name)?.get_ref().as_array()?.get(index)?;
        let toml = Some(value.get_ref().as_table()?);
        let path = format!("{}[{}]", join(&self.path, name), index + 1);
        let header = self.reader.spot(path.clone(), value.span(), None);
        Some(Section { reader: self.reader, toml, path, header })
    }

    /// The entries of a table or list of the operator's, in the order of the file; `None` also if there are too many.
    pub(crate) fn entries(&mut self, key: &'static Key) -> Option<Vec<Entry<'a>>> {
        let value = self.value(key.name)?;
        let path = join(&self.path, key.name);
        let reader = &mut *self.reader;
        let entries: Vec<Entry<'a>> = match (key.spec.wants, value.get_ref()) {
            (Wants::Table, DeValue::Table(table)) => {
                let mut entries: Vec<_> = table.iter().collect();
                // The parser sorts them by name.
                entries.sort_by_key(|(name, _)| name.span().start);
                let entry = |(name, value): (&'a Spanned<_>, _)| {
                    let name_text: &'a str = AsRef::<str>::as_ref(name.get_ref());
                    let spot = reader.spot(join(&path, name_text), name.span(), None);
                    Entry { key, name: name_text, spot, value }
                };
                entries.into_iter().map(entry).collect()
            }
            (Wants::Tables, DeValue::Array(list)) => {
                let entry = |(index, value): (usize, &'a Spanned<_>)| {
                    let spot = reader.spot(format!("{path}[{}]", index + 1), value.span(), None);
                    Entry { key, name: "", spot, value }
                };
                list.iter().enumerate().map(entry).collect()
            }
            _ => {
                reader.refuse_other(key.spec.wants, &path, value);
                reader.mark(path, Mark::Bad);
                return None;
            }
        };
        if let Some((max, advice)) = key.spec.limit.filter(|(max, _)| entries.len() > *max) {
            let spot = reader.spot(path.clone(), value.span(), None);
            let why = format!("expected at most {max} {}", key.spec.unit);
            reader.refuse(&spot, Complaint::advise(why, advice));
            reader.mark(path, Mark::Bad);
            return None;
        }
        Some(entries)
    }

    /// The file's value of a key, unread.
    pub(crate) fn value(&self, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.toml.and_then(|toml| toml.get(name))
    }

    /// The value of a key in each layer, weakest first.
    fn given(&mut self, key: &Key) -> Vec<Given<'a>> {
        let path = join(&self.path, key.name);
        let value = self.value(key.name);
        let in_file = value.map(|value| self.reader.given(key, path.clone(), value));
        in_file.into_iter().chain(self.reader.layered(&path)).collect()
    }

    /// Checks the value of a key in every layer, and gives the strongest.
    pub(crate) fn take<T>(
        &mut self,
        key: &Key,
        parse: impl Fn(&DeValue<'_>, &Key) -> Result<T, Complaint>,
    ) -> Option<T> {
        self.take_given(key, |reader, given| match parse(given.value, key) {
            Ok(value) => Some(value),
            Err(complaint) => {
                reader.refuse(&given.spot, complaint);
                None
            }
        })
    }

    /// The same for a value that `read` refuses itself.
    fn take_given<T>(
        &mut self,
        key: &Key,
        read: impl Fn(&mut SettingsReader<'a>, &Given<'a>) -> Option<T>,
    ) -> Option<T> {
        let mut best = None;
        let mut is_bad = false;
        for given in self.given(key) {
            let value = if given.is_broken { None } else { read(self.reader, &given) };
            is_bad |= value.is_none();
            best = value.map(|value| (value, given.spot)).or(best);
        }
        if best.is_none() && !is_bad && key.spec.is_needed {
            let is_word = matches!(key.spec.wants, Wants::Word(_));
            let words =
                if is_word { format!(", expected {}", key.expected()) } else { String::new() };
            self.refuse_lack(key.name, Complaint::write(format!("missing{words}"), key.example()));
            is_bad = true;
        }
        if is_bad {
            self.mark(key.name, Mark::Bad);
            return None;
        }
        let (value, spot) = best?;
        self.mark(key.name, Mark::Good(spot));
        Some(value)
    }

    /// The strongest value of a key again, read in another way.
    pub(crate) fn again<T>(
        &mut self,
        key: &Key,
        parse: impl Fn(&DeValue<'_>, &Key) -> Result<T, Complaint>,
    ) -> Option<T> {
        let given = self.given(key).into_iter().filter(|given| !given.is_broken);
        given.filter_map(|given| parse(given.value, key).ok()).next_back()
    }

    /// A path.
    pub(crate) fn path(&mut self, key: &Key) -> Option<PathBuf> {
        self.take(key, PathBuf::read)
    }

    /// A list of texts; each is marked under its path. `None` also if any is refused.
    pub(crate) fn names(&mut self, key: &Key) -> Option<Vec<String>> {
        self.take_given(key, |reader, given| names(reader, key, given))
    }

    /// Remembers what became of a key.
    pub(crate) fn mark(&mut self, name: &str, mark: Mark) {
        self.reader.mark(join(&self.path, name), mark);
    }

    /// Where the good value of a key stands.
    pub(crate) fn spot(&self, name: &str) -> Option<Spot> {
        self.reader.good(&join(&self.path, name))
    }

    /// Whether the value of a key was refused.
    pub(crate) fn is_bad(&self, name: &str) -> bool {
        self.reader.is_bad(&join(&self.path, name))
    }

    /// Refuses a key where it is set, or the table that lacks it.
    pub(crate) fn refuse(&mut self, name: &str, complaint: Complaint) {
        let spot = self.spot(name).unwrap_or_else(|| self.header.below(name));
        self.reader.refuse(&spot, complaint);
    }

    /// Refuses the absence of a key; in a text with syntax errors it may be there after all.
    pub(crate) fn refuse_lack(&mut self, name: &str, complaint: Complaint) {
        if self.reader.is_whole() && !self.reader.is_misspelt(&join(&self.path, name)) {
            let spot = self.header.below(name);
            self.reader.refuse(&spot, complaint);
        }
    }

    /// Warns of a key, if it is set.
    pub(crate) fn warn(&mut self, name: &str, text: &str) {
        if let Some(spot) = self.spot(name) {
            self.reader.warn(&spot, text);
        }
    }

    /// Refuses two durations of this table of which the first is longer than the second.
    pub(crate) fn keep_order(&mut self, low: (&str, Duration), high: (&str, Duration)) {
        if self.is_bad(low.0) || self.is_bad(high.0) || low.1 <= high.1 {
            return;
        }
        let (shortest, longest) = (print_duration(low.1), print_duration(high.1));
        let (spot, complaint) = match (self.spot(low.0), self.spot(high.0)) {
            (Some(spot), Some(_)) => {
                let why = format!("expected at most {} ({longest})", high.0);
                let swapped = format!("{} = \"{longest}\" and {} = \"{shortest}\"", low.0, high.0);
                (spot, Complaint::advise(why, format!("swap them: {swapped}")))
            }
            (Some(spot), None) => {
                let why = format!("expected at most {} ({longest}, its default)", high.0);
                (spot, Complaint::write(why, quote(&longest)))
            }
            (None, Some(spot)) => {
                let why = format!("expected at least {} ({shortest}, its default)", low.0);
                (spot, Complaint::write(why, quote(&shortest)))
            }
            (None, None) => return,
        };
        self.reader.refuse(&spot, complaint);
    }
}

/// The texts of a list; each is marked under its path.
pub(crate) fn names<'a>(
    reader: &mut SettingsReader<'a>,
    key: &Key,
    given: &Given<'a>,
) -> Option<Vec<String>> {
    let Some(entries) = given.value.as_array() else {
        reader.refuse(&given.spot, unexpected(given.value, key));
        return None;
    };
    if entries.len() > NAMES_MAX {
        let why = format!("expected at most {NAMES_MAX} entries");
        reader.refuse(&given.spot, Complaint::advise(why, "write fewer, each once"));
        return None;
    }
    let mut names = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let path = format!("{}[{}]", given.spot.path, index + 1);
        let mut spot = given.spot.clone();
        if given.is_in_file {
            let written = written(key, entry.get_ref(), reader.raw(entry.span()));
            spot = reader.spot(path.clone(), entry.span(), Some(written));
            spot.name.clone_from(&given.spot.name);
        }
        match name(entry.get_ref(), key) {
            Ok(text) => {
                reader.mark(path, Mark::Good(spot));
                names.push(text);
            }
            Err(complaint) => reader.refuse(&spot, complaint),
        }
    }
    (names.len() == entries.len()).then_some(names)
}

fn name(entry: &DeValue<'_>, key: &Key) -> Result<String, Complaint> {
    let Some(text) = entry.as_str() else {
        let meant = entry.as_integer().map(|number| format!("[{}]", quote(number.as_str())));
        let meant = meant.unwrap_or_else(|| key.example());
        return Err(Complaint::write("expected a text in quotes", meant));
    };
    key.spec.check.map_or_else(|| Ok(text.to_owned()), |check| check(text, key))
}

/// The value of the strongest layer; two of one layer contradict each other, even if they are equal.
pub(crate) fn strongest<T, const N: usize>(
    reader: &mut SettingsReader<'_>,
    values: [Option<(T, Spot)>; N],
) -> Option<(T, Spot)> {
    let mut winner: Option<(T, Spot)> = None;
    for (value, spot) in values.into_iter().flatten() {
        match &winner {
            Some((_, best)) if best.place.strength() > spot.place.strength() => {}
            Some((_, best)) if best.place.strength() == spot.place.strength() => {
                let (first, second) = (best.clone(), spot);
                let (earlier, later) =
                    if first.place > second.place { (second, first) } else { (first, second) };
                let why = format!("set twice, also by {} ({})", earlier.path, earlier.place);
                reader.refuse(&later.bare(), Complaint::advise(why, "keep only one of them"));
            }
            Some(_) | None => winner = Some((value, spot)),
        }
    }
    winner
}
