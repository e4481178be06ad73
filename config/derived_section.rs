//! `[[route.derived]]`: values that follow from columns.

use toml::Spanned;
use toml::de::DeValue;

use crate::columns::ColumnDraft;
use crate::derived::{Derived, DerivedKind};
use crate::indexes::check_names;
use crate::keys::{self, ROUTE};
use crate::names::{IDENTIFIER_LEN_MAX, OWN_COLUMNS, identifier_fault, identifier_like};
use crate::print::quote;
use crate::problems::{Complaint, Spot};
use crate::reader::join;
use crate::section::{Answer, Section};
use crate::settings::Kind;
use crate::values;

/// Most derived values of a route: each is computed for everyone who looks.
const DERIVED_MAX: usize = 100;

/// Heights at which a barometer may stand, in metres above the sea.
const HEIGHTS: std::ops::RangeInclusive<f64> = -500.0..=9000.0;

/// Reads the derived values of a route, without those that have a problem.
pub(crate) fn read(route: &mut Section<'_, '_>, columns: &[ColumnDraft]) -> Vec<Derived> {
    let Some(value) = route.value("derived") else { return Vec::new() };
    let path = join(&route.path, "derived");
    let spot = route.reader.spot(path.clone(), value.span(), None);
    let Some(list) = value.get_ref().as_array() else {
        if !route.reader.slipped(&value.span()) {
            let complaint = values::wrong_type(value.get_ref(), ROUTE.key("derived"));
            route.reader.refuse(&spot, complaint);
        }
        return Vec::new();
    };
    if list.len() > DERIVED_MAX {
        let why = format!("a route has at most {DERIVED_MAX} derived values");
        let advice = "keep those that somebody looks at";
        route.reader.refuse(&spot, Complaint::advise(why, advice));
        return Vec::new();
    }
    let mut names: Vec<(String, Spot)> = Vec::new();
    let mut found = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let path = format!("{path}[{}]", index + 1);
        found.extend(read_one(route, path, value, columns, &mut names));
    }
    found
}

fn read_one<'a>(
    route: &mut Section<'_, 'a>,
    path: String,
    value: &'a Spanned<DeValue<'a>>,
    columns: &[ColumnDraft],
    before: &mut Vec<(String, Spot)>,
) -> Option<Derived> {
    let table = route.reader.expect_table(ROUTE.key("derived"), &path, value)?;
    let header = route.reader.spot(path.clone(), value.span(), None);
    let mut section = route.nested(&keys::DERIVED, table, path);
    let name = read_name(&mut section, &header, columns, before);
    let kind = read_kind(&mut section, &header);
    let of = read_of(&mut section, &header, kind, columns);
    let mut derived = Derived::new("", kind.unwrap_or(DerivedKind::Scale), &[], "");
    derived.unit = section.text("unit").good().map(|(unit, _)| unit);
    let answers = ["per", "factor", "offset"].map(|name| section.take(name, values::real));
    if let Some(kind) = kind {
        check_numbers(&mut section, &header, kind, &answers);
    }
    let [per, factor, offset] = answers;
    per.store(&mut derived.per);
    factor.store(&mut derived.factor);
    offset.store(&mut derived.offset);
    Some(Derived { name: name?, kind: kind?, of: of?, ..derived })
}

fn read_name(
    section: &mut Section<'_, '_>,
    header: &Spot,
    columns: &[ColumnDraft],
    before: &mut Vec<(String, Spot)>,
) -> Option<String> {
    let answer = section.text("name");
    let (name, spot) = section.demand("name", header, answer)?;
    let like = identifier_like(&name);
    let is_it = |other: &str| other.eq_ignore_ascii_case(&name);
    let column = columns.iter().find(|draft| is_it(&draft.column.name));
    let twin = before.iter().find(|(other, _)| is_it(other));
    let fault = if OWN_COLUMNS.contains(&name.to_ascii_lowercase().as_str()) {
        Some("every table has a column of this name".to_owned())
    } else if let Some(why) = identifier_fault(&name, IDENTIFIER_LEN_MAX) {
        let complaint = Complaint::write(why, quote(&like));
        section.reader.refuse(&spot, complaint);
        return None;
    } else if let Some(column) = column {
        Some(format!("the route has a column of this name ({})", column.spot.place))
    } else {
        twin.map(|(_, at)| format!("another derived value has this name ({})", at.place))
    };
    if let Some(why) = fault {
        section.reader.refuse(&spot, Complaint::write(why, quote(&format!("{like}_2"))));
        return None;
    }
    before.push((name.clone(), spot));
    Some(name)
}

fn read_kind(section: &mut Section<'_, '_>, header: &Spot) -> Option<DerivedKind> {
    let answer = section.take("kind", values::word::<DerivedKind>);
    if matches!(answer, Answer::Unset) {
        let words = DerivedKind::ALL.map(|kind| quote(kind.word())).join(", ");
        let why = format!("nothing says how the value follows; there are {words}");
        section.refuse_lack("kind", header, Complaint::write(why, "\"scale\""));
    }
    answer.good().map(|(kind, _)| kind)
}

fn read_of(
    section: &mut Section<'_, '_>,
    header: &Spot,
    kind: Option<DerivedKind>,
    columns: &[ColumnDraft],
) -> Option<Vec<String>> {
    let answer = section.names("of");
    let (names, spot) = section.demand("of", header, answer)?;
    if !check_names(section, &names, columns, &[]) {
        return None;
    }
    let mut is_good = true;
    for (name, at) in &names {
        let column = columns.iter().find(|draft| draft.column.name == *name && draft.is_sound);
        let Some(kind) = column.map(|draft| draft.column.kind).filter(|kind| !is_number(*kind))
        else {
            continue;
        };
        let kind = kind.as_str();
        let why = format!("a value follows from numbers, and this column is of type {kind}");
        section.reader.refuse(at, Complaint::advise(why, "name a column of type integer or real"));
        is_good = false;
    }
    if let Some(kind) = kind.filter(|kind| !kind.columns().contains(&names.len())) {
        if section.reader.is_whole() {
            let (word, wanted) = (kind.word(), kind.wanted());
            let why = format!("{word} follows from {wanted}; {} are named here", names.len());
            let advice = "name as many as it wants, in this order";
            section.reader.refuse(&spot, Complaint::advise(why, advice));
        }
        is_good = false;
    }
    is_good.then(|| names.into_iter().map(|(name, _)| name).collect())
}

fn is_number(kind: Kind) -> bool {
    match kind {
        Kind::Integer | Kind::Real => true,
        Kind::Text | Kind::Boolean | Kind::Json => false,
    }
}

/// Each number means something to its kind, and something possible.
fn check_numbers(
    section: &mut Section<'_, '_>,
    header: &Spot,
    kind: DerivedKind,
    [per, factor, offset]: &[Answer<f64>; 3],
) {
    let word = kind.word();
    let meaning = [(per, kind.has_per()), (factor, kind.has_factor()), (offset, kind.has_offset())];
    for (answer, is_meant) in meaning {
        if let Some(spot) = answer.spot().filter(|_| !is_meant) {
            let why = format!("{} means nothing to {word}", spot.name);
            section.reader.refuse(spot, Complaint::advise(why, "remove it"));
        }
    }
    if let Answer::Good(per, spot) = per
        && kind.has_per()
        && *per <= 0.0
    {
        let why = "so many counts a second are one unit: a number above 0 is wanted";
        section.reader.refuse(spot, Complaint::write(why, "1.5"));
    }
    if let Answer::Good(factor, spot) = factor
        && kind.has_factor()
        && *factor == 0.0
    {
        let why = "times 0 every value would be the same";
        section.reader.refuse(spot, Complaint::advise(why, "write what a value is multiplied by"));
    }
    if kind == DerivedKind::SeaLevelPressure {
        let example = "64";
        match offset {
            Answer::Unset => {
                let why = "the height of the barometer above the sea is wanted, in metres";
                section.refuse_lack("offset", header, Complaint::write(why, example));
            }
            Answer::Good(height, spot) if !HEIGHTS.contains(height) => {
                let why = "this is the height of the barometer in metres above the sea, \
                           from -500 to 9000";
                section.reader.refuse(spot, Complaint::write(why, example));
            }
            Answer::Good(..) | Answer::Bad => {}
        }
    }
}
