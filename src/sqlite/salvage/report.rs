//! What a step and a whole salvage have to tell.

use std::fmt;

use super::progress::{Item, WorkKind};
use super::tables;

/// What a step did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sqlite) enum SalvageStep {
    /// These rows came over; perhaps none, where little can be read. There is more to do.
    Copied(Vec<Copied>),
    /// Nothing is left to do. Said again by every further step.
    Finished(SalvageReport),
}

/// A range of row ids that holds exactly the rows just copied, and no others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sqlite) struct Copied {
    /// The table in the target.
    pub(in crate::sqlite) table: String,
    /// The lowest row id, in the target.
    pub(in crate::sqlite) first: i64,
    /// The highest row id, in the target.
    pub(in crate::sqlite) last: i64,
    /// How many rows.
    pub(in crate::sqlite) rows: u64,
}

/// What became of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sqlite) struct SalvageReport {
    /// Its path, or the name of a handle.
    pub(in crate::sqlite) source: String,
    /// (table, rows copied), in the order of copying.
    pub(in crate::sqlite) rows: Vec<(String, u64)>,
    /// What could not be read.
    pub(in crate::sqlite) lost: Vec<Lost>,
    /// Rows that got another id, since theirs was taken.
    pub(in crate::sqlite) renumbered: u64,
    /// Rows that the new database's constraints do not allow.
    pub(in crate::sqlite) refused: u64,
    /// Rows found on pages that may be of several tables, and copied to none. Ones that were copied
    /// otherwise may be among them.
    pub(in crate::sqlite) unclear: u64,
    /// The schema could not be read: whether there were tables besides the target's is not known.
    pub(in crate::sqlite) tables_unknown: bool,
}

/// Row ids of a table that could not be read, both ends inclusive; `None` is an open end. There need not
/// have been a row for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sqlite) struct Lost {
    /// The table.
    pub(in crate::sqlite) table: String,
    /// The lowest.
    pub(in crate::sqlite) first: Option<i64>,
    /// The highest.
    pub(in crate::sqlite) last: Option<i64>,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = &self.table;
        match (self.first, self.last) {
            (Some(first), Some(last)) if first == last => write!(f, "{table} row {first}"),
            (Some(first), Some(last)) => write!(f, "{table} rows {first} to {last}"),
            (Some(first), None) => write!(f, "{table} rows from {first} on"),
            (None, Some(last)) => write!(f, "{table} rows up to {last}"),
            (None, None) => write!(f, "{table} rows of unknown number"),
        }
    }
}

/// The sentence of the event: what came over, and what did not.
impl fmt::Display for SalvageReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum: u64 = self.rows.iter().map(|(_, rows)| rows).sum();
        let tables: Vec<String> = self
            .rows
            .iter()
            .filter(|(_, rows)| *rows > 0)
            .map(|(table, rows)| format!("{table} {rows}"))
            .collect();
        write!(f, "{sum} rows were copied from {}", self.source)?;
        if !tables.is_empty() {
            write!(f, " ({})", tables.join(", "))?;
        }
        if self.lost.is_empty() {
            f.write_str("; nothing that could be seen is missing")?;
        } else {
            let shown = self.lost.iter().take(LOST_SHOWN_MAX).map(ToString::to_string);
            let shown: Vec<String> = shown.collect();
            write!(f, "; could not be read: {}", shown.join(", "))?;
            if self.lost.len() > LOST_SHOWN_MAX {
                write!(f, " and {} more ranges", self.lost.len() - LOST_SHOWN_MAX)?;
            }
        }
        if self.tables_unknown {
            f.write_str("; whether it had further tables is not known")?;
        }
        for (n, what) in [
            (self.renumbered, "have another id now, since theirs was taken"),
            (self.refused, "are not allowed by the table's constraints"),
            (self.unclear, "may be of several tables, and were copied to none"),
        ] {
            if n > 0 {
                write!(f, "; {n} {what}")?;
            }
        }
        Ok(())
    }
}

/// Ranges that a sentence names.
const LOST_SHOWN_MAX: usize = 20;

impl SalvageReport {
    /// Rows copied into tables of routes and of the operator.
    pub(in crate::sqlite) fn rows_of_operators(&self) -> u64 {
        let of_operators = self.rows.iter().filter(|(table, _)| tables::is_operators(table));
        of_operators.map(|(_, rows)| rows).sum()
    }

    pub(super) fn of(source: &str, items: &[Item]) -> Self {
        let mut report = Self {
            source: source.to_owned(),
            rows: Vec::new(),
            lost: Vec::new(),
            renumbered: 0,
            refused: 0,
            unclear: 0,
            tables_unknown: false,
        };
        for item in items {
            match item.kind {
                WorkKind::Rows | WorkKind::Keyed => {
                    report.rows.push((item.name.clone(), item.rows));
                    report.lost.extend(lost_of(item));
                    report.renumbered += item.renumbered;
                    report.refused += item.refused;
                }
                WorkKind::Pages => report.unclear += item.refused,
                WorkKind::File | WorkKind::Handle => report.tables_unknown = !item.lost.is_empty(),
                WorkKind::Rest => {}
            }
        }
        report
    }
}

/// Without what certainly never was a row: ids that were never given.
fn lost_of(item: &Item) -> impl Iterator<Item = Lost> + '_ {
    let highest = item.highest.unwrap_or(i64::MAX);
    let ranges = item.lost.iter().map(move |(first, last)| (first, last.min(highest)));
    // SQLite gives ids from 1 on. Below, and to be told, is only what lies between rows that were read.
    let given = ranges.filter(|(first, last)| first <= last && (*first > i64::MIN || *last > 0));
    given.map(|(first, last)| Lost {
        table: item.name.clone(),
        first: (first > i64::MIN).then_some(first),
        last: (last < i64::MAX).then_some(last),
    })
}

#[cfg(test)]
mod tests {
    use super::Lost;

    #[test]
    fn a_loss_reads_as_a_sentence_does() {
        let said = |first, last| Lost { table: "weather_data".into(), first, last }.to_string();
        assert_eq!(said(Some(1200), Some(1250)), "weather_data rows 1200 to 1250");
        assert_eq!(said(Some(7), Some(7)), "weather_data row 7");
        assert_eq!(said(Some(7), None), "weather_data rows from 7 on");
        assert_eq!(said(None, Some(7)), "weather_data rows up to 7");
        assert_eq!(said(None, None), "weather_data rows of unknown number");
    }
}
