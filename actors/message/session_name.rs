//! What a session at the broker is called: the broker, and our client id there. The ledger belongs to a session, and
//! databases keep its name.

use std::fmt::Display;

const BETWEEN: &str = " as ";

/// The name of the session of this client at this broker.
pub fn session_name(broker: impl Display, client_id: &str) -> String {
    format!("{broker}{BETWEEN}{client_id}")
}

/// Broker and client id of a session's name; `None`: it is no such name.
pub fn parts_of(session: &str) -> Option<(&str, &str)> {
    // The URL of a broker has no spaces; a client id may.
    session.split_once(BETWEEN)
}

/// The topic of our messages to ourselves. A client id may have what no topic name may.
pub fn echo_topic(client_id: &str) -> String {
    format!("barograph/{}/echo", client_id.replace(['+', '#', '/', '\0'], "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_id_never_makes_a_filter_or_a_level() {
        assert_eq!(echo_topic("station"), "barograph/station/echo");
        assert_eq!(echo_topic("a/+#\0b"), "barograph/a____b/echo");
    }

    #[test]
    fn a_name_gives_its_parts_back() {
        let name = session_name("mqtt://host:1883", "known as attic");
        assert_eq!(parts_of(&name), Some(("mqtt://host:1883", "known as attic")));
        assert_eq!(parts_of("fake/client"), None);
    }
}
