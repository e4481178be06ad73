//! `[[route]]`: the messages of one topic filter become the rows of one table.

pub(crate) mod column;
pub(crate) mod columns;
pub(crate) mod derived;
pub(crate) mod derived_values;
pub(crate) mod index;
pub(crate) mod names;
pub(crate) mod route_set;
pub(crate) mod topic;

use std::sync::OnceLock;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::declare::key::{Complaint, Key, NAMES, SUBTABLE, SUBTABLES, TEXT, YEAR, count, time};
use crate::declare::settings;
use crate::declare::text::quote;
use crate::field::{Declared, Field};
use crate::mqtt::qos::Qos;
use crate::page::{Line, Sheet, Shown};
use crate::part::Part;
use crate::read::reader::Reader;
use crate::read::section::Section;
use crate::route::column::Column;
use crate::route::derived::Derived;
use crate::route::index::Index;
use crate::route::names::{IDENTIFIER_LEN_MAX, identifier_fault, identifier_like};
use crate::route::topic::filter_fault;

/// Most routes of a file: each is compared with each.
const ROUTES_MAX: usize = 500;

/// Longest filter that is offered in place of a bad one, in bytes.
const OFFER_LEN_MAX: usize = 200;

settings! {
    /// `[[route]]`: the messages of one topic filter become the rows of one table.
    pub struct Route in "route" concerns Part::Routes;

    /// The MQTT topic filter: `+` stands for one level, `#` (at the end) for all that follow. Filters of two routes may not
    /// overlap: the broker might deliver one message twice.
    topic: String = String::new(),
        TEXT.checked(filter).example(r#""+/+/weatherstation/weathermeters/#""#);

    /// The table. It is created if there is none, with the columns `id` and `created_at` (the time of arrival, UTC) around
    /// yours. Letters, digits and `_`, not beginning with `barograph_` or `sqlite_`.
    table: String = String::new(), TEXT.checked(table_name).example(r#""weather_data""#);

    /// Quality of service of the subscription. At 0 the broker keeps nothing while the recorder is away. At 1 and 2 each
    /// message is stored exactly once.
    qos: Qos = Qos::AtLeastOnce, count(0, 2);

    /// Columns that together never repeat: a row that has them all in common with an earlier one is counted as a duplicate,
    /// and not stored. For sensors that send one reading twice. Empty: none.
    unique: Vec<String> = Vec::new(), NAMES.example(r#"["timestamp"]"#).absent("none");

    /// The columns, in the order of the file: `column = "field"`, or `column = { ... }`. Never empty; names are unique
    /// regardless of case, and never `id` or `created_at`.
    columns: Vec<Column> = Vec::new(), SUBTABLE.example(r#"{ temperature = "temperature" }"#);

    /// Indexes that are created with the table: `name = ["column", ...]`, also of `created_at` and `id`. An empty table
    /// means none.
    indexes: Vec<Index> = Vec::new(), SUBTABLE
        .example(r#"{ idx_weather_created = ["created_at"] }"#)
        .absent("one on created_at");

    /// How long the sensor may be silent while the broker is connected. A longer silence is recorded as a gap, and is an
    /// issue.
    silent_after: Option<Duration> = None, time(100, YEAR).example(r#""5min""#).absent("no limit");

    /// The column (integer or real) with the time of the measurement, in seconds or milliseconds since 1970 UTC. With it
    /// the metrics show how long a reading takes from sensor to disk.
    time_column: Option<String> = None, TEXT.example(r#""timestamp""#);

    /// Values computed from the columns for the page; they are never stored, and their names are unlike the columns',
    /// regardless of case. A reload that changes nothing else applies them without touching the data path.
    derived: Vec<Derived> = Vec::new(), SUBTABLES.example("[[route.derived]]").affects(Part::Derived);
}

fn filter(filter: &str, key: &Key) -> Result<String, Complaint> {
    match filter_fault(filter) {
        None => Ok(filter.to_owned()),
        Some((why, offer)) if offer.len() <= OFFER_LEN_MAX => {
            Err(Complaint::write(why, quote(&offer)))
        }
        Some((why, _)) => Err(Complaint::write(why, key.example())),
    }
}

fn table_name(name: &str, _key: &Key) -> Result<String, Complaint> {
    match identifier_fault(name, IDENTIFIER_LEN_MAX) {
        None => Ok(name.to_owned()),
        Some(why) => Err(Complaint::write(why, quote(&identifier_like(name)))),
    }
}

impl Route {
    /// Its tables, as the file writes them.
    pub(crate) fn sheets(&self) -> Vec<Sheet> {
        let columns = self.columns.iter().map(|column| Line {
            name: column.name.clone(),
            value: Shown::Braces(column.lines()),
            part: Part::Routes,
        });
        let indexes = self.indexes.iter().map(Index::line);
        let mut sheets = vec![
            Sheet::new("[[route]]", self.lines()),
            Sheet::new("[route.columns]", columns.collect()),
            Sheet::new("[route.indexes]", indexes.collect()),
        ];
        sheets.extend(self.derived.iter().map(Derived::sheet));
        sheets
    }

    /// A table is named after the topic, a topic after the table.
    fn check_needed(&self, section: &mut Section<'_, '_>) {
        if section.value("topic").is_none() {
            let like = if self.table.is_empty() { "+" } else { &self.table };
            let example = quote(&format!("{like}/#"));
            section.refuse_lack("topic", Complaint::write("missing", example));
        }
        if section.value("table").is_none() {
            let level =
                self.topic.split('/').find(|level| !level.is_empty() && !"+#".contains(*level));
            let like = identifier_like(level.unwrap_or("messages"));
            section.refuse_lack("table", Complaint::write("missing", quote(&like)));
        }
    }

    fn read(section: &mut Section<'_, '_>) -> Self {
        let mut route = Self::initial();
        route.take(section);
        route.check_needed(section);
        columns::check(section, &route.columns);
        index::check_unique(section, &route);
        index::read(section, &mut route);
        columns::check_time_column(section, &mut route);
        derived_values::read(section, &mut route);
        route
    }
}

/// Indexes are read by [`index::read`], and derived values by [`derived_values::read`]: both look at the columns.
impl Field for Vec<Index> {
    fn take(&mut self, _section: &mut Section<'_, '_>, _keys: &'static [Key]) {}

    fn lines(&self, _keys: &'static [Key]) -> Vec<Line> {
        Vec::new()
    }
}

impl Field for Vec<Derived> {
    fn take(&mut self, _section: &mut Section<'_, '_>, _keys: &'static [Key]) {}

    fn lines(&self, _keys: &'static [Key]) -> Vec<Line> {
        Vec::new()
    }
}

/// The routes of the file; `None` if it has none, and the built-in ones hold.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Vec<Route>> {
    let (list, spot) = reader.list("route")?;
    if list.is_empty() && reader.is_whole() {
        let why = "without a route nothing is recorded";
        let advice = "write a [[route]], or remove this line: then the built-in routes hold";
        reader.refuse(&spot, Complaint::advise(why, advice));
    }
    if list.len() > ROUTES_MAX {
        let why = format!("expected at most {ROUTES_MAX} routes");
        reader.refuse(&spot, Complaint::advise(why, "use wildcards, or a second recorder"));
        return None;
    }
    let mut routes = Vec::with_capacity(list.len());
    for (index, value) in list.iter().enumerate() {
        // One that is no table has been refused; its place keeps the numbers of the others.
        routes.push(read_one(reader, index, value).unwrap_or_else(Route::initial));
    }
    route_set::compare(reader, &routes);
    Some(routes)
}

fn read_one<'a>(
    reader: &mut Reader<'a>,
    index: usize,
    value: &'a Spanned<DeValue<'a>>,
) -> Option<Route> {
    let path = route_path(index);
    let table = reader.expect_table(&path, value, "[[route]]")?;
    let header = reader.spot(path, value.span(), None);
    Some(Route::read(&mut Section::open(reader, Route::TABLE.keys(), Some(table), header)))
}

/// `route[1]` of the first one.
pub(crate) fn route_path(index: usize) -> String {
    format!("route[{}]", index + 1)
}

/// The routes of the shipped file, which hold if the operator's file has none.
pub(crate) fn built_in() -> Vec<Route> {
    static ROUTES: OnceLock<Vec<Route>> = OnceLock::new();
    let read_shipped = || {
        let tree = DeTable::parse(crate::DEFAULT_FILE).expect("the shipped file is TOML");
        let root = tree.get_ref();
        let cwd = std::path::Path::new("");
        let mut reader = Reader::new(crate::DEFAULT_FILE, root, &[], &[], &[], cwd);
        read(&mut reader).expect("the shipped file has routes")
    };
    ROUTES.get_or_init(read_shipped).clone()
}
