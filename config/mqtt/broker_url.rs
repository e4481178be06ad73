//! The broker's URL: `mqtt://` or `mqtts://`, host, port, and perhaps a user and a password.
//!
//! A message repeats only what cannot be a password: a host and a numeric port without an `@`.

use std::fmt;

use toml::de::DeValue;
use url::{Host, ParseError, Url};

use crate::declare::key::{Complaint, Key};
use crate::declare::text::quote;
use crate::declare::values;
use crate::field::{Field, line};
use crate::page::{Assignment, ShownValue};
use crate::read::section::Section;
use crate::secret::Secret;

const PORT: u16 = 1883;
const PORT_TLS: u16 = 8883;

/// `mqtt://host:port` or `mqtts://host:port`, without the credentials it may have been written with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerUrl {
    /// Host name or address (an IPv6 address without its brackets).
    pub host: String,
    /// TCP port; default 1883, with TLS 8883.
    pub port: u16,
    /// `mqtts://`
    pub tls: bool,
}

impl BrokerUrl {
    /// The broker of this machine.
    pub(crate) fn localhost() -> Self {
        Self { host: "localhost".to_owned(), port: PORT, tls: false }
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

impl Field for BrokerUrl {
    fn take(&mut self, section: &mut Section<'_, '_>, keys: &'static [Key]) {
        if let [key] = keys
            && let Some(Address { broker: Some(broker), .. }) = section.take(key, address)
        {
            *self = broker;
        }
    }

    fn lines(&self, keys: &'static [Key]) -> Vec<Assignment> {
        keys.iter().map(|key| line(key, ShownValue::Plain(quote(&self.to_string())))).collect()
    }
}

/// What the URL holds.
#[derive(Debug, Default)]
pub(crate) struct Address {
    pub(crate) broker: Option<BrokerUrl>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
}

/// Reads the URL.
pub(crate) fn address(value: &DeValue<'_>, key: &Key) -> Result<Address, Complaint> {
    let text = values::text(value, key)?;
    let complain = |why: &str| Complaint::write(why, meant(&text).unwrap_or(key.example()));
    let scheme = "expected a URL that begins with mqtt://, or with mqtts:// for TLS";
    if !text.contains("://") {
        return Err(complain(scheme));
    }
    let url = Url::parse(&text).map_err(|error| complain(explain(error)))?;
    let tls = match url.scheme() {
        "mqtt" => false,
        "mqtts" => true,
        _ => return Err(complain(scheme)),
    };
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        let why = "expected nothing after the port (a `/`, `?`, `#` or `@` in a password is \
                   written %2F, %3F, %23 or %40)";
        return Err(complain(why));
    }
    let port = url.port().unwrap_or(if tls { PORT_TLS } else { PORT });
    if port == 0 {
        return Err(complain("expected a port from 1 to 65535"));
    }
    let broker = BrokerUrl { host: host(&url).ok_or_else(|| complain(HOST))?, port, tls };
    let username = credential(url.username(), key)?.filter(|name| !name.is_empty());
    let password = match url.password() {
        Some(password) => credential(password, key)?.map(Secret::new),
        None => None,
    };
    Ok(Address { broker: Some(broker), username, password })
}

/// The URL that was meant by a host, a host and a port, or another scheme's URL. Nothing with an `@` or an odd port is
/// repeated: it may hold a password.
fn meant(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let rest = rest.trim().trim_end_matches('/');
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, Some(port.parse::<u16>().ok()?)),
        Some(_) | None => (rest, None),
    };
    let secure = ["mqtts", "ssl", "tls", "https", "wss", "mqtt+ssl", "tcps"];
    let tls = secure.contains(&scheme.to_lowercase().as_str())
        || scheme.is_empty() && port == Some(PORT_TLS);
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if host.is_empty() || !host.chars().all(is_host) || port == Some(0) {
        return None;
    }
    let port = port.unwrap_or(if tls { PORT_TLS } else { PORT });
    Some(format!("\"{}\"", BrokerUrl { host: host.to_owned(), port, tls }))
}

const HOST: &str =
    "expected a host name or address (letters beyond ASCII are written in their xn-- form)";

fn host(url: &Url) -> Option<String> {
    match url.host()? {
        Host::Domain(name) => (!name.is_empty() && !name.contains('%')).then(|| name.to_owned()),
        Host::Ipv4(address) => Some(address.to_string()),
        Host::Ipv6(address) => Some(address.to_string()),
    }
}

/// One half of `user:password@`, its `%40` made an `@`.
fn credential(encoded: &str, key: &Key) -> Result<Option<String>, Complaint> {
    if encoded.is_empty() {
        return Ok(None);
    }
    let decoded = percent_encoding::percent_decode_str(encoded).decode_utf8();
    let decoded = decoded
        .map_err(|_| Complaint::write("expected user and password in UTF-8", key.example()))?;
    if decoded.contains('\0') || decoded.len() > values::TEXT_BYTES_MAX {
        let why = "expected a user and a password without NUL, of at most 65535 bytes";
        return Err(Complaint::write(why, key.example()));
    }
    Ok(Some(decoded.into_owned()))
}

fn explain(error: ParseError) -> &'static str {
    // `ParseError` is open to new variants: what is not about the port reads well as being about the host.
    if error == ParseError::InvalidPort {
        "expected a port from 1 to 65535"
    } else if error == ParseError::InvalidIpv6Address {
        "expected an IPv6 address in the brackets"
    } else {
        HOST
    }
}
