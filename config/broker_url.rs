//! The broker's URL: `mqtt://` or `mqtts://`, host, port, and perhaps a user and a password.
//!
//! No text of this file repeats a part of the URL: in a half-written one, any part may be the password.

use toml::de::DeValue;
use url::{Host, ParseError, Url};

use crate::keys::Key;
use crate::problems::Complaint;
use crate::settings::{BrokerUrl, Secret};
use crate::values;

const PORT: u16 = 1883;
const PORT_TLS: u16 = 8883;

/// What the URL says.
#[derive(Debug)]
pub(crate) struct Address {
    pub(crate) broker: BrokerUrl,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
}

/// Reads the URL.
pub(crate) fn address(value: &DeValue<'_>, key: &Key) -> Result<Address, Complaint> {
    let text = values::text(value, key)?;
    let complain = |why: &str| Complaint::write(why, key.example);
    if !text.contains("://") {
        return Err(complain("the URL does not begin with mqtt:// or mqtts://"));
    }
    let url = Url::parse(&text).map_err(|error| complain(explain(error)))?;
    let tls = match url.scheme() {
        "mqtt" => false,
        "mqtts" => true,
        _ => {
            let why = "a broker's URL begins with mqtt://, or with mqtts:// for TLS";
            return Err(complain(why));
        }
    };
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        let why = "nothing may follow the port (a `/`, `?`, `#` or `@` in a password is \
                   written %2F, %3F, %23 or %40)";
        return Err(complain(why));
    }
    let port = url.port().unwrap_or(if tls { PORT_TLS } else { PORT });
    if port == 0 {
        return Err(complain("there is no port 0"));
    }
    let broker = BrokerUrl { host: host(&url).ok_or_else(|| complain(HOST))?, port, tls };
    let username = credential(url.username(), key)?.filter(|name| !name.is_empty());
    let password = match url.password() {
        Some(password) => credential(password, key)?.map(Secret::new),
        None => None,
    };
    Ok(Address { broker, username, password })
}

const HOST: &str =
    "the URL's host is not one (letters beyond ASCII are written in their xn-- form)";

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
    let decoded = decoded.map_err(|_| {
        Complaint::write("the user or the password in the URL is not UTF-8", key.example)
    })?;
    if decoded.contains('\0') || decoded.len() > values::TEXT_BYTES_MAX {
        let why = "the user or the password in the URL cannot be said in MQTT";
        return Err(Complaint::write(why, key.example));
    }
    Ok(Some(decoded.into_owned()))
}

fn explain(error: ParseError) -> &'static str {
    // `ParseError` is open to new variants: what is not about the port reads well as being about the host.
    if error == ParseError::InvalidPort {
        "the port is not a number from 1 to 65535"
    } else if error == ParseError::InvalidIpv6Address {
        "the address in brackets is not an IPv6 address"
    } else {
        HOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::MQTT;

    fn read(text: &str) -> Result<Address, Complaint> {
        address(&DeValue::String(text.into()), MQTT.key("url"))
    }

    fn broker(text: &str) -> String {
        read(text).map_or_else(|complaint| complaint.why, |address| address.broker.to_string())
    }

    #[test]
    fn ports_have_the_default_of_their_scheme() {
        assert_eq!(broker("mqtt://broker"), "mqtt://broker:1883");
        assert_eq!(broker("mqtts://broker/"), "mqtts://broker:8883");
        assert_eq!(broker("mqtt://192.168.1.7:11883"), "mqtt://192.168.1.7:11883");
        assert_eq!(broker("MQTT://broker:"), "mqtt://broker:1883");
    }

    #[test]
    fn ipv6_hosts_lose_their_brackets_and_find_them_again() {
        let address = read("mqtt://[::1]:99").unwrap();
        assert_eq!(address.broker.host, "::1");
        assert_eq!(address.broker.to_string(), "mqtt://[::1]:99");
    }

    #[test]
    fn credentials_are_taken_out_and_decoded() {
        let address = read("mqtt://bob:p%40ss%2F@broker").unwrap();
        assert_eq!(address.username.as_deref(), Some("bob"));
        assert_eq!(address.password.as_ref().map(Secret::expose), Some("p@ss/"));
        assert!(!format!("{address:?}").contains("p@ss"));
        let address = read("mqtt://:secret@broker").unwrap();
        assert_eq!(address.username, None, "an empty user is none");
    }

    #[test]
    fn every_bad_url_is_refused_without_repeating_it() {
        for text in [
            "broker",
            "hunter2:1883",
            "tcp://hunter2",
            "mqtt:hunter2",
            "mqtt://",
            "mqtt://:1883",
            "mqtt://hunter2:0",
            "mqtt://hunter2:99999",
            "mqtt://user:hunter2",
            "mqtt://hunter 2",
            "mqtt://hünter2",
            "mqtt://broker/hunter2",
            "mqtt://broker?hunter2",
            "mqtt://broker#hunter2",
            "mqtt://us:hunter2%ff@broker",
            "mqtt://us:hunter2%00@broker",
            "mqtt://[hunter2]",
        ] {
            let complaint = read(text).expect_err(text);
            let said = format!("{complaint:?}");
            assert!(!said.contains("hunter2") && !said.contains("ünter"), "{text}: {said}");
        }
    }
}
