//! `payload = "text"`: the whole payload is one text.

use barograph_config::Route;

use super::format::{PayloadDecoder, trimmed};
use super::tree::Tree;
use crate::message::batch::RowRefusal;

pub(super) struct TextFormat;

impl PayloadDecoder for TextFormat {
    fn tree<'p>(&self, payload: &'p [u8], _route: &Route) -> Result<Tree<'p>, RowRefusal> {
        Ok(Tree::text_or_bytes(trimmed(payload)))
    }
}
