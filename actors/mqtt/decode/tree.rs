//! What every payload format gives: a tree of values, in which columns find theirs.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

/// Longest list of members that is searched from end to end; a longer one is sorted once.
const SEARCHED_MEMBERS_MAX: usize = 16;

/// Characters of a value that a sentence shows.
const SHOWN_CHARS_MAX: usize = 60;

/// A value of a payload. Texts and bytes are borrowed from the payload where they stand in it as
/// they are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree<'p> {
    /// There is a field, and it says that it has no value.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A whole number above `i64::MAX`.
    Unsigned(u64),
    /// A number.
    Real(f64),
    /// A number that no f64 holds (`1e400`), as it was written.
    Vast(Cow<'p, str>),
    /// A text.
    Text(Cow<'p, str>),
    /// Bytes; also a text that is not UTF-8.
    Bytes(Cow<'p, [u8]>),
    /// Values in their order.
    List(Vec<Tree<'p>>),
    /// Values by name.
    Map(Members<'p>),
}

/// A member: its name and value.
pub(crate) type Member<'p> = (Cow<'p, str>, Tree<'p>);

/// The members of an object. Where a name repeats, the last one counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Members<'p>(Vec<Member<'p>>);

/// A text within the value is not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotText;

impl<'p> Members<'p> {
    pub(crate) fn new(mut members: Vec<Member<'p>>) -> Self {
        if members.len() > SEARCHED_MEMBERS_MAX {
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            if members.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                members.reverse();
                members.dedup_by(|(later, _), (kept, _)| later == kept);
                members.reverse();
            }
        }
        Self(members)
    }

    /// The value of a name.
    fn get(&self, name: &str) -> Option<&Tree<'p>> {
        if self.0.len() > SEARCHED_MEMBERS_MAX {
            let place = self.0.binary_search_by(|(known, _)| known.as_ref().cmp(name)).ok()?;
            return self.0.get(place).map(|(_, value)| value);
        }
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Each name once, in the order of the names.
    pub(crate) fn by_name(&self) -> Vec<(&str, &Tree<'p>)> {
        let mut members: Vec<(&str, &Tree<'p>)> =
            self.0.iter().rev().map(|(name, value)| (name.as_ref(), value)).collect();
        members.sort_by_key(|(name, _)| *name);
        members.dedup_by_key(|(name, _)| *name);
        members
    }
}

impl<'p> Tree<'p> {
    /// A text that stands in the payload as it is.
    pub(crate) fn text(text: &'p str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// A text, or bytes where it is not UTF-8.
    pub(crate) fn text_or_bytes(bytes: &'p [u8]) -> Self {
        std::str::from_utf8(bytes).map_or(Self::Bytes(Cow::Borrowed(bytes)), Self::text)
    }

    /// The value behind an RFC 6901 JSON pointer.
    pub(crate) fn at(&self, pointer: &str) -> Option<&Self> {
        let Some(levels) = pointer.strip_prefix('/') else {
            return pointer.is_empty().then_some(self);
        };
        // Almost every pointer is one plain level.
        if !levels.as_bytes().iter().any(|byte| matches!(byte, b'/' | b'~')) {
            return self.child(levels);
        }
        levels.split('/').try_fold(self, |tree, level| match level.contains('~') {
            true => tree.child(&level.replace("~1", "/").replace("~0", "~")),
            false => tree.child(level),
        })
    }

    fn child(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(members) => members.get(name),
            Self::List(elements) => elements.get(position(name)?),
            Self::Null | Self::Boolean(_) | Self::Integer(_) | Self::Unsigned(_) => None,
            Self::Real(_) | Self::Vast(_) | Self::Text(_) | Self::Bytes(_) => None,
        }
    }

    /// Compact JSON; members in the order of their names.
    pub(crate) fn json(&self) -> Result<String, NotText> {
        let mut json = Vec::new();
        self.print(&mut json)?;
        String::from_utf8(json).map_err(|_| NotText)
    }

    fn print(&self, out: &mut Vec<u8>) -> Result<(), NotText> {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Boolean(yes) => leaf(out, yes),
            Self::Integer(number) => leaf(out, number),
            Self::Unsigned(number) => leaf(out, number),
            Self::Real(number) => leaf(out, number),
            Self::Vast(number) => out.extend_from_slice(number.as_bytes()),
            Self::Text(text) => leaf(out, text),
            Self::Bytes(bytes) => leaf(out, &std::str::from_utf8(bytes).map_err(|_| NotText)?),
            Self::List(elements) => {
                out.push(b'[');
                for (place, element) in elements.iter().enumerate() {
                    separate(out, place);
                    element.print(out)?;
                }
                out.push(b']');
            }
            Self::Map(members) => {
                out.push(b'{');
                for (place, (name, value)) in members.by_name().into_iter().enumerate() {
                    separate(out, place);
                    leaf(out, &name);
                    out.push(b':');
                    value.print(out)?;
                }
                out.push(b'}');
            }
        }
        Ok(())
    }

    /// A text, number or boolean as a text; numbers as JSON prints them.
    pub(crate) fn plain_text(&self) -> Result<Option<Cow<'_, str>>, NotText> {
        match self {
            Self::Text(text) => Ok(Some(Cow::Borrowed(text))),
            Self::Bytes(bytes) => {
                std::str::from_utf8(bytes).map(|text| Some(text.into())).map_err(|_| NotText)
            }
            Self::Boolean(_) | Self::Integer(_) | Self::Unsigned(_) | Self::Real(_) => {
                self.json().map(|text| Some(text.into()))
            }
            Self::Vast(number) => Ok(Some(Cow::Borrowed(number))),
            Self::Null | Self::List(_) | Self::Map(_) => Ok(None),
        }
    }

    /// As a sentence shows it: never longer than a line.
    pub(crate) fn shown(&self) -> String {
        let text = match (self, self.json()) {
            (_, Ok(json)) => json,
            (Self::Bytes(bytes), Err(NotText)) => {
                let beginning = &bytes[..bytes.len().min(4 * SHOWN_CHARS_MAX)];
                format!("{:?}", String::from_utf8_lossy(beginning))
            }
            (_, Err(NotText)) => "a value with texts that are not UTF-8".to_owned(),
        };
        match text.char_indices().nth(SHOWN_CHARS_MAX) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }
}

/// A position in a list as RFC 6901 writes it: no sign, no leading zero.
fn position(level: &str) -> Option<usize> {
    let is_plain = level == "0" || level.starts_with(|c: char| matches!(c, '1'..='9'));
    if is_plain { level.parse().ok() } else { None }
}

fn separate(out: &mut Vec<u8>, place: usize) {
    if place > 0 {
        out.push(b',');
    }
}

fn leaf(out: &mut Vec<u8>, value: &impl Serialize) {
    // Neither a Vec nor a number, a text or a boolean refuses.
    let _ = serde_json::to_writer(out, value);
}

impl fmt::Display for NotText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not UTF-8")
    }
}
