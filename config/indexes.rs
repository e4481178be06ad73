//! `unique` and `[route.indexes]`: lists of columns.

use crate::columns::{ColumnDraft, in_order};
use crate::defaults::created_index;
use crate::keys::{ROUTE, nearest};
use crate::names::{INDEX_LEN_MAX, OWN_COLUMNS, identifier_fault, identifier_like};
use crate::problems::{Complaint, Spot};
use crate::reader::join;
use crate::section::Section;
use crate::settings::Index;

/// Most indexes of a route.
const INDEXES_MAX: usize = 64;

/// Reads `unique`; `None` where it is wrong.
pub(crate) fn read_unique(
    route: &mut Section<'_, '_>,
    columns: &[ColumnDraft],
) -> Option<(Vec<String>, Option<Spot>)> {
    let names = route.names("unique");
    if names.is_bad() {
        return None;
    }
    let Some((names, spot)) = names.good() else { return Some((Vec::new(), None)) };
    if !check_names(route, &names, columns, &[]) {
        return None;
    }
    for (name, at) in &names {
        let column = columns.iter().find(|draft| draft.column.name == *name);
        if column.is_some_and(|draft| draft.is_sound && !draft.column.required) {
            let text = "the column is not required, and to SQLite two rows without a value differ: \
                        such repeats are stored again";
            route.reader.warn(at, &format!("`{name}`: {text}"));
        }
    }
    Some((names.into_iter().map(|(name, _)| name).collect(), Some(spot)))
}

/// Reads `[route.indexes]`; without it there is one on `created_at`, with an empty one there is none.
pub(crate) fn read_indexes(
    route: &mut Section<'_, '_>,
    columns: &[ColumnDraft],
    table: &str,
    header: &Spot,
) -> Vec<(Index, Spot)> {
    let path = join(&route.path, "indexes");
    if route.value("indexes").is_none() {
        return vec![(created_index(table), Spot { path, ..header.clone() })];
    }
    let Some(toml) = route.table("indexes") else { return Vec::new() };
    if toml.len() > INDEXES_MAX {
        let spot = Spot { path, ..header.clone() };
        let why = format!("a route has at most {INDEXES_MAX} indexes");
        let advice = "keep those that a reader asks for: each makes every write slower";
        route.reader.refuse(&spot, Complaint::advise(why, advice));
        return Vec::new();
    }
    let mut indexes: Vec<(Index, Spot)> = Vec::with_capacity(toml.len());
    for (name, value) in in_order(toml) {
        let index_path = join(&path, name.get_ref());
        let spot = route.reader.spot(index_path.clone(), name.span(), None);
        let name: &str = name.get_ref();
        if let Some(why) = identifier_fault(name, INDEX_LEN_MAX) {
            let advice = format!("write: {} = [...]", identifier_like(name));
            route.reader.refuse(&spot, Complaint::advise(why, advice));
        }
        let Some((names, at)) = route.names_in(ROUTE.key("unique"), index_path, value).good()
        else {
            continue;
        };
        if names.is_empty() && route.reader.is_whole() {
            let why = "an index needs a column";
            route.reader.refuse(&at, Complaint::write(why, r#"["created_at"]"#));
        }
        if check_names(route, &names, columns, &OWN_COLUMNS) {
            let columns = names.into_iter().map(|(name, _)| name).collect();
            indexes.push((Index { name: name.to_owned(), columns }, spot));
        }
    }
    indexes
}

/// Every name is a column of the route or one of `also`, and stands there once.
pub(crate) fn check_names(
    route: &mut Section<'_, '_>,
    names: &[(String, Spot)],
    columns: &[ColumnDraft],
    also: &[&str],
) -> bool {
    let known =
        || columns.iter().map(|draft| draft.column.name.as_str()).chain(also.iter().copied());
    let mut good = true;
    for (position, (name, spot)) in names.iter().enumerate() {
        let twice = names[..position].iter().any(|(before, _)| before == name);
        let is_known = known().any(|column| column == name);
        // A slip may have swallowed the column; and without columns the route has been refused already.
        let judgeable = route.reader.is_whole() && !columns.is_empty();
        let complaint = if twice {
            Complaint::advise("the column is in this list already", "name it once")
        } else if !is_known && judgeable {
            let advice = match nearest(name, known()) {
                Some(near) => format!("write: \"{near}\""),
                None => format!("the columns are: {}", known().collect::<Vec<_>>().join(", ")),
            };
            Complaint::advise("this route has no such column", advice)
        } else {
            continue;
        };
        route.reader.refuse(spot, complaint);
        good = false;
    }
    good
}
