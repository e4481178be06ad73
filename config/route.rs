//! `[[route]]`: the messages of one topic filter become the rows of one table.

pub(crate) mod column;
pub(crate) mod conversion;
pub(crate) mod cover;
pub(crate) mod derived;
pub(crate) mod filter_trie;
pub(crate) mod index;
pub(crate) mod intake;
pub(crate) mod message_part;
pub(crate) mod names;
pub(crate) mod pattern;
pub(crate) mod route_set;
pub(crate) mod source;
pub(crate) mod topic;
pub(crate) mod value;

use std::time::Duration;

use crate::declare::key::{
    Complaint, FLAG, Key, NAMES, POINTER, SUBTABLE, SUBTABLES, TEXT, YEAR, count, time, word,
};
use crate::declare::settings;
use crate::declare::text::quote;
use crate::field::{Computed, Declared, ListItem, read_declared};
use crate::mqtt::qos::Qos;
use crate::page::{Assignment, ShownValue};
use crate::part::Part;
use crate::read::section::{Entry, Section};
use crate::route::column::Column;
use crate::route::derived::Derived;
use crate::route::index::Index;
use crate::route::message_part::{PayloadFormat, Retained};
use crate::route::names::{IDENTIFIER_LEN_MAX, identifier_fault, identifier_like};
use crate::route::pattern::TopicPattern;
use crate::route::topic::Capture;
use crate::route::value::Condition;
use crate::word::Word;

/// Longest filter that is offered in place of a bad one, in bytes.
const OFFER_LEN_MAX: usize = 200;

settings! {
    /// `[[route]]`: the messages of one topic filter become the rows of one table.
    pub struct Route in "route" concerns Part::Routes, checked Route::check;

    /// Which messages: an MQTT filter, in which `+` stands for one level and `#` (at the end) for all that follow, or
    /// `{name}` and `{*name}` in their place: each is a text column of that name, too. Of several routes that match a topic
    /// the first one takes the message.
    topic: String = String::new(),
        TEXT.checked(topic_pattern).example(r#""+/+/weatherstation/weathermeters/#""#);

    /// The table. It is created if there is none, with the columns `id` and `created_at` (the time of arrival, UTC) around
    /// yours. Letters, digits and `_`, not beginning with `barograph_` or `sqlite_`.
    table: String = String::new(), TEXT.checked(table_name).example(r#""weather_data""#);

    /// Takes the messages and stores nothing; they are counted as filtered. Needs no table and no columns.
    ignore: bool = false, FLAG;

    /// Format of the payload: json, text (all of it is one value: `field = ""`), keyvalue (`temp=21.5 hum=40`), csv, or bytes
    /// (nothing is decoded).
    payload: PayloadFormat = PayloadFormat::Json, word(PayloadFormat::WORDS);

    /// A JSON pointer to an array or object in the message: each element or member becomes a row. "" is the message itself.
    rows: Option<String> = None, POINTER.example(r#""/readings""#).absent("a message is one row");

    /// `json` only: each line of the payload is a JSON value and a row of its own (NDJSON).
    lines: bool = false, FLAG;

    /// `csv` only: the names of the fields, where the payload has no first line with them.
    header: Vec<String> = Vec::new(),
        NAMES.example(r#"["time", "temperature"]"#).absent("the first line of the payload");

    /// `csv` and `keyvalue`: what is between two fields; any of these characters.
    field_delimiter: Option<String> = None,
        TEXT.example(r#"";""#).absent("`,` for csv; blanks, `;` and `&` for keyvalue");

    /// `keyvalue` only: what is between name and value.
    value_delimiter: String = "=".to_owned(), TEXT;

    /// Conditions that a message, or each row of it, must meet, all of them. One that does not goes on to the next route that
    /// matches its topic; if there is none, it is counted as filtered.
    when: Vec<Condition> = Vec::new(), SUBTABLES
        .of("conditions")
        .at_most(20, "use a route for each kind of message")
        .example(r#"[{ field = "/type", equals = "climate" }]"#)
        .absent("none");

    /// "ignore" filters messages that the broker retained from before the subscription.
    retained: Retained = Retained::Record, word(Retained::WORDS);

    /// Columns that tell devices apart.
    key: Vec<String> = Vec::new(), NAMES.example(r#"["device"]"#).absent("the captures of the topic");

    /// The MQTT filter of `topic`: wildcards in place of captures.
    filter: String = String::new();

    /// The captures of `topic`, in its order.
    captures: Computed<Vec<Capture>> = Computed(Vec::new());

    /// Quality of service of the subscription. At 0 the broker keeps nothing while the recorder is away. At 1 and 2 each
    /// message is stored exactly once.
    qos: Qos = Qos::AtLeastOnce, count(0, 2);

    /// Columns that together never repeat: a row that has them all in common with an earlier one is counted as a duplicate,
    /// and not stored. For sensors that send one reading twice. Empty: none.
    unique: Vec<String> = Vec::new(), NAMES.example(r#"["timestamp"]"#).absent("none");

    /// The columns, in the order of the file: `column = "field"`, or `column = { ... }`. Never empty; names are unique
    /// regardless of case, and never `id` or `created_at`.
    columns: Vec<Column> = Vec::new(), SUBTABLE
        .of("columns")
        .at_most(500, "divide the message between two tables, or keep it whole in a json column")
        .example(r#"{ temperature = "temperature" }"#);

    /// Indexes that are created with the table: `name = ["column", ...]`, also of `created_at` and `id`. An empty table
    /// means none.
    indexes: Vec<Index> = Vec::new(), SUBTABLE
        .of("indexes")
        .at_most(64, "keep those that a reader needs: each makes every write slower")
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
    derived: Vec<Derived> = Vec::new(), SUBTABLES
        .of("derived values")
        .at_most(100, "keep those that someone looks at")
        .example("[[route.derived]]")
        .affects(Part::Derived);
}

fn topic_pattern(pattern: &str, key: &Key) -> Result<String, Complaint> {
    match TopicPattern::parse(pattern) {
        Ok(_) => Ok(pattern.to_owned()),
        Err((why, offer)) if offer.len() <= OFFER_LEN_MAX => {
            Err(Complaint::write(why, quote(&offer)))
        }
        Err((why, _)) => Err(Complaint::write(why, key.example())),
    }
}

fn table_name(name: &str, _key: &Key) -> Result<String, Complaint> {
    match identifier_fault(name, IDENTIFIER_LEN_MAX) {
        None => Ok(name.to_owned()),
        Some(why) => Err(Complaint::write(why, quote(&identifier_like(name)))),
    }
}

impl Route {
    /// A route of a topic filter, a table and columns, with all else at its default and without an index.
    pub fn new(topic: &str, table: &str, columns: Vec<Column>) -> Self {
        let route = Self { table: table.to_owned(), columns, ..Self::initial() };
        route.on(topic)
    }

    /// The same route on another topic.
    #[must_use]
    pub fn on(self, topic: &str) -> Self {
        let parsed = TopicPattern::parse(topic).ok();
        let (filter, captures) = parsed.map_or_else(
            || (topic.to_owned(), Vec::new()),
            |TopicPattern { filter, captures }| (filter, captures),
        );
        Self { topic: topic.to_owned(), filter, captures: Computed(captures), ..self }
    }

    /// Its name in log and account: its table's, or its topic where it has none.
    pub fn name(&self) -> &str {
        if self.table.is_empty() { &self.topic } else { &self.table }
    }

    /// A table is named after the topic, a topic after the table.
    fn check_needed(&self, section: &mut Section<'_, '_>) {
        if section.value("topic").is_none() {
            let like = if self.table.is_empty() { "+" } else { &self.table };
            let example = quote(&format!("{like}/#"));
            section.refuse_lack("topic", Complaint::write("missing", example));
        }
        if section.value("table").is_none() && !self.ignore && !section.is_bad("ignore") {
            let level =
                self.filter.split('/').find(|level| !level.is_empty() && !"+#".contains(*level));
            let like = identifier_like(level.unwrap_or("messages"));
            section.refuse_lack("table", Complaint::write("missing", quote(&like)));
        }
    }

    fn check(&mut self, section: &mut Section<'_, '_>) {
        if let Ok(TopicPattern { filter, captures }) = TopicPattern::parse(&self.topic) {
            self.filter = filter;
            self.captures.0 = captures;
        }
        self.check_needed(section);
        if self.ignore {
            intake::check_ignored(section);
            self.captures.0.clear();
            // The broker has no need to keep what is not recorded.
            self.qos = Qos::AtMostOnce;
            return;
        }
        column::check(section, &self.columns);
        intake::check_format(section, self);
        intake::apply_captures(section, self);
        intake::check_sources(section, self);
        intake::check_key(section, self);
        intake::warn_of_paths(section, self);
        index::check_unique(section, self);
        index::check(section, self);
        column::check_time_column(section, self);
        derived::check(section, self);
    }

    /// What has no meaning for its format, or because it stores nothing, is left out.
    fn meant_lines(&self) -> Vec<Assignment> {
        let is_meant = |line: &Assignment| match line.name.as_str() {
            "topic" | "ignore" => true,
            _ if self.ignore => false,
            "lines" => self.payload == PayloadFormat::Json,
            "header" => self.payload == PayloadFormat::Csv,
            "value_delimiter" => self.payload == PayloadFormat::Keyvalue,
            _ => true,
        };
        self.lines().into_iter().filter(is_meant).collect()
    }
}

impl ListItem for Route {
    fn read<'a>(section: &mut Section<'_, 'a>, entry: Entry<'a>, _before: &[Self]) -> Option<Self> {
        Some(read_declared(section, entry))
    }

    fn shown(all: &[Self]) -> Option<ShownValue> {
        Some(ShownValue::List(all.iter().map(Self::meant_lines).collect()))
    }
}

/// `route[1]` of the first one.
pub(crate) fn route_path(index: usize) -> String {
    format!("route[{}]", index + 1)
}
