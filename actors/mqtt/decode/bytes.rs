//! `payload = "bytes"`: nothing is decoded.

use std::borrow::Cow;

use barograph_config::Route;

use super::format::PayloadDecoder;
use super::tree::Tree;
use crate::message::batch::RowRefusal;

pub(super) struct BytesFormat;

impl PayloadDecoder for BytesFormat {
    fn tree<'p>(&self, payload: &'p [u8], _route: &Route) -> Result<Tree<'p>, RowRefusal> {
        Ok(Tree::Bytes(Cow::Borrowed(payload)))
    }
}
