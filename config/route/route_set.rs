//! What no route can get wrong by itself: topics that an earlier route takes, and tables or indexes that two routes share.

use std::collections::HashMap;

use crate::declare::key::Complaint;
use crate::read::problems::Spot;
use crate::read::reader::{SettingsReader, join};
use crate::read::redact::shorten;
use crate::route::column::Column;
use crate::route::column::column_path;
use crate::route::filter_trie::{FilterTrie, canonical};
use crate::route::index::Index;
use crate::route::{Route, route_path};

/// A route and where it stands.
#[derive(Clone, Copy)]
struct Numbered<'r> {
    route: &'r Route,
    index: usize,
}

impl Numbered<'_> {
    fn path(&self, name: &str) -> String {
        join(&route_path(self.index), name)
    }

    /// Its table as SQLite compares names.
    fn table(&self) -> String {
        self.route.table.to_ascii_lowercase()
    }

    /// The place of a good value.
    fn spot(&self, reader: &SettingsReader<'_>, name: &str) -> Option<Spot> {
        reader.good(&self.path(name))
    }

    /// The place of a column whose type and `required` are known.
    fn column_spot(&self, reader: &SettingsReader<'_>, column: &str) -> Option<Spot> {
        reader.good(&column_path(&route_path(self.index), column))
    }

    fn index_spot(&self, reader: &SettingsReader<'_>, index: &str) -> Option<Spot> {
        reader.good(&join(&self.path("indexes"), index))
    }

    /// A problem at a key, or at the route's table where the key is not set.
    fn refuse(&self, reader: &mut SettingsReader<'_>, name: &str, complaint: Complaint) {
        let spot = self.spot(reader, name).or_else(|| {
            let header = self.spot(reader, "table")?;
            Some(Spot { path: self.path(name), name: name.to_owned(), written: None, ..header })
        });
        if let Some(spot) = spot {
            reader.refuse(&spot, complaint);
        }
    }
}

/// Compares every route with those before it.
pub(crate) fn compare(reader: &mut SettingsReader<'_>, routes: &[Route]) {
    let all: Vec<Numbered<'_>> =
        routes.iter().enumerate().map(|(index, route)| Numbered { route, index }).collect();
    warn_of_unreachable(reader, &all);
    let mut tables: HashMap<String, Numbered<'_>> = HashMap::new();
    let mut indexes: IndexesByName<'_> = HashMap::new();
    for this in &all {
        if this.spot(reader, "table").is_some() {
            let twin = *tables.entry(this.table()).or_insert(*this);
            if twin.index != this.index {
                same_spelling(reader, twin, *this);
                same_columns(reader, twin, *this);
                same_key(reader, twin, *this);
            }
        }
        index_names(reader, &mut indexes, *this);
    }
    index_names_of_tables(reader, &tables, &all);
}

/// Warns of a route whose topics are all taken by one before it.
fn warn_of_unreachable(reader: &mut SettingsReader<'_>, all: &[Numbered<'_>]) {
    let mut before = FilterTrie::default();
    for (number, this) in (0..).zip(all) {
        let Some(spot) = this.spot(reader, "topic") else { continue };
        let filter = canonical(&this.route.filter);
        let earlier = before.first_containing(filter).and_then(|number| all.get(number as usize));
        if let Some(earlier) = earlier
            && let Some(at) = earlier.spot(reader, "topic")
        {
            let text = format!(
                "no message reaches this route: `{}` ({}) takes all of its topics first; move this route above it",
                shorten(&earlier.route.topic),
                at.place
            );
            reader.warn(&spot, &text);
        } else if this.route.when.is_empty() {
            before.insert(filter, number);
        }
    }
}

fn same_spelling(reader: &mut SettingsReader<'_>, twin: Numbered<'_>, this: Numbered<'_>) {
    let (one, other) = (&twin.route.table, &this.route.table);
    if one != other
        && let Some(at) = twin.spot(reader, "table")
    {
        let why = format!("SQLite takes this for the table `{one}` ({})", at.place);
        this.refuse(reader, "table", Complaint::write(why, format!("\"{one}\"")));
    }
}

/// A column that both routes have is the same in both; one that only one has may be NULL.
fn same_columns(reader: &mut SettingsReader<'_>, twin: Numbered<'_>, this: Numbered<'_>) {
    for column in &this.route.columns {
        let Some(spot) = this.column_spot(reader, &column.name) else { continue };
        match find(twin.route, &column.name) {
            Some(other) => same_column(reader, twin, other, column, &spot),
            None => required_alone(reader, column, &spot, &spot, twin),
        }
    }
    for other in &twin.route.columns {
        if find(this.route, &other.name).is_none()
            && let Some(at) = twin.column_spot(reader, &other.name)
            && let Some(table) = this.spot(reader, "table")
        {
            required_alone(reader, other, &at, &table, this);
        }
    }
}

fn find<'r>(route: &'r Route, name: &str) -> Option<&'r Column> {
    route.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
}

fn same_column(
    reader: &mut SettingsReader<'_>,
    twin: Numbered<'_>,
    one: &Column,
    two: &Column,
    spot: &Spot,
) {
    let Some(at) = twin.column_spot(reader, &one.name).map(|spot| spot.place) else { return };
    if one.name != two.name {
        let why = format!("another route of the same table spells it `{}` ({at})", one.name);
        reader.refuse(spot, Complaint::advise(why, format!("write: {} = ...", one.name)));
        return;
    }
    let kinds = (one.kind.as_str(), two.kind.as_str());
    let required = (one.required.to_string(), two.required.to_string());
    let mut refuse = |what: &str, one: &str, two: &str, like: &str| {
        if one != two {
            let why = format!(
                "{what} is {two} here, and {one} in another route of the same table ({at})"
            );
            let advice = format!("write: {what} = {like}, or use another table");
            reader.refuse(spot, Complaint::advise(why, advice));
        }
    };
    refuse("type", kinds.0, kinds.1, &format!("\"{}\"", kinds.0));
    refuse("required", &required.0, &required.1, &required.0);
}

/// A required column is NOT NULL: a route without it could store nothing.
fn required_alone(
    reader: &mut SettingsReader<'_>,
    column: &Column,
    at: &Spot,
    spot: &Spot,
    without: Numbered<'_>,
) {
    if !column.required || without.route.columns.is_empty() || !reader.is_whole() {
        return;
    }
    let name = &column.name;
    let path = route_path(without.index);
    let why = format!(
        "`{name}` is required ({}), but {path} stores into the same table without it",
        at.place
    );
    let advice = format!("write: {name} = {{ ..., required = false }}, or use another table");
    reader.refuse(&spot.bare(), Complaint::advise(why, advice));
}

fn same_key(reader: &mut SettingsReader<'_>, twin: Numbered<'_>, this: Numbered<'_>) {
    if reader.is_bad(&twin.path("unique")) || reader.is_bad(&this.path("unique")) {
        return;
    }
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        names
    };
    let one = &twin.route.unique;
    if sorted(one) != sorted(&this.route.unique) {
        let path = route_path(twin.index);
        let why =
            format!("{path} has the same table and unique = {one:?}; a table has one natural key");
        let advice = format!("write: unique = {one:?}, or use another table");
        this.refuse(reader, "unique", Complaint::advise(why, advice));
    }
}

/// Indexes that differ in more than their name, by their name as SQLite compares it; each with the first route that has it.
type IndexesByName<'r> = HashMap<String, Vec<(Numbered<'r>, &'r Index)>>;

/// Index names are shared by the whole database: the second of a name would silently not be created.
fn index_names<'r>(
    reader: &mut SettingsReader<'_>,
    known: &mut IndexesByName<'r>,
    this: Numbered<'r>,
) {
    for index in &this.route.indexes {
        let same_name = known.entry(index.name.to_ascii_lowercase()).or_default();
        let is_it = |(owner, other): &(Numbered<'r>, &Index)| {
            let is_shared = owner.index != this.index && owner.table() == this.table();
            is_shared && other.columns == index.columns
        };
        if same_name.iter().any(is_it) {
            continue;
        }
        if let Some((owner, other)) = same_name.first() {
            let at = owner.index_spot(reader, &other.name);
            let spot = this.index_spot(reader, &index.name);
            if let (Some(at), Some(spot)) = (at, spot) {
                let why = format!("another index has the name `{}` ({})", other.name, at.place);
                let advice = format!("write: {}_2 = {:?}", index.name, index.columns);
                reader.refuse(&spot, Complaint::advise(why, advice));
            }
        }
        same_name.push((this, index));
    }
}

fn index_names_of_tables(
    reader: &mut SettingsReader<'_>,
    tables: &HashMap<String, Numbered<'_>>,
    all: &[Numbered<'_>],
) {
    for this in all {
        for index in &this.route.indexes {
            let Some(owner) = tables.get(&index.name.to_ascii_lowercase()) else { continue };
            let at = owner.spot(reader, "table");
            let spot = this.index_spot(reader, &index.name);
            if let (Some(at), Some(spot)) = (at, spot) {
                let table = &owner.route.table;
                let why = format!("a table has the name `{table}` ({})", at.place);
                let advice = format!("write: idx_{} = {:?}", index.name, index.columns);
                reader.refuse(&spot, Complaint::advise(why, advice));
            }
        }
    }
}
