//! Topics and filters, MQTT 3.1.1 section 4.7: which are allowed. Which match is the settings' to say
//! (`filter_matches`). rumqttc's `matches` cuts the topic after its first byte, and so panics on one
//! that begins with a letter beyond ASCII.

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

#[cfg(test)]
mod tests {
    use super::*;

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
