//! `payload = "keyvalue"`: names and values, such as `temp=21.5 hum=40` or `temp=1;hum=2`.


use barograph_config::Route;

use super::format::{PayloadDecoder, trimmed};
use super::tree::{Member, Members, Tree};
use super::tree_seed::VALUES_MAX;
use crate::message::account::Reason;
use crate::message::batch::RowRefusal;

pub(super) struct KeyvalueFormat;

/// Between two fields, where the route does not say.
const DELIMITERS: &str = " \t\r\n;&";

impl PayloadDecoder for KeyvalueFormat {
    fn tree<'p>(&self, payload: &'p [u8], route: &Route) -> Result<Tree<'p>, RowRefusal> {
        let delimiters = route.field_delimiter.as_deref().unwrap_or(DELIMITERS).as_bytes();
        let equals = route.value_delimiter.as_bytes();
        let mut members: Vec<Member<'p>> = Vec::new();
        let mut rest = trimmed(payload);
        while !rest.is_empty() {
            let (part, behind) = next_part(rest, delimiters)?;
            rest = behind;
            let part = part.trim_ascii();
            if part.is_empty() {
                continue;
            }
            if members.len() >= VALUES_MAX as usize {
                let detail = format!("the message has more than {VALUES_MAX} values");
                return Err(RowRefusal::new(Reason::TooManyRows, detail));
            }
            members.push(member(part, equals).ok_or_else(|| {
                let delimiter = &route.value_delimiter;
                let shown = Tree::text_or_bytes(part).shown();
                refusal(format!("expected a name, `{delimiter}` and a value, found {shown}"))
            })?);
        }
        if members.is_empty() {
            return Err(refusal("expected names and values, found blanks".to_owned()));
        }
        Ok(Tree::Map(Members::new(members)))
    }
}

fn refusal(what: String) -> RowRefusal {
    RowRefusal::new(Reason::NotKeyvalue, format!("not keyvalue: {what}"))
}

/// Up to the next delimiter outside of quotes, and what is behind that.
fn next_part<'p>(text: &'p [u8], delimiters: &[u8]) -> Result<(&'p [u8], &'p [u8]), RowRefusal> {
    let mut is_quoted = false;
    for (place, byte) in text.iter().enumerate() {
        if *byte == b'"' {
            is_quoted = !is_quoted;
        } else if !is_quoted && delimiters.contains(byte) {
            return Ok((&text[..place], &text[place + 1..]));
        }
    }
    if is_quoted {
        let shown = Tree::text_or_bytes(text).shown();
        return Err(refusal(format!("a quote is not closed in {shown}")));
    }
    Ok((text, &[]))
}

/// An empty value says that there is none.
fn member<'p>(part: &'p [u8], equals: &[u8]) -> Option<Member<'p>> {
    let at = part.windows(equals.len().max(1)).position(|window| window == equals)?;
    let (name, value) = (part[..at].trim_ascii(), part[at + equals.len()..].trim_ascii());
    if name.is_empty() {
        return None;
    }
    let name = String::from_utf8_lossy(name);
    let value = match value {
        [] => Tree::Null,
        [b'"', quoted @ .., b'"'] => Tree::text_or_bytes(quoted),
        _ => Tree::text_or_bytes(value),
    };
    Some((name, value))
}
