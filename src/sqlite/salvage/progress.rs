//! How far a salvage is, in the database it fills: written in the transaction of the rows, so that both
//! are there or neither.

use rusqlite::{Connection, params};

use super::ranges::Ranges;
use super::writer::Put;

/// One row for the source as a whole (number 0), and one for each piece of work.
pub(in crate::sqlite) const TABLE: &str = "
CREATE TABLE IF NOT EXISTS barograph_salvage (
    source TEXT NOT NULL, number INTEGER NOT NULL, kind TEXT NOT NULL, item TEXT NOT NULL,
    position INTEGER, highest INTEGER, rows INTEGER NOT NULL, renumbered INTEGER NOT NULL,
    refused INTEGER NOT NULL, done INTEGER NOT NULL, lost TEXT NOT NULL,
    PRIMARY KEY (source, number)
) STRICT, WITHOUT ROWID;
";

/// What kind of work an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WorkKind {
    /// The whole source, a file that can be opened again.
    File,
    /// The whole source, an open handle that cannot be opened again.
    Handle,
    /// The rows of a table, by row id.
    Rows,
    /// The rows of a table WITHOUT ROWID.
    Keyed,
    /// What the pages of the file hold besides.
    Pages,
    /// Triggers and views.
    Rest,
}

impl WorkKind {
    const ALL: [Self; 6] =
        [Self::File, Self::Handle, Self::Rows, Self::Keyed, Self::Pages, Self::Rest];

    fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Handle => "handle",
            Self::Rows => "rows",
            Self::Keyed => "keyed",
            Self::Pages => "pages",
            Self::Rest => "rest",
        }
    }

    pub(super) fn is_source(self) -> bool {
        match self {
            Self::File | Self::Handle => true,
            Self::Rows | Self::Keyed | Self::Pages | Self::Rest => false,
        }
    }
}

/// A piece of work.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    pub(super) number: i64,
    pub(super) kind: WorkKind,
    /// The table; for a source, its name.
    pub(super) name: String,
    /// Where to go on: a row id, a count of rows, a place in the file. `None` before the start.
    pub(super) position: Option<i64>,
    /// The highest id that the source ever gave in this table, where it says so.
    pub(super) highest: Option<i64>,
    pub(super) rows: u64,
    pub(super) renumbered: u64,
    /// Rows that the target did not take; of pages, rows that may be of several tables.
    pub(super) refused: u64,
    pub(super) done: bool,
    pub(super) lost: Ranges,
}

impl Item {
    pub(super) fn new(kind: WorkKind, name: &str) -> Self {
        Self {
            number: 0,
            kind,
            name: name.to_owned(),
            position: None,
            highest: None,
            rows: 0,
            renumbered: 0,
            refused: 0,
            done: false,
            lost: Ranges::default(),
        }
    }

    /// Counts what became of a row.
    pub(super) fn count(&mut self, put: &Put) {
        match put {
            Put::Kept => self.rows += 1,
            Put::Renumbered => {
                self.rows += 1;
                self.renumbered += 1;
            }
            Put::Refused => self.refused += 1,
            Put::Present => {}
        }
    }
}

/// The items of a source in their order; none if it is not known.
pub(super) fn load(target: &Connection, source: &str) -> rusqlite::Result<Vec<Item>> {
    let mut statement = target.prepare_cached(
        "SELECT number, kind, item, position, highest, rows, renumbered, refused, done, lost FROM \
         barograph_salvage WHERE source = ?1 ORDER BY number",
    )?;
    let items = statement.query_map(params![source], |row| {
        let word: String = row.get(1)?;
        let kind = WorkKind::ALL.into_iter().find(|kind| kind.word() == word);
        let lost: String = row.get(9)?;
        Ok(kind.map(|kind| Item {
            number: row.get(0).unwrap_or_default(),
            kind,
            name: row.get(2).unwrap_or_default(),
            position: row.get(3).unwrap_or_default(),
            highest: row.get(4).unwrap_or_default(),
            rows: count(row.get(5)),
            renumbered: count(row.get(6)),
            refused: count(row.get(7)),
            done: row.get(8).unwrap_or_default(),
            lost: Ranges::from_json(&lost),
        }))
    })?;
    let items: rusqlite::Result<Vec<Option<Item>>> = items.collect();
    Ok(items?.into_iter().flatten().collect())
}

/// A count; what is none is 0.
fn count(stored: rusqlite::Result<i64>) -> u64 {
    stored.ok().and_then(|number| u64::try_from(number).ok()).unwrap_or(0)
}

pub(super) fn save(target: &Connection, source: &str, item: &Item) -> rusqlite::Result<()> {
    let stored = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let sql = "INSERT OR REPLACE INTO barograph_salvage (source, number, kind, item, position, \
        highest, rows, renumbered, refused, done, lost) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, \
        ?9, ?10, ?11)";
    target.prepare_cached(sql)?.execute(params![
        source,
        item.number,
        item.kind.word(),
        item.name,
        item.position,
        item.highest,
        stored(item.rows),
        stored(item.renumbered),
        stored(item.refused),
        item.done,
        item.lost.to_json(),
    ])?;
    Ok(())
}

/// Sources of this kind that were begun and not finished.
pub(super) fn unfinished(target: &Connection, kind: WorkKind) -> rusqlite::Result<Vec<String>> {
    let mut statement = target.prepare(
        "SELECT source FROM barograph_salvage WHERE number = 0 AND kind = ?1 AND done = 0 ORDER BY \
         source",
    )?;
    statement.query_map(params![kind.word()], |row| row.get(0))?.collect()
}
