//! `[watchtower]`: where the page is served, and who may read it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use toml::de::DeValue;

use crate::declare::key::{Complaint, FLAG, Key, NAMES, PATH, Spec, TEXT, count};
use crate::declare::settings;
use crate::declare::text::quote;
use crate::declare::values::{Scalar, address_like, text};
use crate::key_pair::PageTls;
use crate::part::Part;
use crate::read::redact::shorten;
use crate::read::section::Section;
use crate::secret::Secret;

/// Fewest characters of a token: an attacker has all the time in the world.
const TOKEN_CHARS_MIN: usize = 16;

/// Most characters of a token: it must fit into a request's header.
const TOKEN_CHARS_MAX: usize = 512;

/// Longest path of a Unix socket that Linux takes, in bytes.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Longest name of a host, in bytes.
const HOST_BYTES_MAX: usize = 253;

/// The port that is offered where one is missing.
const PORT: u16 = 8000;

settings! {
    /// `[watchtower]`
    pub struct Watchtower in "watchtower" concerns Part::Watchtower, checked Watchtower::check;

    /// Where the page is served: an address and a port ("0.0.0.0:8000": on all addresses), "unix:/run/barograph/page.sock"
    /// (a Unix socket, for a proxy on this machine), "systemd" (the socket of barograph.socket), or "off". Recording does
    /// not depend on the page.
    listen: Listen = Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], PORT))), TEXT;

    /// Anyone who can reach the page may read it. Where other machines can reach it, this or a token is required.
    anonymous_read: bool = false, FLAG;

    /// The file of the token that allows reading and commands (restart an actor, pause, test an alert ...). The file
    /// holds the token and nothing else, at least 16 characters, and other users of this machine cannot read it:
    /// `barograph token FILE` makes one. Without it the page gives no commands.
    admin_token: Option<Secret> = None,
        as "admin_token_file" PATH.checked(token).example(r#""/etc/barograph/admin-token""#);

    /// The file of the token that allows reading. With it, this machine needs a token, too.
    read_token: Option<Secret> = None,
        as "read_token_file" PATH.checked(token).example(r#""/etc/barograph/read-token""#);

    /// For https://: the certificate with its chain (PEM), with `key_file`. Both are read again at a reload. Without them
    /// the page and the tokens cross the network unencrypted.
    tls: Option<PageTls> = None,
        as "cert_file" PATH.example(r#""/etc/barograph/page.pem""#),
        and "key_file" PATH.example(r#""/etc/barograph/page.key""#)
            .note("The private key (PEM) of `cert_file`.");

    /// Further names of the page, such as that of a proxy, without a port. The page refuses a browser that calls it by an
    /// unknown name. Known are this machine's addresses, its own name, and localhost.
    hosts: Vec<String> = Vec::new(),
        NAMES.checked(host).example(r#"["station.example"]"#).absent("none");

    /// Most connections at a time.
    max_connections: u32 = 1536, count(1, 100_000).of("connections");

    /// Most connections at a time from one address, this machine's own not counted.
    max_connections_per_address: u32 = 64, count(1, 100_000).of("connections");
}

/// Where the page is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere: `"off"`.
    Off,
    /// An address of this machine and a port; port 0 is any free one.
    Tcp(SocketAddr),
    /// A Unix socket: `"unix:/run/barograph/page.sock"`.
    Unix(PathBuf),
    /// The socket that systemd hands over (`barograph.socket`): `"systemd"`.
    Systemd,
}

impl Listen {
    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Off | Self::Unix(_) => true,
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Systemd => false,
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd => f.write_str("systemd"),
        }
    }
}

impl Scalar for Listen {
    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, Complaint> {
        let why = "expected an address of this machine and a port (0.0.0.0: on all addresses), \
                   \"unix:/PATH\", \"systemd\" or \"off\"";
        let like = |text: &str| Complaint::write(why, quote(&address_like(text, PORT).to_string()));
        if let Some(port) = value.as_integer() {
            return Err(like(port.as_str()));
        }
        let text = text(value, key)?;
        if let Some(path) = text.strip_prefix("unix:") {
            return socket_path(path).map(Self::Unix);
        }
        match text.as_str() {
            "off" => Ok(Self::Off),
            "systemd" => Ok(Self::Systemd),
            address => address.parse().map(Self::Tcp).map_err(|_| like(address)),
        }
    }

    fn print(&self, _spec: &Spec) -> String {
        quote(&self.to_string())
    }
}

fn socket_path(path: &str) -> Result<PathBuf, Complaint> {
    if !path.is_empty() && !path.ends_with('/') && path.len() <= SOCKET_PATH_BYTES_MAX {
        return Ok(PathBuf::from(path));
    }
    let name = if path.ends_with('/') { path } else { "/run/barograph/" };
    let why = format!(
        "expected the path of a socket after `unix:`, at most {SOCKET_PATH_BYTES_MAX} bytes"
    );
    Err(Complaint::write(why, quote(&format!("unix:{name}page.sock"))))
}

/// Whether a token is long enough, and can be sent as it is. Never repeats it.
fn token(token: &str, _key: &Key) -> Result<String, Complaint> {
    let count = token.chars().count();
    let why = if !(TOKEN_CHARS_MIN..=TOKEN_CHARS_MAX).contains(&count) {
        format!(
            "expected a token of {TOKEN_CHARS_MIN} to {TOKEN_CHARS_MAX} characters in the file, found {count}"
        )
    } else if !token.chars().all(|c| c.is_ascii_graphic()) {
        "expected a token of letters a to z, digits and signs in the file, without blanks and line ends".to_owned()
    } else {
        return Ok(token.to_owned());
    };
    let advice = "delete the file, and let `barograph token FILE` make a new one";
    Err(Complaint::advise(why, advice))
}

/// A name in lower case, as it is compared with what a browser sends.
fn host(name: &str, key: &Key) -> Result<String, Complaint> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_host = |name: &str| {
        let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.len() <= HOST_BYTES_MAX
            && name.chars().all(is_part)
            && !name.ends_with('.');
        is_name || name.parse::<IpAddr>().is_ok()
    };
    if is_host(name) {
        return Ok(name.to_ascii_lowercase());
    }
    let (_, bare) = name.rsplit_once("//").unwrap_or(("", name));
    let bare = bare.split(['/', ':']).next().unwrap_or_default().trim_end_matches('.');
    let example =
        if is_host(bare) { format!("[{}]", quote(&shorten(bare))) } else { key.example() };
    Err(Complaint::write("expected a host name without `http://`, port or `*`", example))
}

impl Watchtower {
    /// Whether reading requires a token: where one is set, and where other machines can reach the page, unless anyone may
    /// read it.
    pub fn reading_needs_a_token(&self) -> bool {
        self.read_token.is_some() || !self.listen.is_local() && !self.anonymous_read
    }

    fn check(&mut self, section: &mut Section<'_, '_>) {
        self.check_tokens(section);
        if let Some(spot) = section.spot("cert_file").or(section.spot("key_file"))
            && matches!(self.listen, Listen::Unix(_))
        {
            let why = "a Unix socket is served without TLS: it does not leave this machine";
            section.reader.refuse(&spot, Complaint::advise(why, "remove cert_file and key_file"));
        }
        let names = ["listen", "anonymous_read", "admin_token_file", "read_token_file"];
        let is_known = !names.into_iter().any(|name| section.is_bad(name));
        if is_known && section.reader.is_whole() {
            self.check_reach(section);
        }
    }

    /// The two tokens allow different things, and where anyone may read, a token for reading has no effect.
    fn check_tokens(&self, section: &mut Section<'_, '_>) {
        let Some(read) = &self.read_token else { return };
        if Some(read) == self.admin_token.as_ref()
            && let Some(at) = section.spot("admin_token_file")
        {
            let why = format!(
                "the same token as in {} ({}): every reader could give commands",
                at.path, at.place
            );
            let complaint = Complaint::advise(why, "write another token into one of the files");
            section.refuse("read_token_file", complaint);
        }
        if self.anonymous_read
            && let Some(at) = section.spot("anonymous_read")
        {
            let why = format!("has no effect: {} ({}) lets anyone read", at.path, at.place);
            section.refuse("read_token_file", Complaint::advise(why, "keep only one of them"));
        }
    }

    /// A page that other machines can reach must have a rule on who may read it.
    fn check_reach(&self, section: &mut Section<'_, '_>) {
        let Some(spot) = section.spot("listen").filter(|_| !self.listen.is_local()) else { return };
        let has_a_token = self.admin_token.is_some() || self.read_token.is_some();
        if !has_a_token && !self.anonymous_read {
            let why =
                "other machines can reach this address, and nothing says who may read the page";
            let advice = "require a token: run `barograph token /etc/barograph/read-token` and add: read_token_file = \
                          \"/etc/barograph/read-token\"; or let anyone read: add: anonymous_read = true";
            section.refuse("listen", Complaint::advise(why, advice));
        } else if has_a_token && self.tls.is_none() && matches!(self.listen, Listen::Tcp(_)) {
            let text = "tokens cross the network unencrypted: add a certificate (cert_file, key_file), or listen on \
                        127.0.0.1 behind a proxy that has one";
            section.reader.warn(&spot, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Declared;

    #[test]
    fn reading_requires_a_token_where_one_is_set_or_others_reach_the_page() {
        let tcp = |address: &str| Listen::Tcp(address.parse().unwrap());
        let needs = |listen: &Listen, anonymous_read, read_token: Option<Secret>| {
            let listen = listen.clone();
            let page = Watchtower { listen, anonymous_read, read_token, ..Watchtower::initial() };
            page.reading_needs_a_token()
        };
        for listen in [tcp("0.0.0.0:1"), tcp("192.0.2.7:80"), tcp("[::]:1"), Listen::Systemd] {
            assert!(needs(&listen, false, None) && !needs(&listen, true, None), "{listen}");
        }
        let unix = Listen::Unix("/run/a".into());
        for listen in [tcp("127.9.9.9:1"), tcp("[::1]:1"), unix, Listen::Off] {
            assert!(!needs(&listen, false, None), "{listen}");
            assert!(needs(&listen, false, Some(Secret::new("x"))), "{listen}");
        }
    }
}
