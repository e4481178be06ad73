//! One table of the file and what the stronger layers say about its keys.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::keys::{Key, Table, Wants};
use crate::problems::{Complaint, Spot};
use crate::reader::{Reader, join};
use crate::redact::written;
use crate::values;
use crate::words::Word;

/// Most entries of a list; SQLite takes no index of more than 2000 columns, and a route has no more than 500.
const NAMES_MAX: usize = 500;

/// What the layers say about one key.
#[derive(Debug)]
pub(crate) enum Answer<T> {
    /// Nobody says anything: the default holds.
    Unset,
    /// The strongest layer's value, and where it stands.
    Good(T, Spot),
    /// Some layer's value is wrong, and has been refused: nothing that depends on it can be judged.
    Bad,
}

/// That a value was given, after it was stored in its place.
pub(crate) type Seen = Answer<()>;

impl<T> Answer<T> {
    /// Puts a good value in its place.
    pub(crate) fn store(self, target: &mut T) -> Seen {
        match self {
            Self::Unset => Seen::Unset,
            Self::Good(value, spot) => {
                *target = value;
                Seen::Good((), spot)
            }
            Self::Bad => Seen::Bad,
        }
    }

    /// Changes a good value.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Self::Unset => Answer::Unset,
            Self::Good(value, spot) => Answer::Good(change(value), spot),
            Self::Bad => Answer::Bad,
        }
    }

    /// The good value and its place.
    pub(crate) fn good(self) -> Option<(T, Spot)> {
        match self {
            Self::Good(value, spot) => Some((value, spot)),
            Self::Unset | Self::Bad => None,
        }
    }

    /// Where a good value stands.
    pub(crate) fn spot(&self) -> Option<&Spot> {
        match self {
            Self::Good(_, spot) => Some(spot),
            Self::Unset | Self::Bad => None,
        }
    }

    /// Whether a value was refused.
    pub(crate) fn is_bad(&self) -> bool {
        matches!(self, Self::Bad)
    }
}

/// A table of the file, with the reader that collects its problems.
pub(crate) struct Section<'r, 'a> {
    pub(crate) reader: &'r mut Reader<'a>,
    table: &'static Table,
    toml: Option<&'a DeTable<'a>>,
    pub(crate) path: String,
}

impl<'r, 'a> Section<'r, 'a> {
    /// Opens a table and refuses the keys it does not know.
    pub(crate) fn new(
        reader: &'r mut Reader<'a>,
        table: &'static Table,
        toml: Option<&'a DeTable<'a>>,
        path: String,
    ) -> Self {
        if let Some(toml) = toml {
            reader.refuse_unknown(toml, table, &path);
        }
        Self { reader, table, toml, path }
    }

    /// A table within this one.
    pub(crate) fn nested(
        &mut self,
        table: &'static Table,
        toml: &'a DeTable<'a>,
        path: String,
    ) -> Section<'_, 'a> {
        Section::new(self.reader, table, Some(toml), path)
    }

    /// The file's value of a key, unread.
    pub(crate) fn value(&self, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.toml.and_then(|toml| toml.get(self.table.key(name).name))
    }

    /// The table under a key of this one.
    pub(crate) fn table(&mut self, name: &str) -> Option<&'a DeTable<'a>> {
        let value = self.value(name)?;
        let path = join(&self.path, name);
        self.reader.expect_table(self.table.key(name), &path, value)
    }

    /// The place of the file's value.
    fn spot(&self, key: &Key, value: &DeValue<'_>, span: Range<usize>) -> Spot {
        let raw = self.reader.raw(span.clone());
        self.reader.spot(join(&self.path, key.name), span, written(key, value, raw))
    }

    /// What all layers say about a key: every value is checked, the strongest is taken.
    pub(crate) fn take<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&DeValue<'_>, &Key) -> Result<T, Complaint>,
    ) -> Answer<T> {
        let key = self.table.key(name);
        let mut answer = Answer::Unset;
        let mut refused = false;
        if let Some(value) = self.value(name) {
            let spot = self.spot(key, value.get_ref(), value.span());
            if self.reader.slipped_at(key, &spot, &value.span()) {
                refused = true;
            } else {
                refused |= judge(self.reader, parse(value.get_ref(), key), spot, &mut answer);
            }
        }
        for said in self.reader.spoken(&self.path, key) {
            let spot = said.spot(key, join(&self.path, key.name));
            refused |= judge(self.reader, parse(&said.value, key), spot, &mut answer);
        }
        if refused { Answer::Bad } else { answer }
    }

    /// A text that is not empty.
    pub(crate) fn text(&mut self, name: &str) -> Answer<String> {
        self.take(name, values::text)
    }

    /// A path.
    pub(crate) fn path(&mut self, name: &str) -> Answer<PathBuf> {
        self.take(name, values::path)
    }

    /// A duration, stored where it belongs.
    pub(crate) fn duration(&mut self, name: &str, target: &mut Duration) -> Seen {
        self.take(name, values::duration).store(target)
    }

    /// A size in bytes, stored where it belongs.
    pub(crate) fn size(&mut self, name: &str, target: &mut u64) -> Seen {
        self.take(name, values::size).store(target)
    }

    /// A whole number; the declared limits must make it fit.
    pub(crate) fn number<N: TryFrom<i64>>(&mut self, name: &str) -> Answer<N> {
        self.take(name, |value, key| {
            let number = values::whole(value, key)?;
            Ok(N::try_from(number).ok().expect("the declared limits are those of the type"))
        })
    }

    /// A whole number, stored where it belongs.
    pub(crate) fn whole<N: TryFrom<i64>>(&mut self, name: &str, target: &mut N) -> Seen {
        self.number(name).store(target)
    }

    /// `true` or `false`, stored where it belongs.
    pub(crate) fn flag(&mut self, name: &str, target: &mut bool) -> Seen {
        self.take(name, values::flag).store(target)
    }

    /// One of the words of an enum, stored where it belongs.
    pub(crate) fn word<W: Word>(&mut self, name: &str, target: &mut W) -> Seen {
        self.take(name, values::word).store(target)
    }

    /// The good value of a key that has no default; without it, a whole file has a problem at the table's header.
    pub(crate) fn demand<T>(
        &mut self,
        name: &str,
        header: &Spot,
        answer: Answer<T>,
    ) -> Option<(T, Spot)> {
        if matches!(answer, Answer::Unset) {
            let why = format!("the {} lacks it", self.table.name);
            self.refuse_lack(name, header, Complaint::write(why, self.table.key(name).example));
        }
        answer.good()
    }

    /// Refuses the absence of a key; in a text with slips it may be there after all.
    pub(crate) fn refuse_lack(&mut self, name: &str, header: &Spot, complaint: Complaint) {
        if self.reader.is_whole() {
            let path = join(&header.path, name);
            let spot = Spot { path, name: name.to_owned(), ..header.clone() };
            self.reader.refuse(&spot, complaint);
        }
    }

    /// A list of names, each with its own place; `Bad` if any entry is not a text.
    pub(crate) fn names(&mut self, name: &str) -> Answer<Vec<(String, Spot)>> {
        let key = self.table.key(name);
        let Some(value) = self.value(name) else { return Answer::Unset };
        self.names_in(key, join(&self.path, name), value)
    }

    /// The same for a value whose key is the operator's word.
    pub(crate) fn names_in(
        &mut self,
        key: &Key,
        path: String,
        value: &'a Spanned<DeValue<'a>>,
    ) -> Answer<Vec<(String, Spot)>> {
        let raw = self.reader.raw(value.span());
        let spot = self.reader.spot(path.clone(), value.span(), written(key, value.get_ref(), raw));
        if self.reader.slipped_at(key, &spot, &value.span()) {
            return Answer::Bad;
        }
        let Some(entries) = value.get_ref().as_array() else {
            self.reader.refuse(&spot, values::wrong_type(value.get_ref(), key));
            return Answer::Bad;
        };
        if entries.len() > NAMES_MAX {
            let why = format!("the list has at most {NAMES_MAX} entries");
            self.reader.refuse(&spot, Complaint::advise(why, "write fewer, each once"));
            return Answer::Bad;
        }
        let mut names = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let raw = self.reader.raw(entry.span());
            let written = written(key, entry.get_ref(), raw);
            let mut at = self.reader.spot(format!("{path}[{}]", index + 1), entry.span(), written);
            at.name.clone_from(&spot.name);
            match entry.get_ref().as_str() {
                Some(name) => names.push((name.to_owned(), at)),
                None => {
                    let why = "each entry of the list is a text, in quotes";
                    self.reader.refuse(&at, Complaint::write(why, list_example(key)));
                }
            }
        }
        if names.len() == entries.len() { Answer::Good(names, spot) } else { Answer::Bad }
    }

    /// Two durations of this table of which the first may not be longer than the second.
    pub(crate) fn keep_order(
        &mut self,
        low: (&str, &Seen, Duration),
        high: (&str, &Seen, Duration),
    ) {
        if low.1.is_bad() || high.1.is_bad() || low.2 <= high.2 {
            return;
        }
        let default = |seen: &Seen| if seen.spot().is_none() { ", its default" } else { "" };
        let longest = values::print_duration(high.2);
        let shortest = values::print_duration(low.2);
        let (spot, why, limit) = match (low.1.spot(), high.1.spot()) {
            (Some(spot), _) => {
                let why = format!("longer than {} ({longest}{})", high.0, default(high.1));
                (spot, why, longest)
            }
            (None, Some(spot)) => {
                let why = format!("shorter than {} ({shortest}{})", low.0, default(low.1));
                (spot, why, shortest)
            }
            (None, None) => return,
        };
        self.reader.refuse(spot, Complaint::write(why, format!("\"{limit}\"")));
    }
}

/// A good list; the keys of `[route.indexes]` are the operator's words, and declared together.
fn list_example(key: &Key) -> &'static str {
    if key.wants == Wants::Names { key.example } else { r#"["created_at"]"# }
}

/// Takes a good value over a weaker one, refuses a bad one and says so.
fn judge<T>(
    reader: &mut Reader<'_>,
    verdict: Result<T, Complaint>,
    spot: Spot,
    answer: &mut Answer<T>,
) -> bool {
    match verdict {
        Ok(value) => {
            *answer = Answer::Good(value, spot);
            false
        }
        Err(complaint) => {
            reader.refuse(&spot, complaint);
            true
        }
    }
}
