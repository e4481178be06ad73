//! One table of the file and what the stronger layers set its keys to.

use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::declare::key::{Complaint, Key, Wants};
use crate::declare::text::{print_duration, quote};
use crate::declare::values::{self, unexpected};
use crate::read::problems::Spot;
use crate::read::reader::{Mark, Reader, join};
use crate::read::redact::written;

/// Most entries of a list; SQLite takes no index of more than 2000 columns, and a route has no more than 500.
const NAMES_MAX: usize = 500;

/// A table of the file, with the reader that collects its problems.
pub(crate) struct Section<'r, 'a> {
    pub(crate) reader: &'r mut Reader<'a>,
    toml: Option<&'a DeTable<'a>>,
    pub(crate) path: String,
    /// Where a missing key is reported.
    pub(crate) header: Spot,
}

impl<'r, 'a> Section<'r, 'a> {
    /// Opens a table and refuses the keys it does not know.
    pub(crate) fn open(
        reader: &'r mut Reader<'a>,
        known: impl IntoIterator<Item = &'static Key>,
        toml: Option<&'a DeTable<'a>>,
        header: Spot,
    ) -> Self {
        if let Some(toml) = toml {
            let known: Vec<&str> = known.into_iter().map(|key| key.name).collect();
            reader.refuse_unknown(toml, &known, &header.path);
        }
        Self { reader, toml, path: header.path.clone(), header }
    }

    /// A top-level table that has been read, for checks of its values.
    pub(crate) fn reopen(reader: &'r mut Reader<'a>, name: &str, header: Spot) -> Self {
        let toml = reader.peek(name);
        Self { reader, toml, path: name.to_owned(), header }
    }

    /// The file's value of a key, unread.
    pub(crate) fn value(&self, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.toml.and_then(|toml| toml.get(name))
    }

    /// The value of a key in each layer, weakest first; `None`: the file's value is not TOML.
    fn answers<T>(
        &mut self,
        key: &Key,
        parse: impl Fn(&DeValue<'_>, &Key) -> Result<T, Complaint>,
    ) -> Vec<(Spot, Option<Result<T, Complaint>>)> {
        let path = join(&self.path, key.name);
        let mut answers = Vec::new();
        if let Some(value) = self.value(key.name) {
            let raw = self.reader.raw(value.span());
            let written = written(key, value.get_ref(), raw);
            let spot = self.reader.spot(path.clone(), value.span(), Some(written));
            let is_broken = self.reader.is_broken_at(key, &spot, &value.span());
            answers.push((spot, (!is_broken).then(|| parse(value.get_ref(), key))));
        }
        for layered in self.reader.layered(&path) {
            answers.push((layered.spot(key), Some(parse(&layered.value, key))));
        }
        answers
    }

    /// Checks the value of a key in every layer, and gives the strongest.
    pub(crate) fn take<T>(
        &mut self,
        key: &Key,
        parse: impl Fn(&DeValue<'_>, &Key) -> Result<T, Complaint>,
    ) -> Option<T> {
        let mut best = None;
        let mut is_bad = false;
        for (spot, answer) in self.answers(key, parse) {
            is_bad |= !matches!(answer, Some(Ok(_)));
            match answer {
                Some(Ok(value)) => best = Some((value, spot)),
                Some(Err(complaint)) => self.reader.refuse(&spot, complaint),
                None => {}
            }
        }
        let best = best.filter(|_| !is_bad);
        if best.is_none() && !is_bad && key.spec.is_needed {
            let is_word = matches!(key.spec.wants, Wants::Word(_));
            let words =
                if is_word { format!(", expected {}", key.expected()) } else { String::new() };
            self.refuse_lack(key.name, Complaint::write(format!("missing{words}"), key.example()));
            is_bad = true;
        }
        let mark = best.as_ref().map(|(_, spot)| Mark::Good(spot.clone()));
        self.mark(key.name, mark.or(is_bad.then_some(Mark::Bad)));
        best.map(|(value, _)| value)
    }

    /// The strongest value of a key again, read in another way.
    pub(crate) fn again<T>(
        &mut self,
        key: &Key,
        parse: impl Fn(&DeValue<'_>, &Key) -> Result<T, Complaint>,
    ) -> Option<T> {
        self.answers(key, parse).into_iter().filter_map(|(_, answer)| answer?.ok()).next_back()
    }

    /// A path.
    pub(crate) fn path(&mut self, key: &Key) -> Option<PathBuf> {
        self.take(key, values::path)
    }

    /// Remembers what became of a key; `None`: it is not set.
    pub(crate) fn mark(&mut self, name: &str, mark: Option<Mark>) {
        if let Some(mark) = mark {
            self.reader.mark(join(&self.path, name), mark);
        }
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

    /// A list of texts, each with its own place; `None` also if any entry is refused.
    pub(crate) fn names(&mut self, key: &Key) -> Option<Vec<(String, Spot)>> {
        let path = join(&self.path, key.name);
        let from_file = self.value(key.name).map(|value| self.names_in(key, &path, value));
        let mut is_bad = matches!(from_file, Some(None));
        let mut best = from_file.flatten();
        for layered in self.reader.layered(&path) {
            let spot = layered.spot(key);
            best = self.entries(key, &layered.value, &spot, |_, _| spot.clone());
            is_bad |= best.is_none();
        }
        if best.is_none() && !is_bad && key.spec.is_needed {
            self.refuse_lack(key.name, Complaint::write("missing", key.example()));
            is_bad = true;
        }
        if is_bad {
            self.mark(key.name, Some(Mark::Bad));
        }
        best.filter(|_| !is_bad)
    }

    /// The same for one value of the file.
    pub(crate) fn names_in(
        &mut self,
        key: &Key,
        path: &str,
        value: &'a Spanned<DeValue<'a>>,
    ) -> Option<Vec<(String, Spot)>> {
        let raw = self.reader.raw(value.span());
        let written_list = written(key, value.get_ref(), raw);
        let spot = self.reader.spot(path.to_owned(), value.span(), Some(written_list));
        if self.reader.is_broken_at(key, &spot, &value.span()) {
            return None;
        }
        let name = spot.name.clone();
        let names = self.entries(key, value.get_ref(), &spot, |reader, (index, entry)| {
            let written = written(key, entry.get_ref(), reader.raw(entry.span()));
            let path = format!("{path}[{}]", index + 1);
            let spot = reader.spot(path, entry.span(), Some(written));
            Spot { name: name.clone(), ..spot }
        });
        if names.is_some() {
            self.reader.mark(path.to_owned(), Mark::Good(spot));
        }
        names
    }

    fn entries(
        &mut self,
        key: &Key,
        value: &DeValue<'_>,
        spot: &Spot,
        place: impl Fn(&Reader<'_>, (usize, &Spanned<DeValue<'_>>)) -> Spot,
    ) -> Option<Vec<(String, Spot)>> {
        let Some(entries) = value.as_array() else {
            self.reader.refuse(spot, unexpected(value, key));
            return None;
        };
        if entries.len() > NAMES_MAX {
            let why = format!("expected at most {NAMES_MAX} entries");
            self.reader.refuse(spot, Complaint::advise(why, "write fewer, each once"));
            return None;
        }
        let mut names = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let at = place(self.reader, (index, entry));
            let text = entry.get_ref().as_str().map(str::to_owned).ok_or_else(|| {
                let text = entry.get_ref().as_integer().map(|number| quote(number.as_str()));
                let meant = text.map_or_else(|| key.example(), |text| format!("[{text}]"));
                Complaint::write("expected a text in quotes", meant)
            });
            let checked = match key.spec.check {
                Some(check) => text.and_then(|text| check(&text, key)),
                None => text,
            };
            match checked {
                Ok(text) => names.push((text, at)),
                Err(complaint) => self.reader.refuse(&at, complaint),
            }
        }
        (names.len() == entries.len()).then_some(names)
    }

    /// Refuses two durations of this table of which the first is longer than the second.
    pub(crate) fn keep_order(&mut self, low: (&str, Duration), high: (&str, Duration)) {
        if self.is_bad(low.0) || self.is_bad(high.0) || low.1 <= high.1 {
            return;
        }
        let (low_spot, high_spot) = (self.spot(low.0), self.spot(high.0));
        let default = |spot: &Option<Spot>| if spot.is_none() { ", its default" } else { "" };
        let (shortest, longest) = (print_duration(low.1), print_duration(high.1));
        if let (Some(low_spot), Some(_)) = (&low_spot, &high_spot) {
            let why = format!("expected at most {} ({longest})", high.0);
            let advice =
                format!("swap them: {} = \"{longest}\" and {} = \"{shortest}\"", low.0, high.0);
            self.reader.refuse(low_spot, Complaint::advise(why, advice));
        } else if let Some(spot) = &low_spot {
            let why = format!("expected at most {} ({longest}{})", high.0, default(&high_spot));
            self.reader.refuse(spot, Complaint::write(why, format!("\"{longest}\"")));
        } else if let Some(spot) = &high_spot {
            let why = format!("expected at least {} ({shortest}{})", low.0, default(&low_spot));
            self.reader.refuse(spot, Complaint::write(why, format!("\"{shortest}\"")));
        }
    }
}

/// The value of the strongest layer; two of one layer contradict each other, even if they are equal.
pub(crate) fn strongest<T, const N: usize>(
    reader: &mut Reader<'_>,
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
                let later = Spot { written: None, ..later };
                reader.refuse(&later, Complaint::advise(why, "keep only one of them"));
            }
            Some(_) | None => winner = Some((value, spot)),
        }
    }
    winner
}
