//! `unique` and `[route.indexes]`: lists of columns.

use crate::declare::key::Complaint;
use crate::declare::nearest::nearest;
use crate::declare::text::list;
use crate::field::Declared;
use crate::page::{Line, Shown};
use crate::part::Part;
use crate::read::problems::Spot;
use crate::read::reader::{Mark, in_order, join};
use crate::read::section::Section;
use crate::route::Route;
use crate::route::column::Column;
use crate::route::columns::column_path;
use crate::route::names::{INDEX_LEN_MAX, OWN_COLUMNS, identifier_fault, identifier_like};

/// Most indexes of a route.
const INDEXES_MAX: usize = 64;

/// An index of a route's table: `[route.indexes]`, name = list of columns (`created_at` and `id` allowed).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its SQL name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<String>,
}

impl Index {
    /// As the file writes it.
    pub(crate) fn line(&self) -> Line {
        let value = Shown::Plain(list(&self.columns));
        Line { name: self.name.clone(), value, part: Part::Routes }
    }
}

/// Checks the natural key; it is marked bad where it is wrong.
pub(crate) fn check_unique(section: &mut Section<'_, '_>, route: &Route) {
    let Some(spot) = section.spot("unique") else { return };
    let key = Route::TABLE.key("unique");
    // A second reading gives each entry its place; the first has reported what is wrong with the list.
    let Some(names) = section.names(key) else { return };
    if !check_names(section, &names, &route.columns, &[]) {
        section.mark("unique", Some(Mark::Bad));
        return;
    }
    section.mark("unique", Some(Mark::Good(spot)));
    for (name, at) in &names {
        let column = route.columns.iter().find(|column| column.name == *name);
        let is_sound = section.reader.good(&column_path(&section.path, name)).is_some();
        if column.is_some_and(|column| is_sound && !column.required) {
            let text = format!(
                "`{name}`: the column is not required, and to SQLite two rows without a value differ: such repeats \
                 are stored again"
            );
            section.reader.warn(at, &text);
        }
    }
}

/// Reads `[route.indexes]`; without it there is one on `created_at`, with an empty one there is none. Each is marked under
/// its path.
pub(crate) fn read(section: &mut Section<'_, '_>, route: &mut Route) {
    let path = join(&section.path, "indexes");
    let Some(value) = section.value("indexes") else {
        let name = format!("idx_{}_created", route.table);
        let at = Spot { path: path.clone(), ..section.header.clone() };
        section.reader.mark(join(&path, &name), Mark::Good(at));
        route.indexes.push(Index { name, columns: vec!["created_at".to_owned()] });
        return;
    };
    let Some(table) = section.reader.expect_table(&path, value, "[route.indexes]") else { return };
    if table.len() > INDEXES_MAX {
        let why = format!("expected at most {INDEXES_MAX} indexes");
        let advice = "keep those that a reader needs: each makes every write slower";
        section.refuse("indexes", Complaint::advise(why, advice));
        return;
    }
    for (name, value) in in_order(table) {
        let index_path = join(&path, name.get_ref());
        let spot = section.reader.spot(index_path.clone(), name.span(), None);
        let name: &str = name.get_ref();
        if let Some(why) = identifier_fault(name, INDEX_LEN_MAX) {
            let advice = format!("write: {} = [...]", identifier_like(name));
            section.reader.refuse(&spot, Complaint::advise(why, advice));
        }
        let key = Route::TABLE.key("unique");
        let Some(names) = section.names_in(key, &index_path, value) else { continue };
        if names.is_empty() && section.reader.is_whole() {
            let complaint = Complaint::write("expected at least one column", r#"["created_at"]"#);
            section.reader.refuse(&spot, complaint);
        }
        if check_names(section, &names, &route.columns, &OWN_COLUMNS) {
            section.reader.mark(index_path, Mark::Good(spot));
            let columns = names.into_iter().map(|(name, _)| name).collect();
            route.indexes.push(Index { name: name.to_owned(), columns });
        }
    }
}

/// Every name is a column of the route or one of `also`, and stands there once.
pub(crate) fn check_names(
    section: &mut Section<'_, '_>,
    names: &[(String, Spot)],
    columns: &[Column],
    also: &[&str],
) -> bool {
    let known = || columns.iter().map(|column| column.name.as_str()).chain(also.iter().copied());
    let mut good = true;
    for (position, (name, spot)) in names.iter().enumerate() {
        let twice = names[..position].iter().any(|(before, _)| before == name);
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
        section.reader.refuse(spot, complaint);
        good = false;
    }
    good
}
