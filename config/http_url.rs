//! `http://` and `https://` addresses of alerts. Whoever knows one may use it, so no text here repeats a part of one.

use url::{Host, Url};

/// A word of the network that a person gave us, and whether it stays on this machine.
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
        return Err("the URL does not begin with https:// or http://");
    }
    let url = Url::parse(text).map_err(|_| "this is not a URL")?;
    let tls = match url.scheme() {
        "https" => true,
        "http" => false,
        _ => return Err("a URL of an alert begins with https://, or with http://"),
    };
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("a URL holds no blanks");
    }
    if url.port() == Some(0) {
        return Err("there is no port 0");
    }
    let loopback = match url.host() {
        Some(Host::Domain(name)) => is_loopback(name),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err("the URL has no host"),
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

/// The URL as far as it is no secret: scheme, host and port.
pub(crate) fn print(text: &str) -> String {
    let shown = Url::parse(text).ok().and_then(|url| {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Some(format!("{}://{}{port}/{}", url.scheme(), url.host_str()?, crate::redact::HIDDEN))
    });
    shown.unwrap_or_else(|| crate::redact::HIDDEN.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_way_to_the_server_is_printed() {
        for (url, shown) in [
            ("https://hooks.example/services/hunter2", "https://hooks.example/***"),
            ("http://bob:hunter2@127.0.0.1:8080/a?hunter2#hunter2", "http://127.0.0.1:8080/***"),
            ("https://[::1]/hunter2", "https://[::1]/***"),
            ("hunter2", "***"),
        ] {
            assert_eq!(print(url), shown);
        }
    }

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

    #[test]
    fn bad_urls_are_refused_without_repeating_them() {
        for url in [
            "hunter2",
            "hunter2:80",
            "ftp://hunter2",
            "https://",
            "https://hunter2:99999",
            "https://hunter2:0",
            "https://a/hunter 2",
            "https://[hunter2]",
        ] {
            let why = address(url).expect_err(url);
            assert!(!why.contains("hunter"), "{url}: {why}");
        }
    }
}
