//! User and password of the broker, from the keys or from the URL; the stronger layer wins.

use crate::declare::key::Complaint;
use crate::field::Declared;
use crate::mqtt::broker_url::{Address, address};
use crate::mqtt::{Mqtt, Protocol};
use crate::read::problems::Place;
use crate::read::section::{Section, strongest};

/// Joins `username` and `password` with those of the URL.
pub(crate) fn join(section: &mut Section<'_, '_>, mqtt: &mut Mqtt) {
    let bad = ["username", "password", "password_file"].map(|name| section.is_bad(name));
    let from_url = section.again(Mqtt::TABLE.key("url"), address);
    let url_spot = section.spot("url");
    let Address { username, password, .. } = from_url.unwrap_or_default();
    if let Some(spot) = url_spot.as_ref().filter(|_| password.is_some())
        && matches!(spot.place, Place::Flag(_))
    {
        let text = "every user of this machine can read a password on the command line; \
                    better: mqtt.password_file";
        section.reader.warn(spot, text);
    }
    let own = mqtt.username.take().zip(section.spot("username"));
    let names = [own, username.zip(url_spot.clone())];
    mqtt.username = strongest(section.reader, names).map(|(name, _)| name);
    let own = mqtt.password.take().zip(section.spot("password"));
    let winner = strongest(section.reader, [own, password.zip(url_spot)]);
    let Some((password, spot)) = winner else { return };
    mqtt.password = Some(password);
    let is_nameless = mqtt.username.is_none() && mqtt.protocol == Protocol::V311;
    if is_nameless && !bad.contains(&true) && section.reader.is_whole() {
        let why = "MQTT 3.1.1 has no password without a user name";
        let advice = "add: username = \"...\", or write: protocol = \"5\"";
        section.reader.refuse(&spot, Complaint::advise(why, advice));
    }
}
