//! JSON as devices write it, for messages that are not JSON to the letter. Beyond JSON it takes `NaN`,
//! `Infinity` and the like (no value), numbers that no f64 holds, and texts that are not UTF-8: each costs
//! the column that takes it, and not the message. On JSON it agrees with the strict parser.

use std::borrow::Cow;
use std::fmt;

use serde::de::DeserializeSeed;

use super::tree::{Members, Tree};
use super::tree_seed::{DEPTH_MAX, TreeSeed, ValuesLeft};

/// Words for numbers that are none, regardless of case.
const NO_NUMBERS: [&str; 3] = ["nan", "inf", "infinity"];

/// Where and why a payload is not JSON.
#[derive(Debug)]
pub(super) struct JsonFault {
    what: &'static str,
    line: usize,
    column: usize,
}

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {} column {}", self.what, self.line, self.column)
    }
}

/// What a text is that means "no number".
pub(super) fn is_no_number(word: &str) -> bool {
    let word = word.strip_prefix(['+', '-']).unwrap_or(word);
    NO_NUMBERS.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// The one value of a payload.
pub(super) fn parse<'p>(json: &'p [u8], left: &ValuesLeft) -> Result<Tree<'p>, JsonFault> {
    let mut parser = LenientParser { json, at: 0, left };
    let parsed = parser.value(DEPTH_MAX).and_then(|tree| match parser.next_byte() {
        None => Ok(tree),
        Some(_) => Err("expected the end of the message"),
    });
    parsed.map_err(|what| {
        let before = &json[..parser.at.min(json.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let column = 1 + before.iter().rev().take_while(|byte| **byte != b'\n').count();
        JsonFault { what, line, column }
    })
}

/// What was expected, at the place where the parser stands.
type Parsed<T> = Result<T, &'static str>;

struct LenientParser<'p, 'l> {
    json: &'p [u8],
    at: usize,
    left: &'l ValuesLeft,
}

impl<'p> LenientParser<'p, '_> {
    /// The next byte that is no blank; the parser stands on it.
    fn next_byte(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.json.get(self.at) {
            self.at += 1;
        }
        self.json.get(self.at).copied()
    }

    fn value(&mut self, depth: u32) -> Parsed<Tree<'p>> {
        self.left.take().ok_or("too many values")?;
        match self.next_byte() {
            Some(b'{') => self.map(depth.checked_sub(1).ok_or("nested too deep")?),
            Some(b'[') => self.list(depth.checked_sub(1).ok_or("nested too deep")?),
            Some(b'"') => self.text(),
            Some(_) => self.word(),
            None => Err("expected a value, found the end of the message"),
        }
    }

    fn list(&mut self, depth: u32) -> Parsed<Tree<'p>> {
        self.at += 1;
        let mut elements = Vec::new();
        if self.next_byte() == Some(b']') {
            self.at += 1;
            return Ok(Tree::List(elements));
        }
        loop {
            elements.push(self.value(depth)?);
            match self.next_byte() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                Some(_) | None => return Err("expected `,` or `]`"),
            }
        }
        self.at += 1;
        Ok(Tree::List(elements))
    }

    fn map(&mut self, depth: u32) -> Parsed<Tree<'p>> {
        self.at += 1;
        let mut members = Vec::new();
        if self.next_byte() == Some(b'}') {
            self.at += 1;
            return Ok(Tree::Map(Members::new(members)));
        }
        loop {
            let name = self.name()?;
            if self.next_byte() != Some(b':') {
                return Err("expected `:`");
            }
            self.at += 1;
            members.push((name, self.value(depth)?));
            match self.next_byte() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                Some(_) | None => return Err("expected `,` or `}`"),
            }
        }
        self.at += 1;
        Ok(Tree::Map(Members::new(members)))
    }

    fn name(&mut self) -> Parsed<Cow<'p, str>> {
        if self.next_byte() != Some(b'"') {
            return Err("expected a name in quotes");
        }
        Ok(match self.text()? {
            Tree::Text(name) => name,
            Tree::Bytes(name) => Cow::Owned(String::from_utf8_lossy(&name).into_owned()),
            // `text` gives nothing else.
            Tree::Null | Tree::Boolean(_) | Tree::Integer(_) | Tree::Unsigned(_) => "".into(),
            Tree::Real(_) | Tree::Vast(_) | Tree::List(_) | Tree::Map(_) => "".into(),
        })
    }

    /// A text in quotes, on the first of which the parser stands; bytes where it is not UTF-8.
    fn text(&mut self) -> Parsed<Tree<'p>> {
        let begin = self.at + 1;
        let mut has_escapes = false;
        let mut end = begin;
        loop {
            match self.json.get(end) {
                Some(b'"') => break,
                Some(b'\\') => {
                    has_escapes = true;
                    end += 2;
                }
                Some(0..0x20) => {
                    self.at = end;
                    return Err("a control character within a text");
                }
                Some(_) => end += 1,
                None => {
                    self.at = self.json.len();
                    return Err("expected the end of a text, found the end of the message");
                }
            }
        }
        let written = &self.json[begin..end];
        if !has_escapes {
            self.at = end + 1;
            return Ok(Tree::text_or_bytes(written));
        }
        let bytes = unescaped(written).ok_or("a text with an unknown escape sequence")?;
        self.at = end + 1;
        Ok(String::from_utf8(bytes).map_or_else(
            |error| Tree::Bytes(Cow::Owned(error.into_bytes())),
            |text| Tree::Text(Cow::Owned(text)),
        ))
    }

    /// A number, `true`, `false`, `null`, or one of the words that mean no number.
    fn word(&mut self) -> Parsed<Tree<'p>> {
        let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        let rest = &self.json[self.at..];
        let length = rest.iter().take_while(|byte| is_of_word(byte)).count();
        let word = std::str::from_utf8(&rest[..length]).unwrap_or_default();
        let tree = match word {
            "null" => Tree::Null,
            "true" => Tree::Boolean(true),
            "false" => Tree::Boolean(false),
            _ if is_no_number(word) => Tree::Null,
            _ if is_number(word) => self.number(word),
            _ => return Err("expected a value"),
        };
        self.at += length;
        Ok(tree)
    }

    fn number(&self, word: &'p str) -> Tree<'p> {
        let counted_already = ValuesLeft::new();
        let seed = TreeSeed { left: &counted_already };
        let parsed = seed.deserialize(&mut serde_json::Deserializer::from_str(word));
        // Its grammar is right: only its size can be wrong.
        parsed.unwrap_or(Tree::Vast(Cow::Borrowed(word)))
    }
}

/// Whether it is a number by the grammar of JSON, of any size.
fn is_number(word: &str) -> bool {
    let word = word.strip_prefix('-').unwrap_or(word);
    let (mantissa, exponent) =
        word.split_once(['e', 'E']).map_or((word, None), |(mantissa, e)| (mantissa, Some(e)));
    let (whole, fraction) =
        mantissa.split_once('.').map_or((mantissa, None), |(whole, rest)| (whole, Some(rest)));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    are_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(are_digits)
        && exponent.is_none_or(|e| are_digits(e.strip_prefix(['+', '-']).unwrap_or(e)))
}

/// The bytes of a text; half of a surrogate pair becomes bytes that are not UTF-8. `None` where an
/// escape sequence is none of JSON's.
fn unescaped(written: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(written.len());
    let mut rest = written;
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let [kind, behind @ ..] = rest else { return None };
        rest = behind;
        match kind {
            b'"' | b'\\' | b'/' => bytes.push(*kind),
            b'b' => bytes.push(8),
            b'f' => bytes.push(12),
            b'n' => bytes.push(b'\n'),
            b'r' => bytes.push(b'\r'),
            b't' => bytes.push(b'\t'),
            b'u' => {
                let unit = hex(rest.get(..4)?)?;
                rest = &rest[4..];
                rest = push_unit(&mut bytes, unit, rest);
            }
            _ => return None,
        }
    }
    Some(bytes)
}

/// Adds a UTF-16 unit, together with the one that stands behind it where they are a pair; returns
/// what is behind that.
fn push_unit<'w>(bytes: &mut Vec<u8>, unit: u16, rest: &'w [u8]) -> &'w [u8] {
    if let Some(low) = rest.strip_prefix(b"\\u").and_then(|rest| hex(rest.get(..4)?))
        && let Some(Ok(character)) = char::decode_utf16([unit, low]).next()
        && character.len_utf16() == 2
    {
        bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        return &rest[6..];
    }
    match char::from_u32(u32::from(unit)) {
        Some(character) => {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        // Never part of UTF-8.
        None => bytes.push(0xff),
    }
    rest
}

fn hex(digits: &[u8]) -> Option<u16> {
    let digits = std::str::from_utf8(digits).ok()?;
    let are_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    are_digits.then(|| u16::from_str_radix(digits, 16).ok())?
}
