//! `[mqtt]`: the broker and our session there.

pub(crate) mod broker_url;
pub(crate) mod qos;

use std::path::PathBuf;
use std::time::Duration;

use crate::declare::key::{
    Complaint, DAY, FLAG, HOUR, MIB, MINUTE, PATH, SECOND, SECRET, TEXT, TIB, URL, YEAR, count,
    millis, size, time, whole_seconds, word,
};
use crate::declare::settings;
use crate::field::Declared;
use crate::key_pair::ClientAuth;
use crate::mqtt::broker_url::{Address, BrokerUrl, address};
use crate::part::Part;
use crate::read::problems::Origin;
use crate::read::section::{Section, strongest};
use crate::secret::Secret;
use crate::word::{Word, words};

settings! {
    /// `[mqtt]`
    pub struct Mqtt in "mqtt" concerns Part::Mqtt, checked Mqtt::check;

    /// The broker. mqtt:// is plain, port 1883 if none is named; mqtts:// is encrypted, port 8883. User and password may
    /// stand in it (mqtt://user:password@host), but this file is rarely as private as `password_file`; a `/`, `?`, `#` or
    /// `@` in a password is then written %2F, %3F, %23 or %40.
    url: BrokerUrl = BrokerUrl::localhost(), URL;

    /// The protocol version. "3.1.1" is the default: storing every message exactly once is proven hardest with it. "5"
    /// adds `session_expiry` and `receive_maximum`, but its brokers drop oversized messages without a notice.
    protocol: Protocol = Protocol::V311, word(Protocol::WORDS);

    /// The name of the session in which the broker keeps messages while the recorder is away. The one that is made is kept
    /// in the database, so that it does not change with the name of the host. Another one set here is used, and what waits
    /// under the old name is lost. It must differ from every other client's, or the two disconnect each other without end.
    client_id: String = String::new(), TEXT
        .example(r#""barograph-attic""#)
        .absent("barograph-, the name of this host and six random digits, made at the first start");

    /// The user name at the broker.
    username: Option<String> = None, TEXT.example(r#""barograph""#);

    /// The password, here or in a file that holds it and nothing else (a line end is ignored). Set only one of the two.
    password: Option<Secret> = None, SECRET,
        and "password_file" PATH.example(r#""/etc/barograph/password""#)
            .note("A file that holds the password and nothing else, readable for Barograph only.");

    /// The keep-alive of the connection. A silent connection is tested three times within it, and given up after at most
    /// one and a third of it. Below 30 s a long backlog can delay the answer so much that a good connection is given up.
    keep_alive: Duration = millis(MINUTE), whole_seconds(5 * SECOND, 18 * HOUR);

    /// How long the broker keeps our messages while the recorder is away. Only for protocol "5"; with "3.1.1" the broker
    /// alone decides (Mosquitto: `persistent_client_expiration`, by default never).
    session_expiry: Duration = millis(7 * DAY), whole_seconds(SECOND, 100 * YEAR);

    /// How many messages the broker may send before it waits for acknowledgements. Only for protocol "5".
    receive_maximum: u16 = 1000, count(1, 65_535).of("messages");

    /// The largest MQTT packet that is decoded. Of a larger one the first bytes and its length go to quarantine.
    max_packet_size: u64 = MIB, size(128, 256 * MIB);

    /// Most bytes of messages in memory that are not yet durable. When it is full, the broker waits and keeps the rest.
    max_unacked: u64 = 4 * MIB, size(1, TIB);

    /// First pause before connecting again. It doubles, with jitter, up to `reconnect_max`.
    reconnect_min: Duration = millis(SECOND), time(10, DAY);

    /// Longest pause before connecting again.
    reconnect_max: Duration = millis(MINUTE), time(10, DAY);

    /// For mqtts:// only: a PEM file of the authorities to trust.
    ca_file: Option<PathBuf> = None, PATH
        .example(r#""/etc/barograph/ca.pem""#)
        .absent("those of the system");

    /// For mqtts:// only: our certificate chain (PEM), if the broker asks for one. With `client_key`.
    client_auth: Option<ClientAuth> = None,
        as "client_cert" PATH.example(r#""/etc/barograph/client.pem""#),
        and "client_key" PATH.example(r#""/etc/barograph/client.key""#)
            .note("For mqtts:// only: the private key (PEM) of `client_cert`.");

    /// Subscribe to the broker's own count of dropped messages ($SYS/broker/publish/messages/dropped, as Mosquitto
    /// publishes it). A rise means that messages were lost before they reached the recorder: it is an issue with its
    /// number. `false` for a broker that disconnects clients that subscribe to it.
    watch_drops: bool = true, FLAG;

    /// Publish a message to ourselves (barograph/CLIENT_ID/echo, QoS 1). Without an answer for two intervals the
    /// connection is deaf, and is renewed; with one, a station without readings is silent. `false` for a broker that does
    /// not let us publish there (if it disconnects us twice for it, the echo is switched off with a warning).
    echo: bool = true, FLAG;

    /// The interval of `echo`.
    echo_interval: Duration = millis(MINUTE), time(SECOND, HOUR);
}

words! {
    /// MQTT protocol version.
    pub enum Protocol, as_str {
        /// MQTT 3.1.1
        V311 = "3.1.1",
        /// MQTT 5
        V5 = "5",
    }
}

/// `barograph-<hostname>`: what a recorder adds its random digits to.
pub(crate) fn client_id(hostname: &str) -> String {
    format!("barograph-{hostname}")
}

impl Mqtt {
    fn check(&mut self, section: &mut Section<'_, '_>) {
        let (min, max) = (self.reconnect_min, self.reconnect_max);
        section.keep_order(("reconnect_min", min), ("reconnect_max", max));
        self.join_credentials(section);
        self.check_certificates(section);
        self.warn_of_unused(section);
    }

    /// Joins `username` and `password` with those of the URL; the stronger layer wins.
    fn join_credentials(&mut self, section: &mut Section<'_, '_>) {
        let bad = ["username", "password", "password_file"].map(|name| section.is_bad(name));
        let from_url = section.again(Mqtt::TABLE.key("url"), address);
        let url_spot = section.spot("url");
        let Address { username, password, .. } = from_url.unwrap_or_default();
        if let Some(spot) = url_spot.as_ref().filter(|_| password.is_some())
            && matches!(spot.place, Origin::Flag(_))
        {
            let text = "every user of this machine can read a password on the command line; \
                        better: mqtt.password_file";
            section.reader.warn(spot, text);
        }
        let own = self.username.take().zip(section.spot("username"));
        let names = [own, username.zip(url_spot.clone())];
        self.username = strongest(section.reader, names).map(|(name, _)| name);
        let own = self.password.take().zip(section.spot("password"));
        let winner = strongest(section.reader, [own, password.zip(url_spot)]);
        let Some((password, spot)) = winner else { return };
        self.password = Some(password);
        let is_nameless = self.username.is_none() && self.protocol == Protocol::V311;
        if is_nameless && !bad.contains(&true) && section.reader.is_whole() {
            let why = "MQTT 3.1.1 has no password without a user name";
            let advice = "add: username = \"...\", or write: protocol = \"5\"";
            section.reader.refuse(&spot, Complaint::advise(why, advice));
        }
    }

    fn check_certificates(&self, section: &mut Section<'_, '_>) {
        if section.is_bad("url") || self.url.tls {
            return;
        }
        let names = ["ca_file", "client_cert", "client_key"];
        for spot in names.map(|name| section.spot(name)).into_iter().flatten() {
            let url = BrokerUrl { tls: true, port: 8883, ..self.url.clone() };
            let why = "certificates need a URL that begins with mqtts://";
            let advice = format!("write: url = \"{url}\", or remove this line");
            section.reader.refuse(&spot, Complaint::advise(why, advice));
        }
    }

    /// What only MQTT 5 has; the shipped file sets both to their defaults, without a warning.
    fn warn_of_unused(&self, section: &mut Section<'_, '_>) {
        let expiry = self.session_expiry != millis(7 * DAY);
        let unused =
            [("session_expiry", expiry), ("receive_maximum", self.receive_maximum != 1000)];
        for (name, _) in unused.into_iter().filter(|(_, changed)| *changed) {
            if self.protocol == Protocol::V311 {
                let text = format!("mqtt.{name}: has no effect with protocol = \"3.1.1\"");
                section.reader.warn_of_default(text);
            }
        }
    }
}
