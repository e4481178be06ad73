//! Which field a column probably means.

use std::fmt::Write as _;

use super::tree::Tree;

/// Fields of a message that are looked at.
const FIELDS_MAX: usize = 300;

/// Longest pointer that is compared with others, in bytes: the comparison takes time for the product of
/// both lengths.
const POINTER_LEN_MAX: usize = 64;

/// Fields that a sentence names.
const NAMED_MAX: usize = 8;

/// Of a field that the message lacks, the one that is probably meant: the names are alike without case
/// and punctuation (`/ENERGY.Power` and `/ENERGY/Power`), or nearly.
pub(crate) fn nearest_field(tree: &Tree<'_>, pointer: &str) -> Option<String> {
    if pointer.len() > POINTER_LEN_MAX {
        return None;
    }
    let wanted = plain(pointer);
    let rated = fields(tree, FIELDS_MAX).into_iter().filter_map(|field| {
        let distance = distance(&wanted, &plain(&field))?;
        Some((distance, field))
    });
    rated.min_by_key(|(distance, field)| (*distance, field.len())).map(|(_, field)| field)
}

/// Lower for what is nearer; `None` for what is too far away to be meant.
fn distance(wanted: &str, name: &str) -> Option<usize> {
    if wanted == name {
        return Some(0);
    }
    let (short, long) = if wanted.len() < name.len() { (wanted, name) } else { (name, wanted) };
    if short.len() >= 2 && long.ends_with(short) {
        return Some(1);
    }
    let distance = strsim::damerau_levenshtein(wanted, name);
    (distance <= wanted.chars().count() / 3).then_some(1 + distance)
}

fn plain(pointer: &str) -> String {
    let names = pointer.replace("~1", "").replace("~0", "");
    names.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What a message has instead of the fields that were expected.
pub(super) fn what_is_there(tree: &Tree<'_>) -> String {
    let named = fields(tree, NAMED_MAX + 1);
    if named.is_empty() {
        return format!("the message is {}", tree.shown());
    }
    let mut text = format!("the message has {}", named[..named.len().min(NAMED_MAX)].join(", "));
    if named.len() > NAMED_MAX {
        text.push_str(" …");
    }
    text
}

/// Pointers to the first fields that hold a value; of a list, those of its first element.
fn fields(tree: &Tree<'_>, max: usize) -> Vec<String> {
    let mut found = Vec::new();
    collect(tree, &mut String::new(), max, &mut found);
    found
}

fn collect(tree: &Tree<'_>, pointer: &mut String, max: usize, found: &mut Vec<String>) {
    if found.len() >= max || pointer.len() > POINTER_LEN_MAX {
        return;
    }
    let length = pointer.len();
    match tree {
        Tree::Map(members) => {
            for (name, value) in members.by_name() {
                let _ = write!(pointer, "/{}", name.replace('~', "~0").replace('/', "~1"));
                collect(value, pointer, max, found);
                pointer.truncate(length);
            }
        }
        Tree::List(elements) => {
            if let Some(first) = elements.first() {
                pointer.push_str("/0");
                collect(first, pointer, max, found);
                pointer.truncate(length);
            }
        }
        Tree::Null | Tree::Boolean(_) | Tree::Integer(_) | Tree::Unsigned(_) | Tree::Real(_) => {
            found.extend((!pointer.is_empty()).then(|| pointer.clone()));
        }
        Tree::Vast(_) | Tree::Text(_) | Tree::Bytes(_) => {
            found.extend((!pointer.is_empty()).then(|| pointer.clone()));
        }
    }
}
