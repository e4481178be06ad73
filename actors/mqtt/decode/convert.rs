//! From a value of a message to a value of a column: lenient where nothing has to be guessed.

use std::borrow::Cow;

use barograph_config::{Column, Constant, DecimalMark, Kind};
use bytes::Bytes;

use super::lenient_json::is_no_number;
use super::time;
use super::tree::{NotText, Tree};
use crate::message::batch::Value;

/// Why a column does not take a value.
#[derive(Debug, PartialEq)]
pub(super) enum Unfit {
    /// Another type, than this one that is expected.
    Type(Cow<'static, str>),
    /// More than its type holds.
    Size(&'static str),
    /// Outside of `min` and `max`.
    Bounds { number: f64, side: &'static str, bound: f64 },
    /// A text that is not UTF-8.
    NotUtf8,
}

impl From<NotText> for Unfit {
    fn from(NotText: NotText) -> Self {
        Self::NotUtf8
    }
}

/// `1` and `0`, `true` and `false`, and so on: what a boolean may be, where the column does not say.
const TRUE_WORDS: [&str; 4] = ["true", "on", "yes", "1"];
const FALSE_WORDS: [&str; 4] = ["false", "off", "no", "0"];

const BEYOND_INTEGER: &str = "too large for an integer of 64 bits";
const BEYOND_REAL: &str = "too large for a number of 64 bits";

/// The value that the column stores. Null is a text that means "no number". `tree` is not null itself.
pub(super) fn convert(column: &Column, tree: &Tree<'_>) -> Result<Value, Unfit> {
    if column.map.is_empty() {
        return typed(column, tree).and_then(|value| bounded(column, value));
    }
    let text = tree.plain_text()?;
    let trimmed = text.as_deref().map(str::trim);
    let mapping = column.map.iter().find(|mapping| Some(mapping.text.as_str()) == trimmed);
    match (mapping, tree) {
        (Some(mapping), _) => typed(column, &tree_of(&mapping.value)),
        (None, Tree::Text(_) | Tree::Bytes(_)) => {
            return Err(Unfit::Type("one of the texts of its map".into()));
        }
        (None, _) => typed(column, tree),
    }
    .and_then(|value| bounded(column, value))
}

/// A constant of the settings as if it had been in the message.
pub(super) fn tree_of(constant: &Constant) -> Tree<'_> {
    match constant {
        Constant::Text(text) => Tree::text(text),
        Constant::Integer(number) => Tree::Integer(*number),
        Constant::Real(number) => Tree::Real(*number),
        Constant::Flag(yes) => Tree::Boolean(*yes),
    }
}

fn typed(column: &Column, tree: &Tree<'_>) -> Result<Value, Unfit> {
    match column.kind {
        Kind::Integer => integer(column, tree),
        Kind::Real => real(column, tree),
        Kind::Text => {
            let text = tree.plain_text()?.ok_or(Unfit::Type("a text".into()))?;
            Ok(Value::Text(text.into_owned()))
        }
        Kind::Boolean => boolean(column, tree),
        Kind::Time => time::moment(column, tree).map(Value::Time),
        Kind::Blob => blob(tree),
        Kind::Json => Ok(Value::Text(tree.json()?)),
    }
}

/// A whole number, also one that was written as `5.0`.
fn integer(column: &Column, tree: &Tree<'_>) -> Result<Value, Unfit> {
    let wrong = |hint: &'static str| Unfit::Type(format!("an integer{hint}").into());
    match tree {
        Tree::Integer(number) => Ok(Value::Integer(*number)),
        Tree::Unsigned(_) | Tree::Vast(_) => Err(Unfit::Size(BEYOND_INTEGER)),
        Tree::Real(number) if !number.is_finite() => Ok(Value::Null),
        Tree::Real(number) => whole(*number, || wrong("")).map(Value::Integer),
        Tree::Text(_) | Tree::Bytes(_) => match written_number(column, tree)? {
            WrittenNumber::None => Ok(Value::Null),
            WrittenNumber::Whole(number) => Ok(Value::Integer(number)),
            WrittenNumber::Real(number) => whole(number, || wrong("")).map(Value::Integer),
            WrittenNumber::Vast => Err(Unfit::Size(BEYOND_INTEGER)),
            WrittenNumber::No(hint) => Err(wrong(hint)),
        },
        Tree::Null | Tree::Boolean(_) | Tree::List(_) | Tree::Map(_) => Err(wrong("")),
    }
}

fn real(column: &Column, tree: &Tree<'_>) -> Result<Value, Unfit> {
    let wrong = |hint: &'static str| Unfit::Type(format!("a number{hint}").into());
    #[expect(clippy::cast_precision_loss, reason = "the column is REAL")]
    match tree {
        Tree::Integer(number) => Ok(Value::Real(*number as f64)),
        Tree::Unsigned(number) => Ok(Value::Real(*number as f64)),
        // Some formats have them as numbers.
        Tree::Real(number) if !number.is_finite() => Ok(Value::Null),
        Tree::Real(number) => Ok(Value::Real(*number)),
        Tree::Vast(_) => Err(Unfit::Size(BEYOND_REAL)),
        Tree::Text(_) | Tree::Bytes(_) => match written_number(column, tree)? {
            WrittenNumber::None => Ok(Value::Null),
            WrittenNumber::Whole(number) => Ok(Value::Real(number as f64)),
            WrittenNumber::Real(number) => Ok(Value::Real(number)),
            WrittenNumber::Vast => Err(Unfit::Size(BEYOND_REAL)),
            WrittenNumber::No(hint) => Err(wrong(hint)),
        },
        Tree::Null | Tree::Boolean(_) | Tree::List(_) | Tree::Map(_) => Err(wrong("")),
    }
}

/// What a text says of a number.
enum WrittenNumber {
    /// It means that there is none.
    None,
    Whole(i64),
    Real(f64),
    Vast,
    /// It is no number; what to say about that.
    No(&'static str),
}

fn written_number(column: &Column, tree: &Tree<'_>) -> Result<WrittenNumber, Unfit> {
    let text = tree.plain_text()?.unwrap_or_default();
    let text = text.trim();
    if is_no_number(text) {
        return Ok(WrittenNumber::None);
    }
    if let Ok(number) = text.parse() {
        return Ok(WrittenNumber::Whole(number));
    }
    let with_point = || (!text.contains('.')).then(|| text.replacen(',', ".", 1));
    let number = match column.decimal {
        DecimalMark::Point => parse_number(text),
        DecimalMark::Comma => with_point().and_then(|text| parse_number(&text)),
    };
    Ok(match number {
        Some(number) if number.is_finite() => WrittenNumber::Real(number),
        Some(_) => WrittenNumber::Vast,
        None if column.decimal == DecimalMark::Point
            && with_point().is_some_and(|text| parse_number(&text).is_some()) =>
        {
            WrittenNumber::No(" with a decimal point (decimal = \",\" takes a comma)")
        }
        None => WrittenNumber::No(""),
    })
}

/// Digits with a sign, a point and an exponent, and nothing else (not `inf`, which Rust reads, too).
pub(super) fn parse_number(text: &str) -> Option<f64> {
    let is_of_number = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    if text.bytes().all(is_of_number) { text.parse().ok() } else { None }
}

/// A number that is whole, as an integer.
pub(super) fn whole(number: f64, wrong: impl FnOnce() -> Unfit) -> Result<i64, Unfit> {
    if !number.is_finite() || number.fract() != 0.0 {
        return Err(wrong());
    }
    // -2^63 and 2^63 are exact as f64; below the latter the cast is exact too.
    if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number) {
        return Err(Unfit::Size(BEYOND_INTEGER));
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole and within i64, checked above")]
    Ok(number as i64)
}

fn boolean(column: &Column, tree: &Tree<'_>) -> Result<Value, Unfit> {
    let expected = || {
        let mut words = true_words(column).chain(false_words(column));
        let shown = words.by_ref().take(8).collect::<Vec<_>>().join(", ");
        Unfit::Type(format!("true or false ({shown})").into())
    };
    if let Tree::Boolean(yes) = tree {
        return Ok(Value::Integer(i64::from(*yes)));
    }
    let text = if let Tree::Real(number) = tree {
        // `1.0` is 1.
        whole(*number, expected).map_err(|_| expected())?.to_string().into()
    } else {
        tree.plain_text()?.ok_or_else(expected)?
    };
    let is_meant = |word: &str| word.trim().eq_ignore_ascii_case(text.trim());
    if true_words(column).any(is_meant) {
        Ok(Value::Integer(1))
    } else if false_words(column).any(is_meant) {
        Ok(Value::Integer(0))
    } else {
        Err(expected())
    }
}

fn true_words(column: &Column) -> impl Iterator<Item = &str> {
    words(&column.true_words, &TRUE_WORDS)
}

fn false_words(column: &Column) -> impl Iterator<Item = &str> {
    words(&column.false_words, &FALSE_WORDS)
}

fn words<'c>(
    given: &'c [String],
    default: &'static [&'static str],
) -> impl Iterator<Item = &'c str> {
    let default = if given.is_empty() { default } else { &[] };
    given.iter().map(String::as_str).chain(default.iter().copied())
}

fn blob(tree: &Tree<'_>) -> Result<Value, Unfit> {
    match tree {
        Tree::Text(text) => Ok(Value::Blob(Bytes::copy_from_slice(text.as_bytes()))),
        Tree::Bytes(bytes) => Ok(Value::Blob(Bytes::copy_from_slice(bytes))),
        Tree::Null | Tree::Boolean(_) | Tree::Integer(_) | Tree::Unsigned(_) | Tree::Real(_) => {
            Err(Unfit::Type("bytes (a text in JSON)".into()))
        }
        Tree::Vast(_) | Tree::List(_) | Tree::Map(_) => {
            Err(Unfit::Type("bytes (a text in JSON)".into()))
        }
    }
}

fn bounded(column: &Column, value: Value) -> Result<Value, Unfit> {
    let number = match &value {
        #[expect(
            clippy::cast_precision_loss,
            reason = "bounds are f64; 2^53 is beyond any sensor's bound"
        )]
        Value::Integer(number) => *number as f64,
        Value::Real(number) => *number,
        Value::Null | Value::Text(_) | Value::Blob(_) | Value::Time(_) => return Ok(value),
    };
    let below = column.min.filter(|min| number < *min).map(|min| ("below min", min));
    let above = column.max.filter(|max| number > *max).map(|max| ("above max", max));
    match below.or(above) {
        None => Ok(value),
        Some((side, bound)) => Err(Unfit::Bounds { number, side, bound }),
    }
}
