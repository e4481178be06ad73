//! MQTT topic filters: which are well formed, what they match, and whether two of them share a topic.

/// Longest filter, in bytes: what one MQTT string can hold.
pub(crate) const FILTER_BYTES_MAX: usize = 65_535;

/// What begins a shared subscription.
pub(crate) const SHARE: &str = "$share/";

/// A level, or all that follow, of a topic that has a name: `{device}`, `{*rest}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// The name, which is that of a column, too.
    pub name: String,
    /// Which level, counted from 0.
    pub level: usize,
    /// This level and all that follow, with the `/` between them.
    pub is_rest: bool,
}

impl Capture {
    /// What it captures of a topic that the filter matches.
    pub fn of<'t>(&self, topic: &'t str) -> &'t str {
        let mut rest = topic;
        for _ in 0..self.level {
            rest = rest.split_once('/').map_or("", |(_, rest)| rest);
        }
        if self.is_rest { rest } else { rest.split('/').next().unwrap_or_default() }
    }
}

/// Why a text is not a filter we can subscribe to; `None` if it is one.
pub(crate) fn filter_fault(filter: &str) -> Option<&'static str> {
    if filter.is_empty() {
        return Some("expected a topic filter that is not empty");
    }
    if filter.contains('\0') {
        return Some("expected a topic filter without NUL characters");
    }
    if filter.len() > FILTER_BYTES_MAX {
        return Some("expected at most 65535 bytes");
    }
    if filter.starts_with(SHARE) {
        // A share splits the messages over its members: each of them would have gaps without a trace.
        let why = "expected no shared subscription: its other members would take messages that must be recorded";
        return Some(why);
    }
    let last = filter.split('/').count() - 1;
    for (index, level) in filter.split('/').enumerate() {
        if level.contains('#') && level != "#" {
            return Some("expected `#` alone in its level");
        }
        if level == "#" && index != last {
            return Some("expected `#` as the last level");
        }
        if level.contains('+') && level != "+" {
            return Some("expected `+` alone in its level");
        }
    }
    None
}

/// Whether a topic is among those of a filter (MQTT 5, section 4.7): `+` is one level, `#` this level and all below
/// it, also none; neither, as a first level, matches a topic that begins with `$`.
pub fn filter_matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut topic_levels = topic.split('/');
    for filter_level in filter.split('/') {
        if filter_level == "#" {
            return true;
        }
        match topic_levels.next() {
            Some(level) if filter_level == "+" || filter_level == level => {}
            Some(_) | None => return false,
        }
    }
    topic_levels.next().is_none()
}

/// Whether some topic matches both filters.
#[cfg(test)]
pub(crate) fn filters_overlap(one: &str, other: &str) -> bool {
    // A wildcard in the first level matches no `$` topic, and a `$` level matches nothing else.
    let begins_wild = |filter: &str| filter.starts_with(['+', '#']);
    if one.starts_with('$') && begins_wild(other) || other.starts_with('$') && begins_wild(one) {
        return false;
    }
    // The level above `#` in `/#` is empty, and so is the only topic that `+` could share with it: there is none.
    if matches!((one, other), ("+", "/#") | ("/#", "+")) {
        return false;
    }
    let (mut ones, mut others) = (one.split('/'), other.split('/'));
    loop {
        match (ones.next(), others.next()) {
            (Some("#"), _) | (_, Some("#")) => return true,
            (Some(a), Some(b)) if a == b || a == "+" || b == "+" => {}
            (Some(_), Some(_)) | (Some(_), None) | (None, Some(_)) => return false,
            (None, None) => return true,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn matching_follows_the_standard() {
        let cases = [
            ("sport/#", "sport", true),
            ("sport/#", "sport/tennis/player", true),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("#", "$SYS/uptime", false),
            ("+/monitor", "$SYS/monitor", false),
            ("$SYS/#", "$SYS/uptime", true),
            ("a/+/c", "a/b/c", true),
            ("a/b", "a/b/c", false),
        ];
        for (filter, topic, expected) in cases {
            assert_eq!(filter_matches(filter, topic), expected, "{filter} {topic}");
        }
    }

    fn level(choices: &'static [&'static str]) -> impl Strategy<Value = String> {
        proptest::sample::select(choices).prop_map(str::to_owned)
    }

    pub(crate) fn filter() -> impl Strategy<Value = String> {
        let levels = proptest::collection::vec(level(&["a", "b", "", "+", "$s"]), 1..4);
        (levels, any::<bool>()).prop_map(|(mut levels, tail)| {
            if tail {
                levels.push("#".to_owned());
            }
            levels.join("/")
        })
    }

    /// Every topic of up to four levels over an alphabet that has a letter no filter names.
    pub(crate) fn topics() -> Vec<String> {
        let alphabet = ["a", "b", "", "$s", "z"];
        let mut all: Vec<String> = Vec::new();
        let mut longest: Vec<String> = alphabet.iter().map(|level| (*level).to_owned()).collect();
        for _ in 0..4 {
            all.extend(longest.iter().cloned());
            longest = longest
                .iter()
                .flat_map(|head| alphabet.iter().map(move |level| format!("{head}/{level}")))
                .collect();
        }
        all.retain(|topic| !topic.is_empty());
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn filters_overlap_exactly_if_a_topic_matches_both(one in filter(), other in filter()) {
            prop_assume!(!one.is_empty() && !other.is_empty());
            let witness = topics()
                .into_iter()
                .find(|topic| filter_matches(&one, topic) && filter_matches(&other, topic));
            prop_assert_eq!(filters_overlap(&one, &other), witness.is_some(), "{:?}", witness);
        }

        #[test]
        fn filter_overlaps_itself_and_what_it_matches(filter in filter(), topic in "[ab$/]{1,6}") {
            prop_assert!(filters_overlap(&filter, &filter));
            if filter_matches(&filter, &topic) {
                prop_assert!(filters_overlap(&filter, &topic));
            }
        }
    }
}
