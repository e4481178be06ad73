//! A [`Tree`] out of whatever serde reads.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::tree::{Members, Tree};

/// Most values of one message, of all levels together: a bound for its memory.
pub(crate) const VALUES_MAX: u32 = 1_000_000;

/// Most levels of lists and objects within each other.
pub(crate) const DEPTH_MAX: u32 = 127;

/// Values that a message may still have.
#[derive(Debug)]
pub(crate) struct ValuesLeft(Cell<u32>);

impl ValuesLeft {
    pub(crate) fn new() -> Self {
        Self(Cell::new(VALUES_MAX))
    }

    /// One value more; `None` where there are too many.
    pub(crate) fn take(&self) -> Option<()> {
        self.0.set(self.0.get().checked_sub(1)?);
        Some(())
    }

    pub(crate) fn is_used_up(&self) -> bool {
        self.0.get() == 0
    }
}

/// Reads one value with all that is in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TreeSeed<'l> {
    pub(crate) left: &'l ValuesLeft,
}

impl<'l> TreeSeed<'l> {
    fn counted<E: Error>(self) -> Result<Self, E> {
        match self.left.take() {
            Some(()) => Ok(self),
            None => Err(E::custom(format_args!("more than {VALUES_MAX} values"))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for TreeSeed<'_> {
    type Value = Tree<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree<'de>, D::Error> {
        deserializer.deserialize_any(self.counted()?)
    }
}

impl<'de> Visitor<'de> for TreeSeed<'_> {
    type Value = Tree<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, yes: bool) -> Result<Tree<'de>, E> {
        Ok(Tree::Boolean(yes))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Tree<'de>, E> {
        Ok(Tree::Integer(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Tree<'de>, E> {
        Ok(i64::try_from(number).map_or(Tree::Unsigned(number), Tree::Integer))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Tree<'de>, E> {
        Ok(Tree::Real(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Tree<'de>, E> {
        Ok(Tree::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Tree<'de>, E> {
        Ok(Tree::text(text))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Tree<'de>, E> {
        Ok(Tree::Text(Cow::Owned(text)))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Tree<'de>, E> {
        Ok(Tree::Bytes(Cow::Owned(bytes.to_vec())))
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Tree<'de>, E> {
        Ok(Tree::Bytes(Cow::Borrowed(bytes)))
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Tree<'de>, E> {
        Ok(Tree::Bytes(Cow::Owned(bytes)))
    }

    fn visit_none<E: Error>(self) -> Result<Tree<'de>, E> {
        Ok(Tree::Null)
    }

    fn visit_unit<E: Error>(self) -> Result<Tree<'de>, E> {
        Ok(Tree::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Tree<'de>, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Tree<'de>, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Tree<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(self)? {
            list.push(element);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = entries.next_entry_seed(NameSeed, self)? {
            members.push(member);
        }
        Ok(Tree::Map(Members::new(members)))
    }
}

/// The name of a member; numbers, which some formats have for names, as texts.
#[derive(Debug, Clone, Copy)]
struct NameSeed;

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<Cow<'de, str>, D::Error> {
        name.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NameSeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(name.to_owned()))
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_i64<E: Error>(self, name: i64) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(name.to_string()))
    }

    fn visit_u64<E: Error>(self, name: u64) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(name.to_string()))
    }
}
