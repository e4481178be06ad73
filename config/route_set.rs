//! What no route can get wrong by itself: overlapping filters, and tables or indexes that two routes share.

use crate::columns::ColumnDraft;
use crate::problems::{Complaint, Spot};
use crate::reader::Reader;
use crate::routes::Draft;
use crate::topic::filters_overlap;

/// Compares every route with those before it.
pub(crate) fn compare(reader: &mut Reader<'_>, drafts: &[Draft]) {
    for (position, draft) in drafts.iter().enumerate() {
        let before = &drafts[..position];
        overlaps(reader, before, draft);
        let twin = before.iter().find(|other| shares_table(other, draft));
        if let Some(twin) = twin {
            same_columns(reader, twin, draft);
            same_key(reader, twin, draft);
        }
        index_names(reader, before, draft);
    }
    index_names_of_tables(reader, drafts);
}

fn overlaps(reader: &mut Reader<'_>, before: &[Draft], draft: &Draft) {
    let Some((topic, spot)) = &draft.topic else { return };
    let rival = before.iter().find_map(|other| {
        other.topic.as_ref().filter(|(filter, _)| filters_overlap(filter, topic))
    });
    if let Some((filter, at)) = rival {
        let why = format!(
            "some topics match both this and `{}` ({}): the broker may deliver such a message \
             once for each, and it would be stored twice",
            crate::redact::shorten(filter),
            at.place
        );
        let advice = "make one of the two narrower, or one route of both";
        reader.refuse(spot, Complaint::advise(why, advice));
    }
}

fn shares_table(one: &Draft, other: &Draft) -> bool {
    match (&one.table, &other.table) {
        (Some((one, _)), Some((other, _))) => one.eq_ignore_ascii_case(other),
        (Some(_), None) | (None, Some(_)) | (None, None) => false,
    }
}

/// A column that both routes have is the same in both; one that only one has may be NULL.
fn same_columns(reader: &mut Reader<'_>, twin: &Draft, draft: &Draft) {
    if let (Some((one, at)), Some((other, spot))) = (&twin.table, &draft.table)
        && one != other
    {
        let why = format!("SQLite takes this for the table `{one}` ({})", at.place);
        reader.refuse(spot, Complaint::write(why, format!("\"{one}\"")));
    }
    for column in &draft.columns {
        match find(&twin.columns, &column.column.name) {
            Some(other) => same_column(reader, other, column),
            None => required_alone(reader, column, &column.spot, twin),
        }
    }
    for other in &twin.columns {
        if find(&draft.columns, &other.column.name).is_none() {
            required_alone(reader, other, &draft.header, draft);
        }
    }
}

fn find<'c>(columns: &'c [ColumnDraft], name: &str) -> Option<&'c ColumnDraft> {
    columns.iter().find(|draft| draft.column.name.eq_ignore_ascii_case(name))
}

fn same_column(reader: &mut Reader<'_>, other: &ColumnDraft, draft: &ColumnDraft) {
    let (one, two) = (&other.column, &draft.column);
    let place = &other.spot.place;
    if one.name != two.name {
        let why = format!("the same table's route at {place} spells it `{}`", one.name);
        reader.refuse(&draft.spot, Complaint::advise(why, format!("write: {} = ...", one.name)));
        return;
    }
    if !other.is_sound || !draft.is_sound {
        return;
    }
    if one.kind != two.kind {
        let (one, two) = (one.kind.as_str(), two.kind.as_str());
        let why = format!("the column is {two} here, and {one} at {place}, in the same table");
        let advice = format!("write: type = \"{one}\", or use another table");
        reader.refuse(&draft.spot, Complaint::advise(why, advice));
    }
    if one.required != two.required {
        let (one, two) = (one.required, two.required);
        let why = format!("required is {two} here, and {one} at {place}, in the same table");
        let advice = format!("write: required = {one}, or use another table");
        reader.refuse(&draft.spot, Complaint::advise(why, advice));
    }
}

/// A required column is NOT NULL: a route without it could store nothing.
fn required_alone(reader: &mut Reader<'_>, column: &ColumnDraft, spot: &Spot, without: &Draft) {
    if !column.is_sound || !column.column.required || without.columns.is_empty() {
        return;
    }
    if !reader.is_whole() {
        return;
    }
    let name = &column.column.name;
    let why = format!(
        "`{name}` is required at {}, but {} stores into the same table without it",
        column.spot.place, without.header.path
    );
    let advice = format!("write: {name} = {{ ..., required = false }}, or use another table");
    reader.refuse(spot, Complaint::advise(why, advice));
}

fn same_key(reader: &mut Reader<'_>, twin: &Draft, draft: &Draft) {
    let (Some((one, _)), Some((two, spot))) = (&twin.unique, &draft.unique) else { return };
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        names
    };
    if sorted(one) != sorted(two) {
        let spot = spot.as_ref().unwrap_or(&draft.header);
        let why = format!(
            "{} has the same table and unique = {one:?}; a table has one natural key",
            twin.header.path
        );
        let advice = format!("write: unique = {one:?}, or use another table");
        reader.refuse(spot, Complaint::advise(why, advice));
    }
}

/// Index names are shared by the whole database: the second of a name would silently not be made.
fn index_names(reader: &mut Reader<'_>, before: &[Draft], draft: &Draft) {
    for (position, (index, spot)) in draft.indexes.iter().enumerate() {
        let here = draft.indexes[..position].iter().map(|(other, at)| (other, at, false));
        let there = before.iter().flat_map(|other| {
            let same_table = shares_table(other, draft);
            other.indexes.iter().map(move |(index, at)| (index, at, same_table))
        });
        let twin = here.chain(there).find(|(other, _, same_table)| {
            let same_index = *same_table && other.columns == index.columns;
            other.name.eq_ignore_ascii_case(&index.name) && !same_index
        });
        if let Some((other, at, _)) = twin {
            let why = format!("there is an index `{}` already ({})", other.name, at.place);
            let advice = format!("write: {}_2 = {:?}", index.name, index.columns);
            reader.refuse(spot, Complaint::advise(why, advice));
        }
    }
}

fn index_names_of_tables(reader: &mut Reader<'_>, drafts: &[Draft]) {
    let tables = drafts.iter().filter_map(|draft| draft.table.as_ref());
    for (table, at) in tables {
        for (index, spot) in drafts.iter().flat_map(|draft| &draft.indexes) {
            if index.name.eq_ignore_ascii_case(table) {
                let why = format!("`{table}` is a table already ({})", at.place);
                let advice = format!("write: idx_{} = {:?}", index.name, index.columns);
                reader.refuse(spot, Complaint::advise(why, advice));
            }
        }
    }
}
