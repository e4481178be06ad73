//! How a field becomes the value of a column: times, words of booleans, maps, the mark of the fraction.

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use crate::declare::key::{Complaint, Key};
use crate::declare::nearest::nearest;
use crate::declare::text::quote;
use crate::read::reader::join;
use crate::read::section::Section;
use crate::route::column::{Column, Kind};
use crate::route::source::{fits, spot_of};
use crate::word::Word;

/// What a boolean's words are where the settings name none.
const USUAL_TRUE: [&str; 4] = ["true", "on", "yes", "1"];
const USUAL_FALSE: [&str; 4] = ["false", "off", "no", "0"];

/// The shortest pattern that is offered.
const PATTERN: &str = "%Y-%m-%d %H:%M:%S";

/// Each key belongs to a type, and each value of a map is one of the column's type.
pub(crate) fn check(column: &Column, section: &mut Section<'_, '_>) {
    if section.is_bad("type") {
        return;
    }
    for (key, kinds) in [
        ("format", &[Kind::Time][..]),
        ("zone", &[Kind::Time]),
        ("true", &[Kind::Boolean]),
        ("false", &[Kind::Boolean]),
        ("decimal", &[Kind::Real, Kind::Integer]),
        ("map", &[Kind::Integer, Kind::Real, Kind::Text, Kind::Boolean]),
    ] {
        if let Some(spot) = spot_of(section, key).filter(|_| !kinds.contains(&column.kind)) {
            let words: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
            let why = format!(
                "is for columns of type {}, and this one is {}",
                words.join(", "),
                column.kind.word()
            );
            let advice = format!("write: type = {}, or remove it", quote(words[0]));
            section.reader.refuse(&spot.bare(), Complaint::advise(why, advice));
        }
    }
    check_words(column, section);
    check_map(column, section);
}

/// No word means both.
fn check_words(column: &Column, section: &mut Section<'_, '_>) {
    let lists =
        [("true", &column.true_words, USUAL_FALSE), ("false", &column.false_words, USUAL_TRUE)];
    for (key, words, usual_others) in lists {
        let (other, others) = if key == "true" {
            ("false", &column.false_words)
        } else {
            ("true", &column.true_words)
        };
        for (position, word) in words.iter().enumerate() {
            let is_it = |other: &str| other.eq_ignore_ascii_case(word);
            let why = if words[..position].iter().any(|before| is_it(before)) {
                "the word is in this list already".to_owned()
            } else if others.is_empty() && usual_others.iter().any(|other| is_it(other)) {
                format!("`{word}` means {other} as long as `{other}` is not set")
            } else if key == "false" && others.iter().any(|other| is_it(other)) {
                format!("`{word}` is in the list `{other}`, too")
            } else {
                continue;
            };
            let path = format!("{}[{}]", join(&section.path, key), position + 1);
            if let Some(spot) = section.reader.good(&path) {
                section.reader.refuse(&spot.bare(), Complaint::advise(why, "write another word"));
            }
        }
    }
}

fn check_map(column: &Column, section: &mut Section<'_, '_>) {
    if matches!(column.kind, Kind::Time | Kind::Blob | Kind::Json) {
        return;
    }
    let Some(table) = section.value("map").and_then(|map| map.get_ref().as_table()) else { return };
    let path = join(&section.path, "map");
    for mapping in column.map.iter().filter(|mapping| !fits(&mapping.value, column.kind)) {
        let Some(value) = table.get(mapping.text.as_str()) else { continue };
        let (span, raw) = (value.span(), section.reader.raw(value.span()).to_owned());
        let spot = section.reader.spot(join(&path, &mapping.text), span, Some(raw));
        let (what, example) = match column.kind {
            Kind::Integer => ("a whole number", "0"),
            Kind::Real => ("a number", "0.5"),
            Kind::Boolean => ("true or false", "true"),
            Kind::Text | Kind::Time | Kind::Blob | Kind::Json => ("a text in quotes", "\"...\""),
        };
        let why = format!("expected {what}, the column is {}", column.kind.word());
        section.reader.refuse(&spot, Complaint::write(why, example));
    }
}

/// A pattern of strftime that tells a moment.
pub(crate) fn time_format(format: &str, _key: &Key) -> Result<String, Complaint> {
    if format == "auto" {
        return Ok(format.to_owned());
    }
    let sample = Timestamp::UNIX_EPOCH.to_zoned_datetime(TimeZone::UTC);
    let text = strtime::format(format, &sample);
    let time = text.and_then(|text| strtime::parse(format, text));
    match time.map(|time| time.to_timestamp().is_ok() || time.to_datetime().is_ok()) {
        Ok(true) => Ok(format.to_owned()),
        Ok(false) => {
            let why = "expected a pattern with date and time";
            Err(Complaint::write(why, quote(PATTERN)))
        }
        Err(error) => {
            let why = format!("expected \"auto\" or a strftime pattern ({error})");
            Err(Complaint::write(why, quote(PATTERN)))
        }
    }
}

/// A time zone by its name in the IANA database.
pub(crate) fn zone(name: &str, _key: &Key) -> Result<String, Complaint> {
    let zones = jiff::tz::db();
    if zones.get(name).is_ok() {
        return Ok(name.to_owned());
    }
    let names: Vec<String> = zones.available().map(|name| name.to_string()).collect();
    let is_city = |zone: &&String| {
        zone.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(name))
    };
    let city = names.iter().find(is_city).map(String::as_str);
    let near = city.or_else(|| nearest(name, names.iter().map(String::as_str)));
    let why = "expected a time zone of the IANA database";
    Err(Complaint::write(why, quote(near.unwrap_or("Europe/Berlin"))))
}
