//! Topics and filters, MQTT 3.1.1 section 4.7.
//!
//! rumqttc has functions for these, but its `matches` cuts the topic after its first byte and so
//! panics on one that begins with a letter beyond ASCII, and it lets no filter match a `$` topic.

/// Whether a client may publish to `topic`: not empty, no wildcard, no NUL.
pub(super) fn is_valid_topic(topic: &str) -> bool {
    !topic.is_empty() && !topic.contains(['+', '#', '\0'])
}

/// Whether a client may subscribe to `filter`: `+` stands alone in its level, `#` alone in the last
/// one.
pub(super) fn is_valid_filter(filter: &str) -> bool {
    let (before, last) = filter.rsplit_once('/').map_or((None, filter), |(b, l)| (Some(b), l));
    let is_plain = |level: &str| level == "+" || !level.contains(['+', '#']);
    !filter.is_empty()
        && !filter.contains('\0')
        && (last == "#" || is_plain(last))
        && before.is_none_or(|before| before.split('/').all(is_plain))
}

/// Whether a valid `filter` takes in a valid `topic`. A leading wildcard does not reach topics that
/// begin with `$`.
pub(super) fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for expected in filter.split('/') {
        match (expected, levels.next()) {
            // "a/#" takes in "a" too: so the end of the topic is asked for only after this.
            ("#", _) => return true,
            (_, None) => return false,
            ("+", Some(_)) => {}
            (expected, Some(level)) if expected == level => {}
            (_, Some(_)) => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_topics_as_the_standard_says() {
        let table = [
            ("a/b", "a/b", true),
            ("a/b", "a/b/", false),
            ("a/b/", "a/b/", true),
            ("a/b/", "a/b", false),
            ("a/b", "A/b", false),
            ("a", "a/b", false),
            ("a/b", "a", false),
            ("/a", "a", false),
            ("/a", "/a", true),
            ("+", "a", true),
            ("+", "/a", false),
            ("+", "", true),
            ("+/+", "/a", true),
            ("/+", "/a", true),
            ("a/+", "a", false),
            ("a/+", "a/", true),
            ("a/+", "a/b", true),
            ("a/+", "a/b/c", false),
            ("a/+/c", "a/b/c", true),
            ("a/+/c", "a/b/d", false),
            ("+/b/#", "a/b/c/d", true),
            ("#", "a", true),
            ("#", "a/b/", true),
            ("a/#", "a", true),
            ("a/#", "a/", true),
            ("a/#", "a/b/c", true),
            ("a/#", "ab", false),
            ("a/b/#", "a", false),
            ("#", "$SYS/broker", false),
            ("+/broker", "$SYS/broker", false),
            ("$SYS/#", "$SYS/broker", true),
            ("$SYS/+", "$SYS/broker", true),
            ("a/+", "a/$b", true),
            ("#", "élan/é", true),
            ("+/é", "élan/é", true),
            (
                "backacres/+/weatherstation/weathermeters/",
                "backacres/house/weatherstation/weathermeters/",
                true,
            ),
        ];
        for (filter, topic, expected) in table {
            assert_eq!(matches(filter, topic), expected, "filter {filter:?}, topic {topic:?}");
        }
    }

    #[test]
    fn filters_are_valid_as_the_standard_says() {
        for valid in ["a", "/", "a//b", "+", "#", "a/+/b", "+/+", "a/#", "/#", "$SYS/#", "é/#"] {
            assert!(is_valid_filter(valid), "{valid:?}");
        }
        for invalid in ["", "a#", "a/b#", "#/a", "a/#/b", "a+", "+a/b", "a/++", "a/+#", "a\0b"] {
            assert!(!is_valid_filter(invalid), "{invalid:?}");
        }
    }

    #[test]
    fn topics_to_publish_to_hold_no_wildcards() {
        for valid in ["a", "/", "a/b/", "$SYS/x", "é"] {
            assert!(is_valid_topic(valid), "{valid:?}");
        }
        for invalid in ["", "+", "a/#", "a+b", "a\0"] {
            assert!(!is_valid_topic(invalid), "{invalid:?}");
        }
    }
}
