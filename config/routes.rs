//! `[[route]]`: each is read by itself here; `route_set.rs` compares them.

use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use crate::columns::{self, ColumnDraft};
use crate::derived::Derived;
use crate::derived_section;
use crate::indexes::{read_indexes, read_unique};
use crate::keys::{self, ROOT};
use crate::names::{IDENTIFIER_LEN_MAX, identifier_fault, identifier_like};
use crate::print::quote;
use crate::problems::{Complaint, Spot};
use crate::reader::Reader;
use crate::section::Section;
use crate::settings::{Index, Qos, Route};
use crate::topic::filter_fault;
use crate::values;

/// Most routes of a file: each is compared with each.
const ROUTES_MAX: usize = 500;

/// Longest filter that is offered in place of a bad one, in bytes.
const OFFER_LEN_MAX: usize = 200;

/// A route as far as it could be read; what is wrong is absent, and has been refused.
pub(crate) struct Draft {
    pub(crate) topic: Option<(String, Spot)>,
    pub(crate) table: Option<(String, Spot)>,
    qos: Qos,
    /// The natural key, and where it stands if it was given.
    pub(crate) unique: Option<(Vec<String>, Option<Spot>)>,
    pub(crate) columns: Vec<ColumnDraft>,
    pub(crate) indexes: Vec<(Index, Spot)>,
    silent_after: Option<Duration>,
    time_column: Option<String>,
    derived: Vec<Derived>,
    pub(crate) header: Spot,
}

impl Draft {
    /// The topic filter, if it is a good one.
    pub(crate) fn filter(&self) -> Option<&str> {
        self.topic.as_ref().map(|(filter, _)| filter.as_str())
    }

    /// The route, if nothing is absent.
    pub(crate) fn finish(self) -> Option<Route> {
        Some(Route {
            topic: self.topic?.0,
            table: self.table?.0,
            qos: self.qos,
            unique: self.unique?.0,
            columns: self.columns.into_iter().map(|draft| draft.column).collect(),
            indexes: self.indexes.into_iter().map(|(index, _)| index).collect(),
            silent_after: self.silent_after,
            time_column: self.time_column,
            derived: self.derived,
        })
    }
}

/// The routes of the file; `None` if it has none, and the defaults hold.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Vec<Draft>> {
    let (list, spot) = reader.list("route")?;
    if list.is_empty() && reader.is_whole() {
        let why = "without a route nothing would be recorded";
        let advice = "write a [[route]], or remove this line: then the built-in routes hold";
        reader.refuse(&spot, Complaint::advise(why, advice));
    }
    if list.len() > ROUTES_MAX {
        let why = format!("a file has at most {ROUTES_MAX} routes");
        reader.refuse(&spot, Complaint::advise(why, "use wildcards, or a second recorder"));
        return None;
    }
    let drafts = list.iter().enumerate();
    Some(drafts.filter_map(|(index, route)| read_route(reader, index, route)).collect())
}

fn read_route<'a>(
    reader: &mut Reader<'a>,
    index: usize,
    value: &'a Spanned<DeValue<'a>>,
) -> Option<Draft> {
    let path = format!("route[{}]", index + 1);
    let table = reader.expect_table(ROOT.key("route"), &path, value)?;
    let header = reader.spot(path.clone(), value.span(), None);
    let mut section = Section::new(reader, &keys::ROUTE, Some(table), path);
    let topic = read_topic(&mut section, &header);
    let table = read_table(&mut section, &header);
    let mut qos = Qos::AtLeastOnce;
    section.take("qos", read_qos).store(&mut qos);
    let columns = columns::read(&mut section, &header);
    let unique = read_unique(&mut section, &columns);
    let table_name = table.as_ref().map_or("", |(name, _)| name);
    let indexes = read_indexes(&mut section, &columns, table_name, &header);
    let mut silent_after = None;
    section.take("silent_after", values::duration).map(Some).store(&mut silent_after);
    let time_column = columns::read_time_column(&mut section, &columns);
    let derived = derived_section::read(&mut section, &columns);
    Some(Draft {
        topic,
        table,
        qos,
        unique,
        columns,
        indexes,
        silent_after,
        time_column,
        derived,
        header,
    })
}

fn read_topic(section: &mut Section<'_, '_>, header: &Spot) -> Option<(String, Spot)> {
    let answer = section.take("topic", |value, key| {
        let filter = value.as_str().ok_or_else(|| values::wrong_type(value, key))?;
        match filter_fault(filter) {
            None => Ok(filter.to_owned()),
            Some((why, offer)) if offer.len() <= OFFER_LEN_MAX => {
                Err(Complaint::write(why, quote(&offer)))
            }
            Some((why, _)) => Err(Complaint::write(why, key.example)),
        }
    });
    section.demand("topic", header, answer)
}

fn read_table(section: &mut Section<'_, '_>, header: &Spot) -> Option<(String, Spot)> {
    let answer = section.take("table", |value, key| {
        let name = values::text(value, key)?;
        match identifier_fault(&name, IDENTIFIER_LEN_MAX) {
            None => Ok(name),
            Some(why) => Err(Complaint::write(why, quote(&identifier_like(&name)))),
        }
    });
    section.demand("table", header, answer)
}

fn read_qos(value: &DeValue<'_>, key: &keys::Key) -> Result<Qos, Complaint> {
    let number = values::whole(value, key)?;
    Qos::from_number(number).ok_or_else(|| Complaint::write("0, 1 or 2 is wanted", key.example))
}
