//! `unique` and `[route.indexes]`: lists of columns.

use crate::declare::key::Complaint;
use crate::declare::nearest::nearest;
use crate::declare::text::list;
use crate::field::{Declared, ListItem};
use crate::page::{Assignment, ShownValue};
use crate::part::Part;
use crate::read::problems::Spot;
use crate::read::reader::{Mark, join};
use crate::read::section::{Entry, Section, names};
use crate::route::Route;
use crate::route::column::Column;
use crate::route::column::column_path;
use crate::route::names::{INDEX_LEN_MAX, OWN_COLUMNS, identifier_fault, identifier_like};

/// An index of a route's table: `[route.indexes]`, name = list of columns (`created_at` and `id` allowed).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its SQL name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<String>,
}

/// Each is marked under its path.
impl ListItem for Index {
    fn read<'a>(section: &mut Section<'_, 'a>, entry: Entry<'a>, _before: &[Self]) -> Option<Self> {
        let Entry { name, spot, value, .. } = entry;
        if let Some(why) = identifier_fault(name, INDEX_LEN_MAX) {
            let advice = format!("write: {} = [...]", identifier_like(name));
            section.reader.refuse(&spot, Complaint::advise(why, advice));
        }
        let key = Route::TABLE.key("unique");
        let given = section.reader.given(key, spot.path.clone(), value);
        let columns = if given.is_broken { None } else { names(section.reader, key, &given) }?;
        if columns.is_empty() && section.reader.is_whole() {
            let complaint = Complaint::write("expected at least one column", r#"["created_at"]"#);
            section.reader.refuse(&spot, complaint);
        }
        section.reader.mark(spot.path.clone(), Mark::Good(spot));
        Some(Self { name: name.to_owned(), columns })
    }

    fn shown(all: &[Self]) -> Option<ShownValue> {
        let lines = all.iter().map(|index| Assignment {
            name: index.name.clone(),
            value: ShownValue::Plain(list(&index.columns)),
            part: Part::Routes,
        });
        Some(ShownValue::Table(lines.collect()))
    }
}

/// Checks the natural key; it is marked bad where it is wrong.
pub(crate) fn check_unique(section: &mut Section<'_, '_>, route: &Route) {
    if section.spot("unique").is_none() {
        return;
    }
    let path = join(&section.path, "unique");
    if !check_names(section, &path, &route.unique, &route.columns, &[]) {
        section.mark("unique", Mark::Bad);
        return;
    }
    for (position, name) in route.unique.iter().enumerate() {
        let column = route.columns.iter().find(|column| column.name == *name);
        let is_sound = section.reader.good(&column_path(&section.path, name)).is_some();
        let may_be_null = |column: &Column| {
            !column.required && column.capture.is_none() && column.value.is_none()
        };
        if column.is_some_and(|column| is_sound && may_be_null(column))
            && let Some(at) = section.reader.good(&entry_path(&path, position))
        {
            let text = format!(
                "`{name}`: the column is not required, and to SQLite two rows without a value differ: such repeats \
                 are stored again"
            );
            section.reader.warn(&at, &text);
        }
    }
}

/// Checks the columns of `[route.indexes]`; without it there is one on `created_at`, with an empty one there is none.
pub(crate) fn check(section: &mut Section<'_, '_>, route: &mut Route) {
    let path = join(&section.path, "indexes");
    if section.value("indexes").is_none() {
        let name = format!("idx_{}_created", route.table);
        let at = Spot { path: path.clone(), ..section.header.clone() };
        section.reader.mark(join(&path, &name), Mark::Good(at));
        route.indexes.push(Index { name, columns: vec!["created_at".to_owned()] });
        return;
    }
    route.indexes.retain(|index| {
        let path = join(&path, &index.name);
        check_names(section, &path, &index.columns, &route.columns, &OWN_COLUMNS)
    });
}

/// The path of an entry of a list.
pub(crate) fn entry_path(list: &str, position: usize) -> String {
    format!("{list}[{}]", position + 1)
}

/// Every name of the list at this path is a column of the route or one of `also`, and stands there once.
pub(crate) fn check_names(
    section: &mut Section<'_, '_>,
    path: &str,
    names: &[String],
    columns: &[Column],
    also: &[&str],
) -> bool {
    let known = || columns.iter().map(|column| column.name.as_str()).chain(also.iter().copied());
    let mut good = true;
    for (position, name) in names.iter().enumerate() {
        let twice = names[..position].contains(name);
        let is_known = known().any(|column| column == name);
        // A error may have swallowed the column; and without columns the route has been refused already.
        let judgeable = section.reader.is_whole() && !columns.is_empty();
        let complaint = if twice {
            Complaint::advise("the column is in this list already", "name it once")
        } else if !is_known && judgeable {
            let advice = match nearest(name, known()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("the columns are: {}", known().collect::<Vec<_>>().join(", ")),
            };
            Complaint::advise("expected a column of the route", advice)
        } else {
            continue;
        };
        if let Some(spot) = section.reader.good(&entry_path(path, position)) {
            section.reader.refuse(&spot, complaint);
        }
        good = false;
    }
    good
}
