//! `http://` and `https://` URLs of alerts. Who knows one may use it, so no text here repeats a part of one.

use url::{Host, Url};

/// What matters of a URL.
#[derive(Debug)]
pub(crate) struct Address {
    /// `https://`
    pub(crate) tls: bool,
    /// The host is this machine.
    pub(crate) loopback: bool,
    /// It holds a user, a query or a fragment.
    pub(crate) has_more: bool,
}

/// Reads an address; the error says why it is none.
pub(crate) fn address(text: &str) -> Result<Address, &'static str> {
    if !text.contains("://") {
        return Err("expected a URL that begins with https:// or http://");
    }
    let url = Url::parse(text).map_err(|_| "expected a URL")?;
    let tls = match url.scheme() {
        "https" => true,
        "http" => false,
        _ => return Err("expected a URL that begins with https:// or http://"),
    };
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("expected a URL without blanks");
    }
    if url.port() == Some(0) {
        return Err("expected a port from 1 to 65535");
    }
    let loopback = match url.host() {
        Some(Host::Domain(name)) => is_loopback(name),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err("expected a URL with a host"),
    };
    let has_user = !url.username().is_empty() || url.password().is_some();
    let has_more = has_user || url.query().is_some() || url.fragment().is_some();
    Ok(Address { tls, loopback, has_more })
}

/// Whether a host, by name or by address, is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known_in_all_its_forms() {
        for (url, expected) in [
            ("http://localhost:1/a", true),
            ("http://127.9.9.9/a", true),
            ("http://[::1]/a", true),
            ("http://192.168.1.7/a", false),
            ("http://localhost.example/a", false),
        ] {
            assert_eq!(address(url).unwrap().loopback, expected, "{url}");
        }
        assert!(is_loopback("::1") && is_loopback("[::1]") && !is_loopback("mail.example"));
    }
}
