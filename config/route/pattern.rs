//! `topic` of a route: an MQTT filter whose wildcards may have names.

use crate::declare::text::quote;
use crate::route::names::{IDENTIFIER_LEN_MAX, OWN_COLUMNS, identifier_fault, identifier_like};
use crate::route::topic::{Capture, FILTER_BYTES_MAX, SHARE, filter_fault};

/// Offered where nothing of a bad pattern can be kept.
const EXAMPLE: &str = "+/+/weatherstation/#";

/// Most captures of one topic: each is a column.
const CAPTURES_MAX: usize = 50;

/// A topic pattern, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicPattern {
    /// The MQTT filter: wildcards in place of captures.
    pub(crate) filter: String,
    /// The captures, in order of their levels.
    pub(crate) captures: Vec<Capture>,
}

/// A level of a pattern.
#[derive(Clone, Copy)]
enum PatternLevel<'p> {
    /// As MQTT has it.
    Plain(&'p str),
    /// `{name}`
    One(&'p str),
    /// `{*name}`
    Rest(&'p str),
    /// Braces in any other way.
    Odd(&'p str),
}

fn level_of(level: &str) -> PatternLevel<'_> {
    let inner = level.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    match inner.filter(|inner| !inner.contains(['{', '}'])) {
        Some(inner) => match inner.strip_prefix('*') {
            Some(name) => PatternLevel::Rest(name),
            None => PatternLevel::One(inner),
        },
        None if level.contains(['{', '}']) => PatternLevel::Odd(level),
        None => PatternLevel::Plain(level),
    }
}

impl TopicPattern {
    /// Takes a pattern apart.
    ///
    /// # Errors
    ///
    /// Why it is none, and the nearest good one.
    pub(crate) fn parse(pattern: &str) -> Result<Self, (String, String)> {
        let refuse = |why: String| Err((why, offer(pattern)));
        let mut levels = Vec::new();
        let mut captures: Vec<Capture> = Vec::new();
        let last = pattern.split('/').count() - 1;
        for (level, text) in pattern.split('/').enumerate() {
            let (name, is_rest) = match level_of(text) {
                PatternLevel::Plain(plain) => {
                    levels.push(plain);
                    continue;
                }
                PatternLevel::Odd(_) => {
                    return refuse(
                        "expected `{name}` alone in its level (`+` matches a level with braces)"
                            .to_owned(),
                    );
                }
                PatternLevel::One(name) => (name, false),
                PatternLevel::Rest(name) => (name, true),
            };
            if is_rest && level != last {
                return refuse(format!("expected `{{*{name}}}` as the last level"));
            }
            if let Some(why) = name_fault(name, &captures) {
                return refuse(why);
            }
            levels.push(if is_rest { "#" } else { "+" });
            captures.push(Capture { name: name.to_owned(), level, is_rest });
        }
        let filter = levels.join("/");
        if let Some(why) = filter_fault(&filter) {
            return refuse(why.to_owned());
        }
        if captures.len() > CAPTURES_MAX {
            return refuse(format!("expected at most {CAPTURES_MAX} captures: each is a column"));
        }
        Ok(Self { filter, captures })
    }
}

/// Why a name is not that of a capture behind these.
fn name_fault(name: &str, before: &[Capture]) -> Option<String> {
    let is_own = OWN_COLUMNS.iter().any(|own| own.eq_ignore_ascii_case(name));
    if before.iter().any(|other| other.name.eq_ignore_ascii_case(name)) {
        return Some(format!("`{name}` is captured twice, and each capture is a column"));
    }
    if is_own {
        return Some(format!("every table has a column `{name}` already"));
    }
    let fault = identifier_fault(name, IDENTIFIER_LEN_MAX)?;
    let is_empty = name.is_empty();
    let what =
        if is_empty { "a capture".to_owned() } else { format!("the capture {}", quote(name)) };
    Some(format!("{what}: {fault}"))
}

/// A good pattern near to the bad one: no share, wildcards and captures alone in their levels, nothing after the one that
/// takes all that follow.
fn offer(pattern: &str) -> String {
    let pattern = pattern.replace('\0', "");
    let mut rest = pattern.as_str();
    while let Some(shared) = rest.strip_prefix(SHARE) {
        rest = shared.split_once('/').map_or("", |(_, rest)| rest);
    }
    let mut levels: Vec<String> = Vec::new();
    let mut names: Vec<Capture> = Vec::new();
    for level in rest.split('/') {
        let (offered, is_last) = match level_of(level) {
            PatternLevel::Plain(plain) => plain_like(plain),
            PatternLevel::One(name) => one_like(name, &mut names),
            PatternLevel::Rest(name) => {
                let name = name_like(name, &mut names).map(|name| format!("{{*{name}}}"));
                (name.unwrap_or_else(|| "#".to_owned()), true)
            }
            PatternLevel::Odd(odd) => odd_like(odd, &mut names),
        };
        levels.push(offered);
        if is_last {
            break;
        }
    }
    let offered = levels.join("/");
    let is_good = !offered.is_empty() && offered.len() <= FILTER_BYTES_MAX;
    if is_good { offered } else { EXAMPLE.to_owned() }
}

/// The level with its wildcard alone, and whether nothing may follow.
fn plain_like(level: &str) -> (String, bool) {
    let offered = match level {
        all if all.contains('#') => "#",
        one if one.contains('+') => "+",
        plain => plain,
    };
    (offered.to_owned(), offered == "#")
}

fn one_like(name: &str, before: &mut Vec<Capture>) -> (String, bool) {
    let name = name_like(name, before).map(|name| format!("{{{name}}}"));
    (name.unwrap_or_else(|| "+".to_owned()), false)
}

/// What is in braces becomes a capture; with nothing in them, the braces go.
fn odd_like(level: &str, before: &mut Vec<Capture>) -> (String, bool) {
    let braced = level.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    let name = braced.map(|(name, _)| name.trim_start_matches('*')).filter(|it| !it.is_empty());
    match name {
        Some(name) => one_like(name, before),
        None => plain_like(&level.replace(['{', '}'], "")),
    }
}

/// A good name that is not taken; `None`: there are as many as may be.
fn name_like(name: &str, before: &mut Vec<Capture>) -> Option<String> {
    let is_good = name_fault(name, &[]).is_none();
    let like = if is_good { name.to_owned() } else { identifier_like(name) };
    let numbered = (1..=CAPTURES_MAX).map(|number| format!("level_{number}"));
    let free =
        std::iter::once(like).chain(numbered).find(|name| name_fault(name, before).is_none())?;
    if before.len() >= CAPTURES_MAX {
        return None;
    }
    before.push(Capture { name: free.clone(), level: 0, is_rest: false });
    Some(free)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::topic::filter_matches;
    use proptest::prelude::*;

    fn captured(pattern: &str, topic: &str) -> Vec<String> {
        let pattern = TopicPattern::parse(pattern).unwrap();
        assert!(filter_matches(&pattern.filter, topic), "{} {topic}", pattern.filter);
        pattern.captures.iter().map(|capture| capture.of(topic).to_owned()).collect()
    }

    #[test]
    fn captures_take_their_levels_of_the_topic() {
        assert_eq!(captured("N/{site}/+/{*path}", "N/c0/x/258/Dc/0"), ["c0", "258/Dc/0"]);
        assert_eq!(captured("{a}/{b}", "x/"), ["x", ""]);
        assert_eq!(captured("t/{*rest}", "t"), [""]);
        assert_eq!(captured("t/{*rest}", "t/"), [""]);
        assert_eq!(captured("{*path}", "a//b"), ["a//b"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn offered_pattern_is_a_good_one(
            pattern in "[ab+#/{}*\\x00]{0,12}|(\\$share/){1,2}[a+#/{}]{0,6}|(\\{[*]?(id|a|A|x y|order)\\}/?){0,60}"
        ) {
            if let Err((_, offered)) = TopicPattern::parse(&pattern) {
                prop_assert!(TopicPattern::parse(&offered).is_ok(), "{offered}");
            }
        }
    }
}
