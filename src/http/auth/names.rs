//! By which names browsers may call the page, and from where. A page elsewhere can have its own name lead to
//! this machine (DNS rebinding): then the browser believes that both are the same. It still says the name.
//! Pure.

use std::net::IpAddr;

/// Where the kernel keeps this machine's name.
const HOSTNAME: &str = "/proc/sys/kernel/hostname";

/// The names under which the page is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    /// This machine's name.
    pub(super) machine: Option<String>,
    /// `watchtower.hosts`, in lower case.
    pub(super) hosts: Vec<String>,
}

impl Names {
    /// This machine's, and those of the settings.
    pub(super) fn of_this_machine(hosts: &[String]) -> Self {
        let machine = std::fs::read_to_string(HOSTNAME).ok();
        let machine = machine.map(|name| name.trim().to_ascii_lowercase());
        Self { machine: machine.filter(|name| !name.is_empty()), hosts: hosts.to_vec() }
    }

    /// Whether a request may be for this (`Host:`). An address is always right: who lures must use a name.
    pub(super) fn know(&self, host: &str) -> bool {
        let Some(Authority { name, .. }) = Authority::of(host) else { return false };
        let is_machine = |machine: &String| {
            let short = machine.split('.').next().unwrap_or(machine);
            [machine.as_str(), short].contains(&name.strip_suffix(".local").unwrap_or(&name))
        };
        name == "localhost"
            || is_address(&name)
            || self.machine.as_ref().is_some_and(is_machine)
            || self.hosts.contains(&name)
    }

    /// Whether this (`Origin:`) is the page itself, called by `host`. A name of the settings is ours on every
    /// port: what a proxy makes of `Host:` is its own affair.
    pub(super) fn are_home_of(&self, origin: &str, host: Option<&str>) -> bool {
        let (port, rest) = match origin.split_once("://") {
            Some(("http", rest)) => (80, rest),
            Some(("https", rest)) => (443, rest),
            Some(_) | None => return false,
        };
        let Some(from) = Authority::of(rest) else { return false };
        let same = |to: Authority| {
            from.name == to.name && from.port.unwrap_or(port) == to.port.unwrap_or(port)
        };
        self.hosts.contains(&from.name) || host.and_then(Authority::of).is_some_and(same)
    }
}

/// A name (or an address, without brackets) and a port.
#[derive(Debug, PartialEq, Eq)]
struct Authority {
    name: String,
    port: Option<u16>,
}

impl Authority {
    fn of(text: &str) -> Option<Self> {
        let (name, port) = match text.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => Some(port.parse().ok()?),
            None if port.is_empty() => None,
            None => return None,
        };
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let fits = is_address(&name) || !text.starts_with('[') && name.chars().all(is_name);
        (!name.is_empty() && fits).then_some(Self { name, port })
    }
}

fn is_address(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let hosts = vec!["weather.example".to_owned()];
        Names { machine: Some("station".to_owned()), hosts }
    }

    #[test]
    fn only_names_that_cannot_be_a_lure_are_known() {
        let table = [
            ("localhost", true),
            ("LocalHost:8000", true),
            ("localhost.:8000", true),
            ("127.0.0.1", true),
            ("127.0.0.1:1", true),
            ("10.1.2.3:8000", true),
            ("[::1]:8000", true),
            ("[fe80::1]", true),
            ("station", true),
            ("station.local:80", true),
            ("weather.example", true),
            ("weather.example:8443", true),
            ("evil.example", false),
            ("station.evil.example", false),
            ("localhost.evil.example", false),
            ("weather.example.evil.example", false),
            ("evil.example@localhost", false),
            ("localhost:8000@evil.example", false),
            ("localhost:port", false),
            ("localhost:99999", false),
            ("local host", false),
            ("[localhost]", false),
            ("[::1", false),
            ("[::1]x", false),
            ("::1", false),
            ("", false),
            (":8000", false),
            ("127.1", false),
            ("2130706433", false),
        ];
        for (host, known) in table {
            assert_eq!(names().know(host), known, "{host:?}");
        }
    }

    #[test]
    fn a_machine_is_known_by_its_short_name_too() {
        let names = Names { machine: Some("station.lan".to_owned()), hosts: Vec::new() };
        for known in ["station.lan", "station", "station.local:8000"] {
            assert!(names.know(known), "{known}");
        }
        assert!(!names.know("station.evil.example") && !names.know("lan"));
    }

    #[test]
    fn an_origin_is_ours_on_the_same_name_and_port() {
        let table = [
            ("http://localhost:8000", Some("localhost:8000"), true),
            ("http://LOCALHOST:8000", Some("localhost:8000"), true),
            ("https://localhost:8000", Some("localhost:8000"), true),
            ("http://localhost:3000", Some("localhost:8000"), false),
            ("http://127.0.0.1:8000", Some("localhost:8000"), false),
            ("http://[::1]:8000", Some("[::1]:8000"), true),
            ("https://10.0.0.5", Some("10.0.0.5"), true),
            ("https://10.0.0.5", Some("10.0.0.5:443"), true),
            ("http://10.0.0.5", Some("10.0.0.5:443"), false),
            ("https://weather.example:8443", Some("127.0.0.1:8000"), true),
            ("https://evil.example", Some("localhost"), false),
            ("https://weather.example.evil.example", Some("weather.example"), false),
            ("null", Some("localhost:8000"), false),
            ("file://", Some("localhost:8000"), false),
            ("chrome-extension://localhost:8000", Some("localhost:8000"), false),
            ("http://localhost:8000/", Some("localhost:8000"), false),
            ("http://localhost:8000", None, false),
            ("", Some("localhost"), false),
        ];
        for (origin, host, ours) in table {
            assert_eq!(names().are_home_of(origin, host), ours, "{origin:?} at {host:?}");
        }
    }
}
