//! `when`: which messages, or rows of them, a route wants.

use barograph_config::{Condition, Constant, Route};

use super::tree::Tree;

/// Whether a message, or a row of it, meets all conditions of its route.
pub(super) fn are_met(route: &Route, tree: &Tree<'_>) -> bool {
    route.when.iter().all(|condition| is_met(condition, tree))
}

fn is_met(condition: &Condition, tree: &Tree<'_>) -> bool {
    let found = tree.at(&condition.pointer).filter(|found| **found != Tree::Null);
    if let Some(exists) = condition.exists {
        return found.is_some() == exists;
    }
    let listed = condition.one_of.iter().flat_map(|list| &list.0);
    let mut wanted = condition.equals.iter().chain(listed);
    found.is_some_and(|found| wanted.any(|wanted| equals(found, wanted)))
}

/// Numbers are compared as numbers; where one of both is a text, as texts.
fn equals(found: &Tree<'_>, wanted: &Constant) -> bool {
    match (number(found), wanted) {
        #[expect(clippy::cast_precision_loss, reason = "compared with whole numbers exactly above")]
        (Some(found), Constant::Integer(wanted)) => found.is(*wanted as f64, Some(*wanted)),
        (Some(found), Constant::Real(wanted)) => found.is(*wanted, None),
        (_, wanted) => {
            let text = found.plain_text().ok().flatten();
            text.is_some_and(|text| *text == *text_of(wanted))
        }
    }
}

fn text_of(constant: &Constant) -> String {
    match constant {
        Constant::Text(text) => text.clone(),
        Constant::Integer(number) => number.to_string(),
        Constant::Real(number) => Tree::Real(*number).shown(),
        Constant::Flag(yes) => yes.to_string(),
    }
}

/// A number of a message.
enum FoundNumber {
    Whole(i64),
    Real(f64),
}

impl FoundNumber {
    fn is(&self, wanted: f64, whole: Option<i64>) -> bool {
        match (self, whole) {
            (Self::Whole(found), Some(whole)) => *found == whole,
            #[expect(clippy::cast_precision_loss, reason = "compared with a real number")]
            (Self::Whole(found), None) => *found as f64 == wanted,
            (Self::Real(found), _) => *found == wanted,
        }
    }
}

fn number(tree: &Tree<'_>) -> Option<FoundNumber> {
    match tree {
        Tree::Integer(number) => Some(FoundNumber::Whole(*number)),
        #[expect(
            clippy::cast_precision_loss,
            reason = "no condition has a whole number this large"
        )]
        Tree::Unsigned(number) => Some(FoundNumber::Real(*number as f64)),
        Tree::Real(number) => Some(FoundNumber::Real(*number)),
        Tree::Null | Tree::Boolean(_) | Tree::Vast(_) | Tree::Text(_) => None,
        Tree::Bytes(_) | Tree::List(_) | Tree::Map(_) => None,
    }
}
