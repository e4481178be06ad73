//! What of a value may be repeated in a message: passwords and the credentials of a URL may not.
//!
//! A refused value is often a half-written one, so this must not rely on it being well formed: what could be a
//! credential is hidden, also where that hides a little more than it had to.

use toml::de::DeValue;

use crate::keys::{Key, Wants};

/// What stands in place of a secret.
pub(crate) const HIDDEN: &str = "***";

/// Longest repetition of a value, in characters.
const WRITTEN_LEN_MAX: usize = 60;

/// The value as it was written, fit for a message; `None` for what is better not repeated at all.
pub(crate) fn written(key: &Key, value: &DeValue<'_>, raw: &str) -> Option<String> {
    if value.is_table() {
        return None;
    }
    if matches!(key.wants, Wants::Secret | Wants::SecretUrl) {
        return Some(HIDDEN.to_owned());
    }
    if value.is_array() && key.wants != Wants::Names {
        return Some("[...]".to_owned());
    }
    if key.wants == Wants::Url {
        let quoted = value.as_str().map(|text| format!("\"{}\"", redact_url(text)));
        return Some(shorten(&quoted.unwrap_or_else(|| redact_url(raw))));
    }
    Some(shorten(raw))
}

/// The first line of a text, cut to a length that fits a message.
pub(crate) fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut short: String = line
        .chars()
        .take(WRITTEN_LEN_MAX)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// A URL, well formed or not, without user, password, query and whatever stands where a port number should.
pub(crate) fn redact_url(text: &str) -> String {
    let (scheme, rest) = match text.find("//") {
        Some(at) => text.split_at(at + 2),
        None => ("", text),
    };
    let (credentials, rest) = match rest.rfind('@') {
        Some(at) => ("***@", &rest[at + 1..]),
        None => ("", rest),
    };
    let (rest, query) = match rest.find(['?', '#']) {
        Some(at) => (&rest[..at], "?***"),
        None => (rest, ""),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let authority = match authority.rfind(':') {
        Some(at) if !is_port_or_address(&authority[at + 1..]) => {
            format!("{}***", &authority[..=at])
        }
        Some(_) | None => authority.to_owned(),
    };
    format!("{scheme}{credentials}{authority}{path}{query}")
}

/// Digits, or the end of an IPv6 address in brackets, perhaps with the closing quote of the raw text.
fn is_port_or_address(text: &str) -> bool {
    let text = text.trim_end_matches(['"', '\'']);
    text.chars().all(|c| c.is_ascii_digit()) || text.ends_with(']')
}

#[cfg(test)]
mod tests {
    use super::{redact_url, shorten};

    #[test]
    fn credentials_never_survive_redaction() {
        let cases = [
            ("mqtt://bob:hunter2@host:1883", "mqtt://***@host:1883"),
            ("mqtt://bob:hun@ter2@host", "mqtt://***@host"),
            ("mqtt://bob:hun/ter2@host", "mqtt://***@host"),
            ("mqtt://bob:hun#ter2@host", "mqtt://***@host"),
            ("mqtt:bob:hunter2@host", "***@host"),
            ("mqtt://bob:hunter2", "mqtt://bob:***"),
            ("bob:hunter2", "bob:***"),
            ("mqtt://host?password=hunter2", "mqtt://host?***"),
            ("mqtt://host:1883/path", "mqtt://host:1883/path"),
            ("mqtt://[::1]:1883", "mqtt://[::1]:1883"),
            ("mqtt://[::1]", "mqtt://[::1]"),
            ("localhost:1883", "localhost:1883"),
            ("", ""),
        ];
        for (given, expected) in cases {
            assert_eq!(redact_url(given), expected, "{given}");
        }
    }

    #[test]
    fn long_and_many_lined_values_are_cut() {
        assert_eq!(shorten("a\nb"), "a…");
        assert_eq!(shorten("abc"), "abc");
        assert_eq!(shorten(&"°".repeat(100)), format!("{}…", "°".repeat(60)));
    }
}
