//! From the tree of a message to its rows: one, or one for each element or member of a part of it.

use barograph_config::Route;

use super::tree::Tree;
use crate::message::account::Reason;
use crate::message::batch::{RowRefusal, Value};

/// Most rows of a message.
pub(super) const ROWS_MAX: usize = 10_000;

/// Most values of all rows of a message.
const CELLS_MAX: usize = 250_000;

/// Texts and bytes of all rows of a message, in bytes: this much, or the payload's size times
/// [`COPIES_MAX`] where that is more.
const ROWS_BYTES_MAX: usize = 16 << 20;

/// See [`ROWS_BYTES_MAX`].
const COPIES_MAX: usize = 4;

/// A row's place in its message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum RowIndex<'t> {
    /// The message is one row.
    Whole,
    /// Position in a list, counted from 0.
    Position(usize),
    /// Name of a member.
    Member(&'t str),
}

/// A row before its columns are looked up.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowTree<'t> {
    pub(super) index: RowIndex<'t>,
    pub(super) tree: &'t Tree<'t>,
}

/// The rows of a message that its route splits.
pub(super) fn split<'t>(
    tree: &'t Tree<'t>,
    route: &Route,
    is_list_of_rows: bool,
) -> Result<Vec<RowTree<'t>>, RowRefusal> {
    let pointer = if is_list_of_rows { "" } else { route.rows.as_deref().unwrap_or_default() };
    let rows: Vec<RowTree<'t>> = match tree.at(pointer) {
        Some(Tree::List(elements)) => {
            let row = |(place, tree)| RowTree { index: RowIndex::Position(place), tree };
            elements.iter().enumerate().map(row).collect()
        }
        Some(Tree::Map(members)) => {
            let row = |(name, tree)| RowTree { index: RowIndex::Member(name), tree };
            members.by_name().into_iter().map(row).collect()
        }
        None | Some(Tree::Null) => {
            let detail = format!("rows = {pointer:?}: {}", super::nearest::what_is_there(tree));
            return Err(RowRefusal::new(Reason::NoField, detail));
        }
        Some(other) => {
            let shown = other.shown();
            let detail = format!("rows = {pointer:?} is {shown}, expected a list or an object");
            return Err(RowRefusal::new(Reason::WrongType, detail));
        }
    };
    match rows.len() {
        0 => {
            let detail = format!("rows = {pointer:?}: there are none");
            Err(RowRefusal::new(Reason::NoField, detail))
        }
        1..=ROWS_MAX => Ok(rows),
        _ => Err(too_many_rows()),
    }
}

pub(super) fn too_many_rows() -> RowRefusal {
    let detail =
        format!("the message has more than {ROWS_MAX} rows, or {CELLS_MAX} values in them");
    RowRefusal::new(Reason::TooManyRows, detail)
}

/// The size of the rows of a message, bounded.
#[derive(Debug, Default)]
pub(super) struct RowsSize {
    counted: usize,
    /// Bytes of texts and blobs.
    pub(super) bytes: usize,
}

impl RowsSize {
    /// Counts the values that were added since the last call.
    pub(super) fn grow(&mut self, values: &[Value], payload_len: usize) -> Result<(), RowRefusal> {
        self.bytes += values[self.counted..].iter().map(bytes_of).sum::<usize>();
        self.counted = values.len();
        if values.len() > CELLS_MAX {
            return Err(too_many_rows());
        }
        let bytes_max = ROWS_BYTES_MAX.max(COPIES_MAX * payload_len);
        if self.bytes > bytes_max {
            let detail = format!("the rows of the message have more than {bytes_max} bytes");
            return Err(RowRefusal::new(Reason::TooManyRows, detail));
        }
        Ok(())
    }
}

fn bytes_of(value: &Value) -> usize {
    match value {
        Value::Null | Value::Integer(_) | Value::Real(_) | Value::Time(_) => 0,
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
    }
}

/// Says in which row of its message something is wrong.
pub(super) fn in_row(index: RowIndex<'_>, refusal: RowRefusal) -> RowRefusal {
    let detail = match index {
        RowIndex::Whole => return refusal,
        RowIndex::Position(place) => format!("row {place}: {}", refusal.detail),
        RowIndex::Member(name) => format!("row {name:?}: {}", refusal.detail),
    };
    RowRefusal { detail, ..refusal }
}
