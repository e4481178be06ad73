//! `payload = "json"`: strictly first, so that well-formed messages pay nothing for the others.

use barograph_config::Route;
use serde::de::DeserializeSeed;

use super::format::{PayloadDecoder, trimmed};
use super::lenient_json::{self, JsonFault};
use super::tree::Tree;
use super::tree_seed::{TreeSeed, VALUES_MAX, ValuesLeft};
use crate::message::account::Reason;
use crate::message::batch::RowRefusal;

pub(super) struct JsonFormat;

impl PayloadDecoder for JsonFormat {
    fn tree<'p>(&self, payload: &'p [u8], route: &Route) -> Result<Tree<'p>, RowRefusal> {
        let left = ValuesLeft::new();
        if route.lines {
            return lines(trimmed(payload), &left);
        }
        strict(payload, &left).map_or_else(|| lenient(trimmed(payload), payload), Ok)
    }

    fn is_list_of_rows(&self, route: &Route) -> bool {
        route.lines
    }
}

/// One value; `None` where it is not JSON to the letter.
pub(super) fn strict<'p>(payload: &'p [u8], left: &ValuesLeft) -> Option<Tree<'p>> {
    let mut deserializer = serde_json::Deserializer::from_str(std::str::from_utf8(payload).ok()?);
    let tree = TreeSeed { left }.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(tree)
}

/// One value, as devices write it; `whole` is the payload, for the reason of a refusal.
fn lenient<'p>(json: &'p [u8], whole: &[u8]) -> Result<Tree<'p>, RowRefusal> {
    let left = ValuesLeft::new();
    lenient_json::parse(json, &left).map_err(|fault| refusal(fault, &left, whole))
}

/// Each line is a value; blank lines are none.
fn lines<'p>(payload: &'p [u8], left: &ValuesLeft) -> Result<Tree<'p>, RowRefusal> {
    let mut rows = Vec::new();
    for (number, line) in payload.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let tree = strict(line, left).map_or_else(|| lenient(line, line), Ok);
        rows.push(tree.map_err(|refusal| {
            let detail = format!("line {}: {}", number + 1, refusal.detail);
            RowRefusal { detail, ..refusal }
        })?);
        if left.is_used_up() {
            return Err(too_many_values());
        }
    }
    Ok(Tree::List(rows))
}

fn refusal(fault: JsonFault, left: &ValuesLeft, whole: &[u8]) -> RowRefusal {
    match std::str::from_utf8(whole) {
        _ if left.is_used_up() => too_many_values(),
        Ok(_) => RowRefusal::new(Reason::NotJson, format!("not JSON: {fault}")),
        Err(error) => {
            let detail = format!("not UTF-8 from byte {}", error.valid_up_to());
            RowRefusal::new(Reason::NotUtf8, detail)
        }
    }
}

fn too_many_values() -> RowRefusal {
    let detail = format!("the message has more than {VALUES_MAX} values");
    RowRefusal::new(Reason::TooManyRows, detail)
}
