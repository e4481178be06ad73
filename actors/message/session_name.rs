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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_its_parts_back() {
        let name = session_name("mqtt://host:1883", "known as attic");
        assert_eq!(parts_of(&name), Some(("mqtt://host:1883", "known as attic")));
        assert_eq!(parts_of("fake/client"), None);
    }
}
