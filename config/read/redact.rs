//! What a message may show of a value: no passwords, and no credentials of a URL.
//!
//! A refused value is often half written, so this does not rely on it being well formed: everything that could be a
//! credential is hidden, even if that hides more than necessary.

use toml::de::DeValue;

use crate::declare::key::{Key, Wants};

/// What stands in place of a secret.
pub(crate) const HIDDEN: &str = "***";

/// Longest repetition of a value, in characters.
const WRITTEN_LEN_MAX: usize = 60;

/// The value as it was written, fit for a message.
pub(crate) fn written(key: &Key, value: &DeValue<'_>, raw: &str) -> String {
    if value.is_table() {
        return "a table".to_owned();
    }
    if key.is_secret() {
        return HIDDEN.to_owned();
    }
    if value.is_array() && !matches!(key.spec.wants, Wants::Names | Wants::Constants) {
        return "a list".to_owned();
    }
    if matches!(key.spec.wants, Wants::Url) {
        let quoted = value.as_str().map(|text| format!("\"{}\"", redact_url(text)));
        return shorten(&quoted.unwrap_or_else(|| redact_url(raw)));
    }
    shorten(raw)
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

/// The URL as far as it is no secret: scheme, host and port.
pub(crate) fn printed_url(text: &str) -> String {
    let shown = url::Url::parse(text).ok().and_then(|url| {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Some(format!("{}://{}{port}/{}", url.scheme(), url.host_str()?, HIDDEN))
    });
    shown.unwrap_or_else(|| HIDDEN.to_owned())
}

#[cfg(test)]
mod tests {
    use super::shorten;

    #[test]
    fn long_and_many_lined_values_are_cut() {
        assert_eq!(shorten("a\nb"), "a…");
        assert_eq!(shorten("abc"), "abc");
        assert_eq!(shorten(&"°".repeat(100)), format!("{}…", "°".repeat(60)));
    }
}
